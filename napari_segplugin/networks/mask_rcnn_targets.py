"""What the heads of Mask R-CNN should say: true objects, matching, sampling, mask targets, losses.

Nothing is learnt from where the truth is unknown: an anchor or region counts as "no object" only if enough of it is
known, an object only if its whole shape is, and a mask only where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.networks.base import Truth
from napari_segplugin.networks.boxes import box_means, encode, iou

_LEAST_SIDE = 2
_WHOLE = 0.95


@dataclass(frozen=True, eq=False)
class Objects:
    """The true objects of one image.

    Parameters
    ----------
    boxes : (G, 2, D) Tensor
    kinds : (G,) Tensor of int64
        1 + the place of the class among the thing classes.
    numbers : (G,) Tensor of int64
        Number of the object in the label image.
    known : ([Z,] Y, X) Tensor
        1 where it is known whether there is an object.
    """

    boxes: Tensor
    kinds: Tensor
    numbers: Tensor
    known: Tensor


def find_objects(truth: Truth, things: Sequence[int]) -> list[Objects]:
    """The objects of each image of a batch; slivers, and those whose shape is unknown, are unknown.

    Parameters
    ----------
    truth : Truth
    things : sequence of int
        Thing classes, in the order of the heads' outputs.

    Returns
    -------
    list of Objects
        One for each image.
    """
    kind = torch.zeros(truth.n_classes, dtype=torch.int64, device=truth.classes.device)
    kind[list(things)] = torch.arange(1, len(things) + 1, device=kind.device)
    whole = (truth.weight > 0) & (truth.whole > 0)
    kinds = kind[truth.classes.clamp(0, truth.n_classes - 1)]
    numbers = torch.where((truth.weight > 0) & (kinds > 0), truth.instances, 0)
    return [_of_image(*parts) for parts in zip(numbers, kinds, whole, strict=True)]


def _of_image(numbers: Tensor, kinds: Tensor, whole: Tensor) -> Objects:
    at = numbers.nonzero()
    place = tuple(at.unbind(1))
    found, index = torch.unique(numbers[place], return_inverse=True)
    spread = index[:, None].expand_as(at)
    empty = at.new_zeros((len(found), at.shape[1]))
    low = empty.scatter_reduce(0, spread, at, "amin", include_self=False)
    high = empty.scatter_reduce(0, spread, at, "amax", include_self=False) + 1
    kind = empty[:, 0].scatter_reduce(0, index, kinds[place], "amax", include_self=False)
    share = torch.zeros(len(found), device=at.device).scatter_reduce(
        0, index, whole[place].float(), "mean", include_self=False
    )
    usable = (share >= _WHOLE) & ((high - low).amin(1) >= _LEAST_SIDE) if len(found) else share > 0
    known = whole.clone()
    known[place] &= usable[index]
    boxes = torch.stack((low, high), 1).float()
    return Objects(boxes[usable], kind[usable], found[usable], known.float())


def match_anchors(anchors: Tensor, objects: Objects, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Which anchors stand for an object (Ren et al. 2015, sec. 3.1.2).

    Positive are those whose IoU with an object is at least `high`, and for each object the best ones; negative are those
    below `low` with every object, if it is known that nothing is there.

    Returns
    -------
    label : (A,) Tensor of int64
        1, 0, or -1 for neither.
    owner : (A,) Tensor of int64
        The object that each overlaps best.
    """
    # an object that overlaps an anchor by `low` may hide in the unknown part if that is larger than `low`
    seen = box_means(objects.known, anchors) >= 1 - low
    label = torch.where(seen, 0, -1)
    if not len(objects.boxes):
        return label, torch.zeros_like(label)
    table = iou(anchors, objects.boxes)
    best, owner = table.max(1)
    label = torch.where(best < low, label, -1)
    top = table.amax(0)
    label[best >= high] = 1
    chosen = ((table >= top - 1e-6) & (top > 0)).nonzero()
    label[chosen[:, 0]] = 1
    owner[chosen[:, 0]] = chosen[:, 1]
    return label, owner


def sample(label: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Indices of at most `share` × `count` random positives, and of negatives that fill up to `count`."""
    positive, negative = (label == 1).nonzero()[:, 0], (label == 0).nonzero()[:, 0]
    positive = positive[torch.randperm(len(positive), device=label.device)[: int(count * share)]]
    negative = negative[torch.randperm(len(negative), device=label.device)[: count - len(positive)]]
    return positive, negative


def smooth_l1(given: Tensor, wanted: Tensor, iou: Tensor, count: int) -> Tensor:
    """Smooth L1 of deltas (P, 2n), summed and divided by `count`; `iou` is for losses that balance by it."""
    return F.smooth_l1_loss(given, wanted, beta=1.0, reduction="sum") / max(count, 1)


def cross_entropy(logits: Tensor, wanted: Tensor, iou: Tensor) -> Tensor:
    """Mean cross-entropy; 0 without regions. `iou` is for losses that balance by it."""
    return F.cross_entropy(logits, wanted, reduction="sum") / max(len(wanted), 1)


def proposal_losses(
    anchors: Tensor,
    scores: Tensor,
    deltas: Tensor,
    objects: Sequence[Objects],
    *,
    bounds: tuple[float, float],
    count: int,
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of the anchors' scores and smooth L1 of their deltas, over sampled anchors of a batch.

    Parameters
    ----------
    anchors : (A, 2, D) Tensor
    scores : (N, A) Tensor
        Logits.
    deltas : (N, A, 2, D) Tensor
    objects : sequence of Objects
    bounds : (float, float)
        Largest IoU of a negative, smallest of a positive.
    count : int
        Anchors sampled in each image, half of them positive at most.
    """
    logits, wanted, given, true = [], [], [], []
    for score, delta, truth in zip(scores, deltas, objects, strict=True):
        label, owner = match_anchors(anchors, truth, *bounds)
        positive, negative = sample(label, count, 0.5)
        logits += [score[positive], score[negative]]
        wanted += [torch.ones_like(logits[-2]), torch.zeros_like(logits[-1])]
        given.append(delta[positive])
        true.append(encode(truth.boxes[owner[positive]], anchors[positive]))
    total = sum(len(x) for x in logits)
    entropy = F.binary_cross_entropy_with_logits(torch.cat(logits), torch.cat(wanted), reduction="sum") / max(total, 1)
    boxes = F.smooth_l1_loss(torch.cat(given), torch.cat(true), beta=1 / 9, reduction="sum") / max(total, 1)
    return entropy, boxes


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of a batch to learn from; the positives come first.

    Parameters
    ----------
    boxes : (R, 2, D) Tensor
    image : (R,) Tensor of int64
    kinds : (R,) Tensor of int64
        0 for "no object".
    true : (P, 2, D) Tensor
        The object of each positive.
    numbers : (P,) Tensor of int64
        Its number in the label image.
    """

    boxes: Tensor
    image: Tensor
    kinds: Tensor
    true: Tensor
    numbers: Tensor


def sample_regions(
    proposals: Sequence[Tensor], objects: Sequence[Objects], *, least: float, count: int, share: float
) -> Regions:
    """Choose proposals to learn from (Girshick 2015, arXiv 1504.08083, sec. 2.3); the true boxes are among them.

    Positive is an IoU of at least `least` with an object; every other is negative, if half of it is known.
    """
    taken: list[tuple[Tensor, ...]] = []
    rest: list[tuple[Tensor, Tensor]] = []
    for n, (boxes, truth) in enumerate(zip(proposals, objects, strict=True)):
        boxes = torch.cat((boxes, truth.boxes))
        label = torch.where(box_means(truth.known, boxes) >= 0.5, 0, -1)
        owner = torch.zeros_like(label)
        if len(truth.boxes):
            best, owner = iou(boxes, truth.boxes).max(1)
            label = torch.where(best >= least, 1, label)
        positive, negative = sample(label, count, share)
        mine = owner[positive]
        taken.append(
            (boxes[positive], torch.full_like(mine, n), truth.kinds[mine], truth.boxes[mine], truth.numbers[mine])
        )
        rest.append((boxes[negative], torch.full_like(negative, n)))
    boxes, image, kinds, true, numbers = (torch.cat(parts) for parts in zip(*taken, strict=True))
    others, place = (torch.cat(parts) for parts in zip(*rest, strict=True))
    kinds = torch.cat((kinds, kinds.new_zeros(len(others))))
    return Regions(torch.cat((boxes, others)), torch.cat((image, place)), kinds, true, numbers)


def mask_loss(logits: Tensor, regions: Regions, truth: Truth) -> Tensor:
    """Mean binary cross-entropy of the masks of the positives, in the channel of their class alone.

    Parameters
    ----------
    logits : (P, T, *M) Tensor
    regions : Regions
    truth : Truth

    Returns
    -------
    scalar Tensor
        0 without positives.
    """
    positives = len(regions.true)
    chosen = logits[torch.arange(positives, device=logits.device), regions.kinds[:positives] - 1]
    low, high = regions.boxes[:positives].unbind(1)
    index = [regions.image[:positives].reshape(-1, *(1,) * (chosen.ndim - 1))]
    for axis, count in enumerate(chosen.shape[1:]):
        steps = (torch.arange(count, device=low.device) + 0.5) / count
        at = low[:, axis, None] + (high - low)[:, axis, None] * steps
        at = at.floor().long().clamp(0, truth.instances.shape[1 + axis] - 1)
        index.append(at.reshape(-1, *(count if i == axis else 1 for i in range(chosen.ndim - 1))))
    place = tuple(index)
    mine = regions.numbers.reshape(-1, *(1,) * (chosen.ndim - 1))
    wanted = (truth.instances[place] == mine).to(chosen.dtype)
    known = ((truth.weight[place] > 0) & (truth.whole[place] > 0)).to(chosen.dtype)
    losses = F.binary_cross_entropy_with_logits(chosen, wanted, reduction="none")
    return (losses * known).sum() / known.sum().clamp_min(1)


__all__ = [
    "Objects",
    "Regions",
    "cross_entropy",
    "find_objects",
    "mask_loss",
    "match_anchors",
    "proposal_losses",
    "sample",
    "sample_regions",
    "smooth_l1",
]
