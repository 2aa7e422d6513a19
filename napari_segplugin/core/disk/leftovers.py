"""What programs that were killed left behind: it is swept where nobody holds it and nobody can go on with it."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

from napari_segplugin.core.disk.commit import finished, release
from napari_segplugin.core.disk.stages import JOB, LIST, LOCK, abandoned, clear, here, mine, take

_STAGE = re.compile(r"\.segplugin-[0-9a-f]{16}")
_EARLIER = re.compile(r"\.partial-[0-9a-f]{12}(\..*)?|\.segplugin-[a-z0-9_]{8}|\.segplugin-doctor-[a-z0-9_]{8}")
"""Leftovers of versions that held nothing: removed once they have been still for a day."""
_ASIDE = re.compile(r"\.partial-[0-9a-f]{12}")
"""A folder of that name may be the only copy of a result, put aside while the new one was moved to its place."""
_SCRATCH = re.compile(r"(maps|labels|blocks\w*)\.zarr")
_DAY = 86400.0
_KEPT = 30 * _DAY
"""For so long one can go on with what was not finished."""
SECONDS = 1.0
_PAUSE = 10.0
_swept: dict[str, float] = {}


def sweep(folder: Path, seconds: float = SECONDS) -> None:
    """Remove what killed programs left in a folder; what is not ours, in use or can be continued stays. Never raises.

    Parameters
    ----------
    folder : Path
    seconds : float
        The longest time that it takes; the rest is for the next time.

    Examples
    --------
    >>> sweep(Path("/nowhere"))
    """
    until = time.monotonic() + seconds
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if time.monotonic() > until:
                return
            if entry.name.startswith((".segplugin-", ".partial-")):
                with contextlib.suppress(OSError):
                    _sweep(Path(entry.path), until)


def sweep_sometimes(folder: Path) -> None:
    """Sweep a folder that something is written to, unless that was done a moment ago: it may hold very many files."""
    now, key = time.monotonic(), str(folder.absolute())
    if now - _swept.get(key, -_PAUSE) >= _PAUSE:
        sweep(folder)
        _swept[key] = now


def sweep_usual(*folders: Path) -> None:
    """Sweep the folder of temporary files, and others; for the start of a program.

    Parameters
    ----------
    *folders : Path
    """
    with contextlib.suppress(OSError):  # none of the usual places for temporary files can be written
        sweep(Path(tempfile.gettempdir()))
    for folder in folders:
        sweep(folder)


def _sweep(path: Path, until: float) -> None:
    if _STAGE.fullmatch(path.name) and mine(path):
        _sweep_stage(path, until)
    elif _EARLIER.fullmatch(path.name) and _of_earlier(path):
        if path.is_dir():
            clear(path, until)
            with contextlib.suppress(OSError):
                (path / LOCK).unlink()
            path.rmdir()
        else:
            path.unlink()


def _sweep_stage(stage: Path, until: float) -> None:
    """Finish or remove a stage, or leave it to whoever holds it or goes on with it."""
    if (stage / LIST).exists():
        finished(stage)
        return
    if not here(stage) and not abandoned(stage):
        return
    job = stage / JOB
    if job.exists() and time.time() - newest(stage) < _KEPT:
        return
    lock = take(stage)
    if lock is None:
        return
    with contextlib.suppress(OSError):
        clear(stage, until)
    release(stage, lock, keep=time.monotonic() > until)


def newest(stage: Path) -> float:
    """When something directly in a folder was changed last."""
    with os.scandir(stage) as entries:
        return max((e.stat().st_mtime for e in entries), default=0.0)


def _of_earlier(path: Path) -> bool:
    """Whether a leftover of an earlier version is this user's, has been still for a day, and holds what we make."""
    found = os.lstat(path)
    own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if not own or path.is_symlink():
        return False
    if not path.is_dir():
        return time.time() - found.st_mtime > _DAY
    if _ASIDE.fullmatch(path.name):
        return False
    names = [p.name for p in path.iterdir()]
    ours = path.name.startswith(".partial-") or not names or any(_SCRATCH.fullmatch(n) for n in names)
    return ours and time.time() - max(newest(path), found.st_mtime) > _DAY


__all__ = ["sweep", "sweep_sometimes", "sweep_usual"]
