"""Soft Dice loss."""

from __future__ import annotations

from torch import Tensor

from napari_segplugin.losses.overlap import mean_of_present, overlap, ratio


def dice(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    squared: bool = False,
    background: bool = False,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    r"""Soft Dice loss, averaged over the classes that are present.

    .. math:: L = 1 - \frac{1}{|P|} \sum_{c \in P}
              \frac{2 \sum_i w_i p_{ic} g_{ic} + s}{\sum_i w_i p_{ic}^q + \sum_i w_i g_{ic} + s}

    with :math:`q = 2` when `squared` (Milletari et al. 2016, arXiv 1606.04797) and 1 otherwise. A class without a
    known voxel in the batch is left out of P: a patch of scribbles must not be punished for classes it does not
    show. (Its false alarms are still punished through the other classes, since softmax sums to 1.)

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    squared : bool
    background : bool
        Count class 0 too. It is counted anyway when no other class is present.
    smooth : float
        s, in voxels.
    per_image : bool
        Mean over the images instead of pooling their voxels: small objects in one image count as much as large ones
        in another, but images with few voxels of a class make it noisy.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction; :math:`1 - s / (n + s)`, near 1, for the worst, with n voxels guessed and true;
        0 where nothing is known. Where the truth is all background, the background is judged.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[[[-50.0, 50.0]], [[50.0, -50.0]]]])
    >>> float(dice(logits, torch.tensor([[[1, 0]]]), torch.ones(1, 1, 2)))
    0.0
    """
    sums = overlap(logits, target, weight, squared=squared, per_image=per_image)
    score = ratio(2 * sums.both + smooth, sums.guessed + sums.actual + smooth)
    return mean_of_present(1 - score, sums.actual, background)
