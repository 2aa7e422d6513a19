"""What strokes say of a result where one thing is looked for: near them it is likely, far away it is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import BACKGROUND_PAINT, InputError


def touched_pieces(labels: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """Keep the pieces of each class that a stroke of the class touches.

    Strokes on one thing say little of what lies far away; where that thing is all that is looked for, pieces that nobody
    touched are most likely false.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int
        Class of each voxel, 0 background.
    paint : ([Z,] Y, X) ndarray of int
        Strokes: 0 not painted, otherwise a class number (values that no voxel of `labels` has do not matter).

    Returns
    -------
    ([Z,] Y, X) ndarray of int

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> touched_pieces(np.array([[1, 1, 0, 1, 0, 2]]), np.array([[0, 1, 0, 0, 0, 1]])).tolist()
    [[1, 1, 0, 0, 0, 0]]
    """
    if labels.shape != paint.shape:
        raise InputError("The strokes and the result differ in shape.", got=f"{paint.shape} and {labels.shape}")
    out = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]):
        pieces, _ = ndi.label(labels == number, np.ones((3,) * labels.ndim))
        found = np.unique(pieces[(paint == number) & (pieces > 0)])
        out[np.isin(pieces, found) & (pieces > 0)] = number
    return out


def near_strokes(
    maps: np.ndarray, paint: np.ndarray, spacing: Sequence[float], *, strength: float = 2.0, reach: float = 3.0
) -> np.ndarray:
    r"""Make a class less likely the farther its nearest stroke lies, for images in which one thing is looked for.

    .. math:: p'_k(x) \propto p_k(x) \, (d_k(x) + r)^{-s}

    with the distance `d_k` to the nearest stroke of class `k` in the finest voxel side. A class without strokes is out.

    Parameters
    ----------
    maps : (K, [Z,] Y, X) ndarray
        Class probabilities.
    paint : ([Z,] Y, X) ndarray of int
        Strokes: 0 not painted, BACKGROUND_PAINT background, otherwise a class number.
    spacing : sequence of float
        Voxel size along each axis.
    strength : float
        `s`; 0 changes nothing but classes without strokes.
    reach : float
        `r`: distance within which strokes are equally near.

    Returns
    -------
    (K, [Z,] Y, X) ndarray of float32
        Sums to 1 over the classes.

    Raises
    ------
    InputError
        If the shapes differ, or nothing is painted.

    Examples
    --------
    >>> even = np.full((2, 1, 5), 0.5)
    >>> near_strokes(even, np.array([[1, 0, 0, 0, 65535]]), (1, 1))[1].astype(float).round(2).tolist()
    [[0.84, 0.69, 0.5, 0.31, 0.16]]
    """
    if maps.shape[1:] != paint.shape:
        raise InputError("The strokes and the maps differ in shape.", got=f"{paint.shape} and {maps.shape[1:]}")
    if not paint.any():
        raise InputError("There are no strokes yet.", hint="Paint a stroke of each class.")
    size = np.asarray(spacing, float) / min(spacing)
    out = np.zeros(maps.shape, np.float32)
    for number in range(len(maps)):
        mine = paint == (number or BACKGROUND_PAINT)
        if mine.any():
            far = ndi.distance_transform_edt(~mine, sampling=size)
            out[number] = np.clip(maps[number], 1e-2, 1) * (far + reach) ** -strength
    shares: np.ndarray = out / out.sum(0)
    return shares


__all__ = ["near_strokes", "touched_pieces"]
