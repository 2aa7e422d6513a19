"""Where each object of a label array lies and how large it is, kept up to date by changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array

_SLAB = 8_000_000
"""Voxels that are looked at together; a lazy array is read in such pieces."""
_DENSE = 1_000_000
"""Object numbers up to which a table indexed by number is cheaper than sorting."""


class ObjectBoxes:
    """Box and size of each object of a label array.

    The boxes only ever grow: after a change a box holds its object and perhaps more, so that undoing the change needs no
    new search. Sizes are exact.

    Parameters
    ----------
    labels : array of int
        Any number of axes; a lazy array (zarr) is read piece by piece.

    Examples
    --------
    >>> boxes = ObjectBoxes(np.array([[0, 2, 2], [0, 2, 0]]))
    >>> boxes.box(2), boxes.size(2), boxes.next_number()
    ((slice(0, 2, None), slice(1, 3, None)), 3, 3)
    """

    def __init__(self, labels: Array) -> None:
        self.shape = tuple(int(n) for n in labels.shape)
        self._rows: dict[int, list[int]] = {}
        self._sizes: dict[int, int] = {}
        for numbers, bounds, sizes in _slabs(labels):
            for number, bound, size in zip(numbers, bounds, sizes, strict=True):
                self._widen(number, bound)
                self._sizes[number] = self._sizes.get(number, 0) + size
        self._largest = max(self._rows, default=0)

    def __contains__(self, number: int) -> bool:
        return self._sizes.get(number, 0) > 0

    def __iter__(self) -> Iterator[int]:
        return (number for number, size in self._sizes.items() if size > 0)

    def __len__(self) -> int:
        return sum(size > 0 for size in self._sizes.values())

    def size(self, number: int) -> int:
        """Voxels of an object; 0 where there is none."""
        return self._sizes.get(number, 0)

    def box(self, number: int) -> Box | None:
        """A box that holds the object; None where there is none."""
        if number not in self:
            return None
        row, ndim = self._rows[number], len(self.shape)
        return tuple(slice(row[i], row[ndim + i]) for i in range(ndim))

    def next_number(self) -> int:
        """The smallest number above every number that was ever used."""
        return self._largest + 1

    def update_box(self, box: Box, old: np.ndarray, new: int) -> dict[int, int]:
        """Take note of a change to one number inside a box; see :meth:`update`. No voxel is looked for.

        Parameters
        ----------
        box : tuple of slice
            Holds the voxels that changed.
        old : (N,) ndarray of int
            Their values before.
        new : int
        """
        won = {new: old.size} if old.size else {}
        if won:
            self._widen(new, [*(s.start for s in box), *(s.stop for s in box)])
        return self._take(won, old, old.size)

    def update(self, indices: Sequence[np.ndarray], old: np.ndarray | int, new: np.ndarray | int) -> dict[int, int]:
        """Take note of a change.

        Parameters
        ----------
        indices : sequence of ndarray of int
            The voxels that changed, one array an axis.
        old, new : int or ndarray of int
            Their values before and after.

        Returns
        -------
        dict of int to int
            Voxels that each object won; negative where it lost some.
        """
        n = len(indices[0]) if len(indices) else 0
        won: dict[int, int] = {}
        if n == 0:
            return won
        for value, where in _groups(new, n):
            won[value] = won.get(value, 0) + (n if where is None else len(where))
            picked = [i if where is None else i[where] for i in indices]
            self._widen(value, [*(int(i.min()) for i in picked), *(int(i.max()) + 1 for i in picked)])
        return self._take(won, old, n)

    def _take(self, won: dict[int, int], old: np.ndarray | int, n: int) -> dict[int, int]:
        for value, count in _counts(old, n):
            won[value] = won.get(value, 0) - count
        won.pop(0, None)
        self._rows.pop(0, None)
        self.add(won)
        return won

    def add(self, won: dict[int, int], sign: int = 1) -> None:
        """Change the sizes as :meth:`update` told; with `sign` -1 take that back."""
        for number, voxels in won.items():
            self._sizes[number] = self._sizes.get(number, 0) + sign * voxels
        self._largest = max(self._largest, *won, 0)

    def _widen(self, number: int, bound: Sequence[int]) -> None:
        row, ndim = self._rows.get(number), len(self.shape)
        if row is None:
            self._rows[number] = list(bound)
            return
        for i in range(ndim):
            row[i] = min(row[i], bound[i])
            row[ndim + i] = max(row[ndim + i], bound[ndim + i])


def _groups(values: np.ndarray | int, n: int) -> list[tuple[int, np.ndarray | None]]:
    """Each value and the positions that hold it; None means all `n`."""
    array = np.asarray(values)
    if array.ndim == 0 or not len(array) or (array == array[0]).all():
        return [(int(array if array.ndim == 0 else array[0]), None)] if n else []
    order = np.argsort(array, kind="stable")
    ordered = array[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    stops = np.r_[starts[1:], len(ordered)]
    return [(int(ordered[a]), order[a:b]) for a, b in zip(starts, stops, strict=True)]


def _counts(values: np.ndarray | int, n: int) -> list[tuple[int, int]]:
    """Each value and how often it stands there."""
    array = np.asarray(values)
    if array.ndim == 0:
        return [(int(array), n)]
    if not array.size:
        return []
    if (array == array[0]).all():  # a fill: one number was there
        return [(int(array[0]), n)]
    if int(array.max()) < _DENSE and int(array.min()) >= 0:
        counts = np.bincount(array)
        return [(int(v), int(counts[v])) for v in np.flatnonzero(counts)]
    found, counted = np.unique(array, return_counts=True)
    return [(int(v), int(c)) for v, c in zip(found, counted, strict=True)]


def _slabs(labels: Array) -> Iterator[tuple[list[int], list[list[int]], list[int]]]:
    """Numbers, bounds and sizes of the objects, slab by slab along the first axis."""
    shape = tuple(int(n) for n in labels.shape)
    rows = max(1, int(_SLAB // max(1, int(np.prod(shape[1:], dtype=np.int64)))))
    for start in range(0, shape[0], rows):
        slab = np.asarray(labels[start : start + rows])
        first, length, value = runs(slab)
        if not len(value):
            continue
        order = np.argsort(value, kind="stable")
        first, length, value = first[order], length[order], value[order]
        at = np.flatnonzero(np.r_[True, value[1:] != value[:-1]])
        corner = np.unravel_index(first, slab.shape)
        low = [np.minimum.reduceat(c, at) for c in corner]
        high = [np.maximum.reduceat(c, at) + 1 for c in corner[:-1]]
        high.append(np.maximum.reduceat(corner[-1] + length, at))
        low[0], high[0] = low[0] + start, high[0] + start
        yield value[at].tolist(), np.stack([*low, *high], 1).tolist(), np.add.reduceat(length, at).tolist()


def runs(array: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces of equal value along the last axis, without the zeros.

    Returns
    -------
    first, length, value : (N,) ndarray
        `first` counts voxels in C order.

    Examples
    --------
    >>> [v.tolist() for v in runs(np.array([[0, 5, 5], [5, 0, 3]]))]
    [[1, 3, 5], [2, 1, 1], [5, 5, 3]]
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), flat
    fresh = np.empty(flat.shape, bool)
    np.not_equal(flat[1:], flat[:-1], out=fresh[1:])
    fresh[:: array.shape[-1]] = True
    first = np.flatnonzero(fresh)
    length = np.diff(first, append=flat.size)
    value = flat[first]
    kept = value != 0
    return first[kept], length[kept], value[kept]


__all__ = ["ObjectBoxes", "runs"]
