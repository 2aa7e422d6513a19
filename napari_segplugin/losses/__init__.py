"""Losses: one function each, one call shape: ``(logits, target, weight) -> scalar``. Listing imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_segplugin.core import InputError, LossSpec, LossTerm, Registry
from napari_segplugin.losses.row import LossRow
from napari_segplugin.losses.weights import class_weights

if TYPE_CHECKING:
    from torch import Tensor

    Loss: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

_HOME = "napari_segplugin.losses"

LOSSES = Registry("loss", LossRow, group="napari_segplugin.losses")
"""All losses, in the order of the lists."""

LOSSES.add(
    LossRow(
        "cross_entropy",
        "Weighted cross-entropy",
        f"{_HOME}.cross_entropy:cross_entropy",
        "Rewards the right class at each pixel; learns steadily from the first step. Class weights support rare "
        "classes.",
        "torch CrossEntropyLoss with a weight for each pixel",
        options={"class_weights": None},
        class_weights="class_weights",
    )
)
LOSSES.add(
    LossRow(
        "dice",
        "Dice",
        f"{_HOME}.dice:dice",
        "Rewards the overlap of each class whatever its size, so small classes count as much as large ones.",
        "Milletari et al. 2016, arXiv 1606.04797",
        options={"squared": False, "background": False, "smooth": 1.0, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "focal",
        "Focal",
        f"{_HOME}.focal:focal",
        "Cross-entropy that concentrates on difficult pixels; those already right hardly count. For much easy "
        "background.",
        "Lin et al. 2017, arXiv 1708.02002",
        options={"gamma": 2.0, "alpha": None},
        class_weights="alpha",
    )
)
LOSSES.add(
    LossRow(
        "generalised_dice",
        "Generalised Dice",
        f"{_HOME}.generalised_dice:generalised_dice",
        "One Dice over all classes, weighted by 1/volume², so the rarest class counts most. For one rare class "
        "beside large ones.",
        "Sudre et al. 2017, arXiv 1707.03237",
        options={"background": True, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "iou",
        "IoU (soft Jaccard)",
        f"{_HOME}.iou:iou",
        "Rewards the intersection over union of each class: like Dice, but penalises poor overlap more evenly.",
        "Tanimoto form: Kayalibay et al. 2017, arXiv 1701.03056",
        options={"squared": False, "background": False, "smooth": 1.0, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "iou_balanced",
        "IoU-balanced cross-entropy",
        f"{_HOME}.iou_balanced:iou_balanced",
        "Cross-entropy that counts more where a class already overlaps well, and less on hopeless patches or wrong "
        "labels.",
        "Wu et al. 2019, arXiv 1908.05641",
        options={"eta": 1.5},
        detached=True,
    )
)
LOSSES.add(
    LossRow(
        "tversky",
        "Tversky",
        f"{_HOME}.tversky:tversky",
        "Dice with separate weights for false positives (alpha) and false negatives (beta): finds more of rare or "
        "thin classes.",
        "Salehi et al. 2017, arXiv 1706.05721",
        options={"alpha": 0.3, "beta": 0.7, "background": False, "smooth": 1.0, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "focal_tversky",
        "Focal Tversky",
        f"{_HOME}.tversky:focal_tversky",
        "Tversky that keeps improving classes that are almost right: for small structures late in training.",
        "Abraham & Khan 2019, arXiv 1810.07842",
        options={"alpha": 0.3, "beta": 0.7, "gamma": 4 / 3, "background": False, "smooth": 1.0, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "lovasz_softmax",
        "Lovász-Softmax",
        f"{_HOME}.lovasz:lovasz_softmax",
        "The closest smooth approximation of IoU. Best added to cross-entropy, or used after it.",
        "Berman et al. 2018, arXiv 1705.08790",
        options={"background": True, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "lovasz_hinge",
        "Lovász hinge",
        f"{_HOME}.lovasz:lovasz_hinge",
        "IoU with a margin: pixels that are clearly right no longer count. Made for one class against the background.",
        "Berman et al. 2018, arXiv 1705.08790",
        options={"background": False, "per_image": False},
    )
)
LOSSES.add(
    LossRow(
        "boundary",
        "Boundary",
        f"{_HOME}.boundary:boundary",
        "Penalises errors by their distance from the true outline. Add it to Dice; its weight rises during training.",
        "Kervadec et al. 2019, arXiv 1812.07032",
        options={"spacing": None, "constant": True},
        schedule="rising",
    )
)
LOSSES.add(
    LossRow(
        "top_k",
        "Hardest voxels",
        f"{_HOME}.top_k:top_k",
        "Cross-entropy of the tenth of the pixels with the largest errors: borders and confusions. Needs clean labels.",
        "Wu et al. 2016, arXiv 1605.06885",
        options={"share": 0.1},
    )
)


def build_loss(
    spec: LossSpec, *, spacing: Sequence[float] | None = None, class_counts: Sequence[float] | None = None
) -> dict[str, tuple[float, Loss]]:
    """Turn a sum of losses into functions.

    Parameters
    ----------
    spec : LossSpec
    spacing : sequence of float, optional
        Voxel size of the patches along [Z,] Y, X; goes to losses with the option `spacing` that was not set by hand.
    class_counts : sequence of float, optional
        Labelled voxels of each class in all training data; turns a rule for class weights ("inverse", "median") into
        numbers. Without it, such a loss counts the voxels of each batch.

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
            raise InputError(
                f"The loss {row.title} has no such options.",
                got=", ".join(sorted(unknown)),
                accepted=", ".join(row.options),
            )
        if not term.weight > 0:
            raise InputError(f"The weight of the loss {row.title} must be positive.", got=term.weight)
        key, count = term.name, 2
        while key in built:
            key, count = f"{term.name} {count}", count + 1
        built[key] = (float(term.weight), partial(row.load(), **_fill(term, row, spacing, class_counts)))
    return built


def _fill(
    term: LossTerm, row: LossRow, spacing: Sequence[float] | None, counts: Sequence[float] | None
) -> Mapping[str, Any]:
    """The options of a term, with what only the data can say."""
    options = dict(term.options)
    if spacing is not None and "spacing" in row.options and options.get("spacing") is None:
        options["spacing"] = tuple(spacing)
    key = row.class_weights
    if counts is not None and isinstance(options.get(key), str):
        options[key] = class_weights(counts, str(options[key]))
    return options


__all__ = ["LOSSES", "LossRow", "build_loss", "class_weights"]
