"""IoU-balanced losses: of boxes, as in the paper, and their meaning for maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.core import InputError
from napari_segplugin.losses.known import known_logits
from napari_segplugin.losses.overlap import overlap, ratio


def iou_balanced(logits: Tensor, target: Tensor, weight: Tensor, *, eta: float = 1.5) -> Tensor:
    r"""IoU-balanced cross-entropy of maps: foreground that overlaps well already is pulled harder.

    .. math:: L = \frac{\sum_i w_i\, b_i (-\log p_{i, g_i})}{\sum_i w_i}, \qquad
              b_i = \begin{cases} 1 & g_i = 0 \\
              \mathrm{IoU}_{n_i, g_i}^\eta\;
              \frac{\sum_{+} w (-\log p)}{\sum_{+} w\, \mathrm{IoU}^\eta (-\log p)} & g_i > 0 \end{cases}

    Wu et al. 2019 (arXiv 1908.05641) weight the classification of *boxes*, see :func:`iou_balanced_classification`. A map
    has no boxes. Its plain meaning here: one class in one image takes the place of a box. Each foreground voxel is
    weighted by the soft IoU of its class in its image, background voxels are not, and as in the paper the sum over the
    foreground is kept and the weights have no gradient. So the value is that of cross-entropy, and the *gradient* moves
    from classes and images that overlap badly to those that overlap well. With one foreground class in one image it is
    cross-entropy. It counters label noise and hopeless patches; it is no cure for a class that is not found at all.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    eta : float
        Strength; 0 is cross-entropy.

    Returns
    -------
    scalar Tensor
        The cross-entropy: 0 for a perfect prediction, ln K for uniform probabilities, the logit difference for a worst
        one, 0 where nothing is known.

    Examples
    --------
    >>> round(float(iou_balanced(torch.zeros(1, 2, 4, 4), torch.ones(1, 4, 4, dtype=torch.long), torch.ones(1, 4, 4))), 4)
    0.6931
    """
    logits = known_logits(logits, weight)
    weight = weight.to(logits.dtype)
    losses = F.cross_entropy(logits, target, reduction="none") * weight
    with torch.no_grad():
        both, guessed, actual = overlap(logits, target, weight, per_image=True)
        scores = ratio(both, guessed + actual - both)
        score = scores.gather(1, target.flatten(1)).view_as(target)
    return (losses * _balance(losses, target > 0, score, eta)).sum() / weight.sum().clamp_min(1e-6)


def iou_balanced_classification(logits: Tensor, target: Tensor, iou: Tensor, *, eta: float = 1.5) -> Tensor:
    r"""IoU-balanced classification loss of boxes.

    .. math:: L = \frac{1}{B} \Big( \sum_{+} b_i\, \mathrm{CE}_i + \sum_{-} \mathrm{CE}_i \Big), \qquad
              b_i = \mathrm{IoU}_i^\eta\; \frac{\sum_{+} \mathrm{CE}}{\sum_{+} \mathrm{IoU}^\eta\, \mathrm{CE}}

    (Wu et al. 2019, arXiv 1908.05641). Boxes that lie well get a higher score, so that the best box survives when
    overlapping ones are removed. The sum over positive boxes is kept; the weights have no gradient.

    Parameters
    ----------
    logits : (B, K) Tensor
        Of each sampled box; class 0 is the background.
    target : (B,) Tensor of int64
        0 marks a negative box.
    iou : (B,) Tensor
        IoU of each box, after regression, with its true box; not read where `target` is 0.
    eta : float
        1.5 in the paper; 0 is cross-entropy.

    Returns
    -------
    scalar Tensor
        The mean cross-entropy, with the gradient of the weighted one. 0 without boxes.

    Raises
    ------
    InputError
        If the numbers of boxes differ.

    Examples
    --------
    >>> logits = torch.zeros(2, 2, requires_grad=True)
    >>> iou_balanced_classification(logits, torch.tensor([1, 1]), torch.tensor([0.9, 0.1]), eta=1.0).backward()
    >>> [round(float(g), 3) for g in logits.grad[:, 1]]
    [-0.45, -0.05]
    """
    _same_count(len(logits), target, iou)
    precise = logits if logits.dtype is torch.float64 else logits.float()
    losses = F.cross_entropy(precise, target, reduction="none")
    return (losses * _balance(losses, target > 0, iou, eta)).sum() / max(len(target), 1)


def iou_balanced_localisation(
    deltas: Tensor,
    target: Tensor,
    iou: Tensor,
    *,
    power: float = 1.5,
    factor: float = 1.0,
    beta: float = 1 / 9,
    count: int | None = None,
) -> Tensor:
    r"""IoU-balanced localisation loss of positive boxes.

    .. math:: L = \frac{v}{n} \sum_i \mathrm{IoU}_i^\lambda \sum_m \mathrm{smooth}_{L1}(d_{im} - t_{im})

    (Wu et al. 2019, arXiv 1908.05641). Boxes that lie badly, whose large errors rule the plain loss, lose weight. The
    weights have no gradient.

    Parameters
    ----------
    deltas, target : (P, 2n) Tensor
        Predicted and true regression of each positive box in n dimensions, as the detector writes them.
    iou : (P,) Tensor
        IoU of the regressed box with its true box.
    power : float
        λ; 1.5 in the paper. 0 is smooth L1.
    factor : float
        v, so that the sum starts as large as without the weights: 2.4 to 3 in the paper, by data set.
    beta : float
        Where smooth L1 turns from a square to a line.
    count : int, optional
        n; the number of positive boxes by default. Mask R-CNN divides by all sampled boxes.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction and without boxes.

    Raises
    ------
    InputError
        If the numbers of boxes or coordinates differ.

    Examples
    --------
    >>> deltas, target = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 2.0]]), torch.zeros(2, 4)
    >>> round(float(iou_balanced_localisation(deltas, target, torch.tensor([1.0, 0.25]), beta=1.0)), 4)
    0.3438
    """
    _same_count(len(deltas), target, iou)
    if deltas.shape != target.shape:
        raise InputError("Boxes and true boxes differ.", got=f"shapes {tuple(deltas.shape)} and {tuple(target.shape)}")
    precise = deltas if deltas.dtype is torch.float64 else deltas.float()
    losses = F.smooth_l1_loss(precise, target.to(precise.dtype), beta=beta, reduction="none").sum(1)
    share = iou.detach().to(losses.dtype).clamp(0, 1) ** power
    return factor * (losses * share).sum() / max(len(deltas) if count is None else count, 1)


def _balance(losses: Tensor, positive: Tensor, iou: Tensor, eta: float) -> Tensor:
    """Weights IoU^eta of positives, scaled so that the sum of their losses is kept; 1 for negatives. No gradient."""
    losses = losses.detach()
    share = iou.detach().to(losses.dtype).clamp(0, 1) ** eta
    before, after = (losses * positive).sum(), (losses * share * positive).sum()
    # where nothing overlaps at all, or nothing is wrong, there is nothing to balance
    possible = positive & (after > 1e-12) & (after > 1e-6 * before)
    return torch.where(possible, share * before / after.clamp_min(1e-12), torch.ones_like(share))


def _same_count(boxes: int, *others: Tensor) -> None:
    if any(len(o) != boxes for o in others):
        raise InputError("Each box needs one target and one IoU.", got=f"{boxes} boxes, {[len(o) for o in others]}")
