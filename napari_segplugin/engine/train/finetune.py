"""Fine-tune on painted corrections: seconds to minutes, judged on strokes that were held out."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from torch import nn

from napari_segplugin.core import (
    MEMORY_ERRORS,
    Event,
    Image,
    InputError,
    Job,
    Metric,
    ModelBundle,
    Note,
    Preview,
    Sample,
    Stage,
    Task,
    TrainSpec,
)
from napari_segplugin.core.training import Allowance, FineTuneResult, ModelVerdict, Views, too_few
from napari_segplugin.data import normalise
from napari_segplugin.data.by_values import fit_to_values
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.data.learnt import learnt_from, widened
from napari_segplugin.data.resample import vote
from napari_segplugin.data.sampling import Prepared
from napari_segplugin.data.strokes import Split, count_strokes, split_together
from napari_segplugin.engine.instant import PixelForest, judge_forest
from napari_segplugin.engine.memory import let_go
from napari_segplugin.engine.network import check_finite, load
from napari_segplugin.engine.predict.work.resized import OnGrid
from napari_segplugin.engine.train.anchors import fit_to_objects
from napari_segplugin.engine.train.examples import prepare_sample
from napari_segplugin.engine.train.exemplars import cut_exemplars, merged, rehearsed, source_of
from napari_segplugin.engine.train.heldout import Judged, SampleJudge, Trial, read_image
from napari_segplugin.engine.train.samples import planes_of
from napari_segplugin.engine.train.thresholds import threshold_voxels
from napari_segplugin.engine.train.train import (
    Recipe,
    safe_augmentation,
    train_prepared,
    training_record,
)
from napari_segplugin.engine.voxel_size import at_model_size, look_of

_PREVIEW_SIDE = 1024
_PIECES = 4
"""Pieces of each corrected image that the new model keeps, for the fine-tuning on the next image."""


def check_strokes(samples: Sequence[Sample], bundle: ModelBundle) -> None:
    """Say which class lacks what before any time is spent.

    Background is a class like others, but one that a set of classes which fills the image does not need: two classes can be
    told apart without it.

    Raises
    ------
    InputError
        If a class has no stroke and no object at all (unless the network knows it already).
    """
    found = [count_strokes(sample, bundle.spec.classes) for sample in samples]
    voxels = {name: sum(counts[name][1] for counts in found) for name in (c.name for c in bundle.spec.classes)}
    if bundle.spec.task is not Task.SEMANTIC or len(voxels) > 2:
        del voxels[bundle.spec.classes[0].name]  # what lies around whole objects is known, too
    empty = [name for name, n in voxels.items() if not n]
    painted = [name for name, n in voxels.items() if n]
    if not bundle.history and empty:
        raise InputError(
            f"A network that is trained from scratch needs strokes of every class; {', '.join(empty)} has none.",
            got=", ".join(painted) or "no strokes",
            hint=f"Paint a few strokes of {', '.join(empty)}, or remove the class.",
        )


def finetune(
    image: Image | Sequence[Image],
    corrections: Corrections | Sequence[Corrections],
    bundle: ModelBundle,
    spec: TrainSpec,
    *,
    stop: threading.Event | None = None,
    preview: tuple[slice, ...] | None = None,
    allowed: Allowance | None = None,
) -> Job[FineTuneResult]:
    """Fine-tune a bundle on exactly what was painted, and judge it on strokes that gave no gradient.

    The held-out strokes also pick the best state, so the quality after is a little flattering. The state of a trained
    network before the first step is one of those that they pick from.

    Parameters
    ----------
    image : Image, or several
    corrections : Corrections, or as many
        Unpainted voxels are unknown: they have no gradient.
    bundle : ModelBundle
        Is not changed. A 2D network learns from the painted planes of a volume.
    spec : TrainSpec
    stop : threading.Event, optional
        Set it to end normally with the best state so far. Closing the generator cancels: nothing has changed.
    preview : tuple of slice, optional
        Region of the (first) image whose labels are shown now and then as :class:`Preview`; a plane of a volume is a
        slice of length 1.
    allowed : Allowance, optional
        The time of all that belongs to the training; one of `spec.seconds` from now where left out.

    Yields
    ------
    Stage, Step, Metric, Note, Preview

    Returns
    -------
    FineTuneResult

    Raises
    ------
    InputError
        If nothing is painted, a class lacks strokes, shapes do not fit, or a weight of the model is not a number.
    """
    check_finite(bundle)
    allowed = allowed or Allowance(spec.seconds)
    images = [image] if isinstance(image, Image) else list(image)
    marks = [corrections] if isinstance(corrections, Corrections) else list(corrections)
    if len(images) != len(marks):
        raise InputError(
            "Each image needs its own corrections.", got=f"{len(images)} images and {len(marks)} corrections"
        )
    yield Stage("Reading corrections")
    samples = _read(images, marks, bundle)
    bundle, notes = fit_to_values(fit_to_objects(bundle, samples), samples, spec.intensities)
    yield from notes
    splits = split_together(samples, bundle.spec.classes, seed=spec.seed)
    heldout = [s.heldout for s in splits if s.heldout is not None]
    yield Note(splits[0].sentence)
    sources = [source_of(s) for s in samples]
    earlier = rehearsed(bundle, sources) if spec.rehearsal else []

    began = allowed.now()
    trial = Trial(bundle, samples, heldout, earlier)
    for name, value in trial.before.figures.items():
        yield Metric(0, name, value)
    view = None if preview is None else _Preview(images[0], bundle, preview)
    old_view = None if view is None else view(load(bundle, finite=False))
    allowed.reserve += _after(trial, samples, allowed.now() - began)
    forest: dict[str, float] = {}
    if len(splits) == 1 and splits[0].heldout is not None:
        picture = images[0] if look_of(images[0], bundle.spec).plain else samples[0].image
        forest = yield from _forest(picture, splits[0].train, splits[0].heldout, bundle, spec)
    yield Stage("Training")
    tuned = yield from _learn(
        samples, splits, bundle, spec, _Watcher(trial.judge, view), stop, (sources, earlier), trial.start, allowed
    )
    yield Stage("Comparing the old and the new model")
    after = Judged({}, trial.before.checked)
    if trial.judge is not None:
        after = trial.judge.look(load(tuned, finite=False), tuned)
    result = _judged(trial, tuned, after, forest, spec.seconds if stop is None or not stop.is_set() else 0.0)
    if result.verdict is not None:
        yield Note(result.verdict.text)
    if view is not None and old_view is not None:
        view.bundle = tuned
        new_view = view(load(tuned, finite=False))
        views = None if new_view is None else Views(view.image, old_view.labels, new_view.labels)
        result = replace(result, views=views)
    told = _told(splits[0], result.after, forest)
    return replace(result, heldout=f"{told} {result.starved}".strip() if result.verdict is None else told)


def _after(trial: Trial, samples: Sequence[Sample], took: float) -> float:
    """Seconds that are needed after the last step, by those that looking at the old model took.

    That is as much again, one more look at what is held out, and what the thresholds are set from.
    """
    held = trial.judge.voxels if trial.judge is not None else 0
    more = 0 if trial.old.spec.task is Task.SEMANTIC else threshold_voxels(max(s.classes.size for s in samples))
    return took * (1 + (held + more) / trial.voxels) if trial.voxels else took


def _judged(
    trial: Trial, tuned: ModelBundle, after: Judged, forest: Mapping[str, float], seconds: float
) -> FineTuneResult:
    """The new bundle with the verdict on it, which its record keeps."""
    record = tuned.history[-1]
    steps = cast("int", record["steps"])
    rival = forest.get("held-out Dice", math.nan)
    verdict = trial.verdict(tuned, after, steps=steps, seconds=seconds, rival=rival)
    tuned = with_verdict(tuned, verdict)
    starved = too_few(steps, seconds)
    return FineTuneResult(
        tuned, dict(trial.before.figures), after.figures, "", verdict=verdict, starved=starved, forest=dict(forest)
    )


def with_verdict(bundle: ModelBundle, verdict: ModelVerdict | None) -> ModelBundle:
    """A bundle whose record of the last training says what came of it."""
    if verdict is None:
        return bundle
    told = {"outcome": verdict.outcome, "text": verdict.text}
    return replace(bundle, history=(*bundle.history[:-1], {**bundle.history[-1], "verdict": told}))


def _told(split: Split, after: Mapping[str, float], forest: Mapping[str, float]) -> str:
    """How the figures came about, as sentences."""
    # the number has to say how it came about: the same strokes picked the state that is reported
    chosen = "The best state was chosen on them too, so the score after is slightly optimistic." if after else ""
    return " ".join(s for s in (split.sentence, chosen, _compared(after, forest)) if s)


def _forest(image: Image, learn: Sample, hold: Sample, bundle: ModelBundle, spec: TrainSpec) -> Job[dict[str, float]]:
    """What a random forest makes of the same strokes; nothing where memory runs out: the model is there, and is not lost for it."""
    yield Stage("Comparing with a random forest")
    try:
        return judge_forest(PixelForest(image), learn, hold, len(bundle.spec.classes), spec.seed)
    except MEMORY_ERRORS as error:
        let_go(error)
        yield Note("Memory ran out during the comparison with a random forest; it is left out.")
        return {}


def _read(images: Sequence[Image], marks: Sequence[Corrections], bundle: ModelBundle) -> list[Sample]:
    """The corrections as samples; for a 2D network the planes of a volume that somebody painted on."""
    samples = [to_sample(i, c, bundle.spec.task, bundle.spec.classes) for i, c in zip(images, marks, strict=True)]
    samples = [at_model_size(s, bundle.spec) for s in samples]
    check_strokes(samples, bundle)
    if bundle.spec.ndim == 2:
        planes = [plane for s in samples for plane in planes_of(s)]
        samples = [p for p in planes if p.known is None or p.known.any()] or planes[:1]
    return samples


def _learn(
    samples: Sequence[Sample],
    splits: Sequence[Split],
    bundle: ModelBundle,
    spec: TrainSpec,
    watch: _Watcher,
    stop: threading.Event | None,
    known: tuple[Sequence[str], Sequence[Prepared]],
    start: float | None,
    allowed: Allowance,
) -> Job[ModelBundle]:
    """Train on what is left of the samples beside what is held out; the new bundle.

    `known` are the sources of the samples, and pieces of other images that the model has learnt from.
    """
    prepared = [prepare_sample(s.train, bundle) for s in splits]
    sources, earlier = known
    if earlier:
        yield Note(
            f"{spec.rehearsal:.0%} of the training patches are pieces of images that the model learnt from before, "
            f"so that it forgets less."
        )
    job = train_prepared(
        prepared,
        bundle,
        spec,
        recipe=recipe_for(bundle),
        judge=watch if watch.wanted else None,
        tolerance=0.0 if watch.judge is None else watch.judge.tolerance,
        start=start,
        stop=stop,
        earlier=earlier,
        allowed=allowed,
    )
    result = yield from watch.follow(job)
    new = cut_exemplars(prepared, sources, min(_PIECES * len(samples), spec.exemplars), spec.seed)
    return replace(
        bundle,
        name=next_name(bundle.name),
        weights=result.state,
        decode={**bundle.decode, **result.decode},
        exemplars=merged(bundle.exemplars, new, spec.exemplars, spec.seed),
        history=(*bundle.history, training_record(samples, spec, result)),
        learnt=widened(bundle.learnt, learnt_from(samples, spec.seed, bundle.normalisation)),
    )


def _compared(after: Mapping[str, float], forest: Mapping[str, float]) -> str:
    """Which of the two is ahead on the held-out strokes, for the person."""
    name = "held-out Dice"
    if name not in after or name not in forest:
        return ""
    network, other = after[name], forest[name]
    if network >= other:
        figures = f"Dice {network:.3f}, random forest {other:.3f}"
        return f"The network is better than a random forest on the same strokes ({figures})."
    return (
        f"A random forest on the same strokes is still better (Dice {other:.3f}, network {network:.3f}): paint more, "
        f"or train longer."
    )


def recipe_for(bundle: ModelBundle) -> Recipe:
    """A trained network keeps its statistics and is turned gently; one from scratch learns everything."""
    trained = bool(bundle.history)
    return Recipe(safe_augmentation(bundle.spec, 1.25), average=0.98, freeze_statistics=trained)


def next_name(name: str) -> str:
    """ "nuclei" -> "nuclei, tuned 1" -> "nuclei, tuned 2"."""
    stem, mark, number = name.rpartition(", tuned ")
    return f"{stem}{mark}{int(number) + 1}" if mark and number.isdigit() else f"{name}, tuned 1"


class _Preview:
    """Predicts the visible region with the network as it stands; nothing more once memory ran out for it."""

    def __init__(self, image: Image, bundle: ModelBundle, region: tuple[slice, ...]) -> None:
        self._too_large = False
        # a 2D network on a volume: the plane that is shown
        self.lead: tuple[int, ...] = ()
        if image.ndim > bundle.spec.ndim:
            z, region = region[0].indices(image.spatial_shape[0])[0], region[1:]
            image, self.lead = image.plane(z), (z,)
        sizes = image.spatial_shape
        spans = [range(*s.indices(n)) for s, n in zip(region, sizes, strict=True)]
        starts = [r.start for r in spans]
        stops = [min(r.stop, r.start + _PREVIEW_SIDE) for r in spans]
        self.bundle = bundle
        self.origin = (*self.lead, *starts)
        wide = [
            (max(0, a - 8), min(n, b + 8)) if b - a < 16 else (a, b)
            for a, b, n in zip(starts, stops, sizes, strict=True)
        ]
        self.inner = tuple(slice(a - w, b - w) for a, b, (w, _) in zip(starts, stops, wide, strict=True))
        self.seen = OnGrid.of(image, look_of(image, bundle.spec).factors, tuple(slice(*w) for w in wide))
        picture = self.seen.picture
        stats = normalise.statistics(picture, bundle.normalisation)
        self.array = normalise.apply(picture.read(self.seen.region), stats)
        self._shown = (
            self.array if picture is image else normalise.apply(image.read(tuple(slice(*w) for w in wide)), stats)
        )

    @property
    def image(self) -> np.ndarray:
        """What is shown, normalised, (C, [Z,] Y, X)."""
        found = np.ascontiguousarray(self._shown[(slice(None), *self.inner)])
        return found[:, None] if self.lead else found

    def __call__(self, network: nn.Module) -> Preview | None:
        if self._too_large:
            return None
        try:
            labels = read_image(network, self.array, self.bundle).labels
        except MEMORY_ERRORS as error:  # a training is not given up for a picture of it
            let_go(error)
            self._too_large = True
            return None
        found = np.ascontiguousarray(vote(labels, self.seen.taps)[self.inner])
        return Preview(self.origin, found[None] if self.lead else found)


class _Watcher:
    """Judge and preview at the same moments; the preview is handed on as an event."""

    def __init__(self, judge: SampleJudge | None, preview: _Preview | None) -> None:
        self.judge, self.preview = judge, preview
        self._waiting: Preview | None = None

    @property
    def wanted(self) -> bool:
        return self.judge is not None or self.preview is not None

    def __call__(self, network: nn.Module) -> Mapping[str, float]:
        if self.preview is not None:
            self._waiting = self.preview(network)
        return self.judge(network) if self.judge is not None else {}

    def follow(self, job: Job[Any]) -> Job[Any]:
        """Pass on the events of the training with the previews between them."""
        try:
            while True:
                event: Event = next(job)
                if self._waiting is not None:
                    yield self._waiting
                    self._waiting = None
                yield event
        except StopIteration as end:
            return end.value
        finally:
            job.close()
