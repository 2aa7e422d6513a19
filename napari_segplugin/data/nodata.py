"""Pixels without data, because a file says so or they are NaN: they have no range, teach nothing, and nothing is found there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Image, InputError, Normalisation, Region, Sample, labels_in, without_nodata
from napari_segplugin.core.types import Array, Index
from napari_segplugin.data.normalise import statistics

if TYPE_CHECKING:
    import zarr

_PIECE = 2**24
"""Pixels that are looked at once."""


class KnownArray:
    """An array whose pixels without data are NaN when they are read, for what averages neighbors before it looks at them.

    Parameters
    ----------
    array : array
    axes : str
    nodata : float
        As of :attr:`napari_segplugin.core.Image.nodata`.

    Examples
    --------
    >>> KnownArray(np.array([[5, 0]], np.uint8), "YX", 0.0)[:, :].tolist()
    [[5.0, nan]]
    """

    def __init__(self, array: Array, axes: str, nodata: float) -> None:
        self._array, self._axes, self._nodata = array, axes, nodata
        self.shape = tuple(int(n) for n in array.shape)
        self.dtype, self.ndim = np.result_type(array.dtype, np.float32), len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        left = "".join(a for a, i in zip(self._axes, given, strict=False) if not isinstance(i, int))
        left += self._axes[len(given) :]
        # a band read alone is looked at alone
        return without_nodata(np.asarray(self._array[index]), self._nodata, left.find("C"))


def known_array(image: Image) -> Array:
    """The array of an image, with NaN where it has no data.

    Examples
    --------
    >>> array = np.zeros((8, 9))
    >>> known_array(Image(array, "YX")) is array
    True
    """
    return image.array if image.nodata is None else KnownArray(image.array, image.axes, image.nodata)


def absent(image: Image, region: Region | None = None, frame: int = 0) -> np.ndarray | None:
    """Where no band of a region has data; None where the file names no value for it and all values are numbers.

    Parameters
    ----------
    image : Image
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; everything by default.
    frame : int

    Returns
    -------
    ([Z,] Y, X) ndarray of bool, or None

    Examples
    --------
    >>> absent(Image(np.array([[0, 7]]), "YX", metadata={"nodata": 0})).tolist()
    [[True, False]]
    """
    if not may_lack(image):
        return None
    values = image.read(region, frame)
    with np.errstate(over="ignore", invalid="ignore"):
        if image.nodata is None and not np.isnan(values.sum()):  # the quickest look
            return None
    found: np.ndarray = np.isnan(values).all(axis=0)
    return found if image.nodata is not None or found.any() else None


def may_lack(image: Image) -> bool:
    """Whether pixels may have no data: the file names a value for it, or they may be NaN."""
    return image.nodata is not None or np.dtype(image.array.dtype).kind == "f"


def only_known(sample: Sample) -> Sample:
    """A sample that teaches nothing where its image has no data.

    Examples
    --------
    >>> image = Image(np.array([[np.nan, 7]]), "YX")
    >>> only_known(Sample(image, np.ones((1, 2), int))).known.tolist()
    [[False, True]]
    """
    lost = absent(sample.image)
    if lost is None or not lost.any():
        return sample
    known = ~lost if sample.known is None else sample.known & ~lost
    shape_known = None if sample.shape_known is None else sample.shape_known & ~lost
    return replace(sample, known=known, shape_known=shape_known)


def known_range(image: Image) -> tuple[float, float] | None:
    """The smallest and the largest value of what has data, for its display.

    Parameters
    ----------
    image : Image
        Of a large one a sample is looked at.

    Returns
    -------
    (float, float), or None
        None where the file names no value for pixels without data, or nothing else is there.

    Examples
    --------
    >>> known_range(Image(np.array([[-9999, 3, 8]]), "YX", metadata={"nodata": -9999}))
    (3.0, 8.0)
    """
    if image.nodata is None:
        return None
    try:
        found = statistics(image, Normalisation(low=0, high=100, rule="percentiles"))
    except InputError:
        return None
    low, high = float(found.low.min()), float(found.high.max())
    return (low, high) if low < high else None


def clear_nodata(labels: np.ndarray | zarr.Array, image: Image, region: Region) -> set[int] | None:
    """Set labels to 0 where the image has no data, piece by piece.

    Parameters
    ----------
    labels : array of int, axes [T,] [Z,] Y, X
        Of the region; changed in place.
    image : Image
    region : tuple of slice
        A slice with both ends for each of Z, Y, X that the image has.

    Returns
    -------
    set of int, or None
        The labels that are left; None where nothing is changed.

    Examples
    --------
    >>> labels = np.array([[3, 4]])
    >>> clear_nodata(labels, Image(np.array([[0, 7]]), "YX", metadata={"nodata": 0}), (slice(0, 1), slice(0, 2)))
    {4}
    >>> labels.tolist()
    [[0, 4]]
    """
    if not may_lack(image):
        return None
    changed = False
    for index, piece, frame in _places(image, region):
        lost = absent(image, piece, frame)
        if lost is None or not lost.any():
            continue
        part = np.asarray(labels[index])
        if part[lost].any():
            labels[index] = np.where(lost, 0, part).astype(part.dtype)
            changed = True
    if not changed:
        return None
    return set[int]().union(*(labels_in(np.asarray(labels[index])).tolist() for index, _, _ in _places(image, region)))


def _places(image: Image, region: Region) -> Iterator[tuple[tuple[int | slice, ...], Region, int]]:
    """The pieces of a region in every frame: where each lies in its labels, and in the image."""
    for frame in range(image.n_frames):
        for piece in _pieces(region):
            at = tuple(slice(p.start - r.start, p.stop - r.start) for p, r in zip(piece, region, strict=True))
            yield ((frame, *at) if "T" in image.axes else at), piece, frame


def _pieces(region: Region) -> Iterator[Region]:
    """The region in slabs along its first axis."""
    first, *rest = region
    step = max(1, _PIECE // math.prod(s.stop - s.start for s in rest))
    for start in range(first.start, first.stop, step):
        yield (slice(start, min(start + step, first.stop)), *rest)
