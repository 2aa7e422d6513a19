"""Grids of another voxel size: images made finer or coarser piece by piece, and labels brought back by a vote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.core.types import Array, Index


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
        for place, weight in zip(*self.taps(start, stop), strict=True):
            found += part[..., place] * weight
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


def nearest(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Labels on a grid of another shape over the same place: of each new voxel, the old one in its middle.

    Examples
    --------
    >>> nearest(np.array([[1, 2, 3, 4]]), (1, 2)).tolist()
    [[2, 4]]
    """
    places = [
        np.floor((np.arange(n) + 0.5) * b / n).astype(np.int64).clip(0, b - 1)
        for n, b in zip(shape, labels.shape, strict=True)
    ]
    found: np.ndarray = labels[np.ix_(*places)]
    return found


__all__ = ["Resampled", "Taps", "linear", "nearest", "vote"]
