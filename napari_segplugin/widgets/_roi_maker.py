"""Crops and surfaces of the object that is chosen in the table, made in a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_segplugin.core import Task
from napari_segplugin.viewer import panels
from napari_segplugin.viewer.selected import still_selected

if TYPE_CHECKING:
    from napari_segplugin.widgets.measure_panel import MeasurePanel


def is_objects(layer: Labels) -> bool:
    """Whether the numbers of a layer are objects and not classes."""
    return panels.task_of(layer) is not Task.SEMANTIC


class RoiMaker:
    """Makes layers of the chosen row of a panel.

    Parameters
    ----------
    panel : MeasurePanel
    """

    def __init__(self, panel: MeasurePanel) -> None:
        self._panel = panel
        panel.roi.crop_requested.connect(self.crop)
        panel.roi.surface_requested.connect(self.surface)
        panel.roi.head.toggled.connect(lambda on: panel.measure() if on else None)

    def _chosen(self) -> tuple[str, int] | None:
        """Name and number of the chosen row."""
        panel, at = self._panel, self._panel.table.currentIndex().row()
        if panel.view is None or not 0 <= at < len(panel.view.rows):
            return None
        row, table = int(panel.view.rows[at]), panel.view.table
        number = int(table["label"].values[row])
        return (str(table["class"].values[row]) if panel.by_class else str(number)), number

    def crop(self) -> None:
        """Add a piece of the image around the object, and its labels."""
        panel, chosen, image = self._panel, self._chosen(), self._panel.image_choice.currentData()
        if chosen is None or image is None or panel.layer is None:
            return
        frozen, by_class, fold = panels.freeze(panel.layer), panel.by_class, panel.roi
        margin, mask = fold.margin.value(), fold.mask_check.isChecked()
        name, number = chosen

        def work() -> list[Layer]:
            from napari_segplugin import crop
            from napari_segplugin.viewer.layers import layer_to_image
            from napari_segplugin.viewer.roi import layers_of_crop
            from napari_segplugin.viewer.writers import labels_to_segmentation

            found, picture = labels_to_segmentation(*frozen), layer_to_image(image)
            of = {"classes": [name]} if by_class else {"objects": [number]}
            [piece] = crop(picture, found, margin=margin, mask=mask, **of)
            return layers_of_crop(piece, image)

        panel.background.run("crop", work, self._add, panel.fail)

    def surface(self) -> None:
        """Add the surface of the object."""
        panel, chosen, layer = self._panel, self._chosen(), self._panel.layer
        if chosen is None or layer is None:
            return
        frozen, by_class = panels.freeze(layer), panel.by_class
        name, number = chosen

        def work() -> list[Layer]:
            from napari_segplugin.viewer.roi import surface_layer
            from napari_segplugin.viewer.writers import labels_to_segmentation

            numbers = np.array([number])
            if by_class:
                found = labels_to_segmentation(*frozen)
                numbers = found.objects.label[found.objects.class_id == number]
            return [surface_layer(layer, numbers, name)]

        panel.background.run("surface", work, self._add, panel.fail)

    def _add(self, layers: list[Layer]) -> None:
        """Show new layers; what was active stays so, because the table follows it."""
        viewer = self._panel.viewer
        with still_selected(viewer.layers):
            for layer in layers:
                viewer.add_layer(layer)
        shown = next((a for a in layers if isinstance(a, ImageLayer)), layers[0])
        self._panel.messages.show_message(f"Added '{shown.name}'.")


__all__ = ["RoiMaker", "is_objects"]
