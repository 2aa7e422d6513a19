"""What is painted of classes is in the result of the image, whichever of the two came first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassTable, Task
from napari_segplugin.viewer.class_renewal import ClassSteps
from napari_segplugin.viewer.class_strokes import StrokesInMap
from napari_segplugin.viewer.corrections import CLASSES

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.results import Result


class StrokeControl:
    """Strokes of classes for the dock.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._classes: ClassTable | None = None

    def refresh(self) -> None:
        """Bring the strokes of each image and its map of classes together, where there are both."""
        desk, choice = self._desk, self._desk.choice()
        if choice is not None and choice.spec.task is Task.SEMANTIC:
            self._classes = choice.spec.classes
        for layer, work in desk.images:
            strokes, result = desk.living(work.paints.get(CLASSES)), desk.result_of(layer, Task.SEMANTIC)
            if strokes is not None and result is not None and self._classes is not None:
                self._join(strokes, result)

    def _join(self, strokes: Labels, result: Result) -> None:
        painted, about = self._desk.strokes(strokes), self._desk.about(result)
        same = painted.in_map is not None and painted.in_map.steps.result is result
        data = result.layer.data
        if same or not isinstance(data, np.ndarray) or data.shape != strokes.data.shape or not result.layer.editable:
            return
        if painted.in_map is not None:
            painted.in_map.let_go()
        about.classes = about.classes or ClassSteps(result)
        painted.in_map = StrokesInMap(strokes, about.classes, lambda: self._classes or result.segmentation.classes)
        painted.in_map.put_all()


__all__ = ["StrokeControl"]
