"""The files in which work on images is kept: begun, taken hold of, listed and deleted. No Qt, no torch.

A session is one file. Whoever writes it holds its lock (:mod:`napari_segplugin.viewer.lock`), so no two windows write the same
one; reading needs no lock. A file is only ever begun under a name that is free, gone on with under its lock, and deleted when
somebody asks for it: nothing takes the place of earlier work.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from napari_segplugin.core import InputError
from napari_segplugin.io.files import close_to_others
from napari_segplugin.viewer.lock import NO_LOCKS, Lock, take
from napari_segplugin.viewer.records import read_headers

_NAME = re.compile(r"([0-9a-f]{20})(-\w+)?\.journal(\.old)?")
"""Key of the image, number of the session; ``.old`` is how earlier versions set one aside."""
_TRIES, _PAUSE = 5, 0.02
SHORTER = ".shorter"
"""What a session that is made shorter is called until it is whole."""


@dataclass(eq=False)
class Held:
    """A file that this window alone writes.

    Parameters
    ----------
    path : path
    lock : Lock or None
        None where the file system knows no locks.
    end : int
        Bytes that are good; what follows is half a record.
    others : tuple of path
        Sessions of the same image that are written by somebody else, as far as they were met.
    """

    path: Path
    lock: Lock | None
    end: int = 0
    others: tuple[Path, ...] = ()

    def release(self) -> None:
        """Let others have it."""
        if self.lock is not None:
            self.lock.release()


@dataclass(frozen=True)
class Saved:
    """A session as a list shows it.

    Parameters
    ----------
    path : path
    key : str
        Of the image, see :func:`napari_segplugin.engine.session.image_key`.
    image : str
        Name of the image; empty where it is not known.
    when : float
        Seconds since 1970 of the last edit.
    edits : int
        Finished steps, taken-back ones counted too.
    size : int
        Bytes on the disk.
    in_use : bool
        Whether a window writes it now.
    """

    path: Path
    key: str
    image: str
    when: float
    edits: int
    size: int
    in_use: bool

    @property
    def date(self) -> str:
        """When, as people write it."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.when))


def begin(path: Path) -> Held:
    """Make a new file under a name or, where that is taken, the name with the first number that is free.

    Raises
    ------
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = (begin(Path(folder) / "a.journal") for _ in range(2))
    ...     first.release(), second.release()
    ...     first.path.name, second.path.name, [p.name for p in second.others]
    (None, None)
    ('a.journal', 'a-2.journal', ['a.journal'])
    """
    others: list[Path] = []
    names = _names(path)
    while True:
        name = next(names)
        if name.exists():
            close_to_others(name)
            others += [name] if in_use(name) else []
            continue
        try:
            lock = take(name)
            if lock is None:
                others.append(name)
                continue
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock = None
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            if lock is not None:
                lock.release()
            if not isinstance(error, FileExistsError):
                raise
            continue
        close_to_others(name)
        return Held(name, lock, others=tuple(others))


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def hold(path: Path) -> Held | None:
    """Take hold of a file to go on with it; None where somebody else writes it, or nobody can know.

    It waits a moment, since a window that makes a list asks for the lock too; so call it in a worker.
    """
    lock = None
    for _ in range(_TRIES):
        try:
            lock = take(path)
        except OSError:
            return None
        if lock is not None:
            break
        time.sleep(_PAUSE)
    if lock is None:
        return None
    if not path.is_file():
        lock.release()
        return None
    with suppress(OSError):  # of a program that was killed while it made the file shorter
        path.with_name(path.name + SHORTER).unlink()
    return Held(path, lock)


def in_use(path: Path) -> bool:
    """Whether somebody writes a file now."""
    try:
        lock = take(path)
    except OSError:
        return False
    if lock is not None:
        lock.release()
    return lock is None


def files_of(folder: Path, key: str = "") -> list[Path]:
    """The files of the sessions of an image, or of all images, the newest first."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = _NAME.fullmatch(entry.name)
                if name and (not key or name[1] == key):
                    found.append((entry.stat().st_mtime, entry.name))
    except OSError:
        return []
    return [folder / name for _, name in sorted(found, reverse=True)]


def sessions(folder: Path) -> list[Saved]:
    """All sessions of a folder, the newest first. It reads in each file, so call it in a worker."""
    found = []
    for path in files_of(folder):
        with suppress(OSError):  # it may go while the list is made
            found.append(_about(path))
    return sorted(found, key=lambda s: s.when, reverse=True)


def _about(path: Path) -> Saved:
    image, when, edits, state = "", 0.0, 0, path.stat()
    for header in read_headers(path):
        kind = header.get("kind")
        if kind == "begin":
            image = str(header.get("image", ""))
        if kind in ("step", "marks"):
            edits += int(header.get("stands_for", 1))
        when = float(header.get("when", when))
    name = _NAME.fullmatch(path.name)
    return Saved(path, name[1] if name else "", image, when or state.st_mtime, edits, state.st_size, in_use(path))


def delete(path: Path) -> None:
    """Delete a session.

    Raises
    ------
    InputError
        If a window writes it, or the folder cannot be written.
    """
    held = None
    try:
        held = hold(path)
        if held is None and path.exists() and in_use(path):
            raise InputError(
                "This work is open in another window.", got=path.name, hint="Close that window first, then delete it"
            )
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError("The work could not be deleted.", got=f"{error.strerror or error}: {path}") from error
    finally:
        if held is not None:
            held.release()


__all__ = ["SHORTER", "Held", "Saved", "begin", "delete", "files_of", "hold", "in_use", "sessions"]
