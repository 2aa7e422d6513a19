"""How far a network sees, found by following the shapes of its layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from napari_segplugin.models.blocks import Parallel, per_axis

_LAYERS = (
    nn.modules.conv._ConvNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.Upsample,
)


def survey(network: nn.Module, in_channels: int, size: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a voxel sees beyond its window of the grid, and the window: of any network made of torch's layers.

    A probe without values runs through the network (torch's "meta" device), so nothing is computed. Every convolution,
    pooling and linear enlargement adds what it sees beyond its own window of the grid, times the size of its voxels;
    of the branches of :class:`~napari_segplugin.models.blocks.Parallel` the farthest-seeing counts. Other branches are
    added up: never too little, at times a little too much. Layers without a module (``F.conv2d``) are not seen; what
    stays within its window (repetition of voxels, unpooling, means over windows) need not be.

    Parameters
    ----------
    network : nn.Module
    in_channels : int
    size : sequence of int
        Size of the probe: one number a spatial axis, a multiple of all strides.

    Returns
    -------
    beyond, window : tuple of int
        One number a spatial axis; the window is the product of the strides.

    Examples
    --------
    >>> survey(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)), 1, (8, 8))
    ((3, 3), (2, 2))
    """
    ndim = len(size)
    seen: dict[nn.Module, list[int]] = {}
    window = [1] * ndim

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        first, last = ([n // max(1, m) for n, m in zip(size, t.shape[2:], strict=True)] for t in (inputs[0], output))
        window[:] = [max(values) for values in zip(window, first, last, strict=True)]
        before = seen.get(module, [0] * ndim)
        seen[module] = [r + b * s for r, b, s in zip(before, _beyond(module, ndim), first, strict=True)]

    # a copy that shares nothing and weighs nothing: every weight is replaced by its shape
    shapes = {id(t): t.detach().to("meta") for t in (*network.parameters(), *network.buffers())}
    ghost = copy.deepcopy(network, shapes).eval()
    for module in ghost.modules():
        if isinstance(module, _LAYERS):
            module.register_forward_hook(hook)
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        ghost(torch.empty(1, in_channels, *size, device="meta", dtype=dtype))
    return tuple(_total(ghost, seen, set(), ndim)), tuple(window)


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
    beyond, _ = survey(network, in_channels, [4 * m for m in multiple])
    # going down and up again, a voxel shares the window of the coarsest grid that it lies in
    return tuple(b + m - 1 for b, m in zip(beyond, multiple, strict=True))


def _beyond(layer: nn.Module, ndim: int) -> list[int]:
    """Voxels of the layer's input that it sees beyond its window of the grid, one number a spatial axis."""
    if isinstance(layer, nn.Upsample):
        return [0 if layer.mode == "nearest" else 1] * ndim
    kernel, stride, padding = (per_axis(ndim, getattr(layer, k)) for k in ("kernel_size", "stride", "padding"))
    dilation = per_axis(ndim, getattr(layer, "dilation", 1))
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        return [max((s - 1 + p) // s, (k - p) // s, 0) for k, s, p in zip(spans, stride, padding, strict=True)]
    return [max(p, k - p - s + 1, 0) for k, s, p in zip(spans, stride, padding, strict=True)]


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
