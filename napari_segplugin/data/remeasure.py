"""Measurements of labels that are edited: after the first time only objects of which a voxel has changed are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_segplugin.core import Box, ClassTable, ObjectTable
from napari_segplugin.data.measure import described, measure_objects
from napari_segplugin.data.table import Column, MeasureTable

MOST_BYTES = 2**30
"""Labels that take more are measured as a whole each time, since a copy of them is kept to know what has changed."""
FEW = 48
"""Up to so many objects of a time point are measured one by one, each in its own box; more together, in the box around all."""


@dataclass(frozen=True, eq=False)
class _Changed:
    """An object of a time point that has other voxels than before."""

    frame: int
    number: int
    box: Box


class LastMeasured:
    """What was measured last, and the labels of then.

    Nothing is asked of who changes the labels: they are compared with a copy, so that a stroke, an undo and a script are
    all seen. Images are taken to be as they were; make another one of these where they are not.

    Examples
    --------
    >>> labels, last = np.array([[0, 4, 4], [7, 7, 0]]), LastMeasured()
    >>> last.objects(labels, axes="YX", spacing=(1, 1))["area"].values.tolist()
    [2.0, 2.0]
    >>> labels[0, 0] = 4
    >>> last.objects(labels, axes="YX", spacing=(1, 1))["area"].values.tolist(), last.measured
    ([3.0, 2.0], 1)
    """

    def __init__(self) -> None:
        self.measured = 0
        self._labels: np.ndarray | None = None
        self._table: MeasureTable | None = None
        self._about: tuple[object, ...] = ()

    @property
    def quick(self) -> bool:
        """Whether the labels of last time are known, so that the next time is quick."""
        return self._labels is not None

    def objects(
        self,
        labels: np.ndarray,
        *,
        axes: str,
        objects: ObjectTable | None = None,
        classes: ClassTable | None = None,
        tracks: Mapping[int, int] | None = None,
        **how: Any,
    ) -> MeasureTable:
        """As :func:`~napari_segplugin.data.measure.measure_objects`; ``measured`` says how many objects it took this time.

        Parameters
        ----------
        labels, axes, objects, classes, tracks
            As there.
        **how
            Spacing, edges, unit and channels.
        """
        edges = how.get("edges")
        about = (axes, labels.shape, labels.dtype.kind, tuple(how.get("spacing") or ()), how.get("unit"))
        about += (None if edges is None else np.asarray(edges).tobytes(), tuple(how.get("channels") or ()))
        table = None
        if self._labels is not None and self._table is not None and about == self._about:
            table = self._again(self._labels, self._table, labels, axes, how)
        if table is None:
            small = labels.nbytes <= MOST_BYTES
            kept = labels = labels.copy() if small else labels  # it may be painted on while it is measured
            table = measure_objects(labels, axes=axes, **how)
            self._labels, self.measured = (kept if small else None), len(table)
        self._table, self._about = table, about
        place = 2 if "frame" in table else 1
        more = described(table["label"].values, objects, classes, tracks)
        return replace(table, columns=(*table.columns[:place], *more, *table.columns[place:]))

    def _again(
        self, before: np.ndarray, table: MeasureTable, labels: np.ndarray, axes: str, how: Mapping[str, Any]
    ) -> MeasureTable | None:
        """The table with other rows for what has changed; None where its columns would be others."""
        film = axes.startswith("T")
        changed: dict[tuple[int, int], Box] = {}
        for frame in range(labels.shape[0]) if film else (0,):
            old, new = (before[frame], labels[frame]) if film else (before, labels)
            for number, box in take_changes(old, new).items():
                changed[frame, number] = box
        self.measured = len(changed)
        if not changed:
            return table
        frames = table["frame"].values if film else np.zeros(len(table), np.int64)
        rows = list(zip(frames.tolist(), table["label"].values.tolist(), strict=True))
        gone = np.array([key in changed for key in rows], bool)
        for i in np.flatnonzero(gone):
            at = tuple(slice(int(low), int(high)) for low, high in table.boxes[i].T)
            changed[rows[i]] = _around(changed[rows[i]], at)
        parts = [
            _measured(before[p.frame] if film else before, p, wanted, axes, how)
            for p, wanted in _together([_Changed(f, n, box) for (f, n), box in changed.items()])
        ]
        same = _with_equal_columns([table, *parts])
        return None if same is None else _joined(same[0], np.flatnonzero(~gone), same[1:])


def take_changes(before: np.ndarray, labels: np.ndarray) -> dict[int, Box]:
    """Write what differs into `before`, and say which objects won or lost voxels, and the box around those.

    Parameters
    ----------
    before, labels : (Z, Y, X) or (Y, X) ndarray of int

    Returns
    -------
    dict of int to tuple of slice

    Examples
    --------
    >>> before, labels = np.array([[0, 4, 4], [7, 7, 0]]), np.array([[0, 4, 7], [7, 7, 0]])
    >>> take_changes(before, labels)
    {4: (slice(0, 1, None), slice(2, 3, None)), 7: (slice(0, 1, None), slice(2, 3, None))}
    >>> bool((before == labels).all())
    True
    """
    found: dict[int, Box] = {}
    thick = max(1, (1 << 22) // max(1, labels[:1].size))  # in slabs, so that no mask of the whole is made
    for start in range(0, labels.shape[0], thick):
        old, new = before[start : start + thick], labels[start : start + thick]
        differs = old != new
        if not differs.any():
            continue
        at = np.nonzero(differs)
        values = new[at]  # once: the labels may be painted on while they are looked at
        for of in (old[at], values):
            for number, box in _boxes(of, at, start):
                found[number] = _around(found[number], box) if number in found else box
        old[at] = values
    found.pop(0, None)
    return dict(sorted(found.items()))


def _boxes(values: np.ndarray, at: tuple[np.ndarray, ...], start: int) -> Iterator[tuple[int, Box]]:
    order = np.argsort(values, kind="stable")
    numbers, begins = np.unique(values[order], return_index=True)
    low = [np.minimum.reduceat(axis[order], begins) for axis in at]
    high = [np.maximum.reduceat(axis[order], begins) for axis in at]
    low[0], high[0] = low[0] + start, high[0] + start
    for i, number in enumerate(numbers.tolist()):
        yield number, tuple(slice(int(a[i]), int(b[i]) + 1) for a, b in zip(low, high, strict=True))


def _around(one: Box, other: Box) -> Box:
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True))


def _together(changed: Iterable[_Changed]) -> Iterator[tuple[_Changed, list[int]]]:
    """What is measured at once: an object, or where there are many of them all of a time point."""
    frames: dict[int, list[_Changed]] = {}
    for one in changed:
        frames.setdefault(one.frame, []).append(one)
    for frame, all_of in frames.items():
        if len(all_of) <= FEW:
            yield from ((one, [one.number]) for one in all_of)
            continue
        box = all_of[0].box
        for one in all_of:
            box = _around(box, one.box)
        yield _Changed(frame, 0, box), [one.number for one in all_of]


def _measured(labels: np.ndarray, part: _Changed, wanted: list[int], axes: str, how: Mapping[str, Any]) -> MeasureTable:
    """Rows of some objects, measured in a box that holds them, as they are in the whole."""
    inside, box = labels[part.box], part.box
    mask = inside == wanted[0] if len(wanted) == 1 else np.isin(inside, wanted)
    film = axes.startswith("T")
    channels = {n: (c[part.frame] if film else c)[box] for n, c in (how.get("channels") or {}).items()}
    found = measure_objects(
        np.where(mask, inside, 0).astype(labels.dtype), axes=axes.lstrip("T"), **{**how, "channels": channels}
    )
    space = axes.lstrip("T").lower()
    start = np.array([s.start for s in box])
    boxes = found.boxes + start
    moved = {}
    for axis, first, size in zip(space, start, how.get("spacing") or (1.0,) * len(box), strict=True):
        column = found[f"centroid_{axis}"]
        moved[column.name] = column.values + first * size
    moved["at_border"] = ((boxes[:, 0] == 0) | (boxes[:, 1] == labels.shape)).any(axis=1)
    columns = [replace(c, values=moved.get(c.name, c.values)) for c in found]
    if film:
        columns.insert(1, Column("frame", "frame", np.full(len(found), part.frame), "Time point, counted from 0."))
    return MeasureTable(tuple(columns), boxes)


def _with_equal_columns(tables: list[MeasureTable]) -> list[MeasureTable] | None:
    """Tables with the same columns: those of missing values are left out where none is; None where others differ."""
    most = max(tables, key=lambda t: len(t.columns))
    out = []
    for table in tables:
        lacks = {c.name for c in most if c.name not in table}
        if not all(n.startswith("missing ") for n in lacks) or len(lacks) + len(table.columns) != len(most.columns):
            return None
        none = np.zeros(len(table), np.int64)
        out.append(
            replace(table, columns=tuple(replace(c, values=none) if c.name in lacks else table[c.name] for c in most))
        )
    return out


def _joined(table: MeasureTable, kept: np.ndarray, parts: list[MeasureTable]) -> MeasureTable:
    """Some rows of a table and those of others, by time point and number."""
    boxes = np.concatenate([table.boxes[kept], *(p.boxes for p in parts)])
    values = {c.name: _one_after_the_other([c.values[kept], *(p[c.name].values for p in parts)]) for c in table}
    order = np.lexsort((values["label"], values.get("frame", np.zeros(len(boxes)))))
    return replace(table, columns=tuple(replace(c, values=values[c.name][order]) for c in table), boxes=boxes[order])


def _one_after_the_other(values: list[np.ndarray]) -> np.ndarray:
    """Values in one array; of the type of an image again where no object without any made floats of them."""
    joined, narrow = np.concatenate(values), {v.dtype for v in values if len(v)} - {np.dtype(float)}
    if joined.dtype == float and len(narrow) == 1 and np.isfinite(joined).all():
        return joined.astype(narrow.pop())
    return joined


__all__ = ["LastMeasured", "take_changes"]
