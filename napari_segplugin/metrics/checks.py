"""What the metrics accept: whole-number labels of one shape, masks, a voxel size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import InputError
from napari_segplugin.core.words import pixel


def label_pair(truth: ArrayLike, prediction: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of bool or whole numbers >= 0 with one shape.

    Raises
    ------
    InputError
        If the shapes differ, there is no axis, values are not whole numbers, or a label is negative.
    """
    pair = np.asarray(truth), np.asarray(prediction)
    got = f"truth {pair[0].shape} {pair[0].dtype}, prediction {pair[1].shape} {pair[1].dtype}"
    if pair[0].shape != pair[1].shape:
        raise InputError(
            "Ground truth and prediction differ in shape.", got=got, hint="Compare the same part of the same image."
        )
    if pair[0].ndim == 0:
        raise InputError("A single number is not a label image.", got=got, accepted="arrays with at least one axis")
    if any(a.dtype.kind not in "bui" for a in pair):
        raise InputError(
            "Labels must be whole numbers.",
            got=got,
            accepted="bool and integer arrays",
            hint="Convert probabilities into labels first.",
        )
    if any(a.dtype.kind == "i" and a.size and a.min() < 0 for a in pair):
        raise InputError("Labels cannot be negative.", got=got, hint="Mark unknown pixels by a mask, not by -1.")
    return pair


def mask_pair(truth: ArrayLike, prediction: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as boolean arrays of one shape, True where a label is not 0; raises like :func:`label_pair`."""
    one, other = label_pair(truth, prediction)
    return one.astype(bool, copy=False), other.astype(bool, copy=False)


def known_mask(known: ArrayLike | None, shape: tuple[int, ...], word: str = "known") -> np.ndarray | None:
    """The mask as a boolean array of `shape`, or None.

    Raises
    ------
    InputError
        If it has another shape or is not of bool.
    """
    if known is None:
        return None
    mask = np.asarray(known)
    if mask.shape != shape or mask.dtype != bool:
        raise InputError(
            f"The mask '{word}' does not fit the labels.",
            got=f"{mask.dtype} {mask.shape} for labels of {shape}",
            accepted="a bool array of the labels' shape",
        )
    return mask


def voxel_size(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """One positive number for each of `ndim` axes; 1 where `spacing` is None.

    Raises
    ------
    InputError
        If the count is wrong or a number is not positive.
    """
    size = (1.0,) * ndim if spacing is None else tuple(float(s) for s in spacing)
    if len(size) != ndim or not all(np.isfinite(s) and s > 0 for s in size):
        raise InputError(
            f"The {pixel(ndim)} size does not fit the labels.",
            got=f"{size} for {ndim} axes",
            accepted="one positive number for each axis, in the order of the array",
        )
    return size
