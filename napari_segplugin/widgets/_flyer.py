"""The camera flies to an object, step by step, without stopping the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_segplugin.viewer.focus import aim_at, flight
from napari_segplugin.widgets._timers import timer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

STEPS, STEP_MS = 10, 16


class Flyer(QObject):
    """Flies to one object at a time; a new one takes the place of the one before.

    Parameters
    ----------
    viewer : napari.Viewer
    parent : QObject
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._flight: Iterator[None] | None = None
        self._timer = timer(self, STEP_MS, self._step)

    def go(self, layer: Layer, box: np.ndarray, frame: int | None = None) -> None:
        """Fly to the middle of a box of voxels.

        Parameters
        ----------
        layer : napari.layers.Layer
        box : (2, D) ndarray of int
        frame : int, optional
        """
        self._flight = flight(self._viewer, aim_at(self._viewer, layer, box, frame), STEPS)
        self._step()

    def _step(self) -> None:
        if self._flight is None:
            return
        try:
            next(self._flight)
        except (StopIteration, RuntimeError):
            self._flight = None  # there, or the window is gone
        else:
            self._timer.start()
