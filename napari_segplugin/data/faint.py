"""Objects that do not stand out from the noise: looked for where an image shows hardly more than noise."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Image, Region
from napari_segplugin.data.normalise import Statistics, held

CLEAR = 2.0
"""An object differs from what lies around it by at least so many standard deviations of the noise."""
_RING = (2.5, 7.0)
"""The surroundings of an object, in pixels from its outline."""
_ROWS = 2**22


class Writable(Protocol):
    """Labels that are read and written by region."""

    def __getitem__(self, region: Region, /) -> np.ndarray: ...

    def __setitem__(self, region: Region, values: np.ndarray, /) -> None: ...


class Contrast:
    """Mean of each object and of the ring around it, gathered piece by piece.

    Examples
    --------
    >>> labels = np.zeros((32, 32), int)
    >>> labels[10:20, 10:20] = 3
    >>> found = Contrast()
    >>> for part in pieces((slice(0, 32), slice(0, 32))):
    ...     found.take(labels, np.where(labels, 5.0, 1.0)[None], part)
    >>> found.faint(np.array([1.0])), found.faint(np.array([3.0]))
    ([], [3])
    """

    def __init__(self) -> None:
        self._sums: dict[int, np.ndarray] = {}

    def take(self, labels: np.ndarray, values: np.ndarray, inner: tuple[slice, slice]) -> None:
        """Take in a piece of a plane.

        Parameters
        ----------
        labels : (Y, X) ndarray of int
            The piece with a rim.
        values : (C, Y, X) ndarray
        inner : (slice, slice)
            The piece without the rim.
        """
        if not labels.any():
            return
        distance, nearest = ndi.distance_transform_edt(labels == 0, return_indices=True)
        ring = (distance > _RING[0]) & (distance <= _RING[1])
        owner = labels[tuple(nearest)]
        fine = np.isfinite(values).all(0) if values.dtype.kind == "f" else np.ones(labels.shape, bool)
        for column, mask in ((0, labels > 0), (1, ring)):
            chosen = (mask & fine)[inner]
            numbers, at = np.unique(owner[inner][chosen], return_inverse=True)
            counts = np.bincount(at, minlength=len(numbers))
            sums = [np.bincount(at, v[inner][chosen].astype(np.float64), len(numbers)) for v in values]
            for i, number in enumerate(numbers.tolist()):
                row = self._sums.setdefault(number, np.zeros((2, 1 + len(values))))
                row[column] += (counts[i], *(s[i] for s in sums))

    def faint(self, noise: np.ndarray) -> list[int]:
        """Objects that stand out in no channel; those without surroundings are not judged."""
        found = []
        for number, (inside, around) in self._sums.items():
            if inside[0] and around[0]:
                contrast = np.abs(inside[1:] / inside[0] - around[1:] / around[0])
                if (contrast < CLEAR * noise).all():
                    found.append(number)
        return sorted(found)


def pieces(plane: tuple[slice, slice]) -> Iterator[tuple[slice, slice]]:
    """A plane in strips of a size that depends on nothing but its width."""
    rows, columns = plane
    step = max(64, _ROWS // (columns.stop - columns.start))
    for start in range(rows.start, rows.stop, step):
        yield slice(start, min(start + step, rows.stop)), columns


def clear_faint(
    labels: Writable, image: Image, region: Region, frame: int, stats: Statistics, but: Collection[int] = ()
) -> list[int]:
    """Set objects to 0 that do not stand out from the noise; of a volume plane by plane they are looked at.

    Parameters
    ----------
    labels : ([Z,] Y, X) array of int
        Addressed as the image is; changed in place.
    image : Image
    region : tuple of slice
        A slice with both ends for each of Z, Y, X that the image has.
    frame : int
    stats : Statistics
        Of the frame, with its noise.
    but : collection of int
        Labels that are no objects.

    Returns
    -------
    list of int
        The labels that are gone.
    """
    gone: list[int] = []
    noise = np.zeros(image.n_channels) if stats.noise is None else stats.noise
    while True:  # those in a crowd have surroundings only when others are gone
        faint = [n for n in _contrast(labels, image, region, frame, stats).faint(noise) if n not in but]
        if not faint:
            return gone
        gone += faint
        for z, strip in _strips(region):
            found = np.asarray(labels[(*z, *strip)])
            lost = np.isin(found, faint)
            if lost.any():
                labels[(*z, *strip)] = np.where(lost, 0, found).astype(found.dtype)


def _contrast(labels: Writable, image: Image, region: Region, frame: int, stats: Statistics) -> Contrast:
    contrast, rim = Contrast(), int(np.ceil(_RING[1])) + 1
    for z, (rows, columns) in _strips(region):
        low, high = max(region[-2].start, rows.start - rim), min(region[-2].stop, rows.stop + rim)
        part = (*z, slice(low, high), columns)
        found = np.asarray(labels[part]).reshape(high - low, -1)
        values = held(image.read(part, frame).reshape(image.n_channels, *found.shape), stats)
        contrast.take(found, values, (slice(rows.start - low, rows.stop - low), slice(None)))
    return contrast


def _strips(region: Region) -> Iterator[tuple[tuple[slice, ...], tuple[slice, slice]]]:
    planes: list[tuple[slice, ...]] = [()]
    if len(region) == 3:
        planes = [(slice(z, z + 1),) for z in range(region[0].start, region[0].stop)]
    for z in planes:
        for strip in pieces((region[-2], region[-1])):
            yield z, strip


__all__ = ["CLEAR", "Contrast", "clear_faint", "pieces"]
