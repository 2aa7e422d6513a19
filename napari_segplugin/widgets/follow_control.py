"""The dock works on the layer that is selected in napari's layer list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.viewer.technical import is_technical
from napari_segplugin.widgets._timers import Later, timer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.edit_control import EditControl
    from napari_segplugin.widgets.step_image import ImageStep


class FollowControl:
    """Chooses image and result after the selected layer, and the other way round when an image is chosen in the dock.

    One layer has to be selected: an image, a result, or the strokes on an image. Everything else (several layers, shapes,
    points, what a tool needs) leaves the dock as it is.

    Parameters
    ----------
    desk : Desk
    image_step : ImageStep
    edits : EditControl
        Its tool is put down where another result is worked on.

    Attributes
    ----------
    soon : callable
        To be called at each change of the selection, which may be in the middle of others.
    """

    def __init__(self, desk: Desk, image_step: ImageStep, edits: EditControl) -> None:
        self._desk, self._image_step, self._edits = desk, image_step, edits
        self.soon = Later(timer(image_step, 0, self.follow))
        image_step.choice.activated.connect(lambda _: self._lead())
        desk.results_changed.connect(self._on_results)

    def follow(self) -> None:
        """Work on what is selected."""
        desk = self._desk
        layer = desk.viewer.layers.selection.active
        if layer is None or is_technical(layer):
            return
        result = desk.result_in(layer)
        image = result.image_layer if result is not None else self._image_of(layer)
        if image is None or not desk.there(image):
            if isinstance(layer, Labels):
                desk.refresh_soon()  # labels from elsewhere: the dock offers to correct those that are selected
            return
        before = desk.result
        if result is not None:
            desk.work_with(result)
        if image is not desk.layer:
            self._image_step.refresh()
            self._image_step.choose(image)
        if desk.result is not before:
            self._edits.put_down()
            desk.refresh()

    def _image_of(self, layer: Layer) -> ImageLayer | None:
        """The image that a layer is, or is painted on."""
        if isinstance(layer, ImageLayer):
            return layer
        return next((image for image, work in self._desk.images if layer in work.paints.values()), None)

    def _on_results(self) -> None:
        """A run renewed another result of the image than the selected one: that is worked on now, and selected."""
        desk = self._desk
        active, now = desk.viewer.layers.selection.active, desk.result
        other = None if active is None else desk.result_in(active)
        if other is not None and now is not None and other is not now and other.image_layer is now.image_layer:
            self._lead()

    def _lead(self) -> None:
        """Select what was chosen in the dock."""
        layer = self._desk.layer if self._desk.result is None else self._desk.result.layer
        if layer is not None:
            self._desk.viewer.layers.selection.active = layer


__all__ = ["FollowControl"]
