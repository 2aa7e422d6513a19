"""Local thresholds: each voxel against the window around it, for uneven light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.shared.smoothing import TRUNCATE, gaussian, reach, window_shape
from napari_segplugin.classical.threshold.threshold import channel_values, find_threshold
from napari_segplugin.core.parameters import Value
from napari_segplugin.core.types import scalar

SIGMAS = 6.0
"""A Gaussian window of this many sigmas is taken for a window of that size, as in scikit-image."""
HAIR = 1e-6
"""Share of the image's range by which a voxel must pass the threshold: rounding must not speak in flat parts."""


class Range(TypedDict):
    """What :func:`measure` gives."""

    low: float
    high: float
    levels: tuple[float, float]
    floor: float | None


def measure(sample: np.ndarray, spacing: tuple[float, ...], *, floor: str, smooth: float, **_: object) -> Range:
    """What has to be known of the whole image.

    Returns
    -------
    dict
        "low", "high": the least and the greatest value. "levels": an offset and a factor that bring values to 0 to 255,
        0 and 1 for an 8-bit image, whose median is exact. "floor": the value that the setting `floor` finds, or None.
    """
    low, high = float(np.nanmin(sample[0])), float(np.nanmax(sample[0]))
    exact = sample.dtype.kind in "bu" and sample.dtype.itemsize == 1 and not smooth
    found = None if floor == "none" else find_threshold(channel_values(sample, smooth, spacing), floor)
    return {"low": low, "high": high, "levels": (0.0, 1.0) if exact else (low, 255 / (high - low)), "floor": found}


def halo(settings: Mapping[str, Value], ndim: int) -> tuple[int, ...]:
    """Half of the window, and what the Gaussians see."""
    window = int(scalar(settings, "window"))
    half = int(TRUNCATE * window / SIGMAS + 0.5) if settings["method"] == "gaussian" else window // 2
    return (half + 1 + reach(scalar(settings, "smooth")),) * ndim


def local_threshold(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: Range,
    method: str = "gaussian",
    window: int = 51,
    contrast: float = 0.05,
    floor: str = "none",
    k: float = 0.2,
    objects: str = "bright",
    smooth: float = 0.0,
) -> np.ndarray:
    """Voxels that are brighter (or darker) than their surroundings.

    With m and s the mean and standard deviation of a window, v the value, and R half of the range of the image:

    * gaussian, mean, median: v > m + contrast · range (dark: v < m - contrast · range)
    * niblack: v > m + k s (dark: v < m - k s) [1]_
    * sauvola: dark: v < m (1 + k (s / R - 1)) [2]_; bright: the same after turning the range of the image around, since
      the rule is made for dark objects

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        A window is as wide in space along every axis.
    measured : mapping
        Of :func:`measure`.
    method : str
    window : int
        Voxels along X.
    contrast : float
        Share of the range of the image. Of gaussian, mean and median.
    floor : str
        Method of a value for the whole image that voxels must be beyond too, or "none".
    k : float
        Of niblack and sauvola.
    objects : str
    smooth : float

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    .. [1] Niblack 1986, An Introduction to Digital Image Processing, p. 115.
    .. [2] Sauvola and Pietikäinen 2000, Pattern Recognition 33(2), eq. 5.
    """
    values = gaussian(image[0], smooth, spacing)
    spread = measured["high"] - measured["low"]
    if method in ("niblack", "sauvola"):
        # counted from the darkest voxel: squares of small numbers keep their digits
        turned = objects == "bright" and method == "sauvola"
        level = measured["high"] - values if turned else values - np.float32(measured["low"])
        mean, deviation = window_moments(level, window_shape(window, spacing))
        if method == "sauvola":
            # the rule knows absolute values: zero is black
            black = 0.0 if turned else measured["low"]
            margin = (mean + black) * (1 + k * (deviation / (spread / 2) - 1)) - black - level
        else:
            margin = (level - mean if objects == "bright" else mean - level) - k * deviation
    else:
        middle = _middle(values, method, window, spacing, measured["levels"])
        margin = (values - middle if objects == "bright" else middle - values) - contrast * spread
    found = margin > HAIR * spread
    if measured["floor"] is not None:
        found &= values > measured["floor"] if objects == "bright" else values <= measured["floor"]
    return np.asarray(found).astype(np.int32)


def _middle(
    values: np.ndarray, method: str, window: int, spacing: tuple[float, ...], levels: tuple[float, float]
) -> np.ndarray:
    """Mean, weighted mean or median of the window around each voxel."""
    if method == "gaussian":
        return gaussian(values, window / SIGMAS, spacing)
    shape = window_shape(window, spacing)
    if method == "mean":
        return np.asarray(ndimage.uniform_filter(values, shape, output=np.float64, mode="nearest"))
    return median(values, shape, levels)


def median(values: np.ndarray, shape: tuple[int, ...], levels: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    """The median of a window, to the nearest of 256 levels: a running histogram is many times faster than sorting.

    Parameters
    ----------
    values : ([Z,] Y, X) ndarray
    shape : tuple of int
        Odd lengths of the window.
    levels : tuple of float
        Offset and factor that bring the values to 0 to 255.

    Returns
    -------
    ([Z,] Y, X) ndarray of float32
    """
    from skimage.filters import rank

    offset, factor = levels
    counted = np.rint((values - np.float32(offset)) * np.float32(factor)).clip(0, 255).astype(np.uint8)
    # the running histogram stops at the border of the image; the padding repeats the border, as elsewhere here
    padded = np.pad(counted, [(s // 2, s // 2) for s in shape], mode="edge")
    inner = tuple(slice(s // 2, s // 2 + n) for s, n in zip(shape, values.shape, strict=True))
    found = np.asarray(rank.median(padded, np.ones(shape, np.uint8)))[inner]
    return found.astype(np.float32) / np.float32(factor) + np.float32(offset)


def window_moments(values: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the window around each voxel, float64.

    Examples
    --------
    >>> mean, deviation = window_moments(np.array([[0.0, 3.0, 0.0]]), (1, 3))
    >>> float(mean[0, 1]), round(float(deviation[0, 1]), 3)
    (1.0, 1.414)
    """
    mean = np.asarray(ndimage.uniform_filter(values, shape, output=np.float64, mode="nearest"))
    squares = np.square(values, dtype=np.float64)
    squares = np.asarray(ndimage.uniform_filter(squares, shape, output=squares, mode="nearest"))
    squares -= mean * mean
    return mean, np.sqrt(np.maximum(squares, 0, out=squares), out=squares)


__all__ = ["halo", "local_threshold", "measure", "median", "window_moments"]
