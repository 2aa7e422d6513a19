"""Which objects lie side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from napari_segplugin.core.types import Array

BLOCK = 2**22
"""Voxels that are looked at together."""


def touching(labels: Array, axes: str = "", gap: int = 1) -> np.ndarray:
    """Pairs of numbers that touch, at an edge or a corner, or lie no further apart than a gap along an axis.

    Parameters
    ----------
    labels : array of int
        0 is background. Read in blocks along the first axis, so a lazy one will do.
    axes : str, optional
        Axes of `labels`; nothing touches along "T" and "C". All are space where it is left out.
    gap : int
        The most voxels between two objects along an axis.

    Returns
    -------
    (N, 2) ndarray of int64
        Each pair once, the smaller number first, in order.

    Examples
    --------
    >>> touching(np.array([[1, 1, 2], [0, 0, 0], [0, 3, 0]]), gap=0).tolist()
    [[1, 2]]
    >>> touching(np.array([[1, 1, 2], [0, 0, 0], [0, 3, 0]])).tolist()
    [[1, 2], [1, 3]]
    """
    shape = tuple(int(n) for n in labels.shape)
    space = [i for i in range(len(shape)) if axes[i : i + 1] not in ("T", "C")]
    steps = list(_steps(len(shape), space, gap))
    reach = gap + 1 if 0 in space else 0
    margin = [(0, 0)] + [(0, gap + 1) if axis in space else (0, 0) for axis in range(1, len(shape))]
    rows = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    found = np.zeros((0, 2), np.int64)
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        block = np.asarray(labels[(slice(start, min(stop + reach, shape[0])),)])
        # with a margin of background no step of a flat array leads from the end of a row to the start of another object
        wide = np.pad(block, margin)
        strides = np.array(wide.strides) // wide.itemsize
        new = [_pairs(wide.ravel(), int(strides @ step), (stop - start) * int(strides[0])) for step in steps]
        found = np.unique(np.concatenate([found, *new]), axis=0) if any(map(len, new)) else found
    return found


def _steps(ndim: int, space: list[int], gap: int) -> Iterator[tuple[int, ...]]:
    """From a voxel to its neighbors, each direction once; the first that is not 0 is positive."""
    for sides in itertools.product((-1, 0, 1), repeat=len(space)):
        if next((s for s in sides if s), 0) > 0:
            step = [0] * ndim
            for axis, side in zip(space, sides, strict=True):
                step[axis] = side
            yield tuple(step)
    for axis, far in itertools.product(space, range(2, gap + 2)):
        yield tuple(far if a == axis else 0 for a in range(ndim))


def _pairs(flat: np.ndarray, step: int, last: int) -> np.ndarray:
    """Pairs of a flat block whose first voxel lies before the last row that counts, each once."""
    at = np.flatnonzero(flat[:-step] != flat[step:])
    at = at[at < last]
    a, b = flat[at], flat[at + step]
    both = (a != 0) & (b != 0)
    pairs = np.sort(np.stack([a[both], b[both]], 1).astype(np.int64), axis=1)
    if not len(pairs) or int(pairs.max()) >= 2**31 or int(pairs.min()) < 0:
        return np.unique(pairs, axis=0)
    codes = np.unique(pairs[:, 0] << 32 | pairs[:, 1])
    return np.stack([codes >> 32, codes & 0xFFFFFFFF], 1)


__all__ = ["touching"]
