"""A regulariser that carries strokes to their surroundings: neighbours that look alike should be told alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

RADIUS = {2: 5, 3: 3}
"""How far two voxels of a pair may lie apart along an axis."""


def gated_crf(
    logits: Tensor,
    image: Tensor,
    seen: Tensor,
    *,
    spacing: Sequence[float] | None = None,
    shifts: int = 10,
    sigma_intensity: float = 0.1,
    sigma_position: float = 3.0,
) -> Tensor:
    r"""Gated conditional random field, as a loss on unlabelled voxels too.

    .. math:: L = \frac{\sum_{(i,j)} k_{ij} \left(1 - \sum_c p_{ic}\, p_{jc}\right)}{\sum_{(i,j)} k_{ij}},\qquad
              k_{ij} = s_i s_j \exp\left(-\frac{|x_i - x_j|^2}{2 \sigma_x^2} - \frac{|I_i - I_j|^2}{2 \sigma_I^2}\right)

    over pairs of voxels within a window (Obukhov et al. 2019, arXiv 1906.04651, eq. 4 to 7, with the Potts model). `s` is
    the gate: 1 where there is image, 0 beyond its border. Two things differ from the paper: the sum is divided by the sum
    of the kernels, so the value does not depend on the size of the window, and each call looks at a few random shifts of
    the window and not at all of them, which has the same mean and costs a tenth.

    Parameters
    ----------
    logits : (N, K, [Z,] Y, X) Tensor
    image : (N, C, [Z,] Y, X) Tensor
        Normalised to about [0, 1].
    seen : (N, [Z,] Y, X) Tensor
        1 inside the image.
    spacing : sequence of float, optional
        Voxel size along [Z,] Y, X.
    shifts : int
        Random shifts that are looked at.
    sigma_intensity : float
        Difference of intensities at which two voxels begin to count as different.
    sigma_position : float
        Distance over which voxels pull at each other, in the smallest voxel side.

    Returns
    -------
    scalar Tensor
        0 where all like neighbours are told alike with certainty; (K - 1) / K for uniform probabilities; 0 where nothing
        is seen.

    Examples
    --------
    >>> zeros = torch.zeros(1, 2, 8, 8)
    >>> round(float(gated_crf(zeros, torch.zeros(1, 1, 8, 8), torch.ones(1, 8, 8))), 4)
    0.5
    """
    ndim = logits.ndim - 2
    size = [1.0] * ndim if spacing is None else [s / min(spacing) for s in spacing]
    known = seen > 0
    p = logits.float().where(known.unsqueeze(1), logits.new_zeros((), dtype=torch.float32)).softmax(1)
    gate = known.float()
    energy, total = logits.new_zeros((), dtype=torch.float32), logits.new_zeros((), dtype=torch.float32)
    for shift in _draw(logits.shape[2:], size, shifts):
        here, there = _windows(shift)
        apart = sum((s * d) ** 2 for s, d in zip(size, shift, strict=True))
        difference = (image[here].float() - image[there].float()).square().sum(1)
        exponent = -apart / (2 * sigma_position**2) - difference / (2 * sigma_intensity**2)
        kernel = torch.exp(exponent) * gate[here[:1] + here[2:]] * gate[there[:1] + there[2:]]
        disagree = 1 - (p[here] * p[there]).sum(1)
        energy = energy + (kernel * disagree).sum()
        total = total + kernel.sum()
    return energy / total.clamp_min(1e-6)


def _draw(shape: Sequence[int], size: Sequence[float], count: int) -> list[tuple[int, ...]]:
    """Random shifts of half the window, without the zero; drawn from torch's own generator, so a seed repeats them."""
    radius = RADIUS[len(shape)]
    reach = [min(int(radius / s), n - 1) for s, n in zip(size, shape, strict=True)]
    window = [s for s in product(*(range(-r, r + 1) for r in reach)) if s > (0,) * len(shape)]
    if not window:
        return []
    chosen = torch.randperm(len(window))[:count]
    return [window[int(i)] for i in chosen]


def _windows(shift: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of (N, C, ...) that pair each voxel with the one a shift further."""
    here = [slice(None, -d) if d > 0 else slice(-d, None) for d in shift]
    there = [slice(d, None) if d > 0 else slice(None, d or None) for d in shift]
    return (slice(None), slice(None), *here), (slice(None), slice(None), *there)


__all__ = ["RADIUS", "gated_crf"]
