"""Bring outlines to the half height of each object's own brightness."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.cleanup.steps import pieces
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.core import InputError


def tighten(
    labels: np.ndarray,
    *,
    spacing: tuple[float, ...],
    objects: bool,
    image: np.ndarray | None = None,
    share: float = 0.5,
    top: float = 0.75,
    smooth: float = 1.0,
) -> np.ndarray:
    """Keep the voxels of each object that are nearer to its own brightness than to the background's.

    One value for the whole image draws bright objects too wide and dim ones too narrow. A blurred edge lies where the
    brightness is halfway between both sides, so a mask that holds all of an object is cut there, object by object. Objects
    darker than the background are cut likewise.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    image : (1, [Z,] Y, X) ndarray of float32
    share : float
        How far up from the background's median (0) to the object's brightness (1) the outline lies.
    top : float
        The quantile of the object's values that is its brightness.
    smooth : float
        Sigma of a Gaussian over the image before, in voxels along X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    Raises
    ------
    InputError
        If there is no image.

    Examples
    --------
    >>> image = np.array([[[0, 0, 3, 8, 10, 10]]], np.float32)
    >>> labels = np.array([[0, 0, 1, 1, 1, 1]], np.int32)
    >>> tighten(labels, spacing=(1, 1), objects=True, image=image, smooth=0).tolist()
    [[0, 0, 0, 1, 1, 1]]
    """
    if image is None:
        raise InputError("Tightening needs the image.", hint="Use it after a technique.")
    values = gaussian(image[0], smooth, spacing)
    inside = labels > 0
    if not inside.any():
        return labels
    around = values[~inside]
    background = float(np.median(around)) if around.size else float(values.min())
    numbers = pieces(labels, objects)[inside]
    heights = values[inside] - background
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    limits = np.zeros(int(numbers.max()) + 1, np.float32)
    signs = np.ones(len(limits), np.float32)
    for part in np.split(order, starts[1:]):
        of = heights[part]
        number = numbers[part[0]]
        signs[number] = 1 if np.median(of) >= 0 else -1
        limits[number] = share * np.quantile(of * signs[number], top)
    kept = heights * signs[numbers] > limits[numbers]
    done = np.zeros_like(labels)
    done[inside] = np.where(kept, labels[inside], 0)
    return done


__all__ = ["tighten"]
