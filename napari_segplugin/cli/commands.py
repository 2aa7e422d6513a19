"""What each command does: read, run a job of the engine, write. Each returns its result as JSON values and as text."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.cli.marks import read_boxes, read_points
from napari_segplugin.cli.parser import loss_of
from napari_segplugin.cli.progress import Progress, stop_on_interrupt
from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Event,
    Image,
    InputError,
    Kind,
    ModelBundle,
    ModelSpec,
    Sample,
    Task,
    TileSpec,
    TrainSpec,
    augment_spec_from_json,
    drain,
)
from napari_segplugin.engine.train.samples import SINGLE, check_share, hold_out, make_sample
from napari_segplugin.io import load_bundle, read_image, save_bundle, shipped_bundles
from napari_segplugin.io.formats import stem_of
from napari_segplugin.io.pairs import find_pairs, labels_of, open_labels

if TYPE_CHECKING:
    from napari_segplugin.engine.predict.cluster import Cluster

Result = tuple[dict[str, Any], str]


def find_model(name: str) -> ModelBundle:
    """A shipped model by name, or a bundle by folder.

    Raises
    ------
    InputError
        If there is neither.
    """
    shipped = shipped_bundles()
    if name in shipped:
        return load_bundle(shipped[name])
    if not Path(name).expanduser().exists():
        known = ", ".join(shipped) or "none is shipped"
        raise InputError(f"There is no model '{name}'.", accepted=f"{known}, or the folder of a bundle")
    return load_bundle(name)


def open_image(path: str, options: Namespace, progress: Progress) -> Image:
    """Read an image as the options say; a doubt about its axes is shown as a note."""
    image = read_image(path, axes=options.axes, spacing=options.spacing, unit=options.unit)
    doubt = str(image.metadata.get("axes_doubt", ""))
    if doubt and not options.axes:
        progress.note(f"{doubt} Taken as {image.axes}; say --axes if that is wrong.")
    return image


def predict(options: Namespace) -> Result:
    """Segment images one after the other; those that are done stay when a later one fails."""
    targets = targets_of(options.images, options.output, options.format)
    bundle = find_model(options.model)
    if options.cluster:
        from napari_segplugin.engine.predict.cluster import connect

        with connect(options.cluster) as cluster:
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
        with Progress(f"{len(pairs)} images", options.quiet) as progress:
            rows = drain(cluster.each(predict_there, bundle, items), progress)
        return [{**row, "image": path} for row, path in zip(rows, options.images, strict=True)]
    rows = []
    for path, target in pairs:
        with Progress(Path(path).name, options.quiet) as progress:
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
    from napari_segplugin.engine.predict.to_file import predict_to_file

    start = time.perf_counter()
    image = open_image(path, options, progress)
    size, halo = _spread(options.tile, image), _spread(options.halo, image)
    tiles = TileSpec(size, halo, options.precision, options.mirror, options.zoom)
    job = predict_to_file(image, bundle, target, tiles=tiles, device=options.device, cluster=cluster)
    found, files = drain(job, progress)
    row = {"image": path, "outputs": [str(f) for f in files], "objects": len(found.objects)}
    return {**row, "seconds": round(time.perf_counter() - start, 3), "notes": progress.notes}


def predict_there(
    bundle: ModelBundle, options: Namespace, folder: str, path: str, target: str | Path
) -> dict[str, Any]:
    """On a worker of a cluster: segment a file; the paths are those of a folder that it sees, too."""
    with Progress(Path(path).name, quiet=True) as progress:
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
            hint="Give another --output for one of them.",
        )
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("The output folder cannot be made.", got=f"'{folder}', {error.strerror}") from error
    return targets


def _spread(sizes: tuple[int, ...], image: Image) -> tuple[int, ...]:
    """One number stands for all axes."""
    return sizes * image.ndim if len(sizes) == 1 else sizes


def finetune(options: Namespace) -> Result:
    """Train a copy of a model on corrections."""
    from napari_segplugin.data.corrections import Corrections

    _check_new(options.output)
    bundle = find_model(options.model)
    with Progress(Path(options.image).name, options.quiet) as progress:
        image = open_image(options.image, options, progress)
        extra = {"edited": options.result, "before": options.before}
        areas = {"reviewed": options.reviewed, "nothing": options.nothing}
        arrays: dict[str, Any] = {word: open_labels(path) for word, path in extra.items() if path}
        arrays |= {word: open_labels(path) > 0 for word, path in areas.items() if path}
        arrays |= read_points(options.points, image.ndim) if options.points else {}
        arrays |= read_boxes(options.boxes, image.ndim) if options.boxes else {}
        blank = np.zeros(image.spatial_shape, np.uint16)
        marks = Corrections(open_labels(options.corrections) if options.corrections else blank, **arrays)
        from napari_segplugin.engine.train.finetune import finetune as job

        with stop_on_interrupt() as stop, _shown(options, progress) as show:
            result = drain(job(image, marks, bundle, _train_spec(options), stop=stop), show)
            place = save_bundle(result.bundle, options.output)
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
    lines += [f"{name}: {result.before[name]:.3f} before, {after:.3f} after" for name, after in result.after.items()]
    return data, "\n".join(lines)


def train(options: Namespace) -> Result:
    """Train a model from a folder of images and labels."""
    _check_new(options.output)
    check_share(options.validation)  # before any image is read
    base = find_model(options.start) if options.start else None
    with Progress(Path(options.folder).name, options.quiet) as progress:
        samples, start = _training_set(options, base, progress)
        learn, judge = hold_out(samples, options.validation, options.seed, start.spec.ndim)
        if options.validation and not judge:
            progress.note(SINGLE)
        from napari_segplugin.engine.train.train import train as job

        with stop_on_interrupt() as stop, _shown(options, progress) as show:
            running = job(learn, start, _train_spec(options), validation=judge, stop=stop, keep=options.keep)
            bundle = drain(running, show)
            place = save_bundle(bundle, options.output)
    record = _last_training(bundle)
    data: dict[str, Any] = {
        "command": "train",
        "bundle": str(place),
        "name": bundle.name,
        "task": str(bundle.spec.task),
    }
    data |= {"images": len(learn), "validation": len(judge), **record, "notes": progress.notes}
    data["interrupted"] = stop.is_set()
    lines = [f"{place}: {len(learn)} images, {record['steps']} steps in {record['seconds']:.0f} s"]
    lines += [f"{name} on {len(judge)} held-out images: {value:.3f}" for name, value in record["quality"].items()]
    return data, "\n".join(lines)


@contextmanager
def _shown(options: Namespace, progress: Progress) -> Iterator[Callable[[Event], None]]:
    """What follows a training: the bar, and TensorBoard where it is asked for."""
    if not options.tensorboard:
        yield progress
        return
    from napari_segplugin.engine.train.tensorboard import Board

    with Board(options.tensorboard) as board:

        def both(event: Event) -> None:
            progress(event)
            board(event)

        yield both


def _training_set(options: Namespace, base: ModelBundle | None, progress: Progress) -> tuple[list[Sample], ModelBundle]:
    """The samples of a folder, and the bundle that training starts from."""
    pairs = find_pairs(options.folder)
    task = Task(options.task) if options.task else base.spec.task if base else Task.INSTANCE
    read = [(open_image(str(p.image), options, progress), *labels_of(p, task)) for p in pairs]
    classes = base.spec.classes if base else _classes(options, task, [labels for _, labels, _ in read])
    samples = [make_sample(i, m, task, classes, kinds=k, ignore=options.ignore) for i, m, k in read]
    ndim = base.spec.ndim if base else options.ndim or samples[0].image.ndim
    return samples, base or _new(options, task, classes, ndim, samples[0].image)


def _new(options: Namespace, task: Task, classes: ClassTable, ndim: int, image: Image) -> ModelBundle:
    from napari_segplugin.engine.train.train import new_bundle

    spec = ModelSpec(
        options.network,
        ndim,
        image.n_channels,
        task,
        classes,
        dict(options.option or ()),
        image.canonical_spacing,
        image.unit,
        head=options.head,
    )
    return new_bundle(spec, name=Path(options.output).name, seed=options.seed)


def _classes(options: Namespace, task: Task, labels: Sequence[np.ndarray]) -> ClassTable:
    """The classes that were named; otherwise one for objects, or as many as the labels show."""
    wrong = sorted(set(options.stuff) - set(options.classes))
    if wrong:
        raise InputError(
            "Stuff is named among the classes too.", got=", ".join(wrong), accepted=", ".join(options.classes)
        )
    found = options.classes
    if not found and task is Task.SEMANTIC:
        most = max(int(np.where(m == options.ignore, 0, m).max(initial=0)) for m in labels)
        if most > 255:
            raise InputError(
                "There are too many label values to be classes.",
                got=most,
                hint="Choose --task instance, or name the --classes.",
            )
        found = tuple(f"class {i}" for i in range(1, max(1, most) + 1))
    table = ClassTable.named(found or ("object",), Kind.STUFF if task is Task.SEMANTIC else Kind.THING)
    rows = [ClassInfo(c.id, c.name, c.color, Kind.STUFF if c.name in options.stuff else c.kind) for c in table]
    return ClassTable(tuple(rows))


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
            f"'{place}' is there already.", hint="Choose another --output; a bundle is never written over."
        )
    if not place.parent.is_dir():
        raise InputError("The folder for the new bundle is not there.", got=f"'{place.parent}'", hint="Make it first.")


def _last_training(bundle: ModelBundle) -> dict[str, Any]:
    record = bundle.history[-1]
    curve = list(record.get("held_out", ()))
    best: dict[str, Any] = next((row for row in curve if row["step"] == record.get("best_step")), {})
    quality = {k: v for k, v in best.items() if k not in ("step", "seconds")}
    return {"steps": record["steps"], "seconds": record["seconds"], "quality": quality}


__all__ = [
    "find_model",
    "finetune",
    "open_image",
    "predict",
    "predict_there",
    "targets_of",
    "train",
]
