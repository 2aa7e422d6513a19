"""Local thresholds: each voxel against the window around it, for uneven light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.shared.smoothing import TRUNCATE, gaussian, reach, window_shape
from napari_segplugin.classical.threshold.threshold import channel_values, find_threshold
from napari_segplugin.core.intensity.robust_range import robust_range, slow_noise
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
    smooth: float
    least: float


CALM = 2.0
"""Width of the Gaussian that an image goes through which shows hardly more than noise, where no other is asked for."""
_CLEAR = 4.0
"""Standard deviations of what is left of the noise by which a voxel has to differ from its surroundings then."""


def against_noise(sample: np.ndarray, spacing: tuple[float, ...], smooth: float) -> tuple[float, float]:
    """How wide a Gaussian an image needs, and by how much its voxels must differ from their surroundings.

    The width that was asked for and 0, but for an image that shows hardly more than noise.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(100, 5, (1, 128, 128)).astype(np.float32)
    >>> width, least = against_noise(noise, (1, 1), 0)
    >>> width, bool(2 < least < 5)
    (2.0, True)
    >>> noise[0, 40:90, 40:90] += 1000
    >>> against_noise(noise, (1, 1), 0)
    (0, 0.0)
    """
    planes = list(sample.reshape(-1, *sample.shape[-2:]))
    values = sample[np.isfinite(sample)].astype(np.float64)
    low, high = np.percentile(values, (1, 99.8))
    found = robust_range(float(low), float(high), planes)
    if not found.near_noise:
        return smooth, 0.0
    width = smooth or CALM
    calm = gaussian(sample[0], width, spacing)
    left = max(
        found.noise / (2 * np.sqrt(np.pi) * width),
        slow_noise(list(calm.reshape(-1, *calm.shape[-2:])), 4 + 2 * math.ceil(width)),
    )
    return width, _CLEAR * left


def measure(
    sample: np.ndarray, spacing: tuple[float, ...], *, floor: str, smooth: float, calm: bool = False, **_: object
) -> Range:
    """What has to be known of the whole image.

    Returns
    -------
    dict
        "low", "high": the least and the greatest value. "levels": an offset and a factor that bring values to 0 to 255,
        0 and 1 for an 8-bit image, whose median is exact. "floor": the value that the setting `floor` finds, or None.
        "smooth", "least": see :func:`against_noise`.
    """
    smooth, least = against_noise(sample, spacing, smooth) if calm else (smooth, 0.0)
    low, high = float(np.nanmin(sample[0])), float(np.nanmax(sample[0]))
    exact = sample.dtype.kind in "bu" and sample.dtype.itemsize == 1 and not smooth
    # of an image that is hardly more than noise a value for the whole would part noise, or a speck, from all the rest
    found = None if floor == "none" or least else find_threshold(channel_values(sample, smooth, spacing), floor)
    return {
        "low": low,
        "high": high,
        "levels": (0.0, 1.0) if exact else (low, 255 / (high - low)),
        "floor": found,
        "smooth": smooth,
        "least": least,
    }


def halo(settings: Mapping[str, Value], ndim: int) -> tuple[int, ...]:
    """Half of the window, and what the Gaussians see."""
    window = int(scalar(settings, "window"))
    half = int(TRUNCATE * window / SIGMAS + 0.5) if settings["method"] == "gaussian" else window // 2
    return (half + 1 + reach(scalar(settings, "smooth") or (CALM if settings["calm"] else 0)),) * ndim


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
    calm: bool = False,
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
    smooth, calm
        As asked for; what follows from them is in `measured`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    .. [1] Niblack 1986, An Introduction to Digital Image Processing, p. 115.
    .. [2] Sauvola and Pietikäinen 2000, Pattern Recognition 33(2), eq. 5.
    """
    values = gaussian(image[0], measured["smooth"], spacing)
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
        margin = (values - middle if objects == "bright" else middle - values) - max(
            contrast * spread, measured["least"]
        )
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


__all__ = ["against_noise", "halo", "local_threshold", "measure", "median", "window_moments"]
