"""Colour models of files into red, green and blue, what looks like colour or transparency and is none, and which way is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile


def from_ycbcr(page: tifffile.TiffPage, top: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function from (…, 3) YCbCr to (…, 3) red, green and blue, 0 to `top`, by the coefficients of a page."""

    def numbers(tag: str, count: int) -> list[float]:
        value = page.tags.valueof(tag)
        flat = [float(v) for v in np.ravel(value)] if value is not None else []
        if len(flat) == 2 * count:  # numerators and denominators
            flat = [a / b if b else 0.0 for a, b in zip(flat[::2], flat[1::2], strict=True)]
        return flat if len(flat) == count else []

    red, green, blue = numbers("YCbCrCoefficients", 3) or (0.299, 0.587, 0.114)
    middle = (top + 1) / 2
    low = numbers("ReferenceBlackWhite", 6) or [0, top, middle, top, middle, top]

    def convert(c: np.ndarray) -> np.ndarray:
        y = (c[..., 0] - low[0]) * top / max(low[1] - low[0], 1)
        cb = (c[..., 1] - low[2]) * (top - middle) / max(low[3] - low[2], 1)
        cr = (c[..., 2] - low[4]) * (top - middle) / max(low[5] - low[4], 1)
        r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
        return np.stack([r, (y - red * r - blue * b) / green, b], axis=-1)

    return convert


# XYZ under the white of print (D50) to the red, green and blue of screens, as in ICC's profile of sRGB
_D50_TO_RGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
_D50 = np.array([0.96422, 1.0, 0.82521])


def from_lab(c: np.ndarray, top: float, *, signed: bool) -> np.ndarray:
    """CIELab of 8 or 16 bits to sRGB."""
    ab = c[..., 1:3]
    half = (top + 1) / 2
    ab = (np.where(ab >= half, ab - top - 1, ab) if signed else ab - half) * 256 / (top + 1)
    f_y = (c[..., 0] * 100 / top + 16) / 116
    f = np.stack([f_y + ab[..., 0] / 500, f_y, f_y - ab[..., 1] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D50
    linear = np.clip(xyz @ _D50_TO_RGB.T, 0, 1)
    rgb: np.ndarray = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * top
    return rgb


def alpha_like(band: np.ndarray, colours: np.ndarray, axis: int, *, associated: bool) -> bool:
    """Whether a band that is marked as transparency looks like that: nearly all clear or opaque, or over its colours.

    Parameters
    ----------
    band : ndarray
    colours : ndarray
        With the colours along `axis`.
    axis : int
    associated : bool
        Colours were multiplied by it, so that none is brighter.
    """
    top = 1.0 if band.dtype.kind in "bf" else float(np.iinfo(band.dtype).max)
    if (band == band.flat[0]).all():
        return True
    if associated and bool((colours <= np.expand_dims(band, axis)).all()):
        return True
    return bool(np.mean((band == 0) | (band == top)) >= 0.9)


def grey_in_colours(array: np.ndarray, axis: int) -> bool:
    """Whether three channels along an axis are the same everywhere, and not all of one value: an empty tile of a slide is colour.

    Examples
    --------
    >>> ramp = np.arange(6).reshape(2, 3, 1)
    >>> grey_in_colours(ramp.repeat(3, -1), 2), grey_in_colours(np.ones((2, 3, 3)), 2)
    (True, False)
    """
    first, second, third = (np.take(array, i, axis=axis) for i in range(3))
    return bool(np.array_equal(first, second) and np.array_equal(first, third) and (first != first.flat[0]).any())


def grey_note(name: str) -> str:
    """What is said of it."""
    return f"'{name}' is gray, stored as red, green and blue of the same values; it is opened as one channel."


def upright(array: Any, orientation: int, y: int, x: int) -> Any:
    """An array as its scene is, by the number that TIFF and EXIF have for it: 1 is upright, 6 a phone held upright.

    Parameters
    ----------
    array : NumPy or dask array
    orientation : int
    y, x : int
        Its axes.

    Examples
    --------
    >>> upright(np.array([[1, 2], [3, 4]]), 6, 0, 1).tolist()
    [[3, 1], [4, 2]]
    """
    array = array.swapaxes(y, x) if orientation > 4 else array
    index = [slice(None)] * array.ndim
    index[y] = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    index[x] = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return array[tuple(index)]


def turned_note(name: str, orientation: int) -> str:
    """What is said of it."""
    return f"'{name}' is stored turned or mirrored (orientation {orientation}); it is opened upright."


__all__ = ["alpha_like", "from_lab", "from_ycbcr", "grey_in_colours", "grey_note", "turned_note", "upright"]
