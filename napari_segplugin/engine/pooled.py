"""An image and its corrections at the resolution at which a large part of them is seen. No torch.

The features of 4096² voxels take a minute and more memory than is kept for them; the screen shows a few hundred rows. So the
image and the strokes are pooled until about a million voxels of the part are left. Whoever zooms in is answered in full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from napari_segplugin.core import Image, Region
from napari_segplugin.core.types import Array, Index
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.data.nodata import known_array

LARGE = 2048 * 2048
"""Voxels up to which a part is answered in its full resolution: their features take two seconds, once."""
LEFT = 1_000_000
"""Voxels that are left of a larger part."""


def pooling(region: Region) -> int:
    """How many rows and columns are taken together in a region; 1 where it is looked at as it is.

    Examples
    --------
    >>> pooling((slice(0, 4096), slice(0, 4096))), pooling((slice(0, 800), slice(0, 600)))
    (5, 1)
    """
    voxels = math.prod(s.stop - s.start for s in region)
    return 1 if voxels <= LARGE else math.ceil(math.sqrt(voxels / LEFT))


def pooled_part(region: Region, step: int = 0) -> tuple[int, Region]:
    """How many rows and columns are taken together in a region, unless that is given, and the region in these."""
    step = step or pooling(region)
    return step, (*region[:-2], *(slice(s.start // step, -(-s.stop // step)) for s in region[-2:]))


class PooledArray:
    """An array whose rows and columns are averaged in squares when it is read.

    Parameters
    ----------
    array : array
    axes : str
        Its axes; Y and X are pooled.
    step : int

    Examples
    --------
    >>> PooledArray(np.arange(8).reshape(2, 4), "YX", 2)[:, :].tolist()
    [[2.5, 4.5]]
    """

    def __init__(self, array: Array, axes: str, step: int) -> None:
        self._array, self._step = array, step
        self._pooled = tuple(a in "YX" for a in axes)
        self.dtype = np.dtype(np.float32)
        self.shape = tuple(-(-int(n) // step) if p else int(n) for n, p in zip(array.shape, self._pooled, strict=True))

    def __getitem__(self, index: Index) -> np.ndarray:
        given = index if isinstance(index, tuple) else (index,)
        given += (slice(None),) * (len(self.shape) - len(given))
        fine: list[int | slice] = []
        thin: list[slice] = []
        for at, n, whole, pooled in zip(given, self.shape, self._array.shape, self._pooled, strict=True):
            if not pooled or isinstance(at, int):
                fine.append(at * self._step if pooled and isinstance(at, int) else at)
                thin += [] if isinstance(at, int) else [slice(None)]
                continue
            start, stop, stride = at.indices(n)
            fine.append(slice(start * self._step, min(stop * self._step, int(whole))))
            thin.append(slice(None, None, stride))
        part = np.asarray(self._array[tuple(fine)])
        left = [p for p, at in zip(self._pooled, given, strict=True) if not isinstance(at, int)]
        for axis in (i for i, p in enumerate(left) if p):
            part = _mean(part, axis, self._step)
        return np.asarray(part[tuple(thin)], np.float32)


def _mean(part: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Means of so many neighbors along an axis, those without a value left out; the last may be of fewer."""
    n = part.shape[axis]
    total = np.zeros([-(-n // step) if i == axis else k for i, k in enumerate(part.shape)], np.float32)
    count = np.zeros(total.shape[axis], np.float32)
    missing = np.isnan(part) if part.dtype.kind == "f" and np.isnan(part.sum()) else None
    known = None if missing is None else np.zeros(total.shape, np.float32)
    values = part if missing is None else np.where(missing, 0, part)
    for first in range(min(step, n)):
        thin = (slice(None),) * axis + (slice(first, None, step),)
        piece = values[thin]
        place = (slice(None),) * axis + (slice(piece.shape[axis]),)
        total[place] += piece
        count[: piece.shape[axis]] += 1
        if known is not None and missing is not None:
            known[place] += ~missing[thin]
    count = count.reshape([-1 if i == axis else 1 for i in range(part.ndim)])
    if known is not None:  # of those that have a value, where these are most
        return np.where(2 * known > count, total / np.maximum(known, 1), np.float32(np.nan))
    return total / count


def pooled_image(image: Image, step: int) -> Image:
    """An image whose rows and columns are averaged in squares; nothing is read yet."""
    spacing = tuple(s * step if a in "YX" else s for s, a in zip(image.spacing, image.spatial_axes, strict=True))
    return replace(image, array=PooledArray(known_array(image), image.axes, step), spacing=spacing, whole=None)


def pooled_corrections(corrections: Corrections, step: int) -> Corrections:
    """Corrections of the pooled image: a square is painted if everything that is painted in it is the same.

    Examples
    --------
    >>> paint = np.array([[0, 1, 2, 3], [1, 0, 0, 0]], np.uint16)
    >>> pooled_corrections(Corrections(paint), 2).paint.tolist()
    [[1, 0]]
    """
    c = corrections
    rows, columns = c.paint.shape[-2:]
    middle = (
        ...,
        np.minimum(np.arange(0, rows, step) + step // 2, rows - 1)[:, None],
        np.minimum(np.arange(0, columns, step) + step // 2, columns - 1),
    )

    def sampled(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[middle]

    points = c.points
    if points is not None:
        points = np.array(points, float)
        points[:, -2:] = np.maximum((points[:, -2:] - (step - 1) / 2) / step, 0)
    boxes = [
        (*b[:-2], *(slice(s.start // step, max(s.start // step + 1, -(-s.stop // step))) for s in b[-2:]))
        for b in c.boxes
    ]
    return replace(
        c,
        paint=_painted(c.paint, step),
        reviewed=sampled(c.reviewed),
        edited=sampled(c.edited),
        before=sampled(c.before),
        nothing=sampled(c.nothing),
        points=points,
        boxes=boxes,
    )


def _painted(paint: np.ndarray, step: int) -> np.ndarray:
    """The one number that is painted in each square; 0 where there is none or there are several."""
    shape = (*paint.shape[:-2], *(-(-n // step) for n in paint.shape[-2:]))
    low, high = np.full(shape, np.iinfo(paint.dtype).max, paint.dtype), np.zeros(shape, paint.dtype)
    for piece in _shifted(paint, step):
        place = (..., slice(piece.shape[-2]), slice(piece.shape[-1]))
        np.maximum(high[place], piece, out=high[place])
        low[place] = np.minimum(low[place], np.where(piece == 0, low[place], piece))
    return np.where(low == high, high, 0).astype(paint.dtype)


def _shifted(array: np.ndarray, step: int) -> Iterator[np.ndarray]:
    """The array thinned out, once for each voxel of a square."""
    for y, x in product(range(min(step, array.shape[-2])), range(min(step, array.shape[-1]))):
        yield array[..., y::step, x::step]


__all__ = ["PooledArray", "pooled_corrections", "pooled_image", "pooled_part", "pooling"]
