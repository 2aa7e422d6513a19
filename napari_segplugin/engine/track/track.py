"""Objects through time: one number from the first time point to the last, with lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from numbers import Integral
from typing import Any, cast

import numpy as np

from napari_segplugin.core import InputError, Job, Segmentation, Stage, Step, Task
from napari_segplugin.core.types import Array, Json, JsonDict, json_integers, json_object
from napari_segplugin.data.over_time import (
    FrameObjects,
    changed_objects,
    objects_at,
    renumbered,
    shared_voxels,
)
from napari_segplugin.engine.track.linking import Pair, Points, joined, lap_track, nearest, overlapping, widths
from napari_segplugin.engine.track.numbers import as_tracks, number_tracks, table_of_tracks, with_rows

_LEAST_KEPT = 0.25
"""Intersection over union from which on an edited object keeps its number."""


@dataclass(frozen=True)
class TrackSpec:
    """How objects are linked through time.

    Parameters
    ----------
    max_distance : float
        How far an object moves at most from one time point to the next, in the unit of the voxel size. 0: the diameter
        of the median object.
    gap : int
        Time points in which an object may be missing.
    split : bool
        Whether objects divide.
    min_overlap : float
        Objects of neighbouring time points whose intersection over union is above this are the same; 0.5 to 1.
    keep : bool
        Where the segmentation was linked before: keep its numbers and links as far as nobody edited them.
    """

    max_distance: float = 0.0
    gap: int = 1
    split: bool = True
    min_overlap: float = 0.5
    keep: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.max_distance < 1e30:  # not NaN either
            raise InputError(
                "The largest distance is out of range.",
                got=self.max_distance,
                accepted="a positive number in the unit of the pixel size, or 0: as wide as the objects",
            )
        if not (isinstance(self.gap, Integral) and 0 <= self.gap <= 100):
            raise InputError("The gap is out of range.", got=self.gap, accepted="0 to 100 whole time points")
        if not 0.5 <= self.min_overlap <= 1:
            raise InputError("The overlap is out of range.", got=self.min_overlap, accepted="0.5 to 1")


def track_spec_from_json(data: Json) -> TrackSpec:
    """The settings of a linking that its recipe names."""
    return TrackSpec(**cast("dict[str, Any]", dict(json_object(data))))


@dataclass(frozen=True, eq=False)
class Tracking:
    """Objects that are linked through time.

    Parameters
    ----------
    segmentation : Segmentation
        Its numbers are those of the tracks: one number is one object through time, daughters have numbers of their own.
        Its recipe says how it was linked ("tracks": settings and graph).
    tracks : (N, 4) or (N, 5) ndarray of float
        Track, time point, (z,) y, x of each object, in voxels; sorted by track and time. What napari's Tracks show.
    graph : dict of int to list of int
        The mother of each daughter.
    nodes : (N, 3) ndarray of int64
        Time point, number before and number now of each object.
    """

    segmentation: Segmentation
    tracks: np.ndarray
    graph: dict[int, list[int]]
    nodes: np.ndarray

    @property
    def track(self) -> dict[int, int]:
        """Track of each label that has one; what :func:`napari_segplugin.engine.export.measure` takes."""
        return {int(n): int(n) for n in np.unique(self.nodes[:, 2])}

    def relabelled(self, labels: Array) -> np.ndarray:
        """An earlier state of the same labels with the numbers of the tracks; what is not known gets new numbers."""
        known = np.asarray(self.segmentation.labels)
        stuff = {int(n): int(n) for n in self.segmentation.objects.label if int(n) not in self.track}
        numbers = _numbers_of_frames(self.nodes, len(known), stuff)
        return _renumber(labels, numbers, int(known.max(initial=0)) + 1)


def track(segmentation: Segmentation, spec: TrackSpec | None = None, *, before: Array | None = None) -> Job[Tracking]:
    """Link the objects of a time series.

    Objects that lie on each other from one time point to the next are the same; the others are assigned by laptrack so
    that the sum of squared distances (of centres, and of diameters) is least; then gaps are closed and divisions found.

    Parameters
    ----------
    segmentation : Segmentation
        Axes "TYX" or "TZYX"; objects of INSTANCE, things of PANOPTIC.
    spec : TrackSpec, optional
    before : array of int, optional
        The labels as they were when they were linked the last time: what differs was edited, and only that is linked
        anew. Without it every number that is kept is taken as right.

    Yields
    ------
    Stage, Step

    Returns
    -------
    Tracking
        Class, score and status of an object are those of its track: what a person said wins.

    Raises
    ------
    InputError
        If there is no time axis, one time point only, no object, or the labels are classes.
    MissingExtraError
        If laptrack is not installed.

    Examples
    --------
    >>> from napari_segplugin.core import ClassTable, ObjectTable, drain
    >>> labels = np.zeros((2, 8, 8), int)
    >>> labels[0, 1:4, 1:4], labels[1, 2:5, 2:5] = 1, 2
    >>> cells = Segmentation(
    ...     Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["cell"]), "TYX", (1.0, 1.0)
    ... )
    >>> drain(track(cells)).tracks.tolist()
    [[1.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]]
    """
    spec, s = spec or TrackSpec(), segmentation
    _check(s, before)
    yield Stage("Loading laptrack")
    lap_track()
    stuff = _stuff(s)
    frames = yield from _frames(s, stuff)
    largest = spec.max_distance or float(np.median(np.concatenate([widths(f.voxels, s.spacing) for f in frames])))
    points = Points(frames, s.spacing, largest)
    was = json_object(s.recipe.get("tracks")) if spec.keep else None
    links, splits = yield from _links(s, points, spec, was, before)
    yield Stage("Closing gaps and finding divisions")
    links += _kept_gaps(points, links, splits) if was else []
    of, parent = as_tracks(len(points), joined(points, links, splits, spec.gap, spec.split))
    reserved = max([0, *s.objects.label.tolist(), *([int(np.max(np.asarray(before)))] if before is not None else [])])
    numbers = number_tracks(points.label, of, parent, keep=bool(was), above=reserved)
    graph = {int(numbers[c]): int(numbers[p]) for c, p in parent.items()}
    return (yield from _result(s, points, numbers[of], graph, spec, largest, stuff))


def _check(s: Segmentation, before: Array | None) -> None:
    if not all(np.isfinite(size) and size > 0 for size in s.spacing):
        raise InputError("The pixel size is not a positive number.", got=tuple(s.spacing))
    if s.task is Task.SEMANTIC:
        raise InputError("Classes cannot be linked through time, only objects.", hint="Use a result with objects")
    if s.axes not in ("TYX", "TZYX"):
        raise InputError(
            "There is no time axis.",
            got=f"axes {s.axes}",
            accepted="TYX or TZYX",
            hint="If the first axis is time, set it so",
            setting="axes",
        )
    if s.labels.shape[0] < 2:
        raise InputError("There is only one time point.", accepted="two or more")
    if before is not None and tuple(before.shape) != tuple(s.labels.shape):
        raise InputError(
            "The earlier labels have a different size.", got=f"{tuple(before.shape)} for {tuple(s.labels.shape)}"
        )


def _stuff(s: Segmentation) -> np.ndarray:
    """Numbers that stand for a class and not for an object."""
    return (
        s.objects.label[~np.isin(s.objects.class_id, s.classes.thing_ids)] if s.task is Task.PANOPTIC else np.zeros(0)
    )


def _frames(s: Segmentation, stuff: np.ndarray) -> Job[list[FrameObjects]]:
    yield Stage("Finding the objects of each time point")
    frames = []
    for t in range(s.labels.shape[0]):
        found = objects_at(s.labels[t])
        kept = ~np.isin(found.label, stuff)
        frames.append(FrameObjects(found.label[kept], found.voxels[kept], found.centre[kept]))
        yield Step(t + 1, s.labels.shape[0])
    if not any(map(len, frames)):
        raise InputError("There are no objects to link.", hint="Segment the image first")
    return frames


def _links(
    s: Segmentation, points: Points, spec: TrackSpec, was: Mapping[str, Json] | None, before: Array | None
) -> Job[tuple[list[Pair], list[Pair]]]:
    """Links between neighbouring time points, and the divisions that are known."""
    yield Stage("Linking neighbouring time points")
    n = len(points.frames)
    free = _edited(s, before, n) if was else []
    splits = _kept_splits(points, was, free) if was and spec.split else []
    taken = np.zeros((2, len(points)), bool)
    taken[0, [a for a, _ in splits]] = taken[1, [b for _, b in splits]] = True
    links: list[Pair] = []

    def take(pairs: Sequence[Pair]) -> None:
        for a, b in pairs:
            if not taken[0, a] and not taken[1, b]:
                taken[0, a] = taken[1, b] = True
                links.append((a, b))

    for t in range(n - 1):
        one, other = points.frames[t], points.frames[t + 1]
        shared, first = shared_voxels(s.labels[t], s.labels[t + 1]), points.start[t : t + 2].tolist()
        if was:
            take(_placed(_same_number(one, other, free[t], free[t + 1]), *first))
        take(_placed(overlapping(shared, one, other, spec.min_overlap), *first))
        if was:
            near = overlapping(shared, one, other, _LEAST_KEPT)
            take(_placed([(i, j) for i, j in near if one.label[i] == other.label[j]], *first))
        rows, columns = points.of(t, ~taken[0]), points.of(t + 1, ~taken[1])
        take([(int(rows[i]), int(columns[j])) for i, j in nearest(points.place[rows], points.place[columns])])
        yield Step(t + 1, n - 1)
    return links, splits


def _placed(pairs: Sequence[Pair], one: int, other: int) -> list[Pair]:
    return [(one + i, other + j) for i, j in pairs]


def _edited(s: Segmentation, before: Array | None, n: int) -> list[set[int]]:
    """Objects of each time point whose number says nothing, because their voxels were edited.

    A number that a person gave to an object where it was not before is meant, and stays.
    """
    if before is None:
        return [set() for _ in range(n)]
    there = [set(objects_at(before[t]).label.tolist()) for t in range(n)]
    ever = set().union(*there)
    out = []
    for t in range(n):
        old, new = changed_objects(before[t], s.labels[t])
        out.append({x for x in {*old.tolist(), *new.tolist()} if x in there[t] or x not in ever})
    return out


def _same_number(one: FrameObjects, other: FrameObjects, free: set[int], free_after: set[int]) -> list[Pair]:
    same, i, j = np.intersect1d(one.label, other.label, assume_unique=True, return_indices=True)
    rows = zip(same.tolist(), i.tolist(), j.tolist(), strict=True)
    return [(a, b) for label, a, b in rows if label not in free and label not in free_after]


def _kept_splits(points: Points, was: Mapping[str, Json], free: Sequence[set[int]]) -> list[Pair]:
    """Divisions that were known and whose mother and daughters are still there, untouched."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for at, label in enumerate(points.label.tolist()):
        first.setdefault(label, at)
        last[label] = at
    found: dict[int, list[Pair]] = {}
    for child, parents in json_object(was.get("graph")).items():
        mother, daughter = last.get(json_integers(parents)[0], -1), first.get(int(child), -1)
        if mother >= 0 and daughter >= 0 and points.time[daughter] == points.time[mother] + 1:
            touched = [int(points.label[a]) in free[int(points.time[a])] for a in (mother, daughter)]
            if not any(touched):
                found.setdefault(mother, []).append((mother, daughter))
    return [pair for pairs in found.values() if len(pairs) > 1 for pair in pairs]


def _kept_gaps(points: Points, links: Sequence[Pair], splits: Sequence[Pair]) -> list[Pair]:
    """Links over gaps that were known: the same number before and after, and nothing else took the place."""
    ended, begun = {a for a, _ in (*links, *splits)}, {b for _, b in (*links, *splits)}
    seen: dict[int, int] = {}
    out = []
    for at, label in enumerate(points.label.tolist()):
        earlier = seen.get(label, -1)
        seen[label] = at
        if earlier >= 0 and points.time[at] > points.time[earlier] + 1 and earlier not in ended and at not in begun:
            out.append((earlier, at))
    return out


def _result(
    s: Segmentation,
    points: Points,
    numbers: np.ndarray,
    graph: Mapping[int, int],
    spec: TrackSpec,
    distance: float,
    stuff: np.ndarray,
) -> Job[Tracking]:
    yield Stage("Numbering the objects")
    nodes = np.column_stack([points.time, points.label, numbers]).astype(np.int64)
    kept = {int(n): int(n) for n in stuff}
    labels = _renumber(s.labels, _numbers_of_frames(nodes, len(points.frames), kept), 0)
    yield Step(1, 1)
    lineage = {int(c): [int(p)] for c, p in sorted(graph.items())}
    about: JsonDict = {
        "settings": asdict(replace(spec, max_distance=distance)),
        "unit": s.unit,
        "graph": {str(c): p for c, p in lineage.items()},
        "made_with": f"laptrack {version('laptrack')}",
    }
    things = table_of_tracks(s.objects, points.label, numbers, (s.classes.thing_ids or (1,))[0])
    objects = with_rows(things, s.objects, np.isin(s.objects.label, stuff))
    order = np.lexsort((points.time, numbers))
    tracks = np.column_stack([numbers, points.time, points.centre])[order]
    found = replace(s, labels=labels, objects=objects, recipe=dict(s.recipe) | {"tracks": about})
    return Tracking(found, tracks.astype(float), lineage, nodes)


def _numbers_of_frames(nodes: np.ndarray, frames: int, more: Mapping[int, int]) -> list[dict[int, int]]:
    out = [dict(more) for _ in range(frames)]
    for t, label, number in nodes.tolist():
        out[t][label] = number
    return out


def _renumber(labels: Array, numbers: Sequence[Mapping[int, int]], spare: int) -> np.ndarray:
    """Labels with other numbers, frame by frame, in their own dtype where that holds them."""
    largest = max([0, spare, *(n for table in numbers for n in table.values())])
    dtype = np.dtype(labels.dtype)
    if dtype.kind == "b" or largest + sum(map(len, numbers)) > np.iinfo(dtype).max:
        dtype = np.dtype(np.int32)
    out = np.empty(labels.shape, dtype)
    for t, table in enumerate(numbers):
        out[t], spare = renumbered(labels[t], table, spare)
    return out


__all__ = ["TrackSpec", "Tracking", "track"]
