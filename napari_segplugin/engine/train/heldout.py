"""Held-out quality, measured the same way before, while and after training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage as ndi
from torch import nn

from napari_segplugin.core import ModelBundle, ModelSpec, Sample, Task
from napari_segplugin.data import normalise
from napari_segplugin.engine.network import activate, map_kinds
from napari_segplugin.engine.predict.boxes import segment
from napari_segplugin.metrics.matching import contingency
from napari_segplugin.networks import is_detector
from napari_segplugin.tasks import codec_of

_REGIONS = 12
_MOST = 48
"""Samples that are looked at; of more, evenly spread ones."""
SCATTER = {Task.SEMANTIC: 0.1, Task.INSTANCE: 0.2, Task.PANOPTIC: 0.2}
"""By how much the quality of one held-out stroke or object differs from that of the next, roughly."""
_SIDE = {2: 160, 3: 48}


@dataclass(frozen=True, eq=False)
class _Crop:
    """A piece of a held-out sample: network input and truth, with the part of it that is judged."""

    image: np.ndarray
    classes: np.ndarray
    instances: np.ndarray | None
    known: np.ndarray


class SampleJudge:
    """Dice of the classes (semantic) or agreement of the objects (instance) on held-out voxels.

    Looks at a dozen crops around held-out voxels (one in each sample where there are more samples, of at most 48), so that
    judging costs little beside training.

    Parameters
    ----------
    samples : sequence of Sample
    bundle : ModelBundle
        Spec, normalisation and decoder parameters.
    """

    def __init__(self, samples: Sequence[Sample], bundle: ModelBundle) -> None:
        self.bundle = bundle
        samples = samples if len(samples) <= _MOST else [samples[i * len(samples) // _MOST] for i in range(_MOST)]
        share = max(1, _REGIONS // len(samples))
        self.crops = [crop for s in samples for crop in _crops(s, bundle, share)]

    @property
    def tolerance(self) -> float:
        """By how much two figures differ by chance: the scatter of one stroke or object, over the root of their number."""
        return SCATTER[self.bundle.spec.task] / math.sqrt(max(1, sum(_pieces(c) for c in self.crops)))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Mean quality by name; the first is the one that decides."""
        found = [read_image(network, c.image, self.bundle) for c in self.crops]
        dice = self._dice([f.kinds for f in found])
        if self.bundle.spec.task is Task.SEMANTIC:
            return {"held-out Dice": dice}
        return {"held-out object IoU": self._objects(found), "held-out Dice": dice}

    def _dice(self, found: Sequence[np.ndarray]) -> float:
        """Dice of each class that occurs, pooled over the held-out voxels, averaged over the classes beside background."""
        n = len(self.bundle.spec.classes)
        table = np.zeros((n, n), np.int64)
        for kinds, crop in zip(found, self.crops, strict=True):
            np.add.at(table, (crop.classes[crop.known], kinds[crop.known]), 1)
        both = table.sum(0) + table.sum(1)
        scores = [2 * table[c, c] / both[c] for c in range(1, n) if table[c].sum()]
        if not scores:  # only background is held out: the share of it that is kept
            return float(table[0, 0] / table[0].sum()) if table[0].sum() else float("nan")
        return float(np.mean(scores))

    def _objects(self, found: Sequence[Reading]) -> float:
        """Mean IoU of each held-out object with the object of its class found in its place, 0 where there is none.

        An object that was found, more than half of it where it is known that there is none, is one more 0.
        """
        scores: list[float] = []
        for reading, crop in zip(found, self.crops, strict=True):
            truth = np.where(crop.known, crop.instances if crop.instances is not None else 0, 0)
            # an area is no object
            things = np.isin(reading.class_of, self.bundle.spec.classes.thing_ids)
            labels = np.where(things[reading.labels], reading.labels, 0)
            table = contingency(truth, labels)
            own = np.zeros(int(truth.max(initial=0)) + 1, np.int64)
            own[truth] = crop.classes
            right = (
                own[table.truth_ids[table.truth_index]]
                == reading.class_of[table.prediction_ids[table.prediction_index]]
            )
            best = np.zeros(len(table.truth_ids))
            np.maximum.at(best, table.truth_index[right], table.iou[right])
            scores += best.tolist()
            nothing = np.bincount(labels[crop.known & (truth == 0)].ravel(), minlength=int(labels.max(initial=0)) + 1)
            false = nothing > 0.5 * np.bincount(labels.ravel(), minlength=len(nothing))
            scores += [0.0] * int(false[1:].sum())
        return float(np.mean(scores)) if scores else float("nan")


def _pieces(crop: _Crop) -> int:
    """Held-out objects or strokes of a crop."""
    if crop.instances is not None:
        numbers = np.unique(crop.instances[crop.known])
        return int((numbers > 0).sum())
    return sum(int(ndi.label(crop.known & (crop.classes == c))[1]) for c in np.unique(crop.classes[crop.known]))


class Reading(NamedTuple):
    """What a network sees in an image, ([Z,] Y, X): class of each voxel, and labels of the task; the class of each label."""

    kinds: np.ndarray
    labels: np.ndarray
    class_of: np.ndarray


def read_image(network: nn.Module, image: np.ndarray, bundle: ModelBundle) -> Reading:
    """Read a normalised image (C, [Z,] Y, X) in one piece."""
    spec, training = bundle.spec, network.training
    network.eval()
    if is_detector(spec):
        kinds, labels = segment(network, image, bundle)
        class_of = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        class_of[labels] = kinds
    else:
        maps = read_maps(network, image, spec)
        kinds = maps[: len(spec.classes)].argmax(0)
        labels, table = codec_of(spec).decode(maps, spec.classes, bundle.decode)
        class_of = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        class_of[table.label] = table.class_id
    network.train(training)
    return Reading(kinds, labels, class_of)


def read_maps(network: nn.Module, image: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Class probabilities and further maps (K + M, [Z,] Y, X)."""
    parameter = next(network.parameters())
    with torch.inference_mode():
        logits = network(torch.from_numpy(image)[None].to(parameter.device, parameter.dtype))
        maps: np.ndarray = activate(logits, len(spec.classes), map_kinds(spec))[0].cpu().numpy()
    return maps


def _crops(sample: Sample, bundle: ModelBundle, most: int) -> list[_Crop]:
    """Crops around held-out voxels: the image is cut into squares and those with most held-out voxels are taken."""
    known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
    side = _SIDE[known.ndim]
    stats = normalise.statistics(sample.image, bundle.normalisation)
    places = np.argwhere(known) // side
    squares, counts = np.unique(places, axis=0, return_counts=True)
    chosen = squares[np.argsort(-counts, kind="stable")[:most]]
    found = []
    margin = side // 4
    for square in chosen:
        region = tuple(
            slice(max(0, int(q) * side - margin), min(n, (int(q) + 1) * side + margin))
            for q, n in zip(square, known.shape, strict=True)
        )
        image = normalise.apply(sample.image.read(region), stats)
        instances = None if sample.instances is None else sample.instances[region]
        found.append(_Crop(image, sample.classes[region], instances, known[region]))
    return found
