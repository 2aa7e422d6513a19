"""A second run on a map of classes: what was painted stays, the rest is new, one step of undo. No Qt, no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassTable, Segmentation
from napari_segplugin.data.renewing import class_map
from napari_segplugin.viewer.colors import class_colormap
from napari_segplugin.viewer.geometry import to_canonical
from napari_segplugin.viewer.history import EditStep, LayerHistory
from napari_segplugin.viewer.layers import features_of
from napari_segplugin.viewer.renewal import Renewed, follow_undo, joined_classes, outside_of, take_up
from napari_segplugin.viewer.results import table_for

if TYPE_CHECKING:
    from napari_segplugin.viewer.results import Result


class ClassSteps:
    """Runs on the undo list of a map of classes, each with what the result was before and after it.

    Parameters
    ----------
    result : Result
        A semantic one, whose layer holds an array in memory.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        self._history = LayerHistory(result.layer)
        self._history.undone.connect(lambda step: self._follow(step, True))
        self._history.redone.connect(lambda step: self._follow(step, False))

    def let_go(self) -> None:
        """Follow the layer no longer."""
        self._history.detach()

    def renew(self, segmentation: Segmentation, labels: np.ndarray) -> Renewed:
        """Put a new result into the layer around what was painted there; Ctrl+Z takes it back.

        Parameters
        ----------
        segmentation : Segmentation
            It becomes the one of the result, with the classes that were painted and that it has not.
        labels : ndarray of int
            Those of the segmentation, in the order of the layer.
        """
        result, layer = self.result, self.result.layer
        was, before, data = result.segmentation, result.before, np.asarray(layer.data)
        painted, outside = data != before, outside_of(result, segmentation)
        fixed = painted
        if outside is not None:
            fixed = painted | outside
        classes, numbers = _classes(segmentation.classes, was.classes, data[fixed])
        made = class_map(data, labels, fixed, numbers)
        # what was painted stays different from what the model said there, so that it is known as painted
        said = class_map(before, labels, fixed, numbers)
        n = int(np.count_nonzero(painted))
        rgb = bool(getattr(result.image_layer, "rgb", False))
        now = replace(
            segmentation,
            classes=classes,
            labels=to_canonical(said, result.axes, rgb),
            recipe={**segmentation.recipe, "kept_voxels": n},
        )
        now = replace(now, objects=table_for(to_canonical(made, result.axes, rgb), now))
        table = layer.features
        where = np.nonzero(made != data)
        if len(where[0]):
            values = made[where].astype(data.dtype)
            self._history.write(tuple(axis.astype(np.int32) for axis in where), values, {"kind": "run"})
        else:
            self._history.mark({"kind": "run"})
        layer.features = features_of(replace(now, labels=to_canonical(made, result.axes, rgb)))
        note = self._history.past[-1].note
        note["segmentation"], note["features"] = (was, now), (table, layer.features)
        take_up(result, now)
        self._color(was)
        return Renewed(painted=n, part=outside is not None)

    def _follow(self, step: EditStep, back: bool) -> None:
        was = self.result.segmentation
        follow_undo(self.result, step, back)
        if "features" in step.note:
            self.result.layer.features = step.note["features"][0 if back else 1]
            self._color(was)

    def _color(self, was: Segmentation) -> None:
        """Show the colors of the classes as they are now."""
        if self.result.segmentation.classes != was.classes:
            self.result.layer.colormap = class_colormap(self.result.segmentation)


def _classes(new: ClassTable, old: ClassTable, stays: np.ndarray) -> tuple[ClassTable, dict[int, int]]:
    """The classes of both, and the numbers that those of the old result get."""
    used = {old[n].name for n in np.flatnonzero(np.bincount(stays, minlength=1)).tolist() if 0 < n < len(old)}
    classes = joined_classes(new, old, used)
    numbers = {c.name: c.id for c in classes}
    return classes, {c.id: numbers.get(c.name, 0) for c in old if numbers.get(c.name, 0) != c.id}


__all__ = ["ClassSteps"]
