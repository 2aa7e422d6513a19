"""Drawn regions as where to look: the layer that they are drawn on, and its outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Shapes

from napari_segplugin.core import InputError
from napari_segplugin.viewer.outlines import is_regions, outlines_of, regions_layer

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.data.drawn import Outline
    from napari_segplugin.viewer.desk import Desk


class RegionsControl:
    """The drawn regions of the chosen image, for the dock.

    Parameters
    ----------
    desk : Desk
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def layer(self) -> Shapes | None:
        """The layer whose shapes are the regions: one that somebody has selected, otherwise the one that was made for it."""
        work, viewer = self._desk.work, self._desk.viewer
        if work is None:
            return None
        active = viewer.layers.selection.active
        if isinstance(active, Shapes) and (is_regions(active) or not active.metadata.get("segplugin")):
            work.regions = active
        return self._desk.living(work.regions)

    def begin(self) -> None:
        """Take the polygon tool in hand, on a layer for regions, which is made where there is none."""
        desk, layer = self._desk, self._desk.layer
        if layer is None or desk.work is None:
            return
        drawn = self.layer()
        if drawn is None:
            drawn = desk.work.regions = regions_layer(layer, desk.axes)
            desk.viewer.add_layer(drawn)
        desk.viewer.dims.ndisplay = 2
        desk.viewer.layers.selection.active = drawn
        drawn.mode = "add_polygon"
        if not len(drawn.data):
            desk.say("Draw one or more regions, then press Run.")

    def outlines(self, layer: ImageLayer, axes: str) -> tuple[Outline, ...]:
        """What is drawn.

        Raises
        ------
        InputError
            As :func:`~napari_segplugin.viewer.outlines.outlines_of`.
        """
        drawn = self.layer()
        if drawn is None:
            raise InputError("No region is drawn.", hint="Choose Drawn regions again, and draw one.")
        if drawn.mode.startswith("add"):
            drawn.mode = "pan_zoom"  # what is half drawn is finished
        return outlines_of(drawn, layer, axes)


__all__ = ["RegionsControl"]
