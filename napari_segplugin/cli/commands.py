"""What each command does: read, run a job of the engine, write. Each returns its result as JSON values and as text."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import napari_segplugin as seg
from napari_segplugin import jobs
from napari_segplugin.cli.marks import read_corrections
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.cli.values import loss_of
from napari_segplugin.core import (
    Event,
    Image,
    InputError,
    ModelBundle,
    Note,
    Segmentation,
    Task,
    TileSpec,
    TrainSpec,
    augment_spec_from_json,
    drain,
)
from napari_segplugin.core.types import Json, json_object
from napari_segplugin.core.words import plain_metric
from napari_segplugin.data.channels import seen
from napari_segplugin.door.progress import Progress, stop_on_interrupt
from napari_segplugin.io import read_image, write_segmentation
from napari_segplugin.io.formats import notes_of, stem_of, with_extension
from napari_segplugin.io.like_input import Ending, ending_like

if TYPE_CHECKING:
    from napari_segplugin import FineTuneResult
    from napari_segplugin.jobs import Cluster

Result = tuple[dict[str, Any], str]


def open_image(path: str, options: Namespace, progress: Progress) -> Image:
    """Read an image as the options say; what its file leaves in doubt is shown as notes."""
    more = {"series": options.series, "resample": options.even_slices}
    image = read_image(path, axes=options.axes, spacing=options.spacing, unit=options.unit, **more)
    for note in notes_of(image):
        progress(note)
    return seen(image, getattr(options, "channels", ""))


def open_joined(options: Namespace, progress: Progress) -> Image:
    """The images of a command as the channels of one."""
    whole = Namespace(**{**vars(options), "channels": ""})
    image = seg.join([open_image(path, whole, progress) for path in options.images])
    for note in notes_of(image):
        progress(note)
    return seen(image, options.channels)


def predict(options: Namespace) -> Result:
    """Segment images one after the other; those that are done stay when a later one fails."""
    shown = options.images[:1] if options.join else options.images
    targets = targets_of(shown, options.output, options.format)
    bundle = seg.load_model(options.model)
    if options.cluster:
        with seg.connect(options.cluster) as cluster:
            rows = _predict_all(options, targets, bundle, cluster)
    else:
        rows = _predict_all(options, targets, bundle, None)
    word = "classes" if bundle.spec.task is Task.SEMANTIC else "objects"
    lines = [f"{r['outputs'][0]}: {r['objects']} {word}, {r['seconds']:.1f} s" for r in rows]
    return {"command": "predict", "model": bundle.name, "task": str(bundle.spec.task), "results": rows}, "\n".join(
        lines
    )


def _predict_all(
    options: Namespace, targets: Sequence[ResultPath], bundle: ModelBundle, cluster: Cluster | None
) -> list[dict[str, Any]]:
    """One image after the other, or on a cluster several at once."""
    pairs = list(zip(options.images[: len(targets)], targets, strict=True))
    if cluster is not None and len(pairs) > 1:
        items = [(options, os.getcwd(), path, target) for path, target in pairs]
        with CommandProgress(f"{len(pairs)} images", options.quiet) as progress:
            rows = drain(cluster.each(predict_there, bundle, items), progress)
        return [{**row, "image": path} for row, path in zip(rows, options.images, strict=True)]
    rows = []
    for path, target in pairs:
        with CommandProgress(Path(path).name, options.quiet) as progress:
            rows.append(_predict_one(bundle, options, path, target, progress, cluster))
    return rows


def _predict_one(
    bundle: ModelBundle,
    options: Namespace,
    path: str,
    target: ResultPath,
    progress: Progress,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Segment a file; what is told of it."""
    start = time.perf_counter()
    image = open_joined(options, progress) if options.join else open_image(path, options, progress)
    if target.note:
        progress(Note(target.note))
    size, halo = _spread(options.tile, image), _spread(options.halo, image)
    tiles = TileSpec(
        size, halo, options.precision, options.mirror, options.zoom, not options.keep_voxel_size, options.invert
    )
    job = jobs.predict_to_file(
        image, bundle, target.path, tiles=tiles, device=options.device, cluster=cluster, otherwise=target.otherwise
    )
    found, files = drain(job, progress)
    row = {"image": path, "outputs": [str(f) for f in files], "objects": len(found.objects)}
    return {**row, "seconds": round(time.perf_counter() - start, 3), "notes": progress.notes}


def predict_there(
    bundle: ModelBundle, options: Namespace, folder: str, path: str, target: ResultPath | str
) -> dict[str, Any]:
    """On a worker of a cluster: segment a file; the paths are those of a folder that it sees, too."""
    target = target if isinstance(target, ResultPath) else ResultPath(Path(target))
    with CommandProgress(Path(path).name, quiet=True) as progress:
        return _predict_one(
            bundle, options, str(Path(folder) / path), replace(target, path=Path(folder) / target.path), progress
        )


@dataclass(frozen=True)
class ResultPath:
    """Where a result goes.

    Parameters
    ----------
    path : Path
    otherwise : str
        Extension of the format that is written where that of `path` cannot hold the labels; empty for none.
    note : str
        What the person should know of the format.
    """

    path: Path
    otherwise: str = ""
    note: str = ""


def targets_of(
    images: Sequence[str | Path], output: str | None, extension: str | None, ending: str = "_labels"
) -> list[ResultPath]:
    """Where each result goes, in the format of its image where no extension is given; two must not have one name.

    Raises
    ------
    InputError
        If two would, or the folder cannot be made.
    """
    folder = Path(output).expanduser() if output else None
    stems = [(folder or Path(p).parent) / f"{stem_of(Path(p))}{ending}" for p in images]
    ends = [Ending(f".{extension}") if extension else ending_like(p) for p in images]
    targets = [
        ResultPath(s.parent / f"{s.name}{e.extension}", e.otherwise, e.note) for s, e in zip(stems, ends, strict=True)
    ]
    # a recipe and a table lie beside each, so that two results of one name are in each other's way in any format
    twice = [t.path for t, s in zip(targets, stems, strict=True) if stems.count(s) > 1]
    if twice:
        raise InputError(
            "Two images would be written to one file.",
            got=f"'{min(twice)}'",
            hint="Choose another --output for one of them.",
        )
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("The output folder cannot be created.", got=f"'{folder}', {error.strerror}") from error
    return targets


def write_result(
    found: Segmentation, target: ResultPath, progress: Progress, texts: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a result, in the other format of its target where the first cannot hold it; says so."""
    if target.note:
        progress(Note(target.note))
    try:
        return write_segmentation(found, target.path, texts=texts)
    except InputError as error:
        if not target.otherwise:
            raise
        place = with_extension(target.path, target.otherwise)
        progress(Note(f"{str(error).partition('. ')[0]}. '{place.name}' is written instead."))
        return write_segmentation(found, place, texts=texts)


def _spread(sizes: tuple[int, ...], image: Image) -> tuple[int, ...]:
    """One number stands for all axes."""
    return sizes * image.ndim if len(sizes) == 1 else sizes


def finetune(options: Namespace) -> Result:
    """Train a copy of a model on corrections."""
    _check_new(options.output)
    bundle = seg.load_model(options.model)
    with CommandProgress(Path(options.image).name, options.quiet) as progress:
        image = open_image(options.image, options, progress)
        marks = read_corrections(options, image, bundle.spec, progress)
        with stop_on_interrupt() as stop, _shown(options, progress) as show:
            result = drain(jobs.finetune(image, marks, bundle, _train_spec(options), stop=stop), show)
            place = seg.save_model(result.bundle, options.output)
    record = _last_training(result.bundle)
    data: dict[str, Any] = {
        "command": "finetune",
        "bundle": str(place),
        "name": result.bundle.name,
        "before": result.before,
    }
    data |= {"after": result.after, "heldout": result.heldout, **record, "notes": progress.notes}
    data |= {"interrupted": stop.is_set(), "better": result.better}
    lines = [f"{place}: {record['steps']} steps in {record['seconds']:.0f} s", *_verdict(result), result.heldout]
    lines += [
        f"{plain_metric(name)}: {result.before[name]:.3f} before, {after:.3f} after"
        for name, after in result.after.items()
    ]
    return data, "\n".join(lines)


def _verdict(result: FineTuneResult) -> list[str]:
    """What came of the comparison; the new model is written whatever that is, since it was asked for."""
    if result.verdict is None:
        return []
    return [result.verdict.reason if result.better else f"{result.verdict.text} The new one is written all the same."]


def train(options: Namespace) -> Result:
    """Train a model from a folder of images and labels."""
    _check_new(options.output)
    wanted = {"task": options.task, "ndim": options.ndim, "classes": options.classes, "stuff": options.stuff}
    wanted |= {"head": options.head, "options": dict(options.option or ()), "model_spacing": options.model_spacing}
    if options.start and options.network:
        raise InputError("A training starts from a network or from a model.", got="--network and --from")
    model: str | ModelBundle = seg.load_model(options.start) if options.start else options.network or "unet"
    place = {"axes": options.axes, "spacing": options.spacing, "unit": options.unit, "channels": options.channels}
    with (
        CommandProgress(Path(options.folder).name, options.quiet) as progress,
        stop_on_interrupt() as stop,
        _shown(options, progress) as show,
    ):
        running = jobs.train(
            options.folder,
            model,
            _train_spec(options),
            **{word: value for word, value in (wanted | place).items() if value},
            name=Path(options.output).name,
            ignore=options.ignore,
            share=options.validation,
            keep=options.keep,
            stop=stop,
        )
        result = drain(running, show)
        saved = seg.save_model(result.bundle, options.output)
    bundle, record = result.bundle, _last_training(result.bundle)
    data: dict[str, Any] = {
        "command": "train",
        "bundle": str(saved),
        "name": bundle.name,
        "task": str(bundle.spec.task),
    }
    data |= {"images": result.learnt, "validation": result.judged, **record, "notes": progress.notes}
    data["interrupted"] = stop.is_set()
    data["better"] = result.better
    lines = [
        f"{saved}: {result.learnt} images, {record['steps']} steps in {record['seconds']:.0f} s",
        *_verdict(result),
    ]
    lines += [
        f"{name.removeprefix('held-out ')} on {result.judged} images kept aside: {value:.3f}"
        for name, value in record["quality"].items()
    ]
    return data, "\n".join(lines)


@contextmanager
def _shown(options: Namespace, progress: Progress) -> Iterator[Callable[[Event], None]]:
    """What follows a training: the bar, and TensorBoard where it is asked for."""
    if not options.tensorboard:
        yield progress
        return
    with seg.Board(options.tensorboard) as board:

        def both(event: Event) -> None:
            progress(event)
            board(event)

        yield both


def _train_spec(options: Namespace) -> TrainSpec:
    seconds = options.seconds if options.seconds is not None else (0.0 if options.steps else options.default_seconds)
    rate = {} if options.learning_rate is None else {"learning_rate": options.learning_rate}
    return TrainSpec(
        seconds=seconds,
        steps=options.steps,
        loss=loss_of(options.loss),
        batch=options.batch,
        patch=options.patch,
        seed=options.seed,
        device=options.device,
        augment=not options.no_augment,
        augmentation=augment_spec_from_json(dict(options.augment)) if options.augment else None,
        balance=options.balance,
        freeze=options.freeze,
        layer_decay=options.layer_decay,
        regulariser=options.regulariser,
        teacher=options.teacher,
        keep=options.as_before,
        rehearsal=options.rehearsal,
        exemplars=options.exemplars,
        intensities=options.intensities,
        **rate,
    )


def _check_new(folder: str) -> None:
    """Before any time is spent: the folder of the new bundle must be free and its parent there."""
    place = Path(folder).expanduser()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(
            f"'{place}' already exists.", hint="Choose another --output; an existing model is never overwritten."
        )
    if not place.parent.is_dir():
        raise InputError(
            "The folder for the new model does not exist.", got=f"'{place.parent}'", hint="Create it first."
        )


def _last_training(bundle: ModelBundle) -> dict[str, Any]:
    record = bundle.history[-1]
    curve = [json_object(row) for row in cast("list[Json]", record.get("held_out", ()))]
    best = next((row for row in curve if row["step"] == record.get("best_step")), {})
    quality = {k: v for k, v in best.items() if k not in ("step", "seconds")}
    return {"steps": record["steps"], "seconds": record["seconds"], "quality": quality}


__all__ = [
    "ResultPath",
    "finetune",
    "open_image",
    "predict",
    "predict_there",
    "targets_of",
    "train",
    "write_result",
]
