"""Patches from images by one random affine map: crop, rotation, flip, scaling and intensity in a single step.

Cropping and transforming at once means one interpolation, no empty corners, and a cost that depends on the patch, not
on the image. Image, target and weight go through the same map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_segplugin.core import AugmentSpec

IDENTITY = AugmentSpec(
    rotate=False, flip=False, scale=1.0, contrast=0.0, noise=0.0, blur=0.0, elastic=0.0, downsample=1.0
)
"""No augmentation: plain crops."""


def random_matrix(ndim: int, spacing: Sequence[float], spec: AugmentSpec, generator: torch.Generator) -> Tensor:
    """A random linear map (ndim, ndim) in voxel units, axes in canonical order.

    Rotations and zooms act on physical positions, so a sphere stays a sphere where the planes lie far apart.
    """
    matrix = torch.eye(ndim, dtype=torch.float64)
    size = torch.tensor(list(spacing), dtype=torch.float64)
    if spec.rotate:
        cubes = float(size.max() / size.min()) < 1.5
        pairs = [(ndim - 2, ndim - 1)] + ([(0, 1), (0, 2)] if ndim == 3 and cubes else [])
        for i, j in pairs:
            angle = math.radians(_uniform(generator, -spec.angle, spec.angle))
            turn = torch.eye(ndim, dtype=torch.float64)
            turn[i, i] = turn[j, j] = math.cos(angle)
            turn[i, j], turn[j, i] = -math.sin(angle), math.sin(angle)
            matrix = turn @ matrix
    if spec.scale > 1:
        matrix = matrix * math.exp(_uniform(generator, -math.log(spec.scale), math.log(spec.scale)))
    matrix = torch.diag(1 / size) @ matrix @ torch.diag(size)
    if spec.flip:
        signs = torch.randint(0, 2, (ndim,), generator=generator).double() * 2 - 1
        signs[[axis not in spec.flip_axes for axis in "ZYX"[-ndim:]]] = 1
        matrix = matrix @ torch.diag(signs)
    return matrix.float()


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return float(torch.rand((), generator=generator)) * (high - low) + low


def sample_grid(matrix: Tensor, centre: Sequence[float], patch: Sequence[int]) -> Tensor:
    """Positions (*patch, ndim) in the image, voxel units, of each voxel of a patch around `centre`; where `matrix` is."""
    axes = [torch.arange(n, dtype=torch.float32, device=matrix.device) - (n - 1) / 2 for n in patch]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    return grid @ matrix.T + torch.tensor(list(centre), dtype=torch.float32, device=matrix.device)


def elastic_shift(
    patch: Sequence[int], spacing: Sequence[float], spec: AugmentSpec, generator: torch.Generator, cell: float = 32.0
) -> Tensor | None:
    """A smooth random displacement (*patch, ndim) in voxels of the patch, or None where it is switched off.

    Drawn at the knots of a grid about `cell` voxels wide and interpolated between them, so that neighbouring voxels move
    alike. The shift is physical: along an axis of long voxels it is fewer voxels.
    """
    if spec.elastic <= 0:
        return None
    ndim, finest = len(patch), min(spacing)
    knots = [max(2, round(n * s / finest / cell) + 1) for n, s in zip(patch, spacing, strict=True)]
    field = torch.rand((1, ndim, *knots), generator=generator) * 2 - 1
    mode = "bicubic" if ndim == 2 else "trilinear"
    smooth = F.interpolate(field, size=tuple(patch), mode=mode, align_corners=True)[0].movedim(0, -1)
    return smooth.clamp(-1, 1) * spec.elastic * torch.tensor([finest / s for s in spacing])


def cut(volume: Tensor, grid: Tensor, *, nearest: bool) -> Tensor:
    """Read a volume (C, [Z,] Y, X) at a grid of positions; outside, the border is repeated.

    Returns
    -------
    (C, *patch) Tensor
    """
    size = torch.tensor(volume.shape[1:], dtype=torch.float32, device=grid.device)
    # grid_sample wants x first, and -1 … 1 between the outer edges of the first and last voxel
    normal = ((grid + 0.5) / size * 2 - 1).flip(-1)
    mode = "nearest" if nearest else "bilinear"
    out: Tensor = F.grid_sample(volume[None], normal[None], mode=mode, padding_mode="border", align_corners=False)[0]
    return out


def inside(grid: Tensor, shape: Sequence[int]) -> Tensor:
    """Where the grid lies within an image of that shape, bool (*patch)."""
    size = torch.tensor(list(shape), dtype=torch.float32, device=grid.device)
    return ((grid > -0.5) & (grid < size - 0.5)).all(-1)


def vary_intensity(image: Tensor, spec: AugmentSpec, generator: torch.Generator) -> Tensor:
    """Random gamma, contrast, brightness, blur and noise, each patch its own; image (N, C, [Z,] Y, X) around [0, 1].

    The draws are made on the CPU, so that they are the same wherever the image is.
    """
    if spec.contrast <= 0 and spec.noise <= 0 and spec.blur <= 0 and spec.downsample <= 1:
        return image
    n = image.shape[0]
    shape = (n,) + (1,) * (image.ndim - 1)

    def draw(low: float, high: float) -> Tensor:
        return (torch.rand(shape, generator=generator) * (high - low) + low).to(image.device)

    if spec.contrast > 0:
        gamma = torch.exp(draw(-2 * spec.contrast, 2 * spec.contrast))
        positive = image.clamp_min(0)
        image = torch.where(image > 0, positive.clamp_min(1e-6) ** gamma, image)
        image = image * torch.exp(draw(-spec.contrast, spec.contrast)) + draw(-spec.contrast / 3, spec.contrast / 3)
    if spec.blur > 0:
        image = _blur_some(image, spec.blur, generator)
    if spec.downsample > 1:
        image = _coarsen_some(image, spec.downsample, generator)
    if spec.noise > 0:
        image = image + torch.randn(image.shape, generator=generator).to(image.device) * draw(0, spec.noise)
    return image


def _blur_some(image: Tensor, strongest: float, generator: torch.Generator) -> Tensor:
    """Blur a third of the patches."""
    image = image.clone()
    for i in range(image.shape[0]):
        if float(torch.rand((), generator=generator)) < 1 / 3:
            image[i] = _gaussian(image[i], _uniform(generator, 0.3, strongest))
    return image


def _coarsen_some(image: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Show a third of the patches as a coarser camera would see them: shrink by averaging, enlarge again."""
    image = image.clone()
    mode = "bilinear" if image.ndim == 4 else "trilinear"
    for i in range(image.shape[0]):
        if float(torch.rand((), generator=generator)) < 1 / 3:
            factor = _uniform(generator, 1.0, most)
            size = [max(1, round(n / factor)) for n in image.shape[2:]]
            small = F.interpolate(image[i : i + 1], size=size, mode="area")
            image[i] = F.interpolate(small, size=image.shape[2:], mode=mode, align_corners=False)[0]
    return image


def _gaussian(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (C, [Z,] Y, X), one axis after the other."""
    radius = max(1, math.ceil(2.5 * sigma))
    kernel = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float32) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(image.device)
    for axis in range(1, image.ndim):
        moved = image.movedim(axis, -1)
        flat = moved.reshape(-1, 1, moved.shape[-1])
        padded = F.pad(flat, (radius, radius), mode="replicate")
        image = F.conv1d(padded, kernel[None, None]).reshape(moved.shape).movedim(-1, axis)
    return image
