"""Values in which distances mean something: shares of the image's range, or CIELAB for colours."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.base import LUMINANCE


def to_lab(image: np.ndarray) -> np.ndarray:
    """CIELAB of red, green and blue, divided by 100 so that black and white lie 1 apart.

    Parameters
    ----------
    image : (3, [Z,] Y, X) ndarray of float32
        sRGB. White is 1 where no value is larger, 255 where none is larger than that, otherwise the largest value.

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
    white = 1.0 if largest <= 1 else max(255.0, largest)
    shares = np.clip(image / np.float32(white), 0, 1)
    return np.asarray(rgb2lab(shares, channel_axis=0) / 100, np.float32)


def value_range(image: np.ndarray) -> float:
    """The largest less the smallest value over all channels; 1 where all are equal.

    Examples
    --------
    >>> value_range(np.array([[2.0, 5.0]]))
    3.0
    """
    return float(image.max()) - float(image.min()) or 1.0


def comparable(image: np.ndarray, colour: str) -> tuple[np.ndarray, float]:
    """Values whose distances can be compared, and the distance that counts as 1.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    colour : str
        "lab" for CIELAB where the image has three channels; "channels" for each channel as it is.

    Returns
    -------
    values : (C, [Z,] Y, X) ndarray of float32
    unit : float
        The range of the image, or that of lightness in CIELAB.
    """
    if colour == "lab" and image.shape[0] == 3:
        return to_lab(image), 1.0
    return image, value_range(image)


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


__all__ = ["comparable", "gray", "to_lab", "value_range"]
