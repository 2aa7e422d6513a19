"""Which object of a time point is which of the next: by overlap, by laptrack's assignment, over gaps, into daughters.

Jaqaman et al., "Robust single-particle tracking in live-cell time-lapse sequences", Nature Methods 5 (2008): objects of
neighbouring time points are assigned so that the sum of all costs is least; then pieces are joined over gaps and at
divisions by a second assignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from napari_segplugin.core import MissingExtraError
from napari_segplugin.data.over_time import FrameObjects

if TYPE_CHECKING:
    from laptrack import LapTrack

Pair = tuple[int, int]
_LEAST_SISTER = 0.5
"""A daughter has at least this share of the voxels of the other one."""
_MOST_DAUGHTER = 0.9
"""A daughter has at most this share of the voxels of its mother."""


def lap_track() -> type[LapTrack]:
    """The class ``laptrack.LapTrack``.

    Raises
    ------
    MissingExtraError
        If laptrack is not installed.
    """
    try:
        from laptrack import LapTrack
    except ImportError as error:
        raise MissingExtraError(error.name or "laptrack", "link objects through time", "tracks") from error
    found: type[LapTrack] = LapTrack
    return found


def widths(voxels: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Diameter of the disc or ball of the same size, in the unit of the spacing.

    Examples
    --------
    >>> widths(np.array([314.159]), (0.5, 0.5)).round(2).tolist()
    [10.0]
    """
    size = voxels * float(np.prod(spacing))
    found: np.ndarray = 2 * np.sqrt(size / np.pi) if len(spacing) == 2 else np.cbrt(6 * size / np.pi)
    return found


def overlapping(shared: tuple[np.ndarray, ...], one: FrameObjects, other: FrameObjects, least: float) -> list[Pair]:
    """Pairs whose intersection over union is above `least`; from one half on, an object is in one pair at most.

    Parameters
    ----------
    shared : tuple of ndarray
        What :func:`~napari_segplugin.data.over_time.shared_voxels` returned.
    one, other : FrameObjects
    least : float
    """
    i, j = np.searchsorted(one.label, shared[0]), np.searchsorted(other.label, shared[1])
    union = one.voxels[i] + other.voxels[j] - shared[2]
    good = shared[2] > least * union
    return list(zip(i[good].tolist(), j[good].tolist(), strict=True))


def nearest(one: np.ndarray, other: np.ndarray) -> list[Pair]:
    """The assignment of least cost between two sets of points.

    Parameters
    ----------
    one, other : (N, D), (M, D) ndarray
        In units of the largest distance: points that are 1 or more apart are never joined.
    """
    if not len(one) or not len(other):
        return []
    tracker = lap_track()(metric="sqeuclidean", cutoff=1.0, gap_closing_cutoff=False, splitting_cutoff=False)
    return [(int(a[1]), int(b[1])) for a, b in tracker.predict([one, other]).edges()]


class Points:
    """All objects of a series in one list, frame after frame.

    Parameters
    ----------
    frames : sequence of FrameObjects
    spacing : tuple of float
        Voxel size along the spatial axes.
    distance : float
        How far an object moves at most between two time points, in the unit of the spacing.
    """

    def __init__(self, frames: Sequence[FrameObjects], spacing: Sequence[float], distance: float) -> None:
        self.frames = frames
        counts = [len(f) for f in frames]
        self.start = np.cumsum([0, *counts])
        self.time = np.repeat(np.arange(len(frames)), counts)
        self.label = np.concatenate([f.label for f in frames])
        self.voxels = np.concatenate([f.voxels for f in frames])
        self.centre = np.concatenate([f.centre for f in frames])
        # objects of another size are further away: that tells touching neighbours apart
        where = self.centre * np.asarray(spacing)
        self.place = np.column_stack([where, widths(self.voxels, spacing)]) / distance

    def __len__(self) -> int:
        return len(self.label)

    def of(self, frame: int, which: np.ndarray | None = None) -> np.ndarray:
        """Positions in the list of the objects of a frame; with a mask only of those in it."""
        every = np.arange(self.start[frame], self.start[frame + 1])
        return every if which is None else every[which[every]]


def joined(points: Points, links: Iterable[Pair], splits: Iterable[Pair], gap: int, split: bool) -> list[Pair]:
    """Links over gaps and into daughters, beside those that are known.

    Parameters
    ----------
    points : Points
    links, splits : iterable of (int, int)
        Known links within a track, and from mothers to daughters; positions in the list of points.
    gap : int
        Frames in which an object may be missing.
    split : bool
        Whether objects divide.

    Returns
    -------
    list of (int, int)
        All links.
    """
    links, splits = list(links), list(splits)
    ended, begun = (np.ones(len(points), bool) for _ in range(2))
    ended[[a for a, _ in (*links, *splits)]] = begun[[b for _, b in (*links, *splits)]] = False
    costs: dict[Pair, float] = {}
    follower = dict(links)
    for t in range(len(points.frames)):
        for steps in range(1, gap + 2 if gap else 1):
            costs.update(_gaps(points, ended, begun, t, steps))
        if split and t:
            costs.update(_divisions(points, follower, begun, t))
    return _without_flicker(points, [*links, *splits, *_cheapest(costs)], set(splits))


def _within(one: np.ndarray, other: np.ndarray, reach: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of points that are closer than `reach`, with their distance."""
    if len(one) and len(other):
        found = cKDTree(one).sparse_distance_matrix(cKDTree(other), reach, output_type="coo_matrix")
        yield from zip(found.row.tolist(), found.col.tolist(), found.data.tolist(), strict=True)


def _gaps(points: Points, ended: np.ndarray, begun: np.ndarray, t: int, steps: int) -> Iterator[tuple[Pair, float]]:
    """What it costs that an object which ends is the one that begins some time points later.

    One that wanders gets as far as the square root of the time, so the squared distance is divided by the time.
    """
    if t + steps < len(points.frames):
        ends, starts = points.of(t, ended), points.of(t + steps, begun)
        for i, j, away in _within(points.place[ends], points.place[starts], np.sqrt(steps)):
            yield (int(ends[i]), int(starts[j])), away**2 / steps


def _divisions(points: Points, follower: Mapping[int, int], begun: np.ndarray, t: int) -> Iterator[tuple[Pair, float]]:
    """How badly an object that begins, and one that goes on, look like the daughters of one a time point earlier.

    Daughters are alike, smaller than the mother and on either side of her.
    """
    where, voxels = points.place[:, :-1], points.voxels
    starts, mothers = points.of(t, begun), points.of(t - 1)
    for i, j, away in _within(where[starts], where[mothers], 1.0):
        start, mother = int(starts[i]), int(mothers[j])
        sister = follower.get(mother, -1)
        if sister < 0 or points.time[sister] != t:
            continue
        small, large = sorted((int(voxels[start]), int(voxels[sister])))
        to = where[[start, sister]] - where[mother]
        middle, reach = float(np.linalg.norm(to.mean(axis=0))), max(away, float(np.linalg.norm(to[1])))
        alike = small >= _LEAST_SISTER * large and large <= _MOST_DAUGHTER * voxels[mother]
        if alike and reach < 1 and middle <= 0.5 * reach:
            yield (mother, start), middle**2 + ((large - small) / (large + small)) ** 2


def _cheapest(costs: Mapping[Pair, float]) -> list[Pair]:
    """The pairs of least cost in which nothing occurs twice on one side; a pair is worth taking below a cost of 1."""
    costs = {pair: cost for pair, cost in costs.items() if cost < 1}
    if not costs:
        return []
    ends, rows = np.unique([a for a, _ in costs], return_inverse=True)
    starts, columns = np.unique([b for _, b in costs], return_inverse=True)
    n, m = len(ends), len(starts)
    # beside each pair there is the choice of none, at half the cost for either (Jaqaman et al. 2008, figure 1c)
    parts = (
        (np.fromiter(costs.values(), float), rows, columns),
        (np.full(n, 0.5), np.arange(n), m + np.arange(n)),
        (np.full(m, 0.5), n + np.arange(m), np.arange(m)),
        (np.zeros(len(costs)), n + columns, m + rows),
    )
    value, row, column = (np.concatenate(c) for c in zip(*parts, strict=True))
    at, to = min_weight_full_bipartite_matching(coo_array((value + 1e-6, (row, column)), (n + m, n + m)).tocsr())
    return [(int(ends[i]), int(starts[j])) for i, j in zip(at, to, strict=True) if i < n and j < m]


def _without_flicker(points: Points, links: Sequence[Pair], known: set[Pair]) -> list[Pair]:
    """Without divisions one daughter of which is seen once only, before the end: an outline that broke for a moment."""
    last = len(points.frames) - 1
    begins = {a for a, _ in links}
    children: dict[int, list[int]] = {}
    for a, b in links:
        children.setdefault(a, []).append(b)
    gone = {
        (a, b)
        for a, bs in children.items()
        if len(bs) > 1 and any(b in begins for b in bs)
        for b in bs
        if b not in begins and points.time[b] < last and (a, b) not in known
    }
    return [pair for pair in links if pair not in gone]


__all__ = ["Pair", "Points", "joined", "lap_track", "nearest", "overlapping", "widths"]
