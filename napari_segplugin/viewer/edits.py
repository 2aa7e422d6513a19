"""Edits of a result layer: voxels and table as one step on napari's own undo list. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from napari_segplugin.core import Box, InputError
from napari_segplugin.core.segmentation import voxel_size
from napari_segplugin.core.types import WritableArray
from napari_segplugin.data import cutting, edits
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.edits import Change
from napari_segplugin.data.interpolate import interpolate
from napari_segplugin.data.several import each
from napari_segplugin.viewer.compass import layer_letters
from napari_segplugin.viewer.history import Delta, EditNote, EditStep, LayerHistory
from napari_segplugin.viewer.light import uncollected
from napari_segplugin.viewer.pictures import GreyView
from napari_segplugin.viewer.space import place_of_layer
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED, REJECTED, ObjectRows, TableRow

if TYPE_CHECKING:
    from napari.utils.events import Event

ROOM = 1000
"""Numbers that an edit may need for new objects."""


class Editor:
    """Everything that can be done to the objects of a layer; each call is one step that Ctrl+Z takes back.

    Painting by hand goes through here too: the table follows whatever changes the voxels through napari's history.

    Parameters
    ----------
    layer : napari.layers.Labels
    axes : str
        Axes of the array of the layer, such as "ZYX"; the last two or three are space where it is left out.
    usual_class : str
        The class of new objects.

    Attributes
    ----------
    stepped : signal
        Emitted with a :class:`~napari_segplugin.viewer.history.EditStep` and True where it was taken back.
    """

    stepped = Signal(EditStep, bool)

    def __init__(self, layer: Labels, axes: str = "", usual_class: str = "object") -> None:
        self.layer = layer
        self.axes = axes or "TZYX"[-layer.ndim :]
        self.rows = ObjectRows(layer, usual_class)
        self.history = LayerHistory(layer)
        self.version = 0
        self._boxes: ObjectBoxes | None = None
        self.history.done.connect(self._on_done)
        self.history.undone.connect(self._on_undone)
        self.history.redone.connect(self._on_redone)
        self.history.forgotten.connect(self.forget_boxes)
        self._others: list[LayerHistory] = []
        layer.events.data.connect(self.forget_boxes)

    def detach(self) -> None:
        """Follow the layer no longer."""
        for history in (self.history, *self._others):
            history.detach()
        self._others.clear()
        self.rows.detach()
        self.layer.events.data.disconnect(self.forget_boxes)

    def follow(self, layers: Iterable[Labels]) -> None:
        """Follow further layers that show the same array, so that what is painted on them is known too."""
        wanted = list(layers)
        for history in [h for h in self._others if not any(h.layer is a for a in wanted)]:
            history.detach()
            self._others.remove(history)
        for layer in wanted:
            if not any(h.layer is layer for h in self._others):
                history = LayerHistory(layer)
                history.done.connect(self._on_done)
                history.undone.connect(self._on_undone)
                history.redone.connect(self._on_redone)
                self._others.append(history)

    @property
    def boxes(self) -> ObjectBoxes:
        """Where the objects are; made when first asked for."""
        if self._boxes is None:
            self._boxes = ObjectBoxes(self.layer.data)
        return self._boxes

    def seems_there(self, number: int) -> bool:
        """Whether an object is in the layer; as long as the boxes are not made, whether the table has it."""
        return number in (self.rows if self._boxes is None else self._boxes)

    def take_boxes(self, boxes: ObjectBoxes, version: int) -> bool:
        """Use boxes that were made elsewhere from the voxels as they were at `version`; False where they are stale."""
        if self._boxes is None and version == self.version:
            self._boxes = boxes
        return self._boxes is not None

    def forget_boxes(self, event: Event | None = None) -> None:
        """The array is another one: look through it again when asked."""
        self._boxes = None
        self.version += 1

    @property
    def voxel(self) -> float:
        """Area or volume of a voxel, as the table of the layer counts it."""
        sizes = tuple(s for s, a in zip(self.spacing, self.axes, strict=True) if a in "ZYX")
        named = layer_letters(self.layer)
        place = place_of_layer(self.layer, named) if named else None
        return voxel_size("".join(a for a in self.axes if a in "ZYX"), sizes, place)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size along each axis of the layer."""
        return tuple(float(abs(s)) for s in self.layer.scale)

    def number_at(self, point: Sequence[float] | np.ndarray) -> int:
        """The object at a voxel; 0 where there is none, or outside the layer."""
        at = tuple(round(float(p)) for p in point)
        if any(not 0 <= p < n for p, n in zip(at, self.layer.data.shape, strict=True)):
            return 0
        return int(np.asarray(self.layer.data[at]))

    # --- voxels ---------------------------------------------------------------------------------------------------

    def merge(self, numbers: Sequence[int], where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.edits.merge`."""
        self.apply(edits.merge(self._data(), numbers, boxes=self.boxes, where=where), "merge")

    def delete(self, numbers: Sequence[int], where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.edits.delete`."""
        self.apply(edits.delete(self._data(), numbers, boxes=self.boxes, where=where), "delete")

    def fill_holes(self, *numbers: int, where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.edits.fill_holes`."""
        self._each(edits.fill_holes, numbers, "fill holes", where)

    def tidy(self, *numbers: int, width: float, where: Box | None = None) -> None:
        """Fill the holes of objects and smooth them; see :func:`napari_segplugin.data.edits.smooth`."""
        self._each(partial(edits.smooth, width=width, holes=True, spacing=self.spacing), numbers, "tidy", where)

    def grow(self, *numbers: int, distance: float, where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.edits.grow`; a voxel that two of them would take goes to the first."""
        self._each(partial(edits.grow, distance=distance, spacing=self.spacing), numbers, "grow", where)

    def shrink(self, *numbers: int, distance: float, where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.edits.shrink`."""
        self._each(partial(edits.shrink, distance=distance, spacing=self.spacing), numbers, "shrink", where)

    def _each(self, edit: Callable[..., Change], numbers: Sequence[int], kind: str, where: Box | None) -> None:
        self.apply(each(partial(edit, self._data(), boxes=self.boxes, where=where), numbers), kind)

    def split_cut(self, number: int, line: np.ndarray, axes: tuple[int, int], where: Box | None = None) -> None:
        """See :func:`napari_segplugin.data.cutting.split_cut`."""
        self._split(cutting.split_cut(self._data(), number, line, axes, boxes=self.boxes, where=where), number)

    def split_seeds(
        self, number: int, seeds: np.ndarray, image: GreyView | None = None, where: Box | None = None
    ) -> None:
        """See :func:`napari_segplugin.data.cutting.split_seeds`."""
        split = partial(cutting.split_seeds, self._data(), number, seeds, image=image, boxes=self.boxes, where=where)
        self._split(split(spacing=self.spacing), number)

    def _split(self, change: Change, number: int) -> None:
        fresh = [int(n) for n in np.unique(change.values)]
        self.apply(change, "split", parents=dict.fromkeys(fresh, number))

    def interpolate(self, number: int, axis: int, where: Box | None = None) -> None:
        """Redraw an object between the planes in which it was painted since the last time; else fill its gaps.

        See :func:`napari_segplugin.data.interpolate.interpolate`.
        """
        planes = self.painted_planes(number, axis)
        change = interpolate(
            self._data(),
            number,
            axis,
            planes if len(planes) > 1 else (),
            spacing=self.spacing,
            boxes=self.boxes,
            where=where,
        )
        self.apply(change, "interpolate")

    def painted_planes(self, number: int, axis: int) -> tuple[int, ...]:
        """Planes in which an object was painted by hand since it was last interpolated."""
        planes: set[int] = set()
        for step in reversed(self.history.past):
            kind = step.note.get("kind", "")
            if kind == "interpolate" and number in step.note["table"]:
                break
            for delta in () if kind else step.deltas():
                touched = (delta.old == number) | (np.asarray(delta.new) == number)
                planes.update(np.unique(delta.indices[axis][touched]).tolist())
        return tuple(sorted(planes))

    def first_of(self, class_name: str) -> int:
        """The first object of a class; 0 where there is none."""
        return next((n for n, c in self.rows.column("class").items() if c == class_name and n in self.boxes), 0)

    def add(self, mask: np.ndarray, box: Box, class_name: str = "", number: int = 0) -> int:
        """Make an object of a mask, on the background only, or add to the one of a number; gives its number."""
        number = number or self.boxes.next_number()
        change = edits.set_mask(self._data(), mask, box, number)
        self.apply(change, "add", rows={number: {"class": class_name}} if class_name else {})
        return number

    # --- table ----------------------------------------------------------------------------------------------------

    def set_class(self, numbers: Iterable[int], name: str) -> None:
        """Change the class of objects."""
        self._mark({n: {"class": name} for n in self._there(numbers)}, "class")

    def accept(self, numbers: Iterable[int]) -> None:
        """Say that objects are right."""
        self._mark({n: {"status": ACCEPTED} for n in self._there(numbers)}, "accept")

    def reject(self, numbers: Iterable[int]) -> None:
        """Say that objects are none: their voxels become background, their rows stay and say so."""
        there = self._there(numbers)
        change = edits.delete(self._data(), there, boxes=self.boxes)
        self.apply(change, "reject", rows={n: {"status": REJECTED} for n in there})

    def with_status(self, status: str) -> tuple[int, ...]:
        """Numbers of the objects of a status."""
        return tuple(n for n, s in self.rows.column("status").items() if s == status)

    def _there(self, numbers: Iterable[int]) -> list[int]:
        boxes = self.boxes
        there = [int(n) for n in numbers if int(n) in boxes]
        if not there:
            raise InputError("No object is selected.", hint="Click on an object first")
        return there

    def _mark(self, rows: dict[int, TableRow], kind: str) -> None:
        self._data()
        with uncollected():
            self.history.mark({"kind": kind, "rows": rows})

    # --- one step -------------------------------------------------------------------------------------------------

    def apply(
        self,
        change: Change,
        kind: str,
        *,
        parents: Mapping[int, int] | None = None,
        rows: Mapping[int, TableRow] | None = None,
    ) -> None:
        """Write a change as one step.

        Parameters
        ----------
        change : Change
        kind : str
            One word for what was done; empty is kept for painting by hand.
        parents : mapping of int to int, optional
            The object that a new one was part of: its class is taken over.
        rows : mapping of int to dict, optional
            Cells of the table that change with the voxels.

        Raises
        ------
        InputError
            If the layer cannot be written.
        """
        top = int(np.max(change.values, initial=0))
        data = self._data(top)
        if top > np.iinfo(data.dtype).max:
            raise InputError(
                "There is no free object number left in this layer.",
                got=f"{data.dtype} holds numbers only up to {np.iinfo(data.dtype).max}",
                hint="Convert the layer to int32 (right-click on it, Convert data type)",
            )
        note: EditNote = {"kind": kind, "parents": dict(parents or {}), "rows": dict(rows or {})}
        if len(change):
            self.history.write(change.indices, change.values, note)
        elif rows:
            self.history.mark(note)

    def _data(self, top: int = 0) -> WritableArray:
        """The array, where it can be written voxel by voxel."""
        layer = self.layer
        if layer.multiscale:
            raise InputError(
                f"The layer '{layer.name}' has several resolutions (a pyramid) and cannot be edited.",
                hint="Add its finest level as a separate layer",
            )
        if hasattr(layer.data, "dask"):
            raise InputError(
                f"The layer '{layer.name}' is computed lazily, so its objects cannot be edited.",
                got="a dask array",
                hint="Load it into memory (layer.data = layer.data.compute()) or open it as zarr",
            )
        if not layer.editable:
            raise InputError(f"The layer '{layer.name}' is locked.", hint="Make it editable first")
        # the boxes have to be older than the change
        self.make_room(top)
        return cast("WritableArray", layer.data)

    def make_room(self, top: int = 0) -> None:
        """Widen the numbers of the layer where those of uint16 come to an end, or `top` is beyond them.

        The undo list stays as it is.
        """
        boxes, data = self.boxes, self.layer.data
        narrow = isinstance(data, np.ndarray) and data.dtype == np.uint16
        if narrow and max(boxes.next_number() + ROOM, top) > np.iinfo(np.uint16).max:
            self.layer.data = data.astype(np.int32)
            self._boxes = boxes

    def _on_done(self, step: EditStep) -> None:
        self.version += 1
        fresh = self._boxes is None
        won: dict[int, int] = {}
        boxes = self.boxes
        for delta in () if fresh else step.deltas():
            for number, voxels in _noted(boxes, delta).items():
                won[number] = won.get(number, 0) + voxels
        if fresh:
            won = _won(step)
        step.note["won"] = won
        step.note["table"] = self._rows_after(step, won)
        self.rows.write({n: after for n, (_, after) in step.note["table"].items()})
        self.stepped.emit(step, False)

    def _rows_after(self, step: EditStep, won: Mapping[int, int]) -> dict[int, tuple[TableRow | None, TableRow | None]]:
        """Row before and after of every object that a step changed."""
        size, voxel, boxes = self.rows.size_column, self.voxel, self.boxes
        cells, parents = step.note.get("rows", {}), step.note.get("parents", {})
        touched = dict.fromkeys([n for n, v in won.items() if v or not step.note.get("kind")])
        out: dict[int, tuple[TableRow | None, TableRow | None]] = {}
        numbers = list(dict.fromkeys([*touched, *cells]))
        for number, before in zip(numbers, self.rows.several(numbers), strict=True):
            after: TableRow | None = before
            if number in touched:
                like = self.rows.get(parents[number]) if number in parents else None
                base = before or self.rows.fresh(number, like)
                kept = boxes.size(number) > 0
                after = {**base, "status": CORRECTED} if kept else None
            if number in cells:
                after = {**(after or before or self.rows.fresh(number)), **cells[number]}
            if after is not None and size:
                after[size] = boxes.size(number) * voxel
            out[number] = (before, after)
        return out

    def _on_undone(self, step: EditStep) -> None:
        self.version += 1
        self._follow_boxes(step, back=True)
        self.rows.write({n: before for n, (before, _) in step.note.get("table", {}).items()})
        self.stepped.emit(step, True)

    def _on_redone(self, step: EditStep) -> None:
        self.version += 1
        self._follow_boxes(step, back=False)
        self.rows.write({n: after for n, (_, after) in step.note.get("table", {}).items()})
        self.stepped.emit(step, False)

    def _follow_boxes(self, step: EditStep, back: bool) -> None:
        if self._boxes is None:
            return
        if "won" in step.note:
            self._boxes.add(step.note["won"], -1 if back else 1)
        else:  # a step of an earlier day, whose objects may have no box
            for delta in step.deltas(back):
                self._boxes.update(*delta)


def _noted(boxes: ObjectBoxes, delta: Delta) -> dict[int, int]:
    """Tell boxes of a change; voxels that each object won."""
    if delta.box is not None and isinstance(delta.new, int):
        return boxes.update_box(delta.box, delta.old, delta.new)
    return boxes.update(*delta)


def _won(step: EditStep) -> dict[int, int]:
    """Voxels that each object won in a step."""
    won: dict[int, int] = {}
    for delta in step.deltas():
        for values, sign in ((delta.new, 1), (delta.old, -1)):
            array = np.broadcast_to(np.asarray(values), delta.old.shape)
            for number, count in zip(*np.unique(array, return_counts=True), strict=True):
                won[int(number)] = won.get(int(number), 0) + sign * int(count)
    won.pop(0, None)
    return won


__all__ = ["Editor"]
