"""Strokes of classes are in the map of classes at once, and leave it when they are taken back. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable
from napari_segplugin.viewer.history import EditStep, LayerHistory

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.viewer.class_renewal import ClassSteps


class StrokesInMap:
    """Keeps a map of classes in step with the strokes over it.

    Parameters
    ----------
    strokes : napari.layers.Labels
        Strokes of classes; they stay on their layer, to learn from.
    steps : ClassSteps
        Of the map, whose layer has the shape of the strokes.
    classes : callable
        The classes that the strokes have now.
    """

    def __init__(self, strokes: Labels, steps: ClassSteps, classes: Callable[[], ClassTable]) -> None:
        self.strokes, self.steps, self._classes = strokes, steps, classes
        self._history = LayerHistory(strokes)
        self._history.done.connect(lambda step: self._follow(step, False))
        self._history.redone.connect(lambda step: self._follow(step, False))
        self._history.undone.connect(lambda step: self._follow(step, True))

    def let_go(self) -> None:
        """Follow the strokes no longer."""
        self._history.detach()

    def put_all(self) -> None:
        """Put every stroke into the map."""
        paint = np.asarray(self.strokes.data)
        where = np.nonzero(paint)
        self._put(where, paint[where])

    def _put(self, where: tuple[np.ndarray, ...], paint: np.ndarray) -> None:
        table = self._table(paint)
        known = table[paint] >= 0  # a class that is no more is in nobody's table
        if known.any():
            self.steps.paint(tuple(axis[known] for axis in where), table[paint[known]])

    def _table(self, paint: np.ndarray) -> np.ndarray:
        """The class in the map of each number of the strokes; -1 where there is none."""
        classes = self._classes()
        used = {classes[n].name for n in np.unique(paint).tolist() if 0 < n < len(classes)}
        table = np.full(BACKGROUND_PAINT + 1, -1, np.int64)
        for number, there in self.steps.add_classes(classes, used).items():
            table[number or BACKGROUND_PAINT] = there
        return table

    def _follow(self, step: EditStep, back: bool) -> None:
        before = self.steps.result.before
        for delta in step.deltas(back):
            where, old = delta.indices, np.asarray(delta.old)
            new = np.broadcast_to(np.asarray(delta.new), old.shape)
            painted = new != 0
            if painted.any():
                self._put(tuple(axis[painted] for axis in where), new[painted])
            gone = (~painted) & (old != 0)
            if gone.any():
                at = tuple(axis[gone] for axis in where)
                mine = np.asarray(self.steps.result.layer.data)[at] == self._table(old[gone])[old[gone]]
                at = tuple(axis[mine] for axis in at)
                self.steps.paint(at, before[at])


__all__ = ["StrokesInMap"]
