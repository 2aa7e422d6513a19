"""Lovász-Softmax and Lovász hinge: the exact convex surrogate of IoU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.losses.known import known_logits
from napari_segplugin.losses.overlap import mean_of_present, ratio


def lovasz_softmax(
    logits: Tensor, target: Tensor, weight: Tensor, *, background: bool = True, per_image: bool = False
) -> Tensor:
    r"""Lovász-Softmax loss, averaged over the classes that are present.

    .. math:: L = \frac{1}{|P|} \sum_{c \in P} \overline{\Delta_{J_c}}(m(c)), \qquad m_i(c) = |g_{ic} - p_{ic}|

    where :math:`\overline{\Delta_J}` is the Lovász extension of the Jaccard loss (Berman et al. 2018, arXiv 1705.08790):
    errors sorted from the largest, each times the IoU that is lost by getting this voxel wrong too. In any dimension;
    unknown voxels have no part in sums or IoU, and fractional weights count as parts of a voxel.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    background : bool
        Count class 0 too, as the paper does. It is counted anyway where no other class is present.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction, 1 for the worst, 1 - 1/K for uniform probabilities, 0 where nothing is known. Where
        the truth is all background, the background is judged.

    Notes
    -----
    Its gradient is rough where little is right yet: train with cross-entropy first, or with both in a sum.

    Examples
    --------
    Two voxels of classes 0 and 1, with probability 0.9 and 0.6 of the truth. For class 0 the larger error, 0.4, is a false
    alarm that halves the IoU, and 0.1 a miss that ends it: 0.4 · ½ + 0.1 · ½. For class 1 the miss comes first: 0.4 · 1.

    >>> import torch
    >>> logits = torch.tensor([[[[0.9, 0.4]], [[0.1, 0.6]]]]).log()
    >>> round(float(lovasz_softmax(logits, torch.tensor([[[0, 1]]]), torch.ones(1, 1, 2))), 4)
    0.325
    """
    probabilities = known_logits(logits, weight).softmax(1)
    truth = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    return _mean_extension((truth - probabilities).abs(), truth, weight, background, per_image)


def lovasz_hinge(
    logits: Tensor, target: Tensor, weight: Tensor, *, background: bool = False, per_image: bool = False
) -> Tensor:
    r"""Lovász hinge loss of each foreground class against all others.

    .. math:: L = \frac{1}{|P|} \sum_{c \in P} \overline{\Delta_{J_c}}(m(c)), \qquad
              m_i(c) = \max(0, 1 - s_{ic} f_{ic}), \quad f_{ic} = z_{ic} - \log \sum_{k \ne c} e^{z_{ik}}

    with :math:`s = 1` in the class and -1 elsewhere (Berman et al. 2018, arXiv 1705.08790; Yu & Blaschko 2015). With two
    classes :math:`f = z_1 - z_0` and this is the binary loss of the paper; with more, f is the log-odds of the class,
    which is our extension. Unlike Lovász-Softmax it asks for a margin, and is 0 beyond it.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    background : bool
        Count class 0 against the others too. It is counted anyway where no other class is present.
    per_image : bool
        Mean over the images instead of pooling their voxels.

    Returns
    -------
    scalar Tensor
        0 for a perfect prediction with margins of at least 1; 1 for equal logits of two classes; 1 + z for the worst prediction with a
        logit difference of z; 0 where nothing is known. Where the truth is all background, the background is
        judged (the authors' code punishes the single worst voxel there).

    Examples
    --------
    >>> import torch
    >>> float(lovasz_hinge(torch.zeros(1, 2, 1, 4), torch.tensor([[[1, 0, 0, 0]]]), torch.ones(1, 1, 4)))
    1.0
    """
    z = known_logits(logits, weight)
    others = [torch.cat([z[:, :c], z[:, c + 1 :]], 1).logsumexp(1) for c in range(z.shape[1])]
    truth = F.one_hot(target, z.shape[1]).movedim(-1, 1).to(z.dtype)
    margins = (2 * truth - 1) * (z - torch.stack(others, 1))
    return _mean_extension((1 - margins).clamp_min(0), truth, weight, background, per_image)


def lovasz_extension(errors: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    r"""Lovász extension of the weighted Jaccard loss.

    With errors sorted from the largest, the i-th is multiplied by :math:`J_i - J_{i-1}`, where J is the Jaccard loss
    when the first i voxels are wrong. Written so that no two nearly equal numbers are subtracted.

    Parameters
    ----------
    errors : (..., V) Tensor
        Not negative.
    truth, weight : (..., V) Tensor
        1 in the class, 0 elsewhere; the part of a voxel that counts.

    Returns
    -------
    (...) Tensor
        0 where the class is absent.
    """
    errors, order = errors.sort(-1, descending=True)
    w = weight.expand_as(truth).gather(-1, order)
    inside = w * truth.gather(-1, order)
    outside = w - inside
    size = inside.sum(-1, keepdim=True)
    union = size + outside.cumsum(-1)
    still_right = (size - inside.cumsum(-1)).clamp_min(0)
    steps = ratio(inside + ratio(still_right * outside, union - outside), union)
    return (errors * steps.detach()).sum(-1)


def _mean_extension(errors: Tensor, truth: Tensor, weight: Tensor, background: bool, per_image: bool) -> Tensor:
    """Mean over present classes of the extension, per image or over the batch as one long row of voxels."""
    w = weight.to(truth.dtype).unsqueeze(1)
    if per_image:
        errors, truth, w = (x.flatten(2) for x in (errors, truth, w))
    else:
        errors, truth, w = (x.transpose(0, 1).flatten(1).unsqueeze(0) for x in (errors, truth, w))
    return mean_of_present(lovasz_extension(errors, truth, w), (w * truth).sum(-1), background)
