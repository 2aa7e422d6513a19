"""Weighted cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.losses.known import known_logits


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor, *, class_weights: Sequence[float] | None = None) -> Tensor:
    r"""Weighted cross-entropy, averaged over the known voxels.

    .. math:: L = \frac{\sum_i w_i c_{g_i} (-\log p_{i, g_i})}{\sum_i w_i c_{g_i}}

    with voxel weights :math:`w`, class weights :math:`c` and softmax probabilities :math:`p`. Like torch's own
    'mean', the sum is divided by the weights, not by the number of voxels: equal class weights change nothing.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
        Class numbers; ignored where `weight` is 0, but must lie in [0, K).
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    class_weights : sequence of float, optional
        One a class.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; ln K for uniform probabilities; 0 where nothing is known.

    Examples
    --------
    >>> import torch
    >>> round(float(cross_entropy(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long), torch.ones(1, 4, 4))), 4)
    0.6931
    """
    logits = known_logits(logits, weight)
    if class_weights is not None:
        table = logits.new_tensor(list(class_weights))
        weight = weight * table[target]
    losses = F.cross_entropy(logits, target, reduction="none")
    return (losses * weight).sum() / weight.sum().clamp_min(1e-6)
