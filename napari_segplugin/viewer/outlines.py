"""Regions that were drawn as shapes over an image layer. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from napari_segplugin.core import InputError
from napari_segplugin.data.drawn import Outline
from napari_segplugin.viewer.geometry import layer_axes, placement

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

ROLE = "regions"
_CORNERS = 64
"""Corners of an ellipse."""


def regions_layer(like: ImageLayer, axes: str) -> Shapes:
    """An empty layer to draw regions on, in the place of an image layer.

    Parameters
    ----------
    like : napari.layers.Image
    axes : str
        Axes of its array.
    """
    return Shapes(
        ndim=len(layer_axes(axes, bool(getattr(like, "rgb", False)))),
        name=f"{like.name} · regions",
        face_color="transparent",
        edge_color="#f0e442",
        edge_width=max(1, min(like.data.shape[-2:] if not getattr(like, "rgb", False) else like.data.shape[:2]) // 200),
        metadata={"segplugin": {"role": ROLE}},
        **placement(like, axes),
    )


def is_regions(layer: Shapes) -> bool:
    """Whether a layer was made by :func:`regions_layer`."""
    about = layer.metadata.get("segplugin")
    return isinstance(about, dict) and about.get("role") == ROLE


def outlines_of(shapes: Shapes, like: ImageLayer, axes: str) -> tuple[Outline, ...]:
    """The regions on a shapes layer, for :func:`napari_segplugin.in_regions`.

    Parameters
    ----------
    shapes : napari.layers.Shapes
        Lies over the image layer, in voxels of its own or in those of the image. A shape is drawn on planes Y, X; the time at
        which it was drawn does not matter.
    like : napari.layers.Image
    axes : str
        Axes of the array of `like`.

    Returns
    -------
    tuple of Outline
        In a volume on the planes that they were drawn on.

    Raises
    ------
    InputError
        If nothing is drawn, a shape is a line or a path, or it was drawn in another view of a volume.
    """
    order = layer_axes(axes, bool(getattr(like, "rgb", False)))
    if not len(shapes.data):
        raise InputError("No region is drawn.", hint="Draw one or more regions, then run.")
    found = []
    for corners, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind in ("line", "path"):
            raise InputError(
                "A drawn region encloses nothing.",
                got=f"a {kind}",
                accepted="rectangles, ellipses and polygons",
                hint="Delete it and draw a polygon.",
            )
        points = _in_voxels(np.asarray(corners, float), shapes, like)
        places = {a: points[:, i - len(order)] for i, a in enumerate(order) if i - len(order) >= -points.shape[1]}
        found.append(_outline(_ellipse(points) if kind == "ellipse" else points, places, order, "Z" in axes))
    return tuple(found)


def _in_voxels(points: np.ndarray, shapes: Shapes, like: ImageLayer) -> np.ndarray:
    """Corners of a shape in voxels of an image layer, along the axes that the shape has."""
    there = np.array([like.world_to_data(shapes.data_to_world(p)) for p in points], float)
    return there[:, -points.shape[1] :]


def _outline(points: np.ndarray, places: dict[str, np.ndarray], order: str, volume: bool) -> Outline:
    """One shape, along Y and X, and the planes that its corners lie on."""
    at = [order.index(a) - len(order) for a in "YX"]
    plane = places.get("Z")
    if plane is not None and np.ptp(plane) > 0.5 and not np.ptp(points[:, at], axis=0).all():
        raise InputError(
            "A region was drawn in another view of the volume.",
            got="a shape that goes through the planes",
            accepted="shapes on planes along Y and X",
            hint="Show these planes, and draw it there.",
        )
    ends = None
    if volume and plane is not None:
        ends = max(0, int(np.floor(plane.min() + 0.5))), max(0, int(np.floor(plane.max() + 0.5))) + 1
    return Outline(points[:, at], ends)


def _ellipse(corners: np.ndarray) -> np.ndarray:
    """Corners along an ellipse from those of the box around it, which may be turned."""
    middle, along, across = corners.mean(0), (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    turned: np.ndarray = middle + np.cos(angle) * along + np.sin(angle) * across
    return turned


__all__ = ["is_regions", "outlines_of", "regions_layer"]
