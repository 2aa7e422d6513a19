"""Bring an object into view: where the camera has to go, the slices that show it. No Qt, no torch."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import Camera, ViewerModel
    from napari.layers import Layer

SMALL, LARGE = 1 / 25, 0.9
"""An object is fine to look at while its longest side is between these shares of what is on the screen."""
_COMFORTABLE = 1 / 6
_in_hand: weakref.WeakKeyDictionary[ViewerModel, weakref.ref[ViewerModel]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Aim:
    """Where to look.

    Parameters
    ----------
    center : tuple of float
        Of the camera, in world coordinates.
    zoom : float
    point : tuple of float
        World coordinates along all dimensions, for the sliders.
    """

    center: tuple[float, ...]
    zoom: float
    point: tuple[float, ...]


def camera_of(viewer: ViewerModel) -> Camera:
    """The camera; napari moved it in 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def in_hand(viewer: ViewerModel) -> ViewerModel:
    """Of the canvases that show the layers of a viewer, the one on which the mouse was pressed last; mostly the only one."""
    known = _in_hand.get(viewer)
    return (None if known is None else known()) or viewer


def take_in_hand(viewer: ViewerModel, canvas: ViewerModel) -> None:
    """Remember the canvas that is worked on.

    Parameters
    ----------
    viewer : napari.Viewer
    canvas : napari.components.ViewerModel
        What stands behind the canvas: the viewer itself for its own.
    """
    _in_hand[viewer] = weakref.ref(canvas)


def aim_at(viewer: ViewerModel, layer: Layer, box: np.ndarray, frame: int | None = None) -> Aim:
    """Where to look to see the middle of a box of voxels.

    The zoom changes only where the object would be a speck or would not fit.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
    box : (2, D) ndarray of int
        First voxel along the spatial axes, and the one after the last.
    frame : int, optional
        The time point.
    """
    box = np.asarray(box, float)
    middle, extent = (box[0] + box[1] - 1) / 2, box[1] - box[0]
    lead = layer.ndim - len(middle)
    start = [0.0] * lead
    if frame is not None and lead:
        start[0] = float(frame)
    # a plane through the object, not between two: rounded as the sliders round
    inside = [*start, *(np.floor(m) for m in middle[:-2]), *middle[-2:]]
    world = np.asarray(layer.data_to_world(inside), float)
    point = np.array(viewer.dims.point, float)
    point[len(point) - len(world) :] = world
    shown = list(viewer.dims.displayed)
    center = np.zeros(3)
    center[3 - len(shown) :] = point[shown]
    return Aim(tuple(center.tolist()), _zoom(viewer, layer, extent), tuple(point.tolist()))


def _zoom(viewer: ViewerModel, layer: Layer, extent: np.ndarray) -> float:
    """The zoom at which an object is neither a speck nor larger than the screen."""
    zoom = float(camera_of(viewer).zoom)
    corners = np.asarray(layer.corner_pixels, float)
    seen = (corners[1] - corners[0])[-2:]
    if not (seen > 0).all():
        return zoom  # nothing was drawn yet
    share = float((extent[-2:] / seen).max())
    return zoom if SMALL <= share <= LARGE else zoom * _COMFORTABLE / share


def flight(viewer: ViewerModel, aim: Aim, steps: int) -> Iterator[None]:
    """Move the camera to an aim in some steps, slowly at both ends; the sliders go first.

    Parameters
    ----------
    viewer : napari.Viewer
    aim : Aim
    steps : int
    """
    move_sliders(viewer, aim.point)
    camera = camera_of(viewer)
    begin, end = np.array(camera.center, float), np.array(aim.center)
    zoom = float(camera.zoom)
    for i in range(1, steps + 1):
        part = i / steps
        eased = part * part * (3 - 2 * part)
        camera.center = tuple((begin + (end - begin) * eased).tolist())
        camera.zoom = zoom * (aim.zoom / zoom) ** eased
        yield


def move_sliders(viewer: ViewerModel, point: Sequence[float]) -> None:
    """Put the sliders to a world point: those of other canvases, and of axes that are rolled in later, along with the rest."""
    if viewer.dims.ndim > viewer.dims.ndisplay:
        viewer.dims.set_point(range(viewer.dims.ndim), [point[d] for d in range(viewer.dims.ndim)])


__all__ = ["Aim", "aim_at", "camera_of", "flight", "in_hand", "move_sliders", "take_in_hand"]
