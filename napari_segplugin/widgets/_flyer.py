"""The camera goes to an object, step by step, without stopping the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_segplugin.viewer.focus import aim_at, flight
from napari_segplugin.widgets._motion import reduced_motion
from napari_segplugin.widgets._timers import timer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

SECONDS, STEP_MS = 0.2, 16


class Flyer(QObject):
    """Goes to one object at a time; a new one takes the place of the one before.

    Where the system asks for reduced motion it is there at once.

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

    def go(self, layer: Layer, box: np.ndarray, frame: int | None = None, number: int = 0) -> None:
        """Go to the middle of a box of voxels.

        Parameters
        ----------
        layer : napari.layers.Layer
        box : (2, D) ndarray of int
        frame : int, optional
        number : int, optional
            The object in the box; of a volume the slice in which it is largest is shown.
        """
        seconds = 0.0 if reduced_motion() else SECONDS
        self._flight = flight(self._viewer, aim_at(self._viewer, layer, box, frame, number), seconds)
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
