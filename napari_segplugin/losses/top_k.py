"""Cross-entropy of the hardest voxels."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.core import InputError
from napari_segplugin.losses.known import known_logits


def top_k(logits: Tensor, target: Tensor, weight: Tensor, *, share: float = 0.1) -> Tensor:
    r"""Cross-entropy, averaged over the share of known voxels where it is largest.

    .. math:: L = \frac{\sum_{i \in H} w_i (-\log p_{i, g_i})}{\sum_{i \in H} w_i}

    with H the :math:`\lceil k n \rceil` of n known voxels whose truth is least probable (online bootstrapping, Wu et al.
    2016, arXiv 1605.06885). It also looks hardest at wrong labels, so it wants clean ones.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    share : float
        k, above 0 and at most 1; 1 is cross-entropy.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; ln K for uniform probabilities; the logit difference for a worst one; 0 where
        nothing is known.

    Raises
    ------
    InputError
        If the share is not above 0 and at most 1.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[[[9.0, 9.0, 9.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]]])
    >>> round(float(top_k(logits, torch.zeros(1, 1, 4, dtype=torch.long), torch.ones(1, 1, 4), share=0.25)), 4)
    0.6931
    """
    if not 0 < share <= 1:
        raise InputError("The fraction of hardest pixels must be above 0 and at most 1.", got=share)
    losses = F.cross_entropy(known_logits(logits, weight), target, reduction="none").flatten()
    w = weight.flatten().to(losses.dtype)
    count = math.ceil(share * int((w > 0).sum()))
    # unknown voxels come last; with nothing known, one of them is taken, with weight 0
    hardest = losses.detach().masked_fill(w <= 0, -1.0).topk(max(count, 1)).indices
    return (losses[hardest] * w[hardest]).sum() / w[hardest].sum().clamp_min(1e-6)
