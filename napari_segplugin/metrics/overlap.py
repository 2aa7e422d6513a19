"""Dice and IoU of classes, from one confusion matrix an image.

A class that is in neither truth nor prediction has no Dice and no IoU: it is NaN and left out of every mean. (Counting
it as 1 would reward an image for what is not in it; counting it as 0 would punish a correct answer.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import InputError
from napari_segplugin.metrics.checks import known_mask, label_pair, mask_pair
from napari_segplugin.metrics.value import Ratio, mean


def confusion(truth: ArrayLike, prediction: ArrayLike, n_classes: int, known: ArrayLike | None = None) -> np.ndarray:
    """Count the voxels of each pair (true class, predicted class).

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of int
        Class numbers 0 … n_classes - 1; `truth` and `prediction` may be anything where `known` is False.
    n_classes : int
        Number of classes with the background.
    known : (Z, Y, X) or (Y, X) array of bool, optional
        Where the truth is known; other voxels are not counted. Everywhere by default.

    Returns
    -------
    (n_classes, n_classes) ndarray of int64
        Rows: truth. Columns: prediction.

    Raises
    ------
    InputError
        If the shapes differ, labels are not whole numbers >= 0, or a label is not a class number.

    Examples
    --------
    >>> confusion([0, 0, 1, 1], [0, 1, 1, 1], 2).tolist()
    [[1, 1], [0, 2]]
    """
    where = known_mask(known, np.shape(truth))
    if where is not None and np.shape(truth) == np.shape(prediction):
        truth, prediction = np.asarray(truth)[where], np.asarray(prediction)[where]
    pair = label_pair(truth, prediction)
    highest = max(int(a.max(initial=0)) for a in pair)
    if n_classes < 1 or highest >= n_classes:
        raise InputError(
            "A label is not a class number.",
            got=f"label {highest} with {n_classes} classes",
            accepted=f"0 to {n_classes - 1}",
            hint="Compare object numbers as objects, not as classes.",
        )
    code = pair[0].ravel().astype(np.int64) * n_classes + pair[1].ravel().astype(np.int64)
    return np.bincount(code, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


def dice_ratio(matrix: np.ndarray, class_id: int) -> Ratio:
    """2 |A ∩ B| over |A| + |B| of one class, from a confusion matrix."""
    return Ratio(2 * int(matrix[class_id, class_id]), int(matrix[class_id].sum() + matrix[:, class_id].sum()))


def iou_ratio(matrix: np.ndarray, class_id: int) -> Ratio:
    """|A ∩ B| over |A ∪ B| of one class, from a confusion matrix."""
    both = int(matrix[class_id, class_id])
    return Ratio(both, int(matrix[class_id].sum() + matrix[:, class_id].sum()) - both)


def dice_per_class(matrix: np.ndarray) -> np.ndarray:
    """Dice of each class; NaN for a class in neither truth nor prediction.

    Parameters
    ----------
    matrix : (K, K) ndarray of int
        From :func:`confusion`.

    Returns
    -------
    (K,) ndarray of float64

    Examples
    --------
    >>> dice_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).tolist()
    [0.667, 0.8, nan]
    """
    return np.array([dice_ratio(matrix, c).value for c in range(len(matrix))])


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """IoU of each class; NaN for a class in neither truth nor prediction. See :func:`dice_per_class`."""
    return np.array([iou_ratio(matrix, c).value for c in range(len(matrix))])


def pooled(measure: Callable[[np.ndarray], np.ndarray], matrices: Iterable[np.ndarray]) -> np.ndarray:
    """`measure` of the summed confusion matrices: a large object counts more than a small one (VOC, Cityscapes).

    Parameters
    ----------
    measure : callable
        :func:`dice_per_class` or :func:`iou_per_class`.
    matrices : iterable of (K, K) ndarray
        One confusion matrix an image, at least one.

    Returns
    -------
    (K,) ndarray of float64
    """
    return measure(np.sum(_stacked(matrices), axis=0))


def mean_over_images(measure: Callable[[np.ndarray], np.ndarray], matrices: Iterable[np.ndarray]) -> np.ndarray:
    """Mean over images of `measure`, class by class: every image counts the same (medical habit).

    Images with the class in neither truth nor prediction are left out of its mean. Parameters as :func:`pooled`.
    """
    values = [measure(m) for m in _stacked(matrices)]
    return np.array([mean(column) for column in zip(*values, strict=True)])


def mean_over_classes(values: ArrayLike, *, with_background: bool) -> float:
    """Mean of the values of the classes that have one; the background (class 0) in or out, as said.

    Examples
    --------
    >>> mean_over_classes([1.0, 0.5, np.nan], with_background=True)
    0.75
    >>> mean_over_classes([1.0, 0.5, np.nan], with_background=False)
    0.5
    """
    return mean(np.asarray(values, float)[0 if with_background else 1 :])


def dice(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Dice of two masks (non-zero is inside); NaN where both are empty, 0 where one is.

    Examples
    --------
    >>> dice([1, 1, 0, 0], [0, 1, 1, 0])
    0.5
    """
    return dice_ratio(_two_by_two(truth, prediction), 1).value


def iou(truth: ArrayLike, prediction: ArrayLike) -> float:
    """IoU (Jaccard index) of two masks (non-zero is inside); NaN where both are empty, 0 where one is."""
    return iou_ratio(_two_by_two(truth, prediction), 1).value


def _two_by_two(truth: ArrayLike, prediction: ArrayLike) -> np.ndarray:
    return confusion(*mask_pair(truth, prediction), 2)


def _stacked(matrices: Iterable[np.ndarray]) -> np.ndarray:
    found = list(matrices)
    if not found or len({m.shape for m in found}) != 1:
        raise InputError(
            "The confusion matrices of a data set differ in size.",
            got=f"shapes {[m.shape for m in found]}",
            hint="Count all images with the same number of classes.",
        )
    return np.stack(found)
