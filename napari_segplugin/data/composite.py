"""Three bands of an image as colors to look at, whatever their type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segplugin.core import Image, InputError, Normalisation
from napari_segplugin.data.channels import named
from napari_segplugin.data.normalise import apply, statistics

_SHOWN = Normalisation(low=2.0, high=98.0, clip=0.0)
"""Percentiles of each band that become black and white."""


def band_names(image: Image) -> tuple[str, ...]:
    """Names of the bands, as the file says, or "band 1" and so on.

    Examples
    --------
    >>> band_names(Image(np.zeros((2, 8, 9)), "CYX", metadata={"bands": ["red", ""]}))
    ('red', 'band 2')
    """
    return named(image, image.metadata.get("bands"), "band")


def usual_bands(image: Image) -> tuple[int, int, int]:
    """The bands that are shown as red, green and blue unless somebody chooses: those of these names, or the first.

    Examples
    --------
    >>> names = ["blue", "green", "red", "nir"]
    >>> usual_bands(Image(np.zeros((4, 8, 9)), "CYX", metadata={"bands": names}))
    (2, 1, 0)
    """
    names = [n.lower() for n in band_names(image)]
    found = [names.index(color) if color in names else -1 for color in ("red", "green", "blue")]
    if min(found) >= 0:
        return found[0], found[1], found[2]
    last = image.n_channels - 1
    return 0, min(1, last), min(2, last)


def composite(image: Image, bands: Sequence[int]) -> np.ndarray:
    """Bands as red, green and blue.

    Each is stretched from its 2nd to its 98th percentile, but for numbers of 8 bits, which are shown as they are. Black where
    there is no data.

    Parameters
    ----------
    image : Image
        Without an axis T.
    bands : sequence of int
        Three of its channels, from 0.

    Returns
    -------
    (3, [Z,] Y, X) ndarray of uint8

    Raises
    ------
    InputError
        If there are not three, or the image has no such channel.

    Examples
    --------
    >>> array = np.arange(4 * 6).reshape(4, 2, 3).astype(np.uint16)
    >>> composite(Image(array, "CYX"), (3, 3, 0)).shape
    (3, 2, 3)
    """
    if len(bands) != 3 or not all(0 <= b < image.n_channels for b in bands):
        raise InputError(
            "Three bands are shown as red, green and blue.",
            got=f"{list(bands)}",
            accepted=f"three numbers from 0 to {image.n_channels - 1}",
        )
    part = np.stack([_one(image, band) for band in bands])
    if image.nodata is not None:
        part[:, np.isnan(image.read()).all(axis=0)] = 0
    return part


def _one(image: Image, band: int) -> np.ndarray:
    """A band, ([Z,] Y, X) uint8."""
    array, axes = image.array, image.axes
    if "C" in axes:
        at = axes.index("C")
        array, axes = array[(slice(None),) * at + (band,)], axes.replace("C", "")
    single = replace(image, array=np.asarray(array), axes=axes, whole=None)
    dtype = np.dtype(array.dtype)
    if dtype in (np.uint8, np.bool_):
        values = replace(single, metadata={}).read()[0]
        return np.array(values * np.uint8(255) if dtype == np.bool_ else values)
    shown = apply(single.read(), statistics(single, _SHOWN))[0]
    return np.asarray(np.rint(shown * 255).astype(np.uint8))
