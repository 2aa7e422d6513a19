"""Panoptic quality of Kirillov et al. 2019, counted as the panopticapi does.

A match needs the same class and IoU > 0.5, which makes it unique. A class without TP, FP and FN has no quality (NaN)
and is skipped in the mean; a class that has some but no match has SQ = 0. Void as in
:mod:`napari_segplugin.metrics.matching`. Crowd regions of COCO are not supported: pass them as void.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import InputError
from napari_segplugin.metrics.matching import contingency
from napari_segplugin.metrics.value import NAN, Ratio, mean


@dataclass(frozen=True)
class PanopticCounts:
    """Counts of one class; the sum of two pools them.

    Parameters
    ----------
    iou : float
        Sum of the IoU of the matched pairs.
    tp, fp, fn : int
    """

    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        return PanopticCounts(self.iou + other.iou, self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def pq(self) -> Ratio:
        """Panoptic quality: sum of IoU over TP + FP/2 + FN/2."""
        return Ratio(self.iou, self.tp + 0.5 * self.fp + 0.5 * self.fn)

    @property
    def sq(self) -> Ratio:
        """Segmentation quality: mean IoU of the matched pairs; 0 where the class occurs and nothing matches."""
        return Ratio(self.iou, self.tp, 0.0 if self.fp + self.fn else NAN)

    @property
    def rq(self) -> Ratio:
        """Recognition quality: TP over TP + FP/2 + FN/2."""
        return Ratio(self.tp, self.tp + 0.5 * self.fp + 0.5 * self.fn)


def panoptic_counts(
    truth: ArrayLike,
    prediction: ArrayLike,
    truth_classes: Mapping[int, int] | None = None,
    prediction_classes: Mapping[int, int] | None = None,
    void: ArrayLike | None = None,
) -> dict[int, PanopticCounts]:
    """Count matched and unmatched segments, class by class.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of int
        Segment numbers, 0 is background and no segment. Each stuff class is one segment.
    truth_classes, prediction_classes : mapping of int to int, optional
        Class of each segment; all of class 1 where None.
    void : array of bool, optional
        Where the truth is unknown.

    Returns
    -------
    dict of int to PanopticCounts
        Only classes that occur.

    Raises
    ------
    InputError
        If the label images do not fit, or a segment has no class or one below 1.

    Examples
    --------
    >>> counts = panoptic_counts([1, 1, 2, 0], [5, 5, 5, 6])[1]
    >>> counts.tp, counts.fp, counts.fn, round(counts.pq.value, 3)
    (1, 1, 1, 0.333)
    """
    table = contingency(truth, prediction, void)
    truth_class = _classes_of(table.truth_ids, truth_classes, "truth")
    prediction_class = _classes_of(table.prediction_ids, prediction_classes, "prediction")
    same = truth_class[table.truth_index] == prediction_class[table.prediction_index]
    edges = np.flatnonzero(same & (table.iou > 0.5))
    missed = np.ones(len(truth_class), bool)
    missed[table.truth_index[edges]] = False
    extra = table.counted.copy()
    extra[table.prediction_index[edges]] = False
    matched_class, iou = truth_class[table.truth_index[edges]], table.iou[edges]
    counts = {}
    for c in np.union1d(truth_class, prediction_class[extra]).tolist():
        hit = matched_class == c
        counts[c] = PanopticCounts(
            float(iou[hit].sum()),
            int(hit.sum()),
            int((extra & (prediction_class == c)).sum()),
            int((missed & (truth_class == c)).sum()),
        )
    return counts


def _classes_of(ids: np.ndarray, classes: Mapping[int, int] | None, word: str) -> np.ndarray:
    if classes is None:
        return np.ones(len(ids), np.int64)
    without = [i for i in ids.tolist() if i not in classes]
    if without:
        raise InputError(
            f"Some segments of the {word} have no class.",
            got=f"{len(without)} without, such as label {without[0]}",
            hint="Give the class of each label that occurs.",
        )
    found = np.array([classes[i] for i in ids.tolist()], np.int64)
    if (found < 1).any():
        raise InputError(
            f"A segment of the {word} has class 0, the background, or less.",
            got=f"class {int(found.min())}",
            hint="Set it to 0, or give it a class above 0.",
        )
    return found


def pq(
    truth: ArrayLike,
    prediction: ArrayLike,
    truth_classes: Mapping[int, int] | None = None,
    prediction_classes: Mapping[int, int] | None = None,
    void: ArrayLike | None = None,
) -> float:
    """Panoptic quality, mean over the classes that occur; see :func:`panoptic_counts`."""
    return mean(
        c.pq.value for c in panoptic_counts(truth, prediction, truth_classes, prediction_classes, void).values()
    )


def sq(
    truth: ArrayLike,
    prediction: ArrayLike,
    truth_classes: Mapping[int, int] | None = None,
    prediction_classes: Mapping[int, int] | None = None,
    void: ArrayLike | None = None,
) -> float:
    """Segmentation quality, mean over the classes that occur; see :func:`panoptic_counts`."""
    return mean(
        c.sq.value for c in panoptic_counts(truth, prediction, truth_classes, prediction_classes, void).values()
    )


def rq(
    truth: ArrayLike,
    prediction: ArrayLike,
    truth_classes: Mapping[int, int] | None = None,
    prediction_classes: Mapping[int, int] | None = None,
    void: ArrayLike | None = None,
) -> float:
    """Recognition quality, mean over the classes that occur; see :func:`panoptic_counts`."""
    return mean(
        c.rq.value for c in panoptic_counts(truth, prediction, truth_classes, prediction_classes, void).values()
    )
