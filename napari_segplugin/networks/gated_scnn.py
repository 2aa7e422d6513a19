"""Gated-SCNN: classes and edges in two streams (Takikawa et al. 2019, arXiv 1907.05740), in 2D and 3D."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, cat, nn

from napari_segplugin.core import InputError
from napari_segplugin.networks.base import Outputs, Truth
from napari_segplugin.networks.blocks import (
    ConvBlock,
    ConvNorm,
    Parallel,
    check_strides,
    conv,
    crop,
    finish,
    initialise,
    linear_upsample,
    mean_pool,
    norm,
    pad_to_multiple,
    pool,
    total_stride,
)
from napari_segplugin.networks.edge_losses import balanced_edge_loss, dual_task, label_edges
from napari_segplugin.networks.image_edges import canny, canny_reach, gradient_magnitude, gradient_reach
from napari_segplugin.networks.reach import survey
from napari_segplugin.networks.resnet import RESNETS, make_encoder

GRADIENTS = ("auto", "canny", "magnitude")
_CONTEXT = 3
"""The level whose map the ASPP looks at: stride 8, as in the paper."""


class Gate(nn.Module):
    """Lets through what the regular stream confirms (eq. 1 and 2 of the paper).

    ``alpha = sigmoid(C(s ‖ r))``, one number a voxel; the shape stream becomes ``w (s ⊙ (alpha + 1))``: a gate amplifies,
    it never closes.

    Parameters
    ----------
    ndim : int
    inputs, outputs : int
        Channels of the shape stream before and after.
    """

    def __init__(self, ndim: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.attend = nn.Sequential(
            ConvNorm(ndim, inputs + 1, inputs + 1, 1), conv(ndim, inputs + 1, 1, 1), norm(ndim, 1), nn.Sigmoid()
        )
        self.weigh = conv(ndim, inputs, outputs, 1)

    def forward(self, shape: Tensor, regular: Tensor) -> Tensor:
        """Gate (N, C, [Z,] Y, X) by (N, 1, [Z,] Y, X)."""
        alpha = self.attend(cat((shape, regular), 1))
        gated: Tensor = self.weigh(shape * (alpha + 1))
        return gated


class GatedSCNN(nn.Module):
    """A regular stream for classes and a shape stream for edges, joined by atrous spatial pyramid pooling.

    Differs from the paper on purpose: a small plain encoder by default; no pooling over the whole image, which would make
    tiles differ from it; the last step up is learnt at full resolution, from the first level and the edges, and not a
    bilinear enlargement of the logits. Differs from the published code: the edge loss sees logits once (there, the
    sigmoid is applied twice), and the regulariser counts only voxels with an edge (there, all of them).

    Parameters
    ----------
    ndim : int
        2 or 3.
    in_channels, out_channels : int
    widths : sequence of int
        Channels of each level, full resolution first. With a ResNet as encoder: those of the first two.
    strides : sequence of sequence of int, optional
        Pooling between the levels, one number a spatial axis. 2 everywhere by default.
    encoder : str
        "plain", or a ResNet by name below the first level.
    encoder_width : int
        Channels of the first stage of a ResNet; 64 is the one for which ImageNet weights exist.
    shape_width : int
        Channels of the shape stream at its start; each gate halves them, down to 4.
    context_width : int
        Channels of each branch of the ASPP.
    rates : sequence of int
        Dilations of the ASPP, in voxels of the map it looks at.
    image_gradient : str
        What the shape stream is told of the image: "canny" (2D), "magnitude" (length of the gradient), or "auto":
        Canny in 2D and the magnitude in 3D.
    edge_radius : int
        Voxels on each side of a boundary that the edge head learns as edge.
    edge_weight, dual_weight : float
        Weights of the edge loss and of the dual-task regulariser in the sum; 0 switches one off.
    deep_supervision : bool
        While training also return logits of the ASPP's map.

    Raises
    ------
    InputError
        If the options do not go together.

    Examples
    --------
    >>> net = GatedSCNN(2, 1, 3, widths=(4, 8, 8)).eval()
    >>> net(torch.zeros(1, 1, 13, 17)).shape, net.edges(torch.zeros(1, 1, 13, 17)).shape
    (torch.Size([1, 3, 13, 17]), torch.Size([1, 1, 13, 17]))
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
        encoder: str = "plain",
        encoder_width: int = 64,
        shape_width: int = 8,
        context_width: int = 64,
        rates: Sequence[int] = (1, 2, 4),
        image_gradient: str = "auto",
        edge_radius: int = 1,
        edge_weight: float = 1.0,
        dual_weight: float = 1.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.rates = ndim, in_channels, tuple(rates)
        self.image_gradient = _check(ndim, widths, strides, encoder, image_gradient)
        self.edge_radius, self.edge_weight, self.dual_weight = edge_radius, edge_weight, dual_weight
        levels = 6 if encoder in RESNETS else len(widths)
        self.strides = check_strides(ndim, strides, levels - 1)
        self.multiple = total_stride(ndim, self.strides)
        self._scales = [total_stride(ndim, self.strides[:level]) for level in range(levels)]
        channels = self._make_regular(widths, encoder, encoder_width)
        self._make_shape(channels, shape_width)
        self._make_fusion(channels, context_width, widths[1], out_channels if deep_supervision else 0)
        self._make_decoder(channels, widths, out_channels)
        initialise(self)

    def _make_regular(self, widths: Sequence[int], encoder: str, encoder_width: int) -> list[int]:
        """The regular stream; returns the channels of the map of every level."""
        ndim, deep = self.ndim, encoder in RESNETS
        self.encoder = make_encoder(encoder, ndim, self.in_channels, width=encoder_width) if deep else None
        own = widths[: 1 if self.encoder else None]
        self.down = nn.ModuleList(ConvBlock(ndim, i, o) for i, o in pairwise([self.in_channels, *own]))
        self.pools = nn.ModuleList(pool(ndim, s) for s in (() if self.encoder else self.strides))
        return [widths[0], *self.encoder.widths] if self.encoder else list(widths)

    def _make_shape(self, channels: Sequence[int], shape_width: int) -> None:
        """The shape stream, at full resolution."""
        ndim = self.ndim
        shapes = [max(4, shape_width // 2**k) for k in range(len(channels))]
        self.enter = conv(ndim, channels[0], shapes[0], 1, bias=True)
        self.shape_blocks = nn.ModuleList(ConvBlock(ndim, w, w, residual=True) for w in shapes[:-1])
        self.sides = nn.ModuleList(
            nn.Sequential(conv(ndim, c, 1, 1), linear_upsample(ndim, s))
            for c, s in zip(channels[1:], self._scales[1:], strict=True)
        )
        self.gates = nn.ModuleList(Gate(ndim, a, b) for a, b in pairwise(shapes))
        self.edge_head = conv(ndim, shapes[-1], 1, 1, bias=True)
        self.edge_fuse = conv(ndim, 2, 1, 1, bias=True)

    def _make_fusion(self, channels: Sequence[int], width: int, outputs: int, classes: int) -> None:
        """The ASPP over the deeper maps and the edges; logits of its own where there are `classes`."""
        ndim, scales, at = self.ndim, self._scales, min(_CONTEXT, len(channels) - 1)
        self.lift = nn.ModuleList(
            nn.Sequential(
                ConvNorm(ndim, channels[k], channels[at], 1), linear_upsample(ndim, _ratio(scales[k], scales[at]))
            )
            for k in range(at + 1, len(channels))
        )
        self.edge_pool = mean_pool(ndim, scales[at])
        branches = [ConvNorm(ndim, channels[at], width, 1)]
        branches += [ConvNorm(ndim, channels[at], width, dilation=r) for r in self.rates]
        self.context = Parallel([*branches, ConvNorm(ndim, 1, width, 1)])
        self.project = ConvNorm(ndim, width * len(self.context), outputs, 1)
        self.auxiliary = conv(ndim, outputs, classes, 1, bias=True) if classes else None

    def _make_decoder(self, channels: Sequence[int], widths: Sequence[int], out_channels: int) -> None:
        """The way back to full resolution."""
        ndim, scales, at = self.ndim, self._scales, min(_CONTEXT, len(channels) - 1)
        self.to_half = linear_upsample(ndim, _ratio(scales[at], scales[1]))
        self.reduce = ConvNorm(ndim, channels[1], max(4, widths[1] // 2), 1)
        self.refine = ConvBlock(ndim, widths[1] + max(4, widths[1] // 2), widths[1])
        self.to_full = nn.Sequential(ConvNorm(ndim, widths[1], widths[0], 1), linear_upsample(ndim, scales[1]))
        self.sharpen = conv(ndim, 1, widths[0], 1)
        self.last = ConvNorm(ndim, widths[0], widths[0])
        self.head = conv(ndim, widths[0], out_channels, 1, bias=True)

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of a voxel: beyond it the input has no influence, so tiles with this halo are exact."""
        return tuple(self._reach(axis) for axis in range(self.ndim))

    def _reach(self, axis: int) -> int:
        """Along one axis: what each step sees beyond its window of the grid, and the window."""
        scales = [s[axis] for s in self._scales]
        seen = [2 * scales[0]]
        if self.encoder is not None:
            reach, window = survey(self.encoder, self.in_channels, [4 * m for m in self.multiple])
            seen += [reach[axis] - window[axis] + 1] * (len(scales) - 1)
        else:
            for scale in scales[1:]:
                seen.append(seen[-1] + 2 * scale)
        edge = seen[0]
        for level in range(1, len(scales)):
            edge = max(edge + 2, seen[level] + scales[level])
        image = canny_reach() if self.image_gradient == "canny" else gradient_reach()
        at = min(_CONTEXT, len(scales) - 1)
        top = max(seen[at], *(seen[k] + scales[k] for k in range(at, len(scales))[1:]), 0)
        context = max(top + max(self.rates) * scales[at], edge, image)
        refined = max(context + scales[at], seen[1]) + 2 * scales[1]
        return max(refined + scales[1], edge, image) + 1 + scales[-1] - 1

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...] | Outputs:
        """Map (N, C, [Z,] Y, X) to (N, K, [Z,] Y, X) logits.

        While training: :class:`~napari_segplugin.networks.base.Outputs` with the logits of the edges beside them.
        """
        x, size = pad_to_multiple(x, self.multiple)
        maps = self._regular(x)
        edge_logits, edges = self._shape(x, maps)
        at = min(_CONTEXT, len(maps) - 1)
        top = maps[at]
        for lift, deeper in zip(self.lift, maps[at + 1 :], strict=True):
            top = top + lift(deeper)
        context = self.project(self.context(*[top] * (len(self.context) - 1), self.edge_pool(edges)))
        y = self.refine(cat((self.to_half(context), self.reduce(maps[1])), 1))
        # summed and not joined: at full resolution each channel costs
        outputs = [self.head(self.last(self.to_full(y) + maps[0] + self.sharpen(edges)))]
        if self.auxiliary is not None and self.training:
            outputs.append(self.auxiliary(context))
        logits = finish(outputs, size)
        if not self.training:
            return logits
        return Outputs(logits if isinstance(logits, tuple) else (logits,), {"edges": crop(edge_logits, size)})

    def edges(self, x: Tensor) -> Tensor:
        """Probability that a voxel lies on an edge of a class or an object, (N, 1, [Z,] Y, X)."""
        x, size = pad_to_multiple(x, self.multiple)
        return crop(self._shape(x, self._regular(x))[0], size).sigmoid()

    def own_losses(self, outputs: Outputs, truth: Truth) -> dict[str, Tensor]:
        """The edge loss and the dual-task regulariser, weighted."""
        edges, losses = outputs.extra["edges"], {}
        if self.edge_weight:
            target, known = label_edges(truth, self.edge_radius)
            losses["edge"] = self.edge_weight * balanced_edge_loss(edges, target, known)
        if self.dual_weight:
            classes = outputs.logits[0][:, : truth.n_classes]
            losses["dual task"] = self.dual_weight * dual_task(classes, edges, truth)
        return losses

    def _regular(self, x: Tensor) -> list[Tensor]:
        """The map of every level, full resolution first."""
        if self.encoder is not None:
            return [self.down[0](x), *self.encoder(x)]
        maps = [self.down[0](x)]
        for pooling, block in zip(self.pools, list(self.down)[1:], strict=True):
            maps.append(block(pooling(maps[-1])))
        return maps

    def _shape(self, x: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the edges, and the edges joined with the gradient of the image, (N, 1, [Z,] Y, X) each."""
        s = self.enter(maps[0])
        for block, side, gate, regular in zip(self.shape_blocks, self.sides, self.gates, maps[1:], strict=True):
            s = gate(block(s), side(regular))
        logits: Tensor = self.edge_head(s)
        with torch.no_grad():
            gray = x.mean(1, keepdim=True)
            gradient = canny(gray) if self.image_gradient == "canny" else gradient_magnitude(gray)
        joined = self.edge_fuse(cat((logits.sigmoid(), gradient.to(logits.dtype)), 1))
        return logits, joined.sigmoid()


def _ratio(coarse: Sequence[int], fine: Sequence[int]) -> tuple[int, ...]:
    return tuple(c // f for c, f in zip(coarse, fine, strict=True))


def _check(
    ndim: int, widths: Sequence[int], strides: Sequence[Sequence[int]] | None, encoder: str, image_gradient: str
) -> str:
    """Refuse options that do not go together; which gradient of the image is taken."""
    if encoder not in ("plain", *RESNETS):
        raise InputError(f"There is no encoder named '{encoder}'.", accepted=", ".join(["plain", *RESNETS]))
    if encoder != "plain" and strides:
        raise InputError(
            "A ResNet has its own strides.",
            got=f"encoder {encoder} with strides {strides}",
            accepted="encoder without strides",
        )
    if len(widths) < 2:
        raise InputError(
            "The network needs at least two levels.", got=f"widths {tuple(widths)}", accepted="two or more widths"
        )
    if image_gradient not in GRADIENTS:
        raise InputError(f"There is no image gradient named '{image_gradient}'.", accepted=", ".join(GRADIENTS))
    if image_gradient == "canny" and ndim == 3:
        raise InputError("Canny edges work only in 2D.", got="canny in 3D", accepted="magnitude")
    if image_gradient == "auto":
        return "canny" if ndim == 2 else "magnitude"
    return image_gradient


__all__ = ["GRADIENTS", "Gate", "GatedSCNN"]
