"""Weighted cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.losses.known import known_logits, weight_table


def cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor, *, class_weights: Sequence[float] | str | None = None
) -> Tensor:
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
    class_weights : sequence of float or str, optional
        One a class; or "inverse" or "median", see :func:`~napari_segplugin.losses.weights.class_weights`.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; ln K for uniform probabilities; the logit difference for a worst one; 0 where
        nothing is known.

    Raises
    ------
    InputError
        If the class weights do not fit the classes or the rule is not known.

    Examples
    --------
    >>> import torch
    >>> round(float(cross_entropy(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long), torch.ones(1, 4, 4))), 4)
    0.6931
    """
    logits = known_logits(logits, weight)
    weight = weight.to(logits.dtype)
    if class_weights is not None:
        weight = weight * weight_table(class_weights, logits.shape[1], target, weight)[target]
    losses = F.cross_entropy(logits, target, reduction="none")
    return (losses * weight).sum() / weight.sum().clamp_min(1e-6)
