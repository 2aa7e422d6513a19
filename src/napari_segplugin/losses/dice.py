"""Soft Dice loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.losses.known import known_logits


def dice(
    logits: Tensor, target: Tensor, weight: Tensor, *, squared: bool = False, background: bool = False, smooth: float = 1.0
) -> Tensor:
    r"""Soft Dice loss, pooled over the batch, averaged over the classes that are present.

    .. math:: L = 1 - \frac{1}{|P|} \sum_{c \in P}
              \frac{2 \sum_i w_i p_{ic} g_{ic} + s}{\sum_i w_i p_{ic}^q + \sum_i w_i g_{ic} + s}

    with :math:`q = 2` when `squared` (Milletari et al. 2016, arXiv 1606.04797) and 1 otherwise. A class without a
    known voxel in the batch is left out of P: a patch of scribbles must not be punished for classes it does not
    show. (Its false alarms are still punished through the other classes, since softmax sums to 1.)

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    squared : bool
    background : bool
        Count class 0 too. It is counted anyway when no other class is present.
    smooth : float
        s, in voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction, near 1 for the worst, 0 where nothing is known.

    Examples
    --------
    >>> logits = torch.tensor([[[[-50.0, 50.0]], [[50.0, -50.0]]]])
    >>> float(dice(logits, torch.tensor([[[1, 0]]]), torch.ones(1, 1, 2)))
    0.0
    """
    probabilities = known_logits(logits, weight).softmax(1)
    classes = logits.shape[1]
    truth = F.one_hot(target, classes).movedim(-1, 1).to(probabilities.dtype)
    w = weight.unsqueeze(1).to(probabilities.dtype)
    axes = [0, *range(2, logits.ndim)]
    overlap = (w * probabilities * truth).sum(axes)
    guessed = (w * (probabilities**2 if squared else probabilities)).sum(axes)
    actual = (w * truth).sum(axes)
    score = (2 * overlap + smooth) / (guessed + actual + smooth)
    present = actual > 0
    if not background and bool(present[1:].any()):
        present = present & (torch.arange(classes, device=logits.device) > 0)
    losses = (1 - score) * present
    return losses.sum() / present.sum().clamp_min(1)
