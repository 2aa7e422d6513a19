"""Objects of a time series, frame by frame: where they are, how large, what they share with the next frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core.types import Array
from napari_segplugin.data.boxes import runs


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """The objects of one time point, sorted by number.

    Parameters
    ----------
    label : (N,) ndarray of int64
    voxels : (N,) ndarray of int64
    centre : (N, D) ndarray of float
        Mean of the voxel centres, in voxels.
    """

    label: np.ndarray
    voxels: np.ndarray
    centre: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def objects_at(labels: Array) -> FrameObjects:
    """Find the objects of one time point.

    Parameters
    ----------
    labels : (Z, Y, X) or (Y, X) array of int

    Examples
    --------
    >>> found = objects_at(np.array([[0, 7, 7], [2, 0, 0]]))
    >>> found.label.tolist(), found.voxels.tolist(), found.centre.tolist()
    ([2, 7], [1, 2], [[1.0, 0.0], [0.0, 1.5]])
    """
    array = np.asarray(labels)
    first, length, value = runs(array)
    label, at = np.unique(value, return_inverse=True)
    n = len(label)
    voxels = np.bincount(at, weights=length, minlength=n)
    corner = [c.astype(float) for c in np.unravel_index(first, array.shape)]
    corner[-1] += (length - 1) / 2
    sums = [np.bincount(at, weights=c * length, minlength=n) for c in corner]
    centre = np.stack(sums, axis=1) / np.maximum(voxels, 1)[:, None]
    return FrameObjects(label.astype(np.int64), voxels.astype(np.int64), centre)


def shared_voxels(one: Array, other: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels that each pair of objects of two arrays shares.

    Parameters
    ----------
    one, other : array of int
        Of the same shape.

    Returns
    -------
    one_label, other_label, count : (K,) ndarray of int64

    Examples
    --------
    >>> [v.tolist() for v in shared_voxels(np.array([[1, 1, 2, 0]]), np.array([[5, 5, 5, 5]]))]
    [[1, 2], [5, 5], [2, 1]]
    """
    a, b = np.asarray(one).ravel(), np.asarray(other).ravel()
    both = np.flatnonzero((a != 0) & (b != 0))
    if not len(both):
        return tuple(np.zeros((3, 0), np.int64))  # type: ignore[return-value]
    a, b = a[both].astype(np.int64), b[both].astype(np.int64)
    # neighbours mostly belong to the same pair: only where that changes is there anything to sort
    starts = np.append(0, np.flatnonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1])) + 1)
    length = np.diff(starts, append=len(a))
    wide = int(b.max()) + 1
    pair, at = np.unique(a[starts] * wide + b[starts], return_inverse=True)
    return pair // wide, pair % wide, np.bincount(at, weights=length).astype(np.int64)


def renumbered(labels: Array, numbers: Mapping[int, int], spare: int) -> tuple[np.ndarray, int]:
    """Give the objects of one time point other numbers.

    Parameters
    ----------
    labels : array of int
    numbers : mapping of int to int
        New number of each label.
    spare : int
        The first number for labels that have none.

    Returns
    -------
    labels : ndarray of int64
    spare : int
        The first number that is free after that.

    Examples
    --------
    >>> renumbered(np.array([0, 3, 9]), {3: 1}, 50)
    (array([ 0,  1, 50]), 51)
    """
    array = np.asarray(labels)
    flat = array.ravel()
    present = np.unique(flat[np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)]) if flat.size else flat
    values = np.zeros(len(present), np.int64)
    for i, label in enumerate(present.tolist()):
        if label and label not in numbers:
            values[i], spare = spare, spare + 1
        elif label:
            values[i] = numbers[label]
    if not flat.size:
        return array.astype(np.int64), spare
    if int(present[-1]) <= 4 * flat.size:
        table = np.zeros(int(present[-1]) + 1, np.int64)
        table[present] = values
        return table[array], spare
    return values[np.searchsorted(present, array)], spare


def changed_objects(before: Array, now: Array) -> tuple[np.ndarray, np.ndarray]:
    """Numbers in two arrays where they differ, each once: those before, and those now; without 0.

    Examples
    --------
    >>> [v.tolist() for v in changed_objects(np.array([1, 1, 4]), np.array([1, 2, 4]))]
    [[1], [2]]
    """
    a, b = np.asarray(before), np.asarray(now)
    where = a != b
    old, new = np.unique(a[where]), np.unique(b[where])
    return old[old != 0], new[new != 0]


__all__ = ["FrameObjects", "changed_objects", "objects_at", "renumbered", "shared_voxels"]
