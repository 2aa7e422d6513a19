"""Plain calls about results and models: evaluate, measure, crop, track, read and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_segplugin import jobs
from napari_segplugin.core import (
    ClassTable,
    Image,
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
    as_segmentation,
)

if TYPE_CHECKING:
    from napari_segplugin.core import Region
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.engine.evaluate.report import Report
    from napari_segplugin.engine.roi import Piece
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


def measure(
    segmentation: LabelsLike,
    image: ImageLike | None = None,
    *,
    by: str = "object",
    histogram: bool = False,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    tracks: Mapping[int, int] | None = None,
) -> MeasureTable:
    """Measure every object, or every class, of a result, in its voxel size and unit.

    Parameters
    ----------
    segmentation : Segmentation, array of int, or path
    image : Image, array-like or path, optional
        Of the same voxels; its channels are measured in every object. Where both files say where they lie, its axes are
        turned to those of the labels.
    by : {"object", "class"}
        What has a row: an object, or all voxels of a class, such as an organ.
    histogram : bool
        Count the intensities of each row too: ``table.histograms``, ``table.histogram_csv()``.
    axes, spacing, unit
        Of arrays, or in place of what a file says.
    tracks : mapping of int to int, optional
        Track of each label, from :func:`track`.

    Returns
    -------
    MeasureTable
        ``table["area"].values``, ``table["volume_ml"].values`` (where the unit is mm), ``table.to_csv()``.

    Raises
    ------
    InputError
        If the image has other voxels than the labels, or `by` is neither of the two.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> seg.measure(np.array([[0, 4], [4, 7]]), spacing=(0.5, 0.5), unit="um")["area"].values.tolist()
    [0.5, 0.25]
    """
    found = as_segmentation(segmentation, axes=axes, spacing=spacing, unit=unit)
    picture, sized = None if image is None else as_image(image), spacing is not None
    return measure_read(found, picture, sized, by=by, histogram=histogram, tracks=tracks)


def measure_read(
    found: Segmentation,
    image: Image | None,
    sized: bool,
    *,
    by: str = "object",
    histogram: bool = False,
    tracks: Mapping[int, int] | None = None,
) -> MeasureTable:
    """As :func:`measure`, of what was read already; `sized`: whether somebody gave the voxel size."""
    from napari_segplugin.engine.export import measure as run

    return run(found, image, by=by, histogram=histogram, sized=sized, tracks=tracks)


def crop(
    image: ImageLike,
    labels: LabelsLike | None = None,
    *,
    objects: Sequence[int] = (),
    classes: Sequence[str] = (),
    box: Region | None = None,
    margin: float | str = 0,
    mask: bool = False,
    outside: float | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> list[Piece]:
    """Cut the pieces around objects, classes or a box out of an image; each lies where it lay.

    Parameters
    ----------
    image : Image, array-like or path
    labels : Segmentation, array of int, or path, optional
        Of the same voxels; not needed with a box. Where both files say where they lie, its axes are turned to those of the
        image.
    objects : sequence of int
        Numbers of objects: a piece for each.
    classes : sequence of str
        Names of classes: a piece for each, around all that is of it. Without objects, classes and box there is a piece for
        each object.
    box : tuple of slice, optional
        A piece of this box, along (Z,) Y, X.
    margin : float or str
        Voxels around the box, or a length with its unit, such as "2mm"; a piece ends at the edge of the image.
    mask : bool
        Whether everything outside the object or class gets the value `outside`.
    outside : float, optional
        By default -1024 where the values are in HU, otherwise 0, or the smallest value of the image where that is below 0.
    axes, spacing, unit
        Of the image, as in :func:`predict`.

    Returns
    -------
    list of Piece
        Each with ``image``, ``segmentation``, ``region`` and ``name``; write them with :func:`write_image` and
        :func:`write_segmentation`.

    Raises
    ------
    InputError
        If the labels have other voxels than the image, there is no such object or class, the box is empty, or the margin or
        the value outside is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_segplugin as seg
    >>> image, labels = np.arange(36).reshape(6, 6), np.zeros((6, 6), int)
    >>> labels[2:4, 3:5] = 7
    >>> [piece] = seg.crop(image, labels, margin=1)
    >>> piece.name, piece.image.array.shape, piece.region
    ('7', (4, 4), (slice(1, 5, None), slice(2, 6, None)))
    """
    found = None if labels is None else as_segmentation(labels)
    return crop_read(
        as_image(image, axes, spacing, unit),
        found,
        spacing is not None,
        objects=objects,
        classes=classes,
        box=box,
        margin=margin,
        mask=mask,
        outside=outside,
    )


def crop_read(
    image: Image,
    labels: Segmentation | None,
    sized: bool,
    *,
    objects: Sequence[int] = (),
    classes: Sequence[str] = (),
    box: Region | None = None,
    margin: float | str = 0,
    mask: bool = False,
    outside: float | None = None,
) -> list[Piece]:
    """As :func:`crop`, of what was read already; `sized`: whether somebody gave the voxel size."""
    from napari_segplugin.engine.roi import crop as run

    pieces = run(
        image,
        labels,
        sized=sized,
        objects=objects,
        classes=classes,
        box=box,
        margin=margin,
        mask=mask,
        outside=outside,
    )
    return list(pieces)


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
    "crop",
    "crop_read",
    "evaluate",
    "load_model",
    "measure",
    "measure_read",
    "save_model",
    "track",
    "write_segmentation",
]
