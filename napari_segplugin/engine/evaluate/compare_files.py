"""Compare files with files: a folder of results with a folder of truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_segplugin.core import ClassTable, InputError, Job, Segmentation, Stage, Task
from napari_segplugin.engine.evaluate.evaluate import Report, evaluate, evaluate_steps
from napari_segplugin.io import read_labels, read_segmentation
from napari_segplugin.io.files import is_zarr
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.pairs import canonical_labels, list_files, match_names
from napari_segplugin.io.segmentations import recorded_task
from napari_segplugin.metrics import AP_THRESHOLDS


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
    pairs = match_names(*(list_files(p) for p in places)) if folders[0] else [(places[0], places[1])]
    if not pairs:
        raise InputError("There are no files to compare.", got=f"'{places[0]}' is empty")
    kind = Task(task) if task is not None else recorded_task(pairs[0][0])
    yield Stage("Comparing")
    if not folders[0]:
        return evaluate(
            *read_pair(*pairs[0], kind),
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
            (read_pair(a, b, kind) for a, b in pairs),
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


def read_pair(prediction: Path, truth: Path, task: Task) -> tuple[Segmentation | np.ndarray, Segmentation | np.ndarray]:
    """Labels of two files. Whatever says what its objects are comes with classes and voxel size, the rest as numbers."""

    def read(path: Path, described: bool) -> Segmentation | np.ndarray:
        if not described:
            return canonical_labels(*read_labels(path))
        found = read_segmentation(path, task=task)
        labels = canonical_labels(np.asarray(found.labels), found.axes)
        sizes = dict(zip([a for a in found.axes if a in "ZYX"], found.spacing, strict=True))
        axes = "ZYX"[-labels.ndim :]
        return replace(found, labels=labels, axes=axes, spacing=tuple(sizes.get(a, 1.0) for a in axes))

    def described(path: Path) -> bool:
        return extension_of(path).endswith(".json") or (path.parent / f"{stem_of(path)}.recipe.json").is_file()

    panoptic = task is Task.PANOPTIC
    return read(prediction, panoptic or described(prediction)), read(truth, panoptic)


__all__ = ["evaluate_files", "read_pair"]
