"""The verbs as plain calls: each drains its job with a progress bar and returns the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_segplugin import jobs
from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    Job,
    ModelBundle,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.core.types import Json
from napari_segplugin.door.inputs import (
    CorrectionsLike,
    ImageLike,
    LabelsLike,
    ModelLike,
    PathLike,
    as_image,
    as_model,
    as_segmentation,
)
from napari_segplugin.door.progress import Progress

if TYPE_CHECKING:
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.engine.evaluate.report import Report
    from napari_segplugin.engine.predict.cluster import Cluster
    from napari_segplugin.engine.track.track import Tracking, TrackSpec
    from napari_segplugin.engine.train.finetune import FineTuneResult

T = TypeVar("T")


def _run(job: Job[T], name: str, progress: bool) -> T:
    with Progress(name, quiet=not progress) as bar:
        return drain(job, bar)


def predict(
    image: ImageLike,
    model: ModelLike,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: jobs.Region | None = None,
    output: PathLike | None = None,
    cluster: Cluster | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> Segmentation:
    """Segment an image by a network.

    A time series is done frame by frame, a volume with a 2D model plane by plane; object numbers are unique over all of
    them.

    Parameters
    ----------
    image : Image, array-like or path
        An array of two dimensions is a plane (Y, X), one whose last axis is colour (Y, X, C); others need `axes`.
    model : ModelBundle, str or path
        The name of a model that ships, the folder of a model, or what :func:`load_model` and :func:`finetune` give.
    tiles : TileSpec, optional
        How the image is cut; chosen by memory and network where left out.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; a plane is a slice of length 1. Everything by default.
    output : path, optional
        A zarr that the labels are written to, for results larger than memory; must not exist.
    cluster : Cluster, optional
        Whose workers run the network.
    axes : str, optional
        Order of the axes of an array or a file, from "TCZYX"; wins over what the file says.
    spacing : sequence of float, optional
        Voxel size along the spatial axes, in the order of the axes; wins over what the file says.
    unit : str, optional
        Of `spacing`.
    progress : bool
        Show a bar, and notes, on stderr.

    Returns
    -------
    Segmentation
        Labels of the region, axes in the order T, Z, Y, X, with the table of objects and how it was made.

    Raises
    ------
    InputError
        If image, model, region, tiles and device do not go together, or a file cannot be read.
    OutOfMemoryError
        If not even the smallest tile fits into memory.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> found = seg.predict(seg.sample("nuclei2d").image, "nuclei2d", progress=False)
    >>> found.axes, len(found.objects) > 10
    ('YX', True)
    """
    job = jobs.predict(
        image,
        model,
        tiles=tiles,
        device=device,
        region=region,
        output=output,
        cluster=cluster,
        axes=axes,
        spacing=spacing,
        unit=unit,
    )
    return _run(job, "predict", progress)


def finetune(
    image: ImageLike | Sequence[ImageLike],
    corrections: CorrectionsLike | Sequence[CorrectionsLike],
    model: ModelLike,
    spec: TrainSpec | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> FineTuneResult:
    """Train a copy of a model on exactly what was painted, and judge it on strokes that gave no gradient.

    Parameters
    ----------
    image : Image, array-like or path; or a list of them
    corrections : Corrections, (Z, Y, X) or (Y, X) array of int, or path; or as many
        0 is not painted and stays unknown, 65535 background, other numbers are classes (semantic) or whole objects
        (instance, panoptic). :class:`Corrections` holds more: reviewed areas, edits, points, boxes, classes of objects.
    model : ModelBundle, str or path
        Is not changed. A 2D network learns from the painted planes of a volume.
    spec : TrainSpec, optional
        60 seconds by default.
    axes, spacing, unit, progress
        As in :func:`predict`.

    Returns
    -------
    FineTuneResult
        ``bundle`` is the new model, ``before`` and ``after`` are the figures of both on what was held out, ``heldout`` says
        how these were made.

    Raises
    ------
    InputError
        If nothing is painted, a class has no stroke, or image, corrections and model do not go together.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> sample = seg.sample("nuclei2d")
    >>> tuned = seg.finetune(sample.image, sample.corrections, "nuclei2d", seg.TrainSpec(steps=2), progress=False)
    >>> tuned.bundle.name
    'nuclei2d, tuned 1'
    """
    job = jobs.finetune(image, corrections, model, spec, axes=axes, spacing=spacing, unit=unit)
    return _run(job, "finetune", progress)


def train(
    data: PathLike | jobs.Pairs,
    model: ModelLike = "unet",
    spec: TrainSpec | None = None,
    *,
    task: Task | str | None = None,
    classes: ClassTable | Sequence[str] | None = None,
    stuff: Sequence[str] = (),
    ndim: int | None = None,
    head: str = "",
    options: Mapping[str, Json] | None = None,
    name: str = "",
    ignore: int | None = None,
    share: float = 0.2,
    keep: PathLike | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
) -> FineTuneResult:
    """Train a model on labelled images, and judge it on images that were held out.

    Parameters
    ----------
    data : path, or sequence of (image, labels)
        A folder with ``images/`` and ``masks/`` (or ``labels/``), or pairs ``NAME_image.*`` and ``NAME_labels.*``;
        ``classes/`` beside them gives the class of each voxel. Or pairs of what :func:`predict` takes as image, and arrays,
        paths or segmentations.
    model : str, ModelBundle or path
        The name of a network ("unet", "segnet", …) starts from random weights; a model goes on from its own.
    spec : TrainSpec, optional
        600 seconds by default.
    task, classes, stuff, ndim, head, options
        Of a new model, as in :func:`new_model`; instances of one class by default, dimensions and channels as the images
        have them. A model says them itself.
    name : str
        Of a new model.
    ignore : int, optional
        The label value of voxels whose truth is unknown.
    share : float
        Of the images that are held out, 0 to below 1.
    keep : path, optional
        Where the training is kept, so that the same call goes on after a crash.
    axes, spacing, unit, progress
        As in :func:`predict`.

    Returns
    -------
    FineTuneResult

    Raises
    ------
    InputError
        If the folder is laid out otherwise, images and labels do not fit, or a model is told what it finds.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> sample = seg.sample("nuclei2d")
    >>> new = seg.train([(sample.image, sample.truth)], "unet", seg.TrainSpec(steps=2), share=0, progress=False,
    ...     options={"widths": (4, 8)})
    >>> new.bundle.spec.network
    'unet'
    """
    job = jobs.train(
        data,
        model,
        spec,
        task=task,
        classes=classes,
        stuff=stuff,
        ndim=ndim,
        head=head,
        options=options,
        name=name,
        ignore=ignore,
        share=share,
        keep=keep,
        axes=axes,
        spacing=spacing,
        unit=unit,
    )
    return _run(job, "train", progress)


def segment(
    image: ImageLike,
    technique: ClassicalRecipe | PathLike,
    *,
    region: jobs.Region | None = None,
    seeds: np.ndarray | PathLike | None = None,
    box: jobs.Region | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    progress: bool = True,
    **settings: Json,
) -> Segmentation:
    """Segment an image by a classical technique.

    Parameters
    ----------
    image : Image, array-like or path
    technique : str, path or ClassicalRecipe
        The name of a technique ("threshold", "watershed", "kmeans", …), the name or the file of a recipe, or a recipe.
    region : tuple of slice, optional
        As in :func:`predict`.
    seeds : (Z, Y, X) or (Y, X) array of int, or path, optional
        Points or strokes, for techniques that need some.
    box : tuple of slice, optional
        For techniques that need one.
    axes, spacing, unit, progress
        As in :func:`predict`.
    **settings
        Of the technique; those left out have their defaults.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If there is no such technique or setting, or it does not work in these dimensions.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> found = seg.segment(seg.sample("nuclei2d").image, "threshold", method="li", progress=False)
    >>> found.labels.shape == seg.sample("nuclei2d").image.spatial_shape
    True
    """
    job = jobs.segment(
        image, technique, region=region, seeds=seeds, box=box, axes=axes, spacing=spacing, unit=unit, **settings
    )
    return _run(job, "segment", progress)


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
    return _run(job, "evaluate", progress)


def measure(
    segmentation: LabelsLike,
    image: ImageLike | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    tracks: Mapping[int, int] | None = None,
) -> MeasureTable:
    """Measure every object of a result, in its voxel size and unit.

    Parameters
    ----------
    segmentation : Segmentation, array of int, or path
    image : Image, array-like or path, optional
        Of the same size; its channels are measured in every object.
    axes, spacing, unit
        Of arrays, or in place of what a file says.
    tracks : mapping of int to int, optional
        Track of each label, from :func:`track`.

    Returns
    -------
    MeasureTable
        ``table["area"].values``, ``table.to_csv()``.

    Raises
    ------
    InputError
        If the image has another size than the labels.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> seg.measure(np.array([[0, 4], [4, 7]]), spacing=(0.5, 0.5), unit="um")["area"].values.tolist()
    [0.5, 0.25]
    """
    from napari_segplugin.engine.export import measure as run

    found = as_segmentation(segmentation, axes=axes, spacing=spacing, unit=unit)
    return run(found, None if image is None else as_image(image), tracks=tracks)


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
    return _run(job, "track", progress)


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


def write_segmentation(segmentation: Segmentation, path: PathLike, image: ImageLike | None = None) -> list[Path]:
    """Write a result, how it was made, and the measurements of its objects.

    Parameters
    ----------
    segmentation : Segmentation
    path : path
        Its ending says the format: ``.tif``, ``.ome.zarr``, ``.nii.gz``, ``.png``, ``.npy``, ``.geojson``, ``.coco.json`` ….
    image : Image, array-like or path, optional
        Its channels are measured in every object.

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

    return export(segmentation, path, None if image is None else as_image(image))


__all__ = [
    "evaluate",
    "finetune",
    "load_model",
    "measure",
    "predict",
    "save_model",
    "segment",
    "track",
    "train",
    "write_segmentation",
]
