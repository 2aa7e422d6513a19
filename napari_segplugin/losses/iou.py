"""Soft IoU (Jaccard) loss."""

from __future__ import annotations

from torch import Tensor

from napari_segplugin.losses.overlap import mean_of_present, overlap, ratio


def iou(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    squared: bool = False,
    background: bool = False,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    r"""Soft intersection over union, averaged over the classes that are present.

    .. math:: L = 1 - \frac{1}{|P|} \sum_{c \in P} \frac{TP_c + s}{TP_c + FP_c + FN_c + s}

    with :math:`TP = \sum w p g`, :math:`FP = \sum w p (1 - g)` and :math:`FN = \sum w (1 - p) g`. With `squared`, the
    union is :math:`\sum w (p^2 + g - p g)`: the Tanimoto form that Kayalibay et al. 2017 (arXiv 1701.03056) train with.
    Unlike Dice it grows linearly with the share of the union that is wrong. It is not the IoU-*balanced* loss.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    squared : bool
        Tanimoto form.
    background : bool
        Count class 0 too. It is counted anyway where no other class is present.
    smooth : float
        s, in voxels.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; :math:`1 - s / (n + s)`, near 1, for the worst, with n voxels in the union; 0 where
        nothing is known. Where the truth is all background, the background is judged.

    Examples
    --------
    One of four voxels is class 1, all probabilities are ½: TP = ½, FP = 1½, FN = ½, so 1 - 1.5 / 3.5.

    >>> import torch
    >>> round(float(iou(torch.zeros(1, 2, 1, 4), torch.tensor([[[1, 0, 0, 0]]]), torch.ones(1, 1, 4))), 4)
    0.5714
    """
    both, guessed, actual = overlap(logits, target, weight, squared=squared, per_image=per_image)
    score = ratio(both + smooth, guessed + actual - both + smooth)
    return mean_of_present(1 - score, actual, background)
