"""Tversky and focal Tversky losses."""

from __future__ import annotations

from torch import Tensor

from napari_segplugin.losses.overlap import mean_of_present, overlap, ratio


def tversky(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    background: bool = False,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    r"""Tversky loss: Dice with its own price for false alarms and for misses.

    .. math:: L = 1 - \frac{1}{|P|} \sum_{c \in P} T_c, \qquad
              T_c = \frac{TP_c + s}{TP_c + \alpha FP_c + \beta FN_c + s}

    (Salehi et al. 2017, arXiv 1706.05721). :math:`\alpha = \beta = ½` is Dice with s doubled, 1 and 1 is soft IoU.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    alpha, beta : float
        Price of a false alarm and of a miss. The default finds more and invents more: for rare classes.
    background : bool
        Count class 0 too. It is counted anyway where no other class is present.
    smooth : float
        s, in voxels.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; near 1 for the worst; 0 where nothing is known. Where the truth is all background,
        the background is judged.

    Examples
    --------
    One of four voxels is class 1, all probabilities are ½: TP = ½, FP = 1½, FN = ½, so 1 - 1.5 / (1.5 + 0.45 + 0.35).

    >>> import torch
    >>> round(float(tversky(torch.zeros(1, 2, 1, 4), torch.tensor([[[1, 0, 0, 0]]]), torch.ones(1, 1, 4))), 4)
    0.3478
    """
    score, actual = _index(logits, target, weight, alpha, beta, smooth, per_image)
    return mean_of_present(1 - score, actual, background)


def focal_tversky(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    background: bool = False,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    r"""Focal Tversky loss: the Tversky loss of each class to the power of 1 / gamma.

    .. math:: L = \frac{1}{|P|} \sum_{c \in P} (1 - T_c)^{1 / \gamma}

    (Abraham & Khan 2019, arXiv 1810.07842; their alpha is the price of a miss, here that is beta, as in Tversky's.)
    With gamma above 1 the slope is steepest near the end: classes that are almost right are still improved.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    alpha, beta : float
        Price of a false alarm and of a miss.
    gamma : float
        1 to 3 in the paper, 4/3 the best there; 1 is the Tversky loss.
    background : bool
        Count class 0 too. It is counted anyway where no other class is present.
    smooth : float
        s, in voxels.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; near 1 for the worst; 0 where nothing is known. Below :math:`1 - T_c = 10^{-7}` it is
        0 with a gradient of 0, where the power would have an infinite one.

    Examples
    --------
    >>> import torch
    >>> round(float(focal_tversky(torch.zeros(1, 2, 1, 4), torch.tensor([[[1, 0, 0, 0]]]), torch.ones(1, 1, 4))), 4)
    0.4529
    """
    score, actual = _index(logits, target, weight, alpha, beta, smooth, per_image)
    wrong = 1 - score
    losses = wrong.clamp_min(1e-7) ** (1 / gamma) * (wrong > 1e-7)
    return mean_of_present(losses, actual, background)


def _index(
    logits: Tensor, target: Tensor, weight: Tensor, alpha: float, beta: float, smooth: float, per_image: bool
) -> tuple[Tensor, Tensor]:
    """The Tversky index of each image and class, and the size of the truth."""
    both, guessed, actual = overlap(logits, target, weight, per_image=per_image)
    bottom = both + alpha * (guessed - both) + beta * (actual - both) + smooth
    return ratio(both + smooth, bottom), actual
