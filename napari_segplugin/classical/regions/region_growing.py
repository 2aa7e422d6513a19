"""Region growing from seeds: the voxels that hang together with a seed and are like it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from napari_segplugin.classical.shared.colour import comparable
from napari_segplugin.classical.shared.marks import number_seeds
from napari_segplugin.classical.shared.smoothing import gaussian

STEPS = 16
"""Voxels whose distances fall in the same of so many steps of the tolerance are taken in the order in which they are met."""


def region_growing(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    seeds: np.ndarray,
    tolerance: float = 0.1,
    compare: str = "seed",
    colour: str = "channels",
    smooth: float = 0.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Grow all seeds at once; a voxel that several could have goes to the one that it is most like.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size, for `smooth` only.
    seeds : ([Z,] Y, X) ndarray of int
        0 where there is none; voxels of the same number grow together, wherever they lie. Voxels that are painted as
        background grow too and come back as 0.
    tolerance : float
        Largest distance of a voxel from the region, as a share of the image's range (1 is 100 units of CIELAB).
        Over several channels it is the Euclidean distance.
    compare : str
        With what a voxel is compared: "seed", the mean over the seed's voxels, or "mean", the mean of the region as it has
        grown so far.
    colour : str
        "lab" measures distances in CIELAB, in images of three channels.
    smooth : float
        Sigma of a Gaussian before, in voxels along X.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        The seed's number in each region, which hangs together with its seeds over faces.

    Notes
    -----
    Adams and Bischof's seeded region growing [1]_ with a tolerance. Voxels of equal priority are taken together, so the
    order of the seeds does not matter [2]_. With "mean", voxels that were refused are asked again at the end: no neighbour
    of a region is left within the tolerance of its mean.

    References
    ----------
    .. [1] Adams and Bischof 1994, IEEE PAMI 16(6).
    .. [2] Mehnert and Jackway 1997, Pattern Recognition Letters 18(10).

    Examples
    --------
    >>> image = np.array([[[0, 1, 9, 8, 0, 0]]], np.float32)
    >>> seeds = np.array([[1, 0, 2, 0, 0, 0]])
    >>> region_growing(image, spacing=(1, 1), seeds=seeds, tolerance=0.2).tolist()
    [[1, 1, 2, 2, 0, 0]]
    """
    numbers, marks = number_seeds(seeds)
    values, unit = comparable(image, colour, known)
    if smooth > 0:
        values = np.stack([gaussian(channel, smooth, spacing) for channel in values])
    tolerance *= unit
    if len(numbers) == 2 and compare == "seed":
        return np.asarray(_flood(values, marks, tolerance) * numbers[1])
    return np.asarray(numbers[_Growth(values, marks, tolerance, compare == "mean").run()])


def _flood(values: np.ndarray, marks: np.ndarray, tolerance: float) -> np.ndarray:
    """One region that is compared with its seed: the pieces of what is near enough that hold a seed; bool."""
    from skimage.segmentation import flood

    seed = np.nonzero(marks > 0)
    points = list(zip(*seed, strict=True))
    if len(values) == 1 and len(points) == 1:
        return np.asarray(flood(values[0], points[0], connectivity=1, tolerance=tolerance))
    mean = np.array([channel[seed].mean(dtype=np.float64) for channel in values], np.float32)
    near = sum((channel - m) ** 2 for channel, m in zip(values, mean, strict=True)) <= tolerance**2
    near[seed] = True
    found = np.zeros(near.shape, bool)
    for point in points:
        if not found[point]:
            found |= flood(near, point, connectivity=1)
    return found


Candidates: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Voxels, the regions that ask for them, and the distances."""


class _Growth:
    """All regions, growing in step. Arrays are flat, with a rim of -1 around the labels so that each voxel has neighbours."""

    def __init__(self, values: np.ndarray, marks: np.ndarray, tolerance: float, running: bool) -> None:
        self.tolerance, self.running = tolerance, running
        rim = [(1, 1) if n > 1 else (0, 0) for n in marks.shape]
        padded = np.pad(marks, rim, constant_values=-1)
        steps = [s // padded.itemsize for s, n in zip(padded.strides, marks.shape, strict=True) if n > 1]
        self.inner = tuple(slice(a, a + n) for (a, _), n in zip(rim, marks.shape, strict=True))
        self.shape = padded.shape
        self.offsets = np.array([(-s, s) for s in steps], np.intp).reshape(-1, 1)
        self.labels = padded.ravel()
        self.flat = np.stack([np.pad(channel, rim).ravel() for channel in values])
        self.winner = np.empty(self.labels.size, np.int32)
        n = int(marks.max()) + 1
        self.count, self.sums = np.zeros(n), np.zeros((len(values), n))
        self.level = 0
        self.waiting: list[list[Candidates]] = [[] for _ in range(STEPS)]
        self.refused: list[tuple[np.ndarray, np.ndarray]] = []

    def run(self) -> np.ndarray:
        """Grow until no region has a neighbour that it may take; labels ([Z,] Y, X)."""
        seeds = np.flatnonzero(self.labels > 0)
        self._count(seeds)
        self._meet(seeds)
        while any(self.waiting):
            for self.level in range(STEPS):
                while self.waiting[self.level]:
                    self._meet(self._take())
            self.level = 0
            self._ask_again()
        return self.labels.reshape(self.shape)[self.inner]

    def _count(self, voxels: np.ndarray) -> None:
        """Add voxels to the means of their regions."""
        names, n = self.labels[voxels], self.count.size
        self.count += np.bincount(names, minlength=n)
        for total, channel in zip(self.sums, self.flat, strict=True):
            total += np.bincount(names, weights=channel[voxels], minlength=n)

    def _meet(self, voxels: np.ndarray) -> None:
        """Queue the free neighbours of new members."""
        near = (voxels + self.offsets).ravel()
        free = np.flatnonzero(self.labels[near] == 0)
        names = np.tile(self.labels[voxels], len(self.offsets))[free]
        self._queue(near[free], names)

    def _queue(self, voxels: np.ndarray, names: np.ndarray) -> None:
        mean = (self.sums / np.maximum(self.count, 1)).astype(np.float32)
        squares = np.zeros(voxels.size, np.float32)
        for channel, centre in zip(self.flat, mean, strict=True):
            squares += (channel[voxels] - centre[names]) ** 2
        distance = np.sqrt(squares)
        fits = distance <= self.tolerance
        if not fits.all():
            if self.running:
                self.refused.append((voxels[~fits], names[~fits]))
            voxels, names, distance = voxels[fits], names[fits], distance[fits]
        # what is met while a level is worked on is never put behind it
        level = np.clip(distance * (STEPS / max(self.tolerance, 1e-12)), self.level, STEPS - 1).astype(np.intp)
        for k in np.flatnonzero(np.bincount(level)):
            here = level == k
            self.waiting[k].append((voxels[here], names[here], distance[here]))

    def _take(self) -> np.ndarray:
        """Give all voxels that wait on this level to the region that is nearest to each; the new members."""
        voxels, names, distance = (np.concatenate(part) for part in zip(*self.waiting[self.level], strict=True))
        self.waiting[self.level] = []
        free = np.flatnonzero(self.labels[voxels] == 0)
        if self.count.size > 2:
            # the last that writes wins: the nearest, and of equally near ones the lowest number
            free = free[np.lexsort((-names[free], -distance[free]))]
        self.winner[voxels[free]] = free
        won = free[self.winner[voxels[free]] == free]
        members = voxels[won]
        self.labels[members] = names[won]
        if self.running:
            self._count(members)
        return np.asarray(members)

    def _ask_again(self) -> None:
        """Queue what was refused and is near enough to the region's mean as it is now."""
        if self.refused:
            voxels, names = (np.concatenate(part) for part in zip(*self.refused, strict=True))
            key = np.unique((voxels * self.count.size + names)[self.labels[voxels] == 0])
            self.refused = []
            self._queue(*np.divmod(key, self.count.size))


__all__ = ["region_growing"]
