"""Train on a folder of images and labels, and judge on images of it that were held out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_segplugin.core import (
    ClassTable,
    Job,
    Metric,
    ModelBundle,
    Note,
    Sample,
    Stage,
    Step,
    Task,
    TrainSpec,
)
from napari_segplugin.engine.network import load
from napari_segplugin.engine.train.finetune import FineTuneResult, next_name
from napari_segplugin.engine.train.heldout import SampleJudge
from napari_segplugin.engine.train.samples import SINGLE, hold_out, make_sample
from napari_segplugin.engine.train.train import train
from napari_segplugin.io import read_image
from napari_segplugin.io.pairs import Pair, find_pairs, labels_of


def read_pairs(
    pairs: Sequence[Pair], task: Task, classes: ClassTable, *, ignore: int | None = None
) -> Job[list[Sample]]:
    """Read images with their labels.

    Parameters
    ----------
    pairs : sequence of Pair
    task : Task
    classes : ClassTable
    ignore : int, optional
        The label value of voxels whose truth is unknown.

    Yields
    ------
    Step, Note

    Returns
    -------
    list of Sample

    Raises
    ------
    InputError
        If a file cannot be read, shapes differ, or a class number is not in the table.
    """
    samples: list[Sample] = []
    doubts: dict[str, str] = {}
    for done, pair in enumerate(pairs, 1):
        image = read_image(pair.image)
        doubt = str(image.metadata.get("axes_doubt", ""))
        if doubt:
            doubts.setdefault(f"{doubt} Taken as {image.axes}.", pair.name)
        labels, kinds = labels_of(pair, task)
        samples.append(make_sample(image, labels, task, classes, kinds=kinds, ignore=ignore))
        yield Step(done, len(pairs))
    for text, name in doubts.items():
        yield Note(f"'{name}': {text}")
    return samples


def train_folder(
    folder: str | Path,
    bundle: ModelBundle,
    spec: TrainSpec,
    *,
    share: float = 0.2,
    stop: threading.Event | None = None,
    keep: str | Path | None = None,
) -> Job[FineTuneResult]:
    """Train a bundle on the images of a folder, and compare it with the old one on those that were held out.

    Parameters
    ----------
    folder : path
        Laid out as :func:`~napari_segplugin.io.pairs.find_pairs` says.
    bundle : ModelBundle
        Is not changed; its task and classes are those of the labels.
    spec : TrainSpec
    share : float
        Of the images that are held out.
    stop : threading.Event, optional
        Set it to end normally with the best state so far. Closing the generator cancels: nothing has changed.
    keep : path, optional
        Where the training is kept, so that the same call goes on after a crash.

    Yields
    ------
    Stage, Step, Metric, Note

    Returns
    -------
    FineTuneResult
        Without figures of before where the bundle was not trained, and without any where there is a single image.

    Raises
    ------
    InputError
        If the folder is not laid out so, or an image or its labels do not fit.
    """
    pairs = find_pairs(folder)
    yield Stage("Reading images and labels")
    samples = yield from read_pairs(pairs, bundle.spec.task, bundle.spec.classes)
    learn, held = hold_out(samples, share, spec.seed, bundle.spec.ndim)
    names = sorted({s.image.name for s in held})
    sentence = _described(names, len(held), samples)
    yield Note(sentence)
    before: dict[str, float] = {}
    if held and bundle.history:
        yield Stage("Judging the old model")
        before = dict(SampleJudge(held, bundle)(load(bundle, finite=False)))
        for name, value in before.items():
            yield Metric(0, name, value)
    new = yield from train(learn, bundle, spec, validation=held, stop=stop, keep=keep)
    tuned = replace(new, name=next_name(bundle.name) if bundle.history else bundle.name)
    after: dict[str, float] = {}
    if held:
        after = dict(SampleJudge(held, tuned)(load(tuned, finite=False)))
        sentence += " The best state was picked on them too, so the figure after is a little flattering."
    return FineTuneResult(tuned, before, after, sentence)


def _described(names: Sequence[str], count: int, samples: Sequence[Sample]) -> str:
    """How many images teach and judge, as a sentence."""
    if not count:
        return SINGLE
    if len(samples) == 1:
        return f"Judged on the last {count} planes of '{names[0]}', which are not trained on."
    shown = ", ".join(f"'{n}'" for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Judged at places in {len(names)} of {len(samples)} images, which are not trained on ({shown})."


__all__ = ["read_pairs", "train_folder"]
