"""Grids of another voxel size: images made finer or coarser piece by piece, and labels brought back by a vote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from napari_segplugin.core import Image, InputError, Sample
from napari_segplugin.core.types import Array, Index
from napari_segplugin.data.nodata import known_array


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
        spans = [s.indices(n) if isinstance(s, slice) else None for s, n in zip(index, self.shape, strict=True)]
        for a in self._axes:
            if spans[a] is None:
                raise InputError("A resampled axis is read by slices.", got=index[a])
        lost = [a for a, span in enumerate(spans) if span is None]
        places = {a: (a - sum(x < a for x in lost), span) for a in self._axes if (span := spans[a]) is not None}
        skips = next((a for a, (_, (_, _, step)) in places.items() if step != 1), None)
        if skips is None:
            return self._piece(index, {a: (at, start, stop) for a, (at, (start, stop, _)) in places.items()})
        # every n-th voxel of a large image: one at a time, so that what lies between them is not held
        at, span = places[skips]
        parts = [self[(*index[:skips], slice(i, i + 1), *index[skips + 1 :])] for i in range(*span)]
        return np.concatenate(parts, at) if parts else self[(*index[:skips], slice(0, 0), *index[skips + 1 :])]

    def _piece(self, index: tuple[int | slice, ...], places: dict[int, tuple[int, int, int]]) -> np.ndarray:
        """A piece without gaps; for each resampled axis, where it lies in what is read, its start and its stop."""
        read = list(index)
        for a, (_, start, stop) in places.items():
            read[a] = slice(*self._axes[a].window(start, stop)) if stop > start else slice(0, 1)
        part = np.asarray(self._array[tuple(read)], np.float32)
        for a, (at, start, stop) in places.items():
            part = self._axes[a].apply(part, at, start, max(start, stop))
        return part


class Sliced(Protocol):
    """Anything that is read by slices."""

    def __getitem__(self, region: tuple[slice, ...], /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Taps:
    """For some voxels along an axis, the two of another grid between whose middles theirs lie.

    Parameters
    ----------
    low, high : (N,) ndarray of int
    share : (N,) ndarray of float
        Weight of `high`; `low` has the rest.
    """

    low: np.ndarray
    high: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, start: int, stop: int, here: int, there: int, first: int = 0, last: int | None = None) -> Taps:
        """For the voxels `start` to `stop` of an axis of `here` voxels, in a piece of the same axis cut into `there`.

        Parameters
        ----------
        start, stop, here, there : int
        first, last : int
            Where the piece starts and ends; the whole axis by default. The voxels are counted from its start.
        """
        last = there if last is None else last
        at = np.clip((np.arange(start, stop) + 0.5) * there / here - 0.5, 0, there - 1)
        low = np.floor(at).astype(np.int64)
        share = (at - low).round(9)
        inside, high = last - first - 1, low + (share > 0)
        return cls((low - first).clip(0, inside), (high - first).clip(0, inside), share)

    def __len__(self) -> int:
        return len(self.low)

    def part(self, start: int, stop: int) -> Taps:
        """Some of the voxels."""
        return Taps(self.low[start:stop], self.high[start:stop], self.share[start:stop])

    @property
    def span(self) -> tuple[int, int]:
        """First and last voxel, exclusive, of the other grid that are looked at."""
        return int(self.low.min()), int(self.high.max()) + 1


def vote(labels: Sliced, taps: Sequence[Taps]) -> np.ndarray:
    """Labels on another grid: of the 4 voxels (in 3D 8) around a place, the label with the largest linear weight.

    An outline is drawn where a linear interpolation of each label's mask would be largest, so it has no steps of whole
    voxels of the coarser grid, and no number is made up that was not there.

    Parameters
    ----------
    labels : ([Z,] Y, X) array-like of int
        Is read by slices.
    taps : sequence of Taps
        One for each axis.

    Returns
    -------
    ([Z,] Y, X) ndarray of the same dtype
        As long along each axis as its taps.

    Examples
    --------
    >>> labels = np.array([[1, 1, 2, 2]])
    >>> vote(labels, [Taps.of(0, 1, 1, 1), Taps.of(0, 8, 8, 4)]).tolist()
    [[1, 1, 1, 1, 2, 2, 2, 2]]
    """
    spans = [t.span for t in taps]
    part = np.asarray(labels[tuple(slice(*s) for s in spans)])
    corners: list[tuple[np.ndarray, np.ndarray]] = []
    ndim = len(taps)
    for corner in np.ndindex(*(2 if t.share.any() else 1 for t in taps)):
        places = [(t.high if c else t.low) - s[0] for t, c, s in zip(taps, corner, spans, strict=True)]
        weight = np.ones((1,) * ndim)
        for axis, (t, c) in enumerate(zip(taps, corner, strict=True)):
            own = t.share if c else 1 - t.share
            weight = weight * own.reshape([-1 if i == axis else 1 for i in range(ndim)])
        corners.append((part[np.ix_(*places)], weight))
    found = corners[0][0].copy()
    differ = np.zeros(found.shape, bool)
    for values, _ in corners[1:]:
        differ |= values != found
    if differ.any():
        values = np.stack([v[differ] for v, _ in corners])
        weights = np.stack([np.broadcast_to(w, found.shape)[differ] for _, w in corners])
        # where two labels weigh the same, that of the voxel that is closest
        scores = np.stack([(weights * (values == own)).sum(0) for own in values]) + 1e-6 * weights
        found[differ] = np.take_along_axis(values, scores.argmax(0)[None], 0)[0]
    return found


def linear(array: np.ndarray, taps: Sequence[Taps]) -> np.ndarray:
    """Values on another grid by linear interpolation along the last axes.

    Parameters
    ----------
    array : (..., [Z,] Y, X) ndarray of float
    taps : sequence of Taps
        One for each of the last axes.

    Examples
    --------
    >>> linear(np.array([[0.0, 4.0]]), [Taps.of(0, 4, 4, 2)]).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    for axis, t in zip(range(-len(taps), 0), taps, strict=True):
        share = t.share.astype(array.dtype).reshape([-1] + [1] * (-axis - 1))
        array = np.take(array, t.low, axis) * (1 - share) + np.take(array, t.high, axis) * share
    return array


def shape_at(shape: Sequence[int], factors: Sequence[float]) -> tuple[int, ...]:
    """Lengths of axes with `factors` times as many voxels."""
    return tuple(max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))


def regridded(image: Image, factors: Sequence[float]) -> Image:
    """The image with `factors` times as many voxels along Z, Y, X; made piece by piece when it is read.

    Parameters
    ----------
    image : Image
    factors : sequence of float
        One for each spatial axis that the image has, in the order Z, Y, X.

    Returns
    -------
    Image
        Of float32; averaged where it is coarser, linear where it is finer.

    Examples
    --------
    >>> coarse = regridded(Image(np.arange(8.0)[None], "YX", (1.0, 0.5), "mm"), (1.0, 0.5))
    >>> coarse.spacing, coarse.read().shape
    ((1.0, 1.0), (1, 1, 4))
    """
    wanted = dict(zip([a for a in "ZYX" if a in image.axes], shape_at(image.spatial_shape, factors), strict=True))
    lengths = {image.axes.index(a): n for a, n in wanted.items() if n != image.sizes[a]}
    spacing = tuple(s * image.sizes[a] / wanted[a] for a, s in zip(image.spatial_axes, image.spacing, strict=True))
    return replace(image, array=Resampled(known_array(image), lengths), spacing=spacing)


def coarse(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Labels on a coarser grid: of the voxels whose middle lies in a new one, the label that most of them have.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int
        -1 where nothing is known: it counts only where there is nothing else.
    shape : sequence of int
        Not longer along any axis.

    Examples
    --------
    >>> coarse(np.array([[1, 1, 0, -1, -1, -1]]), (1, 2)).tolist()
    [[1, -1]]
    """
    place = np.zeros(labels.shape, np.int64)
    for axis, (n, b) in enumerate(zip(shape, labels.shape, strict=True)):
        own = ((2 * np.arange(b) + 1) * n // (2 * b)).reshape([-1 if a == axis else 1 for a in range(labels.ndim)])
        place = place * n + own
    names, codes = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(place.ravel() * len(names) + codes.ravel(), return_counts=True)
    there, code = np.divmod(pairs, len(names))
    counts = np.where(names[code] == -1, 0, counts)
    order = np.lexsort((code, -counts, there))
    first = order[np.unique(there[order], return_index=True)[1]]
    found = np.full(int(np.prod(shape)), -1, labels.dtype)
    found[there[first]] = names[code[first]]
    return found.reshape(shape)


def relabelled(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Labels on a grid of another shape over the same place, by a vote; what is known of a voxel in a part only is not lost.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int
        -1 where nothing is known.
    shape : sequence of int

    Examples
    --------
    >>> relabelled(np.array([[1, 1, 2, 2]]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    >>> relabelled(np.array([[-1, -1, -1, 3, -1, -1]]), (1, 2)).tolist()
    [[-1, 3]]
    """
    found = vote(labels, [Taps.of(0, n, n, b) for n, b in zip(shape, labels.shape, strict=True)])
    if not (labels == -1).any() or all(n >= b for n, b in zip(shape, labels.shape, strict=True)):
        return found
    larger = [max(n, b) for n, b in zip(shape, labels.shape, strict=True)]
    fine = vote(labels, [Taps.of(0, n, n, b) for n, b in zip(larger, labels.shape, strict=True)])
    return np.where(found == -1, coarse(fine, shape), found)


def resampled(sample: Sample, factors: Sequence[float]) -> Sample:
    """A training sample with `factors` times as many voxels along [Z,] Y, X.

    Parameters
    ----------
    sample : Sample
    factors : sequence of float

    Returns
    -------
    Sample
        The image is averaged or interpolated; class, object and what is known of a voxel stay together, objects keep their
        numbers, and what was not known stays unknown.

    Examples
    --------
    >>> small = Sample(Image(np.eye(4), "YX"), np.eye(4, dtype=int), known=np.tri(4, dtype=bool))
    >>> resampled(small, (0.5, 0.5)).known.tolist()
    [[True, False], [True, True]]
    """
    image = regridded(sample.image, factors)
    shape = image.spatial_shape
    image = replace(image, array=np.asarray(image.array[(slice(None),) * len(image.axes)]))
    parts = [p for p in (sample.classes, sample.instances, sample.shape_known) if p is not None]
    known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    # what is said of a voxel goes through the vote as one number, so that no voxel gets the class of one and the object of another
    rows, codes = np.zeros((1, len(parts)), np.int64), np.full(known.shape, -1, np.int64)
    if known.any():
        rows, inverse = np.unique(np.stack([p[known].astype(np.int64) for p in parts], 1), axis=0, return_inverse=True)
        codes[known] = inverse.ravel()
    codes = relabelled(codes, shape)
    there = codes >= 0
    values = iter([np.where(there, rows[codes.clip(0), i], 0) for i in range(len(parts))])
    classes = next(values).astype(sample.classes.dtype)
    instances = None if sample.instances is None else next(values).astype(sample.instances.dtype)
    shape_known = None if sample.shape_known is None else next(values).astype(bool)
    boxes = tuple(
        tuple(slice(s.start * a // b, -(-s.stop * a // b)) for s, a, b in zip(box, shape, known.shape, strict=True))
        for box in sample.boxes
    )
    return Sample(image, classes, instances, None if sample.known is None else there, shape_known, boxes)


def ceiling(labels: np.ndarray, factors: Sequence[float]) -> float:
    """The best mean Dice over labels that a result on another grid can reach: that of the labels taken there and back.

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int
        Classes or objects; 0 and below do not count.
    factors : sequence of float
        How many times as many voxels that grid has along each axis.

    Returns
    -------
    float
        NaN where there is no label.

    Examples
    --------
    >>> labels = np.kron(np.eye(3, dtype=int), np.ones((4, 4), int))
    >>> ceiling(labels, (0.5, 0.5)), ceiling(0 * labels, (0.5, 0.5))
    (1.0, nan)
    """
    there = relabelled(labels, shape_at(labels.shape, factors))
    back = vote(there, [Taps.of(0, n, n, b) for n, b in zip(labels.shape, there.shape, strict=True)])
    numbers, codes = np.unique(labels.clip(0), return_inverse=True)
    sizes = np.bincount(codes.ravel(), minlength=len(numbers))
    both = np.bincount(codes.ravel()[(back == labels).ravel()], minlength=len(numbers))
    found, counts = np.unique(back, return_counts=True)
    at = np.searchsorted(found, numbers).clip(0, len(found) - 1)
    other = np.where(found[at] == numbers, counts[at], 0)
    kept = numbers > 0
    return float((2 * both[kept] / (sizes[kept] + other[kept])).mean()) if kept.any() else math.nan


__all__ = ["Resampled", "Taps", "ceiling", "linear", "regridded", "relabelled", "resampled", "shape_at", "vote"]
