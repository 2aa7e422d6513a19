"""What a comparison found, in words: how much was found, how much was missed, what is false."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core.words import pixel, plural

if TYPE_CHECKING:
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.door.window import Comparison, Report

MOST = 4
"""Classes that have a line of their own; more are in the table."""


def in_words(found: Comparison | Report, threshold: float) -> tuple[str, ...]:
    """Sentences about a comparison, the most important first: all together, each class, and what "found" means.

    Parameters
    ----------
    found : Comparison or Report
    threshold : float
        IoU at which objects counted as the same.
    """
    objects: MeasureTable | None = getattr(found, "objects", None)
    if objects is not None and len(objects):
        return _objects(objects, threshold)
    overlay: np.ndarray | None = getattr(found, "overlay", None)
    if overlay is not None and overlay.size and objects is not None and found.report.task.value == "semantic":  # type: ignore[union-attr]
        return _areas(np.bincount(overlay.ravel(), minlength=4), overlay.ndim)
    return _report(getattr(found, "report", found))


def _objects(objects: MeasureTable, threshold: float) -> tuple[str, ...]:
    outcomes = objects["outcome"].values
    kinds = objects["class"].values if "class" in objects else np.full(len(objects), "", object)
    names = [str(n) for n in dict.fromkeys(kinds.tolist()) if n]
    counted = {name: counts(outcomes[kinds == name]) for name in names}
    one = names[0] if len(names) == 1 else "object"
    lines = [f"{_share(*counts(outcomes), one)}"]
    if 1 < len(names) <= MOST:
        lines += [f"{plural(name)}: {_share(*counted[name])}" for name in names]
    meaning = f"Found: it overlaps one object of the ground truth by an IoU of at least {threshold:g}."
    return (*lines, meaning)


def counts(outcomes: np.ndarray) -> tuple[int, int, int]:
    """How many were found, missed and false.

    Examples
    --------
    >>> counts(np.array(["hit", "hit", "missed", "false"], object))
    (2, 1, 1)
    """
    return int((outcomes == "hit").sum()), int((outcomes == "missed").sum()), int((outcomes == "false").sum())


def _share(found: int, missed: int, false: int, name: str = "") -> str:
    """How many of how many.

    Examples
    --------
    >>> _share(43, 3, 2, "nucleus"), _share(1, 0, 0)
    ('43 of 46 nuclei found, 3 missed, 2 false.', '1 of 1 found, 0 missed, 0 false.')
    """
    total = found + missed
    what = f" {name if total == 1 else plural(name)}" if name else ""
    return f"{found:,} of {total:,}{what} found, {missed:,} missed, {false:,} false."


def _areas(voxels: np.ndarray, ndim: int) -> tuple[str, ...]:
    """Of classes: shares of the voxels of the ground truth.

    Examples
    --------
    >>> _areas(np.array([50, 80, 20, 10]), 2)[0]
    '80 % of the ground truth found, 20 % missed or of another class, 10 % false.'
    """
    found, missed, false = (int(n) for n in voxels[1:4])
    if not found + missed:
        return ("The ground truth is empty.",)
    part = [100 * n / (found + missed) for n in (found, missed, false)]
    shown = [f"{p:.0f} %" if p >= 1 or p == 0 else "under 1 %" for p in part]
    return (
        f"{shown[0]} of the ground truth found, {shown[1]} missed or of another class, {shown[2]} false.",
        f"Shares of the {pixel(ndim)}s that have a class in the ground truth; false are those beyond them.",
    )


def _report(report: Report) -> tuple[str, ...]:
    """Of two folders only numbers are known: objects by how many there are, classes by their overlap."""
    value = {row.metric: float(row.value) for row in report.rows if row.class_name == "all"}
    ending = next((e for e in (", pooled over images", "") if f"Recall@0.5{e}" in value), None)
    true = value.get("Objects in truth, total over images", value.get("Objects in truth"))
    predicted = value.get("Objects predicted, total over images", value.get("Objects predicted"))
    if ending is not None and true and predicted is not None:
        found = round(value[f"Recall@0.5{ending}"] * true)
        share = _share(found, int(true) - found, int(predicted) - found, "object")
        return (share, "Found: it overlaps one object of the ground truth by an IoU of at least 0.5.")
    first = next((row for row in report.rows if np.isfinite(row.value)), None)
    return () if first is None else (f"{first.metric}: {first.value:.2f}, where 1 is perfect.", first.definition)


__all__ = ["counts", "in_words"]
