"""What is on the screen, as a region of the image. No Qt, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Region
from napari_segplugin.viewer.geometry import visible_region
from napari_segplugin.viewer.layers import level0

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Layer

WHOLE, PLANE, VIEW, REGIONS, FILE, FOLDER = "whole", "plane", "view", "regions", "file", "folder"
"""Where to run: everything, the plane or the part on the screen, what is drawn, everything straight into a file, a folder."""


def point_in_layer(viewer: ViewerModel, layer: Layer) -> np.ndarray:
    """The position of the viewer's sliders as the index of a voxel of the layer."""
    point = np.asarray(layer.world_to_data(viewer.dims.point), float)[-layer.ndim :]
    top = np.asarray(level0(layer).shape[: layer.ndim]) - 1
    return np.clip(np.round(point), 0, top).astype(int)


def current_frame(viewer: ViewerModel, layer: Layer, axes: str) -> int | None:
    """The time point on the screen; None for an image without T."""
    return int(point_in_layer(viewer, layer)[axes.index("T")]) if "T" in axes else None


def region_of(viewer: ViewerModel, layer: ImageLayer, axes: str, scope: str) -> Region | None:
    """The region to segment along Z, Y, X as far as the image has them; None means everything.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
    axes : str
        Axes of the layer's array.
    scope : str
        "whole", "file", "plane" or "view"; of drawn regions and folders the whole image.
    """
    return None if scope in (WHOLE, REGIONS, FILE, FOLDER) else seen(viewer, layer, axes, plane=scope == PLANE)


def seen(viewer: ViewerModel, layer: ImageLayer, axes: str, *, plane: bool = False) -> Region:
    """The region on the screen, or the whole of the plane there; see :func:`region_of`."""
    shape = level0(layer).shape
    point = point_in_layer(viewer, layer)
    full = np.stack([np.zeros(layer.ndim), np.asarray(shape[: layer.ndim]) - 1])
    corners = full.copy()
    if not plane:
        seen = np.asarray(layer.corner_pixels, float)
        if layer.multiscale:
            # napari gives the corners in voxels of the level that is drawn.
            seen = seen * np.asarray(layer.downsample_factors)[layer.data_level]
        # Before the first drawing the corners are all zero.
        corners = np.where(seen[1] > seen[0], seen, full)
    offset = viewer.dims.ndim - layer.ndim
    shown = {d - offset for d in viewer.dims.displayed}
    if len(shown) == 3 and "Z" in axes:
        shown = {axes.index("Y"), axes.index("X")}
    for i in range(layer.ndim):
        if i not in shown:
            corners[:, i] = point[i]
    return visible_region(layer, axes, corners)


__all__ = [
    "FILE",
    "FOLDER",
    "PLANE",
    "REGIONS",
    "VIEW",
    "WHOLE",
    "current_frame",
    "point_in_layer",
    "region_of",
    "seen",
]
