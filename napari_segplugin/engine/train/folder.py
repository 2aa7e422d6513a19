"""Train on a folder of images and labels, and judge on images of it that were held out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_segplugin.core import (
    ClassTable,
    Image,
    InputError,
    Job,
    Kind,
    Metric,
    ModelBundle,
    Note,
    Sample,
    Stage,
    Step,
    Task,
    TrainSpec,
    in_colours,
)
from napari_segplugin.core.training import Allowance, FineTuneResult, too_few, verdict_of_figures
from napari_segplugin.engine.network import check_finite, load
from napari_segplugin.engine.train.finetune import next_name, with_verdict
from napari_segplugin.engine.train.heldout import SampleJudge, word_of
from napari_segplugin.engine.train.samples import SINGLE, hold_out, make_sample
from napari_segplugin.engine.train.train import train
from napari_segplugin.engine.voxel_size import at_model_size
from napari_segplugin.io import read_image
from napari_segplugin.io.formats import notes_of
from napari_segplugin.io.pairs import Pair, labels_of


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image, its labels, and the class of each voxel where the labels are objects of several classes.

    Parameters
    ----------
    image : Image
    labels : (Z, Y, X) or (Y, X) ndarray of int
        Class numbers, or object numbers.
    kinds : (Z, Y, X) or (Y, X) ndarray of int, optional
    """

    image: Image
    labels: np.ndarray
    kinds: np.ndarray | None = None


def read_pairs(
    pairs: Sequence[Pair],
    task: Task,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Job[list[Labelled]]:
    """Read images with their labels.

    Parameters
    ----------
    pairs : sequence of Pair
    task : Task
    axes, spacing, unit
        Of the images, in place of what the files say, as in :func:`napari_segplugin.io.read_image`.

    Yields
    ------
    Step, Note

    Returns
    -------
    list of Labelled

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    found: list[Labelled] = []
    notes: dict[str, Note] = {}  # one of each kind, or a folder of a thousand files fills the window
    for done, pair in enumerate(pairs, 1):
        image = read_image(pair.image, axes=axes, spacing=spacing, unit=unit)
        said = notes_of(image)
        found.append(Labelled(image, *labels_of(pair, task, image, said.append)))
        for note in said:
            kind = note.text.replace(image.name, "").replace(pair.labels.name, "")
            notes.setdefault(kind, note)
        yield Step(done, len(pairs))
    yield from notes.values()
    if any(one.image.n_channels == 3 for one in found):  # a grey one among colored ones is meant in colors
        return [replace(one, image=in_colours(one.image, 3)) for one in found]
    return found


def classes_in(labels: Sequence[np.ndarray], ignore: int | None = None) -> ClassTable:
    """As many classes as class numbers go, named "class 1", "class 2" ….

    Raises
    ------
    InputError
        If there are more than 255, so that the numbers are those of objects.
    """
    most = max(int(np.where(m == ignore, 0, m).max(initial=0)) for m in labels)
    if most > 255:
        raise InputError(
            "There are too many label values to be classes.",
            got=most,
            hint="If they are object numbers, train for objects; otherwise name the classes.",
            setting="classes",
        )
    return ClassTable.named([f"class {i}" for i in range(1, max(1, most) + 1)], Kind.STUFF)


def train_labelled(
    data: Sequence[Labelled],
    bundle: ModelBundle,
    spec: TrainSpec,
    *,
    share: float = 0.2,
    ignore: int | None = None,
    stop: threading.Event | None = None,
    keep: str | Path | None = None,
    allowed: Allowance | None = None,
) -> Job[FineTuneResult]:
    """Train a bundle on labelled images, and compare it with the old one on those that were held out.

    Parameters
    ----------
    data : sequence of Labelled
    bundle : ModelBundle
        Is not changed; its task and classes are those of the labels.
    spec : TrainSpec
    share : float
        Of the images that are held out.
    ignore : int, optional
        The label value of voxels whose truth is unknown.
    stop : threading.Event, optional
        Set it to end normally with the best state so far. Closing the generator cancels: nothing has changed.
    keep : path, optional
        Where the training is kept, so that the same call goes on after a crash.
    allowed : Allowance, optional
        The time of all that belongs to the training; one of `spec.seconds` from now where left out.

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
        If an image and its labels do not fit, the share is not below 1, or a weight of the model is not a number.
    """
    check_finite(bundle)
    allowed = allowed or Allowance(spec.seconds)
    task, classes = bundle.spec.task, bundle.spec.classes
    samples = [make_sample(d.image, d.labels, task, classes, kinds=d.kinds, ignore=ignore) for d in data]
    samples = [at_model_size(s, bundle.spec) for s in samples]
    learn, held = hold_out(samples, share, spec.seed, bundle.spec.ndim)
    sentence = _described(sorted({s.image.name for s in held}), len(held), samples)
    if held or share:
        yield Note(sentence)
    before: dict[str, float] = {}
    if held and bundle.history:
        yield Stage("Scoring the old model")
        before = dict(SampleJudge(held, bundle)(load(bundle, finite=False)))
        for name, value in before.items():
            yield Metric(0, name, value)
    start = next(iter(before.values()), None)
    new = yield from train(learn, bundle, spec, validation=held, stop=stop, keep=keep, start=start, allowed=allowed)
    tuned = replace(new, name=next_name(bundle.name) if bundle.history else bundle.name)
    after: dict[str, float] = {}
    if held:
        judge = SampleJudge(held, tuned)
        after = dict(judge(load(tuned, finite=False)))
        sentence += " The best state was chosen on them too, so the score after is slightly optimistic."
    steps, seconds = int(str(new.history[-1]["steps"])), 0.0 if stop is not None and stop.is_set() else spec.seconds
    verdict = None
    if start is not None:
        name = next(iter(after))
        verdict = verdict_of_figures(
            start,
            after[name],
            name=name.removeprefix("held-out "),
            count=judge.count,
            steps=steps,
            seconds=seconds,
            word=word_of(bundle.spec),
        )
        yield Note(verdict.text)
        tuned = with_verdict(tuned, verdict)
    starved = too_few(steps, seconds)
    if verdict is None:
        sentence = f"{sentence} {starved}".strip()
    return FineTuneResult(
        tuned, before, after, sentence, learnt=len(learn), judged=len(held), verdict=verdict, starved=starved
    )


def _described(names: Sequence[str], count: int, samples: Sequence[Sample]) -> str:
    """How many images teach and judge, as a sentence."""
    if not count:
        return SINGLE
    if len(samples) == 1:
        return f"Checked on the last {count} planes of '{names[0]}', which are not trained on."
    shown = ", ".join(f"'{n}'" for n in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"Checked on regions of {len(names)} of {len(samples)} images, which are not trained on ({shown})."


__all__ = ["Labelled", "classes_in", "read_pairs", "train_labelled"]
