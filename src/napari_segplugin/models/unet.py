"""U-Net in 2D and 3D from one source (Ronneberger et al. 2015, arXiv 1505.04597; Çiçek et al. 2016, arXiv 1606.06650)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, cat, nn

from napari_segplugin.core import InputError
from napari_segplugin.models.blocks import ConvBlock, conv, crop, initialise, pad_to_multiple, pool, upsample


class UNet(nn.Module):
    """Encoder and decoder joined by concatenation at every level.

    Differs from the paper on purpose: convolutions keep the size (so any size goes in and the same comes out),
    batch normalisation after each convolution, and repetition of voxels with a convolution in place of the
    transposed one (no checkerboard).

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    widths : sequence of int
        Channels of each level, full resolution first.
    strides : sequence of sequence of int, optional
        Pooling between the levels, one number a spatial axis. 2 everywhere by default. Give ``(1, 2, 2)`` first
        where the planes lie further apart than the pixels.
    residual : bool
        Add the input of each block to its output (He et al. 2016).
    deep_supervision : bool
        While training also return the maps of the lower decoder levels.
    dropout : float

    Examples
    --------
    >>> import torch
    >>> net = UNet(2, 1, 3, widths=(8, 16)).eval()
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
        widths: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Sequence[int]] | None = None,
        residual: bool = False,
        deep_supervision: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.ndim, self.deep_supervision = ndim, deep_supervision
        self.strides = [tuple(s) for s in strides] if strides else [(2,) * ndim] * (len(widths) - 1)
        if len(self.strides) != len(widths) - 1 or any(len(s) != ndim for s in self.strides):
            raise InputError(
                "The strides do not fit the levels of the network.",
                got=strides,
                accepted=f"{len(widths) - 1} entries of {ndim} numbers",
            )
        inputs = [in_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            ConvBlock(ndim, i, o, residual=residual, dropout=dropout if level == len(widths) - 1 else 0.0)
            for level, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        self.pools = nn.ModuleList(pool(ndim, s) for s in self.strides)
        self.reduce = nn.ModuleList(conv(ndim, w, v, 1) for v, w in pairwise(widths))
        self.up = nn.ModuleList(ConvBlock(ndim, 2 * v, v, residual=residual) for v in widths[:-1])
        heads = len(widths) - 1 if deep_supervision else 1
        self.heads = nn.ModuleList(conv(ndim, widths[i], out_channels, 1, bias=True) for i in range(heads))
        initialise(self)

    @property
    def multiple(self) -> tuple[int, ...]:
        """Product of all strides: tiles that start at its multiples see the same pooling grid as the whole image."""
        total = [1] * self.ndim
        for stride in self.strides:
            total = [t * s for t, s in zip(total, stride, strict=True)]
        return tuple(total)

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of a voxel: beyond it the input has no influence, so tiles with this halo are exact."""
        reach, scale = [0] * self.ndim, [1] * self.ndim
        scales = [tuple(scale)]
        for stride in self.strides:
            scale = [a * b for a, b in zip(scale, stride, strict=True)]
            scales.append(tuple(scale))
        for level, s in enumerate(scales):
            # two 3-wide convolutions going down and, but for the lowest level, two going up; pooling and
            # repetition look at most one voxel of the coarser level further
            count = 2 if level == len(scales) - 1 else 4
            reach = [r + count * a + (a if level else 0) for r, a in zip(reach, s, strict=True)]
        return tuple(reach)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, C, [Z,] Y, X) to (N, K, [Z,] Y, X) logits.

        While training with deep supervision: a tuple, full resolution first.
        """
        x, size = pad_to_multiple(x, self.multiple)
        skips: list[Tensor] = []
        for block, pooling in zip(self.down, [*self.pools, nn.Identity()], strict=True):
            x = block(x)
            skips.append(x)
            x = pooling(x)
        x = skips.pop()
        outputs: list[Tensor] = []
        for level in reversed(range(len(self.up))):
            x = self._merge(x, skips[level], level)
            if level < len(self.heads) and (level == 0 or self.training):
                outputs.insert(0, self.heads[level](x))
        full = crop(outputs[0], size)
        return (full, *outputs[1:]) if len(outputs) > 1 else full

    def _merge(self, x: Tensor, skip: Tensor, level: int) -> Tensor:
        """One step up: halve the channels, enlarge, join the map of the encoder."""
        x = upsample(self.reduce[level](x), self.strides[level])
        joined: Tensor = self.up[level](cat((skip, x), dim=1))
        return joined
