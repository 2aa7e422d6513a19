"""What is asked of an evaluation: task, classes, voxels, thresholds; from the segmentations where the caller said nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_segplugin.core import ClassTable, Image, InputError, Segmentation, Task
from napari_segplugin.core.image import check_spacing
from napari_segplugin.core.words import pixel
from napari_segplugin.engine.alignment import differ
from napari_segplugin.engine.evaluate.report import ALL


@dataclass(frozen=True)
class Options:
    """How predictions are compared, checked; None where the segmentations say it.

    Parameters
    ----------
    task : Task
    classes : ClassTable, optional
    spacing : sequence of float, optional
        Size of a voxel along each axis.
    unit : str, optional
    thresholds : tuple of float
        IoU thresholds, ascending.
    tolerance : float, optional
        Of the surface Dice, in `unit`.
    surfaces : bool
        Whether distances between surfaces are measured.
    """

    task: Task
    classes: ClassTable | None
    spacing: Sequence[float] | None
    unit: str | None
    thresholds: tuple[float, ...]
    tolerance: float | None
    surfaces: bool


def make_options(
    task: Task | str,
    classes: ClassTable | None,
    spacing: Sequence[float] | None,
    unit: str | None,
    thresholds: Sequence[float],
    tolerance: float | None,
    surfaces: bool,
) -> Options:
    """Check what is asked.

    Raises
    ------
    InputError
        If there is no such task, or a threshold or the tolerance is not valid.
    """
    if str(task) not in [t.value for t in Task]:
        raise InputError("There is no such task.", got=f"'{task}'", accepted=", ".join(t.value for t in Task))
    if not len(thresholds) or not all(0 < t <= 1 for t in thresholds):
        raise InputError(
            "IoU thresholds must be above 0 and at most 1.", got=tuple(thresholds), accepted="at least one, such as 0.5"
        )
    check_spacing(spacing)
    # here too: where no surface is measured, nobody else would look at it
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError("A tolerance must be a distance, 0 or more.", got=tolerance)
    return Options(Task(task), classes, spacing, unit, tuple(sorted(set(thresholds))), tolerance, surfaces)


def class_table(options: Options, *both: Any) -> ClassTable | None:
    """The classes as they are named by the caller or else by a segmentation; None where nobody says it.

    Raises
    ------
    InputError
        If a class is called as a report calls all of them together.
    """
    table = options.classes or next((x.classes for x in both if isinstance(x, Segmentation)), None)
    if table is not None and ALL in [c.name for c in table]:
        raise InputError(f"A class cannot be named '{ALL}' in a report.", hint="Rename the class.")
    return table


def with_voxels(options: Options, prediction: Any, truth: Any) -> Options:
    """The options with spacing, unit and tolerance, from the segmentations where the caller said nothing.

    Raises
    ------
    InputError
        If there is a time axis, or surfaces are measured and the two differ in voxel size.
    """
    found = [x for x in (prediction, truth) if isinstance(x, Segmentation | Image)]
    for labels in found:
        if "T" in labels.axes:
            raise InputError(
                "A time series is evaluated one time point at a time.",
                got=f"axes '{labels.axes}'",
                hint="Compare pairs of single time points.",
            )
    size, unit = options.spacing, options.unit
    measures = options.surfaces and options.task is Task.SEMANTIC
    if measures and (size is None or unit is None) and differ(found):
        raise InputError(
            f"Prediction and ground truth differ in {pixel(len(found[0].spacing))} size.",
            got=" and ".join(f"{f.spacing} {f.unit}" for f in found),
            hint="Give one size and unit for both, or leave out the distances between surfaces.",
            setting="surfaces",
        )
    # of two, one may be of a format that holds no size
    speaks = next((f for f in found if f.unit != "pixel"), found[0] if found else None)
    if size is None:
        size = speaks.spacing if speaks else (1.0,) * np.ndim(truth)
    if unit is None:
        unit = speaks.unit if speaks else "pixel"
    # On an axis of one voxel there is no distance, so its edge says nothing about the tolerance.
    edges = [s for s, n in zip(size, np.shape(labels_of(truth, False)), strict=False) if n != 1]
    tolerance = max(edges, default=1.0) if options.tolerance is None else options.tolerance
    return replace(options, spacing=size, unit=unit, tolerance=tolerance)


def labels_of(found: Any, semantic: bool) -> np.ndarray:
    """Class numbers (`semantic`) or object numbers, (Z, Y, X) or (Y, X)."""
    if isinstance(found, Segmentation):
        return found.semantic() if semantic else np.asarray(found.labels)
    return np.asarray(found.array if isinstance(found, Image) else found)


def object_classes(found: Any, given: Mapping[int, int] | None, word: str) -> Mapping[int, int]:
    """The class of each object: as given, or as the table of a segmentation says.

    Raises
    ------
    InputError
        If it is neither given nor in a table.
    """
    if given is not None:
        return given
    if isinstance(found, Segmentation):
        return dict(zip(found.objects.label.tolist(), found.objects.class_id.tolist(), strict=True))
    raise InputError(
        f"A panoptic evaluation needs the class of each object of the {word}.",
        got="an array of object numbers",
        hint="Give the class of each object.",
    )


__all__ = ["Options", "class_table", "labels_of", "make_options", "object_classes", "with_voxels"]
