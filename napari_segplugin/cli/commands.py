"""What each command does: read, run a job of the engine, write. Each returns its result as JSON values and as text."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    Task,
    TileSpec,
    TrainSpec,
    augment_spec_from_json,
    drain,
)
from napari_segplugin.core.types import Json, json_object
from napari_segplugin.core.words import plain_metric
from napari_segplugin.door.progress import Progress, stop_on_interrupt
from napari_segplugin.io import read_image
from napari_segplugin.io.formats import stem_of

if TYPE_CHECKING:
    from napari_segplugin.jobs import Cluster

Result = tuple[dict[str, Any], str]


def open_image(path: str, options: Namespace, progress: Progress) -> Image:
    """Read an image as the options say; a doubt about its axes is shown as a note."""
    more = {"series": options.series, "resample": options.even_slices}
    image = read_image(path, axes=options.axes, spacing=options.spacing, unit=options.unit, **more)
    doubt = str(image.metadata.get("axes_doubt", ""))
    if doubt and not options.axes:
        progress(Note(f"{doubt} Taken as {image.axes}.", setting="axes"))
    return image


def predict(options: Namespace) -> Result:
    """Segment images one after the other; those that are done stay when a later one fails."""
    targets = targets_of(options.images, options.output, options.format)
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
    options: Namespace, targets: Sequence[Path], bundle: ModelBundle, cluster: Cluster | None
) -> list[dict[str, Any]]:
    """One image after the other, or on a cluster several at once."""
    pairs = list(zip(options.images, targets, strict=True))
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
    target: Path,
    progress: Progress,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Segment a file; what is told of it."""
    start = time.perf_counter()
    image = open_image(path, options, progress)
    size, halo = _spread(options.tile, image), _spread(options.halo, image)
    tiles = TileSpec(size, halo, options.precision, options.mirror, options.zoom)
    job = jobs.predict_to_file(image, bundle, target, tiles=tiles, device=options.device, cluster=cluster)
    found, files = drain(job, progress)
    row = {"image": path, "outputs": [str(f) for f in files], "objects": len(found.objects)}
    return {**row, "seconds": round(time.perf_counter() - start, 3), "notes": progress.notes}


def predict_there(
    bundle: ModelBundle, options: Namespace, folder: str, path: str, target: str | Path
) -> dict[str, Any]:
    """On a worker of a cluster: segment a file; the paths are those of a folder that it sees, too."""
    with CommandProgress(Path(path).name, quiet=True) as progress:
        return _predict_one(bundle, options, str(Path(folder) / path), Path(folder) / target, progress)


def targets_of(images: Sequence[str | Path], output: str | None, extension: str, ending: str = "_labels") -> list[Path]:
    """Where each result goes; two images must not end in one file.

    Raises
    ------
    InputError
        If two would, or the folder cannot be made.
    """
    folder = Path(output).expanduser() if output else None
    targets = [(folder or Path(p).parent) / f"{stem_of(Path(p))}{ending}.{extension}" for p in images]
    twice = {t for t in targets if targets.count(t) > 1}
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


def _spread(sizes: tuple[int, ...], image: Image) -> tuple[int, ...]:
    """One number stands for all axes."""
    return sizes * image.ndim if len(sizes) == 1 else sizes


def finetune(options: Namespace) -> Result:
    """Train a copy of a model on corrections."""
    _check_new(options.output)
    bundle = seg.load_model(options.model)
    with CommandProgress(Path(options.image).name, options.quiet) as progress:
        image = open_image(options.image, options, progress)
        marks = read_corrections(options, image.spatial_shape, bundle.spec)
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
    data["interrupted"] = stop.is_set()
    lines = [f"{place}: {record['steps']} steps in {record['seconds']:.0f} s", result.heldout]
    lines += [
        f"{plain_metric(name)}: {result.before[name]:.3f} before, {after:.3f} after"
        for name, after in result.after.items()
    ]
    return data, "\n".join(lines)


def train(options: Namespace) -> Result:
    """Train a model from a folder of images and labels."""
    _check_new(options.output)
    wanted = {"task": options.task, "ndim": options.ndim, "classes": options.classes, "stuff": options.stuff}
    wanted |= {"head": options.head, "options": dict(options.option or ())}
    if options.start and options.network:
        raise InputError("A training starts from a network or from a model.", got="--network and --from")
    model: str | ModelBundle = seg.load_model(options.start) if options.start else options.network or "unet"
    place = {"axes": options.axes, "spacing": options.spacing, "unit": options.unit}
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
    lines = [f"{saved}: {result.learnt} images, {record['steps']} steps in {record['seconds']:.0f} s"]
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
        rehearsal=options.rehearsal,
        exemplars=options.exemplars,
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
    "finetune",
    "open_image",
    "predict",
    "predict_there",
    "targets_of",
    "train",
]
