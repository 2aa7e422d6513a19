"""The work on an image as it was left, read from its journal (:mod:`napari_segplugin.viewer.recorder` wrote it).

No Qt, no torch.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task, classes_from_json
from napari_segplugin.data.packed import unpack_voxels
from napari_segplugin.viewer.geometry import to_layer_order
from napari_segplugin.viewer.layers import features_of
from napari_segplugin.viewer.records import Contents, Record, read_contents
from napari_segplugin.viewer.replay import Replay, Steps
from napari_segplugin.viewer.table import TableRow

DAMAGE = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError, zlib.error)
"""What a record raises that is whole but does not say what it should: this one is left out."""


@dataclass(eq=False)
class KeptResult:
    """A result as it was left.

    Parameters
    ----------
    number : int
    segmentation : Segmentation
        As it was predicted, by the last run.
    model : str
    first : Segmentation
        As it was before the first edit.
    steps : list of Record
        Edits, in order.
    gaps : set of int
        Numbers of the edits before which something is missing.
    """

    number: int
    segmentation: Segmentation
    model: str
    first: Segmentation
    steps: list[Record] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)

    def edited(self, axes: str, rgb: bool) -> Segmentation:
        """The result with the edits.

        Parameters
        ----------
        axes : str
            Axes of the array of the image layer.
        rgb : bool
        """
        return self.left(axes, rgb)[0]

    def left(self, axes: str, rgb: bool) -> tuple[Segmentation, Steps]:
        """The result with the edits, and those of them that can be undone and redone."""
        labels = np.array(self.first.labels)
        replay = Replay(to_layer_order(labels, axes, rgb), _row_of(self.first))
        for number, record in enumerate(self.steps):
            if number in self.gaps:
                replay.forget()
            with suppress(*DAMAGE):
                replay.take(record)
        objects = _with_rows(self.first, replay.rows, self.segmentation.classes)
        return replace(self.segmentation, labels=labels, objects=objects), replay.steps


@dataclass(eq=False)
class KeptStrokes:
    """One layer of strokes as it was left.

    Parameters
    ----------
    paint : ndarray or None
    paints : str
        "classes" or "objects": what the numbers of the strokes are; empty where it was not kept.
    painted : dict of int to str
        Name of the class of each painted object.
    undo : Steps
        Strokes that can be undone and redone.
    """

    paint: np.ndarray | None = None
    paints: str = ""
    painted: dict[int, str] = field(default_factory=dict)
    undo: Steps = field(default_factory=Steps)


@dataclass(eq=False)
class Kept:
    """The work on an image as it was left.

    Parameters
    ----------
    strokes : dict of str to KeptStrokes
        By what their numbers are; the layer that was painted on last is the last one.
    marks : dict of str to dict
        Points and shapes of each kind that has any: "points", "type" of shapes, "class" where one was chosen.
    results : list of KeptResult
        Those that were edited, and the last one.
    steps : int
        Finished steps, taken-back ones counted too.
    when : str
        Of the last record.
    end : int
        Bytes of the file that are good.
    next_id : int
        The number of the next result.
    damaged : bool
        Whether a part could not be read.
    """

    strokes: dict[str, KeptStrokes] = field(default_factory=dict)
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: list[KeptResult] = field(default_factory=list)
    steps: int = 0
    when: str = ""
    end: int = 0
    next_id: int = 1
    damaged: bool = False

    @property
    def last(self) -> KeptStrokes:
        """The strokes that were painted last."""
        return next(reversed(self.strokes.values()), KeptStrokes())

    @property
    def paint(self) -> np.ndarray | None:
        """Their numbers."""
        return self.last.paint

    @property
    def painted(self) -> dict[int, str]:
        """Their classes."""
        return self.last.painted

    @property
    def undo(self) -> Steps:
        """What can be undone and redone of them."""
        return self.last.undo

    @property
    def empty(self) -> bool:
        """Whether there is nothing that a person did."""
        painted = any(s.paint is not None and s.paint.any() for s in self.strokes.values())
        return not (painted or self.marks or any(r.steps for r in self.results))


def read_kept(path: str | Path) -> Kept:
    """Read a journal.

    Raises
    ------
    InputError
        If the file cannot be opened, or another version wrote it.
    """
    return kept_from(read_contents(path))


def kept_from(contents: Contents) -> Kept:
    """The work in the records of a journal."""
    records, end, gaps = contents
    kept, results = Kept(end=end, damaged=bool(gaps)), dict[int, KeptResult]()
    replays, kinds = dict[str, Replay](), stroke_kinds(records)
    for number, record in enumerate(records):
        for replay in replays.values() if number in gaps else ():
            replay.forget()
        try:
            _take(kept, results, record)
            if record.header.get("layer") == "paint" or record.header.get("kind") == "classes":
                _take_strokes(kept, replays, record, kinds[number])
        except DAMAGE:
            kept.damaged = True
    for kind, replay in replays.items():
        kept.strokes[kind].paint, kept.strokes[kind].undo = replay.array, replay.steps
    # a result may have been written after its first edits: it is made in a worker
    missing = False
    for number, record in enumerate(records):
        missing |= number in gaps
        header, layer = record.header, str(record.header.get("layer", ""))
        if header.get("kind") == "recipe" and header.get("of") in results:
            told = results[header["of"]]
            told.segmentation = replace(told.segmentation, recipe=header["recipe"])
        if header.get("kind") == "base" and header.get("of") in results:
            with suppress(*DAMAGE):
                told = results[header["of"]]
                told.segmentation, told.model = _segmentation(record), header["model"]
        owner = results.get(int(layer.split()[1])) if layer.startswith("result ") else None
        if header.get("kind") == "step" and owner is not None:
            owner.gaps |= {len(owner.steps)} if missing else set()
            owner.steps.append(record)
            missing = False
    last = max(results, default=0)
    kept.results = [r for n, r in sorted(results.items()) if r.steps or n == last]
    times = [r.header["when"] for r in records if "when" in r.header]
    kept.when = time.strftime("%Y-%m-%d %H:%M", time.localtime(times[-1])) if times else ""
    return kept


def _take(kept: Kept, results: dict[int, KeptResult], record: Record) -> None:
    """Take what a record says, but for the voxels of edits."""
    header = record.header
    kind = header.get("kind")
    if kind == "result":
        first = _segmentation(record)
        results[header["id"]] = KeptResult(header["id"], first, header["model"], first)
    elif kind == "gone":
        results.pop(header["id"], None)
    elif kind == "marks":
        kept.marks.pop(header["of"], None)
        if header["points"]:
            kept.marks[header["of"]] = {k: header[k] for k in ("points", "type", "class") if k in header}
    if kind in ("marks", "step"):
        kept.steps += int(header.get("stands_for", 1))
    kept.next_id = max(kept.next_id, int(header.get("id", 0)) + 1)


def _take_strokes(kept: Kept, replays: dict[str, Replay], record: Record, kind: str) -> None:
    """Take a stroke, or the classes of painted objects."""
    header = record.header
    strokes = kept.strokes.pop(kind, None) or KeptStrokes(paints=kind)
    kept.strokes[kind] = strokes
    if header.get("kind") == "classes":
        strokes.painted |= {int(n): str(name) for n, name in header["names"].items()}
        return
    shape = tuple(header["shape"])
    if kind not in replays or replays[kind].array.shape != shape:
        replays[kind] = Replay(np.zeros(shape, header["dtype"]))
    replays[kind].take(record)


def stroke_kinds(records: Sequence[Record]) -> list[str]:
    """What the strokes of each record are, "classes" or "objects"; a record that does not say it is as those around it."""
    kinds = [str(r.header.get("paints", "")) for r in records]
    last = next((k for k in kinds if k), "")
    for at, kind in enumerate(kinds):
        last = kinds[at] = kind or last
    return kinds


def _row_of(segmentation: Segmentation) -> Callable[[int], TableRow | None]:
    """Rows of the table of a result as it was predicted; the table is made when it is first asked for."""
    table: dict[str, Any] = {}
    at: dict[int, int] = {}

    def row(number: int) -> TableRow | None:
        if not table:
            table.update(features_of(segmentation))
            at.update({int(n): i for i, n in enumerate(table["index"]) if n})
        return {name: column[at[number]] for name, column in table.items()} if number in at else None

    return row


def _segmentation(record: Record) -> Segmentation:
    header = record.header
    labels = np.zeros(tuple(header["shape"]), header["dtype"])
    flat, values = unpack_voxels(header, record.payload)
    labels.reshape(-1)[flat] = values
    table = header["objects"]
    score = np.array([np.nan if s is None else s for s in table["score"]], np.float32)
    return Segmentation(
        Task(header["task"]),
        labels,
        ObjectTable(
            np.array(table["label"], np.int64), np.array(table["class_id"], np.int64), score, tuple(table["status"])
        ),
        classes_from_json(header["classes"]),
        header["axes"],
        tuple(header["spacing"]),
        header["unit"],
        header["name"],
        header["recipe"],
    )


def _with_rows(first: Segmentation, rows: Mapping[int, Any], classes: ClassTable) -> ObjectTable:
    """The table with the rows that a person or a later run changed, in the numbers of its classes."""
    table, ids = first.objects, {c.name: c.id for c in classes}
    usual = (classes.thing_ids or (1,))[0]
    now = {c.id: ids.get(c.name, usual) for c in first.classes}
    columns = zip(table.label, table.class_id, table.score, table.status, strict=True)
    found: dict[int, tuple[int, float, str]] = {
        int(n): (now.get(int(c), int(c)), float(s), t) for n, c, s, t in columns
    }
    for number, row in rows.items():
        if row is None:
            found.pop(number, None)
        else:
            score = float("nan") if row.get("score") is None else float(row["score"])
            found[number] = (ids.get(row.get("class", ""), usual), score, str(row.get("status", "")))
    ordered = sorted(found)
    return ObjectTable(
        np.array(ordered, np.int64),
        np.array([found[n][0] for n in ordered], np.int64),
        np.array([found[n][1] for n in ordered], np.float32),
        tuple(found[n][2] for n in ordered),
    )


__all__ = ["DAMAGE", "Kept", "KeptResult", "KeptStrokes", "kept_from", "read_kept", "stroke_kinds"]
