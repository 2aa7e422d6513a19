"""The parts of Mask R-CNN after its encoder: pyramid, proposals, boxes, masks, dense classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segplugin.core import InputError
from napari_segplugin.networks.blocks import ConvNorm, conv, linear_upsample, upsample

_TURNED: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class Pyramid(nn.Module):
    """Feature pyramid (Lin et al. 2017, arXiv 1612.03144, sec. 3): maps of every level with equally many channels.

    From the coarsest map up, each map of the encoder is brought to `channels` by a 1-wide convolution and the enlarged map
    of the level above is added; a 3-wide convolution then gives the map of the level.

    Parameters
    ----------
    ndim : int
    widths : sequence of int
        Channels of the encoder's maps, finest first.
    channels : int
    strides : sequence of sequence of int
        Between each level and the coarser one after it.
    """

    def __init__(self, ndim: int, widths: Sequence[int], channels: int, strides: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.strides = [tuple(s) for s in strides]
        self.lateral = nn.ModuleList(conv(ndim, w, channels, 1, bias=True) for w in widths)
        self.output = nn.ModuleList(conv(ndim, channels, channels, bias=True) for _ in widths)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (N, W, [Z,] Y, X) of the encoder to as many (N, C, [Z,] Y, X), finest first."""
        merged = [self.lateral[-1](maps[-1])]
        for level in reversed(range(len(maps) - 1)):
            merged.insert(0, self.lateral[level](maps[level]) + upsample(merged[0], self.strides[level]))
        return [layer(x) for layer, x in zip(self.output, merged, strict=True)]


class ProposalHead(nn.Module):
    """Whether an anchor is near an object, and the box that it stands for (Ren et al. 2015, arXiv 1506.01497, sec. 3.1).

    The same weights look at every level of the pyramid.
    """

    def __init__(self, ndim: int, channels: int, anchors: int) -> None:
        super().__init__()
        self.ndim = ndim
        self.conv = conv(ndim, channels, channels, bias=True)
        self.score = conv(ndim, channels, anchors, 1, bias=True)
        self.delta = conv(ndim, channels, anchors * 2 * ndim, 1, bias=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, P) and deltas (N, P, 2, D) of the P anchors, in the order of ``make_anchors``, float32."""
        x = F.relu(self.conv(x), inplace=True)
        score, delta = (layer(x).movedim(1, -1).float() for layer in (self.score, self.delta))
        return score.flatten(1), delta.reshape(len(delta), -1, 2, self.ndim)


class BoxHead(nn.Module):
    """Class and box of a region: two full layers, then scores of the classes and a box for each thing class."""

    def __init__(self, ndim: int, channels: int, size: int, hidden: int, things: int) -> None:
        super().__init__()
        self.ndim, self.things = ndim, things
        self.full1, self.full2 = nn.Linear(channels * size**ndim, hidden), nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1 + things)
        self.delta = nn.Linear(hidden, things * 2 * ndim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Regions (R, C, *size) to logits (R, 1 + T), the first is "no object", and deltas (R, T, 2, D), float32."""
        x = F.relu(self.full1(x.flatten(1)), inplace=True)
        x = F.relu(self.full2(x), inplace=True)
        score, delta = self.score(x).float(), self.delta(x).float()
        return score, delta.reshape(len(delta), self.things, 2, self.ndim)


class MaskHead(nn.Module):
    """A mask for each thing class, twice as fine as the region (He et al. 2017, arXiv 1703.06870, fig. 4 right)."""

    def __init__(self, ndim: int, channels: int, things: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(ndim, channels, channels, bias=True) for _ in range(4))
        self.enlarge = _TURNED[ndim](channels, channels, 2, 2)
        self.mask = conv(ndim, channels, things, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Regions (R, C, *size) to logits (R, T, *2 size), float32."""
        for layer in self.convs:
            x = F.relu(layer(x), inplace=True)
        logits: Tensor = self.mask(F.relu(self.enlarge(x), inplace=True)).float()
        return logits


class SemanticHead(nn.Module):
    """Classes of every voxel, from the finest level of the pyramid.

    What Kirillov et al. 2019 (arXiv 1901.02446) add to Mask R-CNN for panoptic segmentation, with the finest level alone:
    it has seen the others.
    """

    def __init__(self, ndim: int, channels: int, classes: int, stride: Sequence[int]) -> None:
        super().__init__()
        self.block = ConvNorm(ndim, channels, channels)
        self.score = conv(ndim, channels, classes, 1, bias=True)
        self.enlarge = linear_upsample(ndim, stride) if math.prod(stride) > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [Z,] Y, X) to logits (N, K, [Z,] Y, X) at the size of the image."""
        logits: Tensor = self.enlarge(self.score(self.block(x)))
        return logits


def anchor_sides(
    ndim: int, scales: Sequence[Sequence[int]], given: Sequence[float | Sequence[float]] | None, ratios: Sequence[float]
) -> list[Tensor]:
    """Sides (A, D) of the anchors of each level, 8 strides of the level where none are given.

    Raises
    ------
    InputError
        If there are not as many sizes as levels, or something is not positive.
    """
    sizes: list[float | Sequence[float]] = (
        [[8.0 * s for s in scale] for scale in scales] if given is None else list(given)
    )
    full = [[float(s)] * ndim if isinstance(s, float | int) else [float(v) for v in s] for s in sizes]
    if len(full) != len(scales) or any(len(s) != ndim or min(s) <= 0 for s in full) or not ratios or min(ratios) <= 0:
        raise InputError(
            "The anchors do not fit the levels of the network.",
            got=f"sizes {given}, ratios {tuple(ratios)}",
            accepted=f"{len(scales)} sizes, each one positive number or {ndim}, and at least one positive ratio",
        )
    stretch = torch.tensor([[*[1.0] * (ndim - 2), r**0.5, r**-0.5] for r in ratios])
    return [torch.tensor(size) * stretch for size in full]


def initialise_heads(proposals: ProposalHead, boxes: BoxHead, masks: MaskHead) -> None:
    """Small last layers, so that at the start every box is its anchor and nothing is certain."""
    for layer, spread in ((proposals.score, 0.01), (proposals.delta, 0.01), (boxes.score, 0.01), (boxes.delta, 0.001)):
        nn.init.normal_(layer.get_parameter("weight"), std=spread)
        nn.init.zeros_(layer.get_parameter("bias"))
    for full in (boxes.full1, boxes.full2):
        nn.init.kaiming_normal_(full.weight, nonlinearity="relu")
        nn.init.zeros_(full.bias)
    nn.init.kaiming_normal_(masks.enlarge.get_parameter("weight"), mode="fan_out", nonlinearity="relu")


__all__ = ["BoxHead", "MaskHead", "ProposalHead", "Pyramid", "SemanticHead", "anchor_sides", "initialise_heads"]
