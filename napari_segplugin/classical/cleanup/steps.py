"""Clean-up steps: labels in, labels out; of masks, classes and objects alike, in 2D and 3D.

Lengths count voxels along X and are as long in space along the other axes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.shared.smoothing import TRUNCATE, gaussian

LARGE = 600
"""Voxels of a ball from which distances are faster than looking at each of them."""


def pieces(labels: np.ndarray, objects: bool, diagonal: bool = False) -> np.ndarray:
    """The objects of labels: the numbers themselves, or the connected pieces of each class.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    objects : bool
        Whether each number is an object already.
    diagonal : bool
        Whether voxels that meet at an edge or a corner hang together, or only those that share a face.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    if objects:
        return labels
    structure = ndimage.generate_binary_structure(labels.ndim, labels.ndim if diagonal else 1)
    found = np.zeros(labels.shape, np.int32)
    count = 0
    for value in present(labels):
        part, new = ndimage.label(labels == value, structure, output=np.int32)
        if count:
            part[part > 0] += count
        found = found + part if count else part
        count += new
    return found


def present(labels: np.ndarray) -> list[int]:
    """The numbers that occur, without 0, ascending."""
    counts = np.bincount(labels.ravel())
    found: list[int] = (np.flatnonzero(counts[1:]) + 1).tolist()
    return found


def each(labels: np.ndarray, change: Callable[[np.ndarray], np.ndarray], margin: tuple[int, ...]) -> np.ndarray:
    """Change the outline of every class or object by itself, on the box around it.

    What one of them gains is taken from the background only.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    change : callable
        A mask to a mask.
    margin : tuple of int
        Voxels that the box has on each side of the object, where the image has them.
    """
    done = np.zeros_like(labels)
    for value, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        wide = tuple(
            slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(box, margin, labels.shape, strict=True)
        )
        before = labels[wide]
        mask = before == value
        after = change(mask) & (mask | (before == 0)) & (done[wide] == 0)
        done[wide][after] = value
    return done


def steps_of(spacing: tuple[float, ...]) -> tuple[float, ...]:
    """The voxel size counted in voxels along X."""
    return tuple(s / spacing[-1] for s in spacing)


def margin_of(radius: float, spacing: tuple[float, ...]) -> tuple[int, ...]:
    """Voxels along each axis that a length takes."""
    return tuple(int(np.ceil(radius / s)) + 1 for s in steps_of(spacing))


def remove_small(
    labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, size: int = 64, share: float = 0.0
) -> np.ndarray:
    """Remove objects with fewer voxels than `size`, or than a share of the object of middle size.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    size : int
        Voxels.
    share : float
        Of the median size of those that have at least `size` voxels; 0 does nothing.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    Examples
    --------
    >>> remove_small(np.array([[1, 0, 1, 1]], np.int32), spacing=(1, 1), objects=False, size=2).tolist()
    [[0, 0, 1, 1]]
    """
    found = pieces(labels, objects)
    sizes = np.bincount(found.ravel())
    large = sizes >= size
    large[0] = False
    if share > 0 and large.any():
        large &= sizes >= share * np.median(sizes[large])
    return np.where(large[found], labels, 0)


def keep_largest(labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, count: int = 1) -> np.ndarray:
    """Keep the `count` largest objects (of a mask or of classes: of each class)."""
    found = pieces(labels, objects)
    sizes = np.bincount(found.ravel())
    sizes[0] = 0
    keep = np.zeros(len(sizes), bool)
    if objects:
        keep[np.argsort(-sizes, kind="stable")[:count]] = True
    else:
        of = np.zeros(len(sizes), labels.dtype)
        of[found.ravel()] = labels.ravel()
        for value in present(labels):
            keep[np.argsort(np.where(of == value, -sizes, 0), kind="stable")[:count]] = True
    keep &= sizes > 0
    return np.where(keep[found], labels, 0)


def fill_holes(
    labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, size: int = 0, planes: bool = False
) -> np.ndarray:
    """Fill background that one class or object encloses.

    A hole with two different neighbours stays: nothing says whose it is.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    size : int
        Largest hole in voxels; 0 for any.
    planes : bool
        In 3D, look at every plane Z by itself, where a tunnel is a hole too.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    if planes and labels.ndim == 3:
        return np.stack([fill_holes(p, spacing=spacing[1:], objects=objects, size=size) for p in labels])
    gaps, count = ndimage.label(labels == 0, output=np.int32)
    if count == 0:
        return labels
    least, most = np.full(count + 1, np.iinfo(np.int32).max), np.zeros(count + 1, np.int64)
    outside = np.zeros(count + 1, bool)
    for axis in range(labels.ndim):
        ahead, behind = (_along(axis, slice(1, None)), _along(axis, slice(None, -1)))
        for one, other in ((ahead, behind), (behind, ahead)):
            edge = (gaps[one] > 0) & (labels[other] > 0)
            gap, neighbour = gaps[one][edge], labels[other][edge]
            np.minimum.at(least, gap, neighbour)
            np.maximum.at(most, gap, neighbour)
        for end in (0, -1):
            outside[gaps[_along(axis, slice(end, end + 1 or None))]] = True
    inner = ~outside & (least == most)
    if size > 0:
        inner &= np.bincount(gaps.ravel(), minlength=count + 1) <= size
    inner[0] = False
    return np.where(inner[gaps], most[gaps], labels)


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (part,)


def clear_border(
    labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, margin: int = 0, ends: bool = False
) -> np.ndarray:
    """Remove objects that touch the border, since they are cut off.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    margin : int
        Voxels from the border that count as border too.
    ends : bool
        In 3D, whether the first and the last plane are border.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    found = pieces(labels, objects)
    cut = np.zeros(int(found.max(initial=0)) + 1, bool)
    for axis in range(labels.ndim):
        if labels.ndim == 3 and axis == 0 and not ends:
            continue
        width = margin + 1
        for part in (slice(None, width), slice(-width, None)):
            cut[found[_along(axis, part)]] = True
    cut[0] = False
    return np.where(cut[found], 0, labels)


def label_objects(
    labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, diagonal: bool = False
) -> np.ndarray:
    """Give every connected piece a number of its own."""
    if not objects:
        return pieces(labels, False, diagonal)
    from skimage.measure import label

    return np.asarray(label(labels, background=0, connectivity=labels.ndim if diagonal else 1))


def smooth(labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, radius: float = 2.0) -> np.ndarray:
    """Round the outlines: a voxel stays where a Gaussian around it sees the object more than half.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    radius : float
        Sigma in voxels along X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    if radius <= 0:
        return labels
    return each(
        labels, lambda mask: gaussian(mask, radius, spacing) > np.float32(0.5), margin_of(TRUNCATE * radius, spacing)
    )


def opening(labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, radius: float = 2.0) -> np.ndarray:
    """Take away what a ball of this radius does not fit into: bridges, spikes.

    Serra 1982, Image Analysis and Mathematical Morphology, chapter II. The ball is round in space.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    radius : float
        Voxels along X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    return each(labels, lambda mask: grown(shrunk(mask, radius, spacing), radius, spacing), margin_of(radius, spacing))


def closing(labels: np.ndarray, *, spacing: tuple[float, ...], objects: bool, radius: float = 2.0) -> np.ndarray:
    """Fill bays and gaps that a ball of this radius does not fit into; never what belongs to another object.

    As :func:`opening`, of the background.
    """
    return each(
        labels, lambda mask: shrunk(grown(mask, radius, spacing), radius, spacing), margin_of(2 * radius, spacing)
    )


def shrunk(mask: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Erosion by a ball of `radius` voxels along X; the border of the image takes nothing away."""
    if mask.all() or radius <= 0:
        return mask
    footprint = ball(radius, spacing)
    if footprint.size <= LARGE:
        return np.asarray(ndimage.binary_erosion(mask, footprint, border_value=1))
    return np.asarray(ndimage.distance_transform_edt(mask, steps_of(spacing)) > radius)


def grown(mask: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Dilation by a ball of `radius` voxels along X."""
    if not mask.any() or radius <= 0:
        return mask
    footprint = ball(radius, spacing)
    if footprint.size <= LARGE:
        return np.asarray(ndimage.binary_dilation(mask, footprint))
    return np.asarray(ndimage.distance_transform_edt(~mask, steps_of(spacing)) <= radius)


def ball(radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """The voxels whose middle lies within `radius` (in voxels along X) of the middle one.

    Examples
    --------
    >>> ball(1, (1.0, 1.0)).astype(int).tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    steps = steps_of(spacing)
    halves = [int(radius / s + 1e-6) for s in steps]
    grid = np.ogrid[tuple(slice(-h, h + 1) for h in halves)]
    squares = sum((np.asarray(g) * s) ** 2 for g, s in zip(grid, steps, strict=True))
    return np.asarray(squares <= radius**2 + 1e-6)


__all__ = [
    "ball",
    "clear_border",
    "closing",
    "each",
    "fill_holes",
    "grown",
    "keep_largest",
    "label_objects",
    "opening",
    "pieces",
    "present",
    "remove_small",
    "shrunk",
    "smooth",
    "steps_of",
]
