"""Edits of objects in a label array: each gives the voxels that change, and touches nothing itself.

Every edit works inside the box of its object, in any number of axes; `where` keeps it to a region (one plane, one time
point). An edit never takes voxels from another object, except where another object is what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box, InputError
from napari_segplugin.core.types import Array
from napari_segplugin.data.boxes import ObjectBoxes


@dataclass(frozen=True, eq=False)
class Change:
    """Voxels that get new values.

    Parameters
    ----------
    indices : tuple of (N,) ndarray of int32
        One array an axis; only voxels whose value differs.
    values : int or (N,) ndarray of int
        New object numbers.

    Examples
    --------
    >>> labels = np.array([[1, 0, 2]])
    >>> delete(labels, [2]).apply(labels)
    array([[1, 0, 0]])
    """

    indices: tuple[np.ndarray, ...]
    values: np.ndarray | int

    def __len__(self) -> int:
        return len(self.indices[0]) if self.indices else 0

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """Write the change into an array that allows lists of indices, and return it."""
        if len(self):
            labels[self.indices] = self.values
        return labels


@dataclass(frozen=True, eq=False)
class Crop:
    """The surroundings of an object.

    Parameters
    ----------
    labels : ndarray
        The labels of the box.
    mask : ndarray of bool
        Where the object is.
    box : tuple of slice
    """

    labels: np.ndarray
    mask: np.ndarray
    box: Box

    def change(self, mask: np.ndarray, values: np.ndarray | int) -> Change:
        """The change that gives `values` (a number, or an array like the box) to the voxels of `mask`."""
        found = np.nonzero(mask)
        indices = tuple(i.astype(np.int32) + np.int32(s.start) for i, s in zip(found, self.box, strict=True))
        return Change(indices, values if isinstance(values, int) else values[found])


def crop(
    labels: Array,
    number: int,
    *,
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
    pad: Sequence[int] | int = 0,
) -> Crop:
    """Cut out an object with some room around it.

    Parameters
    ----------
    labels : array of int
    number : int
    boxes : ObjectBoxes, optional
        Where the objects are; without it the whole array is looked through.
    where : tuple of slice, optional
        Nothing outside is looked at.
    pad : int or sequence of int
        Voxels around the object, as far as array and `where` allow.

    Raises
    ------
    InputError
        If the object is not there.
    """
    shape = tuple(int(n) for n in labels.shape)
    bounds = [(0, n) for n in shape] if where is None else [s.indices(n)[:2] for s, n in zip(where, shape, strict=True)]
    box = (boxes or ObjectBoxes(labels)).box(int(number))
    if box is None:
        raise InputError(f"There is no object {number}.", hint="Click on an object first.")
    room = (pad,) * len(shape) if isinstance(pad, int) else tuple(pad)
    first = tuple(slice(max(s.start, a), max(min(s.stop, b), a)) for s, (a, b) in zip(box, bounds, strict=True))
    inner = _tight(np.asarray(labels[first]) == number, first)
    if inner is None:
        raise InputError(
            f"There is no object {number} here.",
            hint="Go to a plane that shows it, or work on the whole object",
        )
    wide = tuple(
        slice(max(s.start - r, a), min(s.stop + r, b)) for s, r, (a, b) in zip(inner, room, bounds, strict=True)
    )
    part = np.asarray(labels[wide])
    return Crop(part, part == number, wide)


def _tight(mask: np.ndarray, box: Box) -> Box | None:
    """The smallest box around a mask, in the coordinates that `box` is given in."""
    out = []
    for axis, side in enumerate(box):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if not len(used):
            return None
        out.append(slice(side.start + int(used[0]), side.start + int(used[-1]) + 1))
    return tuple(out)


def merge(
    labels: Array, numbers: Sequence[int], *, boxes: ObjectBoxes | None = None, where: Box | None = None
) -> Change:
    """Make one object of several: all get the number of the first.

    Parameters
    ----------
    labels : array of int
    numbers : sequence of int
        At least two.
    boxes, where : optional
        See :func:`crop`.

    Raises
    ------
    InputError
        If there are less than two objects, or one of them is not there.

    Examples
    --------
    >>> labels = np.array([[1, 2, 0, 3]])
    >>> merge(labels, [2, 1]).apply(labels)
    array([[2, 2, 0, 3]])
    """
    wanted = list(dict.fromkeys(int(n) for n in numbers if n))
    if len(wanted) < 2:
        raise InputError(
            "Merging needs two objects.",
            got=f"{len(wanted)}",
            hint="Click on two objects one after the other, or draw a line through all objects to merge",
        )
    boxes = boxes or ObjectBoxes(labels)
    found = [crop(labels, n, boxes=boxes, where=where) for n in wanted[1:]]
    return _joined([c.change(c.mask, wanted[0]) for c in found], wanted[0])


def delete(
    labels: Array, numbers: Sequence[int], *, boxes: ObjectBoxes | None = None, where: Box | None = None
) -> Change:
    """Make background of objects.

    Parameters
    ----------
    labels : array of int
    numbers : sequence of int
    boxes, where : optional
        See :func:`crop`.

    Raises
    ------
    InputError
        If an object is not there.
    """
    boxes = boxes or ObjectBoxes(labels)
    found = [crop(labels, n, boxes=boxes, where=where) for n in dict.fromkeys(numbers)]
    return _joined([c.change(c.mask, 0) for c in found], 0)


def _joined(parts: Sequence[Change], value: int) -> Change:
    if not parts:
        return Change((), value)
    columns = zip(*(p.indices for p in parts), strict=True)
    return Change(tuple(np.concatenate(c) for c in columns), value)


def fill_holes(labels: Array, number: int, *, boxes: ObjectBoxes | None = None, where: Box | None = None) -> Change:
    """Fill the background that an object encloses; other objects inside it stay.

    Parameters
    ----------
    labels : array of int
    number : int
    boxes, where : optional
        See :func:`crop`. With one plane in `where` a hole need only be enclosed within the plane.

    Raises
    ------
    InputError
        If the object is not there or has no hole.
    """
    found = crop(labels, number, boxes=boxes, where=where, pad=1)
    filled = _reshaped(ndi.binary_fill_holes(_thin(found.mask)), found.mask)
    return _some(found.change(filled & (found.labels == 0), int(number)), f"Object {number} has no holes.")


def smooth(
    labels: Array,
    number: int,
    width: float = 1.0,
    *,
    holes: bool = False,
    spacing: Sequence[float] = (),
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Smooth the outline of an object: its mask is blurred and cut at one half.

    Parameters
    ----------
    labels : array of int
    number : int
    width : float
        Standard deviation of the blur, in the unit of `spacing`.
    holes : bool
        Fill the background that it encloses, before.
    spacing, boxes, where : optional
        See :func:`grow`.

    Raises
    ------
    InputError
        If the object is not there, is smooth already, or would vanish.
    """
    sizes = _spacing(labels, spacing)
    sigma = np.array([width / s for s in sizes])
    found = crop(labels, number, boxes=boxes, where=where, pad=[int(np.ceil(3 * s)) for s in sigma])
    kept = [i for i, n in enumerate(found.mask.shape) if n > 1]
    mask = _thin(found.mask)
    if holes:
        mask = mask | (ndi.binary_fill_holes(mask) & (_thin(found.labels) == 0))
    blurred = ndi.gaussian_filter(mask.astype(np.float32), sigma[kept] if kept else 0, mode="nearest")
    return _turned(found, _reshaped(blurred > 0.5, found.mask), int(number), "is already smooth")


def grow(
    labels: Array,
    number: int,
    distance: float = 1.0,
    *,
    spacing: Sequence[float] = (),
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Grow an object into the background around it.

    Parameters
    ----------
    labels : array of int
    number : int
    distance : float
        In the unit of `spacing`.
    spacing : sequence of float, optional
        Voxel size along each axis; 1 by default.
    boxes, where : optional
        See :func:`crop`.

    Raises
    ------
    InputError
        If the object is not there or has no room.
    """
    sizes = _spacing(labels, spacing)
    found = crop(labels, number, boxes=boxes, where=where, pad=[int(distance / s) + 1 for s in sizes])
    away = _distance(~found.mask, sizes)
    wider = (away <= distance * (1 + 1e-6)) & (found.labels == 0)
    return _some(found.change(wider, int(number)), f"Object {number} has no background around it to grow into.")


def shrink(
    labels: Array,
    number: int,
    distance: float = 1.0,
    *,
    spacing: Sequence[float] = (),
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Take a layer off an object. The border of the image is no outline: nothing is taken off there.

    Parameters
    ----------
    labels : array of int
    number : int
    distance : float
        In the unit of `spacing`.
    spacing : sequence of float, optional
        Voxel size along each axis; 1 by default.
    boxes, where : optional
        See :func:`crop`.

    Raises
    ------
    InputError
        If the object is not there or would vanish.
    """
    found = crop(labels, number, boxes=boxes, where=where, pad=1)
    inside = _distance(found.mask, _spacing(labels, spacing))
    return _turned(found, inside > distance * (1 + 1e-6), int(number), "cannot shrink: it has no outline here")


def set_mask(labels: Array, mask: np.ndarray, box: Box, number: int, *, over: bool = False) -> Change:
    """Give a number to the voxels of a mask.

    Parameters
    ----------
    labels : array of int
    mask : ndarray of bool
        Lies at `box`.
    box : tuple of slice
    number : int
    over : bool
        Also over other objects; only over background by default.

    Raises
    ------
    InputError
        If nothing would change.
    """
    part = np.asarray(labels[box])
    free = part != number if over else part == 0
    found = Crop(part, part == number, box)
    return _some(found.change(np.asarray(mask, bool) & free, int(number)), "Other objects are there already.")


def _turned(found: Crop, wanted: np.ndarray, number: int, otherwise: str) -> Change:
    """The change from a mask to another one: new voxels come from the background only."""
    won = wanted & (found.labels == 0)
    lost = found.mask & ~wanted
    if not (wanted & found.mask).any() and not won.any():
        raise InputError(f"Object {number} would vanish.", hint="Choose a smaller amount, or delete the object")
    values = np.where(won, number, 0).astype(found.labels.dtype)
    return _some(found.change(won | lost, values), f"Object {number} {otherwise}.")


def _some(change: Change, otherwise: str) -> Change:
    if not len(change):
        raise InputError(otherwise, hint="Nothing is changed")
    return change


def _distance(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance to the nearest voxel outside a mask; endless where there is none."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    kept = [i for i, n in enumerate(mask.shape) if n > 1]
    if not kept:
        return np.zeros(mask.shape)
    away = ndi.distance_transform_edt(_thin(mask), sampling=[spacing[i] for i in kept])
    return _reshaped(away, mask)


def _thin(array: np.ndarray) -> np.ndarray:
    """Without the axes of length one: a plane is looked at as a plane."""
    return array.reshape([n for n in array.shape if n > 1] or [1])


def _reshaped(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    return array.reshape(like.shape)


def _spacing(labels: Array, spacing: Sequence[float]) -> tuple[float, ...]:
    """The voxel size along each axis.

    Raises
    ------
    InputError
        If there is not one positive number an axis.
    """
    sizes = tuple(float(s) for s in spacing) or (1.0,) * len(labels.shape)
    if len(sizes) != len(labels.shape) or min(sizes) <= 0:
        raise InputError(
            "The pixel size does not fit the labels.",
            got=f"{sizes} for {len(labels.shape)} axes",
            accepted="one positive number for each axis",
        )
    return sizes


__all__ = ["Change", "Crop", "crop", "delete", "fill_holes", "grow", "merge", "set_mask", "shrink", "smooth"]
