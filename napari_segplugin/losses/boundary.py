"""Boundary loss, and the signed distances that it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from napari_segplugin.core import InputError
from napari_segplugin.losses.known import known_logits


def boundary(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    spacing: Sequence[float] | None = None,
    constant: bool = True,
) -> Tensor:
    r"""Boundary loss: how far from the true outline the prediction is wrong, averaged over known voxels and classes.

    .. math:: L = \frac{1}{|P|} \sum_{c \in P} \frac{\sum_i w_i\, (p_{ic} - g_{ic})\, \varphi_{ic}}{\sum_i w_i}

    with :math:`\varphi_c` the signed distance to the outline of class c, positive outside, see
    :func:`signed_distances` (Kervadec et al. 2019, arXiv 1812.07032). P are the foreground classes that have an outline in
    the batch. The authors' code leaves out the constant :math:`-\sum w g \varphi`, which has no gradient: its values are
    negative for good predictions. With it the loss is the distance between the outlines that the paper starts from: 0
    when they agree, and never negative.

    The rim inside is at distance 0, so by itself the loss hardly minds when something thin is not found. Add it to a loss
    of overlap; its weight rises during training (``schedule: "rising"`` in its row).

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        0 = unknown voxel = no gradient.
    spacing : sequence of float, optional
        Voxel size along [Z,] Y, X, in any unit; equal sizes by default.
    constant : bool
        False gives the values of the authors' code.

    Returns
    -------
    scalar Tensor
        In voxels of the smallest side. 0 for a perfect prediction; the mean absolute distance for the worst; 0 where
        no foreground class has an outline: nothing is known, all background, or all one class.

    Raises
    ------
    InputError
        If the spacing is not one positive number a spatial axis.

    Notes
    -----
    The distances are made of each batch as it comes, since patches are drawn and turned anew at each step. With three
    classes that takes about 0.04 s for 8 patches of 128 x 128 and 0.2 s for 2 of 32 x 64 x 64 on one core; on a GPU the
    target is copied to the CPU for it.

    Examples
    --------
    Class 1 is the middle of five voxels, and the prediction says so with one voxel too much at distance 1.

    >>> target = torch.tensor([[[0, 0, 1, 0, 0]]])
    >>> sure = torch.tensor([[[0.0, 0.0, 1.0, 1.0, 0.0]]]) * 100 - 50
    >>> round(float(boundary(torch.stack([-sure, sure], 1), target, torch.ones(1, 1, 5))), 4)
    0.2
    """
    probabilities = known_logits(logits, weight).softmax(1)[:, 1:]
    distance = signed_distances(target, weight, logits.shape[1], spacing).to(probabilities)
    if constant:
        classes = torch.arange(1, logits.shape[1], device=target.device).view(1, -1, *[1] * (target.ndim - 1))
        probabilities = probabilities - (target.unsqueeze(1) == classes).to(probabilities.dtype)
    w = weight.unsqueeze(1).to(probabilities.dtype)
    with_outline = (distance != 0).flatten(2).any(2).any(0).sum()
    return (w * probabilities * distance).sum() / (w.sum() * with_outline).clamp_min(1e-6)


def signed_distances(target: Tensor, weight: Tensor, n_classes: int, spacing: Sequence[float] | None = None) -> Tensor:
    """Distance of each voxel from the outline of each foreground class: positive outside, 0 at the rim, negative inside.

    Outside, it is the distance to the nearest voxel that is known to be of the class; inside, that to the nearest that is
    known to be of another, less 1 (Kervadec et al. 2019). Distances are measured in units of the smallest voxel side, so
    that only the shape of the voxel matters, and not the unit. (The authors' code subtracts 1 whatever the unit, which
    rewards holes where voxels are smaller than 1.)

    Parameters
    ----------
    target : (N, [Z,] Y, X) Tensor of int64
    weight : (N, [Z,] Y, X) Tensor
        Unknown where 0: neither inside nor outside of anything.
    n_classes : int
        K.
    spacing : sequence of float, optional
        Voxel size along [Z,] Y, X; equal sizes by default.

    Returns
    -------
    (N, K - 1, [Z,] Y, X) Tensor of float32
        Classes 1, 2 …, on the device of `target`. 0 at unknown voxels, and everywhere for a class that an image has no
        outline of: not there, or nothing else there.

    Raises
    ------
    InputError
        If the spacing is not one positive number a spatial axis.

    Examples
    --------
    >>> signed_distances(torch.tensor([[[0, 0, 1, 1, 1]]]), torch.ones(1, 1, 5), 2).tolist()
    [[[[2.0, 1.0, 0.0, -1.0, -2.0]]]]
    """
    sides = np.ones(target.ndim - 1) if spacing is None else np.asarray(spacing, np.float64)
    if sides.shape != (target.ndim - 1,) or not (np.isfinite(sides) & (sides > 0)).all():
        raise InputError(
            "The spacing does not fit the image.",
            got=spacing,
            accepted=f"{target.ndim - 1} positive numbers, one for each axis",
        )
    labels, known = target.cpu().numpy(), (weight > 0).cpu().numpy()
    distances = np.zeros((len(labels), n_classes - 1, *labels.shape[1:]), np.float32)
    for image, certain, maps in zip(labels, known, distances, strict=True):
        for c, distance in enumerate(maps, 1):
            inside, outside = certain & (image == c), certain & (image != c)
            if inside.any() and outside.any():
                sampling = sides / sides.min()
                distance[outside] = distance_transform_edt(~inside, sampling=sampling)[outside]
                distance[inside] = 1 - distance_transform_edt(~outside, sampling=sampling)[inside]
    return torch.from_numpy(distances).to(target.device)
