"""The verbs as plain calls: each drains its job with a progress bar and returns the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from napari_segplugin import jobs
from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    Job,
    Region,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.core.types import Json
from napari_segplugin.door.inputs import (
    ChannelsLike,
    CorrectionsLike,
    ImageLike,
    ModelLike,
    PathLike,
    as_image,
    as_model,
)
from napari_segplugin.door.progress import Progress
from napari_segplugin.door.training import Pairs
from napari_segplugin.engine.torch_import import bring_torch

if TYPE_CHECKING:
    from napari_segplugin.core.training import FineTuneResult
    from napari_segplugin.engine.predict.cluster import Cluster
    from napari_segplugin.engine.predict.work.suits import Suitability

T = TypeVar("T")


def run(job: Job[T], name: str, progress: bool) -> T:
    """Drain a job, with a bar and its notes on stderr where they are wanted."""
    with Progress(name, quiet=not progress) as bar:
        return drain(job, bar)


def predict(
    image: ImageLike,
    model: ModelLike,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
    output: PathLike | None = None,
    cluster: Cluster | None = None,
    channels: ChannelsLike = "",
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
        A zarr that the labels are written to, for results larger than memory; must not exist. It is there when it is
        complete; after a kill the same call goes on where it stopped.
    cluster : Cluster, optional
        Whose workers run the network.
    channels : str or sequence of int
        What the model sees: numbers from 1 ("2", "1,3"), names, "grey", or a stain ("haematoxylin", "eosin", "dab"); see
        :func:`napari_segplugin.data.channels.seen`. Everything by default.
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
        channels=channels,
        axes=axes,
        spacing=spacing,
        unit=unit,
    )
    return run(job, "predict", progress)


def finetune(
    image: ImageLike | Sequence[ImageLike],
    corrections: CorrectionsLike | Sequence[CorrectionsLike],
    model: ModelLike,
    spec: TrainSpec | None = None,
    *,
    channels: ChannelsLike = "",
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
    channels, axes, spacing, unit, progress
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
    job = jobs.finetune(image, corrections, model, spec, channels=channels, axes=axes, spacing=spacing, unit=unit)
    return run(job, "finetune", progress)


def train(
    data: PathLike | Pairs,
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
    model_spacing: Sequence[float] = (),
    ignore: int | None = None,
    share: float = 0.2,
    keep: PathLike | None = None,
    channels: ChannelsLike = "",
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
    model_spacing : sequence of float
        Voxel size that a new model works in, along [Z,] Y, X, in the unit of the images, which are resampled to it. By default
        the middle one of the images; coarser for classes in 3D where a structure is larger than a training patch.
    ignore : int, optional
        The label value of voxels whose truth is unknown.
    share : float
        Of the images that are held out, 0 to below 1.
    keep : path, optional
        Where the training is kept, so that the same call goes on after a crash.
    channels, axes, spacing, unit, progress
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
        model_spacing=model_spacing,
        ignore=ignore,
        share=share,
        keep=keep,
        channels=channels,
        axes=axes,
        spacing=spacing,
        unit=unit,
    )
    return run(job, "train", progress)


def segment(
    image: ImageLike,
    technique: ClassicalRecipe | PathLike,
    *,
    region: Region | None = None,
    seeds: np.ndarray | PathLike | None = None,
    box: Region | None = None,
    channels: ChannelsLike = "",
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
    channels, axes, spacing, unit, progress
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
        image,
        technique,
        region=region,
        seeds=seeds,
        box=box,
        channels=channels,
        axes=axes,
        spacing=spacing,
        unit=unit,
        **settings,
    )
    return run(job, "segment", progress)


def suits(
    image: ImageLike,
    model: ModelLike,
    *,
    tiles: TileSpec | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Suitability:
    """Look whether an image is like those that a model learnt from, before anything is run.

    Parameters
    ----------
    image, model, tiles, axes, spacing, unit
        As in :func:`predict`. Of a time series the first frame is looked at.

    Returns
    -------
    Suitability
        ``fits``, a ``sentence``, and ``tiles``: settings under which the image suits the model, where there are some.

    Raises
    ------
    InputError
        If the image or the model cannot be read, or the image has no value that is a number.

    Examples
    --------
    >>> import napari_segplugin as seg
    >>> image = seg.sample("nuclei2d").image
    >>> seg.suits(image, "nuclei2d").fits
    True
    >>> seg.suits(255 - image.array, "nuclei2d").sentence
    'Bright and dark are the other way round than in the images that the model learnt from.'
    """
    found, bundle = as_image(image, axes, spacing, unit), as_model(model)
    bring_torch()
    from napari_segplugin.engine.predict.work.suits import suits as run_suits

    return run_suits(found, bundle, tiles)


__all__ = ["finetune", "predict", "run", "segment", "suits", "train"]
