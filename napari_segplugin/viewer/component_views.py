"""A semantic result as objects: the connected pieces of each class, in layers that follow the result. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import ClassTable, Kind, to_json
from napari_segplugin.core.types import JsonDict
from napari_segplugin.data.components import components
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.table import Features
from napari_segplugin.viewer.views import LinkedViews

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event, EventEmitter

T = TypeVar("T")


class Elsewhere(Protocol):
    """Does work elsewhere, and then something with its result."""

    def __call__(self, work: Callable[[], T], done: Callable[[T], object], /) -> object:
        """Begin."""


def _at_once(work: Callable[[], T], done: Callable[[T], object]) -> None:
    done(work())


class ComponentViews(LinkedViews):
    """Objects of a semantic result, in step with it: what is painted in one layer shows in all.

    The result holds classes, so the objects need an array of their own; "instance" and "panoptic" share it. A piece keeps
    its number while it changes. What is painted on the objects goes into the result as classes, and stays numbered as it
    was painted until the result itself is painted again. An object with a new number is of the class that is in the brush of
    the result.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
        The result: class numbers.
    classes : ClassTable
    axes : str
        Axes of the array of the layer; nothing is connected along "T".
    later : callable, optional
        Takes work and what to do with its result; hands it to a worker in a window. At once by default.
    """

    own = "semantic"

    def __init__(
        self, viewer: ViewerModel, layer: Labels, classes: ClassTable, axes: str = "", later: Elsewhere | None = None
    ) -> None:
        super().__init__(viewer, layer, classes)
        self.axes = axes
        self._later: Elsewhere = later or _at_once
        self._objects = np.zeros(layer.data.shape, np.int32)
        self._class_of = np.zeros(1, np.int64)
        self._version = 0
        self._mine = False
        self._history = LayerHistory(layer)
        self._followed: dict[Labels, LayerHistory] = {}
        self._history.done.connect(lambda step: self._on_result(step, False))
        self._history.redone.connect(lambda step: self._on_result(step, False))
        self._history.undone.connect(lambda step: self._on_result(step, True))

    def _emitters(self, layer: Labels) -> tuple[EventEmitter, ...]:
        return (layer.events.data,) if layer is self.layer else super()._emitters(layer)

    def show(self, kind: str, on: bool = True) -> Labels | None:
        """See :meth:`LinkedViews.show`; the result itself is "semantic"."""
        first = not self.views
        view = super().show(kind, on)
        for gone in [v for v in self._followed if not any(v is a for a in self.views.values())]:
            self._followed.pop(gone).detach()
        if view is not None and kind != self.own and view not in self._followed:
            history = self._followed[view] = LayerHistory(view)
            history.done.connect(lambda step: self._carry(step, False))
            history.redone.connect(lambda step: self._carry(step, False))
            history.undone.connect(lambda step: self._carry(step, True))
            if first:
                self._renew()
        return view

    def let_go(self) -> None:
        """See :meth:`LinkedViews.let_go`."""
        super().let_go()
        for history in (self._history, *self._followed.values()):
            history.detach()
        self._followed.clear()

    # --- what the views show --------------------------------------------------------------------------------------

    def _data(self) -> np.ndarray:
        return self._objects

    def _features(self) -> Features:
        class_of = self._class_numbers()
        labels, names = [0, *class_of], {c.id: c.name for c in self.classes}
        return {
            "index": labels,
            "label": labels,
            "class": [names[0], *(names.get(c, "?") for c in class_of.values())],
            "score": [float("nan")] * len(labels),
            "status": ["", *["predicted"] * len(class_of)],
        }

    def _class_numbers(self) -> dict[int, int]:
        return {int(n): int(self._class_of[n]) for n in np.flatnonzero(self._class_of)}

    def _about(self) -> JsonDict:
        counted = ClassTable(tuple(replace(c, kind=Kind.THING) if c.id else c for c in self.classes))
        return {"task": "instance", "pieces": True, "classes": to_json(counted)}

    # --- from the result to the objects ---------------------------------------------------------------------------

    def _on_result(self, step: EditStep, back: bool) -> None:
        if not self._mine:
            self._renew(step, back)

    def _follow(self, event: Event | None = None) -> None:
        source = getattr(event, "source", None)
        if self._busy:
            return
        if source is self.layer:
            self._renew()
            return
        self._busy = True
        try:
            for view in self.views.values():
                if view is not source:
                    view.refresh()
        finally:
            self._busy = False

    def _renew(self, step: EditStep | None = None, back: bool = False) -> None:
        """Number the pieces anew; copies are taken, since napari paints into the array in place."""
        self._version += 1
        if not self.views:
            return
        version, axes = self._version, self.axes
        classes, before = np.array(self.layer.data), np.array(self._objects)
        for delta in () if step is None else step.deltas(back):
            classes[delta.indices] = delta.new  # napari may tell of a step before it writes the last voxels
        same = classes.shape == before.shape

        def done(found: tuple[np.ndarray, np.ndarray]) -> None:
            if version == self._version:
                self._take(*found)

        self._later(lambda: components(classes, axes, before if same else None), done)

    def _take(self, objects: np.ndarray, class_of: np.ndarray) -> None:
        fits = objects.shape == self._objects.shape
        if fits:
            self._objects[...] = objects
        else:
            self._objects = objects
        self._set_classes(class_of)
        self._busy = True
        try:
            for view in self.views.values():
                if not fits:
                    view.data = self._objects
                view.refresh()
        finally:
            self._busy = False

    def _set_classes(self, class_of: np.ndarray) -> None:
        self._class_of = class_of
        self._busy = True
        try:
            for view in self.views.values():
                view.features = self._features()
            self._recolor(set())
        finally:
            self._busy = False

    # --- from the objects to the result ---------------------------------------------------------------------------

    def _carry(self, step: EditStep, back: bool) -> None:
        """Write what was painted on the objects into the result, as classes and as one step of its undo list."""
        self._version += 1
        deltas = list(step.deltas(back))
        top = max((int(np.max(d.new, initial=0)) for d in deltas), default=0)
        if top >= len(self._class_of):
            grown = np.zeros(top + 1, np.int64)
            grown[: len(self._class_of)] = self._class_of
            chosen = int(self.layer.selected_label)
            grown[top] = chosen if 0 < chosen < len(self.classes) else 1
            self._set_classes(grown)
        self._mine = True
        try:
            with self.layer.block_history():
                for delta in deltas:
                    numbers = np.broadcast_to(np.asarray(delta.new), delta.old.shape)
                    self.layer.data_setitem(delta.indices, self._class_of[numbers].astype(self.layer.data.dtype))
        finally:
            self._mine = False


__all__ = ["ComponentViews"]
