"""Gaussian and flat windows that are as wide in space along every axis, and give the same on a tile as on the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from napari_segplugin.core.parameters import Value
from napari_segplugin.core.types import scalar

TRUNCATE = 4.0
"""A Gaussian ends after this many sigmas."""


def gaussian(image: np.ndarray, sigma: float, spacing: Sequence[float]) -> np.ndarray:
    """One channel after a Gaussian.

    Parameters
    ----------
    image : ([Z,] Y, X) ndarray
    sigma : float
        In voxels along X; as wide in space along the other axes. 0 gives the image back.
    spacing : sequence of float

    Returns
    -------
    ([Z,] Y, X) ndarray
        float32 where something was done.
    """
    if sigma <= 0:
        return image
    widths = [sigma * spacing[-1] / s for s in spacing]
    values = image.astype(np.float32, copy=False)
    return np.asarray(ndimage.gaussian_filter(values, widths, mode="nearest", truncate=TRUNCATE))


def reach(sigma: float) -> int:
    """Voxels along X that a Gaussian of this sigma sees on each side."""
    return int(TRUNCATE * sigma + 0.5)


def smooth_halo(settings: Mapping[str, Value], ndim: int) -> tuple[int, ...]:
    """What a technique sees whose only window is the setting "smooth"."""
    return (reach(scalar(settings, "smooth")),) * ndim


def window_shape(window: float, spacing: Sequence[float]) -> tuple[int, ...]:
    """An odd number of voxels along each axis for a window of `window` voxels along X.

    Examples
    --------
    >>> window_shape(50, (2.0, 1.0, 1.0))
    (25, 51, 51)
    """
    halves = (int(window / 2 * spacing[-1] / s + 1e-6) for s in spacing)
    return tuple(2 * half + 1 for half in halves)


__all__ = ["TRUNCATE", "gaussian", "reach", "smooth_halo", "window_shape"]
