"""What a box around an object says of the map inside it: the object reaches every side, and like neighbours go together."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

SLABS = 12
"""A box is cut into so many slabs across each axis; each of them holds a part of the object."""
MARGIN = 0.2
"""A slab counts where the patch shows it from one end to the other, but for this share."""
ALIKE = 0.05
"""Difference of normalised intensities up to which two neighbours are taken for parts of the same thing."""
STEP = 2
"""Voxels from a voxel to the neighbours it is compared with."""


def box_projection(probability: Tensor, boxes: Tensor) -> Tensor:
    r"""Projection term: seen along any axis, the object fills its box.

    .. math:: L = 1 - \frac{2 \sum_g m_g}{\sum_g m_g^2 + G},\qquad m_g = \max_{i \in g} p_i

    over the G slabs g across the axes of all boxes: the Dice loss between the projections of the map and of the box (Tian et
    al. 2021, BoxInst, arXiv 2012.02310, eq. 5 and 6). Slabs that the patch cuts off are left out. That nothing lies outside
    of the boxes is left to the labels.

    Parameters
    ----------
    probability : (N, [Z,] Y, X) Tensor
        That a voxel belongs to an object.
    boxes : (N, 1 + ndim, [Z,] Y, X) Tensor
        As :func:`napari_segplugin.data.box_positions.box_positions`; 0 where nothing is seen.

    Returns
    -------
    scalar Tensor
        0 where every slab holds a certain voxel, 1 where none has any, 0 where there is no box.

    Examples
    --------
    >>> boxes = torch.zeros(1, 3, 4, 4); boxes[0, 0] = 1
    >>> boxes[0, 1:] = torch.stack(torch.meshgrid(torch.linspace(0, 1, 4), torch.linspace(0, 1, 4), indexing="ij"))
    >>> float(box_projection(torch.eye(4)[None], boxes)), float(box_projection(torch.zeros(1, 4, 4), boxes))
    (0.0, 1.0)
    """
    number = boxes[:, 0].round().long()
    inside = number > 0
    p = probability.float()[inside]
    if not p.numel():
        return probability.float().sum() * 0
    patch = torch.arange(len(number), device=number.device).reshape(-1, *(1,) * (number.ndim - 1)).expand_as(number)
    owner = patch[inside] * (int(number.max()) + 1) + number[inside]
    shares = [boxes[:, 1 + axis][inside] for axis in range(boxes.shape[1] - 1)]
    highest = [_slabs(p, owner, shares, axis) for axis in range(len(shares))]
    top = torch.cat(highest)
    if not top.numel():
        return probability.float().sum() * 0
    return 1 - 2 * top.sum() / (top.square().sum() + top.numel())


def _slabs(p: Tensor, owner: Tensor, shares: list[Tensor], axis: int) -> Tensor:
    """Largest probability in each slab across an axis that the patch shows whole."""
    slab = (shares[axis] * SLABS).long().clamp(0, SLABS - 1)
    groups, index = torch.unique(owner * SLABS + slab, return_inverse=True)
    top = p.new_zeros(groups.numel()).scatter_reduce(0, index, p, "amax", include_self=False)
    whole = torch.ones_like(top, dtype=torch.bool)
    for share in (s for a, s in enumerate(shares) if a != axis):
        low = torch.ones_like(top).scatter_reduce(0, index, share.float(), "amin")
        high = torch.zeros_like(top).scatter_reduce(0, index, share.float(), "amax")
        whole &= ((low <= MARGIN) & (high >= 1 - MARGIN)) | ((low == 0.5) & (high == 0.5))
    return top[whole]


def box_pairs(probability: Tensor, image: Tensor, boxes: Tensor) -> Tensor:
    r"""Pairwise term: neighbours that look alike are both of the object in the box, or both not.

    .. math:: L = -\frac{1}{E} \sum_{(i,j)} \log\left(p_i p_j + (1 - p_i)(1 - p_j)\right)

    over the E pairs of voxels two voxels apart, over faces and corners, of which one at least lies in a box and whose values
    differ by at most `ALIKE` (BoxInst, eq. 7 to 9, with a distance of normalised intensities in place of CIELAB). A voxel
    outside carries the background in; voxels of two boxes make no pair.

    Parameters
    ----------
    probability : (N, [Z,] Y, X) Tensor
    image : (N, C, [Z,] Y, X) Tensor
        Normalised to about [0, 1].
    boxes : (N, 1 + ndim, [Z,] Y, X) Tensor

    Returns
    -------
    scalar Tensor
        0 where alike neighbours are told alike with certainty, ln 2 for a map of 0.5, 0 where there is no box.

    Examples
    --------
    >>> boxes = torch.ones(1, 3, 4, 4)
    >>> round(float(box_pairs(torch.full((1, 4, 4), 0.5), torch.zeros(1, 1, 4, 4), boxes)), 3)
    0.693
    """
    number = boxes[:, 0].round()
    p = probability.float()
    total, pairs = p.sum() * 0, p.new_zeros(())
    for shift in product((-STEP, 0, STEP), repeat=number.ndim - 1):
        if shift <= (0,) * len(shift) or any(abs(d) >= n for d, n in zip(shift, number.shape[1:], strict=True)):
            continue
        here = (slice(None), *(slice(max(0, -d), n - max(0, d)) for d, n in zip(shift, number.shape[1:], strict=True)))
        there = (slice(None), *(slice(max(0, d), n - max(0, -d)) for d, n in zip(shift, number.shape[1:], strict=True)))
        colour = (slice(None), slice(None))
        difference = (image[colour + here[1:]].float() - image[colour + there[1:]].float()).square().sum(1).sqrt()
        one, other = number[here], number[there]
        together = (one + other > 0) & ((one == other) | (one == 0) | (other == 0))
        alike = (together & (difference <= ALIKE)).float()
        same = p[here] * p[there] + (1 - p[here]) * (1 - p[there])
        total = total - (alike * same.clamp_min(1e-6).log()).sum()
        pairs = pairs + alike.sum()
    return total / pairs.clamp_min(1)


__all__ = ["box_pairs", "box_projection"]
