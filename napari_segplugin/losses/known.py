"""What all losses do first: leave out what is not known, and compute precisely enough."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from napari_segplugin.core import InputError
from napari_segplugin.losses.weights import class_weights


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


def weight_table(choice: Sequence[float] | str, classes: int, target: Tensor, weight: Tensor) -> Tensor:
    """The weight of each class, as numbers or by a rule.

    Parameters
    ----------
    choice : sequence of float, or str
        One number a class; or a rule of :func:`~napari_segplugin.losses.weights.class_weights`, applied to the known
        voxels of this batch. (Numbers from all labels are steadier: training replaces the rule by them.)
    classes : int
        K.
    target, weight : (N, [Z,] Y, X) Tensor

    Returns
    -------
    (K,) Tensor
        With the dtype and on the device of `weight`.

    Raises
    ------
    InputError
        If there is not one weight a class, or one is negative or not finite.
    """
    if isinstance(choice, str):
        counts = torch.bincount(target[weight > 0], minlength=classes)
        choice = class_weights(counts.tolist(), choice)
    table = torch.as_tensor(list(choice), dtype=weight.dtype, device=weight.device)
    if table.shape != (classes,) or not bool((torch.isfinite(table) & (table >= 0)).all()):
        raise InputError(
            "Class weights do not fit the classes.",
            got=", ".join(f"{w:g}" for w in choice),
            accepted=f"{classes} numbers from 0 up, one for each class, background first",
        )
    return table


__all__ = ["known_logits", "weight_table"]
