"""What a network that also predicts edges learns from: where the edges of the labels are, and that both agree.

Takikawa et al. 2019, arXiv 1907.05740, sections 3.2 and 3.3. Voxels whose class is unknown give no gradient, and near them
nothing is said of edges, since an edge may run through what is not known.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.networks.base import Truth
from napari_segplugin.networks.image_edges import gradient_magnitude, gradient_reach

_VISIBLE = 0.05
"""From this strength on, a change of class counts as an edge; far above the rounding of the root in the gradient."""


def widened(x: Tensor, radius: int) -> Tensor:
    """The largest value within `radius` voxels along each axis; x (N, C, [Z,] Y, X)."""
    pool = F.max_pool2d if x.ndim == 4 else F.max_pool3d
    for axis in range(x.ndim - 2):
        size = [1] * (x.ndim - 2)
        size[axis] = 2 * radius + 1
        x = pool(x, size, 1, [s // 2 for s in size])
    return x


def label_edges(truth: Truth, radius: int = 1) -> tuple[Tensor, Tensor]:
    """Where the edges of the labels are, and where that is known.

    An edge voxel has a voxel of another class, or of another object, within `radius` along each axis: with a radius of 1
    a boundary is two voxels wide, one on each side.

    Parameters
    ----------
    truth : Truth
    radius : int

    Returns
    -------
    target : (N, 1, [Z,] Y, X) Tensor of float
        1 on edges.
    known : (N, 1, [Z,] Y, X) Tensor of bool
        An edge is known from two known voxels that differ, its absence only where all around is known.
    """
    known = truth.weight > 0
    edge, sure = _differs(truth.classes, known, radius)
    if truth.instances.any():
        whole = known & (truth.whole > 0)
        between, certain = _differs(truth.instances, whole, radius)
        edge, sure = edge | between, sure & certain
    return edge.unsqueeze(1).float(), (known & (edge | sure)).unsqueeze(1)


def _differs(values: Tensor, known: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """Where known voxels of unequal value lie within a radius, and where all voxels within it are known."""
    v, none = values.unsqueeze(1).float(), float("-inf")
    at = known.unsqueeze(1)
    highest, lowest = widened(v.masked_fill(~at, none), radius), widened((-v).masked_fill(~at, none), radius)
    all_known = widened((~at).float(), radius) == 0
    return (at & (highest != -lowest)).squeeze(1), all_known.squeeze(1)


def balanced_edge_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of edges in which edges and the rest count the same, whatever their numbers (eq. 3 of the paper).

    The paper weighs each edge voxel by the share of the others and the other way round; with the sum of those weights as
    the divisor, that is the mean over edges and the mean over the rest, half each. Counts are of the whole batch.

    Parameters
    ----------
    logits, target : (N, 1, [Z,] Y, X) Tensor
    known : (N, 1, [Z,] Y, X) Tensor of bool

    Examples
    --------
    >>> logits, target = torch.zeros(1, 1, 1, 5), torch.tensor([[[[1.0, 0, 0, 0, 0]]]])
    >>> round(float(balanced_edge_loss(logits, target, torch.ones(1, 1, 1, 5, dtype=torch.bool))), 4)
    0.6931
    """
    precise = logits if logits.dtype is torch.float64 else logits.float()
    each = F.binary_cross_entropy_with_logits(
        precise.masked_fill(~known, 0.0), target.to(precise.dtype), reduction="none"
    )
    edge = (known & (target > 0)).to(each.dtype)
    rest = known.to(each.dtype) - edge
    halves = [(each * part).sum() / part.sum().clamp_min(1) for part in (edge, rest)]
    return 0.5 * (halves[0] + halves[1])


def dual_task(
    class_logits: Tensor, edge_logits: Tensor, truth: Truth, *, temperature: float = 1.0, sure: float = 0.8
) -> Tensor:
    """Classes and edges have to agree (section 3.3 of the paper).

    The first part compares the edges of the predicted classes with those of the labels, by the gradient of the smoothed
    class maps (eq. 4-6). Forward the class map is the most probable class; backward its gradient is that of a sample
    from the Gumbel softmax. The second part is the cross-entropy at voxels where the edge head is sure (eq. 7).

    Parameters
    ----------
    class_logits : (N, K, [Z,] Y, X) Tensor
    edge_logits : (N, 1, [Z,] Y, X) Tensor
        Only chooses voxels, gets no gradient from here.
    truth : Truth
    temperature : float
        Of the Gumbel softmax.
    sure : float
        Probability of an edge above which the second part counts.

    Returns
    -------
    Tensor
        A scalar.
    """
    known = truth.weight > 0
    precise = class_logits if class_logits.dtype is torch.float64 else class_logits.float()
    logits = precise.masked_fill(~known.unsqueeze(1), 0.0)
    wanted = F.one_hot(truth.classes, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    drawn, true = class_edges(straight_through(logits, temperature)), class_edges(wanted)
    inside = widened((~known).unsqueeze(1).float(), gradient_reach()) == 0
    visible = inside & ((drawn > _VISIBLE) | (true > _VISIBLE))
    first = _mean((drawn - true).abs(), visible)
    chosen = known & (edge_logits.detach().squeeze(1).float().sigmoid() > sure)
    second = _mean(F.cross_entropy(logits, truth.classes, reduction="none"), chosen)
    return first + second


def straight_through(logits: Tensor, temperature: float) -> Tensor:
    """The most probable class as 0 and 1; its gradient is that of a sample of the Gumbel softmax."""
    noise = -torch.empty_like(logits).exponential_().clamp_min(1e-20).log()
    soft = ((logits.log_softmax(1) + noise) / temperature).softmax(1)
    hard = F.one_hot(logits.argmax(1), logits.shape[1]).movedim(-1, 1).to(soft.dtype)
    return hard + soft - soft.detach()


def class_edges(maps: Tensor) -> Tensor:
    """How strongly each class map (N, K, [Z,] Y, X) changes at a voxel: the gradient of its smoothed map over √2."""
    return gradient_magnitude(maps) / math.sqrt(2)


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean over the places chosen; 0 with a gradient of 0 where there are none."""
    return values.where(where, 0.0).sum() / where.sum().clamp_min(1)


__all__ = ["balanced_edge_loss", "class_edges", "dual_task", "label_edges", "straight_through", "widened"]
