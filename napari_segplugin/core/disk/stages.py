"""Stages: hidden folders beside the files that are made in them, each held by one program at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from stat import S_ISDIR

import psutil

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".segplugin-"
"""What the names of all stages begin with."""
LOCK, LIST, JOB, NEW, OLD = "lock", "commit.json", "job.json", "new", "old"
"""What lies in a stage: who holds it, what is to be moved, what is being computed, the new files and the old ones."""
_ABANDONED = 7 * 86400.0  # of another computer, whose programs cannot be asked whether they live
_MANY = 64


def stage_of(parent: Path, stem: str, kind: str = "") -> Path:
    """The stage of a set of files; the same for every program that writes them.

    Parameters
    ----------
    parent : Path
    stem : str
    kind : str
        "job" for what is computed for hours, which a file that is saved does not have to wait for.
    """
    plain = unicodedata.normalize("NFC", stem).casefold()
    digest = hashlib.sha256(f"{kind}/{plain}".encode("utf-8", "surrogatepass")).hexdigest()
    return parent / f"{PREFIX}{digest[:16]}"


def stages_of(path: Path, kind: str = "") -> list[Path]:
    """Every stage that a file may belong to: those of its name up to any of its dots."""
    parts = path.name.split(".")
    stems = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return [stage_of(path.parent, stem, kind) for stem in stems if stem]


def take(folder: Path) -> int | None:
    """Lock a stage; None where another program holds it, or it was removed meanwhile."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if _lock(lock, folder) and os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
                os.ftruncate(lock, 0)
                os.write(lock, f"{platform.node()} {os.getpid()}\n".encode())
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    return None


def clear(folder: Path, until: float = float("inf")) -> None:
    """Remove what is in a stage but its lock, deep down first; stops at a time of the monotonic clock.

    What says that one can go on with it goes before: a kill on the way leaves nothing that looks half done.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(folder / JOB)
    for place, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if time.monotonic() > until:
                return
            if (name, place) != (LOCK, str(folder)):
                os.unlink(os.path.join(place, name))
        for name in folders:
            path = os.path.join(place, name)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)


def mine(stage: Path) -> bool:
    """Whether a stage is there and belongs to this user; those of others are left alone."""
    try:
        found = os.stat(stage, follow_symlinks=False)
    except (OSError, ValueError):  # a path that cannot be one
        return False
    return S_ISDIR(found.st_mode) and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())


def here(stage: Path) -> bool:
    """Whether the program that held a stage last ran on this computer, so that a lock says whether it lives."""
    owner = _owner(stage)
    return not owner or owner[0] == platform.node()


def abandoned(stage: Path) -> bool:
    """Whether a stage of another computer has been still for so long that nobody comes back to it."""
    with os.scandir(stage) as entries:
        return time.time() - max((e.stat().st_mtime for e in entries), default=0.0) > _ABANDONED


def _owner(stage: Path) -> list[str]:
    try:
        return (stage / LOCK).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


def grip(number: int) -> None:
    """Lock an open file for this process without waiting; the system lets go when the process ends.

    Raises
    ------
    OSError
        If another one holds it, or the file system knows no locks.
    """
    if fcntl is None:
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(lock: int, stage: Path) -> bool:
    """Whether the lock is ours now."""
    try:
        grip(lock)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system that knows no locks
        owner = _owner(stage)
        if len(owner) < 2 or not owner[1].isdigit():
            return True
        return not psutil.pid_exists(int(owner[1])) if here(stage) else abandoned(stage)
    return True


def remove(path: Path) -> None:
    """Remove a file or a folder that may not be there; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def to_disk(files: Sequence[Path]) -> None:
    """See to it that files, and their names in their folders, outlive a power cut."""
    if len(files) > _MANY and hasattr(os, "sync"):
        os.sync()  # thousands of chunks one by one would take minutes
        return
    for path in files:
        with path.open("r+b") as stream:
            os.fsync(stream.fileno())
    for place in {p.parent for p in files}:
        sync(place)


def sync(folder: Path) -> None:
    """The same for the names in a folder; not every system knows that."""
    with contextlib.suppress(OSError):
        found = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(found)
        finally:
            os.close(found)


__all__ = [
    "JOB",
    "LIST",
    "LOCK",
    "NEW",
    "OLD",
    "PREFIX",
    "abandoned",
    "clear",
    "here",
    "mine",
    "remove",
    "stage_of",
    "stages_of",
    "sync",
    "take",
    "to_disk",
]
