"""Bring an object into view: where the camera has to go, the slices that show it. No Qt, no torch."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array

if TYPE_CHECKING:
    from napari.components import Camera, ViewerModel
    from napari.layers import Layer

SMALL, LARGE = 30.0, 400.0
"""An object is fine to look at while its longest side is between these, in pixels of the screen."""
_FROM_SMALL, _FROM_LARGE = 80.0, 300.0
"""Its longest side after a zoom: well inside, so that the next object needs none."""
_MOST = 2**26
"""Voxels of a box in which the largest plane of an object is looked for."""
_in_hand: weakref.WeakKeyDictionary[ViewerModel, weakref.ref[ViewerModel]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Aim:
    """Where to look.

    Parameters
    ----------
    center : tuple of float
        Of the camera, in world coordinates.
    zoom : float
        Pixels of the screen to a unit of the world.
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


def canvas_size(viewer: ViewerModel) -> np.ndarray:
    """Height and width of the canvas in pixels of the screen; napari moved them in 0.9."""
    canvas = getattr(viewer, "canvas", None)
    size = getattr(canvas, "size", None) or getattr(viewer, "_canvas_size", None) or (600, 800)
    found: np.ndarray = np.maximum(np.asarray(size, float), 1)
    return found


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


def aim_at(viewer: ViewerModel, layer: Layer, box: np.ndarray, frame: int | None = None, number: int = 0) -> Aim:
    """Where to look to see the middle of a box of voxels, with as little movement as possible.

    The zoom changes only where the object is under 30 or over 400 pixels of the screen, and in 2D the view never goes past the
    edge of what the layers show: along an axis that fits on the canvas their middle stays in its middle.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
    box : (2, D) ndarray of int
        First voxel along the spatial axes, and the one after the last.
    frame : int, optional
        The time point.
    number : int, optional
        The object in the box: the slice in which it is largest is shown. The middle slice where it is left out.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> layer = viewer.add_labels(np.zeros((4, 400, 400), int))
    >>> aim_at(viewer, layer, np.array([[2, 0, 0], [3, 40, 40]])).point
    (2.0, 19.5, 19.5)
    """
    box = np.asarray(box, float)
    lead, offset = layer.ndim - box.shape[1], viewer.dims.ndim - layer.ndim
    shown = [d - offset for d in viewer.dims.displayed if d >= offset]
    hidden = [a for a in range(box.shape[1]) if a + lead not in shown]
    start = [0.0] * lead
    if frame is not None and lead:
        start[0] = float(frame)
    if number and hidden:
        box = _largest_plane(layer, box, hidden, start, number)
    middle = (box[0] + box[1] - 1) / 2
    # a plane through the object, not between two: rounded as the sliders round
    middle[hidden] = np.floor(middle[hidden])
    world = np.asarray(layer.data_to_world([*start, *middle]), float)
    point = np.array(viewer.dims.point, float)
    point[len(point) - len(world) :] = world
    on_screen = list(viewer.dims.displayed)
    whole = viewer.layers.extent
    half = np.asarray(whole.step, float)[on_screen] / 2  # napari's extent ends in the middle of the outer pixels
    low, high = np.asarray(whole.world, float)[:, on_screen]
    low, high = low - half, high + half
    extent = _extent(layer, box, lead)[[d - offset for d in on_screen if d >= offset]]
    zoom = _zoom(viewer, extent, high - low)
    center = np.zeros(3)
    center[3 - len(on_screen) :] = point[on_screen]
    if len(on_screen) == 2:
        center[1:] = _inside(center[1:], low, high, canvas_size(viewer) / zoom)
    return Aim(tuple(center.tolist()), zoom, tuple(point.tolist()))


def _largest_plane(layer: Layer, box: np.ndarray, hidden: list[int], start: Sequence[float], number: int) -> np.ndarray:
    """The box around an object in the plane where most of it is; the box itself where that is not known."""
    sides = tuple(slice(int(a), int(b)) for a, b in box.T)
    whole: Box = (*(slice(int(s), int(s) + 1) for s in start), *sides)
    if layer.multiscale or np.prod([s.stop - s.start for s in sides]) > _MOST:
        return box
    mask = np.asarray(cast("Array", layer.data)[whole]).reshape([s.stop - s.start for s in sides]) == number
    sizes = mask.sum(tuple(a for a in range(mask.ndim) if a not in hidden))
    if not sizes.any():
        return box
    best = np.argwhere(sizes == sizes.max())
    middle = best[np.abs(best - (np.array(sizes.shape) - 1) / 2).sum(1).argmin()]
    found = box.copy()
    for axis, at in zip(hidden, middle, strict=True):
        mask = np.take(mask, [at], axis)
        found[:, axis] = box[0, axis] + at, box[0, axis] + at + 1
    for axis in set(range(mask.ndim)) - set(hidden):
        along = np.flatnonzero(mask.any(tuple(a for a in range(mask.ndim) if a != axis)))
        found[:, axis] = box[0, axis] + along[0], box[0, axis] + along[-1] + 1
    return found


def _extent(layer: Layer, box: np.ndarray, lead: int) -> np.ndarray:
    """Sides of a box in the world, along the axes of a layer."""
    sides = np.concatenate([np.zeros(lead), box[1] - box[0]])
    linear = np.column_stack(
        [np.asarray(layer.data_to_world(row)) - np.asarray(layer.data_to_world(0 * row)) for row in np.eye(layer.ndim)]
    )
    found: np.ndarray = np.abs(linear) @ sides
    return found


def _zoom(viewer: ViewerModel, extent: np.ndarray, whole: np.ndarray) -> float:
    """The zoom at which an object is neither a speck nor a giant; the present one where it is fine."""
    zoom = float(camera_of(viewer).zoom)
    side = float(extent.max(initial=0)) * zoom
    if side <= 0 or SMALL <= side <= LARGE:
        return zoom
    if side < SMALL:
        return zoom * _FROM_SMALL / side
    size = canvas_size(viewer)
    # no further out than to see everything
    fit = float((size / np.maximum(whole[-2:], 1e-9)).min()) if len(whole) == 2 else float(size.min() / whole.max())
    return max(zoom * _FROM_LARGE / side, min(zoom, fit))


def _inside(center: np.ndarray, low: np.ndarray, high: np.ndarray, view: np.ndarray) -> np.ndarray:
    """The middle of a view that does not go past an edge; that of everything along an axis where everything fits."""
    fits = high - low <= view
    at_edge = np.clip(center, low + view / 2, np.maximum(high - view / 2, low + view / 2))
    found: np.ndarray = np.where(fits, (low + high) / 2, at_edge)
    return found


def flight(
    viewer: ViewerModel, aim: Aim, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Iterator[None]:
    """Move the camera to an aim, slowly at both ends; the sliders go first. Each step is one picture.

    It ends in time on a slow machine too, with fewer pictures.

    Parameters
    ----------
    viewer : napari.Viewer
    aim : Aim
    seconds : float
        How long; 0 jumps.
    clock : callable, optional
        Gives the time in seconds.
    """
    move_sliders(viewer, aim.point)
    camera = camera_of(viewer)
    begin, end = np.array(camera.center, float), np.array(aim.center)
    zoom = float(camera.zoom)
    if np.allclose(begin[-2:], end[-2:]) and np.isclose(zoom, aim.zoom) and len(viewer.dims.displayed) == 2:
        return
    started, part = clock(), 0.0
    while part < 1:
        part = min(1.0, (clock() - started) / seconds) if seconds > 0 else 1.0
        eased = part * part * (3 - 2 * part)
        camera.center = tuple((begin + (end - begin) * eased).tolist())
        camera.zoom = zoom * (aim.zoom / zoom) ** eased
        yield


def move_sliders(viewer: ViewerModel, point: Sequence[float]) -> None:
    """Put the sliders to a world point: those of other canvases, and of axes that are rolled in later, along with the rest."""
    if viewer.dims.ndim > viewer.dims.ndisplay:
        viewer.dims.set_point(range(viewer.dims.ndim), [point[d] for d in range(viewer.dims.ndim)])


__all__ = ["Aim", "aim_at", "camera_of", "canvas_size", "flight", "in_hand", "move_sliders", "take_in_hand"]
