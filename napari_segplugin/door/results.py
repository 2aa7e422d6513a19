"""Plain calls about results and models: evaluate, track, read and write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_segplugin import jobs
from napari_segplugin.core import (
    ClassTable,
    ModelBundle,
    Segmentation,
    Task,
)
from napari_segplugin.door.calls import run
from napari_segplugin.door.inputs import (
    ImageLike,
    LabelsLike,
    ModelLike,
    PathLike,
    as_image,
    as_model,
)
from napari_segplugin.door.orders import corrections_of

if TYPE_CHECKING:
    from napari_segplugin.engine.evaluate.report import Report
    from napari_segplugin.engine.track.track import Tracking, TrackSpec

T = TypeVar("T")


def evaluate(
    prediction: LabelsLike,
    truth: LabelsLike,
    *,
    task: Task | str | None = None,
    classes: ClassTable | Sequence[str] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    tolerance: float | None = None,
    surfaces: bool = True,
    known: np.ndarray | None = None,
    progress: bool = True,
) -> Report:
    """Measure a result against the truth: one report with every metric of the task.

    Parameters
    ----------
    prediction, truth : Segmentation, array of int, or path
        Two label images, or two folders of files with the same names.
    task : Task or str, optional
        What the numbers are; by default as a segmentation or the recipe beside a file says, otherwise objects.
    classes : ClassTable or sequence of str, optional
        From the segmentations where left out, else "class 1", "class 2" ….
    spacing : sequence of float, optional
        Voxel size along the axes; from the segmentations where left out, else 1.
    unit : str, optional
        Of `spacing`.
    tolerance : float, optional
        Of the surface Dice (NSD), in `unit`; the longest edge of a voxel by default.
    surfaces : bool
        False leaves out distances between surfaces, which take the longest.
    known : array of bool, optional
        Where the truth is known; the rest is not judged, and distances are left out. Not for folders.
    progress : bool
        Show a bar.

    Returns
    -------
    Report
        Each number with its definition; ``report.value("AP@0.5")``, ``report.text()``, ``report.to_csv()``.

    Raises
    ------
    InputError
        If shapes differ, files have no partner, or it is not known what the labels of files are.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> seg.evaluate(np.array([[1, 1, 0]]), np.array([[0, 1, 1]]), task="semantic", progress=False).value("Dice", "class 1")
    0.5
    """
    job = jobs.evaluate(
        prediction,
        truth,
        task=task,
        classes=classes,
        spacing=spacing,
        unit=unit,
        tolerance=tolerance,
        surfaces=surfaces,
        known=known,
    )
    return run(job, "evaluate", progress)


def track(
    segmentation: LabelsLike,
    spec: TrackSpec | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> Tracking:
    """Link objects through time.

    Parameters
    ----------
    segmentation : Segmentation, array of int, or path
        Axes "TYX" or "TZYX"; name them for an array, and for a file that does not.
    spec : TrackSpec, optional
        How far objects move, gaps, divisions.
    axes, spacing, unit, progress
        As in :func:`predict`.

    Returns
    -------
    Tracking
        ``segmentation`` with one number for each object through time, ``tracks``, ``graph`` (the mother of each daughter).

    Raises
    ------
    InputError
        If there is no time axis, one time point only, no object, or the labels are classes.
    MissingExtraError
        If laptrack is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> cells = np.zeros((2, 8, 8), int)
    >>> cells[0, 1:4, 1:4], cells[1, 2:5, 2:5] = 1, 2
    >>> seg.track(cells, axes="TYX", progress=False).tracks.tolist()
    [[1.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]]
    """
    job = jobs.track(segmentation, spec, axes=axes, spacing=spacing, unit=unit)
    return run(job, "track", progress)


def load_model(model: ModelLike) -> ModelBundle:
    """Read a model.

    Parameters
    ----------
    model : str or path
        The name of one that ships, or its folder.

    Returns
    -------
    ModelBundle

    Raises
    ------
    InputError
        If there is none, or it is damaged.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> seg.load_model("nuclei3d").spec.ndim
    3
    """
    return as_model(model)


def save_model(model: ModelBundle, folder: PathLike, *, overwrite: bool = False) -> Path:
    """Write a model to a folder.

    Parameters
    ----------
    model : ModelBundle
    folder : path
        Made; its parent must be there.
    overwrite : bool
        Replace a model that is there; anything else is never replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder is there already and is not to be replaced, its parent is missing, or it cannot be written.
    """
    from napari_segplugin.io import save_bundle

    return save_bundle(model, folder, overwrite=overwrite)


def write_segmentation(
    segmentation: Segmentation,
    path: PathLike,
    image: ImageLike | None = None,
    *,
    simplify: float | None = None,
    smallest: float = 0.0,
    pieces: bool | None = None,
    voxel_space: bool = False,
    before: Segmentation | None = None,
) -> list[Path]:
    """Write a result, how it was made, and the measurements of its objects.

    Parameters
    ----------
    segmentation : Segmentation
    path : path
        Its ending says the format: ``.tif``, ``.ome.zarr``, ``.nii.gz``, ``.png``, ``.npy``, ``.geojson``, ``.gpkg``,
        ``.coco.json`` ….
    image : Image, array-like or path, optional
        Its channels are measured in every object.
    simplify : float, optional
        Of GeoJSON and GeoPackage: pixels by which an outline may leave that of its pixels; by default 0.5 on a map, otherwise 0.
    smallest : float
        Of these, too: parts of fewer pixels are left out.
    pieces : bool, optional
        Of these, too: each connected piece of an area is a feature of its own; by default on a map only.
    voxel_space : bool
        Write surfaces (.stl, .ply, .obj) in the coordinates of the image where it is not known how it lies in a patient.
    before : Segmentation, optional
        The result as it was computed. What a person changed in it since is written beside, as ``NAME.corrections.json``, so
        that :func:`replay` includes it.

    Returns
    -------
    list of Path
        What was written, the file first.

    Raises
    ------
    InputError
        If the format is not known or cannot hold these labels, or the file cannot be written.
    """
    from napari_segplugin.engine.export import export
    from napari_segplugin.io.files import Drawing

    drawing = Drawing(simplify, smallest, pieces, voxel_space)
    texts = {} if before is None else corrections_of(before, segmentation)
    return export(segmentation, path, None if image is None else as_image(image), drawing, texts)


__all__ = [
    "evaluate",
    "load_model",
    "save_model",
    "track",
    "write_segmentation",
]
