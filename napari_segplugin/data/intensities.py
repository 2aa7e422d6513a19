"""InsideValues inside objects: mean, spread, smallest and largest, percentiles and histograms, all objects at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PERCENTILES = (5, 25, 50, 75, 95)
"""What is said of how the values of an object are spread; 50 is the median."""
BINS = 64


@dataclass(frozen=True, eq=False)
class Counts:
    """How many voxels of each object have a value in each of some equal ranges.

    Parameters
    ----------
    edges : (B + 1,) ndarray of float64
        A value belongs to the range that it begins; the last range has its upper end too.
    counts : (N, B) ndarray of int64
    """

    edges: np.ndarray
    counts: np.ndarray


class InsideValues:
    """The values of an image inside objects; those that are not finite are left out.

    Parameters
    ----------
    values : ndarray of bool, int or float
    objects : ndarray of int, of the same shape
        Position of the object of each voxel, from 1; 0 outside.
    n : int
        Number of objects.

    Examples
    --------
    >>> inside = InsideValues(np.array([3.0, np.nan, 5.0, 9.0]), np.array([1, 1, 1, 0]), 1)
    >>> inside.mean().tolist(), inside.percentile(50).tolist(), inside.histogram(2).counts.tolist()
    ([4.0], [4.0], [[1, 1]])
    """

    def __init__(self, values: np.ndarray, objects: np.ndarray, n: int) -> None:
        flat = values.ravel()
        keep = objects.ravel() > 0
        if values.dtype.kind == "f":
            keep = keep & np.isfinite(flat)
        at = objects.ravel()[keep].astype(np.int64) - 1
        chosen = flat[keep]
        if chosen.dtype.kind == "b":
            chosen = chosen.astype(np.uint8)
        self.n, self.left_out = n, int((objects > 0).sum()) - len(at)
        self.values = _in_order(chosen, at)
        self.count = np.bincount(at, minlength=n)
        self._end = np.cumsum(self.count)
        self._start = self._end - self.count

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """Values of the objects that have some; NaN for the others."""
        if self.count.all():
            return values
        out = np.full(self.n, np.nan)
        out[self.count > 0] = values
        return out

    def _parts(self) -> np.ndarray:
        return self._start[self.count > 0]

    def mean(self) -> np.ndarray:
        """(N,) mean of each object."""
        if not len(self.values):
            return self._filled(np.zeros(0))
        total = np.add.reduceat(self.values, self._parts(), dtype=np.float64)
        return self._filled(total / self.count[self.count > 0])

    def spread(self) -> np.ndarray:
        """(N,) standard deviation of each object, divided by the number of its values."""
        if not len(self.values):
            return self._filled(np.zeros(0))
        off = self.values - np.repeat(self.mean(), self.count)
        total = np.add.reduceat(np.square(off, out=off), self._parts())
        return self._filled(np.sqrt(total / self.count[self.count > 0]))

    def percentile(self, percent: float) -> np.ndarray:
        """(N,) value below which so much of each object lies, between the two nearest values in proportion; 0 the smallest."""
        some = self.count > 0
        if not len(self.values):
            return self._filled(np.zeros(0))
        at = self._start[some] + (self.count[some] - 1) * (percent / 100)
        below = np.floor(at).astype(np.int64)
        low = self.values[below]
        if percent in (0, 100):
            return self._filled(low)
        high = self.values[np.minimum(below + 1, self._end[some] - 1)]
        return self._filled(low + (high.astype(np.float64) - low) * (at - below))

    def histogram(self, bins: int = BINS) -> Counts:
        """Counts of equal ranges from the smallest to the largest value in any object, of whole numbers where those are."""
        if not len(self.values):
            return Counts(np.linspace(0, 1, bins + 1), np.zeros((self.n, bins), np.int64))
        low, high = float(self.values.min()), float(self.values.max())
        if self.values.dtype.kind in "ui":  # ranges of as many whole numbers each, so that none has more by chance
            width = max(1.0, np.ceil((high - low + 1) / bins))
            bins = int((high - low) // width) + 1
            high = low + width * bins
        elif high <= low:
            high = low + 1
        edges = np.linspace(low, high, bins + 1)
        place = np.clip(np.searchsorted(edges, self.values, "right") - 1, 0, bins - 1)
        owner = np.repeat(np.arange(self.n), self.count)
        counts = np.bincount(owner * bins + place, minlength=self.n * bins)
        return Counts(edges, counts.reshape(self.n, bins).astype(np.int64))


def _in_order(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The values sorted by object, then by size."""
    if not len(values):
        return values
    if values.dtype.kind in "ui":
        low, high = int(values.min()), int(values.max())
        width, most = high - low + 1, int(at.max()) + 1
        if width * most < 2**62:  # one sort of one number is several times faster than sorting by two
            key = np.sort(at * width + (values.astype(np.int64) - low))
            return (key % width + low).astype(values.dtype)
    if values.dtype == np.float32:
        bits = values.view(np.uint32)
        # the bits of a float sort like a whole number, once those of negative ones are turned over
        rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
        both = np.sort((at.astype(np.uint64) << np.uint64(32)) | rising)
        back = (both & np.uint64(2**32 - 1)).astype(np.uint32)
        return np.where(back >> 31, back & np.uint32(2**31 - 1), ~back).view(np.float32)
    return np.asarray(values[np.lexsort((values, at))])


__all__ = ["BINS", "PERCENTILES", "Counts", "InsideValues"]
