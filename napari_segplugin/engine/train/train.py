"""Train a network from samples."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_segplugin.core import (
    AugmentSpec,
    InputError,
    Job,
    ModelBundle,
    ModelSpec,
    Normalisation,
    Note,
    Sample,
    Stage,
    Task,
    TrainSpec,
    to_json,
)
from napari_segplugin.core.training import Allowance
from napari_segplugin.core.words import voxels
from napari_segplugin.data.augment import IDENTITY
from napari_segplugin.data.by_values import fit_to_values, noisy
from napari_segplugin.data.learnt import learnt_from, widened
from napari_segplugin.data.sampling import PatchSampler, Prepared
from napari_segplugin.engine import device as devices
from napari_segplugin.engine.network import check_finite, fingerprint, load, map_kinds, with_packages
from napari_segplugin.engine.predict.boxes import balance_regions
from napari_segplugin.engine.train.anchors import fit_to_objects
from napari_segplugin.engine.train.balance import balanced, class_counts
from napari_segplugin.engine.train.checkpoint import Checkpoint
from napari_segplugin.engine.train.examples import patch_size, prepare_all
from napari_segplugin.engine.train.exemplars import cut_exemplars, merged, source_of
from napari_segplugin.engine.train.heldout import SampleJudge
from napari_segplugin.engine.train.loop import LoopResult, run_loop
from napari_segplugin.engine.train.objective import Terms
from napari_segplugin.engine.train.optimizer import safe_precision, state_arrays
from napari_segplugin.engine.train.samples import smallest_object
from napari_segplugin.engine.train.thresholds import calibrated
from napari_segplugin.engine.voxel_size import at_model_size
from napari_segplugin.networks import build, is_detector
from napari_segplugin.tasks import codec_of, n_maps, turns


def new_bundle(
    spec: ModelSpec,
    *,
    name: str,
    seed: int = 0,
    normalisation: Normalisation | None = None,
    encoder_weights: str | Path = "",
) -> ModelBundle:
    """A bundle with random weights, to be trained.

    Parameters
    ----------
    spec : ModelSpec
    name : str
    seed : int
    normalisation : Normalisation, optional
    encoder_weights : path, optional
        ImageNet weights for a ResNet encoder: a file, or "imagenet" to have timm fetch them.

    Returns
    -------
    ModelBundle

    Raises
    ------
    InputError
        If weights are given for a network without a ResNet encoder, or belong to another one.
    """
    torch.manual_seed(seed)
    network = build(spec, n_maps(spec))
    if encoder_weights:
        _start_encoder(network, spec, encoder_weights)
    return ModelBundle(
        name,
        with_packages(spec),
        state_arrays(network),
        normalisation or Normalisation(),
        licence="yours",
        description="Not trained yet.",
    )


def _start_encoder(network: torch.nn.Module, spec: ModelSpec, weights: str | Path) -> None:
    """Give the encoder of a new network weights that were trained on photographs."""
    from napari_segplugin.networks.resnet import ResNet, load_imagenet, read_state, timm_state

    encoder = next((m for m in network.modules() if isinstance(m, ResNet)), None)
    if encoder is None:
        raise InputError(
            "This network has no encoder that fits ImageNet weights.",
            got=f"encoder '{spec.options.get('encoder', 'plain')}'",
            accepted="encoder resnet18, resnet34 or resnet50",
        )
    load_imagenet(encoder, timm_state(str(spec.options["encoder"])) if weights == "imagenet" else read_state(weights))


@dataclass(frozen=True)
class Recipe:
    """The choices of a training that are not the person's.

    Parameters
    ----------
    augment : AugmentSpec, optional
        None: :func:`safe_augmentation`.
    map_weight : float
        Weight of the distance map in the loss.
    average : float
        Decay of the moving average of the weights.
    freeze_statistics : bool
        Keep the batch-normalisation statistics of the start.
    paste : int
        Composites with touching objects that are made of each fully annotated volume (instance and panoptic).
    """

    augment: AugmentSpec | None = None
    map_weight: float = 2.0
    average: float = 0.995
    freeze_statistics: bool = False
    paste: int = 3


def safe_augmentation(spec: ModelSpec, scale: float = 1.5) -> AugmentSpec:
    """The augmentation that is used where nobody chose one.

    Objects under a microscope lie in any direction, so they are turned by any angle and mirrored. Classes of a volume are
    mostly organs and their parts, told apart by where they lie; of colour images many are photographs with an up and a
    down. Those are turned a little, and only photographs are mirrored, left to right. (On the hippocampus, front and back,
    40 steps: cross-entropy 0.57 with any rotation, 0.40 without rotation and mirroring.) Objects in 2D get no noise: it hides
    faint ones and the gaps between small ones.
    """
    if spec.task is not Task.SEMANTIC and spec.ndim == 2:
        return AugmentSpec(scale=scale, noise=0.0)
    if spec.task is not Task.SEMANTIC or (spec.ndim == 2 and spec.in_channels < 3):
        return AugmentSpec(scale=scale)
    if spec.ndim == 3:
        return AugmentSpec(angle=15.0, flip=False, scale=min(scale, 1.25))
    return AugmentSpec(angle=15.0, flip_axes="X", scale=scale)


def train_prepared(
    prepared: Sequence[Prepared],
    bundle: ModelBundle,
    spec: TrainSpec,
    *,
    recipe: Recipe | None = None,
    judge: Any = None,
    tolerance: float = 0.0,
    start: float | None = None,
    stop: threading.Event | None = None,
    keep: Path | None = None,
    earlier: Sequence[Prepared] = (),
    allowed: Allowance | None = None,
) -> Job[LoopResult]:
    """Run the loop on prepared samples from the weights of a bundle.

    `keep` is the folder of a checkpoint; of `earlier` samples the share `spec.rehearsal` of the patches is drawn. Where no
    state does as well as the `start`, its weights come back, and the parameters of its decoder stay.
    """
    recipe = recipe or Recipe()
    spec = replace(spec, learning_rate=spec.learning_rate or (4e-4 if bundle.history else 2e-3))
    device = devices.resolve(spec.device)
    network = load(bundle, finite=False)
    multiple = getattr(network, "multiple", (1,) * bundle.spec.ndim)
    patch, batch = patch_size(
        prepared, spec, multiple, getattr(network, "view", None), bundle.spec.task is not Task.SEMANTIC
    )
    sampler = _sampler(prepared, earlier, patch, bundle, spec, recipe, device)
    if is_detector(bundle.spec):
        balance_regions(network, spec.loss)
    terms, sentence = _terms(prepared, bundle.spec, spec, recipe, bool(bundle.history))
    if sentence:
        yield Note(sentence)
    result = yield from run_loop(
        network,
        sampler,
        spec,
        terms=terms,
        batch=batch,
        device=device,
        judge=judge,
        tolerance=tolerance,
        start=start,
        autocast=safe_precision(devices.autocast_dtype(device), patch, multiple, device),
        average=recipe.average,
        freeze_statistics=recipe.freeze_statistics,
        stop=stop,
        checkpoint=None if keep is None else Checkpoint(keep, _key(prepared, bundle, spec)),
        allowed=allowed,
    )
    if start is not None and not result.record["best_step"]:
        return result
    tuned = replace(bundle, weights=result.state)
    result.decode = yield from calibrated(
        tuned, prepared, sampler.patch, device=device, seed=spec.seed, allowed=allowed
    )
    return result


def _sampler(
    prepared: Sequence[Prepared],
    earlier: Sequence[Prepared],
    patch: tuple[int, ...],
    bundle: ModelBundle,
    spec: TrainSpec,
    recipe: Recipe,
    device: torch.device,
) -> PatchSampler:
    """Draws patches from the samples, and from earlier ones their share."""
    usual = noisy(recipe.augment or safe_augmentation(bundle.spec), bundle.normalisation)
    augment = (spec.augmentation or usual) if spec.augment else IDENTITY
    if not turns(bundle.spec):
        augment = replace(augment, rotate=False, angle=0.0, flip=False)
    share = spec.rehearsal if earlier else 0.0
    shares = [(1 - share) / len(prepared)] * len(prepared) + [share / max(1, len(earlier))] * len(earlier)
    samples = [*prepared, *earlier]
    # where the card has plenty of room, patches are cut on it: a processor cannot cut them as fast as it learns
    fits = device.type == "cuda" and sum(s.nbytes for s in samples) < devices.free_memory(device) / 4
    home = device if fits else "cpu"
    return PatchSampler(samples, patch, augment, spec.seed, spec.balance, shares if share else (), home)


def _terms(
    prepared: Sequence[Prepared], model: ModelSpec, spec: TrainSpec, recipe: Recipe, trained: bool
) -> tuple[Terms, str]:
    """The terms of the loss, and what was done against rare classes, as a sentence where it was asked for."""
    loss, counts, sentence = spec.loss, class_counts(prepared, len(model.classes)), ""
    if spec.balance:
        loss, sentence = balanced(loss, counts, model.classes)
    terms = Terms.of(
        loss,
        len(model.classes),
        thing_classes=model.classes.thing_ids,
        kinds=map_kinds(model),
        map_weight=recipe.map_weight,
        regulariser=spec.regulariser,
        teacher=spec.teacher,
        keep=spec.keep if trained else 0.0,
        spacing=prepared[0].spacing,
        class_counts=counts.tolist(),
    )
    return terms, sentence


def _key(prepared: Sequence[Prepared], bundle: ModelBundle, spec: TrainSpec) -> str:
    """Which training this is: the start, the settings, and the data by size and sum."""
    data = [(tuple(s.image.shape), float(s.image.double().sum()), float(s.labels.double().sum())) for s in prepared]
    text = json.dumps([fingerprint(bundle), to_json(bundle.spec), to_json(spec), data], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def train(
    samples: Sequence[Sample],
    bundle: ModelBundle,
    spec: TrainSpec,
    *,
    validation: Sequence[Sample] = (),
    stop: threading.Event | None = None,
    recipe: Recipe | None = None,
    keep: str | Path | None = None,
    start: float | None = None,
    allowed: Allowance | None = None,
) -> Job[ModelBundle]:
    """Train a bundle on samples and return a new one; the old one is not changed.

    Parameters
    ----------
    samples : sequence of Sample
        Resampled to the voxel size of the model where that is another one.
    bundle : ModelBundle
        Where to start: from :func:`new_bundle`, or a trained one (transfer).
    spec : TrainSpec
    validation : sequence of Sample
        Held-out samples; the state that does best on them is kept.
    stop : threading.Event, optional
        Set it to end normally with the best state so far. Closing the generator cancels: nothing has changed.
    recipe : Recipe, optional
    keep : path, optional
        A folder in which the training is kept every half minute. The same call with the same folder goes on where a crash
        or a stop has ended it; it is emptied when the training is complete.
    start : float, optional
        What `bundle` reaches on the held-out samples (the first figure of a
        :class:`~napari_segplugin.engine.train.heldout.SampleJudge`): where no state does as well, its weights stay.
    allowed : Allowance, optional
        The time of all that belongs to the training; a new one of `spec.seconds` where left out.

    Yields
    ------
    Stage, Step, Metric, Note

    Returns
    -------
    ModelBundle

    Raises
    ------
    InputError
        If there is no sample or one does not fit the network, or a weight of the model is not a number.
    """
    if not samples:
        raise InputError("Training needs at least one image with labels.", got="none")
    check_finite(bundle)
    allowed = allowed or Allowance(spec.seconds)
    yield Stage("Preparing images")
    samples, validation = ([at_model_size(s, bundle.spec) for s in given] for given in (samples, validation))
    bundle, notes = fit_to_values(fit_to_objects(bundle, samples), samples, spec.intensities)
    yield from notes
    bundle = replace(bundle, decode={**bundle.decode, **codec_of(bundle.spec).fit(samples)})
    pairs = yield from prepare_all(samples, bundle, (recipe or Recipe()).paste if spec.augment else 0, spec.seed)
    prepared = [p for p, _ in pairs]
    judge = SampleJudge(validation, bundle) if validation else None
    yield Stage("Training")
    result = yield from train_prepared(
        prepared,
        bundle,
        spec,
        recipe=recipe,
        judge=judge,
        tolerance=0.0 if judge is None else judge.tolerance,
        start=start,
        stop=stop,
        keep=Path(keep) if keep else None,
        allowed=allowed,
    )
    smallest = smallest_object(samples)
    decode = {**bundle.decode, **result.decode}
    if bundle.spec.task is not Task.SEMANTIC and smallest:
        decode["min_size"] = smallest
        yield Note(
            f"Objects smaller than {voxels(smallest, bundle.spec.ndim)} will be left out: no training object "
            f"is that small."
        )
    history = (*bundle.history, training_record(samples, spec, result))
    new = cut_exemplars([p for p, own in pairs if own], [source_of(s) for s in samples], spec.exemplars, spec.seed)
    exemplars = merged(bundle.exemplars, new, spec.exemplars, spec.seed)
    seen = widened(bundle.learnt, learnt_from(samples, spec.seed, bundle.normalisation))
    return replace(bundle, weights=result.state, history=history, decode=decode, exemplars=exemplars, learnt=seen)


def training_record(samples: Sequence[Sample], spec: TrainSpec, result: LoopResult) -> Mapping[str, Any]:
    """What a bundle remembers of a training, as JSON values."""
    return {
        "images": [s.image.name for s in samples],
        "spec": to_json(spec),
        "torch": torch.__version__,
        **result.record,
    }
