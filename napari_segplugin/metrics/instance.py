"""Average precision and the aggregated Jaccard index of object numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import InputError
from napari_segplugin.metrics.matching import Contingency, Matching, assign, contingency, match
from napari_segplugin.metrics.value import Ratio, mean

AP_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""IoU thresholds of the mean AP. Written out: ``np.arange`` gives 0.6000000000000001, which an IoU of 0.6 misses."""


def average_precision_ratio(found: Matching) -> Ratio:
    """TP over TP + FP + FN."""
    return Ratio(found.tp, found.tp + found.fp + found.fn)


def average_precision(
    truth: ArrayLike, prediction: ArrayLike, thresholds: Sequence[float] = AP_THRESHOLDS, void: ArrayLike | None = None
) -> np.ndarray:
    """TP/(TP+FP+FN) of one image at each IoU threshold, as StarDist ("accuracy") and Cellpose define it.

    This is not the AP of COCO, which ranks objects by score. NaN where neither image has an object.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of int
        Object numbers, 0 is background.
    thresholds : sequence of float
        A match has IoU >= threshold.
    void : array of bool, optional
        Where the truth is unknown; see :mod:`napari_segplugin.metrics.matching`.

    Returns
    -------
    (len(thresholds),) ndarray of float64

    Examples
    --------
    >>> average_precision([1, 1, 0, 2], [1, 1, 0, 0], [0.5, 0.9]).tolist()
    [0.5, 0.5]
    """
    table = contingency(truth, prediction, void)
    return np.array([average_precision_ratio(match(table, t)).value for t in thresholds])


@dataclass(frozen=True, eq=False)
class DatasetAveragePrecision:
    """Average precision of a data set in both habits.

    Parameters
    ----------
    thresholds : tuple of float
    mean_over_images : (len(thresholds),) ndarray of float64
        Every image counts the same; images without any object, true or predicted, are left out.
    pooled : (len(thresholds),) ndarray of float64
        From the sums of TP, FP and FN: every object counts the same.
    """

    thresholds: tuple[float, ...]
    mean_over_images: np.ndarray
    pooled: np.ndarray


def average_precision_of_dataset(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]], thresholds: Sequence[float] = AP_THRESHOLDS
) -> DatasetAveragePrecision:
    """Average precision of many images, as the mean over images and pooled.

    Parameters
    ----------
    pairs : iterable of (truth, prediction)
    thresholds : sequence of float

    Raises
    ------
    InputError
        If there is no pair.
    """
    images = []
    for truth, prediction in pairs:
        table = contingency(truth, prediction)
        images.append([average_precision_ratio(match(table, t)) for t in thresholds])
    if not images:
        raise InputError("There is no image to measure.", accepted="at least one pair (ground truth, prediction)")
    columns = list(zip(*images, strict=True))
    return DatasetAveragePrecision(
        tuple(thresholds),
        np.array([mean(r.value for r in column) for column in columns]),
        np.array([sum(column[1:], column[0]).value for column in columns]),
    )


def ap(truth: ArrayLike, prediction: ArrayLike, threshold: float = 0.5) -> float:
    """TP/(TP+FP+FN) at one IoU threshold; see :func:`average_precision`."""
    return float(average_precision(truth, prediction, [threshold])[0])


def mean_ap(truth: ArrayLike, prediction: ArrayLike, thresholds: Sequence[float] = AP_THRESHOLDS) -> float:
    """Mean of :func:`average_precision` over the thresholds; NaN where neither image has an object."""
    return mean(average_precision(truth, prediction, thresholds))


def precision(truth: ArrayLike, prediction: ArrayLike, threshold: float = 0.5) -> float:
    """TP/(TP+FP) of objects matched at IoU >= threshold; NaN where nothing was predicted."""
    found = match(contingency(truth, prediction), threshold)
    return Ratio(found.tp, found.tp + found.fp).value


def recall(truth: ArrayLike, prediction: ArrayLike, threshold: float = 0.5) -> float:
    """TP/(TP+FN) of objects matched at IoU >= threshold; NaN where the truth has no object."""
    found = match(contingency(truth, prediction), threshold)
    return Ratio(found.tp, found.tp + found.fn).value


def object_f1(truth: ArrayLike, prediction: ArrayLike, threshold: float = 0.5) -> float:
    """2TP/(2TP+FP+FN) of objects matched at IoU >= threshold; NaN where neither image has an object."""
    found = match(contingency(truth, prediction), threshold)
    return Ratio(2 * found.tp, 2 * found.tp + found.fp + found.fn).value


def aji_ratio(table: Contingency) -> Ratio:
    """Aggregated Jaccard index: a prediction may serve several true objects."""
    # Sorted by true object, then falling IoU, then the smaller number: the first of each object is its choice.
    order = np.lexsort((table.prediction_index, -table.iou, table.truth_index))
    _, first = np.unique(table.truth_index[order], return_index=True)
    return _aggregate(table, order[first])


def aji_plus_ratio(table: Contingency) -> Ratio:
    """Aggregated Jaccard index with one-to-one matching of the highest sum of IoU."""
    return _aggregate(table, np.flatnonzero(assign(table.truth_index, table.prediction_index, table.iou)))


def _aggregate(table: Contingency, edges: np.ndarray) -> Ratio:
    missed = np.ones(len(table.truth_ids), bool)
    missed[table.truth_index[edges]] = False
    extra = table.counted.copy()
    extra[table.prediction_index[edges]] = False
    union = table.union[edges].sum() + table.truth_areas[missed].sum() + table.prediction_areas[extra].sum()
    return Ratio(int(table.intersection[edges].sum()), int(union))


def aji(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Aggregated Jaccard index of Kumar et al. 2017.

    Each true object takes the prediction of highest IoU, which other true objects may take as well. The sum of the
    intersections over the sum of the unions, to which true objects without overlap and predictions that nobody took
    add their areas. NaN where neither image has an object.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of int
        Object numbers, 0 is background.

    References
    ----------
    Kumar et al., A dataset and a technique for generalized nuclear segmentation, IEEE TMI 2017.

    Examples
    --------
    >>> aji([1, 1, 2, 2], [3, 3, 3, 3]), aji_plus([1, 1, 2, 2], [3, 3, 3, 3])
    (0.5, 0.3333333333333333)
    """
    return aji_ratio(contingency(truth, prediction)).value


def aji_plus(truth: ArrayLike, prediction: ArrayLike) -> float:
    """AJI with one-to-one matches (highest sum of IoU, any overlap counts), as in HoVer-Net; see :func:`aji`."""
    return aji_plus_ratio(contingency(truth, prediction)).value
