"""Focal loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_segplugin.losses.known import known_logits, weight_table


def focal(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    gamma: float = 2.0,
    alpha: float | Sequence[float] | str | None = None,
) -> Tensor:
    r"""Focal loss on softmax probabilities, averaged over the known voxels.

    .. math:: L = \frac{\sum_i w_i\, \alpha_{g_i} (1 - p_{i, g_i})^\gamma (-\log p_{i, g_i})}{\sum_i w_i}

    (Lin et al. 2017, arXiv 1708.02002). Voxels that are right already hardly count, so the many easy ones do not drown
    the few hard ones. The mean is over voxels, not over classes (MONAI's softmax form divides by K too) nor over positive
    voxels (RetinaNet). Alpha is not in the denominator: it changes the size of the loss.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    gamma : float
        0 is cross-entropy; larger numbers look at hard voxels only.
    alpha : float, sequence of float, or str, optional
        A number gives foreground classes alpha and the background 1 - alpha, as in the paper; a sequence has one weight a
        class; "inverse" or "median" computes them, see :func:`~napari_segplugin.losses.weights.class_weights`.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; :math:`(1 - 1/K)^\gamma \ln K` for uniform probabilities; near the cross-entropy
        for a worst one; 0 where nothing is known.

    Raises
    ------
    InputError
        If the class weights do not fit the classes or the rule is not known.

    Examples
    --------
    >>> round(float(focal(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.long), torch.ones(1, 4, 4))), 4)
    0.1733
    """
    log_p = known_logits(logits, weight).log_softmax(1).gather(1, target.unsqueeze(1)).squeeze(1)
    # expm1 keeps 1 - p exact near p = 1; the limit keeps the slope of its power finite for gamma below 1
    losses = (-torch.expm1(log_p)).clamp_min(1e-8) ** gamma * -log_p
    weight = weight.to(losses.dtype)
    known = weight.sum()
    if alpha is not None:
        if isinstance(alpha, int | float):
            alpha = [1 - alpha] + [alpha] * (logits.shape[1] - 1)
        weight = weight * weight_table(alpha, logits.shape[1], target, weight)[target]
    return (losses * weight).sum() / known.clamp_min(1e-6)
