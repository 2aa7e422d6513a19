"""What all losses do first: leave out what is not known, and compute precisely enough."""

from __future__ import annotations

import torch
from torch import Tensor


def known_logits(logits: Tensor, weight: Tensor) -> Tensor:
    """Logits in at least float32, 0 where the weight is 0.

    Masking the *result* of a loss is not enough: the gradient of softmax at a NaN is NaN, and 0 times NaN stays NaN.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    weight : (N, [Z,] Y, X) Tensor

    Returns
    -------
    (N, K, [Z,] Y, X) Tensor
    """
    precise = logits if logits.dtype is torch.float64 else logits.float()
    return precise.masked_fill((weight <= 0).unsqueeze(1), 0.0)


__all__ = ["known_logits"]
