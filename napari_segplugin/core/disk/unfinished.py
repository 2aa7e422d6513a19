"""Long work that goes on where a kill stopped it: what is done is written down beside the files that it fills."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from napari_segplugin.core.disk.commit import FileSet, held, settle
from napari_segplugin.core.disk.leftovers import sweep_sometimes
from napari_segplugin.core.disk.stages import JOB, LIST, NEW, OLD, PREFIX, clear, mine, stage_of, stages_of, to_disk
from napari_segplugin.core.errors import InputError
from napari_segplugin.core.types import Json

DONE, WORK = "done.jsonl", "work"
EVERY = 5.0
"""Seconds after which what is done is written down; so much is done again after a kill."""


class Ledger(FileSet):
    """A stage that knows what of its work is done.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    done : dict of str to JSON value
        What was written down before, in its order.
    touched : set of Path
        Files that hold what is done; whoever fills one adds it, and it is brought to the disk before that is written down.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.done, good = _read(folder / DONE)
        if good < ((folder / DONE).stat().st_size if (folder / DONE).exists() else 0):
            os.truncate(folder / DONE, good)
        self.touched: set[Path] = set()
        self.begun = False
        self._waiting: list[tuple[str, Json]] = []
        self._last = time.monotonic()

    def work(self, name: str) -> Path:
        """The path of something that is needed until the work is done."""
        return self.folder / WORK / name

    def record(self, key: str, value: Json = None, *, now: bool = False) -> None:
        """Write down that something is done: at once, or together with what follows in the next seconds."""
        self.begun = True
        self.done[key] = value
        self._waiting.append((key, value))
        if now or time.monotonic() - self._last >= EVERY:
            self.flush()

    def flush(self) -> None:
        """Bring the files to the disk, then what is done of them."""
        to_disk([p for p in self.touched if p.exists()])
        self.touched.clear()
        with (self.folder / DONE).open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(entry) + "\n" for entry in self._waiting)
            stream.flush()
            os.fsync(stream.fileno())
        self._waiting.clear()
        self._last = time.monotonic()


@contextlib.contextmanager
def long_job(place: Path, about: Mapping[str, Json], stem: str = "") -> Iterator[Ledger]:
    """Work for hours on a set of files, which count from :meth:`FileSet.finish` on; after a kill the same work goes on.

    Where the block raises, nothing is left, unless it raises before it has begun to go on.

    Parameters
    ----------
    place, stem
        As for :func:`~napari_segplugin.core.disk.commit.commit`.
    about : mapping
        What makes it the same work, JSON values by words for a person.

    Yields
    ------
    Ledger

    Raises
    ------
    InputError
        If other work on these files was not finished, or another program is at it.
    OSError
        If the disk refuses.
    """
    settle(place)
    sweep_sometimes(place.parent)
    with held(stage_of(place.parent, stem or place.name, "job"), place.name, keep=True) as folder:
        said = dict(json.loads(json.dumps(about)))
        _take_up(folder, place.name, said)
        ledger = Ledger(folder)
        resumed = bool(ledger.done)
        try:
            yield ledger
        except BaseException:
            if ledger.begun or not resumed:
                with contextlib.suppress(OSError):
                    clear(folder)
            raise


def _take_up(folder: Path, name: str, about: dict[str, Json]) -> None:
    """Check that a stage holds this work, or make it ready for it."""
    job = folder / JOB
    try:
        found = json.loads(job.read_text(encoding="utf-8"))["about"] if job.exists() else None
    except (OSError, ValueError, LookupError, TypeError):
        found = None
    if isinstance(found, dict):
        other = sorted(word for word in {*found, *about} if found.get(word) != about.get(word))
        if other:
            raise InputError(
                f"Another result for '{name}' was not finished.",
                got=f"different: {', '.join(other)}",
                hint=f"To continue that one, run it as before. To give it up, delete the hidden folder '{folder.name}', or "
                f"choose another name",
            )
        return
    clear(folder)
    for inner in (NEW, OLD, WORK):
        (folder / inner).mkdir()
    part = folder / f"{JOB}.part"
    part.write_text(json.dumps({"name": name, "about": about}), encoding="utf-8")
    to_disk([part])
    os.replace(part, job)


def check_finished(path: Path) -> None:
    """Raise where a file is not there because what writes it has not finished; of a file in a stage, too.

    Parameters
    ----------
    path : Path
        What is to be read.

    Raises
    ------
    InputError
        With how far it came.
    """
    inside = [p for p in path.absolute().parents if re.fullmatch(re.escape(PREFIX) + "[0-9a-f]{16}", p.name)]
    stages = inside or ([] if path.exists() else stages_of(path, "job"))
    for stage in stages:
        if mine(stage) and (stage / JOB).exists() and not (stage / LIST).exists():
            done = _read(stage / DONE)[0]
            total = done.get("of")
            tiles = sum(key.startswith("tile ") for key in done)
            raise InputError(
                f"'{path.name}' is not complete.",
                got=f"{tiles:,} of {total:,} tiles" if isinstance(total, int) else "nothing that is done",
                hint="Where nothing is writing it now, run the same command again: it continues where it stopped",
            )


def _read(path: Path) -> tuple[dict[str, Json], int]:
    """What was written down, and the bytes of it; a line that a kill cut off is left out."""
    found: dict[str, Json] = {}
    good = 0
    with contextlib.suppress(OSError, ValueError, TypeError), path.open("rb") as stream:
        for line in stream:
            key, value = json.loads(line)
            if line.endswith(b"\n"):
                found[str(key)] = value
                good += len(line)
    return found, good


__all__ = ["Ledger", "check_finished", "long_job"]
