"""Values in which distances mean something: shares of the image's range, or CIELAB for colours."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.base import LUMINANCE

LOW, HIGH = 1.0, 99.8
"""Percentiles between which nearly all values lie."""
FEW = 64
"""Voxels that say nothing of an image: hot pixels, specks."""
SMALL = 512
"""Values of which no share is a few: their ends are the least and the greatest."""
NOISE = 6.0
"""Standard deviations from the median within which there is nothing but noise."""


def to_lab(image: np.ndarray) -> np.ndarray:
    """CIELAB of red, green and blue, divided by 100 so that black and white lie 1 apart.

    Parameters
    ----------
    image : (3, [Z,] Y, X) ndarray of float32
        sRGB. White is 1 where no value is larger, 255 where none is larger than that, otherwise the upper end of the values.

    Returns
    -------
    (3, [Z,] Y, X) ndarray of float32

    Examples
    --------
    >>> to_lab(np.full((3, 1, 1), 255, np.float32)).ravel().round(3).tolist()
    [1.0, -0.0, 0.0]
    """
    from skimage.color import rgb2lab

    largest = float(image.max())
    if largest > 255:
        largest = value_ends(image)[1]
    white = 1.0 if largest <= 1 else max(255.0, largest)
    shares = np.clip(image / np.float32(white), 0, 1)
    return np.asarray(rgb2lab(shares, channel_axis=0) / 100, np.float32)


def value_ends(image: np.ndarray, known: np.ndarray | None = None) -> tuple[float, float]:
    """Where the values of an image begin and end, over all channels, whatever a few single voxels say.

    From the 1st to the 99.8th percentile. Where such an end is no farther from the median than noise is, objects may still
    lie beyond, few in a large field: it is then carried on to what more than ``FEW`` voxels have together with a neighbor.
    Of fewer than ``SMALL`` values it is the least and the greatest.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; everywhere by default.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> field = np.tile(np.arange(100.0), (1, 200, 2))
    >>> field[0, 7, 7] = 60000
    >>> low, high = value_ends(field)
    >>> round(low), round(high)
    (1, 99)
    """
    values = image.ravel() if known is None else image[:, known].ravel()
    if values.size < SMALL:
        return float(values.min()), float(values.max())
    low, dark, mid, light, high = (float(v) for v in np.percentile(values, (LOW, 15.9, 50, 84.1, HIGH)))
    at = min(FEW, values.size - 1)
    if high - mid <= NOISE * (mid - dark):
        dim = _with_neighbors(image, np.minimum)
        high = max(high, float(np.partition(dim.ravel() if known is None else dim[:, known].ravel(), -1 - at)[-1 - at]))
    if mid - low <= NOISE * (light - mid):
        bright = _with_neighbors(image, np.maximum)
        low = min(low, float(np.partition(bright.ravel() if known is None else bright[:, known].ravel(), at)[at]))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return low, high


def _with_neighbors(image: np.ndarray, combine: np.ufunc) -> np.ndarray:
    """The least (greatest) of each voxel and the next along Y and X, the same shape."""
    out = image.copy()
    combine(out[..., :-1, :], out[..., 1:, :], out=out[..., :-1, :])
    combine(out[..., :-1], out[..., 1:], out=out[..., :-1])
    return out


def value_range(image: np.ndarray, known: np.ndarray | None = None) -> float:
    """The length of :func:`value_ends`; 1 where all values are equal.

    Examples
    --------
    >>> value_range(np.array([[2.0, 2.0, 5.0, 5.0]]))
    3.0
    """
    low, high = value_ends(image, known)
    return high - low or 1.0


def comparable(image: np.ndarray, colour: str, known: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Values whose distances can be compared, and the distance that counts as 1.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    colour : str
        "lab" for CIELAB where the image has three channels; "channels" for each channel as it is.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values.

    Returns
    -------
    values : (C, [Z,] Y, X) ndarray of float32
    unit : float
        The range of the image, or that of lightness in CIELAB.
    """
    if colour == "lab" and image.shape[0] == 3:
        return to_lab(image), 1.0
    return image, value_range(image, known)


def gray(image: np.ndarray) -> np.ndarray:
    """One value a voxel: the channel, the luminance of three, or the mean of any other number.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32

    Returns
    -------
    ([Z,] Y, X) ndarray of float32

    Examples
    --------
    >>> gray(np.array([[[2.0]], [[4.0]]], np.float32)).tolist()
    [[3.0]]
    """
    if len(image) == 1:
        return np.asarray(image[0])
    weights = np.full(len(image), 1 / len(image)) if len(image) != 3 else np.array(LUMINANCE)
    return np.tensordot(weights.astype(np.float32), image, 1)


__all__ = ["comparable", "gray", "to_lab", "value_ends", "value_range"]
