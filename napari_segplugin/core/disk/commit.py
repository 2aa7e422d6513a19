"""All or nothing on disk: whatever is written becomes visible as a whole, and a kill leaves the old or the new.

Files are made in a hidden folder beside their targets, the stage. When all of them lie on the disk, a list of them is
put into the stage in one step: that is the moment from which the new set counts. Then each is moved to its place. A kill
before the list leaves the old set, and a leftover that is swept; a kill after it is made good by whoever reads or writes
one of the files next (:func:`settle`). Everything of this package that writes a file goes through here.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_segplugin.core.disk.stages import (
    JOB,
    LIST,
    LOCK,
    NEW,
    OLD,
    PREFIX,
    clear,
    here,
    mine,
    remove,
    stage_of,
    stages_of,
    sync,
    take,
    to_disk,
)
from napari_segplugin.core.errors import InputError

PATIENCE = 10.0
"""Seconds that one waits for another program that writes the same files."""
_MOVING = 60.0  # moving takes less, also over a slow network


class FileSet:
    """Where the files of one set are made before they count.

    Parameters
    ----------
    folder : Path
        Hidden, beside the targets.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, list[str]()

    def path(self, target: str | Path) -> Path:
        """Where to write what is to become `target`, a name beside the stage; has the same name."""
        name = Path(target).name
        if name not in self.names:
            self.names.append(name)
        return self.folder / NEW / name

    def finish(self) -> list[Path]:
        """Let the new files count; the targets in the order in which they were asked for.

        Raises
        ------
        OSError
            If the disk refuses; the old set is in place then.
        """
        made = self.folder / NEW
        to_disk([p for p in made.rglob("*") if p.is_file() and not p.is_symlink()])
        part = self.folder / f"{LIST}.part"
        with part.open("w", encoding="utf-8") as stream:
            json.dump({"names": self.names}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, self.folder / LIST)
        sync(self.folder)
        try:
            _move_in(self.folder, self.names)
        except OSError:
            _move_back(self.folder, self.names)
            (self.folder / LIST).unlink()
            raise
        with contextlib.suppress(OSError):  # the list of what lies in place already does no harm
            _counted(self.folder)
        return [self.folder.parent / name for name in self.names]


@contextlib.contextmanager
def commit(place: Path, stem: str = "") -> Iterator[FileSet]:
    """Write a set of files: all of them count at the end of the block, none where it raises.

    Parameters
    ----------
    place : Path
        The file or folder, or the first of those that belong together; all lie in one folder.
    stem : str
        How all their names begin, up to a dot; the whole name of `place` by default.

    Yields
    ------
    FileSet

    Raises
    ------
    OSError
        If the disk refuses.
    InputError
        If another program is writing the same files.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with commit(place) as stage:
    ...     stage.path(place).write_text("whole"), place.exists()
    (5, False)
    >>> place.read_text(), [p.name for p in place.parent.iterdir()]
    ('whole', ['a.txt'])
    """
    from napari_segplugin.core.disk.leftovers import sweep_sometimes

    settle(place)
    sweep_sometimes(place.parent)
    with held(stage_of(place.parent, stem or place.name), place.name) as folder:
        clear(folder)
        (folder / NEW).mkdir()
        (folder / OLD).mkdir()
        stage = FileSet(folder)
        yield stage
        stage.finish()


@contextlib.contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder for what is needed for a while; it is removed at the end, or swept where a kill came first.

    Parameters
    ----------
    beside : Path
        The folder that it is made in.
    """
    with held(beside / f"{PREFIX}{uuid.uuid4().hex[:16]}", beside.name) as folder:
        yield folder


@contextlib.contextmanager
def held(folder: Path, name: str, *, keep: bool = False) -> Iterator[Path]:
    """Hold a stage, which is made where it is missing; it is cleared and removed at the end.

    Parameters
    ----------
    folder : Path
    name : str
        For the sentence where another program holds it.
    keep : bool
        Leave what is in it when the block raises.

    Raises
    ------
    InputError
        If another program does not let go of it.
    """
    lock, until = None, time.monotonic() + PATIENCE
    while lock is None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if folder.exists() and not mine(folder):
            raise InputError(
                f"'{name}' was being written by another user.",
                got=f"'{folder.name}', a folder of that user",
                hint="Choose another name.",
            )
        lock = take(folder)
        if lock is None and (time.monotonic() > until or (folder / JOB).exists()):
            raise InputError(
                f"'{name}' is being written by another program.",
                hint="Wait until it is finished, or choose another name.",
            )
        if lock is None:
            time.sleep(0.02)
    try:
        yield folder
        keep = False
    finally:
        release(folder, lock, keep=keep)


def release(folder: Path, lock: int, *, keep: bool = False) -> None:
    """Let go of a stage and remove it; with `keep` what is in it stays. A set that counts already is moved in before."""
    try:
        if not keep:
            with contextlib.suppress(OSError):
                forward(folder)
                clear(folder)
                for end in (folder / LOCK).unlink, folder.rmdir:
                    end()
        else:
            with contextlib.suppress(OSError):
                keep = any(p.name != LOCK for p in folder.iterdir())
    finally:
        os.close(lock)
    if not keep:
        # Windows removes no file that is open
        with contextlib.suppress(OSError):
            if not (folder / LIST).exists():
                (folder / LOCK).unlink(missing_ok=True)
                folder.rmdir()


def settle(path: Path) -> None:
    """Finish what a kill interrupted after the new files counted, where `path` is one of them; does nothing otherwise.

    Parameters
    ----------
    path : Path
        What is going to be read or written, or something in it.

    Raises
    ------
    InputError
        If it has to be finished and cannot be.
    """
    for stage in (s for p in (path, path.parent) for s in (*stages_of(p), *stages_of(p, "job"))):
        until = time.monotonic() + PATIENCE
        while mine(stage) and (stage / LIST).exists():
            if finished(stage):
                break
            if time.monotonic() > until:
                raise InputError(
                    f"'{path.name}' is being replaced, and the new files cannot be moved into their place.",
                    got=f"'{stage.name}' in '{stage.parent}'",
                    hint="Close the programs that use these files, and check that you may write in the folder.",
                )
            time.sleep(0.02)


def finished(stage: Path) -> bool:
    """Move in the set of a stage whose program has ended; False where it lives, or the disk refuses."""
    lock = None
    try:
        if not here(stage) and time.time() - (stage / LIST).stat().st_mtime < _MOVING:
            return False
        lock = take(stage)
        if lock is None:
            return False
        forward(stage)
    except FileNotFoundError:
        return True  # another program was faster
    except OSError:
        return False
    finally:
        if lock is not None:
            release(stage, lock, keep=(stage / LIST).exists())
    return True


def forward(stage: Path) -> None:
    """Move the set of a stage in, where it counts already."""
    names = listed(stage)
    if names is not None:
        _move_in(stage, names)
        _counted(stage)


def _counted(stage: Path) -> None:
    """Forget a set that lies in place: first the work, which nobody can go on with, then what it consists of."""
    (stage / JOB).unlink(missing_ok=True)
    (stage / LIST).unlink()


def listed(stage: Path) -> list[str] | None:
    """The names of the set that a stage moves in; None where none counts yet, or the list is not one of ours."""
    try:
        names = json.loads((stage / LIST).read_text(encoding="utf-8"))["names"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    # a folder that somebody sent must not move files to other places
    plain = isinstance(names, list) and all(isinstance(n, str) and Path(n).name == n and n.strip(".") for n in names)
    fits = plain and any(stage in (*stages_of(stage.parent / n), *stages_of(stage.parent / n, "job")) for n in names)
    return names if fits else None


def _move_in(stage: Path, names: Sequence[str]) -> None:
    """Move the new files to their places and the old ones aside; goes on where a kill stopped it."""
    for name in names:
        new, target, old = stage / NEW / name, stage.parent / name, stage / OLD / name
        if os.path.lexists(new):
            if os.path.lexists(target):
                _aside(target, old, new)
            os.replace(new, target)
    sync(stage.parent)


def _aside(target: Path, old: Path, new: Path) -> None:
    """Keep the old file; a name that points to a file is never without one meanwhile, where the disk knows links."""
    remove(old)
    if not target.is_dir() and not new.is_dir():
        with contextlib.suppress(OSError, NotImplementedError):
            os.link(target, old, follow_symlinks=False)
            return
    os.rename(target, old)


def _move_back(stage: Path, names: Sequence[str]) -> None:
    """Put the old files back in their places; at every moment the set could be moved in again."""
    for name in reversed(names):
        new, target, old = stage / NEW / name, stage.parent / name, stage / OLD / name
        if not os.path.lexists(new):
            os.rename(target, new)
        if os.path.lexists(old) and not os.path.lexists(target):
            os.rename(old, target)


__all__ = [
    "PATIENCE",
    "FileSet",
    "commit",
    "finished",
    "forward",
    "held",
    "listed",
    "release",
    "remove",
    "scratch",
    "settle",
]
