"""What is kept of the work on an image, while it is done: strokes, edits of results, the table, points and shapes.

No Qt, no torch. The way back is :mod:`napari_segplugin.viewer.kept`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segplugin.core import ObjectTable, Segmentation, to_json
from napari_segplugin.data.boxes import runs
from napari_segplugin.data.packed import pack_runs, pack_voxels
from napari_segplugin.viewer.corrections import class_names, paints_on
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.records import Record
from napari_segplugin.viewer.replay import History
from napari_segplugin.viewer.table import TableRow
from napari_segplugin.viewer.weak import CLASS

if TYPE_CHECKING:
    from napari.utils.events import Event

AT_ONCE = 100_000
"""Voxels of a step that is written before anything else happens; a larger one is written by a worker, a moment later."""
MANY = 500
"""Rows of a table from which on it is so, too."""
DONE, BACK, AGAIN = "", "back", "again"
"""What became of a step: done, undone, redone."""


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
        self._paints: dict[str, LayerHistory] = {}
        self._marks: dict[str, str] = {}
        self._painted: set[str] = set()
        self._classes: dict[str, dict[int, str]] = {}

    def detach(self) -> None:
        """Follow the strokes no longer."""
        for kind in list(self._paints):
            self._detach(kind)

    def _detach(self, kind: str) -> None:
        history = self._paints.pop(kind, None)
        if history is not None:
            history.layer.events.data.disconnect(self._on_array)
            history.layer.events.features.disconnect(self._on_classes)
            history.detach()

    def paint(self, layer: Labels, known: bool = False, history: History | None = None, *, empty: bool = False) -> None:
        """Record the strokes on a corrections layer from now on; one of classes and one of objects at a time.

        Parameters
        ----------
        layer : napari.layers.Labels
        known : bool
            Whether the strokes that are on it came from this journal.
        history : History, optional
            Strokes on its undo list that came with them.
        empty : bool
            Whether nothing is on it, so that it need not be looked through.
        """
        kind = paints_on(layer)
        self._detach(kind)
        self._paints[kind] = follow = LayerHistory(layer)
        follow.take_over(*(history or History()))
        for signal, way in ((follow.done, DONE), (follow.undone, BACK), (follow.redone, AGAIN)):
            signal.connect(lambda step, way=way: self._step(layer, "paint", step, way, {}))
        layer.events.data.connect(self._on_array)
        layer.events.features.connect(self._on_classes)
        self._classes[kind] = class_names(layer) if known else {}
        self._note_classes(layer)
        if not known and (kind in self._painted or (not empty and np.any(layer.data))):
            self._whole(layer, empty)

    def _on_array(self, event: Event) -> None:
        self._whole(event.source)

    def _whole(self, layer: Labels, empty: bool = False) -> None:
        """The strokes were replaced as a whole."""
        shape, kind = tuple(layer.data.shape), paints_on(layer)
        # an empty array of some gigabytes has no memory yet, and is not to be given any by looking at it
        data = np.array(layer.data[:0] if empty else layer.data)
        header = {"kind": "step", "layer": "paint", "whole": True, "shape": shape, "dtype": str(data.dtype)}
        self._painted.add(kind)
        self._pack({**header, "paints": kind}, data.size <= AT_ONCE, lambda: pack_runs(*runs(data)))

    def _on_classes(self, event: Event) -> None:
        self._note_classes(event.source)

    def _note_classes(self, layer: Labels) -> None:
        """The classes of painted objects: what is new."""
        now, kind = class_names(layer), paints_on(layer)
        fresh = {str(n): name for n, name in now.items() if self._classes[kind].get(n) != name}
        self._classes[kind] = now
        if fresh:
            self.write({"kind": "classes", "paints": kind, "names": fresh})

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

    def result(self, editor: Editor, number: int, history: History | None = None) -> None:
        """Record the edits of a result from now on; `history` came with it onto its undo list."""
        taken_back = list((history or History()).future)
        editor.history.take_over(*(history or History()))

        def step(done: EditStep, back: bool) -> None:
            again = any(done is s for s in taken_back)
            if back:
                taken_back.append(done)
            elif not again:
                taken_back.clear()
            rows = {n: pair[0 if back else 1] for n, pair in done.note.get("table", {}).items()}
            self._step(editor.layer, f"result {number}", done, BACK if back else AGAIN if again else DONE, rows)

        editor.stepped.connect(step)

    def difference(self, editor: Editor, number: int, before: np.ndarray, table: ObjectTable) -> None:
        """Record at once what a layer and its table have beyond the prediction."""
        data = np.asarray(editor.layer.data)
        flat = np.flatnonzero(data != before)
        numbers = {*editor.rows, *table.label.tolist()}
        rows = {str(n): _plain_row(editor.rows.get(n)) for n in numbers}
        about, payload = pack_voxels(flat, data[np.unravel_index(flat, data.shape)])
        header = {"kind": "step", "layer": f"result {number}", "shape": data.shape, "dtype": str(data.dtype), **about}
        self.write({**header, "rows": rows, "alone": True}, payload)

    def recipe(self, number: int, recipe: Mapping[str, Any]) -> None:
        """The recipe of a result says more now, how its objects are linked through time."""
        self.write({"kind": "recipe", "of": number, "recipe": dict(recipe)})

    def renewed(self, number: int, segmentation: Segmentation, model: str) -> None:
        """A run took the place of a result in its layer: what is changed from now on is changed against this."""

        def pack() -> tuple[dict[str, Any], bytes]:
            header, payload = self.base(segmentation, model, number)
            return {k: v for k, v in header.items() if k not in ("kind", "id")}, payload

        self._pack({"kind": "base", "of": number}, False, pack)

    def gone(self, number: int) -> None:
        """A result was replaced by another one."""
        self.write({"kind": "gone", "id": number})

    def write(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Append a record."""
        when = self._begin()
        self.journal.append({**header, "when": when}, payload)
        if self._on_record is not None:
            self._on_record()

    def _step(self, layer: Labels, name: str, step: EditStep, way: str, rows: Mapping[int, TableRow | None]) -> None:
        shape = tuple(layer.data.shape)
        header: dict[str, Any] = {"kind": "step", "layer": name, "shape": list(shape), "dtype": str(layer.data.dtype)}
        if way:
            header[way] = True
        if step.note.get("kind"):
            header["what"] = step.note["kind"]
            # the paths of the tracks are not in a record
            # neither are those from before a run
            header |= {"alone": True} if step.note["kind"] in ("link", "run") else {}
        if name == "paint":
            header["paints"] = paints_on(layer)
            self._painted.add(header["paints"])

        def pack() -> tuple[dict[str, Any], bytes]:
            about, payload = pack_voxels(*_outcome(step, way == BACK, shape))
            plain = {str(n): _plain_row(r) for n, r in rows.items()}
            return ({**about, "rows": plain} if plain else dict(about)), payload

        self._pack(header, step.extent <= AT_ONCE and len(rows) <= MANY, pack)

    def _pack(self, header: dict[str, Any], now: bool, pack: Callable[[], tuple[Mapping[str, Any], bytes]]) -> None:
        """Append a record with voxels; where they are many, the window does not wait for it."""
        if now:
            about, payload = pack()
            self.write({**header, **about}, payload)
            return

        def make() -> Record:
            about, payload = pack()
            return Record({**header, **about}, payload)

        header["when"] = self._begin()
        self.journal.append_later(make)
        if self._on_record is not None:
            self._on_record()

    def _begin(self) -> float:
        """Write whose work this is before anything else; the time."""
        if not self.journal.begun:
            self.journal.append({"kind": "begin", **self.about})
        return round(time.time(), 3)

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
