"""How far a network sees, found by following the shapes of its layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_segplugin.networks.blocks import Detour, Parallel, per_axis

_LAYERS = (
    nn.modules.conv._ConvNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.Upsample,
)


def survey(network: nn.Module, in_channels: int, size: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Reach of a voxel, and product of the strides, of any network made of torch's layers.

    A probe without values runs through the network (torch's "meta" device), so nothing is computed. Every convolution,
    pooling and linear enlargement adds what it sees beyond its own window of the grid; of the branches of
    :class:`~napari_segplugin.networks.blocks.Parallel` the farthest-seeing counts, other branches are added up: never too
    little, at times a little too much. The window of the coarsest grid comes on top, once for a network that goes down
    and up, and once for each :class:`~napari_segplugin.networks.blocks.Detour`. Layers without a module (``F.conv2d``)
    are not seen; what stays within its window (repetition of voxels, unpooling, means over windows) need not be.

    Parameters
    ----------
    network : nn.Module
    in_channels : int
    size : sequence of int
        Size of the probe: one number a spatial axis, a multiple of all strides.

    Returns
    -------
    reach, window : tuple of int
        One number a spatial axis.

    Examples
    --------
    >>> survey(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)), 1, (8, 8))
    ((4, 4), (2, 2))
    """
    # a copy that shares nothing and weighs nothing: every weight is replaced by its shape
    shapes = {id(t): t.detach().to("meta") for t in (*network.parameters(), *network.buffers())}
    ghost = copy.deepcopy(network, shapes).eval()
    aside = {m for detour in ghost.modules() if isinstance(detour, Detour) for m in detour.modules()}
    seen: dict[nn.Module, list[int]] = {}
    window, grid = [1] * len(size), [1] * len(size)

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        maps = (inputs[0], output[0] if isinstance(output, tuple) else output)
        first, last = ([n // max(1, m) for n, m in zip(size, t.shape[2:], strict=True)] for t in maps)
        for widest in (window,) if module in aside else (window, grid):
            widest[:] = [max(values) for values in zip(widest, first, last, strict=True)]
        found = _beyond(module, first)
        if module in aside:
            found = [f + max(0, a - b) for f, a, b in zip(found, first, last, strict=True)]
        seen[module] = [sum(values) for values in zip(found, seen.get(module, [0] * len(size)), strict=True)]

    for module in ghost.modules():
        if isinstance(module, _LAYERS):
            module.register_forward_hook(hook)
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        ghost(torch.empty(1, in_channels, *size, device="meta", dtype=dtype))
    beyond = _total(ghost, seen, set(), len(size))
    return tuple(b + g - 1 for b, g in zip(beyond, grid, strict=True)), tuple(window)


def reach(network: nn.Module, in_channels: int) -> tuple[int, ...]:
    """Reach of a voxel of a network that has `multiple`: beyond it the input has no influence.

    Parameters
    ----------
    network : nn.Module
    in_channels : int

    Returns
    -------
    tuple of int
        One number a spatial axis.
    """
    multiple: tuple[int, ...] = network.multiple  # type: ignore[assignment]
    return survey(network, in_channels, [4 * m for m in multiple])[0]


def _beyond(layer: nn.Module, scale: Sequence[int]) -> list[int]:
    """Voxels of the image that a layer sees beyond its window of the grid; `scale` is the voxel that it reads."""
    ndim = len(scale)
    if isinstance(layer, nn.Upsample):
        linear = layer.mode != "nearest"
        factors = layer.scale_factor if isinstance(layer.scale_factor, tuple) else (layer.scale_factor,) * ndim
        # a voxel in the lower half of its window looks at the window before, in the upper half at the one after
        return [int(f) // 2 * (s // int(f)) * linear for f, s in zip(factors, scale, strict=True)]  # type: ignore[arg-type]
    kernel, stride, padding = (per_axis(ndim, getattr(layer, k)) for k in ("kernel_size", "stride", "padding"))
    dilation = per_axis(ndim, getattr(layer, "dilation", 1))
    rows = zip([d * (k - 1) for d, k in zip(dilation, kernel, strict=True)], stride, padding, scale, strict=True)
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        return [_beyond_transposed(span, s, p) * (a // s) for span, s, p, a in rows]
    return [max(p, span - p - s + 1, 0) * a for span, s, p, a in rows]


def _beyond_transposed(span: int, stride: int, padding: int) -> int:
    """Voxels of the finer grid, over all places that a voxel may have in its window of the coarser one."""
    found = 0
    for place in range(stride):
        last = (place + padding) // stride
        first = -((span - place - padding) // stride)
        found = max(found, last * stride - place, place - first * stride - (stride - 1))
    return found


def _total(module: nn.Module, seen: dict[nn.Module, list[int]], counted: set[nn.Module], ndim: int) -> list[int]:
    """Sum over the layers of a module, each once; the largest of parallel branches."""
    if module in counted:
        return [0] * ndim
    counted.add(module)
    parts = [_total(child, seen, counted, ndim) for child in module.children()]
    if isinstance(module, Parallel):
        return [max(values) for values in zip(*parts, strict=True)]
    return [sum(values) for values in zip(seen.get(module, [0] * ndim), *parts, strict=True)]


__all__ = ["reach", "survey"]
