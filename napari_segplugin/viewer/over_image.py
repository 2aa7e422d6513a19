"""Labels from elsewhere over an image of the same patient: on its voxels, whatever the file of either says first."""

from __future__ import annotations

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.io.regrid import onto, same_grid
from napari_segplugin.viewer.compass import layer_letters
from napari_segplugin.viewer.corrections import label_shape
from napari_segplugin.viewer.geometry import layer_axes, placement, to_layer_order
from napari_segplugin.viewer.layers import layer_to_image, level0
from napari_segplugin.viewer.space import about_layer, check_one_space, place_of_layer, remembered, scene_of


def fits(layer: Labels, image_layer: ImageLayer, axes: str) -> bool:
    """Whether labels can be brought over an image: they have its shape, or both lie in one patient."""
    placed = scene_of(layer) is not None and scene_of(image_layer) is not None
    same = tuple(level0(layer).shape) == label_shape(image_layer, axes)
    return same or (placed and layer.ndim == 3 and "T" not in axes)


def over_image(layer: Labels, image_layer: ImageLayer, axes: str) -> tuple[Labels, str]:
    """The layer itself where it lies over an image voxel for voxel, otherwise a new one that does.

    Files of one patient may run in other directions: the same shape is no promise of the same voxels.

    Parameters
    ----------
    layer : napari.layers.Labels
    image_layer : napari.layers.Image
    axes : str
        Axes of the array of the image layer.

    Returns
    -------
    layer : napari.layers.Labels
    note : str
        What was done; empty where it is the layer itself.

    Raises
    ------
    InputError
        If it lies outside the image.
    """
    own = layer_letters(layer)
    place, image = place_of_layer(layer, own) if own else None, layer_to_image(image_layer, axes)
    if place is None or image.place is None or {place.frame, image.place.frame} != {"patient"}:
        return layer, ""
    shape, array = image.spatial_shape, np.asarray(level0(layer))
    if (
        own == layer_axes(axes)
        and array.shape == label_shape(image_layer, axes)
        and same_grid(place, image.place, shape)
    ):
        return layer, ""
    found, note = onto(array.transpose([own.index(a) for a in "ZYX"]), place, image.place, shape)
    kept = {k: v for k, v in layer.metadata.items() if k != "segplugin"}
    about = {k: v for k, v in about_layer(layer).items() if k not in ("place", "scene", "axes")}
    about |= remembered(image.place, scene_of(image_layer))
    new = Labels(
        to_layer_order(found, axes),
        name=f"{layer.name} on {image_layer.name}",
        features=layer.features,
        metadata={**kept, "segplugin": about},
        **placement(image_layer, axes),
    )
    note = note or f"The file of '{layer.name}' runs in other directions; '{new.name}' has the voxels of the image."
    return new, f"{note} {check_one_space(layer, image_layer)}".strip()


__all__ = ["fits", "over_image"]
