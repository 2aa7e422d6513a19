"""Losses: one function each, one call shape: ``(logits, target, weight) -> scalar``. Listing imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from napari_segplugin.core import InputError, LossSpec, Registry, Row

if TYPE_CHECKING:
    from torch import Tensor

    Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

LOSSES = Registry("loss")
LOSSES.add(
    Row(
        "cross_entropy",
        "Weighted cross-entropy",
        "napari_segplugin.losses.cross_entropy:cross_entropy",
        "Rewards the right class at every voxel; steady gradients from the first step. Class weights lift rare classes.",
        "torch CrossEntropyLoss with a weight a voxel",
        options={"class_weights": None},
    )
)
LOSSES.add(
    Row(
        "dice",
        "Dice",
        "napari_segplugin.losses.dice:dice",
        "Rewards overlap of each class whatever its size, so small classes count as much as large ones.",
        "Milletari et al. 2016, arXiv 1606.04797",
        options={"squared": False, "background": False, "smooth": 1.0},
    )
)


def build_loss(spec: LossSpec) -> dict[str, tuple[float, Loss]]:
    """Turn a sum of losses into functions.

    Returns
    -------
    dict
        name -> (weight in the sum, function). A name that stands twice gets a number.

    Raises
    ------
    InputError
        If a loss or one of its options is not known, there is no term, or a weight is not positive.
    """
    if not spec.terms:
        raise InputError("Training needs at least one loss.", accepted=", ".join(LOSSES.names()))
    built: dict[str, tuple[float, Loss]] = {}
    for term in spec.terms:
        row = LOSSES[term.name]
        unknown = set(term.options) - set(row.options)
        if unknown:
            raise InputError(f"The loss {row.title} has no such options.", got=", ".join(sorted(unknown)), accepted=", ".join(row.options))
        if not term.weight > 0:
            raise InputError(f"The weight of the loss {row.title} must be positive.", got=term.weight)
        key, count = term.name, 2
        while key in built:
            key, count = f"{term.name} {count}", count + 1
        built[key] = (float(term.weight), partial(row.load(), **term.options))
    return built


__all__ = ["LOSSES", "build_loss"]
