"""Look at an image larger or smaller than it is: for objects of another size than the network was made for.

Two small nuclei that touch are parted by less than a voxel; on the enlarged image there is room for the gap between them.
The enlarged image is never held: pieces of it are made when they are read, so tiles, memory and cancelling stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import zarr

from napari_segplugin.core import Image, InputError, ObjectTable, Region, Segmentation, Task
from napari_segplugin.core.types import Array, Index, Json
from napari_segplugin.data.learnt import diameters
from napari_segplugin.data.nodata import known_array
from napari_segplugin.engine.stores import Stored, label_array

LEAST, MOST = 0.25, 4.0
_ROWS = 1024
SMALL = ((11.0, 2.0), (13.0, 1.5))
"""Objects whose middle width in voxels lies below the first number gain from being looked at this many times larger."""


@dataclass(frozen=True)
class _Axis:
    """Resampling of one axis by a triangle as wide as the coarser of both grids (linear where it enlarges)."""

    before: int
    after: int

    def window(self, start: int, stop: int) -> tuple[int, int]:
        """The voxels that the new voxels `start` to `stop` look at."""
        step = self.before / self.after
        wide = max(1.0, step)
        return max(0, math.floor((start + 0.5) * step - 0.5 - wide)), min(
            self.before, math.ceil((stop - 0.5) * step - 0.5 + wide) + 1
        )

    def taps(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """For each new voxel the old ones that it looks at, counted from the window, and their weights, each (taps, new).

        As many for every voxel and in one order, so that a piece has the same bits as the whole.
        """
        step = self.before / self.after
        wide = max(1.0, step)
        centre = np.clip((np.arange(start, stop) + 0.5) * step - 0.5, 0, self.before - 1)
        at = np.floor(centre - wide).astype(np.int64) + np.arange(1, math.floor(2 * wide) + 2)[:, None]
        weight = np.maximum(1 - np.abs(centre - at) / wide, 0) * ((at >= 0) & (at < self.before))
        low, high = self.window(start, stop)
        total = np.add.reduce(weight, 0)
        return (at - low).clip(0, high - low - 1), np.asarray(weight / total, np.float32)

    def apply(self, part: np.ndarray, at: int, start: int, stop: int) -> np.ndarray:
        """The new voxels `start` to `stop` of axis `at`, from what lies in their window."""
        part = np.moveaxis(part, at, -1)
        found = np.zeros((*part.shape[:-1], stop - start), np.float32)
        places, weights = self.taps(start, stop)
        known = None if np.isfinite(part.sum()) else ~np.isnan(part)
        values = part if known is None else np.where(known, part, np.float32(0))
        for place, weight in zip(places, weights, strict=True):
            found += values[..., place] * weight
        if known is not None and not known.all():  # the mean of those that have a value, where these are most
            there = sum(known[..., place] * weight for place, weight in zip(places, weights, strict=True))
            found = np.where(there > 0.5, found / np.where(there > 0.5, there, 1), np.float32(np.nan))
        return np.moveaxis(found, -1, at)


class Resampled:
    """An array of another size, made piece by piece.

    Parameters
    ----------
    array : array-like
    axes : dict of int to int
        New length of each axis that changes.

    Examples
    --------
    >>> twice = Resampled(np.array([[0.0, 4.0]]), {1: 4})
    >>> twice[:, 0:4].tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    >>> Resampled(np.arange(8.0)[None], {1: 4})[:, 1:3].tolist()
    [[2.5, 4.5]]
    """

    def __init__(self, array: Array, axes: dict[int, int]) -> None:
        self._array = array
        self._axes = {a: _Axis(int(array.shape[a]), n) for a, n in axes.items()}
        self.shape = tuple(axes.get(a, int(n)) for a, n in enumerate(array.shape))
        self.dtype = np.dtype(np.float32)
        self.ndim = len(self.shape)

    def __getitem__(self, index: Index) -> np.ndarray:
        index = index if isinstance(index, tuple) else (index,)
        index = (*index, *(slice(None),) * (self.ndim - len(index)))
        spans = [s.indices(n)[:2] if isinstance(s, slice) else None for s, n in zip(index, self.shape, strict=True)]
        read: list[int | slice] = list(index)
        for a, axis in self._axes.items():
            span = spans[a]
            if span is None:
                raise InputError("A resampled axis is read by slices.", got=index[a])
            read[a] = slice(*axis.window(*span))
        part = np.asarray(self._array[tuple(read)], np.float32)
        lost = [a for a, span in enumerate(spans) if span is None]
        for a, axis in self._axes.items():
            at, span = a - sum(x < a for x in lost), spans[a]
            if span is not None:
                part = axis.apply(part, at, *span)
        return part


def check_zoom(zoom: float) -> None:
    """Raise unless the factor is 0 (automatic) or in the range.

    Raises
    ------
    InputError
        Otherwise.
    """
    if zoom != 0 and not LEAST <= zoom <= MOST:
        raise InputError("The zoom is out of range.", got=zoom, accepted=f"0 (automatic), or {LEAST:g} to {MOST:g}")


def resized(image: Image, zoom: float, ndim: int) -> Image:
    """The image at `zoom` times its size; in the plane only where the network is 2D.

    Parameters
    ----------
    image : Image
    zoom : float
    ndim : int
        Dimensions of the network.

    Returns
    -------
    Image
        Of float32; voxels are smaller by the same factor.

    Raises
    ------
    InputError
        If the factor is out of range.
    """
    check_zoom(zoom)
    names = "YX" if ndim == 2 else "ZYX"
    sizes = {image.axes.index(a): max(1, round(image.sizes[a] * zoom)) for a in names if a in image.axes}
    spacing = tuple(
        s * image.sizes[a] / sizes.get(image.axes.index(a), image.sizes[a])
        for a, s in zip(image.spatial_axes, image.spacing, strict=True)
    )
    return replace(image, array=Resampled(known_array(image), sizes), spacing=spacing)


def resized_region(region: Region, before: Sequence[int], after: Sequence[int]) -> Region:
    """The same place on the grid of the resized image, rounded outwards."""
    return tuple(
        slice(math.floor(s.start * a / b), min(a, math.ceil(s.stop * a / b)))
        for s, b, a in zip(region, before, after, strict=True)
    )


def indices(region: Region, large: Region, before: Sequence[int], after: Sequence[int]) -> list[np.ndarray]:
    """For each axis, the voxels of the resized region that lie in the middle of the voxels of the region."""
    found = []
    for s, w, b, a in zip(region, large, before, after, strict=True):
        at = np.floor((np.arange(s.start, s.stop) + 0.5) * a / b).astype(np.int64) - w.start
        found.append(at.clip(0, w.stop - w.start - 1))
    return found


def labels_at(
    found: Segmentation, places: Sequence[np.ndarray], path: Path | None, recipe: Mapping[str, Json]
) -> Stored:
    """The labels at some places along the spatial axes, in memory or in a zarr; some rows at a time.

    Parameters
    ----------
    found : Segmentation
    places : sequence of (N,) ndarray of int
        Voxels along each spatial axis.
    path : Path, optional
        The zarr.
    recipe : mapping
        Is written beside the labels in the zarr.
    """
    labels, spatial = found.labels, len(places)
    lead = labels.shape[:-spatial]
    shape = (*lead, *(len(p) for p in places))
    with label_array(path, shape, spatial, str(labels.dtype), found.axes) as out:
        for index in np.ndindex(*shape[:-2]):
            source = (*index[: len(lead)], *(int(p[i]) for p, i in zip(places, index[len(lead) :], strict=False)))
            for start in range(0, shape[-2], _ROWS):
                rows = places[-2][start : start + _ROWS]
                part = np.asarray(labels[(*source, slice(int(rows[0]), int(rows[-1]) + 1))])
                out[(*index, slice(start, start + len(rows)))] = part[np.ix_(rows - rows[0], places[-1])]
        if isinstance(out, zarr.Array):
            out.attrs["segplugin"] = dict(recipe)
    return out


def still_there(table: ObjectTable, labels: Array, leading: int) -> ObjectTable:
    """The rows of objects that are left when labels were made smaller, plane by plane."""
    left: set[int] = set()
    for index in np.ndindex(*labels.shape[: max(leading, len(labels.shape) - 2)]):
        left.update(np.unique(np.asarray(labels[index])).tolist())
    keep = np.array([int(n) in left for n in table.label], bool)
    if keep.all():
        return table
    return ObjectTable(
        table.label[keep],
        table.class_id[keep],
        table.score[keep],
        tuple(s for s, k in zip(table.status, keep, strict=True) if k),
    )


def middle_width(found: Segmentation, ndim: int) -> float:
    """Median over objects of the diameter of the disc (2D network) or ball (3D) of the same size, in voxels; NaN if none.

    Planes and frames of a 2D network are looked at one by one.
    """
    widths: list[np.ndarray] = []
    labels = found.labels
    things = found.objects.label[np.isin(found.objects.class_id, found.classes.thing_ids)]
    for index in np.ndindex(*labels.shape[:-ndim]):
        part = np.asarray(labels[index])
        numbers, sizes = np.unique(part, return_counts=True)
        sizes = sizes[np.isin(numbers, things)]
        widths.append(diameters(sizes, ndim))
    every = np.concatenate(widths) if widths else np.zeros(0)
    return float(np.median(every)) if every.size else float("nan")


def advised_zoom(found: Segmentation, ndim: int) -> tuple[float, float]:
    """How many times larger the image should be looked at, and the middle width of the objects that says so.

    1 for classes, for objects that are wide enough, and in 3D, where eight times the work would have to be worth it.
    """
    if found.task is Task.SEMANTIC or ndim == 3:
        return 1.0, float("nan")
    width = middle_width(found, ndim)
    return next((zoom for most, zoom in SMALL if width < most), 1.0), width


__all__ = [
    "Resampled",
    "advised_zoom",
    "check_zoom",
    "indices",
    "labels_at",
    "middle_width",
    "resized",
    "resized_region",
    "still_there",
]
