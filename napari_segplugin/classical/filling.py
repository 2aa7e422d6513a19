"""Values for voxels that have none, so that a technique sees no edge and no object where nothing was measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

REACH = 8
"""Voxels that known values are carried on into a gap; a tile reads so many more around itself, and gives what the whole does."""
ENOUGH = 2**20
"""Voxels from which a middle value is taken."""


def middle(image: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """The median of each channel over a regular part of its known voxels, (C,); 0 where there is none.

    Examples
    --------
    >>> middle(np.array([[1.0, 7.0, 9.0, np.nan]]), np.array([True, True, True, False])).tolist()
    [7.0]
    """
    values = image.reshape(len(image), -1) if known is None else image[:, known]
    if not values.shape[1]:
        return np.zeros(len(image))
    return np.asarray(np.median(values[:, :: -(-values.shape[1] // ENOUGH)], axis=1), np.float64)


def filled(image: np.ndarray, known: np.ndarray, level: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Carry the values around each gap on into it, shell by shell, as the mean of the neighbors that have one.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    known : ([Z,] Y, X) ndarray of bool
    level : (C,) ndarray
        What stands farther than ``REACH`` voxels from any known one.
    spacing : sequence of float
        Voxel size: nearer neighbors count more.

    Returns
    -------
    (C, [Z,] Y, X) ndarray of float32

    Examples
    --------
    >>> image = np.array([[[2, np.nan, 4]]], np.float32)
    >>> filled(image, np.isfinite(image[0]), np.zeros(1), (1, 1)).tolist()
    [[[2.0, 3.0, 4.0]]]
    """
    from scipy import ndimage

    out = np.where(known, image, level.astype(np.float32).reshape(-1, *(1,) * known.ndim))
    done, left = known.copy(), ~known
    moves = [m for m in product((-1, 0, 1), repeat=known.ndim) if any(m)]
    for _ in range(REACH):
        at = np.nonzero(left & ndimage.binary_dilation(done, np.ones((3,) * known.ndim, bool)))
        if not at[0].size:
            break
        total, weight = np.zeros((len(out), at[0].size), np.float32), np.zeros(at[0].size, np.float32)
        for move in moves:
            there = tuple(np.clip(a + m, 0, n - 1) for a, m, n in zip(at, move, known.shape, strict=True))
            near = 1 / sum((m * s / spacing[-1]) ** 2 for m, s in zip(move, spacing, strict=True))
            share = done[there] * np.float32(near)
            total += np.stack([channel[there] for channel in out]) * share
            weight += share
        for channel, mean in zip(out, total / weight, strict=True):
            channel[at] = mean
        done[at], left[at] = True, False
    return out


__all__ = ["REACH", "filled", "middle"]
