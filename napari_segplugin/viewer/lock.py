"""Who writes a file: a lock that the system holds for a process and lets go of when it ends, however it ends.

It lies on a file of its own beside the one that is written, since that one may be replaced by a shorter one. Within one
process two locks exclude each other too.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from napari_segplugin.core.disk.stages import grip
from napari_segplugin.io.files import close_to_others

_TAKEN = (errno.EACCES, errno.EDEADLK) if sys.platform == "win32" else (errno.EAGAIN, errno.EACCES)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""What a file system says that knows no locks."""
_TRIES = 20


class Lock:
    """A lock that is held; see :func:`take`.

    Parameters
    ----------
    path : path
    number : int
        The open file.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path = path
        self._number: int | None = number

    def release(self) -> None:
        """Let go; the second time nothing happens."""
        number, self._number = self._number, None
        if number is None:
            return
        if os.name == "posix":
            with suppress(OSError):
                if _is_file(number, self.path):  # it may have been taken away, and made again by somebody else
                    self.path.unlink()
        os.close(number)
        if os.name != "posix":  # a file that is open cannot be removed there, not even by the one who holds it
            with suppress(OSError):
                self.path.unlink()


def lock_of(path: Path) -> Path:
    """The file that stands for the lock of another one."""
    return path.with_name(f"{path.name}.lock")


def take(path: str | Path) -> Lock | None:
    """Take the lock of a file that is written, without waiting.

    Parameters
    ----------
    path : path
        The file that is written; it need not be there, its folder does.

    Returns
    -------
    Lock or None
        None where somebody else holds it.

    Raises
    ------
    OSError
        If the folder cannot be written, or its file system knows no locks (`errno` in :data:`NO_LOCKS`).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     held = take(Path(folder) / "work")
    ...     second = take(Path(folder) / "work")
    ...     held.release()
    >>> second is None
    True
    """
    place = lock_of(Path(path))
    for _ in range(_TRIES):
        number = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            grip(number)
            same = _is_file(number, place)
        except OSError as error:
            os.close(number)
            if error.errno in _TAKEN:
                return None
            raise
        if same:
            close_to_others(place)
            return Lock(place, number)
        os.close(number)  # whoever held it took the file away meanwhile
    return None


def _is_file(number: int, place: Path) -> bool:
    """Whether an open file is still the one that has this name."""
    try:
        return os.path.samestat(os.fstat(number), os.stat(place))
    except FileNotFoundError:
        return False


__all__ = ["NO_LOCKS", "Lock", "lock_of", "take"]
