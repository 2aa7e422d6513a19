"""What is kept of the work on an image, while it is done: strokes, edits of results, the table, points and shapes.

No Qt, no torch. The way back is :mod:`napari_segplugin.viewer.kept`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segplugin.core import ObjectTable, Segmentation, to_json
from napari_segplugin.data.boxes import runs
from napari_segplugin.viewer.corrections import class_names, paints_on
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.journal import Journal, Record, pack_runs, pack_voxels
from napari_segplugin.viewer.table import TableRow
from napari_segplugin.viewer.weak import CLASS

LARGE = 200_000
"""Voxels from which on a step is packed in a worker; what comes after it waits."""
MANY = 500
"""Rows of a table from which on it is so, too."""
Packed: TypeAlias = tuple[Mapping[str, Any], bytes]
Run: TypeAlias = Callable[[Callable[[], Packed], Callable[[Packed], None]], None]


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
    run : callable, optional
        Does work in a worker and hands its value to a second callable on the calling thread; without it nothing waits.
    """

    def __init__(
        self,
        journal: Journal,
        about: Mapping[str, Any] | None = None,
        first: int = 1,
        on_record: Callable[[], Any] | None = None,
        run: Run | None = None,
    ) -> None:
        self.journal, self.about, self.next_id = journal, dict(about or {}), first
        self._on_record, self._run = on_record, run
        self._waiting: deque[tuple[dict[str, Any], bytes | Callable[[], Packed]]] = deque()
        self._packing = False
        self._paint: LayerHistory | None = None
        self._marks: dict[str, str] = {}
        self._painted = False
        self._classes: dict[int, str] = {}

    def detach(self) -> None:
        """Follow the strokes no longer; what waits is written."""
        self._packing, run, self._run = False, self._run, None
        self._write_waiting()
        self._run = run
        if self._paint is not None:
            self._paint.layer.events.data.disconnect(self._on_array)
            self._paint.layer.events.features.disconnect(self._on_classes)
            self._paint.detach()
        self._paint = None

    def paint(self, layer: Labels, known: bool = False, empty: bool = False) -> None:
        """Record the strokes on a corrections layer from now on.

        Parameters
        ----------
        layer : napari.layers.Labels
        known : bool
            Whether the strokes that are on it came from this journal.
        empty : bool
            Whether nothing is on it, so that it need not be looked through.
        """
        self.detach()
        self._paint = LayerHistory(layer)
        for signal, back in ((self._paint.done, False), (self._paint.undone, True), (self._paint.redone, False)):
            signal.connect(lambda step, back=back: self._step(layer, "paint", step, back, {}))
        layer.events.data.connect(self._on_array)
        layer.events.features.connect(self._on_classes)
        self._classes = class_names(layer) if known else {}
        self._on_classes()
        if not known and (self._painted or (not empty and np.any(layer.data))):
            self._on_array(empty=empty)

    def _on_array(self, event: Any = None, empty: bool = False) -> None:
        """The strokes were replaced as a whole."""
        if self._paint is None:
            return
        data = np.asarray(self._paint.layer.data)
        about, payload = pack_runs(*runs(data[:0] if empty else data))
        self._painted = True
        self.write(
            {"kind": "step", "layer": "paint", "whole": True, "shape": data.shape, "dtype": str(data.dtype), **about},
            payload,
        )

    def _on_classes(self, event: Any = None) -> None:
        """The classes of painted objects: what is new."""
        if self._paint is None:
            return
        now = class_names(self._paint.layer)
        fresh = {str(n): name for n, name in now.items() if self._classes.get(n) != name}
        self._classes = now
        if fresh:
            self.write({"kind": "classes", "paints": paints_on(self._paint.layer), "names": fresh})

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

    def write(self, header: dict[str, Any], payload: bytes | Callable[[], Packed] = b"") -> None:
        """Append a record, after those that wait for a large one; what packs the voxels of a large one may be given."""
        if not self.journal.begun:
            self.journal.append({"kind": "begin", **self.about})
        self._waiting.append(({**header, "when": round(time.time(), 1)}, payload))
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._waiting and not self._packing:
            header, payload = self._waiting[0]
            if not isinstance(payload, bytes):
                if self._run is not None:
                    self._packing = True
                    self._run(payload, self._packed)
                    return
                about, payload = payload()
                header = {**header, **about}
            self._waiting.popleft()
            self.journal.append(header, payload)
            if self._on_record is not None:
                self._on_record()

    def _packed(self, value: Packed) -> None:
        if self._packing:  # otherwise it was written without waiting, since the layer went
            about, payload = value
            self._waiting[0] = ({**self._waiting[0][0], **about}, payload)
            self._packing = False
            self._write_waiting()

    def _step(self, layer: Labels, name: str, step: EditStep, back: bool, rows: Mapping[int, TableRow | None]) -> None:
        shape = tuple(layer.data.shape)
        header: dict[str, Any] = {"kind": "step", "layer": name, "shape": list(shape), "dtype": str(layer.data.dtype)}
        if name == "paint":
            self._painted = True
            header["paints"] = paints_on(layer)

        def pack() -> Packed:
            about, payload = pack_voxels(*_outcome(step, back, shape))
            plain = {str(n): _plain_row(r) for n, r in rows.items()}
            return ({**about, "rows": plain} if plain else about), payload

        if step.voxels > LARGE or len(rows) > MANY:
            self.write(header, pack)
        else:
            about, payload = pack()
            self.write({**header, **about}, payload)

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


__all__ = ["Recorder"]
