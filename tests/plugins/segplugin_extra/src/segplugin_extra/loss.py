"""A loss of a handful of lines."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

from napari_segplugin.losses.known import known_logits


def brier(logits: Tensor, target: Tensor, weight: Tensor, *, scale: float = 1.0) -> Tensor:
    r"""Mean squared distance of the class probabilities from the truth (Brier 1950).

    .. math:: \frac{s}{\sum_i w_i} \sum_i w_i \sum_k (p_{ik} - t_{ik})^2

    0 for a perfect prediction, 2 s for the worst, 0 where nothing is known.

    Examples
    --------
    >>> import torch
    >>> float(brier(torch.zeros(1, 2, 1, 4), torch.zeros(1, 1, 4, dtype=torch.int64), torch.ones(1, 1, 4)))
    0.5
    """
    p = known_logits(logits, weight).softmax(1)
    error = (p - one_hot(target, logits.shape[1]).movedim(-1, 1)).square().sum(1)
    return scale * (error * weight).sum() / weight.sum().clamp_min(1e-6)
