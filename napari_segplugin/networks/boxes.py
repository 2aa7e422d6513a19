"""Boxes in any number of dimensions: overlap, deltas, suppression, RoIAlign, and masks in boxes.

A box is a (2, D) array: its lowest and its highest corner, axes in canonical order ([Z,] Y, X), in voxels. Voxel i covers
i to i + 1, so an object in the voxels 3 to 5 of an axis has a box from 3 to 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGEST_GROWTH = math.log(1000 / 16)


def volume(boxes: Tensor) -> Tensor:
    """Product of the sides, (...), of boxes (..., 2, D); 0 where a box is turned inside out."""
    return (boxes[..., 1, :] - boxes[..., 0, :]).clamp_min(0).prod(-1)


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Volume that each of the boxes (N, 2, D) shares with each of (M, 2, D), (N, M)."""
    shared = torch.ones((), dtype=a.dtype, device=a.device)
    for axis in range(a.shape[-1]):  # axis by axis, since memory is read in long rows then
        low = torch.maximum(a[:, 0, axis, None], b[:, 0, axis])
        shared = shared * (torch.minimum(a[:, 1, axis, None], b[:, 1, axis]) - low).clamp_min(0)
    return shared


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each of the boxes (N, 2, D) with each of (M, 2, D), (N, M).

    Examples
    --------
    >>> iou(torch.tensor([[[0.0, 0.0], [2.0, 2.0]]]), torch.tensor([[[0.0, 1.0], [2.0, 3.0]]]))
    tensor([[0.3333]])
    """
    shared = intersection(a, b)
    union = volume(a)[:, None] + volume(b)[None] - shared
    return shared / union.clamp_min(torch.finfo(shared.dtype).tiny)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """How to get from anchors to boxes: shift of the centre in sizes of the anchor, and log of the growth.

    Ren et al. 2015 (arXiv 1506.01497), eq. 2, for any number of axes.

    Parameters
    ----------
    boxes, anchors : (..., 2, D) Tensor

    Returns
    -------
    (..., 2, D) Tensor
        First the shifts, then the logs.
    """
    size, anchor = boxes[..., 1, :] - boxes[..., 0, :], anchors[..., 1, :] - anchors[..., 0, :]
    shift = (boxes.sum(-2) - anchors.sum(-2)) / 2 / anchor
    return torch.stack((shift, (size / anchor).log()), -2)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The boxes that :func:`encode` describes; growth is limited to 1000/16 so that no number overflows."""
    anchor = anchors[..., 1, :] - anchors[..., 0, :]
    centre = anchors.sum(-2) / 2 + deltas[..., 0, :] * anchor
    half = anchor * deltas[..., 1, :].clamp(max=_LARGEST_GROWTH).exp() / 2
    return torch.stack((centre - half, centre + half), -2)


def clip(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Boxes (..., 2, D) cut to an image of `size`."""
    return torch.minimum(boxes.clamp_min(0), boxes.new_tensor(list(size)))


def suppress(
    boxes: Tensor, scores: Tensor, overlap: float, groups: Tensor | None = None, *, block: int = 1024
) -> Tensor:
    """Greedy non-maximum suppression: from the best score down, keep a box unless a kept one overlaps it.

    The result is exactly that of the loop over single boxes. Blocks of boxes are taken at once: first those that a kept
    box of an earlier block overlaps fall, then "fall if a box that stays overlaps you" is repeated within the block until
    nothing changes, which settles box after box from the best one down.

    Parameters
    ----------
    boxes : (N, 2, D) Tensor
    scores : (N,) Tensor
    overlap : float
        A box falls where its IoU with a kept one is larger.
    groups : (N,) Tensor of int, optional
        Boxes of different groups (classes) leave each other alone.
    block : int

    Returns
    -------
    (K,) Tensor of int64
        What is kept, best score first.
    """
    order = scores.argsort(descending=True, stable=True)
    kept = order[:0]
    for start in range(0, len(order), block):
        part = order[start : start + block]
        for at in range(0, len(kept), 4 * block):  # in pieces: the table of a large image would not fit into memory
            part = part[~_overlapping(boxes, groups, kept[at : at + 4 * block], part, overlap).any(0)]
        above = _overlapping(boxes, groups, part, part, overlap).triu(1)
        stays = torch.ones(len(part), dtype=torch.bool, device=boxes.device)
        while True:
            now = ~(above & stays[:, None]).any(0)
            if torch.equal(now, stays):
                break
            stays = now
        kept = torch.cat((kept, part[stays]))
    return kept


def _overlapping(boxes: Tensor, groups: Tensor | None, a: Tensor, b: Tensor, overlap: float) -> Tensor:
    over = iou(boxes[a], boxes[b]) > overlap
    return over if groups is None else over & (groups[a][:, None] == groups[b][None])


def roi_align(
    features: Tensor,
    boxes: Tensor,
    image: Tensor,
    size: Sequence[int],
    *,
    scale: Sequence[float] | float = 1.0,
    sampling_ratio: int = 2,
    aligned: bool = True,
) -> Tensor:
    """Features in boxes, resampled to one size without rounding any coordinate (He et al. 2017, arXiv 1703.06870, sec. 3).

    Each bin is the mean of points on a regular grid in it; a point is interpolated linearly between the voxels around it.
    A point beyond the outermost voxel's centre takes that voxel's value, more than one voxel further out it is 0.

    Parameters
    ----------
    features : (N, C, [Z,] Y, X) Tensor
    boxes : (R, 2, D) Tensor
        In voxels of the image.
    image : (R,) Tensor of int64
        Which of the N each box lies in.
    size : sequence of int
        Bins along each axis.
    scale : float or sequence of float
        Size of the features as a share of the image, along each axis.
    sampling_ratio : int
        Points a bin along each axis; 0 means as many as the bin has voxels, rounded up, each box its own.
    aligned : bool
        True takes a voxel's centre for its position. False is the older way that is half a voxel off, with boxes at least
        one voxel wide.

    Returns
    -------
    (R, C, *size) Tensor
        float32 or float64.
    """
    features = features if features.dtype is torch.float64 else features.float()
    boxes, ndim = boxes.to(features.dtype), features.ndim - 2
    factor = boxes.new_tensor([scale] * ndim if isinstance(scale, float | int) else list(scale))
    low, high = (boxes * factor - (0.5 if aligned else 0.0)).unbind(1)
    extent = high - low if aligned else (high - low).clamp_min(1.0)
    if sampling_ratio > 0:
        return _bins(features, low, extent, image, size, (sampling_ratio,) * ndim)
    counts = (extent / extent.new_tensor(list(size))).ceil().clamp_min(1).long()
    out = features.new_zeros((len(boxes), features.shape[1], *size))
    for count in torch.unique(counts, dim=0):
        mine = (counts == count).all(1).nonzero()[:, 0]
        out = out.index_copy(0, mine, _bins(features, low[mine], extent[mine], image[mine], size, count.tolist()))
    return out


def _bins(
    features: Tensor, low: Tensor, extent: Tensor, image: Tensor, size: Sequence[int], points: Sequence[int]
) -> Tensor:
    """Means of `points` along each axis in each of `size` bins of boxes, (R, C, *size)."""
    places = [n * p for n, p in zip(size, points, strict=True)]
    found = _interpolate(features, low, extent, image, places)
    shape = [k for n, p in zip(size, points, strict=True) for k in (n, p)]
    parts = found.reshape(*found.shape[:2], *shape)
    return parts.mean(dim=[3 + 2 * i for i in range(len(size))])


def _interpolate(features: Tensor, low: Tensor, extent: Tensor, image: Tensor, places: Sequence[int]) -> Tensor:
    """Values at the centres of `places` even steps along each axis of boxes, (R, C, *places)."""
    ndim, grids = len(places), []
    inside = torch.ones((), dtype=torch.bool, device=low.device)
    for axis, count in enumerate(places):
        length = features.shape[2 + axis]
        steps = (torch.arange(count, device=low.device, dtype=low.dtype) + 0.5) / count
        at = low[:, axis, None] + extent[:, axis, None] * steps
        shape = [len(low), *(count if i == axis else 1 for i in range(ndim))]
        inside = inside & ((at >= -1) & (at <= length)).reshape(shape)
        # grid_sample counts from -1 to 1 between the outer edges of the first and last voxel
        grids.append(((2 * at + 1) / length - 1).reshape(shape).expand(-1, *places))
    grid = torch.stack(grids[::-1], -1)
    order, out = [], []
    for n, feature in enumerate(features.unbind(0)):
        mine = (image == n).nonzero()[:, 0]
        if not len(mine):
            continue
        flat = grid[mine].flatten(0, 1)[None]
        sampled = F.grid_sample(feature[None], flat, mode="bilinear", padding_mode="border", align_corners=False)
        out.append(sampled[0].reshape(-1, len(mine), *places).transpose(0, 1))
        order.append(mine)
    if not out:
        return features.new_zeros((0, features.shape[1], *places)) + features.sum() * 0
    values = torch.cat(out)[torch.cat(order).argsort()]
    return values * inside[:, None]


def box_means(maps: Tensor, boxes: Tensor) -> Tensor:
    """Mean of a map over the voxels of each box, by sums over corners; sides are rounded to whole voxels.

    Parameters
    ----------
    maps : ([Z,] Y, X) Tensor
    boxes : (N, 2, D) Tensor

    Returns
    -------
    (N,) Tensor of float64
        0 for a box outside the map.
    """
    sums = F.pad(maps.double(), [k for _ in range(maps.ndim) for k in (1, 0)])
    for axis in range(maps.ndim):
        sums = sums.cumsum(axis)
    corners = clip(boxes.round(), maps.shape).long()
    total = torch.zeros(len(boxes), dtype=torch.float64, device=maps.device)
    for side in product((0, 1), repeat=maps.ndim):
        sign = (-1) ** (maps.ndim - sum(side))
        total = total + sign * sums[tuple(corners[:, s, axis] for axis, s in enumerate(side))]
    return total / volume(corners).clamp_min(1)


def make_anchors(shape: Sequence[int], stride: Sequence[int], sides: Tensor) -> Tensor:
    """Anchors around the centre of each position of a feature map.

    Parameters
    ----------
    shape : sequence of int
        The feature map.
    stride : sequence of int
        Voxels of the image between its positions.
    sides : (A, D) Tensor
        Sides of the anchors of a position.

    Returns
    -------
    (positions × A, 2, D) Tensor
    """
    axes = [(torch.arange(n, device=sides.device) + 0.5) * s for n, s in zip(shape, stride, strict=True)]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, len(axes)).to(sides.dtype)
    return torch.stack((centres - sides / 2, centres + sides / 2), -2).flatten(0, 1)


def paste(mask: Tensor, box: Tensor, low: Sequence[int], high: Sequence[int]) -> Tensor:
    """A mask in its box as values of the voxels from `low` to `high`, linear between its cells.

    Parameters
    ----------
    mask : (M, M[, M]) Tensor
    box : (2, D) Tensor
    low, high : sequence of int
        The voxels that are wanted; what lies outside the box is 0.

    Returns
    -------
    Tensor of shape high - low
    """
    corner, far = box.tolist()
    grids, inside = [], torch.ones((), dtype=torch.bool, device=mask.device)
    for axis, (a, b) in enumerate(zip(low, high, strict=True)):
        at = (torch.arange(a, b, device=mask.device, dtype=mask.dtype) + 0.5 - corner[axis]) / max(
            far[axis] - corner[axis], 1e-6
        )
        shape = [len(at) if i == axis else 1 for i in range(mask.ndim)]
        inside = inside & ((at >= 0) & (at <= 1)).reshape(shape)
        grids.append((2 * at - 1).reshape(shape))
    shape = [b - a for a, b in zip(low, high, strict=True)]
    grid = torch.stack([g.expand(shape) for g in grids[::-1]], -1)
    values = F.grid_sample(mask[None, None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)
    return values[0, 0] * inside


__all__ = [
    "box_means",
    "clip",
    "decode",
    "encode",
    "intersection",
    "iou",
    "make_anchors",
    "paste",
    "roi_align",
    "suppress",
    "volume",
]
