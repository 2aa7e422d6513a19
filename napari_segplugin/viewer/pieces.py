"""A semantic result as objects: the connected pieces of each class, in step with it. No Qt, no torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from napari_segplugin.core import ClassTable, Kind, to_json
from napari_segplugin.core.types import JsonDict
from napari_segplugin.data.components import components
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.recolor import Elsewhere, at_once
from napari_segplugin.viewer.table import Features


class ClassPieces:
    """Objects of a semantic result: what is painted in the result shows in them, and the other way round.

    The result holds classes, so the objects need an array of their own. A piece keeps its number while it changes. What is
    changed in the objects (by the table of measures, say) goes into the result as classes and as one step of its undo list; an
    object with a new number is of the class that is in the brush of the result.

    Parameters
    ----------
    layer : napari.layers.Labels
        The result: class numbers.
    classes : ClassTable
    axes : str
        Axes of the array of the layer; nothing is connected along "T".
    later : callable, optional
        Takes work and what to do with its result; hands it to a worker in a window. At once by default.

    Attributes
    ----------
    objects : napari.layers.Labels
        The pieces and their table, in the place of the result, fully transparent. It is changed once it is in a viewer.
    changed : signal
        Emitted when pieces have other numbers or another shape.
    """

    changed = Signal()

    def __init__(self, layer: Labels, classes: ClassTable, axes: str = "", later: Elsewhere = at_once) -> None:
        self.layer, self.classes, self.axes = layer, classes, axes
        self._later = later
        self._version = 0
        self._mine = self._busy = False
        self.class_of = np.zeros(1, np.int64)
        self.objects = self._make(np.zeros(layer.data.shape, np.int32))
        layer.events.data.connect(self._on_data)
        self._history, self._other = LayerHistory(layer), LayerHistory(self.objects)
        for history, take in ((self._history, self._on_result), (self._other, self._carry)):
            history.done.connect(lambda step, take=take: take(step, False))
            history.redone.connect(lambda step, take=take: take(step, False))
            history.undone.connect(lambda step, take=take: take(step, True))
        self.renew()

    def let_go(self) -> None:
        """Follow nothing any more."""
        self._version += 1
        self.layer.events.data.disconnect(self._on_data)
        self._history.detach()
        self._other.detach()

    def _make(self, array: np.ndarray) -> Labels:
        like = self.layer
        counted = ClassTable(tuple(replace(c, kind=Kind.THING) if c.id else c for c in self.classes))
        about: JsonDict = {"task": "instance", "pieces": True, "classes": to_json(counted)}
        return Labels(
            array,
            name=f"{like.name} · objects",
            features=self._features(),
            scale=like.scale,
            translate=like.translate,
            rotate=like.rotate,
            shear=like.shear,
            affine=like.affine,
            units=like.units,
            axis_labels=like.axis_labels,
            opacity=0,  # visible all the same: napari prepares only visible layers for edits
            metadata={"segplugin": {"role": "objects", "of": like.name, **about}},
        )

    def _features(self) -> Features:
        names = {c.id: c.name for c in self.classes}
        found = np.flatnonzero(self.class_of).tolist()
        return {
            "index": [0, *found],
            "label": [0, *found],
            "class": [names[0], *(names.get(int(self.class_of[n]), "?") for n in found)],
            "score": [float("nan")] * (len(found) + 1),
            "status": ["", *["predicted"] * len(found)],
        }

    # --- from the result to the objects ---------------------------------------------------------------------------

    def _on_data(self, event: object = None) -> None:
        if not self._busy:
            self.renew()

    def _on_result(self, step: EditStep, back: bool) -> None:
        if not self._mine:
            self.renew(step, back)

    def renew(self, step: EditStep | None = None, back: bool = False) -> None:
        """Number the pieces anew; copies are taken, since napari paints into the array in place."""
        self._version += 1
        version, axes = self._version, self.axes
        classes, before = np.array(self.layer.data), np.array(self.objects.data)
        for delta in () if step is None else step.deltas(back):
            classes[delta.indices] = delta.new  # napari may tell of a step before it writes the last voxels
        same = classes.shape == before.shape

        def done(found: tuple[np.ndarray, np.ndarray]) -> None:
            if version == self._version:
                self._take(*found)

        self._later(lambda: components(classes, axes, before if same else None), done)

    def _take(self, objects: np.ndarray, class_of: np.ndarray) -> None:
        if objects.shape == self.objects.data.shape:
            self.objects.data[...] = objects
            self.objects.refresh()
        else:
            self.objects.data = objects
        self._set_classes(class_of)

    def _set_classes(self, class_of: np.ndarray) -> None:
        self.class_of = class_of
        self.objects.features = self._features()
        self.changed.emit()

    # --- from the objects to the result ---------------------------------------------------------------------------

    def _carry(self, step: EditStep, back: bool) -> None:
        """Write what was changed in the objects into the result, as classes and as one step of its undo list."""
        self._version += 1
        deltas = list(step.deltas(back))
        top = max((int(np.max(d.new, initial=0)) for d in deltas), default=0)
        if top >= len(self.class_of):
            grown = np.zeros(top + 1, np.int64)
            grown[: len(self.class_of)] = self.class_of
            chosen = int(self.layer.selected_label)
            grown[top] = chosen if 0 < chosen < len(self.classes) else 1
            self.class_of = grown
        self._mine = True
        try:
            with self.layer.block_history():
                for delta in deltas:
                    numbers = np.broadcast_to(np.asarray(delta.new), delta.old.shape)
                    self.layer.data_setitem(delta.indices, self.class_of[numbers].astype(self.layer.data.dtype))
        finally:
            self._mine = False
        self._set_classes(self.class_of)


__all__ = ["ClassPieces"]
