"""Many files by one order: each is read, segmented and written; one that cannot be used says why, and the others go on."""

from __future__ import annotations

import csv
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

from napari_segplugin.core import (
    FileState,
    Image,
    InputError,
    Job,
    Note,
    OutOfMemoryError,
    Segmentation,
    SegPluginError,
    Stage,
    Step,
    Task,
    is_out_of_memory,
    to_json,
)
from napari_segplugin.core.disk.commit import settle
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.engine.batch.order import WRITING, RunOrder, things, write_order
from napari_segplugin.engine.batch.replay import ENDING, Recorded, fitted, verdict
from napari_segplugin.io.files import fingerprint, first_line, write_text
from napari_segplugin.io.formats import notes_of, stem_of
from napari_segplugin.io.targets import ResultPath

Written: TypeAlias = "tuple[Segmentation, list[Path]]"
_LOG = logging.getLogger(__name__)
RECORD = "batch.json"
"""Name of the record of a batch, in the folder of its results."""
_COMPUTING = 0.9
"""How much of the work on a file is done when it begins to be written."""
_EVERY = 5.0
"""Seconds after which the record is written once more; what is done is told by the recipe of each result, too."""


def batch(
    files: Sequence[tuple[Path, ResultPath]],
    order: RunOrder,
    read: Callable[[Path], Image],
    *,
    reading: Mapping[str, Json] | None = None,
    stop: threading.Event | None = None,
    again: bool = False,
    record: Path | None = None,
    recorded: Recorded | None = None,
) -> Job[tuple[FileState, ...]]:
    """Segment files one after the other and write each result.

    A file whose result is there, made by the same order of the same file, is not done again; a result that was changed since
    is left as it is, too. A file that cannot be used does not hold up the others.

    Parameters
    ----------
    files : sequence of (Path, ResultPath)
    order : RunOrder
    read : callable
        Opens an image.
    reading : mapping, optional
        How `read` opens it, JSON values: another way is another order.
    stop : threading.Event, optional
        Ends the batch before the next file.
    again : bool
        Do what is done already, too, and replace it.
    record : Path, optional
        A file for the record of the batch: the order, and what came of each file.
    recorded : Recorded, optional
        The recipe that the order is from: it is fitted to each image, and said of the same image whether the result is the same.

    Yields
    ------
    FileState
        First of all files, then as each one is begun, goes on, and ends.
    Stage, Step, Note
        Of the file that was begun last.

    Returns
    -------
    tuple of FileState
        How each file ended, or "waits" where the batch was stopped before it.

    Raises
    ------
    InputError
        If the record cannot be written when the batch begins.
    """
    key = order.key(reading)
    states = [FileState(n, str(path), "waits") for n, (path, _) in enumerate(files)]
    book = _Record(record, order, reading or {}, files)
    for n, (path, target) in enumerate(files):
        states[n] = (None if again else _done_before(states[n], path, target, key)) or states[n]
        yield states[n]
    book.write(states)
    try:
        for n, (_, target) in enumerate(files):
            if states[n].ended:
                continue
            if stop is not None and stop.is_set():
                break
            states[n] = yield from _one(states[n], target, _BatchWork(order, read, key, recorded))
            yield states[n]
            book.write_sometimes(states)
    finally:
        with suppress(SegPluginError):
            book.write(states)
    return tuple(states)


@dataclass(frozen=True, eq=False)
class _BatchWork:
    """What is the same for all files of a batch."""

    order: RunOrder
    read: Callable[[Path], Image]
    key: str
    recorded: Recorded | None


def _one(state: FileState, target: ResultPath, work: _BatchWork) -> Job[FileState]:
    """One file from "running" to its end."""
    begin, notes, path = time.monotonic(), list[Note](), Path(state.path)
    state = replace(state, state="running")
    yield state

    def ended(state: FileState, error: Exception | None = None) -> FileState:
        if error is not None:
            state = replace(state, reason=_sentence(error, path), setting=getattr(error, "setting", None))
        return replace(state, seconds=round(time.monotonic() - begin, 3), notes=tuple(notes))

    try:
        about: JsonDict = {"batch": {"order": work.key, "file": _stamp(path)}}
        image = work.read(path)
    except Exception as error:  # noqa: BLE001 - one file does not end the batch, whatever is wrong with it
        return ended(replace(state, state="unreadable"), error)
    try:
        found, files = yield from _told(_written(image, target, about, work), state, notes)
    except Exception as error:  # noqa: BLE001 - nor whatever goes wrong on the way
        return ended(replace(state, state="failed"), error)
    count = things(found)
    made = tuple(str(f) for f in files)
    return ended(replace(state, state="done" if count else "none", share=1.0, objects=count, files=made))


def _written(image: Image, target: ResultPath, about: JsonDict, work: _BatchWork) -> Job[Written]:
    """Segment an image and write the result, with all that there is to say of it."""
    yield from notes_of(image)
    if work.recorded is None:
        return (yield from write_order(work.order, image, target, about))
    notes: list[Note] = []
    order = fitted(work.order, work.recorded, image, notes.append)
    yield from notes
    found, files = yield from write_order(order, image, target, about)
    if work.recorded.same_image(image):
        recipe = next(f for f in files if f.name.endswith(ENDING))
        content = json_object(json.loads(recipe.read_text(encoding="utf-8"))).get("content")
        yield Note(verdict(work.recorded, content))
    return found, files


def _told(job: Job[Written], state: FileState, notes: list[Note]) -> Job[Written]:
    """The events of a file, and how much of it is done after each."""
    share, writing = 0.0, False
    try:
        while True:
            event = next(job)
            yield event
            if isinstance(event, Note):
                notes.append(event)
            elif isinstance(event, Stage):
                writing = event.text == WRITING
            elif isinstance(event, Step) and event.total:
                part = event.done / event.total
                now = max(share, _COMPUTING + (1 - _COMPUTING) * part if writing else _COMPUTING * part)
                if int(now * 100) > int(share * 100):
                    share = now
                    yield replace(state, share=share)
    except StopIteration as stop:
        return cast("Written", stop.value)
    finally:
        job.close()


def _sentence(error: Exception, path: Path) -> str:
    """What a person reads of an error; one that nobody foresaw goes into the log too."""
    if isinstance(error, SegPluginError):
        return str(error)
    if is_out_of_memory(error):
        return str(OutOfMemoryError())
    _LOG.warning("%s could not be segmented", path, exc_info=error)
    return f"An unexpected error: {type(error).__name__}: {first_line(error)}."


def _stamp(path: Path) -> JsonDict:
    """Size of a file, or of all in a folder, and when it was changed last; nothing of what cannot be looked at."""
    try:
        about = [p.stat() for p in ([p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path])]
    except (OSError, ValueError):
        return {}
    return {"bytes": sum(a.st_size for a in about), "modified": max((a.st_mtime_ns for a in about), default=0)}


def _done_before(state: FileState, path: Path, target: ResultPath, key: str) -> FileState | None:
    """The state of a file whose result is there; None where it has to be done."""
    stem = target.path.with_name(stem_of(target.path) or target.path.name)
    recipe = Path(f"{stem}.recipe.json")
    try:
        settle(recipe)
        about = json_object(json.loads(recipe.read_text(encoding="utf-8")))
        told = json_object(json_object(about.get("recipe")).get("batch"))
        labels = recipe.with_name(Path(str(about["labels"])).name)
        if told.get("order") != key or told.get("file") != _stamp(path) or not labels.exists():
            return None
        count = _counted(about, Path(f"{stem}.objects.csv"))
        files = json_object(about.get("files"))
        same = all(
            (there := recipe.with_name(Path(name).name)).exists() and fingerprint(there) == said
            for name, said in files.items()
        )
    except (SegPluginError, OSError, ValueError, TypeError, KeyError):
        return None  # none, or one of another program
    reason = "" if same else "The result was changed since it was made; it is left as it is."
    word = "done" if count else "none"
    return replace(state, state=word, share=1.0, objects=count, files=(str(labels),), earlier=True, reason=reason)  # type: ignore[arg-type]


def _counted(about: Mapping[str, Json], table: Path) -> int:
    """The objects, or classes, in the table beside a result."""
    with table.open(encoding="utf-8", newline="") as stream:
        rows = [int(row["class"]) for row in csv.DictReader(stream)]
    if about.get("task") == str(Task.SEMANTIC):
        return len(rows)
    classes = json_object(about.get("classes")).get("classes")
    kinds = {json_object(c)["id"]: json_object(c)["kind"] for c in classes} if isinstance(classes, list) else {}
    return sum(kinds.get(c) == "thing" for c in rows)


class _Record:
    """The record of a batch: the order, and what came of each file. It names no folders, which are called after people."""

    def __init__(
        self,
        path: Path | None,
        order: RunOrder,
        reading: Mapping[str, Json],
        files: Sequence[tuple[Path, ResultPath]],
    ) -> None:
        self.path, self._last = path, 0.0
        if path is not None:
            folder = files[0][0].parent.name if files else ""
            self._about: JsonDict = {
                "what": "batch",
                "recipe": {**order.about(), "reading": dict(reading)},
                "folder": folder,
            }

    def write_sometimes(self, states: Sequence[FileState]) -> None:
        """Write it where the last time is some seconds ago; a disk that refuses does not end the batch."""
        if time.monotonic() - self._last > _EVERY:
            with suppress(SegPluginError):
                self.write(states)

    def write(self, states: Sequence[FileState]) -> None:
        """Write it.

        Raises
        ------
        InputError
            If the disk refuses.
        """
        if self.path is None:
            return
        if self.path.is_dir():
            raise InputError(
                f"'{self.path.name}' is a folder and would be replaced.", hint="Choose another folder of results"
            )
        self._last = time.monotonic()
        rows = [
            {
                "file": Path(s.path).name,
                "state": s.state,
                "objects": s.objects,
                "seconds": s.seconds,
                "reason": s.reason,
                "results": [Path(f).name for f in s.files],
            }
            for s in states
        ]
        write_text(self.path, json.dumps({**self._about, "files": to_json(rows)}, indent=1) + "\n")


__all__ = ["RECORD", "batch"]
