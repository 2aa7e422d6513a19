"""What the losses of overlap share: sums over voxels, and the mean over the classes that are present."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.losses.known import known_logits


class Overlap(NamedTuple):
    """Weighted sums over voxels of probabilities p and one-hot truth g.

    Parameters
    ----------
    both : (M, K) Tensor
        Sum of w p g: true positives.
    guessed : (M, K) Tensor
        Sum of w p, or of w p² where squared: true and false positives.
    actual : (M, K) Tensor
        Sum of w g: true positives and misses.
    """

    both: Tensor
    guessed: Tensor
    actual: Tensor


def overlap(
    logits: Tensor, target: Tensor, weight: Tensor, *, squared: bool = False, per_image: bool = False
) -> Overlap:
    """Sums of prediction and truth for each class, over the known voxels.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
    squared : bool
        Square the probabilities in `guessed`.
    per_image : bool
        M = N, each image by itself; otherwise M = 1, the batch is one large image.

    Returns
    -------
    Overlap
    """
    probabilities = known_logits(logits, weight).softmax(1)
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    w = weight.unsqueeze(1).to(probabilities.dtype)
    weighted = w * probabilities
    sums = (weighted * truth, weighted * probabilities if squared else weighted, w * truth)
    each = (s.flatten(2).sum(2) for s in sums)
    return Overlap(*(each if per_image else (s.sum(0, keepdim=True) for s in each)))


def ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """A quotient that stays finite, and has a finite gradient, where there is nothing."""
    return top / bottom.clamp_min(1e-8)


def mean_of_present(losses: Tensor, actual: Tensor, background: bool) -> Tensor:
    """Mean over the classes that are present, then over the images that know anything.

    A class without a known voxel is left out: a patch of scribbles must not be punished for classes that it does not
    show. Its false alarms are still punished through the other classes, since softmax sums to 1.

    Parameters
    ----------
    losses : (M, K) Tensor
        Must be finite for absent classes too.
    actual : (M, K) Tensor
        A class is present where this is positive.
    background : bool
        Count class 0 too. It is counted anyway where no other class is present.

    Returns
    -------
    scalar Tensor
        0 where nothing is present.
    """
    present = actual > 0
    if not background:
        alone = ~present[:, 1:].any(1, keepdim=True)
        present = torch.cat([present[:, :1] & alone, present[:, 1:]], 1)
    count = present.sum(1)
    means = (losses * present).sum(1) / count.clamp_min(1)
    return means.sum() / (count > 0).sum().clamp_min(1)


__all__ = ["Overlap", "mean_of_present", "overlap", "ratio"]
