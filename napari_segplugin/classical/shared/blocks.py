"""Blocks of side 1, 2, 4 … voxels that cover an image; those at its far end are cut off where the image ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def grid_shape(shape: Sequence[int], side: int) -> tuple[int, ...]:
    """How many blocks of this side lie along each axis.

    Examples
    --------
    >>> grid_shape((5, 8, 1), 4)
    (2, 2, 1)
    """
    return tuple(-(-n // side) for n in shape)


def voxel_counts(shape: Sequence[int], side: int) -> np.ndarray:
    """Voxels in each block of this side, float64.

    Examples
    --------
    >>> voxel_counts((3, 4), 2).tolist()
    [[4.0, 4.0], [2.0, 2.0]]
    """
    total = np.ones((1,) * len(shape))
    for axis, (n, blocks) in enumerate(zip(shape, grid_shape(shape, side), strict=True)):
        length = np.full(blocks, float(side))
        length[-1] = n - side * (blocks - 1)
        total = total * length.reshape(-1, *(1,) * (len(shape) - axis - 1))
    return total


def halve(values: np.ndarray, combine: np.ufunc, axes: Iterable[int] | None = None) -> np.ndarray:
    """Join neighbours two by two along some axes or all; an odd one at the end stays alone.

    Examples
    --------
    >>> halve(np.array([[1, 2, 3]]), np.add)
    array([[3, 3]])
    """
    for axis in range(values.ndim) if axes is None else axes:
        if values.shape[axis] == 1:
            continue
        before = (slice(None),) * axis
        even, odd = values[(*before, slice(0, None, 2))], values[(*before, slice(1, None, 2))]
        if even.shape == odd.shape:
            values = combine(even, odd)
        else:
            values = even.copy()
            pairs = values[(*before, slice(0, -1))]
            combine(pairs, odd, out=pairs)
    return values


def enlarge(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Give each block's value to its children: the reverse of :func:`halve`, to a grid of this shape.

    Examples
    --------
    >>> enlarge(np.array([[7, 8]]), (2, 3)).tolist()
    [[7, 7, 8], [7, 7, 8]]
    """
    # the last axis first, while there is least to repeat
    for axis in reversed(range(values.ndim)):
        if values.shape[axis] != shape[axis]:
            values = np.repeat(values, 2, axis=axis)[(*(slice(None),) * axis, slice(0, shape[axis]))]
    return values


__all__ = ["enlarge", "grid_shape", "halve", "voxel_counts"]
