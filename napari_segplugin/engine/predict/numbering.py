"""One table for many parts: frames of a series, planes of a stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Task
from napari_segplugin.core.types import Json, JsonDict


class Unifier:
    """Gives the labels of part after part numbers that are unique over all, and gathers their tables.

    Things get a new number each; a stuff class keeps one number over all parts, its score is the mean over its voxels.
    Labels of a semantic result are class numbers and stay as they are.

    Parameters
    ----------
    task : Task
    classes : ClassTable
    """

    def __init__(self, task: Task, classes: ClassTable) -> None:
        self._semantic = task is Task.SEMANTIC
        self._single = {c.id for c in classes if self._semantic or c.id not in classes.thing_ids}
        self._number: dict[int, int] = {}
        self._weight: dict[int, tuple[float, int]] = {}
        self._rows: dict[int, tuple[int, float, str]] = {}
        self._last = self._told = 0

    def news(self) -> JsonDict:
        """What has come since the last call, as JSON values that :meth:`take_up` takes."""
        numbers = [*range(self._told + 1, self._last + 1), *self._number.values()]
        self._told = self._last
        return {
            "rows": [[n, *self._rows[n]] for n in dict.fromkeys(numbers) if n in self._rows],
            "number": [[c, n] for c, n in self._number.items()],
            "weight": [[n, *pair] for n, pair in self._weight.items()],
            "last": self._last,
        }

    def take_up(self, news: Json) -> None:
        """Take in what :meth:`news` gave when it was done."""
        told: Any = news
        self._rows |= {n: (c, s, status) for n, c, s, status in told["rows"]}
        self._number, self._weight = dict(told["number"]), {n: (total, count) for n, total, count in told["weight"]}
        self._last = self._told = told["last"]

    def add(self, labels: np.ndarray, table: ObjectTable) -> np.ndarray:
        """The labels of the next part of an instance or panoptic result with their final numbers, int32."""
        if not len(table):
            return labels.astype(np.int32)
        lut = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        counts = np.bincount(labels.ravel(), minlength=len(lut))
        columns = (table.label.tolist(), table.class_id.tolist(), table.score.tolist(), table.status)
        for label, class_id, score, status in zip(*columns, strict=True):
            lut[label] = self._place(label, class_id, score, status, int(counts[label]))
        renumbered: np.ndarray = lut[labels].astype(np.int32)
        return renumbered

    def count(self, count: np.ndarray, total: np.ndarray) -> None:
        """Take in a part of a semantic result: voxels of each class, and the sum of the class's probability over them."""
        for c in np.flatnonzero(count):
            if c:
                self._place(int(c), int(c), float(total[c] / count[c]), "predicted", int(count[c]))

    def _place(self, label: int, class_id: int, score: float, status: str, count: int) -> int:
        """The final number of a label."""
        if class_id not in self._single:
            self._last += 1
            self._rows[self._last] = (class_id, score, status)
            return self._last
        if class_id not in self._number:
            self._last += 1
            self._number[class_id] = label if self._semantic else self._last
        number = self._number[class_id]
        total, voxels = self._weight.get(number, (0.0, 0))
        self._weight[number] = (total + score * count, voxels + count)
        self._rows[number] = (class_id, (total + score * count) / max(1, voxels + count), status)
        return number

    def reserve(self) -> int:
        """Number every stuff class ahead of the parts; the last number that is taken."""
        for class_id in sorted(self._single - {0}):
            if class_id not in self._number:
                self._last += 1
                self._number[class_id] = self._last
        return self._last

    @property
    def stuff_numbers(self) -> dict[int, int]:
        """The number of each stuff class that has one."""
        return dict(self._number)

    def take(self, things: ObjectTable, stuff: Mapping[int, tuple[float, int]]) -> None:
        """Take in a part whose labels have their final numbers already.

        Parameters
        ----------
        things : ObjectTable
            Numbered without gaps after what :meth:`reserve` said.
        stuff : mapping of class to (sum of its probability, voxels)
        """
        columns = (things.label.tolist(), things.class_id.tolist(), things.score.tolist(), things.status)
        for label, class_id, score, status in zip(*columns, strict=True):
            self._rows[label] = (class_id, score, status)
            self._last = max(self._last, label)
        for class_id, (total, count) in stuff.items():
            if count:
                self._place(0, class_id, total / count, "predicted", count)

    def drop(self, gone: Iterable[int]) -> None:
        """Forget things whose voxels were taken away."""
        for number in gone:
            self._rows.pop(number, None)

    def table(self) -> ObjectTable:
        """The table of all parts so far."""
        numbers = sorted(self._rows)
        rows = [self._rows[n] for n in numbers]
        return ObjectTable(
            np.array(numbers, np.int64),
            np.array([c for c, _, _ in rows], np.int64),
            np.array([s for _, s, _ in rows], np.float32),
            tuple(s for _, _, s in rows),
        )


__all__ = ["Unifier"]
