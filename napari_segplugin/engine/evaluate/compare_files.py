"""Compare files with files: a folder of results with a folder of truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_segplugin.core import InputError, Job, Segmentation, Stage, Task
from napari_segplugin.engine.evaluate.evaluate import Report, evaluate_steps
from napari_segplugin.io import read_labels, read_segmentation
from napari_segplugin.io.formats import extension_of, stem_of
from napari_segplugin.io.pairs import canonical_labels, list_files, match_names
from napari_segplugin.metrics import AP_THRESHOLDS


def compare_folders(
    prediction: str | Path,
    truth: str | Path,
    *,
    task: Task | str,
    thresholds: Sequence[float] = AP_THRESHOLDS,
    tolerance: float | None = None,
    distances: bool = True,
) -> Job[Report]:
    """Measure the files of one folder against those of the same names in another.

    Parameters
    ----------
    prediction, truth : path
        Folders of label files; names are compared without extension and without "_labels" and the like.
    task : Task or str
    thresholds, tolerance, distances
        As in :func:`napari_segplugin.engine.evaluate.compare.compare`.

    Returns
    -------
    Job of Report
        Each number as the mean over images and, where it can be, pooled over images.

    Raises
    ------
    InputError
        If a folder is missing or empty, a file has no partner, or as in
        :func:`~napari_segplugin.engine.evaluate.evaluate.evaluate_many`.
    """
    yield Stage("Reading")
    folders = [Path(p).expanduser() for p in (prediction, truth)]
    for folder in folders:
        if not folder.is_dir():
            raise InputError("There is no such folder.", got=f"'{folder}'")
    pairs = match_names(*(list_files(f) for f in folders))
    if not pairs:
        raise InputError("There are no files to compare.", got=f"'{folders[0]}' is empty")
    yield Stage("Comparing")
    read = (read_pair(a, b, Task(task)) for a, b in pairs)
    return (
        yield from evaluate_steps(
            read, len(pairs), task=task, thresholds=thresholds, tolerance=tolerance, surfaces=distances
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


__all__ = ["compare_folders", "read_pair"]
