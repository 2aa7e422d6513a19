"""Labels from elsewhere, taken in as a result, so that they can be corrected and learnt from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeGuard

from napari.layers import Labels

from napari_segplugin.core import ClassTable, Task
from napari_segplugin.viewer.layers import level0
from napari_segplugin.viewer.over_image import fits, over_image
from napari_segplugin.viewer.results import adopt, classes_of_layer
from napari_segplugin.viewer.technical import is_technical

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segplugin.viewer.desk import Desk


def is_view(layer: Layer, of: Labels) -> TypeGuard[Labels]:
    """Whether a layer shows the array of a result, and is another."""
    return isinstance(layer, Labels) and layer is not of and level0(layer) is of.data


class AdoptControl:
    """Takes in the selected layer.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def candidate(self) -> Labels | None:
        """The selected layer, or another one in sight, if it holds labels from elsewhere that could be corrected."""
        layers = self._desk.viewer.layers
        seen = [layers.selection.active, *(a for a in reversed(layers) if a.visible)]
        return next((a for a in seen if a is not None and self._usable(a)), None)

    def _usable(self, layer: Layer) -> TypeGuard[Labels]:
        desk = self._desk
        if not isinstance(layer, Labels) or layer.multiscale or not desk.ready or desk.layer is None:
            return False
        if is_technical(layer) or any(r.layer is layer for r in desk.results):
            return False
        own = layer.metadata.get("segplugin", {})
        views = any(is_view(layer, t.layer) for t in desk.targets)
        right = fits(layer, desk.layer, desk.axes)
        return right and not views and not (isinstance(own, dict) and own.get("role"))

    def start(self) -> None:
        """Take the layer in; where the class of its objects is not known, ask."""
        desk, layer = self._desk, self.candidate()
        if layer is None:
            return
        saved = classes_of_layer(layer)
        if saved is not None:
            self._adopt_as(layer, saved)
            return
        choice = desk.choice()
        classes = ClassTable.named(["object"])
        if choice is not None and choice.spec.task is Task.INSTANCE:
            classes = choice.spec.classes
        things = [c for c in classes if c.id in classes.thing_ids]
        if len(things) == 1 or "class" in layer.features.columns:
            self._adopt_as(layer, classes)
            return
        ask = [(c.name, f"adopt_{c.id}", partial(self._adopt_as, layer, classes, c.id)) for c in things]
        desk.say(f"The class of the objects in “{layer.name}” is not known. Which class are most of them?", answers=ask)

    def _adopt_as(self, layer: Labels, classes: ClassTable, class_id: int = 0) -> None:
        desk, chosen = self._desk, self._desk.chosen()
        over, note = over_image(layer, chosen.layer, chosen.axes)
        if over is not layer:
            layer.visible = False
            desk.viewer.add_layer(over)
            desk.say(note)
        desk.add(adopt(over, chosen.layer, chosen.axes, classes, class_id))
        desk.refresh()


__all__ = ["AdoptControl", "is_view"]
