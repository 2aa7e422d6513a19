"""Compare a result with the truth: one report with every metric of the task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_segplugin.core import ClassTable, Image, InputError, Job, Segmentation, Step, Task, drain
from napari_segplugin.core.words import pixel
from napari_segplugin.engine.alignment import align
from napari_segplugin.engine.evaluate.added import added
from napari_segplugin.engine.evaluate.aggregate import (
    Measured,
    as_row,
    mean_over_images,
    pooled_over_images,
    with_means,
)
from napari_segplugin.engine.evaluate.options import (
    Options,
    class_table,
    labels_of,
    make_options,
    object_classes,
    with_voxels,
)
from napari_segplugin.engine.evaluate.report import ALL, Report, ReportRow
from napari_segplugin.metrics import (
    AP_THRESHOLDS,
    METRICS,
    PanopticCounts,
    Ratio,
    boundary_tolerance,
    confusion,
    contingency,
    define,
    match,
    panoptic_counts,
    surface_distances,
)
from napari_segplugin.metrics.checks import known_mask, label_pair, voxel_size
from napari_segplugin.metrics.instance import aji_plus_ratio, aji_ratio, average_precision_ratio
from napari_segplugin.metrics.overlap import dice_ratio, iou_ratio

__all__ = ["Report", "ReportRow", "evaluate", "evaluate_many", "evaluate_steps", "fitted"]

Labels = ArrayLike | Segmentation | Image
MOST_CLASSES = 256
"""More class numbers than this, without a class table, are taken for object numbers."""


def evaluate(
    prediction: Labels,
    truth: Labels,
    *,
    task: Task | str,
    classes: ClassTable | None = None,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    unit: str | None = None,
    tolerance: float | None = None,
    known: ArrayLike | None = None,
    prediction_classes: Mapping[int, int] | None = None,
    truth_classes: Mapping[int, int] | None = None,
    surfaces: bool = True,
) -> Report:
    """Measure a prediction against the truth.

    Parameters
    ----------
    prediction, truth : (Z, Y, X) or (Y, X) array of int, Segmentation, or Image of labels
        SEMANTIC: class numbers. INSTANCE and PANOPTIC: object numbers. 0 is background. Where both say where they lie, the
        axes of the truth are turned to those of the prediction.
    task : Task or str
    classes : ClassTable, optional
        Names and kinds; from the segmentations where None, else "class 1", "class 2" ….
    spacing : sequence of float, optional
        Size of a voxel along each axis; from the segmentations where None, else 1.
    thresholds : sequence of float
        IoU thresholds of average precision. Precision, recall and F1 use the smallest.
    unit : str, optional
        Unit of `spacing`; from the segmentations where None, else "pixel".
    tolerance : float, optional
        Of the surface Dice (NSD), in `unit`; the longest edge of a voxel (of the first image) by default.
    known : (Z, Y, X) or (Y, X) array of bool, optional
        Where the truth is known; the rest is not judged. Distances between surfaces are then left out.
    prediction_classes, truth_classes : mapping of int to int, optional
        PANOPTIC: class of each object, where arrays are given; from the segmentations' tables where None.
    surfaces : bool
        False leaves out distances between surfaces, which take the longest.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the shapes or places differ, labels are not whole numbers >= 0, a label is no class, an object has no class, or the
        task, spacing, tolerance or a threshold is not valid.

    Examples
    --------
    >>> report = evaluate(np.array([[1, 1, 0, 0]]), np.array([[0, 1, 1, 0]]), task="semantic")
    >>> report.value("Dice", "class 1")
    0.5
    """
    options = make_options(task, classes, spacing, unit, thresholds, tolerance, surfaces)
    truth, known, found = fitted(prediction, truth, sized=spacing is not None, known=known)
    measured = _image(prediction, truth, options, known, prediction_classes, truth_classes)
    rows = with_means(measured, class_table(options, prediction, truth))
    return Report(options.task, tuple(as_row(m) for m in rows), (*found, *_notes(options.task, known, surfaces)))


def evaluate_many(
    pairs: Iterable[tuple[Labels, Labels]],
    *,
    task: Task | str,
    classes: ClassTable | None = None,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    unit: str | None = None,
    tolerance: float | None = None,
    surfaces: bool = True,
) -> Report:
    """Measure many predictions: every metric as the mean over images and, where it can be, pooled over images.

    Parameters
    ----------
    pairs : iterable of (prediction, truth)
        As in :func:`evaluate`; read one after the other.
    task, classes, spacing, thresholds, unit, tolerance, surfaces
        As in :func:`evaluate`, for all images.

    Returns
    -------
    Report
        Metrics are named "…, mean over images" (each image counts the same) and "…, pooled over images" (numerators
        and denominators are added first, so large images and frequent objects count more).

    Raises
    ------
    InputError
        If there is no pair, the voxel units differ, or as in :func:`evaluate`.
    """
    return drain(
        evaluate_steps(
            pairs,
            0,
            task=task,
            classes=classes,
            spacing=spacing,
            thresholds=thresholds,
            unit=unit,
            tolerance=tolerance,
            surfaces=surfaces,
        )
    )


def evaluate_steps(
    pairs: Iterable[tuple[Labels, Labels]],
    total: int,
    *,
    task: Task | str,
    classes: ClassTable | None = None,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    unit: str | None = None,
    tolerance: float | None = None,
    surfaces: bool = True,
) -> Job[Report]:
    """The same as :func:`evaluate_many`, as a job that says after each of `total` images how far it is."""
    options = make_options(task, classes, spacing, unit, thresholds, tolerance, surfaces)
    images: list[list[Measured]] = []
    table, notes = classes, dict[str, None]()
    for prediction, given in pairs:
        truth, _, found = fitted(prediction, given, sized=spacing is not None)
        notes |= dict.fromkeys(found)
        if options.tolerance is None:
            # One tolerance for all images: a mean over different definitions would have none.
            options = replace(options, tolerance=with_voxels(options, prediction, truth).tolerance)
        images.append(_image(prediction, truth, options, None, None, None))
        table = table or class_table(options, prediction, truth)
        yield Step(len(images), total)
    if not images:
        raise InputError("There is no image to evaluate.", accepted="at least one pair (prediction, ground truth)")
    numbers = [*with_means(mean_over_images(images), table), *with_means(pooled_over_images(images), table)]
    rows = sorted((as_row(m) for m in numbers), key=lambda r: r.class_name != ALL)
    return Report(options.task, tuple(rows), (*notes, *_notes(options.task, None, surfaces)))


def fitted(
    prediction: Labels, truth: Labels, *, sized: bool = False, known: ArrayLike | None = None
) -> tuple[Labels, ArrayLike | None, tuple[str, ...]]:
    """The truth (and where it is known) in the voxels of the prediction, and what the person should know of that.

    Parameters
    ----------
    prediction, truth, known
        As in :func:`evaluate`; of arrays nothing is said, so they stay as they are.
    sized : bool
        Whether the caller gives the size of a voxel.

    Raises
    ------
    InputError
        If both say where they lie, and it is not the same grid of voxels.
    """
    if not (isinstance(prediction, Segmentation | Image) and isinstance(truth, Segmentation | Image)):
        return truth, known, ()
    word = pixel(len(prediction.spacing))
    fit = align(prediction, truth, sized=sized, hint=f" If only their headers differ, give one {word} size for both.")
    if known is not None:
        known = fit.order.apply(np.asarray(known), fit.found.axes)
    return fit.found, known, fit.notes


def _image(
    prediction: Labels,
    truth: Labels,
    options: Options,
    known: ArrayLike | None,
    prediction_classes: Mapping[int, int] | None,
    truth_classes: Mapping[int, int] | None,
) -> list[Measured]:
    """Every number of one image, without the means over classes."""
    table = class_table(options, prediction, truth)
    options = with_voxels(options, prediction, truth)
    if options.task is Task.PANOPTIC:
        truth_classes = object_classes(truth, truth_classes, "truth")
        prediction_classes = object_classes(prediction, prediction_classes, "prediction")
    semantic = options.task is Task.SEMANTIC
    pair = label_pair(labels_of(truth, semantic), labels_of(prediction, semantic))
    where = known_mask(known, pair[0].shape)
    kinds = truth_classes or {}, prediction_classes or {}
    more: dict[str, Any] = {"spacing": options.spacing, "unit": options.unit}
    more |= (
        dict(zip(("truth_classes", "prediction_classes"), kinds, strict=True)) if options.task is Task.PANOPTIC else {}
    )
    others = added(options.task, *pair, where, lambda c: _name(c, table), **more)
    if semantic:
        return [*_semantic(*pair, where, options, table), *others]
    if options.task is Task.INSTANCE:
        return [*_instance(*pair, where, options), *others]
    return [*_panoptic(*pair, where, table, *kinds), *others]


def _name(class_id: int, table: ClassTable | None) -> str:
    if table is not None and class_id < len(table):
        return table[class_id].name
    return f"class {class_id}" if class_id else "background"


def _measured(
    class_name: str, name: str, amount: Ratio | float, metric: str = "", unit: str = "", **options: float
) -> Measured:
    row = METRICS[name]
    ratio = amount if isinstance(amount, Ratio) else None
    value = amount.value if isinstance(amount, Ratio) else amount
    shown = unit if row.unit == "spacing" else ""
    return Measured(class_name, name, metric or row.title, value, define(name, unit, **options), shown, ratio)


def _semantic(
    truth: np.ndarray, prediction: np.ndarray, known: np.ndarray | None, options: Options, table: ClassTable | None
) -> Iterator[Measured]:
    n = len(table) if table is not None else _highest(truth, prediction, known) + 1
    matrix = confusion(truth, prediction, n, known)
    for c in range(n):
        name = _name(c, table)
        yield _measured(name, "dice", dice_ratio(matrix, c))
        yield _measured(name, "iou", iou_ratio(matrix, c))
        if c and options.surfaces and known is None:
            yield from _surfaces(truth == c, prediction == c, name, options)


def _highest(truth: np.ndarray, prediction: np.ndarray, known: np.ndarray | None) -> int:
    chosen = [a if known is None else a[known] for a in (truth, prediction)]
    highest = max(1, *(int(a.max(initial=0)) for a in chosen))
    if highest >= MOST_CLASSES:
        raise InputError(
            "These labels look like object numbers, not like classes.",
            got=f"label {highest}",
            accepted=f"class numbers below {MOST_CLASSES}, or named classes",
            hint="Compare them as objects, or name the classes.",
            setting="task",
        )
    return highest


def _surfaces(truth: np.ndarray, prediction: np.ndarray, name: str, options: Options) -> Iterator[Measured]:
    size = voxel_size(options.spacing, truth.ndim)
    unit, tolerance = options.unit or "pixel", options.tolerance or 0.0
    found = surface_distances(truth, prediction, size)
    yield _measured(name, "hd95", found.percentile(95), unit=unit)
    yield _measured(name, "hausdorff", found.percentile(100), unit=unit)
    yield _measured(name, "assd", found.mean(), unit=unit)
    yield _measured(name, "nsd", found.within(tolerance), unit=unit, tolerance=tolerance)
    pixels = found if set(size) == {1.0} else surface_distances(truth, prediction)
    yield _measured(name, "boundary_f1", pixels.f1(boundary_tolerance(truth.shape)))


def _instance(
    truth: np.ndarray, prediction: np.ndarray, known: np.ndarray | None, options: Options
) -> Iterator[Measured]:
    void = None if known is None else ~known
    table = contingency(truth, prediction, void)
    for t in options.thresholds:
        yield _measured(ALL, "ap", average_precision_ratio(match(table, t)), f"AP@{t:g}", threshold=t)
    first = options.thresholds[0]
    found = match(table, first)
    tp, fp, fn = found.tp, found.fp, found.fn
    yield _measured(ALL, "precision", Ratio(tp, tp + fp), f"Precision@{first:g}", threshold=first)
    yield _measured(ALL, "recall", Ratio(tp, tp + fn), f"Recall@{first:g}", threshold=first)
    yield _measured(ALL, "object_f1", Ratio(2 * tp, 2 * tp + fp + fn), f"F1@{first:g}", threshold=first)
    yield _measured(ALL, "aji", aji_ratio(table))
    yield _measured(ALL, "aji_plus", aji_plus_ratio(table))
    yield from _quality(ALL, sum(panoptic_counts(truth, prediction, void=void).values(), PanopticCounts()))
    yield _measured(
        ALL, "dice", dice_ratio(confusion(truth > 0, prediction > 0, 2, known), 1), "Dice of the foreground"
    )
    for metric, n in (("Objects in truth", tp + fn), ("Objects predicted", tp + fp)):
        yield Measured(ALL, "objects", metric, float(n), "Number of objects that were compared.", "objects", count=True)


def _quality(name: str, counts: PanopticCounts) -> Iterator[Measured]:
    for metric, ratio in (("pq", counts.pq), ("sq", counts.sq), ("rq", counts.rq)):
        yield _measured(name, metric, ratio)


def _panoptic(
    truth: np.ndarray,
    prediction: np.ndarray,
    known: np.ndarray | None,
    table: ClassTable | None,
    truth_classes: Mapping[int, int],
    prediction_classes: Mapping[int, int],
) -> Iterator[Measured]:
    counts = panoptic_counts(truth, prediction, truth_classes, prediction_classes, None if known is None else ~known)
    known_classes = range(len(table)) if table is not None else [*truth_classes.values(), *prediction_classes.values()]
    named = set(counts) | {int(c) for c in known_classes if c > 0} or {1}
    position = {c: i for i, c in enumerate(sorted(named), 1)}
    truth, prediction = _positions(truth, truth_classes, position), _positions(prediction, prediction_classes, position)
    matrix = confusion(truth, prediction, len(position) + 1, known)
    for c, i in position.items():
        yield from _quality(_name(c, table), counts.get(c, PanopticCounts()))
        yield _measured(_name(c, table), "dice", dice_ratio(matrix, i))
        yield _measured(_name(c, table), "iou", iou_ratio(matrix, i))


def _positions(labels: np.ndarray, classes: Mapping[int, int], position: Mapping[int, int]) -> np.ndarray:
    """The position of each voxel's class in the confusion matrix, 0 for the background."""
    ids, at = np.unique(labels, return_inverse=True)
    values = np.array([position.get(classes.get(i, 0), 0) if i else 0 for i in ids.tolist()], np.int64)
    return values[at.reshape(-1)].reshape(labels.shape)


def _notes(task: Task, known: ArrayLike | None, surfaces: bool) -> tuple[str, ...]:
    if task is Task.SEMANTIC and known is not None and surfaces:
        return (
            "Distances between surfaces were not measured, because the edge of the labelled area would count as "
            "a surface.",
        )
    return ()
