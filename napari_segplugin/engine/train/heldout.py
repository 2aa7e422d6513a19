"""Held-out quality, measured the same way before, while and after training; and which of two models is used."""

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
from napari_segplugin.core.training import ENOUGH, Checked, Compared, ModelVerdict, verdict_of, verdict_of_figures
from napari_segplugin.data import normalise
from napari_segplugin.data.sampling import Prepared
from napari_segplugin.engine.network import activate, load, map_kinds
from napari_segplugin.engine.predict.boxes import segment
from napari_segplugin.metrics.matching import contingency
from napari_segplugin.networks import is_detector
from napari_segplugin.tasks import codec_of

_REGIONS = {2: 12, 3: 6}
"""Crops that are looked at; a crop of a volume has six times as many voxels as one of a plane."""
_EARLIER = {2: 24, 3: 6}
"""Pieces of earlier images that are looked at; evenly spread ones."""
_MOST = 48
"""Samples that are looked at; of more, evenly spread ones."""
SCATTER = {Task.SEMANTIC: 0.1, Task.INSTANCE: 0.2, Task.PANOPTIC: 0.2}
"""By how much the quality of one held-out stroke or object differs from that of the next, roughly."""
_SIDE = {2: 160, 3: 48}
SURE = 0.9
"""Probability from which the old model is believed where nobody marked anything."""
REST, EARLIER = "On the rest of the image", "On the images that it learnt from before"


@dataclass(frozen=True, eq=False)
class _Crop:
    """A piece of a held-out sample: network input and truth, with the part of it that is judged.

    `strokes` numbers the strokes of areas over the whole sample, 0 where there is none; `sample` says which sample it is.
    """

    image: np.ndarray
    classes: np.ndarray
    instances: np.ndarray | None
    known: np.ndarray
    strokes: np.ndarray
    sample: int = 0


class Judged(NamedTuple):
    """What a network makes of held-out data: quality by name, the first one decides; and each object or stroke."""

    figures: dict[str, float]
    checked: Checked


class SampleJudge:
    """Dice of the classes (semantic) or agreement of the objects (instance) on held-out voxels.

    Looks at a dozen crops around held-out voxels, in volumes at half a dozen (one in each sample where there are more samples,
    of at most 48), so that judging costs little beside training.

    Parameters
    ----------
    samples : sequence of Sample
    bundle : ModelBundle
        Spec, normalisation and decoder parameters.
    crops : list, optional
        What is looked at, in place of the samples.
    """

    def __init__(self, samples: Sequence[Sample], bundle: ModelBundle, crops: list[_Crop] | None = None) -> None:
        self.bundle = bundle
        if crops is None:
            samples = samples if len(samples) <= _MOST else [samples[i * len(samples) // _MOST] for i in range(_MOST)]
            share = max(1, _REGIONS[bundle.spec.ndim] // len(samples))
            crops = [crop for i, s in enumerate(samples) for crop in _crops(s, bundle, share, i)]
        self.crops = crops

    @property
    def count(self) -> int:
        """Objects (of areas: strokes) that are looked at."""
        found = {(c.sample, 0, int(n)) for c in self.crops for n in np.unique(c.strokes[c.known]) if n}
        for crop in self.crops:
            if crop.instances is not None:
                found |= {(crop.sample, 1, int(n)) for n in np.unique(crop.instances[crop.known]) if n}
        return len(found)

    @property
    def voxels(self) -> int:
        """Of all that is looked at."""
        return sum(c.known.size for c in self.crops)

    @property
    def tolerance(self) -> float:
        """By how much two figures differ by chance: the scatter of one stroke or object, over the root of their number."""
        return SCATTER[self.bundle.spec.task] / math.sqrt(max(1, self.count))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Mean quality by name; the first is the one that decides."""
        return self.look(network).figures

    def look(self, network: nn.Module, bundle: ModelBundle | None = None) -> Judged:
        """Quality by name, and each object (of areas: each stroke) by itself; of another bundle of this kind if asked."""
        found = [read_image(network, c.image, bundle or self.bundle) for c in self.crops]
        dice, strokes = self._dice([f.kinds for f in found]), self._strokes(found)
        if self.bundle.spec.task is Task.SEMANTIC:
            return Judged({"held-out Dice": dice}, Checked(strokes))
        objects = self._objects(found)
        figures = {"held-out object IoU": objects.overlap, "held-out Dice": dice}
        return Judged(figures, Checked((*objects.overlaps, *strokes), objects.false))

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

    def _strokes(self, found: Sequence[Reading]) -> tuple[float, ...]:
        """Share of each stroke that is of its class; a stroke may lie in several crops."""
        right: dict[tuple[int, int], np.ndarray] = {}
        for reading, crop in zip(found, self.crops, strict=True):
            numbers = np.where(crop.known, crop.strokes, 0)
            total = np.bincount(numbers.ravel())
            good = np.bincount(numbers[reading.kinds == crop.classes], minlength=len(total))
            for n in np.flatnonzero(total[1:]) + 1:
                key = (crop.sample, int(n))
                right[key] = right.get(key, np.zeros(2)) + np.array([good[n], total[n]])
        return tuple(float(good / total) for _, (good, total) in sorted(right.items()))

    def _objects(self, found: Sequence[Reading]) -> Checked:
        """IoU of each held-out object with the object of its class found in its place, 0 where there is none.

        An object that was found, more than half of it where it is known that there is none, is false. Of an object in
        several crops the best counts.
        """
        scores: dict[tuple[int, int], float] = {}
        count = 0
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
            for number, value in zip(table.truth_ids.tolist(), best.tolist(), strict=True):
                scores[crop.sample, number] = max(value, scores.get((crop.sample, number), 0.0))
            nothing = np.bincount(labels[crop.known & (truth == 0)].ravel(), minlength=int(labels.max(initial=0)) + 1)
            false = nothing > 0.5 * np.bincount(labels.ravel(), minlength=len(nothing))
            count += int(false[1:].sum())
        return Checked(tuple(value for _, value in sorted(scores.items())), count)


class Trial:
    """An old model, looked at before a training, to be compared with what comes out of it.

    Parameters
    ----------
    old : ModelBundle
    samples : sequence of Sample
        All that a person marked.
    heldout : sequence of Sample
        The part of it that is kept aside.
    earlier : sequence of Prepared
        Pieces of other images that the old model learnt from.
    """

    def __init__(
        self, old: ModelBundle, samples: Sequence[Sample], heldout: Sequence[Sample], earlier: Sequence[Prepared]
    ) -> None:
        self.old, network = old, load(old, finite=False)
        self.judge = SampleJudge(heldout, old) if heldout else None
        self.before = self.judge.look(network) if self.judge else Judged({}, Checked())
        self._others: dict[str, tuple[SampleJudge, Judged]] = {}
        if not old.history:
            return
        ndim = old.spec.ndim
        most = _REGIONS[ndim] if ndim == 2 else _REGIONS[ndim] // 2
        share, pieces = max(1, most // len(samples)), earlier[:: max(1, len(earlier) // _EARLIER[ndim])]
        crops = {
            "": SampleJudge(samples, old).crops,
            REST: [c for i, s in enumerate(samples[:most]) for c in _sure_crops(s, old, network, share, i)],
            EARLIER: [_exemplar(p, i) for i, p in enumerate(pieces)],
        }
        for where, found in crops.items():
            judge = SampleJudge((), old, found)
            self._others[where] = judge, judge.look(network)

    @property
    def voxels(self) -> int:
        """Of all that is looked at, before the training and after."""
        judges = [judge for judge, _ in self._others.values()]
        return sum(judge.voxels for judge in ([*judges, self.judge] if self.judge else judges))

    @property
    def start(self) -> float | None:
        """The figure that decides, of the old model; None where nothing is held out or nothing was learnt yet."""
        return next(iter(self.before.figures.values()), None) if self.old.history else None

    def verdict(
        self, new: ModelBundle, after: Judged, *, steps: int, seconds: float, rival: float = math.nan
    ) -> ModelVerdict | None:
        """Which model is used; None where the old one had learnt nothing, and too little is held out to tell.

        Parameters
        ----------
        new : ModelBundle
        after : Judged
            Of the new model on what was held out.
        steps : int
            Of the training.
        seconds : float
            That it was given; 0 where that does not matter.
        rival : float
            Dice of a random forest on the same strokes.
        """
        word = word_of(self.old.spec)
        aside = Compared(self.before.checked, after.checked)
        if self.old.history:
            network = load(new, finite=False)
            later = {where: judge.look(network, new) for where, (judge, _) in self._others.items()}
            known = Compared(self._others[""][1].checked, later[""].checked)
            falls = {
                w: self._fall(self._others[w][1], later[w], 0.0 if w == EARLIER else aside.gain) for w in later if w
            }
            return verdict_of(aside, known, falls, steps=steps, seconds=seconds, word=word)
        if self.judge is None or aside.count < ENOUGH:
            return None
        dice = [look.figures["held-out Dice"] for look in (self.before, after)]
        return verdict_of_figures(
            *dice, name="Dice", count=aside.count, steps=steps, seconds=seconds, word=word, rival=rival
        )

    def _fall(self, before: Judged, after: Judged, gain: float) -> float:
        """By how much the worst of the figures has fallen: objects found, their outlines, areas.

        Against an old model, outlines may move as far as those of the objects kept aside have become better.
        """
        falls, task = [0.0], self.old.spec.task
        if task is not Task.SEMANTIC:
            both = Compared(before.checked, after.checked)
            falls += [both.before.share - both.after.share, both.moved - max(0.0, gain)]
        if task is not Task.INSTANCE:
            falls.append(before.figures["held-out Dice"] - after.figures["held-out Dice"])
        return max(f for f in falls if not math.isnan(f))


def word_of(spec: ModelSpec) -> str:
    """What is kept aside, in the singular: the class of the objects where there is one, strokes of areas."""
    if spec.task is Task.SEMANTIC:
        return "stroke"
    things = spec.classes.thing_ids
    return spec.classes[things[0]].name if len(things) == 1 and spec.task is Task.INSTANCE else "object"


class Reading(NamedTuple):
    """What a network sees in an image, ([Z,] Y, X): class of each voxel, and labels of the task; the class of each label.

    `sure` is the probability of each voxel's class; None where a network has none.
    """

    kinds: np.ndarray
    labels: np.ndarray
    class_of: np.ndarray
    sure: np.ndarray | None = None


def read_image(network: nn.Module, image: np.ndarray, bundle: ModelBundle) -> Reading:
    """Read a normalised image (C, [Z,] Y, X) in one piece."""
    spec, training = bundle.spec, network.training
    sure: np.ndarray | None = None
    network.eval()
    if is_detector(spec):
        kinds, labels = segment(network, image, bundle)
        class_of = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        class_of[labels] = kinds
    else:
        maps = read_maps(network, image, spec)
        kinds, sure = maps[: len(spec.classes)].argmax(0), maps[: len(spec.classes)].max(0)
        labels, table = codec_of(spec).decode(maps, spec.classes, bundle.decode)
        class_of = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        class_of[table.label] = table.class_id
    network.train(training)
    return Reading(kinds, labels, class_of, sure)


def read_maps(network: nn.Module, image: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Class probabilities and further maps (K + M, [Z,] Y, X)."""
    parameter = next(network.parameters())
    with torch.inference_mode():
        logits = network(torch.from_numpy(image)[None].to(parameter.device, parameter.dtype))
        maps: np.ndarray = activate(logits, len(spec.classes), map_kinds(spec))[0].cpu().numpy()
    return maps


def _crops(sample: Sample, bundle: ModelBundle, most: int, number: int) -> list[_Crop]:
    """Crops around held-out voxels: the image is cut into squares and those with most held-out voxels are taken."""
    known = _known(sample)
    side = _SIDE[known.ndim]
    places = np.argwhere(known) // side
    squares, counts = np.unique(places, axis=0, return_counts=True)
    chosen = squares[np.argsort(-counts, kind="stable")[:most]]
    stats, strokes = normalise.statistics(sample.image, bundle.normalisation), _strokes_of(sample, bundle.spec)
    found = []
    for square in chosen:
        region = _region(square, known.shape)
        image = normalise.apply(sample.image.read(region), stats)
        instances = None if sample.instances is None else sample.instances[region]
        found.append(_Crop(image, sample.classes[region], instances, known[region], strokes[region], number))
    return found


def _known(sample: Sample) -> np.ndarray:
    return np.ones(sample.classes.shape, bool) if sample.known is None else sample.known


def _region(square: np.ndarray, shape: Sequence[int]) -> tuple[slice, ...]:
    """A square of the grid with a margin around it."""
    side = _SIDE[len(shape)]
    margin = side // 4
    return tuple(
        slice(max(0, int(q) * side - margin), min(n, (int(q) + 1) * side + margin))
        for q, n in zip(square, shape, strict=True)
    )


def _strokes_of(sample: Sample, spec: ModelSpec) -> np.ndarray:
    """Numbers of the strokes of areas: of every class (semantic), of those that are not counted (panoptic), else none."""
    known, total = _known(sample), 0
    areas = [c.id for c in spec.classes if spec.task is Task.SEMANTIC or (c.id and c.id not in spec.classes.thing_ids)]
    numbers = np.zeros(known.shape, np.int32)
    for c in areas if spec.task is not Task.INSTANCE else ():
        mine = known & (sample.classes == c)
        pieces, count = ndi.label(mine if sample.instances is None else mine & (sample.instances == 0))
        numbers[pieces > 0] = pieces[pieces > 0] + total
        total += count
    return numbers


def _sure_crops(sample: Sample, bundle: ModelBundle, network: nn.Module, most: int, number: int) -> list[_Crop]:
    """Crops spread over the image, with what the model is sure of where nobody marked anything as the truth."""
    marked = _known(sample)
    grid = np.argwhere(np.ones([-(-n // _SIDE[marked.ndim]) for n in marked.shape], bool))
    stats = normalise.statistics(sample.image, bundle.normalisation)
    found: list[_Crop] = []
    for square in grid[np.unique(np.linspace(0, len(grid) - 1, most).round().astype(int))]:
        region = _region(square, marked.shape)
        image = normalise.apply(sample.image.read(region), stats)
        reading = read_image(network, image, bundle)
        sure = np.ones(reading.kinds.shape, np.float32) if reading.sure is None else reading.sure
        known, instances = (sure >= SURE) & ~marked[region], None
        if bundle.spec.task is not Task.SEMANTIC:
            things = np.isin(reading.class_of, bundle.spec.classes.thing_ids)
            instances = np.where(things[reading.labels], reading.labels, 0)
            size = np.bincount(instances.ravel())
            certain = np.bincount(instances.ravel(), sure.ravel(), len(size)) >= SURE * size  # on average
            certain[np.unique(instances[marked[region]])] = False
            known = np.where(instances > 0, certain[instances], known)
        kinds = np.where(known, reading.class_of[reading.labels] if instances is not None else reading.kinds, 0)
        # each crop is a sample of its own: objects are numbered anew in it
        found.append(_Crop(image, kinds, instances, known, np.zeros(known.shape, np.int32), number * 1000 + len(found)))
    return found


def _exemplar(piece: Prepared, number: int) -> _Crop:
    """A piece of an image that a model learnt from; objects whose outline is not known are unknown."""
    classes, weight, outline, objects = piece.labels.numpy()
    known = (weight > 0) & ((objects == 0) | (outline > 0))
    numbers = objects.round().astype(np.int64)
    return _Crop(
        piece.image.numpy(), classes.round().astype(np.int64), numbers, known, np.zeros(known.shape, np.int32), number
    )
