"""Labels of one grid on another: exactly where both have the same voxels in another order, else each from the nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_segplugin.core import Image, InputError, Place, Segmentation
from napari_segplugin.io.units import in_metres

_TURN = 1e-3  # share of an edge that may point elsewhere between two grids that are one: files round
_SHIFT = 0.02  # of a voxel between them


def same_grid(first: Place, second: Place, shape: Sequence[int]) -> bool:
    """Whether every voxel of a grid of this shape lies at the same point in both places, to a fiftieth of a voxel.

    Parameters
    ----------
    first, second : Place
    shape : sequence of int
        Of the grid, axes (Z,) Y, X.

    Examples
    --------
    >>> flat = Place.of_spacing({"Z": 2.0})
    >>> same_grid(flat, flat, (3, 4, 5)), same_grid(flat, flat.at({"X": 1}), (3, 4, 5))
    (True, False)
    """
    size = (1,) * (3 - len(shape)) + tuple(shape)
    corners = np.array([[*(i * (n - 1) for i, n in zip(bits, size, strict=True)), 1] for bits in np.ndindex(2, 2, 2)])
    between = np.linalg.solve(second.matrix, first.matrix)
    return bool(np.abs(corners @ between.T - corners).max() < _SHIFT)


def onto(labels: np.ndarray, source: Place, target: Place, shape: Sequence[int]) -> tuple[np.ndarray, str]:
    """Labels of one grid on another, by where both lie.

    Parameters
    ----------
    labels : (Z, Y, X) or (Y, X) ndarray of int
    source : Place
        Of `labels`.
    target : Place
        Of the wanted grid, in the same space and unit.
    shape : sequence of int
        Of the wanted grid, as many axes as `labels`.

    Returns
    -------
    labels : ndarray
        0 where `labels` say nothing.
    note : str
        What the person has to know: that voxels were taken from the nearest, or that some lie outside; mostly empty.

    Raises
    ------
    InputError
        If no label lies in the wanted grid.

    Examples
    --------
    >>> mirrored = Place(np.diag([1.0, 1, -1, 1])).at({"X": -2})
    >>> onto(np.array([[0, 0, 7]]), mirrored, Place(np.eye(4)), (1, 3))[0].tolist()
    [[7, 0, 0]]
    """
    flat = labels.ndim == 2
    volume = labels[None] if flat else labels
    size = (1,) * (3 - len(shape)) + tuple(int(n) for n in shape)
    between = np.linalg.solve(target.matrix, source.matrix)  # voxel of the labels to voxel of the wanted grid
    turn = np.round(between[:3, :3])
    whole = np.allclose(between[:3, :3], turn, atol=_TURN) and bool(
        np.allclose(between[:3, 3], np.round(between[:3, 3]), atol=_SHIFT)
    )
    if whole and np.array_equal(np.abs(turn).sum(axis=0), [1, 1, 1]) and abs(round(np.linalg.det(turn))) == 1:
        found, note = _moved(volume, turn.astype(int), np.round(between[:3, 3]).astype(int), size), ""
    else:
        back = np.linalg.inv(between)
        found = ndimage.affine_transform(
            volume, back[:3, :3], back[:3, 3], size, order=0, mode="constant", cval=0, prefilter=False
        )
        note = "The labels have other voxels than the image; each voxel of the image has the label of the nearest."
    if volume.any() and not found.any():
        raise InputError(
            "The labels do not lie in the image.",
            got="no voxel of any object inside it",
            hint="Check that both are of the same patient and of the same examination",
        )
    lost = 0 if note else int(np.count_nonzero(volume)) - int(np.count_nonzero(found))
    if lost:
        note = f"{lost} labelled voxels lie outside the image and are left out."
    return (found[0] if flat else found), note


def _moved(volume: np.ndarray, turn: np.ndarray, start: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The same voxels in another order of axes and directions, and the part of them that lies in a grid."""
    order = [int(np.abs(turn[axis]).argmax()) for axis in range(3)]
    moved = volume.transpose(order)
    for axis in range(3):
        if turn[axis, order[axis]] < 0:
            moved = np.flip(moved, axis)
            start[axis] -= moved.shape[axis] - 1  # what was the last voxel is the first
    found = np.zeros(size, volume.dtype)
    inside = [(max(0, s), min(n, s + m), s) for s, n, m in zip(start.tolist(), size, moved.shape, strict=True)]
    if all(low < high for low, high, _ in inside):
        there = tuple(slice(low, high) for low, high, _ in inside)
        found[there] = moved[tuple(slice(low - s, high - s) for low, high, s in inside)]
    return found


def over(labels: np.ndarray, of: Image | Segmentation, image: Image) -> tuple[np.ndarray, str]:
    """Labels on the grid of an image, where both lie in a patient; as they are otherwise.

    Two files of one patient may run in other directions, and have another order of axes or other voxels. Compared voxel by
    voxel they would give a wrong answer that looks right.

    Parameters
    ----------
    labels : (Z, Y, X) or (Y, X) ndarray of int
    of : Image or Segmentation
        Where they come from: its place and unit are looked at.
    image : Image

    Returns
    -------
    labels : ndarray
    note : str
        As of :func:`onto`.

    Raises
    ------
    InputError
        If the labels lie outside the image.
    """
    if of.place is None or image.place is None or {of.place.frame, image.place.frame} != {"patient"}:
        return labels, ""
    factor = (in_metres(of.unit) or 1.0) / (in_metres(image.unit) or 1.0)
    source = replace(of.place, matrix=np.diag([factor, factor, factor, 1.0]) @ of.place.matrix)
    shape = image.spatial_shape
    if labels.ndim != len(shape) or (labels.shape == shape and same_grid(source, image.place, shape)):
        return labels, ""
    return onto(labels, source, image.place, shape)


__all__ = ["onto", "over", "same_grid"]
