"""Bright and dark exchanged: how an image is seen by a model that learnt the opposite contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_segplugin.core import Image, Normalisation
from napari_segplugin.core.types import Array, Index
from napari_segplugin.data.nodata import known_array


class InvertedArray:
    """An array with its values in the opposite order, made piece by piece; twice gives the same values again.

    Whole numbers and booleans have every bit exchanged, so the type and the distances between values stay; other numbers
    change their sign, and NaN stays NaN.

    Parameters
    ----------
    array : array-like
    nodata : float, optional
        A number that stands for "no data": no value becomes this number.

    Examples
    --------
    >>> InvertedArray(np.array([[0, 5, 255]], np.uint8))[:, :].tolist()
    [[255, 250, 0]]
    >>> InvertedArray(np.array([[-1.5, np.nan]]))[:, :].tolist()
    [[1.5, nan]]
    """

    def __init__(self, array: Array, nodata: float | None = None) -> None:
        self._array, self._nodata = array, nodata
        self.shape = tuple(int(n) for n in array.shape)
        self.dtype, self.ndim = np.dtype(array.dtype), len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        part = np.asarray(self._array[index])
        found: np.ndarray = np.invert(part) if part.dtype.kind in "bui" else np.negative(part)
        if self._nodata is not None:  # the array is of floats then, see :func:`known_array`
            taken = np.asarray(self._nodata, found.dtype)
            found = np.where(found == taken, np.nextafter(taken, found.dtype.type(np.inf)), found)
        return found


def inverted(image: Image) -> Image:
    """The image with bright and dark exchanged; nothing is read yet.

    Parameters
    ----------
    image : Image

    Returns
    -------
    Image
        With the same axes, place and metadata. Of an image with a `nodata` it is of floats, NaN where that stands.

    Examples
    --------
    >>> inverted(Image(np.array([[1, 7]], np.uint8), "YX")).read().tolist()
    [[[254, 248]]]
    """
    whole = None if image.whole is None else inverted(image.whole)
    return replace(image, array=InvertedArray(known_array(image), image.nodata), whole=whole)


def inverted_rule(normalisation: Normalisation, dtype: np.dtype) -> Normalisation:
    """How the intensities of the inverted image are read; other than before only where fixed values become 0 and 1.

    Parameters
    ----------
    normalisation : Normalisation
    dtype : dtype
        Of the image.

    Examples
    --------
    >>> inverted_rule(Normalisation(rule="values", values=((-100.0, 300.0),)), np.dtype("int16")).values
    ((-301.0, 99.0),)
    """
    dtype = np.dtype(dtype)
    total = 0.0
    if dtype.kind in "bui":  # what a value and the inverted value add up to
        total = 1.0 if dtype.kind == "b" else float(np.iinfo(dtype).max) + float(np.iinfo(dtype).min)
    return replace(normalisation, values=tuple((total - high, total - low) for low, high in normalisation.values))


__all__ = ["InvertedArray", "inverted", "inverted_rule"]
