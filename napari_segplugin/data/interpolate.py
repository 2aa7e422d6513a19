"""An object that was drawn in some planes, and the planes between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box, InputError
from napari_segplugin.core.types import Array
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.edits import Change, Crop, crop


def interpolate(
    labels: Array,
    number: int,
    axis: int,
    planes: Sequence[int] = (),
    *,
    spacing: Sequence[float] = (),
    boxes: ObjectBoxes | None = None,
    where: Box | None = None,
) -> Change:
    """Redraw an object between planes: outlines are interpolated by their signed distance (Raya & Udupa 1990).

    Before that the outlines are laid over each other at their centroids, so that an object that lies aslant is followed.

    Parameters
    ----------
    labels : array of int
    number : int
    axis : int
        The axis that the planes are numbered along.
    planes : sequence of int, optional
        The planes that are right; everything between them is redrawn. Without them only gaps are filled: planes
        without the object between planes with it.
    spacing : sequence of float, optional
        Voxel size along each axis; 1 by default.
    boxes, where : optional
        See :func:`napari_segplugin.data.edits.crop`.

    Raises
    ------
    InputError
        If the object is in less than two of the planes, or no plane lies between them.

    Examples
    --------
    >>> labels = np.zeros((3, 3, 5), int)
    >>> labels[0, 1, 1:4] = labels[2, 1, 1:4] = 1
    >>> interpolate(labels, 1, 0).apply(labels)[1, 1]
    array([0, 1, 1, 1, 0])
    """
    found = crop(labels, number, boxes=boxes, where=where)
    masks, part = np.moveaxis(found.mask, axis, 0), np.moveaxis(found.labels, axis, 0)
    first = found.box[axis].start
    present = [i for i, m in enumerate(masks) if m.any()]
    keys = sorted({int(p) - first for p in planes} & set(present)) if planes else present
    gaps = [(a, b) for a, b in pairwise(keys) if b > a + 1]
    if not gaps:
        raise InputError(
            f"Object {number} has no planes to fill in between.",
            got=f"{len(keys)} painted planes" if planes else "no gap",
            hint="Paint the object in two planes with at least one plane between them",
        )
    sizes = [s for i, s in enumerate(spacing or (1.0,) * masks.ndim) if i != axis]
    wanted = masks.copy()
    for a, b in gaps:
        _between(masks[a], masks[b], wanted[a + 1 : b], sizes)
    won, lost = wanted & (part == 0), masks & ~wanted
    values = np.where(won, number, 0).astype(part.dtype)
    whole = Crop(found.labels, found.mask, found.box)
    change = whole.change(np.moveaxis(won | lost, 0, axis), np.moveaxis(values, 0, axis))
    if not len(change):
        raise InputError(f"Object {number} already has this shape.", hint="Nothing is changed")
    return change


def _between(first: np.ndarray, last: np.ndarray, out: np.ndarray, spacing: Sequence[float]) -> None:
    """Write the outlines between two masks into the planes of `out`."""
    way = np.array(ndi.center_of_mass(last)) - np.array(ndi.center_of_mass(first))
    # room to move in: what comes in from beyond the box has to be outside
    room = [int(np.ceil(w)) + 1 for w in np.abs(way)]
    a, b = (_signed(np.pad(m, [(r, r) for r in room]), spacing) for m in (first, last))
    inner = tuple(slice(r, -r) for r in room)
    for i in range(len(out)):
        t = (i + 1) / (len(out) + 1)
        moved = (1 - t) * _shifted(a, t * way) + t * _shifted(b, -(1 - t) * way)
        out[i] = moved[inner] > 0


def _shifted(distance: np.ndarray, by: np.ndarray) -> np.ndarray:
    if np.abs(by).max() < 0.25:
        return distance
    return np.asarray(ndi.shift(distance, by, order=1, mode="nearest"))


def _signed(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance to the outline, negative outside; halves of voxels apart on both sides."""
    padded = np.pad(mask, 1)
    half = min(spacing) / 2
    inner = (slice(1, -1),) * mask.ndim
    inside = ndi.distance_transform_edt(padded, sampling=spacing)[inner]
    outside = ndi.distance_transform_edt(~mask, sampling=spacing)
    signed: np.ndarray = np.where(mask, inside - half, half - outside).astype(np.float32)
    return signed


__all__ = ["interpolate"]
