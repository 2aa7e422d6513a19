"""The metrics that other packages add, measured after those of this package."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from napari_segplugin.core import Task
from napari_segplugin.engine.evaluate.aggregate import Measured
from napari_segplugin.engine.evaluate.report import ALL
from napari_segplugin.metrics import METRICS, MetricRow, define, measure


def added(
    task: Task,
    truth: np.ndarray,
    prediction: np.ndarray,
    known: np.ndarray | None,
    name_of: Callable[[int], str],
    **given: Any,
) -> Iterator[Measured]:
    """Measure one image by every metric of another package that is made for the task.

    A metric knows nothing of an area that is not judged, so where there is one it is not measured. One that fails is not
    a number, and its meaning says why: it must not take the rest of the report with it.

    Parameters
    ----------
    task : Task
    truth, prediction : ([Z,] Y, X) ndarray of int
        Classes (SEMANTIC), each measured as a mask; otherwise object numbers.
    known : ndarray of bool, optional
    name_of : callable
        The name of a class.
    **given
        Options for the metrics that have them (`spacing`, `truth_classes`, `prediction_classes`), and `unit`.
    """
    rows = [row for row in METRICS if row.package and row.kind == str(task)]
    if known is not None or not rows:
        return
    if task is not Task.SEMANTIC:
        yield from (_measured(row, ALL, truth, prediction, given) for row in rows)
        return
    for c in range(1, max(1, int(truth.max(initial=0)), int(prediction.max(initial=0))) + 1):
        yield from (_measured(row, name_of(c), truth == c, prediction == c, given) for row in rows)


def _measured(
    row: MetricRow, class_name: str, truth: np.ndarray, prediction: np.ndarray, given: Mapping[str, Any]
) -> Measured:
    unit = str(given.get("unit") or "pixel")
    options = {word: value for word, value in given.items() if word in row.options and word != "unit"}
    meaning = f"{define(row.name, unit, **options).rstrip('.')} (by {row.package})."
    try:
        found = measure(row.name, truth, prediction, unit=unit, **options)
    except Exception as error:  # noqa: BLE001 (somebody else's code: what it raises is told in the report)
        return Measured(class_name, row.name, row.title, math.nan, f"{meaning} Not measured: {error}")
    return Measured(class_name, row.name, row.title, found.value, meaning, found.unit)


__all__ = ["added"]
