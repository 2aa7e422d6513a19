"""What each command does: read, run a job of the engine, write. Each returns its result as JSON values and as text."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import napari_segplugin as seg
from napari_segplugin import jobs
from napari_segplugin.cli.many import Many, Outcome
from napari_segplugin.cli.marks import read_corrections
from napari_segplugin.cli.progress import CommandProgress
from napari_segplugin.cli.values import loss_of
from napari_segplugin.core import (
    Event,
    Image,
    InputError,
    ModelBundle,
    Note,
    TileSpec,
    TrainSpec,
    augment_spec_from_json,
    drain,
)
from napari_segplugin.core.types import Json, json_object
from napari_segplugin.core.words import plain_metric
from napari_segplugin.data.channels import seen
from napari_segplugin.door.orders import RunOrder, things, write_order
from napari_segplugin.door.progress import Progress, stop_on_interrupt
from napari_segplugin.io import read_image
from napari_segplugin.io.formats import notes_of
from napari_segplugin.io.targets import ResultPath, targets_of, write_result

if TYPE_CHECKING:
    from napari_segplugin import FineTuneResult
    from napari_segplugin.jobs import Cluster

Result = tuple[dict[str, Any], str]


def open_image(path: str, options: Namespace, progress: Progress) -> Image:
    """Read an image as the options say; what its file leaves in doubt is shown as notes."""
    image = opened(path, options)
    for note in notes_of(image):
        progress(note)
    return image


def opened(path: str | Path, options: Namespace) -> Image:
    """Read an image as the options say."""
    more = {"series": options.series, "resample": options.even_slices}
    image = read_image(path, axes=options.axes, spacing=options.spacing, unit=options.unit, **more)
    return seen(image, getattr(options, "channels", ""))


def joined(paths: Sequence[str], options: Namespace, say: Callable[[Note], object]) -> Image:
    """The images of a command as the channels of one."""
    whole = Namespace(**{**vars(options), "channels": ""})
    parts = [opened(path, whole) for path in paths]
    for part in parts:
        for note in notes_of(part):
            say(note)
    return seen(seg.join(parts), options.channels)


def predict(options: Namespace) -> Result:
    """Segment images one after the other; one that cannot be segmented says why and does not hold up the others."""
    many = Many.of(options, options.images[:1] if options.join else options.images)
    bundle = seg.load_model(options.model)
    task = bundle.spec.task

    def read(path: Path) -> Image:
        return joined(options.images, options, many.note) if options.join else opened(path, options)

    with seg.connect(options.cluster) if options.cluster else nullcontext() as cluster:
        if cluster is not None and len(many.pairs) > 1:
            many.rows = _spread_out(options, many, bundle, cluster)
        else:
            many.run(RunOrder(bundle, _tiles(options), options.device, cluster=cluster), read)
    data = {"command": "predict", "model": bundle.name, "task": str(task), **many.outcome(task)}
    return data, many.text(task)


def _tiles(options: Namespace) -> TileSpec:
    looks = options.precision, options.mirror, options.zoom, not options.keep_voxel_size, options.invert
    return TileSpec(options.tile, options.halo, *looks)


def _spread_out(options: Namespace, many: Many, bundle: ModelBundle, cluster: Cluster) -> list[Outcome]:
    """Several images at once, each on a worker."""
    items = [(options, os.getcwd(), str(path), target) for path, target in many.pairs]
    with CommandProgress(f"{len(items)} images", options.quiet) as progress:
        rows = drain(cluster.each(predict_there, bundle, items), progress)
    return [{**row, "image": str(path)} for row, (path, _) in zip(rows, many.pairs, strict=True)]


def predict_there(bundle: ModelBundle, options: Namespace, folder: str, path: str, target: ResultPath | str) -> Outcome:
    """On a worker of a cluster: segment a file; the paths are those of a folder that it sees, too."""
    goal = target if isinstance(target, ResultPath) else ResultPath(Path(target))
    goal, start = replace(goal, path=Path(folder) / goal.path), time.perf_counter()
    with CommandProgress(Path(path).name, quiet=True) as progress:
        image = open_image(str(Path(folder) / path), options, progress)
        found, files = drain(write_order(RunOrder(bundle, _tiles(options), options.device), image, goal), progress)
    row: Outcome = {"image": path, "outputs": [str(f) for f in files], "objects": things(found)}
    return {**row, "seconds": round(time.perf_counter() - start, 3), "notes": progress.notes}


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
