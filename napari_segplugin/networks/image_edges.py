"""Where the intensity changes: Canny's edges in 2D and the length of the gradient, as fixed steps of torch.

Both look no further than a fixed number of voxels, so tiles give what the whole image gives, and both run inside a network
on any device. Nothing here is learnt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

SIGMA = 1.0
LOW, HIGH = 0.03, 0.08
"""Canny's thresholds: change of intensity a voxel, for images between 0 and 1."""
ROUNDS = 16
"""Voxels that a weak edge may run on from a strong one."""


def smoothing_radius(sigma: float) -> int:
    """Voxels that the Gaussian looks to each side: three sigma."""
    return int(3 * sigma + 0.5)


def gradient_reach(sigma: float = SIGMA) -> int:
    """Voxels that :func:`gradient_magnitude` looks to each side."""
    return smoothing_radius(sigma) + 1


def canny_reach(sigma: float = SIGMA, rounds: int = ROUNDS) -> int:
    """Voxels that :func:`canny` looks to each side: the gradient, its neighbours, and the rounds of hysteresis."""
    return gradient_reach(sigma) + 1 + rounds


def weighted(x: Tensor, axis: int, weights: Sequence[float]) -> Tensor:
    """Correlate along one axis with an odd number of weights; the border is repeated.

    Written with slices and not as a convolution, so that automatic half precision leaves it alone.

    Examples
    --------
    >>> weighted(torch.tensor([[[[1.0, 2.0, 4.0]]]]), 3, (-1, 0, 1))
    tensor([[[[1., 3., 2.]]]])
    """
    radius, n = len(weights) // 2, x.shape[axis]
    pads = [0, 0] * (x.ndim - 1 - axis) + [radius, radius] + [0, 0] * (axis - 2)
    wide = F.pad(x, pads, mode="replicate")
    parts = [w * wide.narrow(axis, k, n) for k, w in enumerate(weights) if w]
    return torch.stack(parts).sum(0) if len(parts) > 3 else sum(parts[1:], parts[0])


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian of the spatial axes, cut at three sigma."""
    radius = smoothing_radius(sigma)
    if not radius:
        return x
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    total = sum(weights)
    for axis in range(2, x.ndim):
        x = weighted(x, axis, [w / total for w in weights])
    return x


def gradient_magnitude(x: Tensor, sigma: float = SIGMA) -> Tensor:
    """Length of the gradient of the smoothed image, each channel by itself.

    Parameters
    ----------
    x : (N, C, [Z,] Y, X) Tensor
    sigma : float
        Of the Gaussian, in voxels.

    Returns
    -------
    (N, C, [Z,] Y, X) Tensor
        Change of intensity a voxel.
    """
    x = smooth(_precise(x), sigma)
    squares = [weighted(x, axis, (-0.5, 0.0, 0.5)) ** 2 for axis in range(2, x.ndim)]
    # a little under the root, since its slope at 0 is infinite
    return (sum(squares[1:], squares[0]) + 1e-12).sqrt()


def canny(x: Tensor, sigma: float = SIGMA, low: float = LOW, high: float = HIGH, rounds: int = ROUNDS) -> Tensor:
    """Canny's edges (1986): smoothed, Sobel, the crest along the gradient, weak edges that hang on strong ones.

    Differs from the paper on purpose: a weak edge counts when it hangs on a strong one within `rounds` voxels along the
    edge, and not however far away; otherwise one voxel could see across the whole image, and tiles would differ.

    Parameters
    ----------
    x : (N, 1, Y, X) Tensor
    sigma : float
    low, high : float
        Gradients from which a crest is a weak and a strong edge, in intensity a voxel.
    rounds : int

    Returns
    -------
    (N, 1, Y, X) Tensor
        1 on edges, 0 elsewhere.

    Examples
    --------
    >>> step = torch.zeros(1, 1, 5, 8); step[..., 4:] = 1
    >>> canny(step)[0, 0, 2].tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    with torch.no_grad():
        x = smooth(_precise(x), sigma)
        rise, slope = (-0.5, 0.0, 0.5), (0.25, 0.5, 0.25)
        gy, gx = weighted(weighted(x, 2, rise), 3, slope), weighted(weighted(x, 3, rise), 2, slope)
        size = (gy**2 + gx**2).sqrt()
        weak = (_crest(gy, gx, size) & (size >= low)).to(x.dtype)
        edges = weak * (size >= high).to(x.dtype)
        for _ in range(rounds):
            edges = F.max_pool2d(edges, 3, 1, 1) * weak
        return edges


def _precise(x: Tensor) -> Tensor:
    return x if x.dtype is torch.float64 else x.float()


def _crest(gy: Tensor, gx: Tensor, size: Tensor) -> Tensor:
    """Where the gradient is as long as at the two places one voxel up and down its direction, read between voxels."""
    height, width = size.shape[2:]
    wide = F.pad(size, (1, 1, 1, 1), mode="replicate")

    def at(dy: int, dx: int) -> Tensor:
        return wide[:, :, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    steep = gy.abs() >= gx.abs()
    share = torch.where(steep, gx.abs(), gy.abs()) / torch.where(steep, gy.abs(), gx.abs()).clamp_min(1e-12)
    falling = gy * gx >= 0
    crest = torch.ones_like(steep)
    for way in (1, -1):
        straight = torch.where(steep, at(way, 0), at(0, way))
        # the diagonal that lies on the side of the gradient
        against = torch.where(steep, at(way, -way), at(-way, way))
        diagonal = torch.where(falling, at(way, way), against)
        crest = crest & (size >= (1 - share) * straight + share * diagonal)
    return crest & (size > 0)


__all__ = ["canny", "canny_reach", "gradient_magnitude", "gradient_reach", "smooth", "smoothing_radius", "weighted"]
