"""FastFCN with Joint Pyramid Upsampling (Wu et al. 2019, arXiv 1903.11816), in 2D and 3D from one source."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from napari_segplugin.core import InputError
from napari_segplugin.networks.blocks import (
    ConvNorm,
    Parallel,
    check_strides,
    finish,
    initialise,
    linear_upsample,
    pad_to_multiple,
    total_stride,
)
from napari_segplugin.networks.heads import ASPPHead, FCNHead, PSPHead
from napari_segplugin.networks.reach import reach
from napari_segplugin.networks.resnet import make_encoder

HEADS = ("fcn", "psp", "aspp")
_WINDOWS = (2, 4, 8)


class JPU(nn.Module):
    """Joint Pyramid Upsampling: the map of stride 8 that a dilated backbone would give, from three strided ones.

    The maps of stride 8, 16 and 32 are each convolved to `width` channels, enlarged to stride 8 and joined; four
    separable convolutions of dilation 1, 2, 4 and 8 side by side look at the result (section 3.3 of the paper).

    Parameters
    ----------
    ndim : int
    inputs : sequence of int
        Channels of the maps of stride 8, 16 and 32.
    width : int
    strides : sequence of sequence of int, optional
        From the first map to the second and from that to the third, one number a spatial axis; 2 everywhere by default.

    Examples
    --------
    >>> import torch
    >>> jpu = JPU(2, (8, 16, 32), 4)
    >>> jpu(torch.zeros(2, 8, 8, 8), torch.zeros(2, 16, 4, 4), torch.zeros(2, 32, 2, 2)).shape
    torch.Size([2, 16, 8, 8])
    """

    def __init__(self, ndim: int, inputs: Sequence[int], width: int, strides: Sequence[Sequence[int]] = ()) -> None:
        super().__init__()
        strides = [tuple(s) for s in strides] or [(2,) * ndim] * 2
        factors = [total_stride(ndim, strides[:k]) for k in range(3)]
        self.join = Parallel(
            nn.Sequential(ConvNorm(ndim, i, width), linear_upsample(ndim, f) if max(f) > 1 else nn.Identity())
            for i, f in zip(inputs, factors, strict=True)
        )
        self.look = Parallel(_separable(ndim, 3 * width, width, d) for d in (1, 2, 4, 8))

    def forward(self, *maps: Tensor) -> Tensor:
        """The joined map, of stride 8 and four times the width."""
        y: Tensor = self.look(self.join(*maps))
        return y


class FastFCN(nn.Module):
    """A backbone of stride 32 without dilation, Joint Pyramid Upsampling to stride 8, and a head.

    Differs from the paper on purpose: enlarging keeps voxel centres and the heads pool over windows of fixed size, both
    so that tiles agree with the whole image; fewer channels and a plain backbone by default.

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    encoder : str
        One of :data:`~napari_segplugin.networks.resnet.ENCODERS`.
    head : str
        "fcn", "psp" or "aspp".
    widths : sequence of int
        Channels of the five stages of the plain encoder.
    strides : sequence of sequence of int, optional
        Of these stages, one number a spatial axis; 2 everywhere by default. Give ``(1, 2, 2)`` first where the planes lie
        further apart than the pixels.
    encoder_width : int
        Channels of the first stage of a ResNet; 64 is the one for which ImageNet weights exist.
    jpu_width : int
        Channels of each branch of the upsampling; 512 in the paper.
    rates : sequence of int
        Dilations of the ASPP head, in voxels of 8.
    deep_supervision : bool
        While training also return the logits of an FCN head on the map of stride 16, the paper's auxiliary loss.

    Raises
    ------
    InputError
        If there is no such encoder or head, or the strides do not fit it.

    Examples
    --------
    >>> import torch
    >>> net = FastFCN(2, 1, 3, widths=(4, 4, 8, 8, 8), jpu_width=8).eval()
    >>> net(torch.zeros(1, 1, 13, 17)).shape
    torch.Size([1, 3, 13, 17])
    """

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        *,
        encoder: str = "plain",
        head: str = "fcn",
        widths: Sequence[int] = (16, 32, 64, 128, 128),
        strides: Sequence[Sequence[int]] | None = None,
        encoder_width: int = 64,
        jpu_width: int = 64,
        rates: Sequence[int] = (6, 12, 18),
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise InputError(f"There is no head named '{head}'.", accepted=", ".join(HEADS))
        self.in_channels = in_channels
        self.encoder = make_encoder(encoder, ndim, in_channels, widths=widths, width=encoder_width, strides=strides)
        steps = check_strides(ndim, strides, 5)
        fine, whole = total_stride(ndim, steps[:3]), total_stride(ndim, steps)
        windows = 1 if head == "fcn" else max(_WINDOWS)
        self.multiple = tuple(math.lcm(w, f * windows) for w, f in zip(whole, fine, strict=True))
        self.jpu = JPU(ndim, self.encoder.widths[-3:], jpu_width, steps[3:])
        self.head: nn.Module
        if head == "psp":
            self.head = PSPHead(ndim, 4 * jpu_width, out_channels, _WINDOWS)
        elif head == "aspp":
            self.head = ASPPHead(ndim, 4 * jpu_width, out_channels, rates, max(_WINDOWS))
        else:
            self.head = FCNHead(ndim, 4 * jpu_width, out_channels)
        self.auxiliary = FCNHead(ndim, self.encoder.widths[-2], out_channels) if deep_supervision else None
        self.enlarge = linear_upsample(ndim, fine)
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
        maps = self.encoder(x)
        outputs = [self.enlarge(self.head(self.jpu(*maps[-3:])))]
        if self.auxiliary is not None and self.training:
            outputs.append(self.auxiliary(maps[-2]))
        return finish(outputs, size)


def _separable(ndim: int, inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """A dilated convolution of each channel by itself, then one across the channels."""
    return nn.Sequential(
        ConvNorm(ndim, inputs, inputs, dilation=dilation, groups=inputs, act=None), ConvNorm(ndim, inputs, outputs, 1)
    )


__all__ = ["HEADS", "JPU", "FastFCN"]
