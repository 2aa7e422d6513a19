"""Metrics of semantic, instance and panoptic results; every number names its definition.

A row of :data:`METRICS` loads a function ``(truth, prediction, **options) -> float``. Rows of kind "semantic" take two
masks (non-zero is inside), the others two images of object numbers. :class:`MetricRow` says what else a row holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from napari_segplugin.core import Registry
from napari_segplugin.metrics.checks import label_pair, mask_pair
from napari_segplugin.metrics.instance import (
    AP_THRESHOLDS,
    DatasetAveragePrecision,
    aji,
    aji_plus,
    average_precision,
    average_precision_of_dataset,
)
from napari_segplugin.metrics.matching import Contingency, Matching, contingency, match
from napari_segplugin.metrics.overlap import (
    confusion,
    dice,
    dice_per_class,
    iou,
    iou_per_class,
    mean_over_classes,
    mean_over_images,
    pooled,
)
from napari_segplugin.metrics.panoptic import PanopticCounts, panoptic_counts
from napari_segplugin.metrics.row import MetricKind, MetricRow
from napari_segplugin.metrics.surface import (
    SurfaceDistances,
    assd,
    boundary_f1,
    boundary_tolerance,
    hausdorff,
    hd95,
    nsd,
    surface_distances,
    surface_of,
)
from napari_segplugin.metrics.value import Ratio, Value, mean

METRICS = Registry("metric", MetricRow, group="napari_segplugin.metrics")
"""All metrics, in the order in which reports list them."""

_PACKAGE = "napari_segplugin.metrics"


def _row(
    name: str,
    title: str,
    target: str,
    kind: MetricKind,
    definition: str,
    reference: str = "",
    *,
    options: Mapping[str, Any] | None = None,
    distance: bool = False,
    empty_truth: float = 0.0,
    empty_prediction: float = 0.0,
) -> None:
    """Add a share (1 is best), or a distance (0 is best, infinite where one of the two is empty)."""
    METRICS.add(
        MetricRow(
            name,
            title,
            f"{_PACKAGE}.{target}",
            definition,
            reference,
            options or {},
            kind=kind,
            better="lower" if distance else "higher",
            best=0.0 if distance else 1.0,
            unit="spacing" if distance else "",
            empty_truth=math.inf if distance else empty_truth,
            empty_prediction=math.inf if distance else empty_prediction,
        )
    )


_EMPTY = "not defined if both are empty"
_row(
    "dice",
    "Dice",
    "overlap:dice",
    "semantic",
    f"2|A∩B| / (|A|+|B|), counted in pixels (voxels in 3D); {_EMPTY}.",
    "Dice 1945",
)
_row(
    "iou",
    "IoU",
    "overlap:iou",
    "semantic",
    f"|A∩B| / |A∪B|, counted in pixels (voxels in 3D); {_EMPTY}.",
    "Jaccard 1912",
)
_row(
    "hd95",
    "HD95",
    "surface:hd95",
    "semantic",
    f"The larger of the two 95th percentiles of distances from one surface to the other; infinite if one is empty, "
    f"{_EMPTY}.",
    distance=True,
    options={"spacing": None},
)
_row(
    "hausdorff",
    "Hausdorff distance",
    "surface:hausdorff",
    "semantic",
    f"Largest distance from either surface to the other; infinite if one is empty, {_EMPTY}.",
    distance=True,
    options={"spacing": None},
)
_row(
    "assd",
    "ASSD",
    "surface:assd",
    "semantic",
    f"Mean distance to the other surface, over both surfaces; infinite if one is empty, {_EMPTY}.",
    distance=True,
    options={"spacing": None},
)
_row(
    "nsd",
    "NSD",
    "surface:nsd",
    "semantic",
    f"Fraction of both surfaces within {{tolerance:g}} {{unit}} of the other surface; {_EMPTY}.",
    "Nikolov et al. 2021",
    options={"tolerance": 1.0, "spacing": None},
)
_row(
    "boundary_f1",
    "Boundary F1",
    "surface:boundary_f1",
    "semantic",
    f"Harmonic mean of the fractions of each boundary within {{reach}} of the other; {_EMPTY}.",
    "Perazzi et al. 2016",
    options={"fraction": 0.008},
)
_row(
    "ap",
    "AP",
    "instance:ap",
    "instance",
    "TP / (TP+FP+FN), objects matched one to one at IoU >= {threshold:g} (StarDist, Cellpose; not COCO's ranked AP); "
    f"{_EMPTY}.",
    "Caicedo et al. 2019",
    options={"threshold": 0.5},
)
_row(
    "mean_ap",
    "Mean AP",
    "instance:mean_ap",
    "instance",
    f"Mean of TP / (TP+FP+FN) over the IoU thresholds {{thresholds}}; {_EMPTY}.",
    "Caicedo et al. 2019",
    options={"thresholds": AP_THRESHOLDS},
)
_row(
    "precision",
    "Precision",
    "instance:precision",
    "instance",
    "TP / (TP+FP), objects matched one to one at IoU >= {threshold:g}; not defined if nothing is predicted.",
    options={"threshold": 0.5},
    empty_prediction=math.nan,
)
_row(
    "recall",
    "Recall",
    "instance:recall",
    "instance",
    "TP / (TP+FN), objects matched one to one at IoU >= {threshold:g}; not defined if the ground truth has no object.",
    options={"threshold": 0.5},
    empty_truth=math.nan,
)
_row(
    "object_f1",
    "F1",
    "instance:object_f1",
    "instance",
    f"2TP / (2TP+FP+FN), objects matched one to one at IoU >= {{threshold:g}}; {_EMPTY}.",
    options={"threshold": 0.5},
)
_row(
    "aji",
    "AJI",
    "instance:aji",
    "instance",
    "Sum of intersections over sum of unions, each true object with the prediction of highest IoU, which may be used "
    f"several times; unused predictions add their area; {_EMPTY}.",
    "Kumar et al. 2017",
)
_row(
    "aji_plus",
    "AJI+",
    "instance:aji_plus",
    "instance",
    "Sum of intersections over sum of unions, objects paired one to one for the highest sum of IoU; unpaired objects "
    f"add their area; {_EMPTY}.",
    "Graham et al. 2019",
)
_row(
    "pq",
    "PQ",
    "panoptic:pq",
    "panoptic",
    "Sum of IoU of the matches (same class, IoU > 0.5) / (TP + FP/2 + FN/2); a class in neither is left out.",
    "Kirillov et al. 2019",
    options={"truth_classes": None, "prediction_classes": None, "void": None},
)
_row(
    "sq",
    "SQ",
    "panoptic:sq",
    "panoptic",
    "Mean IoU of the matches (same class, IoU > 0.5), 0 without any match; a class in neither is left out.",
    "Kirillov et al. 2019",
    options={"truth_classes": None, "prediction_classes": None, "void": None},
)
_row(
    "rq",
    "RQ",
    "panoptic:rq",
    "panoptic",
    "TP / (TP + FP/2 + FN/2), matches of the same class at IoU > 0.5; a class in neither is left out.",
    "Kirillov et al. 2019",
    options={"truth_classes": None, "prediction_classes": None, "void": None},
)


def define(name: str, unit: str = "pixel", **options: Any) -> str:
    """The definition of a metric with its options filled in.

    Examples
    --------
    >>> define("nsd", "mm", tolerance=2)
    'Fraction of both surfaces within 2 mm of the other surface; not defined if both are empty.'
    """
    row = METRICS[name]
    chosen = {**row.options, **options, "unit": unit}
    if "thresholds" in chosen:
        chosen["thresholds"] = ", ".join(f"{t:g}" for t in chosen["thresholds"])
    if "fraction" in chosen:
        tolerance = chosen.get("tolerance")
        share = f"{chosen['fraction']:g} of the image's diagonal, rounded up to whole pixels,"
        chosen["reach"] = share if tolerance is None else f"{tolerance:g} pixels"
    return row.summary.format(**chosen)


def measure(name: str, truth: ArrayLike, prediction: ArrayLike, *, unit: str = "pixel", **options: Any) -> Value:
    """Measure one metric of :data:`METRICS`.

    Parameters
    ----------
    name : str
    truth, prediction : (Z, Y, X) or (Y, X) array of bool or int
        Masks for rows of kind "semantic", object numbers for the others.
    unit : str
        Unit of the option `spacing`.
    **options
        Options of the row.

    Raises
    ------
    InputError
        If there is no such metric, or the arrays do not fit.

    Examples
    --------
    >>> measure("dice", [[1, 1, 0]], [[0, 1, 1]]).value
    0.5
    """
    row = METRICS[name]
    if row.package:  # ours check for themselves
        truth, prediction = (mask_pair if row.kind == "semantic" else label_pair)(truth, prediction)
    value = float(row.load()(truth, prediction, **{**row.options, **options}))
    return Value(row.title, value, define(name, unit, **options), unit if row.unit == "spacing" else "")


__all__ = [
    "AP_THRESHOLDS",
    "METRICS",
    "Contingency",
    "DatasetAveragePrecision",
    "Matching",
    "MetricRow",
    "PanopticCounts",
    "Ratio",
    "SurfaceDistances",
    "Value",
    "aji",
    "aji_plus",
    "assd",
    "average_precision",
    "average_precision_of_dataset",
    "boundary_f1",
    "boundary_tolerance",
    "confusion",
    "contingency",
    "define",
    "dice",
    "dice_per_class",
    "hausdorff",
    "hd95",
    "iou",
    "iou_per_class",
    "match",
    "mean",
    "mean_over_classes",
    "mean_over_images",
    "measure",
    "nsd",
    "panoptic_counts",
    "pooled",
    "surface_distances",
    "surface_of",
]
