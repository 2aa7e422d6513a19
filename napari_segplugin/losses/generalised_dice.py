"""Generalised Dice loss."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_segplugin.losses.overlap import overlap, ratio


def generalised_dice(
    logits: Tensor, target: Tensor, weight: Tensor, *, background: bool = True, per_image: bool = False
) -> Tensor:
    r"""Generalised Dice loss: one Dice over all classes, each weighted by its volume to the power of -2.

    .. math:: L = 1 - \frac{2 \sum_c v_c \sum_i w_i p_{ic} g_{ic}}{\sum_c v_c \sum_i w_i (p_{ic} + g_{ic})},
              \qquad v_c = \frac{1}{(\sum_i w_i g_{ic})^2}

    (Sudre et al. 2017, arXiv 1707.03237). An absent class has :math:`v_c = 0`. Other code gives it a huge weight
    (1e10), or that of the rarest present class, so that one absent class outweighs all that are there.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    background : bool
        Count class 0 too, as the paper does. It is counted anyway where no other class is present.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction, 1 for the worst, 0 where nothing is known. Where the truth is all background, it is
        the linear Dice loss of the background.

    Examples
    --------
    One of four voxels is class 1, all probabilities are ½: weights 1/9 and 1, so 1 - 2 (1/6 + 1/2) / (5/9 + 3) = 0.625.

    >>> import torch
    >>> float(generalised_dice(torch.zeros(1, 2, 1, 4), torch.tensor([[[1, 0, 0, 0]]]), torch.ones(1, 1, 4)))
    0.625
    """
    both, guessed, actual = overlap(logits, target, weight, per_image=per_image)
    rare = ratio(actual.new_ones(()), actual) * (actual > 0)
    if not background:
        alone = ~(actual[:, 1:] > 0).any(1, keepdim=True)
        rare = torch.cat([rare[:, :1] * alone, rare[:, 1:]], 1)
    share = ratio(rare, rare.amax(1, keepdim=True)) ** 2
    score = ratio(2 * (share * both).sum(1), (share * (guessed + actual)).sum(1))
    known = actual.sum(1) > 0
    return ((1 - score) * known).sum() / known.sum().clamp_min(1)
