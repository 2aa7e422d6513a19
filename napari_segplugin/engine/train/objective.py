"""The loss of a batch: the terms that a person picked, the maps of the task, and what the network adds of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import LossSpec
from napari_segplugin.data.sampling import Batch
from napari_segplugin.engine.network import OFFSET_UNIT
from napari_segplugin.losses import LOSSES, build_loss
from napari_segplugin.losses.box_prior import box_pairs, box_projection
from napari_segplugin.losses.cross_entropy import cross_entropy
from napari_segplugin.losses.gated_crf import gated_crf
from napari_segplugin.networks.base import HasOwnLosses, Outputs, Truth

REGULARISER, TEACHER, KEEP = "neighbours alike", "pseudo-labels", "as before"
PROJECTION, PAIRS = "box projection", "box pairs"
BOX_WEIGHTS = {PROJECTION: 1.0, PAIRS: 1.0}
"""Weights of the terms that look into boxes, where somebody drew some."""
CERTAIN = 0.9
"""Probability from which the teacher is believed."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Terms:
    """Everything that is added up.

    Parameters
    ----------
    losses : mapping of str to (weight, function)
        What the person picked.
    rising : frozenset of str
        Those whose weight grows with the training, from 0 at the start to the weight given at half the budget.
    n_classes : int
    thing_classes : tuple of int
    kinds : tuple of str
        What each map after the classes is.
    map_weight : float
        Weight of those maps.
    regulariser, teacher, keep : float
        Weights of the three terms that look at unlabelled voxels too (:class:`napari_segplugin.core.TrainSpec`).
    """

    losses: Mapping[str, tuple[float, Loss]]
    rising: frozenset[str]
    n_classes: int
    thing_classes: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    map_weight: float = 2.0
    regulariser: float = 0.0
    teacher: float = 0.0
    keep: float = 0.0

    @classmethod
    def of(
        cls,
        spec: LossSpec,
        n_classes: int,
        *,
        thing_classes: tuple[int, ...] = (),
        kinds: tuple[str, ...] = (),
        map_weight: float = 2.0,
        regulariser: float = 0.0,
        teacher: float = 0.0,
        keep: float = 0.0,
        spacing: Sequence[float] | None = None,
        class_counts: Sequence[float] | None = None,
    ) -> Terms:
        """The terms of a sum of losses, for voxels of a size and labels of these counts."""
        built = build_loss(spec, spacing=spacing, class_counts=class_counts)
        rising = {key for key, term in zip(built, spec.terms, strict=True) if LOSSES[term.name].schedule == "rising"}
        return cls(built, frozenset(rising), n_classes, thing_classes, kinds, map_weight, regulariser, teacher, keep)

    def weight_of(self, name: str, share: float) -> float:
        """Weight of a term when `share` of the budget is used; terms of a network's own come weighted."""
        if name == REGULARISER:
            return self.regulariser
        if name == TEACHER:
            return self.teacher * min(1.0, 2 * share)
        if name == KEEP:
            return self.keep
        if name in BOX_WEIGHTS:
            return BOX_WEIGHTS[name]
        if name in self.losses:
            return self.losses[name][0] * (min(1.0, 2 * share) if name in self.rising else 1.0)
        return self.map_weight if name in self.kinds else 1.0

    def __call__(
        self,
        network: nn.Module,
        out: Tensor | tuple[Tensor, ...] | Outputs,
        batch: Batch,
        teacher: nn.Module | None = None,
        elder: nn.Module | None = None,
    ) -> dict[str, Tensor]:
        """Each term by name, before weighting; `elder` is the network from before the training.

        Those on the logits are summed over the outputs of deep supervision with weights 1, ½, ¼ … normalised to 1
        (Lee et al. 2015, arXiv 1409.5185; the weights are those of nnU-Net).
        """
        outputs = out if isinstance(out, Outputs) else Outputs(out if isinstance(out, tuple) else (out,))
        shares = [0.5**i for i in range(len(outputs.logits))]
        losses: dict[str, Tensor] = {}
        for share, logits in zip(shares, outputs.logits, strict=True):
            for name, value in self._dense(logits, _at_scale(batch, logits.shape[2:])).items():
                part = share / sum(shares) * value
                losses[name] = losses[name] + part if name in losses else part
        if outputs.logits and self.regulariser:
            classes = outputs.logits[0][:, : self.n_classes]
            losses[REGULARISER] = gated_crf(classes, batch.image, batch.seen, spacing=batch.spacing)
        if outputs.logits and batch.boxes is not None:
            probability = 1 - outputs.logits[0][:, : self.n_classes].float().softmax(1)[:, 0]
            losses[PROJECTION] = box_projection(probability, batch.boxes)
            losses[PAIRS] = box_pairs(probability, batch.image, batch.boxes)
        if outputs.logits and self.teacher and teacher is not None:
            losses[TEACHER] = self._pseudo(outputs.logits[0], batch, teacher)
        if outputs.logits and self.keep and elder is not None:
            losses[KEEP] = self._as_before(outputs.logits[0], batch, elder)
        if isinstance(network, HasOwnLosses):
            losses |= network.own_losses(outputs, self._truth(batch))
        return losses

    def total(self, losses: Mapping[str, Tensor], share: float) -> Tensor:
        """The weighted sum."""
        return torch.stack([self.weight_of(k, share) * v for k, v in losses.items()]).sum()

    def _dense(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        classes = logits[:, : self.n_classes]
        found = {name: f(classes, batch.classes, batch.weight) for name, (_, f) in self.losses.items()}
        if self.map_weight and self.kinds:
            for kind in dict.fromkeys(self.kinds):
                at = [i for i, k in enumerate(self.kinds) if k == kind]
                maps = logits[:, [self.n_classes + i for i in at]]
                found[kind] = MAP_LOSSES[kind](maps, batch.maps[:, at], batch.maps_weight, batch.instances)
        return found

    def _pseudo(self, logits: Tensor, batch: Batch, teacher: nn.Module) -> Tensor:
        """Cross-entropy with what the teacher is certain of, on voxels that nobody labelled (Tarvainen & Valpola 2017)."""
        with torch.no_grad():
            confidence, guess = teacher(batch.image)[:, : self.n_classes].float().softmax(1).max(1)
        sure = ((batch.weight == 0) & (batch.seen > 0) & (confidence > CERTAIN)).float()
        return cross_entropy(logits[:, : self.n_classes], guess, sure)

    def _as_before(self, logits: Tensor, batch: Batch, elder: nn.Module) -> Tensor:
        """How far the network has gone from what it said before, on voxels that nobody labelled (Li & Hoiem 2017).

        Kullback-Leibler divergence of the classes, and the mean absolute difference of the other maps; voxels count by how
        certain the old network was, so that what it did not know can be learnt.
        """
        n = self.n_classes
        with torch.no_grad():
            old = elder(batch.image).float()
            share = old[:, :n].softmax(1)
            sure = (2 * share.amax(1) - 1).clamp_min(0) ** 2
            weight = sure * ((batch.weight == 0) & (batch.seen > 0))
        parted = (share * (old[:, :n].log_softmax(1) - logits[:, :n].float().log_softmax(1))).sum(1)
        if self.kinds:
            linear = torch.tensor([kind == "offset" for kind in self.kinds], device=logits.device)
            shape = (1, -1, *(1,) * (logits.ndim - 2))
            before, now = (torch.where(linear.view(shape), m, m.sigmoid()) for m in (old[:, n:], logits[:, n:].float()))
            parted = parted + self.map_weight * (before - now).abs().mean(1)
        total: Tensor = (parted * weight).sum() / weight.sum().clamp_min(1e-6)
        return total

    def _truth(self, batch: Batch) -> Truth:
        return Truth(
            batch.image,
            batch.classes,
            batch.weight,
            batch.instances,
            batch.maps_weight,
            self.n_classes,
            self.thing_classes,
        )


def _masked(logits: Tensor, target: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Zeros where the weight is 0: a NaN of an unknown voxel must reach neither the sum nor the gradient."""
    known = w > 0
    return logits.float().where(known, logits.new_zeros((), dtype=torch.float32)), target.where(
        known, target.new_zeros(())
    )


def distance_loss(logits: Tensor, target: Tensor, weight: Tensor, instances: Tensor) -> Tensor:
    """Mean absolute error of sigmoid maps; voxels inside objects count three times, since most are outside."""
    w = weight.unsqueeze(1) * (1 + 2 * (target > 0))
    logits, target = _masked(logits, target, w)
    return ((logits.sigmoid() - target).abs() * w).sum() / w.sum().clamp_min(1e-6)


def heat_loss(logits: Tensor, target: Tensor, weight: Tensor, instances: Tensor) -> Tensor:
    """Mean squared error of sigmoid maps, the high places as heavy as all the rest together (Cheng et al. 2020)."""
    w = weight.unsqueeze(1).expand_as(target)
    logits, target = _masked(logits, target, w)
    error = (logits.sigmoid() - target) ** 2
    high = w * target
    return (error * w).sum() / w.sum().clamp_min(1e-6) + (error * high).sum() / high.sum().clamp_min(1e-6)


def offset_loss(logits: Tensor, target: Tensor, weight: Tensor, instances: Tensor) -> Tensor:
    """Mean absolute error of vectors inside objects; outside they mean nothing."""
    w = (weight * (instances > 0)).unsqueeze(1).expand_as(target)
    logits, target = _masked(logits, target / OFFSET_UNIT, w)
    return ((logits - target).abs() * w).sum() / w.sum().clamp_min(1e-6)


def probability_loss(logits: Tensor, target: Tensor, weight: Tensor, instances: Tensor) -> Tensor:
    """Mean cross-entropy of sigmoid maps."""
    w = weight.unsqueeze(1).expand_as(target)
    logits, target = _masked(logits, target, w)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * w).sum() / w.sum().clamp_min(1e-6)


MAP_LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "distance": distance_loss,
    "heat": heat_loss,
    "offset": offset_loss,
    "probability": probability_loss,
}


def _at_scale(batch: Batch, size: torch.Size) -> Batch:
    """Targets at the size of a lower output, by nearest neighbour. Offsets stay in voxels of the image."""
    if batch.classes.shape[1:] == size:
        return batch

    def shrink(x: Tensor) -> Tensor:
        return F.interpolate(x, size=size, mode="nearest")

    return replace(
        batch,
        classes=shrink(batch.classes[:, None].float())[:, 0].long(),
        weight=shrink(batch.weight[:, None])[:, 0],
        maps=shrink(batch.maps) if batch.maps.shape[1] else batch.maps.new_zeros((len(batch.maps), 0, *size)),
        maps_weight=shrink(batch.maps_weight[:, None])[:, 0],
        instances=shrink(batch.instances[:, None].float())[:, 0].long(),
        seen=shrink(batch.seen[:, None])[:, 0],
    )


__all__ = ["MAP_LOSSES", "Loss", "Terms", "distance_loss", "heat_loss", "offset_loss", "probability_loss"]
