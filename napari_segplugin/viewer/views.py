"""The ways in which a result is shown: each object in its own color, each class in its own, or both. No Qt, no torch.

One layer is shown in different ways: its array stays as it is, so painting and saving mean the same in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import numpy as np
from psygnal import Signal

from napari_segplugin.core import Box, ClassTable, InputError, Task
from napari_segplugin.core.types import Array
from napari_segplugin.viewer.colors import (
    class_scheme,
    label_colormap_of,
    numbers_with_colors,
    object_scheme,
    table_colormap,
)
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.on_screen import shown_of
from napari_segplugin.viewer.pieces import ClassPieces
from napari_segplugin.viewer.recolor import Apart, Elsewhere, LatePart, Scheme, at_once

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from napari.utils.events import Event, EventEmitter
    from pandas import DataFrame

VIEWS = ("instance", "semantic", "panoptic")
"""Objects, classes, both."""
WHOLE = 2**27
"""Voxels up to which neighbors are looked for in the whole array; of a larger one, or one that is lazy, in what is seen."""
_STEP = "_raw_to_displayed"
_ROWS = 255
"""Colors of a layer of classes, whose numbers may be uint8."""


def classes_of_labels(features: DataFrame | None, classes: ClassTable) -> dict[int, int]:
    """Class number of each label of a features table; labels of unknown classes count as the first thing."""
    if features is None or not {"label", "class"} <= set(features.columns):
        return {}
    number = {c.name: c.id for c in classes}
    first = (classes.thing_ids or (1,))[0]
    rows = zip(features["label"].tolist(), features["class"].tolist(), strict=True)
    return {int(label): number.get(str(name), first) for label, name in rows if int(label)}


def found_of_classes(
    features: DataFrame | None, classes: ClassTable, counted: Collection[int] | None = None
) -> dict[int, str]:
    """What a features table has of each class: how many members, "yes" or "no" where they are not counted.

    Parameters
    ----------
    features : DataFrame
    classes : ClassTable
    counted : collection of int, optional
        Numbers of the classes whose rows are members; the things by default.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"label": [0, 1, 2], "class": ["background", "cell", "cell"], "status": ["", "", "rejected"]})
    >>> found_of_classes(table, ClassTable.named(["cell", "vessel"]))
    {1: '1', 2: '0'}
    """
    if features is None or not {"label", "class"} <= set(features.columns):
        return {}
    names = features["class"]
    counts = (names[features["status"] != "rejected"] if "status" in features.columns else names).value_counts()
    found = {c.id: int(counts.get(c.name, 0)) for c in classes if c.id}
    counted = classes.thing_ids if counted is None else counted
    return {n: f"{k:,}" if n in counted else ("yes" if k else "no") for n, k in found.items()}


class ResultView:
    """Shows one result layer as objects, as classes or as both, with neighbors in colors that are told apart.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
        The result; its features table knows the class of each label.
    classes : ClassTable
    task : Task
        Of a semantic result, whose numbers are classes, the connected pieces are the objects.
    axes : str
        Axes of the array of the layer; nothing touches along "T".
    later : callable, optional
        Takes work and what to do with its result; hands it to a worker in a window. At once by default.

    Attributes
    ----------
    kind : str
        The view that is shown: "instance", "semantic" or "panoptic".
    pieces : ClassPieces or None
        The objects of a semantic result, while they are shown.
    changed : signal
        Emitted when another view is shown, or pieces have changed.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Labels,
        classes: ClassTable,
        task: Task = Task.PANOPTIC,
        axes: str = "",
        later: Elsewhere = at_once,
    ) -> None:
        self.viewer, self.layer, self.classes, self.task, self.axes = viewer, layer, classes, task, axes
        self.own = "semantic" if task is Task.SEMANTIC else "instance"
        self.kind = self.own
        self.pieces: ClassPieces | None = None
        self._later = later
        self._apart = Apart(later, self._paint)
        self._scheme: Scheme | None = None
        self._mine = self._foreign = False
        self._seen: Box | None = None
        self._usual: Callable[..., np.ndarray] | None = None
        self._history = LayerHistory(layer)
        self._history.done.connect(lambda step: self._on_step(step, False))
        self._history.redone.connect(lambda step: self._on_step(step, False))
        self._history.undone.connect(lambda step: self._on_step(step, True))
        for emitter, slot in self._followed():
            emitter.connect(slot)
        self.show(self.own)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The views that can be shown here."""
        return VIEWS if self.task is not Task.SEMANTIC or hasattr(self.layer, _STEP) else (self.own,)

    def show(self, kind: str) -> None:
        """Show the result in another way.

        Raises
        ------
        InputError
            If there is no such view.
        """
        if kind not in self.kinds:
            raise InputError(
                "There is no such view of the result.", got=repr(kind)[:80], accepted=", ".join(self.kinds)
            )
        other, self.kind, self._foreign = kind != self.kind, kind, False
        if self.task is Task.SEMANTIC:
            self._show_classes()
        else:
            self._renew(keep=False)
            self._look()
        if other:
            self.changed.emit()

    def let_go(self) -> None:
        """Follow nothing any more; the layer stays as it is, a semantic one in the colors of its classes."""
        if self.task is Task.SEMANTIC:
            self.show(self.own)
        self._apart.stop()
        self._history.detach()
        for emitter, slot in self._followed():
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(slot)

    def _followed(self) -> list[tuple[EventEmitter, Callable[[Event], None]]]:
        events = self.layer.events
        return [
            (events.features, self._on_features),
            (events.data, self._on_data),
            (events.colormap, self._on_colormap),
            (events.set_data, self._on_drawn),
        ]

    # --- colors ---------------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        """Give the layer the colors that are chosen."""
        if self._scheme is None or self._foreign:
            return
        chosen = self._apart.chosen
        if self.pieces is None:
            table = self._scheme.colors[chosen]
        else:
            first = self._first_colors()
            table = np.concatenate([first, self._scheme.colors])
        self._mine = True
        try:
            self.layer.colormap = table_colormap(table)
        finally:
            self._mine = False

    def _on_colormap(self, event: Event | None = None) -> None:
        """Colors that somebody else chose stay until a view is asked for."""
        self._foreign = self._foreign or not self._mine

    def _on_features(self, event: Event | None = None) -> None:
        """The table has changed: a class may be another."""
        if self.pieces is None and self.kind != "instance" and self.task is not Task.SEMANTIC:
            self._renew()

    def _on_data(self, event: Event | None = None) -> None:
        """There are other labels altogether."""
        if self.task is not Task.SEMANTIC:
            self._foreign = False
            self._renew(keep=False)
            self._look()

    def _renew(self, keep: bool = True, top: int = 0) -> None:
        """Work out which colors each number may have."""
        known = classes_of_labels(self.layer.features, self.classes)
        count = numbers_with_colors(max([top, self._top(), *known]))
        if self.kind == "instance":
            self._scheme = object_scheme(count)
        else:
            class_of = np.zeros(count, np.int64)
            numbers = np.array([n for n in known if 0 < n < count], np.int64)
            class_of[numbers] = [known[int(n)] for n in numbers]
            self._scheme = class_scheme(class_of, self.classes, self.kind == "panoptic")
        self._apart.use(self._scheme, keep)
        self._paint()

    def _top(self) -> int:
        """The highest number, or as many as there can be where that would take long to find out."""
        data = self.layer.data
        return int(data.max(initial=0)) if isinstance(data, np.ndarray) and data.size <= WHOLE else 2**16

    # --- neighbors ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Look for neighbors in all of the labels, or in what is seen of many."""
        data = cast("Array", self.layer.data)
        if isinstance(data, np.ndarray) and data.size <= WHOLE:
            self._apart.look([data], self.axes, forget=True)
        else:
            self._apart.look([], forget=True)
            self._seen = None
            self._on_drawn()

    def _on_drawn(self, event: Event | None = None) -> None:
        """Another part of a large array is on the screen."""
        data = cast("Array", self.layer.data)
        if self.pieces is not None or (isinstance(data, np.ndarray) and data.size <= WHOLE):
            return
        shown = shown_of(self.viewer, self.layer)
        if shown is None or len(shown.axes) != 2 or self.task is Task.SEMANTIC:
            return
        corners = np.asarray(self.layer.corner_pixels, int)
        sides = []
        for axis in sorted(shown.axes):
            low, high = max(0, int(corners[0, axis])), min(int(data.shape[axis]), int(corners[1, axis]) + 1)
            sides.append(slice(low, high) if high > low else slice(0, int(data.shape[axis])))
        box = shown.at(tuple(sides))
        if box != self._seen and np.prod([s.stop - s.start for s in box]) <= WHOLE:
            self._seen = box
            self._apart.look([LatePart(data, box)], self.axes)

    def _on_step(self, step: EditStep, back: bool) -> None:
        """A step was done or undone: look for neighbors where it changed something."""
        data = self.layer.data
        if self.task is Task.SEMANTIC or not isinstance(data, np.ndarray):
            return
        if step.extent > WHOLE // 16:
            self._look()
            return
        parts, top = [], 0
        for delta in step.deltas(back):
            where = [np.asarray(i) for i in delta.indices]
            if not where or not where[0].size:
                continue
            box = tuple(
                slice(max(0, int(i.min()) - 2), min(n, int(i.max()) + 3))
                for i, n in zip(where, data.shape, strict=True)
            )
            part = data[box].copy()  # napari may tell of a step before it writes the last voxels
            part[tuple(i - s.start for i, s in zip(where, box, strict=True))] = delta.new
            parts.append(part)
            top = max(top, int(np.max(delta.new, initial=0)))
        if top >= len(self._apart.chosen):
            self._renew(top=top)
        self._apart.look(parts, self.axes)

    # --- classes as objects ---------------------------------------------------------------------------------------

    def _first_colors(self) -> np.ndarray:
        """Rows for the background and the classes themselves: those of the brush."""
        found: np.ndarray = np.array([[int(c.color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in self.classes])
        return found

    def _show_classes(self) -> None:
        if self.kind == "semantic":
            pieces, self.pieces = self.pieces, None
            if pieces is not None:
                pieces.changed.disconnect(self._on_pieces)
                pieces.let_go()
                if self._usual is not None:
                    vars(self.layer).pop(_STEP, None)
                    self._usual = None
                self._mine = True
                try:
                    self.layer.colormap = label_colormap_of({c.id: c.color for c in self.classes})
                finally:
                    self._mine = False
            return
        if self.pieces is None:
            self.pieces = ClassPieces(self.layer, self.classes, self.axes, self._later)
            self.pieces.changed.connect(self._on_pieces)
            self._usual = getattr(self.layer, _STEP)
            vars(self.layer)[_STEP] = self._shown
        self._apart.chosen = self._apart.chosen[:0]
        self._on_pieces()

    def _on_pieces(self) -> None:
        """ClassPieces have changed: give them colors."""
        pieces = self.pieces
        if pieces is None:
            return
        room = _ROWS - len(self.classes)
        if self.kind == "instance":
            self._scheme = object_scheme(len(pieces.class_of))
        else:
            most = max(1, min(16, room // len(self.classes)))
            self._scheme = class_scheme(pieces.class_of, self.classes, most=most)
        self._apart.use(self._scheme)
        self._apart.look([np.asarray(pieces.objects.data)], self.axes, forget=True)
        self._paint()
        self.layer.refresh()
        self.changed.emit()

    def _shown(self, raw: np.ndarray, data_slice: tuple[slice, ...] | None = None) -> np.ndarray:
        """What napari draws: for each piece the row of its color, where that piece is what the result has there.

        What was just painted is in the color of its class, until the pieces are numbered anew.
        """
        usual, pieces = self._usual, self.pieces
        if usual is None or pieces is None:
            return np.asarray(type(self.layer)._raw_to_displayed(self.layer, raw, data_slice))
        shown = shown_of(self.viewer, self.layer)
        objects = (
            None
            if shown is None or pieces.objects.data.shape != self.layer.data.shape
            else shown.of(pieces.objects.data)
        )
        chosen = self._apart.chosen
        if objects is None or objects.shape != raw.shape or len(chosen) != len(pieces.class_of):
            return usual(raw, data_slice)
        rows = (len(self.classes) + chosen).astype(raw.dtype)
        drawn = np.where((objects > 0) & (pieces.class_of[objects] == raw), rows[objects], raw)
        return usual(drawn, data_slice)


def semantic_map(labels: np.ndarray, class_of: Mapping[int, int]) -> np.ndarray:
    """Labels as class numbers, for export; labels without a class are 0.

    Examples
    --------
    >>> semantic_map(np.array([0, 7, 9]), {7: 1, 9: 2}).tolist()
    [0, 1, 2]
    """
    numbers = np.array([0, *sorted(class_of)])
    classes = np.array([0, *(class_of[n] for n in sorted(class_of))])
    at = np.searchsorted(numbers, labels).clip(0, len(numbers) - 1)
    out: np.ndarray = np.where(numbers[at] == labels, classes[at], 0).astype(np.uint16)
    return out


__all__ = ["VIEWS", "ResultView", "classes_of_labels", "found_of_classes", "semantic_map"]
