"""U-Net in 2D and 3D from one source (Ronneberger et al. 2015, arXiv 1505.04597; Çiçek et al. 2016, arXiv 1606.06650)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, cat, nn

from napari_segplugin.core import InputError
from napari_segplugin.networks.blocks import (
    AttentionGate,
    ConvBlock,
    ConvNorm,
    check_strides,
    conv,
    finish,
    initialise,
    pad_to_multiple,
    pool,
    total_stride,
    upsample,
)
from napari_segplugin.networks.reach import reach
from napari_segplugin.networks.resnet import RESNETS, PlainEncoder, ResNet, make_encoder


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
        Channels of each level, full resolution first. With a ResNet as encoder: those of the first level and of the
        decoder, the last repeated where there are fewer than levels.
    strides : sequence of sequence of int, optional
        Pooling between the levels, one number a spatial axis. 2 everywhere by default. Give ``(1, 2, 2)`` first
        where the planes lie further apart than the pixels.
    residual : bool
        Add the input of each block to its output (He et al. 2016).
    attention : bool
        Weigh the maps of the encoder by gates before they are joined (Oktay et al. 2018, arXiv 1804.03999).
    encoder : str
        "plain", or a ResNet by name ("resnet18", "resnet34", "resnet50"; He et al. 2016) below the first level.
    encoder_width : int
        Channels of the first stage of a ResNet; 64 is the one for which ImageNet weights exist.
    encoder_blocks : sequence of int, optional
        Residual blocks of each level of the encoder, ``(1, 3, 4, 6, 6, 6)`` in nnU-Net's ResEnc (Isensee et al. 2024,
        arXiv 2404.09556): strided convolutions in place of pooling, one convolution a level in the decoder.
    deep_supervision : bool
        While training also return the maps of the lower decoder levels.
    dropout : float
        Of the lowest level, where it consists of plain blocks.

    Raises
    ------
    InputError
        If the options do not go together.

    Examples
    --------
    >>> import torch
    >>> net = UNet(2, 1, 3, widths=(8, 16)).eval()
    >>> net(torch.zeros(1, 1, 13, 17)).shape
    torch.Size([1, 3, 13, 17])
    """

    encoder_parts = ("down", "encoder")

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Sequence[int]] | None = None,
        residual: bool = False,
        attention: bool = False,
        encoder: str = "plain",
        encoder_width: int = 64,
        encoder_blocks: Sequence[int] | None = None,
        deep_supervision: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels = ndim, in_channels
        self.encoder: PlainEncoder | ResNet | None = None
        self.pools = nn.ModuleList()
        _check(widths, strides, encoder, encoder_blocks)
        levels = 6 if encoder in RESNETS else len(widths)
        self.strides = check_strides(ndim, strides, levels - 1)
        self.multiple = total_stride(ndim, self.strides)
        if encoder in RESNETS:
            skips = self._make_resnet(encoder, in_channels, widths[0], encoder_width, residual)
        elif encoder_blocks:
            skips = self._make_residual(in_channels, widths, encoder_blocks)
        else:
            skips = self._make_plain(in_channels, widths, residual, dropout)
        wide = [*widths[: levels - 1], *[widths[-1]] * (levels - 1 - len(widths)), skips[-1]]
        self.reduce = nn.ModuleList(conv(ndim, w, v, 1) for v, w in pairwise(wide))
        self.gates = nn.ModuleList(
            AttentionGate(ndim, s, w, max(1, w // 2)) for s, w in zip(skips[:-1], wide[:-1], strict=True) if attention
        )
        self.up = nn.ModuleList(
            ConvNorm(ndim, s + w, w) if encoder_blocks else ConvBlock(ndim, s + w, w, residual=residual)
            for s, w in zip(skips[:-1], wide[:-1], strict=True)
        )
        heads = levels - 1 if deep_supervision else 1
        self.heads = nn.ModuleList(conv(ndim, wide[i], out_channels, 1, bias=True) for i in range(heads))
        initialise(self)

    def _make_plain(self, inputs: int, widths: Sequence[int], residual: bool, dropout: float) -> list[int]:
        """Two convolutions a level, pooling between; the channels of each level."""
        drops = [0.0] * (len(widths) - 1) + [dropout]
        self.down = nn.ModuleList(
            ConvBlock(self.ndim, i, o, residual=residual, dropout=d)
            for (i, o), d in zip(pairwise([inputs, *widths]), drops, strict=True)
        )
        self.pools = nn.ModuleList(pool(self.ndim, s) for s in self.strides)
        return list(widths)

    def _make_residual(self, inputs: int, widths: Sequence[int], blocks: Sequence[int]) -> list[int]:
        """Residual blocks, the first of each level with the stride; a stem of one convolution before them."""
        self.down = nn.ModuleList()
        before = widths[0]
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stem = [] if level else [ConvNorm(self.ndim, inputs, width)]
            stride = self.strides[level - 1] if level else 1
            first = ConvBlock(self.ndim, before, width, stride=stride, residual=True)
            rest = [ConvBlock(self.ndim, width, width, residual=True) for _ in range(count - 1)]
            self.down.append(nn.Sequential(*stem, first, *rest))
            before = width
        return list(widths)

    def _make_resnet(self, name: str, inputs: int, width: int, encoder_width: int, residual: bool) -> list[int]:
        """A level at full resolution, and a ResNet that reads the image beside it."""
        self.down = nn.ModuleList([ConvBlock(self.ndim, inputs, width, residual=residual)])
        self.encoder = make_encoder(name, self.ndim, inputs, width=encoder_width)
        return [width, *self.encoder.widths]

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of a voxel: beyond it the input has no influence, so tiles with this halo are exact."""
        return reach(self, self.in_channels)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map (N, C, [Z,] Y, X) to (N, K, [Z,] Y, X) logits.

        While training with deep supervision: a tuple, full resolution first.
        """
        x, size = pad_to_multiple(x, self.multiple)
        skips = self._encode(x)
        x = skips.pop()
        outputs: list[Tensor] = []
        for level in reversed(range(len(self.up))):
            x = self._merge(x, skips[level], level)
            if level < len(self.heads) and (level == 0 or self.training):
                outputs.insert(0, self.heads[level](x))
        return finish(outputs, size)

    def _encode(self, x: Tensor) -> list[Tensor]:
        """The map of every level, full resolution first."""
        if self.encoder is not None:
            return [self.down[0](x), *self.encoder(x)]
        maps: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pools[level - 1](x) if level and len(self.pools) else x)
            maps.append(x)
        return maps

    def _merge(self, x: Tensor, skip: Tensor, level: int) -> Tensor:
        """One step up: halve the channels, enlarge, join the map of the encoder."""
        x = upsample(self.reduce[level](x), self.strides[level])
        if self.gates:
            skip = self.gates[level](skip, x)
        joined: Tensor = self.up[level](cat((skip, x), dim=1))
        return joined


def _check(widths: Sequence[int], strides: object, encoder: str, blocks: Sequence[int] | None) -> None:
    """Options that shape the encoder have to go together."""
    if encoder not in ("plain", *RESNETS):
        raise InputError(f"There is no encoder named '{encoder}'.", accepted=", ".join(["plain", *RESNETS]))
    if encoder in RESNETS and (strides or blocks):
        raise InputError(
            "A ResNet has its own strides and blocks.",
            got=f"encoder {encoder} with strides {strides} and encoder_blocks {blocks}",
            accepted="encoder without strides and encoder_blocks",
        )
    if blocks and (len(blocks) != len(widths) or min(blocks) < 1):
        raise InputError(
            "The counts of residual blocks do not fit the levels of the network.",
            got=tuple(blocks),
            accepted=f"{len(widths)} numbers of at least 1, one for each level",
        )


__all__ = ["UNet"]
