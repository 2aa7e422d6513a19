"""The network of Kayalibay, Jensen, van der Smagt 2017 (arXiv 1701.03056), in 2D and 3D from one source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor, cat, nn

from napari_segplugin.networks.blocks import (
    ConvNorm,
    check_strides,
    conv,
    finish,
    initialise,
    linear_upsample,
    norm,
    pad_to_multiple,
    total_stride,
)
from napari_segplugin.networks.reach import reach

_TRANSPOSED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class Kayalibay(nn.Module):
    """Encoder and decoder whose maps of every scale are summed before one softmax.

    Strided convolutions in place of pooling, residual shortcuts in the encoder, PReLU throughout. Every level of the
    decoder gives K maps through a 1-wide convolution; those of a coarser level are enlarged linearly and added to those
    of the finer one, so that the coarse levels learn the rough shape and the fine ones correct it.

    Differs from the paper on purpose: normalisation and PReLU come after each convolution, not before it (they can then
    be folded into the convolutions at inference), a shortcut spans the second convolution of its level, which never
    changes the number of channels, and the default widths are twice the paper's 8, 16, 32, 64.

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    widths : sequence of int
        Channels of each level, full resolution first.
    strides : sequence of sequence of int, optional
        Steps between the levels, one number a spatial axis. 2 everywhere by default.
    deep_supervision : bool
        While training also return the sums of maps of the lower levels.

    Raises
    ------
    InputError
        If `strides` do not fit the levels.

    Examples
    --------
    >>> import torch
    >>> net = Kayalibay(3, 1, 3, widths=(4, 8)).eval()
    >>> net(torch.zeros(1, 1, 5, 13, 17)).shape
    torch.Size([1, 3, 5, 13, 17])
    """

    encoder_parts = ("down",)

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Sequence[int]] | None = None,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.deep_supervision = ndim, in_channels, deep_supervision
        self.strides = check_strides(ndim, strides, len(widths) - 1)
        self.multiple = total_stride(ndim, self.strides)
        self.down = nn.ModuleList([ConvNorm(ndim, in_channels, widths[0], act=_prelu(widths[0]))])
        self.down.extend(_Down(ndim, i, o, s) for (i, o), s in zip(pairwise(widths), self.strides, strict=True))
        below = [*(2 * w for w in widths[1:-1]), widths[-1]]
        self.up = nn.ModuleList(_Up(ndim, b, w, s) for b, w, s in zip(below, widths[:-1], self.strides, strict=True))
        self.heads = nn.ModuleList(conv(ndim, 2 * w, out_channels, 1, bias=True) for w in widths[:-1])
        self.enlarge = nn.ModuleList(linear_upsample(ndim, s) for s in self.strides[:-1])
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
        skips: list[Tensor] = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        outputs: list[Tensor] = []
        for level in reversed(range(len(self.up))):
            x = self.up[level](x, skips[level])
            maps = self.heads[level](x)
            outputs.insert(0, maps + self.enlarge[level](outputs[0]) if outputs else maps)
        return finish(outputs if self.training and self.deep_supervision else outputs[:1], size)


class _Down(nn.Module):
    """Strided convolution, then one with a shortcut around it."""

    def __init__(self, ndim: int, inputs: int, outputs: int, stride: Sequence[int]) -> None:
        super().__init__()
        self.step = ConvNorm(ndim, inputs, outputs, stride=stride, act=_prelu(outputs))
        self.conv = ConvNorm(ndim, outputs, outputs, act=None)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = self.step(x)
        y: Tensor = self.act(self.conv(x) + x)
        return y


class _Up(nn.Module):
    """Reduce the channels, enlarge by a transposed convolution, join the map of the encoder, convolve."""

    def __init__(self, ndim: int, inputs: int, width: int, stride: Sequence[int]) -> None:
        super().__init__()
        self.reduce = ConvNorm(ndim, inputs, width, 1, act=_prelu(width))
        beyond = tuple(s - 1 for s in stride)
        self.enlarge = _TRANSPOSED[ndim](width, width, 3, tuple(stride), 1, beyond, bias=False)
        self.norm, self.act = norm(ndim, width), nn.PReLU(width)
        self.join = ConvNorm(ndim, 2 * width, 2 * width, act=_prelu(2 * width))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Apply the block."""
        x = self.act(self.norm(self.enlarge(self.reduce(x))))
        y: Tensor = self.join(cat((skip, x), dim=1))
        return y


def _prelu(channels: int) -> Callable[[], nn.Module]:
    """PReLU with a slope for each channel (He et al. 2015, arXiv 1502.01852)."""
    return partial(nn.PReLU, channels)


__all__ = ["Kayalibay"]
