"""Which object of a time point is which of the next: by overlap, by laptrack's assignment, over gaps, into daughters.

Jaqaman et al., "Robust single-particle tracking in live-cell time-lapse sequences", Nature Methods 5 (2008): objects of
neighbouring time points are assigned so that the sum of all costs is least; then pieces are joined over gaps and at
divisions by a second assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from napari_segplugin.core import MissingExtraError
from napari_segplugin.data.over_time import FrameObjects

Pair = tuple[int, int]
_NEVER = 2.0
_LEAST_SISTER = 0.5
"""A daughter has at least this share of the voxels of the other one."""
_MOST_DAUGHTER = 0.9
"""A daughter has at most this share of the voxels of its mother."""


def lap_track() -> Any:
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
    return LapTrack


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
    """Pairs whose intersection over union is above `least`; from one half on an object is in one pair at most.

    Parameters
    ----------
    shared : tuple of ndarray
        What :func:`~napari_segplugin.data.over_time.shared_voxels` returned.
    one, other : FrameObjects
    least : float
        0.5 or more.
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

    def of(self, frame: int) -> np.ndarray:
        """(N, D + 1) places of the objects of a frame."""
        return np.asarray(self.place[self.start[frame] : self.start[frame + 1]])

    def node(self, index: int) -> tuple[int, int]:
        """Frame and position in the frame."""
        frame = int(self.time[index])
        return frame, int(index - self.start[frame])


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
    known = [*links, *splits]
    if not (gap or split) or not len(points):
        return known
    follower = dict(links)
    tracker = lap_track()(
        metric="sqeuclidean",
        cutoff=0.25,  # the numbers of two objects differ by one or more: what is known is all there is between neighbours
        gap_closing_metric=_gap_cost(points),
        gap_closing_cutoff=1.0 if gap else False,
        gap_closing_max_frame_count=gap + 1,
        splitting_metric=_split_cost(points, follower),
        splitting_cutoff=1.0 if split else False,
        segment_start_cost=1.05,
        segment_end_cost=1.05,
        no_splitting_cost=1.05,
        no_merging_cost=1.05,
    )
    every = np.arange(len(points), dtype=float)[:, None]
    coordinates = [every[a:b] for a, b in zip(points.start[:-1], points.start[1:], strict=True)]
    edges = [(points.node(a), points.node(b)) for a, b in known]
    graph = tracker.predict(coordinates, connected_edges=edges or None, split_merge_validation=False)
    found = [(int(points.start[a[0]] + a[1]), int(points.start[b[0]] + b[1])) for a, b in graph.edges()]
    return _without_flicker(points, found, set(splits))


def _gap_cost(points: Points) -> Callable[[np.ndarray, np.ndarray], float]:
    place, time = points.place, points.time

    def cost(end: np.ndarray, start: np.ndarray) -> float:
        i, j = int(end[0]), int(start[0])
        away = place[i] - place[j]
        # an object that wanders gets as far as the square root of the time
        return float(away @ away) / max(1, int(time[j] - time[i]))

    return cost


def _split_cost(points: Points, follower: dict[int, int]) -> Callable[[np.ndarray, np.ndarray], float]:
    """How badly two objects look like the daughters of a third: alike, smaller than it, and on either side of it."""
    where, voxels, time = points.place[:, :-1], points.voxels, points.time

    def cost(start: np.ndarray, mother: np.ndarray) -> float:
        s, m = int(start[0]), int(mother[0])
        sister = follower.get(m, -1)
        if sister < 0 or time[sister] != time[s]:
            return _NEVER
        small, large = sorted((int(voxels[s]), int(voxels[sister])))
        if small < _LEAST_SISTER * large or large > _MOST_DAUGHTER * voxels[m]:
            return _NEVER
        to = where[[s, sister]] - where[m]
        # both are within reach, and their middle is closer to the mother than they are
        middle, reach = to.mean(axis=0), np.sqrt((to**2).sum(axis=1))
        off = float(np.sqrt(middle @ middle))
        if reach.max() >= 1 or off > 0.5 * reach.max():
            return _NEVER
        return off**2 + ((large - small) / (large + small)) ** 2

    return cost


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
