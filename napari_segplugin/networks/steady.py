"""Convolutions whose bits do not depend on the size of the array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from napari_segplugin.networks.blocks import per_axis


class Steady(TorchFunctionMode):
    """On the CPU, in float32: each convolution gives a voxel the same bits however large the array around it is.

    PyTorch hands large arrays to oneDNN and small ones, or few threads, to kernels of its own, which add up in another
    order: a tile and the whole image would differ in the last bits, and by a voxel wherever a value lies at a threshold.
    Here oneDNN does them all; its sums follow channels and kernel alone.

    Examples
    --------
    >>> layer, x = torch.nn.Conv2d(4, 6, 3), torch.rand(1, 4, 300, 300)
    >>> with torch.inference_mode(), Steady():
    ...     torch.equal(layer(x)[..., :10, :10], layer(x[..., :12, :12]))
    True
    """

    def __torch_function__(
        self,
        func: Callable[..., Tensor],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """Take the convolutions, let everything else pass."""
        if func in _CONVOLUTIONS:
            return _convolve(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


_TERMS = 128 * 27
"""Most terms of a sum that oneDNN is given at once."""
_CONVOLUTIONS: dict[Callable[..., Tensor], int] = {F.conv2d: 2, F.conv3d: 3}


def _convolve(
    func: Callable[..., Tensor],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution in oneDNN, or as it was asked for where that is not possible."""
    ndim = _CONVOLUTIONS[func]
    able = input.device.type == "cpu" and input.dtype is weight.dtype is torch.float32 and input.ndim == ndim + 2
    there = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled  # type: ignore[no-untyped-call]
    if isinstance(padding, str) or not (able and there):
        return func(input, weight, bias, stride, padding, dilation, groups)
    pads, strides, dilations = (per_axis(ndim, n) for n in (padding, stride, dilation))
    if weight[0].numel() == 1 and groups == 1 and set(pads) == {0} and set(strides) == {1}:
        # one product and one sum, which oneDNN rounds once or twice, by size
        product = input * weight.view(1, -1, *[1] * ndim)
        return product if bias is None else product + bias.view(1, -1, *[1] * ndim)
    if groups == 1 and weight[0].numel() > _TERMS:
        return _by_parts(input, weight, bias, pads, strides, dilations)
    return torch.mkldnn_convolution(input, weight, bias, pads, strides, dilations, groups)


def _by_parts(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pads: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Tensor:
    """Sums of so many terms oneDNN breaks up by the size of the array (seen with AVX-512 and AMX): break them up here."""
    step = max(1, _TERMS // weight[0, 0].numel())
    total: Tensor = torch.mkldnn_convolution(input[:, :step], weight[:, :step], bias, pads, strides, dilations, 1)
    for first in range(step, weight.shape[1], step):
        part = slice(first, first + step)
        total += torch.mkldnn_convolution(input[:, part], weight[:, part], None, pads, strides, dilations, 1)
    return total


__all__ = ["Steady"]
