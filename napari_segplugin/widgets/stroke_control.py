"""What is painted of classes is in the result of the image, whichever of the two came first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassTable, InputError, Segmentation, Task
from napari_segplugin.core.types import json_object
from napari_segplugin.viewer.class_renewal import ClassSteps
from napari_segplugin.viewer.class_strokes import StrokesInMap
from napari_segplugin.viewer.corrections import CLASSES, check_classes

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.widgets.engine import Engine


def grew_from_strokes(found: Segmentation, engine: Engine) -> bool:
    """Whether a classical technique made a result from strokes, which were where it began and not what it should find."""
    recipe = json_object(found.recipe.get("classical"))
    name = str(recipe.get("technique", ""))
    return name in engine.techniques().names() and engine.techniques()[name].needs == "strokes"


class StrokeControl:
    """Strokes of classes for the dock.

    Parameters
    ----------
    desk : Desk
    engine : Engine
    """

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self._desk, self._engine = desk, engine
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
        painted, about, data = self._desk.strokes(strokes), self._desk.about(result), result.layer.data
        try:
            check_classes(strokes, self._classes or result.segmentation.classes, painted.counts)
        except InputError:  # they are told of where they are to be learnt from
            if painted.in_map is not None:
                painted.in_map.let_go()
                painted.in_map = None
            return
        if painted.in_map is not None and painted.in_map.steps.result is result:
            return
        fits = isinstance(data, np.ndarray) and data.shape == strokes.data.shape and result.layer.editable
        if not fits or grew_from_strokes(result.segmentation, self._engine):
            return
        if painted.in_map is not None:
            painted.in_map.let_go()
        about.classes = about.classes or ClassSteps(result)
        painted.in_map = StrokesInMap(strokes, about.classes, lambda: self._classes or result.segmentation.classes)
        painted.in_map.put_all()


__all__ = ["StrokeControl", "grew_from_strokes"]
