"""Compare files with files: a folder of results with a folder of truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_segplugin.core import (
    ClassTable,
    Image,
    InputError,
    Job,
    Kind,
    ObjectTable,
    Segmentation,
    Stage,
    Task,
)
from napari_segplugin.core.segmentation import labels_in
from napari_segplugin.engine.evaluate.evaluate import Report, evaluate, evaluate_steps
from napari_segplugin.io import read_segmentation
from napari_segplugin.io.files import is_zarr
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.pairs import canonical_labels, classes_beside, label_files, match_names, open_labels
from napari_segplugin.io.segmentations import recorded_task
from napari_segplugin.metrics import AP_THRESHOLDS, contingency


def evaluate_files(
    prediction: str | Path,
    truth: str | Path,
    *,
    task: Task | str | None = None,
    classes: ClassTable | None = None,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    unit: str | None = None,
    tolerance: float | None = None,
    surfaces: bool = True,
) -> Job[Report]:
    """Measure a file against another, or the files of a folder against those of the same names in another.

    Parameters
    ----------
    prediction, truth : path
        Two label files, or two folders of them; names are compared without extension and without "_labels" and the like.
    task : Task or str, optional
        What the labels are; as the recipe beside the (first) prediction says by default.
    classes, spacing, thresholds, unit, tolerance, surfaces
        As in :func:`napari_segplugin.engine.evaluate.evaluate.evaluate`.

    Yields
    ------
    Stage, Step

    Returns
    -------
    Report
        Of folders, each number as the mean over images and, where it can be, pooled over images.

    Raises
    ------
    InputError
        If a file or folder is missing, a folder is empty, a file has no partner, a file is held against a folder, it is not
        known what the labels are, or as in :func:`~napari_segplugin.engine.evaluate.evaluate.evaluate`.
    """
    yield Stage("Reading")
    places = [Path(p).expanduser() for p in (prediction, truth)]
    for place in places:
        if not place.exists():
            raise InputError("There is no such file or folder.", got=f"'{place}'")
    folders = [p.is_dir() and not is_zarr(p) for p in places]
    if folders[0] != folders[1]:
        raise InputError("Compare two files or two folders.", got="one file and one folder")
    pairs = match_names(*(label_files(p) for p in places)) if folders[0] else [(places[0], places[1])]
    if not pairs:
        raise InputError("There are no files to compare.", got=f"'{places[0]}' is empty")
    kind = Task(task) if task is not None else recorded_task(pairs[0][0])
    yield Stage("Comparing")
    if not folders[0]:
        return evaluate(
            *read_pair(*pairs[0], kind, classes),
            task=kind,
            classes=classes,
            spacing=spacing,
            thresholds=thresholds,
            unit=unit,
            tolerance=tolerance,
            surfaces=surfaces,
        )
    return (
        yield from evaluate_steps(
            (read_pair(a, b, kind, classes) for a, b in pairs),
            len(pairs),
            task=kind,
            classes=classes,
            spacing=spacing,
            thresholds=thresholds,
            unit=unit,
            tolerance=tolerance,
            surfaces=surfaces,
        )
    )


def read_pair(
    prediction: Path, truth: Path, task: Task, classes: ClassTable | None = None
) -> tuple[Segmentation | Image, Segmentation | Image]:
    """Labels of two files with voxel size and place; with classes where they, or what lies beside them, say them.

    Parameters
    ----------
    prediction, truth : Path
    task : Task
    classes : ClassTable, optional
        What the numbers of classes mean, where no file says it.

    Raises
    ------
    InputError
        If a file cannot be read, or nothing says what its objects are and that is asked.
    """
    one = _read(prediction, task, task is Task.PANOPTIC or _described(prediction), classes)
    named = one.classes if isinstance(one, Segmentation) else None
    return one, _read(truth, task, task is Task.PANOPTIC, classes or named)


def _described(path: Path) -> bool:
    return extension_of(path).endswith(".json") or (path.parent / f"{stem_of(path)}.recipe.json").is_file()


def _read(path: Path, task: Task, meant: bool, classes: ClassTable | None) -> Segmentation | Image:
    """A label file: with what its numbers mean where that is wanted, else the numbers alone."""
    found = read_segmentation(path, task=task, classes=classes)
    labels = canonical_labels(np.asarray(found.labels), found.axes)
    sizes = dict(zip([a for a in found.axes if a in "ZYX"], found.spacing, strict=True))
    axes = "ZYX"[-labels.ndim :]
    spacing = tuple(sizes.get(a, 1.0) for a in axes)
    if not meant:
        return Image(labels, axes, spacing, found.unit, name=found.name, place=found.place)
    found = replace(found, labels=labels, axes=axes, spacing=spacing)
    beside = path.parent / f"{stem_of(path)}.objects.csv"
    if task is not Task.PANOPTIC or _described(path) or beside.is_file():
        return found
    kinds = classes_beside(path)
    if kinds is not None:
        return _with_classes(found, open_labels(kinds), classes)
    if len(classes or ()) == 2 or not len(found.objects):
        return found
    raise InputError(
        f"Nothing says which class each object of '{path.name}' has.",
        accepted="NAME.objects.csv beside it, a folder classes/ with a label image of the classes, or COCO panoptic",
        hint="Add one of these, or compare the labels as objects.",
        setting="task",
    )


def _with_classes(found: Segmentation, kinds: np.ndarray, classes: ClassTable | None) -> Segmentation:
    """Objects with the class that most of their voxels have; each area, which has no objects, is one."""
    labels = np.asarray(found.labels)
    if kinds.shape != labels.shape:
        raise InputError(
            f"The classes of '{found.name}' do not fit its labels.", got=f"{kinds.shape} for labels of {labels.shape}"
        )
    areas = [c.id for c in classes or () if c.id and c.kind is Kind.STUFF]
    area = (kinds > 0) & ((labels == 0) | np.isin(kinds, areas))
    labels = np.where(area, 0, labels).astype(np.int64)
    table = contingency(kinds, labels)
    order = np.argsort(table.intersection, kind="stable")  # of each object, the class written last has most voxels
    most = dict(zip(table.prediction_index[order].tolist(), table.truth_index[order].tolist(), strict=True))
    of = {int(table.prediction_ids[p]): int(table.truth_ids[t]) for p, t in most.items()}
    first = int(labels.max(initial=0)) + 1
    labels = np.where(area, kinds.astype(np.int64) + first, labels)
    of |= {int(n): int(n) - first for n in labels_in(np.where(area, labels, 0))}
    rows = ObjectTable.of(labels)
    class_id = np.array([of.get(n, 0) for n in rows.label.tolist()], np.int64)
    named = classes or ClassTable.named([f"class {i}" for i in range(1, int(kinds.max(initial=1)) + 1)])
    return replace(found, labels=labels, objects=replace(rows, class_id=class_id), classes=named)


__all__ = ["evaluate_files", "read_pair"]
