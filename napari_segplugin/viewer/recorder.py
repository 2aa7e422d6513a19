"""What is kept of the work on an image: strokes, edits of results, the table, points and shapes; and its way back.

No Qt, no torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segplugin.core import ObjectTable, Segmentation, Task, classes_from_json, to_json
from napari_segplugin.data.boxes import runs
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.geometry import to_layer_order
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.journal import (
    Journal,
    Record,
    pack_runs,
    pack_voxels,
    read_records,
    unpack_voxels,
)
from napari_segplugin.viewer.table import TableRow
from napari_segplugin.viewer.weak import CLASS


class Recorder:
    """Writes what happens to the layers of one image into a journal.

    Parameters
    ----------
    journal : Journal
    about : dict
        JSON values that are told when the work is offered again (name of the image).
    first : int
        Number of the next result.
    on_record : callable, optional
        Called after every record.
    """

    def __init__(
        self,
        journal: Journal,
        about: Mapping[str, Any] | None = None,
        first: int = 1,
        on_record: Callable[[], Any] | None = None,
    ) -> None:
        self.journal, self.about, self.next_id = journal, dict(about or {}), first
        self._on_record = on_record
        self._paint: LayerHistory | None = None
        self._marks: dict[str, str] = {}
        self._painted = False

    def detach(self) -> None:
        """Follow the strokes no longer."""
        if self._paint is not None:
            self._paint.layer.events.data.disconnect(self._on_array)
            self._paint.detach()
        self._paint = None

    def paint(self, layer: Labels, known: bool = False) -> None:
        """Record the strokes on a corrections layer from now on.

        Parameters
        ----------
        layer : napari.layers.Labels
        known : bool
            Whether the strokes that are on it came from this journal.
        """
        self.detach()
        self._paint = LayerHistory(layer)
        for signal, back in ((self._paint.done, False), (self._paint.undone, True), (self._paint.redone, False)):
            signal.connect(lambda step, back=back: self._step(layer, "paint", step, back, {}))
        layer.events.data.connect(self._on_array)
        if not known and (self._painted or np.any(layer.data)):
            self._on_array()

    def _on_array(self, event: Any = None) -> None:
        """The strokes were replaced as a whole."""
        if self._paint is None:
            return
        data = np.asarray(self._paint.layer.data)
        about, payload = pack_runs(*runs(data))
        self._painted = True
        self.write(
            {"kind": "step", "layer": "paint", "whole": True, "shape": data.shape, "dtype": str(data.dtype), **about},
            payload,
        )

    def marks(self, kind: str, layer: Points | Shapes) -> None:
        """Record points or shapes from now on.

        Parameters
        ----------
        kind : str
            "reviewed" for the reviewed area, otherwise one of :data:`napari_segplugin.viewer.weak.MODES`.
        layer : Points or Shapes
        """
        for event in (layer.events.data, layer.events.features):
            event.connect(lambda event=None: self._marked(kind, layer))

    def number(self) -> int:
        """A number for another result."""
        self.next_id += 1
        return self.next_id - 1

    @staticmethod
    def base(segmentation: Segmentation, model: str, number: int) -> Record:
        """The record of a result as it was predicted; slow for a large one, so make it in a worker."""
        labels = np.asarray(segmentation.labels)
        about, payload = pack_runs(*runs(labels))
        objects = segmentation.objects
        header = {
            "kind": "result",
            "id": number,
            "model": model,
            "task": str(segmentation.task),
            "classes": to_json(segmentation.classes),
            "axes": segmentation.axes,
            "spacing": list(segmentation.spacing),
            "unit": segmentation.unit,
            "name": segmentation.name,
            "recipe": dict(segmentation.recipe),
            "shape": list(labels.shape),
            "dtype": str(labels.dtype),
            "objects": {
                "label": objects.label.tolist(),
                "class_id": objects.class_id.tolist(),
                "score": [_plain(s) for s in objects.score],
                "status": list(objects.status),
            },
            **about,
        }
        return Record(header, payload)

    def result(self, editor: Editor, number: int) -> None:
        """Record the edits of a result from now on."""

        def step(done: EditStep, back: bool) -> None:
            rows = {n: pair[0 if back else 1] for n, pair in done.note.get("table", {}).items()}
            self._step(editor.layer, f"result {number}", done, back, rows)

        editor.stepped.connect(step)

    def difference(self, editor: Editor, number: int, before: np.ndarray, table: ObjectTable) -> None:
        """Record at once what a layer and its table have beyond the prediction."""
        data = np.asarray(editor.layer.data)
        flat = np.flatnonzero(data != before)
        numbers = {*editor.rows, *table.label.tolist()}
        rows = {str(n): _plain_row(editor.rows.get(n)) for n in numbers}
        about, payload = pack_voxels(flat, data[np.unravel_index(flat, data.shape)])
        header = {"kind": "step", "layer": f"result {number}", "shape": data.shape, "dtype": str(data.dtype), **about}
        self.write({**header, "rows": rows}, payload)

    def recipe(self, number: int, recipe: Mapping[str, Any]) -> None:
        """The recipe of a result says more now, how its objects are linked through time."""
        self.write({"kind": "recipe", "of": number, "recipe": dict(recipe)})

    def gone(self, number: int) -> None:
        """A result was replaced by another one."""
        self.write({"kind": "gone", "id": number})

    def write(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Append a record."""
        if not self.journal.begun:
            self.journal.append({"kind": "begin", **self.about})
        self.journal.append({**header, "when": round(time.time(), 1)}, payload)
        if self._on_record is not None:
            self._on_record()

    def _step(self, layer: Labels, name: str, step: EditStep, back: bool, rows: Mapping[int, TableRow | None]) -> None:
        shape = tuple(layer.data.shape)
        about, payload = pack_voxels(*_outcome(step, back, shape))
        plain = {str(n): _plain_row(r) for n, r in rows.items()}
        header = {"kind": "step", "layer": name, "shape": list(shape), "dtype": str(layer.data.dtype), **about}
        self._painted = self._painted or name == "paint"
        self.write({**header, "rows": plain} if plain else header, payload)

    def _marked(self, kind: str, layer: Points | Shapes) -> None:
        places = [np.asarray(points).round(3).tolist() for points in layer.data]
        marks: dict[str, Any] = {"points": places}
        if isinstance(layer, Shapes):
            marks["type"] = [str(shape) for shape in layer.shape_type]
        if CLASS in layer.features.columns and len(layer.features) == len(places):
            marks["class"] = [_plain(c) for c in layer.features[CLASS]]
        # while a shape is drawn the event comes with every move of the mouse
        if repr(marks) != self._marks.get(kind) and (places or kind in self._marks):
            self._marks[kind] = repr(marks)
            self.write({"kind": "marks", "of": kind, **marks})


def _outcome(step: EditStep, back: bool, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of a step in C order and the values that they have after it.

    They are taken from the step, not from the layer: napari tells of a step before it writes the last voxels.
    """
    flats, values = [], []
    for delta in step.deltas(back):
        flats.append(np.ravel_multi_index(delta.indices, shape))
        values.append(np.broadcast_to(np.asarray(delta.new), flats[-1].shape))
    if not flats:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    flat, value = np.concatenate(flats), np.concatenate(values)
    if (np.diff(flat) > 0).all():
        return flat, value
    # a voxel that was changed twice in one stroke: the last change counts
    flat, at = np.unique(flat[::-1], return_index=True)
    return flat, value[::-1][at]


def _plain_row(row: TableRow | None) -> TableRow | None:
    return None if row is None else {k: _plain(v) for k, v in row.items()}


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it; NaN, which JSON has not, becomes None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- the way back -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class KeptResult:
    """A result as it was left.

    Parameters
    ----------
    number : int
    segmentation : Segmentation
        As it was predicted.
    model : str
    steps : list of Record
        Edits, in order.
    """

    number: int
    segmentation: Segmentation
    model: str
    steps: list[Record] = field(default_factory=list)

    def edited(self, axes: str, rgb: bool) -> Segmentation:
        """The result with the edits.

        Parameters
        ----------
        axes : str
            Axes of the array of the image layer.
        rgb : bool
        """
        labels = np.array(self.segmentation.labels)
        in_layer = to_layer_order(labels, axes, rgb)
        rows: dict[int, Any] = {}
        for record in self.steps:
            _apply(in_layer, record)
            rows.update({int(n): row for n, row in record.header.get("rows", {}).items()})
        return replace(self.segmentation, labels=labels, objects=_with_rows(self.segmentation, rows))


@dataclass(eq=False)
class Kept:
    """The work on an image as it was left.

    Parameters
    ----------
    paint : ndarray or None
        The strokes.
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
    """

    paint: np.ndarray | None = None
    marks: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: list[KeptResult] = field(default_factory=list)
    steps: int = 0
    when: str = ""
    end: int = 0
    next_id: int = 1

    @property
    def empty(self) -> bool:
        """Whether there is nothing that a person did."""
        painted = self.paint is not None and bool(self.paint.any())
        return not (painted or self.marks or any(r.steps for r in self.results))


def read_kept(path: str | Path) -> Kept:
    """Read a journal.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    records, end = read_records(path)
    kept, results = Kept(end=end), {}
    for record in records:
        header = record.header
        kind = header.get("kind")
        if kind == "result":
            results[header["id"]] = KeptResult(header["id"], _segmentation(record), header["model"])
        elif kind == "gone":
            results.pop(header["id"], None)
        elif kind == "marks":
            kept.marks.pop(header["of"], None)
            if header["points"]:
                kept.marks[header["of"]] = {k: header[k] for k in ("points", "type", "class") if k in header}
            kept.steps += 1
        elif kind == "step":
            kept.steps += 1
            if header["layer"] == "paint":
                shape = tuple(header["shape"])
                if kept.paint is None or kept.paint.shape != shape:
                    kept.paint = np.zeros(shape, header["dtype"])
                _apply(kept.paint, record)
        kept.next_id = max(kept.next_id, int(header.get("id", 0)) + 1)
    # a result may have been written after its first edits: it is made in a worker
    for record in records:
        if record.header.get("kind") == "recipe" and record.header["of"] in results:
            told = results[record.header["of"]]
            told.segmentation = replace(told.segmentation, recipe=record.header["recipe"])
        layer = str(record.header.get("layer", ""))
        if record.header.get("kind") == "step" and layer.startswith("result "):
            owner = results.get(int(layer.split()[1]))
            if owner is not None:
                owner.steps.append(record)
    last = max(results, default=0)
    kept.results = [r for n, r in sorted(results.items()) if r.steps or n == last]
    times = [r.header["when"] for r in records if "when" in r.header]
    kept.when = time.strftime("%Y-%m-%d %H:%M", time.localtime(times[-1])) if times else ""
    return kept


def _apply(array: np.ndarray, record: Record) -> None:
    """Write the voxels of a step."""
    if tuple(record.header["shape"]) != array.shape:
        return  # made under another reading of the axes
    if record.header.get("whole"):
        array[...] = 0
    flat, values = unpack_voxels(record.header, record.payload)
    array[np.unravel_index(flat, array.shape)] = values.astype(array.dtype)


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


def _with_rows(segmentation: Segmentation, rows: Mapping[int, Any]) -> ObjectTable:
    """The table with the rows that a person changed."""
    table = segmentation.objects
    columns = zip(table.label, table.class_id, table.score, table.status, strict=True)
    found: dict[int, tuple[int, float, str]] = {int(n): (int(c), float(s), t) for n, c, s, t in columns}
    ids = {c.name: c.id for c in segmentation.classes}
    usual = (segmentation.classes.thing_ids or (1,))[0]
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


__all__ = ["Kept", "KeptResult", "Recorder", "read_kept"]
