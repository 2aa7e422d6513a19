"""The verbs as jobs: generators of events whose return value is the result.

``napari_segplugin.predict(…)`` and its neighbours drain these; a window or a script with a display of its own runs them
itself. Closing a generator cancels: nothing has changed. Importing this module imports no torch.

Examples
--------
>>> import napari_segplugin as seg
>>> job = seg.jobs.segment(seg.sample("nuclei2d").image, "threshold")
>>> str(seg.drain(job, lambda event: None).task)
'semantic'
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import (
    ClassicalRecipe,
    ClassTable,
    Image,
    Job,
    Note,
    Region,
    Segmentation,
    Stage,
    Task,
    TileSpec,
    TrainSpec,
)
from napari_segplugin.core.training import Allowance
from napari_segplugin.core.types import Json
from napari_segplugin.data.channels import seen
from napari_segplugin.door.inputs import (
    ChannelsLike,
    CorrectionsLike,
    ImageLike,
    LabelsLike,
    ModelLike,
    PathLike,
    as_corrections,
    as_image,
    as_model,
    as_recipe,
    as_segmentation,
    class_table,
)
from napari_segplugin.door.orders import batch, in_regions, replay
from napari_segplugin.door.training import NewModel, Pairs, labelled
from napari_segplugin.engine.memory import within_memory
from napari_segplugin.engine.torch_import import bring_torch
from napari_segplugin.io.formats import notes_of

if TYPE_CHECKING:
    from napari_segplugin.core.training import FineTuneResult
    from napari_segplugin.engine.evaluate.compare import Comparison
    from napari_segplugin.engine.evaluate.report import Report
    from napari_segplugin.engine.instant import ForestAnswer, PixelForest
    from napari_segplugin.engine.predict.cluster import Cluster as Cluster
    from napari_segplugin.engine.track.track import Tracking, TrackSpec


def _opened(
    image: ImageLike, axes: str | None, spacing: Sequence[float] | None, unit: str | None, channels: ChannelsLike
) -> Job[Image]:
    found = as_image(image, axes, spacing, unit)
    if isinstance(image, str | Path):
        yield from notes_of(found)
    return seen(found, channels)


@within_memory
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
) -> Job[Segmentation]:
    """Segment an image by a network; see :func:`napari_segplugin.predict`."""
    found = yield from _opened(image, axes, spacing, unit, channels)
    bundle = as_model(model)
    bring_torch()
    from napari_segplugin.engine.predict.predict import predict as run

    return (yield from run(found, bundle, tiles=tiles, device=device, region=region, output=output, cluster=cluster))


@within_memory
def predict_to_file(
    image: ImageLike,
    model: ModelLike,
    path: PathLike,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
    cluster: Cluster | None = None,
    otherwise: str = "",
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[tuple[Segmentation, list[Path]]]:
    """Segment an image of any size into a file.

    Parameters
    ----------
    image, model, tiles, device, region, cluster, channels, axes, spacing, unit
        As in :func:`napari_segplugin.predict`.
    path : path
        Any format that can be written; OME-Zarr and TIFF for results larger than memory.
    otherwise : str
        Extension of another format, which is written where that of `path` cannot hold the labels, such as ".tif" for PNG.

    Returns
    -------
    Segmentation
    list of Path
        The file, the recipe and the table that were written.

    Raises
    ------
    InputError
        As in :func:`napari_segplugin.predict`, and if the file cannot be written.
    """
    found = yield from _opened(image, axes, spacing, unit, channels)
    bundle = as_model(model)
    bring_torch()
    from napari_segplugin.engine.predict.to_file import predict_to_file as run

    more = {"tiles": tiles, "device": device, "region": region, "cluster": cluster, "otherwise": otherwise}
    return (yield from run(found, bundle, path, **more))  # type: ignore[arg-type]


@within_memory
def edge_map(
    image: ImageLike,
    model: ModelLike,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
) -> Job[Image]:
    """Where a network that learns edges sees some; see :func:`napari_segplugin.engine.predict.edge_map.edge_map`."""
    bring_torch()
    from napari_segplugin.engine.predict.edge_map import edge_map as run

    return (yield from run(as_image(image), as_model(model), tiles=tiles, device=device, region=region))


@within_memory
def finetune(
    image: ImageLike | Sequence[ImageLike],
    corrections: CorrectionsLike | Sequence[CorrectionsLike],
    model: ModelLike,
    spec: TrainSpec | None = None,
    *,
    stop: threading.Event | None = None,
    preview: Region | None = None,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[FineTuneResult]:
    """Train a copy of a model on corrections; see :func:`napari_segplugin.finetune`."""
    spec = spec or TrainSpec()
    allowed = Allowance(spec.seconds)  # reading, and the import of torch, are part of it
    images = [seen(as_image(i, axes, spacing, unit), channels) for i in cast("Sequence[ImageLike]", _each(image))]
    bundle = as_model(model)
    task, classes = bundle.spec.task, bundle.spec.classes
    notes: list[Note] = []
    each = cast("Sequence[CorrectionsLike]", _each(corrections))
    partners: Sequence[Image | None] = images if len(images) == len(each) else [None] * len(each)
    given = [as_corrections(c, task, classes, i, notes.append) for c, i in zip(each, partners, strict=True)]
    yield from notes
    bring_torch()
    from napari_segplugin.engine.train.finetune import finetune as run

    return (yield from run(images, given, bundle, spec, stop=stop, preview=preview, allowed=allowed))


def _each(given: object) -> Sequence[object]:
    """The images, or the corrections, of a list of them; an array written as lists is one."""
    if isinstance(given, list | tuple) and given and not isinstance(given[0], list | tuple | int | float):
        return given
    return [given]


@within_memory
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
    stop: threading.Event | None = None,
    channels: ChannelsLike = "",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[FineTuneResult]:
    """Train a model on labelled images; see :func:`napari_segplugin.train`."""
    from napari_segplugin.engine.train.samples import check_share

    check_share(share)  # before any image is read
    spec = spec or TrainSpec(seconds=600)
    allowed = Allowance(spec.seconds)
    wanted = NewModel(task, classes, stuff, ndim, head, options, name, model_spacing)
    bundle = wanted.begin(model)
    bring_torch()
    from napari_segplugin.engine.train.folder import train_labelled

    yield Stage("Reading images and labels")
    found = yield from labelled(data, wanted.kind(bundle), axes, spacing, unit, channels)
    if bundle is None:
        bundle = yield from wanted.make(str(model), found, ignore, spec)
    return (
        yield from train_labelled(
            found, bundle, spec, share=share, ignore=ignore, stop=stop, keep=keep, allowed=allowed
        )
    )


@within_memory
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
    **settings: Json,
) -> Job[Segmentation]:
    """Segment an image by a classical technique; see :func:`napari_segplugin.segment`."""
    from napari_segplugin.engine.classical.segment import segment as run
    from napari_segplugin.io.pairs import open_labels

    found = yield from _opened(image, axes, spacing, unit, channels)
    notes: list[Note] = []
    marks = open_labels(seeds, found, notes.append) if isinstance(seeds, str | Path) else seeds
    yield from notes
    return (yield from run(found, as_recipe(technique, settings), region=region, seeds=marks, box=box))


@within_memory
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
) -> Job[Report]:
    """Measure a result against the truth; see :func:`napari_segplugin.evaluate`."""
    from napari_segplugin.engine.evaluate.compare_files import evaluate_files
    from napari_segplugin.engine.evaluate.evaluate import evaluate as run

    table = class_table(classes, task)
    files = [isinstance(p, str | Path) for p in (prediction, truth)]
    if all(files) and known is None:
        return (
            yield from evaluate_files(
                prediction,  # type: ignore[arg-type]
                truth,  # type: ignore[arg-type]
                task=task,
                classes=table,
                spacing=spacing,
                unit=unit,
                tolerance=tolerance,
                surfaces=surfaces,
            )
        )
    kind = task or next((s.task for s in (prediction, truth) if isinstance(s, Segmentation)), Task.INSTANCE)
    yield Stage("Comparing")
    one, other = (
        as_segmentation(p, task=kind, classes=table) if f or isinstance(p, Segmentation) else np.asarray(p)
        for p, f in zip((prediction, truth), files, strict=True)
    )
    return run(
        one,
        other,
        task=kind,
        classes=table,
        spacing=spacing,
        unit=unit,
        tolerance=tolerance,
        surfaces=surfaces,
        known=known,
    )


@within_memory
def compare(
    prediction: LabelsLike,
    truth: LabelsLike,
    *,
    task: Task | str | None = None,
    threshold: float = 0.5,
    tolerance: float | None = None,
    surfaces: bool = True,
) -> Job[Comparison]:
    """Measure a result against the truth, object by object; see :func:`napari_segplugin.engine.evaluate.compare.compare`."""
    from napari_segplugin.engine.evaluate.compare import compare as run

    one, other = (as_segmentation(labels, task=task) for labels in (prediction, truth))
    return (yield from run(one, other, threshold=threshold, tolerance=tolerance, surfaces=surfaces))


@within_memory
def track(
    segmentation: LabelsLike,
    spec: TrackSpec | None = None,
    *,
    before: np.ndarray | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[Tracking]:
    """Link objects through time; see :func:`napari_segplugin.track`."""
    from napari_segplugin.engine.track.track import track as run

    found = as_segmentation(segmentation, axes=axes, spacing=spacing, unit=unit)
    return (yield from run(found, spec, before=before))


@within_memory
def instant(
    image: ImageLike,
    corrections: CorrectionsLike,
    task: Task | str,
    classes: ClassTable | Sequence[str],
    *,
    region: Region | None = None,
    forest: PixelForest | None = None,
    most: int = 0,
    one_thing: bool = False,
) -> Job[ForestAnswer]:
    """Answer strokes by a random forest, without a network; see :func:`napari_segplugin.engine.instant.instant`."""
    from napari_segplugin.engine.instant import instant as run

    table = class_table(classes, task) or ClassTable.named(["object"])
    found = as_image(image)
    notes: list[Note] = []
    marks = as_corrections(corrections, Task(task), table, found, notes.append)
    yield from notes
    return (
        yield from run(found, marks, Task(task), table, region=region, forest=forest, most=most, one_thing=one_thing)
    )


__all__ = [
    "batch",
    "compare",
    "edge_map",
    "evaluate",
    "finetune",
    "in_regions",
    "instant",
    "predict",
    "predict_to_file",
    "replay",
    "segment",
    "track",
    "train",
]
