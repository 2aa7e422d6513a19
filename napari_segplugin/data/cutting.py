"""Splitting an object: along a drawn line, or between points that lie in its parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box, InputError
from napari_segplugin.core.types import Array
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.edits import Change, Crop, crop

SLIVER = 0.005
"""A piece that is smaller than this share of what was cut is no part of its own; it goes with its neighbour."""
COARSE = 30_000
"""Voxels of an object above which the valley is first looked for on a coarser grid."""


class Intensities(Protocol):
    """An image that is indexed like the labels that lie over it."""

    def __getitem__(self, box: Box, /) -> np.ndarray:
        """The intensities in a box."""


def split_cut(
    labels: Array,
    number: int,
    line: np.ndarray,
    axes: tuple[int, int],
    *,
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Cut an object along a line. In a volume the line stands for the surface that lies behind it.

    The largest piece keeps the number; every other piece that the cut parts off gets a number of its own.

    Parameters
    ----------
    labels : array of int
    number : int
    line : (P, 2) ndarray
        Points of the line in voxels, along `axes`.
    axes : (int, int)
        The two axes that are drawn on.
    boxes, where : optional
        See :func:`napari_segplugin.data.edits.crop`.

    Raises
    ------
    InputError
        If the object is not there, or the line does not go through it.

    Examples
    --------
    >>> labels = np.ones((3, 7), int)
    >>> split_cut(labels, 1, np.array([[-1, 2], [3, 2]]), (0, 1)).apply(labels)[0]
    array([2, 2, 2, 1, 1, 1, 1])
    """
    boxes = boxes or ObjectBoxes(labels)
    found = crop(labels, number, boxes=boxes, where=where)
    wall = found.mask & _wall(np.asarray(line, float), axes, found)
    pieces = np.zeros(found.mask.shape, np.int32)
    ndi.label(found.mask & ~wall, np.ones((3,) * wall.ndim), output=pieces)
    at = np.nonzero(wall)
    beside = np.unique(np.concatenate([pieces[n] for n in _neighbours(at, wall.shape)])) if len(at[0]) else at[0]
    beside = beside[beside > 0]
    sizes = np.bincount(pieces.ravel())
    least = max(2, SLIVER * sizes[beside].sum())
    parts = beside[sizes[beside] >= least]
    if len(parts) < 2:
        raise InputError(
            f"The line does not cut object {number} in two.",
            hint="Draw the line all the way across the object",
        )
    loose = wall | np.isin(pieces, beside[sizes[beside] < least])
    pieces[loose] = 0
    _spread(pieces, loose, int(parts[np.argmax(sizes[parts])]))
    return _numbered(found, pieces, parts, number, boxes)


def split_seeds(
    labels: Array,
    number: int,
    seeds: np.ndarray,
    *,
    image: Intensities | None = None,
    spacing: Sequence[float] = (),
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Split an object between points: each voxel goes to the point that it belongs to by a watershed.

    The watershed (Meyer 1994) follows the outline: the parts meet where the object is narrow. With an image it follows
    the intensities: the parts meet where the image is darker (or brighter) than at both points.

    Parameters
    ----------
    labels : array of int
    number : int
    seeds : (S, D) ndarray of int
        Voxels, at least two, all in the object.
    image : array, optional
        Intensities, of the shape of `labels`; only the box of the object is read.
    spacing : sequence of float, optional
        Voxel size along each axis; 1 by default.
    boxes, where : optional
        See :func:`napari_segplugin.data.edits.crop`.

    Raises
    ------
    InputError
        If the object is not there, or a point is not in it.
    """
    boxes = boxes or ObjectBoxes(labels)
    found = crop(labels, number, boxes=boxes, where=where, pad=1)
    points = _inside(np.asarray(seeds, int), found, number)
    kept = [i for i, n in enumerate(found.mask.shape) if n > 1]
    thin = found.mask.reshape([found.mask.shape[i] for i in kept] or [1])
    sizes = np.array(spacing or (1.0,) * found.mask.ndim, float)[kept]
    grey = None if image is None else np.asarray(image[found.box], np.float32).reshape(thin.shape)
    pieces = _flood(thin, points[:, kept], sizes, grey).reshape(found.mask.shape)
    counts = np.bincount(pieces.ravel(), minlength=len(points) + 1)
    # what no point reaches (an object of several pieces) stays what it is
    pieces[found.mask & (pieces == 0)] = 1 + int(np.argmax(counts[1:]))
    return _numbered(found, pieces, np.arange(1, len(points) + 1), number, boxes)


def _inside(seeds: np.ndarray, found: Crop, number: int) -> np.ndarray:
    """The points in the coordinates of the crop."""
    points: np.ndarray = np.unique(seeds, axis=0) - np.array([s.start for s in found.box])
    if len(points) < 2:
        raise InputError("Splitting needs two points.", hint="Click on each part that should become an object")
    inside = ((points >= 0) & (points < found.mask.shape)).all(1)
    if not inside.all() or not found.mask[tuple(points.T)].all():
        raise InputError(f"A point is not inside object {number}.", hint="Click on each part of the same object")
    return points


def _numbered(found: Crop, pieces: np.ndarray, parts: np.ndarray, number: int, boxes: ObjectBoxes) -> Change:
    """The largest part keeps the number of the object, the others get new ones, larger parts first."""
    counts = np.bincount(pieces.ravel(), minlength=int(parts.max()) + 1)
    order = parts[np.argsort(-counts[parts], kind="stable")]
    fresh = boxes.next_number()
    kind = found.labels.dtype
    if kind.kind in "iu" and fresh + len(order) - 2 > np.iinfo(kind).max:
        raise InputError(
            "There is no free object number left in this layer.",
            got=f"{kind} holds numbers only up to {np.iinfo(kind).max}",
            hint="Convert the layer to int32 (right-click on it, Convert data type)",
        )
    table = np.zeros(len(counts), kind)
    table[order[1:]] = np.arange(fresh, fresh + len(order) - 1)
    values = table[pieces]
    return found.change(values > 0, values)


# --- the cut --------------------------------------------------------------------------------------------------------


def _wall(line: np.ndarray, axes: tuple[int, int], found: Crop) -> np.ndarray:
    """The line as voxels of the crop, without gaps that a diagonal step could slip through; broadcast over other axes."""
    if line.ndim != 2 or line.shape[0] < 2 or line.shape[1] != 2:
        raise InputError(
            "A cut needs a line.", got=f"points of shape {line.shape}", accepted="(points, 2), two or more"
        )
    start = np.array([found.box[a].start for a in axes])
    plane = np.zeros([found.mask.shape[a] for a in axes], bool)
    for first, last in pairwise(line - start):
        steps = max(2, int(np.ceil(np.abs(last - first).max() * 4)) + 1)
        path = np.round(first + np.linspace(0, 1, steps)[:, None] * (last - first)).astype(int)
        corner = np.stack([path[:-1, 0], path[1:, 1]], 1)
        dots = np.concatenate([path, corner])
        dots = dots[((dots >= 0) & (dots < plane.shape)).all(1)]
        plane[tuple(dots.T)] = True
    plane = plane if axes[0] < axes[1] else plane.T
    shape = [n if a in axes else 1 for a, n in enumerate(found.mask.shape)]
    wall: np.ndarray = np.broadcast_to(plane.reshape(shape), found.mask.shape)
    return wall


def _neighbours(at: tuple[np.ndarray, ...], shape: Sequence[int]) -> list[tuple[np.ndarray, ...]]:
    """The voxels on each side of voxels; at the border a voxel is its own neighbour."""
    out = []
    for axis in range(len(shape)):
        for step in (-1, 1):
            moved = np.clip(at[axis] + step, 0, shape[axis] - 1)
            out.append((*at[:axis], moved, *at[axis + 1 :]))
    return out


def _spread(pieces: np.ndarray, loose: np.ndarray, otherwise: int) -> None:
    """Give each loose voxel the piece beside it, from the outside in."""
    at = np.nonzero(loose)
    while len(at[0]):
        near = np.zeros(len(at[0]), pieces.dtype)
        for side in _neighbours(at, pieces.shape):
            near = np.where(near > 0, near, pieces[side])
        done = near > 0
        if not done.any():
            pieces[at] = otherwise
            return
        pieces[tuple(i[done] for i in at)] = near[done]
        at = tuple(i[~done] for i in at)


# --- the watershed --------------------------------------------------------------------------------------------------


def _flood(mask: np.ndarray, points: np.ndarray, spacing: np.ndarray, image: np.ndarray | None) -> np.ndarray:
    """Watershed between points; a large object is flooded on a coarse grid and only its borders are looked at again."""
    from skimage.segmentation import watershed

    # each axis is made coarser until the object is small, but never so much that it becomes thin
    factor = np.ones(mask.ndim, int)
    while mask.sum() / factor.prod() > COARSE and (max(np.array(mask.shape) / factor) > 8):
        factor[np.argmax(np.array(mask.shape) * spacing / spacing.min() / factor)] *= 2
    if factor.max() == 1:
        land, markers = _ready(_landscape(mask, spacing, image, points), points)
        return np.asarray(watershed(land, markers, mask=mask))
    small = mask[
        tuple(slice(f // 2, None, f) if n >= f else slice(0, 1) for f, n in zip(factor, mask.shape, strict=True))
    ]
    small = np.pad(small, [(0, -(-n // f) - m) for n, f, m in zip(mask.shape, factor, small.shape, strict=True)])
    dots = points // factor
    small[tuple(dots.T)] = True
    grey = None if image is None else _shrunk(image, factor)
    land, markers = _ready(_landscape(small, spacing * factor, grey, dots), dots)
    rough = np.asarray(watershed(land, markers, mask=small), np.int32)
    # voxels of the object that the coarse grid left out belong to the part beside them
    rough = np.where(rough > 0, rough, ndi.maximum_filter(rough, 3))
    wide = _enlarged(rough, factor, mask.shape)
    wide[~mask] = 0
    border = _border(rough)
    ring = ndi.binary_dilation(border, np.ones((3,) * border.ndim)) & ~border
    missed = mask & (wide == 0)
    band = (mask & _enlarged(border, factor, mask.shape)) | missed
    wide[band] = 0
    rim = _enlarged(ring, factor, mask.shape) & (wide > 0)
    if missed.any():
        rim |= ndi.binary_dilation(missed) & (wide > 0)
    if not band.any():
        return wide
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(band | rim))
    fine = (
        _landscape(mask[box], spacing, None, points) if image is None else _landscape(mask, spacing, image, points)[box]
    )
    return _refined(wide, band, rim, box, fine)


def _refined(wide: np.ndarray, band: np.ndarray, rim: np.ndarray, box: Box, land: np.ndarray) -> np.ndarray:
    """Flood the band between parts that are known from the rim beside it, inside their box."""
    from skimage.segmentation import watershed

    inside, free = wide[box], band[box]
    flooded = watershed(land, np.where(rim[box], inside, 0), mask=rim[box] | free)
    inside[free] = flooded[free]
    return wide


def _ready(land: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The landscape and the markers that are flooded: from each point down to the bottom of its valley.

    A click beside the middle of a part would otherwise be overtaken by the flood from the other part. Where two points
    lie in one valley there is no ridge to find: flat land parts them halfway.
    """
    paths = [_downhill(land, p) for p in points]
    if len({path[-1] for path in paths}) < len(paths):
        land, paths = np.zeros_like(land), [[tuple(p.tolist())] for p in points]
    markers = np.zeros(land.shape, np.int32)
    for number, path in enumerate(paths, 1):
        markers[tuple(np.array(path).T)] = number
    return land, markers


def _downhill(land: np.ndarray, point: np.ndarray) -> list[tuple[int, ...]]:
    """The way of steepest descent from a point to a voxel with nothing lower beside it."""
    path = [tuple(int(p) for p in point)]
    while len(path) < sum(land.shape):
        here = path[-1]
        near = tuple(slice(max(0, p - 1), p + 2) for p in here)
        part = land[near]
        if part.min() >= land[here]:
            break
        low = np.unravel_index(int(np.argmin(part)), part.shape)
        path.append(tuple(s.start + int(i) for s, i in zip(near, low, strict=True)))
    return path


def _landscape(mask: np.ndarray, spacing: np.ndarray, image: np.ndarray | None, points: np.ndarray) -> np.ndarray:
    """What is flooded: valleys at the points, ridges between the parts."""
    if image is None:
        # there is a voxel around the object but for the border of the image, which is no outline
        if mask.all():
            return np.zeros(mask.shape, np.float32)
        return np.asarray(-ndi.distance_transform_edt(mask, sampling=spacing), np.float32)
    grey: np.ndarray = ndi.gaussian_filter(np.nan_to_num(image), 1.0)
    ends = grey[tuple(points.T)]
    between = []
    for first, last in pairwise(points):
        path = np.round(first + np.linspace(0.2, 0.8, 31)[:, None] * (last - first)).astype(int)
        between.append(grey[tuple(path.T)])
    path = np.concatenate(between)
    dark = ends.mean() - path.min() >= path.max() - ends.mean()
    return -grey if dark else grey


def _shrunk(array: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Means of blocks; the last block of an axis may be cut off by the border."""
    for axis, f in enumerate(factor):
        if f > 1:
            at = np.arange(0, array.shape[axis], f)
            counts = np.diff(np.append(at, array.shape[axis])).astype(np.float32)
            shape = [-1 if a == axis else 1 for a in range(array.ndim)]
            array = np.add.reduceat(array, at, axis=axis) / counts.reshape(shape)
    return array


def _enlarged(array: np.ndarray, factor: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    for axis, f in enumerate(factor):
        if f > 1:
            array = np.repeat(array, f, axis=axis)
    return np.ascontiguousarray(array[tuple(slice(0, n) for n in shape)])


def _border(parts: np.ndarray) -> np.ndarray:
    """Voxels with another part beside them."""
    high = ndi.maximum_filter(parts, 3)
    low = ndi.minimum_filter(np.where(parts == 0, np.iinfo(parts.dtype).max, parts), 3)
    border: np.ndarray = (parts > 0) & (high != low)
    return border


__all__ = ["split_cut", "split_seeds"]
