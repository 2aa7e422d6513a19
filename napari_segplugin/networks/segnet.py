"""SegNet in 2D and 3D from one source (Badrinarayanan, Kendall, Cipolla 2017, arXiv 1511.00561)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import InputError
from napari_segplugin.networks.blocks import (
    ConvNorm,
    check_strides,
    conv,
    finish,
    initialise,
    pad_to_multiple,
    pool,
    total_stride,
)
from napari_segplugin.networks.reach import reach

_UNPOOL = {2: F.max_unpool2d, 3: F.max_unpool3d}


class SegNet(nn.Module):
    """Encoder and decoder joined by the places of the maxima alone, so it needs little memory.

    Every stage of the encoder ends in max pooling that keeps where each maximum was; the decoder puts its values back
    there, zeros elsewhere, and fills in by convolutions. No map of the encoder is concatenated. All convolutions are
    3 wide, each followed by batch normalisation and ReLU, but for the last, which gives the logits.

    Differs from the paper on purpose: fewer channels by default (the paper's are VGG-16's: ``widths=(64, 128, 256,
    512, 512)`` with the same `convs`).

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    widths : sequence of int
        Channels of each stage, full resolution first.
    convs : sequence of int
        Convolutions of each stage, the same in the encoder and the decoder.
    strides : sequence of sequence of int, optional
        Pooling after each stage, one number a spatial axis. 2 everywhere by default.
    deep_supervision : bool
        While training also return logits after the lower stages of the decoder.

    Raises
    ------
    InputError
        If `convs` or `strides` do not fit the stages.

    Examples
    --------
    >>> net = SegNet(2, 1, 3, widths=(8, 16), convs=(2, 2)).eval()
    >>> net(torch.zeros(1, 1, 13, 17)).shape
    torch.Size([1, 3, 13, 17])
    """

    encoder_parts = ("down",)

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 64, 64),
        convs: Sequence[int] = (2, 2, 3, 3, 3),
        strides: Sequence[Sequence[int]] | None = None,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if len(convs) != len(widths) or min(convs) < 1:
            raise InputError(
                "The counts of convolutions do not fit the stages of the network.",
                got=tuple(convs),
                accepted=f"{len(widths)} numbers of at least 1, one for each stage",
            )
        self.ndim, self.in_channels = ndim, in_channels
        self.strides = check_strides(ndim, strides, len(widths))
        self.multiple = total_stride(ndim, self.strides)
        ends = [in_channels, *widths]
        self.down = nn.ModuleList(_chain(ndim, [i, *[o] * n]) for (i, o), n in zip(pairwise(ends), convs, strict=True))
        self.pools = nn.ModuleList(pool(ndim, s, places=True) for s in self.strides)
        # the last convolution of a stage of the decoder has the channels of the stage above; that of the top stage
        # gives the logits
        above = [widths[0], *widths[:-1]]
        self.up = nn.ModuleList(
            _chain(ndim, [*[w] * n, a] if k else [w] * n)
            for k, (w, a, n) in enumerate(zip(widths, above, convs, strict=True))
        )
        heads = len(widths) if deep_supervision else 1
        self.heads = nn.ModuleList(conv(ndim, w, out_channels, bias=True) for w in above[:heads])
        initialise(self)

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of a voxel: tiles with this halo are exact."""
        return reach(self, self.in_channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, C, [Z,] Y, X) to (N, K, [Z,] Y, X) logits.

        While training with deep supervision: a tuple, full resolution first.
        """
        x, size = pad_to_multiple(x, self.multiple)
        kept: list[tuple[Tensor, torch.Size]] = []
        for stage, pooling in zip(self.down, self.pools, strict=True):
            x = stage(x)
            shape = x.shape
            x, places = pooling(x)
            kept.append((places, shape))
        outputs: list[Tensor] = []
        for level in reversed(range(len(self.up))):
            x = self.up[level](unpool(x, *kept[level], self.strides[level]))
            if level < len(self.heads) and (level == 0 or self.training):
                outputs.insert(0, self.heads[level](x))
        return finish(outputs, size)


def unpool(x: Tensor, places: Tensor, shape: torch.Size, stride: Sequence[int]) -> Tensor:
    """Put values back where the maxima were.

    Parameters
    ----------
    x, places : (N, C, [z,] y, x) Tensor
        Values, and the flat index of each in its plane or volume, as max pooling returns it.
    shape : torch.Size
        (N, C, [Z,] Y, X) before pooling.
    stride : sequence of int

    Returns
    -------
    (N, C, [Z,] Y, X) Tensor
        Zeros elsewhere.
    """
    if not torch.compiler.is_compiling() and not x.is_meta:
        return _UNPOOL[len(stride)](x, places, tuple(stride), output_size=shape)
    # exchange formats know no unpooling: the same by writing into zeros
    empty = x.new_zeros((*shape[:2], math.prod(shape[2:])))
    return empty.scatter(2, places.flatten(2), x.flatten(2)).reshape(shape)


def _chain(ndim: int, channels: Sequence[int]) -> nn.Sequential:
    """Convolutions from each number of channels to the next."""
    return nn.Sequential(*(ConvNorm(ndim, i, o) for i, o in pairwise(channels)))


__all__ = ["SegNet", "unpool"]
