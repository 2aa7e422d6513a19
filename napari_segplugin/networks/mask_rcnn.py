"""Mask R-CNN in 2D and 3D from one source (He et al. 2017, arXiv 1703.06870).

Region proposals from Ren et al. 2015 (arXiv 1506.01497), feature pyramid from Lin et al. 2017 (arXiv 1612.03144), dense
classes for panoptic from Kirillov et al. 2019 (arXiv 1901.02446).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_segplugin.core import InputError
from napari_segplugin.networks.base import Outputs, Truth
from napari_segplugin.networks.blocks import (
    ConvBlock,
    check_strides,
    crop,
    initialise,
    pad_to_multiple,
    pool,
    total_stride,
)
from napari_segplugin.networks.boxes import clip, decode, encode, iou, make_anchors, roi_align, suppress, volume
from napari_segplugin.networks.mask_rcnn_detections import Detections, dense_classes
from napari_segplugin.networks.mask_rcnn_heads import (
    BoxHead,
    MaskHead,
    ProposalHead,
    Pyramid,
    SemanticHead,
    anchor_sides,
    initialise_heads,
)
from napari_segplugin.networks.mask_rcnn_targets import (
    Regions,
    cross_entropy,
    find_objects,
    mask_loss,
    proposal_losses,
    sample_regions,
    smooth_l1,
)
from napari_segplugin.networks.reach import reach
from napari_segplugin.networks.resnet import RESNETS, make_encoder

SPREAD = (0.1, 0.2)
"""Usual size of the box head's shifts and logs; it learns them divided by it (Girshick 2015, sec. 2.3)."""

_AT_ONCE = 256
_POINTS = {2: 2, 3: 1}


class MaskRCNN(nn.Module):
    """Finds boxes of objects, then the class and the mask in each.

    Differs from the paper on purpose: a small encoder that starts at full resolution (objects of a few voxels), as many
    regions as a CPU can take, one size of anchor a level, sizes and strides an axis each, IoU thresholds t in 3D taken as
    t^1.5 (the same misfit along each axis gives that), regions taken from the level whose anchors are nearest in size
    (the paper's rule for the levels that it has), and while predicting no fixed number of proposals, since a large image
    has more objects than a small one: all of some certainty are taken.

    While training, :meth:`forward` returns what :meth:`own_losses` needs; in evaluation mode it returns the dense class
    logits, and :meth:`detect` the objects.

    Parameters
    ----------
    ndim, in_channels : int
    out_channels : int
        Classes, background included.
    thing_classes : sequence of int, optional
        The classes that have objects; all but the background by default.
    widths : sequence of int
        Channels of the encoder's levels, full resolution first; the pyramid has all levels but that one.
    strides : sequence of sequence of int, optional
        Pooling between the levels, one number a spatial axis; 2 everywhere by default.
    encoder : str
        "plain", or a ResNet ("resnet18", "resnet34", "resnet50"), whose five maps of stride 2 to 32 make the pyramid then.
    encoder_width : int
        Channels of the first stage of a ResNet; 64 for ImageNet weights.
    channels : int
        Channels of the pyramid and the heads; 256 in the paper.
    anchor_sizes : sequence of (float or sequence of float), optional
        Side of the anchors of each level, finest first, in voxels: one number, or one a spatial axis. 8 strides of the
        level by default; training fits them to its objects.
    ratios : sequence of float
        Y : X of the anchors of a level.
    regions : int
        Regions to learn from in each patch, a quarter of them positive at most; four times as many anchors.
    roi_size, mask_size : int, optional
        Bins along each axis that the box head and the mask head see (7 and 14 in 2D, 5 and 8 in 3D); masks are twice as
        fine.
    hidden : int
        Width of the box head; 1024 in the paper.
    semantic : bool
        Learn the classes of all voxels too: needed for classes without objects, and learns from strokes.

    Raises
    ------
    InputError
        If strides, anchors or classes do not fit.

    Examples
    --------
    >>> net = MaskRCNN(3, 1, 2, widths=(4, 8, 8)).eval()
    >>> found = net.detect(torch.zeros(1, 1, 9, 17, 16))[0]
    >>> found.boxes.shape[1:], found.masks.shape[1:]
    (torch.Size([2, 3]), torch.Size([16, 16, 16]))
    """

    encoder_parts = ("encoder",)

    def __init__(
        self,
        ndim: int,
        in_channels: int,
        out_channels: int,
        *,
        thing_classes: Sequence[int] | None = None,
        widths: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[Sequence[int]] | None = None,
        encoder: str = "plain",
        encoder_width: int = 64,
        channels: int = 32,
        anchor_sizes: Sequence[float | Sequence[float]] | None = None,
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        regions: int = 64,
        roi_size: int | None = None,
        mask_size: int | None = None,
        hidden: int = 128,
        semantic: bool = True,
    ) -> None:
        super().__init__()
        self.ndim, self.in_channels, self.n_classes, self.regions = ndim, in_channels, out_channels, regions
        self.things = tuple(range(1, out_channels) if thing_classes is None else thing_classes)
        if encoder in RESNETS and strides:
            raise InputError("A ResNet has its own strides.", got=strides, hint="Leave them out")
        net = make_encoder(encoder, ndim, in_channels, width=encoder_width) if encoder != "plain" else None
        self.strides = check_strides(ndim, strides, len(widths) - 1 if net is None else len(net.widths))
        self.scales = [total_stride(ndim, self.strides[: k + 1]) for k in range(len(self.strides))]
        self.sides = anchor_sides(ndim, self.scales, anchor_sizes, ratios)
        self._check(semantic)
        self.roi_size, self.mask_size = roi_size or (7 if ndim == 2 else 5), mask_size or (14 if ndim == 2 else 8)
        self.class_loss: Callable[[Tensor, Tensor, Tensor], Tensor] = cross_entropy
        self.box_loss: Callable[[Tensor, Tensor, Tensor, int], Tensor] = smooth_l1
        steps = pairwise([in_channels, *widths])
        self.encoder = nn.ModuleList(ConvBlock(ndim, i, o) for i, o in steps) if net is None else net
        self.pools = nn.ModuleList(pool(ndim, s) for s in self.strides if net is None)
        self.pyramid = Pyramid(ndim, widths[1:] if net is None else net.widths, channels, self.strides[1:])
        self.semantic = SemanticHead(ndim, channels, out_channels, self.scales[0]) if semantic else None
        self.proposal = ProposalHead(ndim, channels, len(ratios))
        self.box = BoxHead(ndim, channels, self.roi_size, hidden, len(self.things))
        self.mask = MaskHead(ndim, channels, len(self.things))
        initialise(self)
        initialise_heads(self.proposal, self.box, self.mask)

    def _check(self, semantic: bool) -> None:
        if not self.things:
            raise InputError(
                "Mask R-CNN finds objects, but no class has objects.",
                hint="Set at least one class to be counted, or choose another network",
            )
        if not semantic and len(self.things) < self.n_classes - 1:
            raise InputError(
                "Classes without objects need the option 'semantic'.", got="semantic is off", hint="Switch it on"
            )

    @property
    def multiple(self) -> tuple[int, ...]:
        """Product of all strides."""
        return self.scales[-1]

    @property
    def largest(self) -> tuple[int, ...]:
        """Sides of the largest object that is expected: twice the largest anchor."""
        return tuple(math.ceil(2 * s) for s in torch.stack(self.sides).amax((0, 1)).tolist())

    @property
    def view(self) -> tuple[int, ...]:
        """What a patch has to show at least while training: three quarters of the largest object."""
        return tuple(3 * n // 4 for n in self.largest)

    @property
    def halo(self) -> tuple[int, ...]:
        """Reach of an object whose centre lies in a tile: half of the largest one, and what its features see."""
        coarsest = self.scales[-1]
        dense = reach(_Dense(self), self.in_channels)
        return tuple(r + 3 * s + -(-n // 2) for r, s, n in zip(dense, coarsest, self.largest, strict=True))

    def forward(self, x: Tensor) -> Tensor | Outputs:
        """Map (N, C, [Z,] Y, X) to class logits (N, K, [Z,] Y, X); while training, to all that the losses need."""
        pyramid, size = self._features(x)
        if self.training:
            logits = () if self.semantic is None else (crop(self.semantic(pyramid[0]), size),)
            proposals = [self.proposal(p) for p in pyramid]
            return Outputs(logits, {"pyramid": pyramid, "proposals": proposals, "size": size})
        if self.semantic is not None:
            return crop(self.semantic(pyramid[0]), size)
        return torch.stack([dense_classes(d, self.n_classes, size) for d in self._find(pyramid, size, 0.05, 0.5)])

    def detect(self, x: Tensor, *, score: float = 0.5, overlap: float = 0.5) -> list[Detections]:
        """The objects of each image.

        Parameters
        ----------
        x : (N, C, [Z,] Y, X) Tensor
        score : float
            Smallest probability of an object.
        overlap : float
            Largest IoU of the boxes of two objects of one class.

        Returns
        -------
        list of Detections
        """
        return self.run(x, score=score, overlap=overlap)[1]

    def run(self, x: Tensor, *, score: float = 0.5, overlap: float = 0.5) -> tuple[Tensor | None, list[Detections]]:
        """Dense class logits (None without the dense head) and the objects of each image; as :meth:`detect`."""
        pyramid, size = self._features(x)
        logits = None if self.semantic is None else crop(self.semantic(pyramid[0]), size)
        return logits, self._find(pyramid, size, score, overlap)

    def own_losses(self, outputs: Outputs, truth: Truth) -> dict[str, Tensor]:
        """The five losses of the paper: of proposals (score, box) and regions (class, box, mask), equally weighted."""
        pyramid, heads, size = (outputs.extra[k] for k in ("pyramid", "proposals", "size"))
        objects = find_objects(truth, self.things)
        anchors = self._anchors(pyramid)
        scores, deltas = (torch.cat(parts, 1) for parts in zip(*heads, strict=True))
        bounds = (self._misfit(0.3), self._misfit(0.7))
        first = proposal_losses(torch.cat(anchors), scores, deltas, objects, bounds=bounds, count=4 * self.regions)
        with torch.no_grad():
            proposals = [self._propose(anchors, heads, n, size) for n in range(len(objects))]
            regions = sample_regions(proposals, objects, least=self._misfit(0.5), count=self.regions, share=0.25)
        losses = {"proposal score": first[0], "proposal box": first[1]}
        half = pyramid[0].dtype
        with torch.autocast(scores.device.type, half, enabled=half is not torch.float32):
            logits, moves = self.box(self._pooled(pyramid, regions.boxes, regions.image, self.roi_size))
            positive = len(regions.true)
            cut = self._pooled(pyramid, regions.boxes[:positive], regions.image[:positive], self.mask_size)
            masks = self.mask(cut)
        return losses | self._region_losses(logits, moves, regions) | {"mask": mask_loss(masks, regions, truth)}

    def _region_losses(self, logits: Tensor, moves: Tensor, regions: Regions) -> dict[str, Tensor]:
        positive, kinds = len(regions.true), regions.kinds
        boxes, spread = regions.boxes[:positive], _spread(moves)
        given = moves[torch.arange(positive, device=moves.device), kinds[:positive] - 1]
        wanted = encode(regions.true, boxes) / spread
        with torch.no_grad():
            found = decode(given * spread, boxes)
            fit = torch.cat(
                [iou(a[None], b[None])[0] for a, b in zip(found, regions.true, strict=True)] or [boxes[:0, 0, 0]]
            )
            fits = torch.cat((fit, fit.new_zeros(len(kinds) - positive)))
        return {
            "object class": self.class_loss(logits, kinds, fits),
            "object box": self.box_loss(given.flatten(1), wanted.flatten(1), fit, len(kinds)),
        }

    def _features(self, x: Tensor) -> tuple[list[Tensor], tuple[int, ...]]:
        """Maps of the pyramid, finest first, and the size of the image before padding."""
        x, size = pad_to_multiple(x, self.multiple)
        if isinstance(self.encoder, nn.ModuleList):
            x, maps = self.encoder[0](x), []
            for pooling, block in zip(self.pools, list(self.encoder)[1:], strict=True):
                x = block(pooling(x))
                maps.append(x)
        else:
            maps = self.encoder(x)
        pyramid: list[Tensor] = self.pyramid(maps)
        return pyramid, size

    def _misfit(self, threshold: float) -> float:
        """The IoU in this number of dimensions at the misfit along each axis that gives `threshold` in a plane."""
        return float(threshold ** (self.ndim / 2))

    def _anchors(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        levels = zip(pyramid, self.scales, self.sides, strict=True)
        return [make_anchors(p.shape[2:], scale, sides.to(p.device)) for p, scale, sides in levels]

    def _propose(
        self, anchors: Sequence[Tensor], heads: Sequence[tuple[Tensor, Tensor]], n: int, size: Sequence[int]
    ) -> Tensor:
        """Proposals (R, 2, D) of one image: the likeliest of each level without those that overlap a better one."""
        boxes, likely, levels = [], [], []
        for level, (anchor, (scores, deltas)) in enumerate(zip(anchors, heads, strict=True)):
            score, most = scores[n].sigmoid(), 4 * self.regions
            if not self.training:
                # by area, not a fixed number: else a tile and the whole image would not find the same
                most = max(1000, int(4 * math.prod(size) / float(self.sides[level].prod(1).min())))
                score = torch.where(score >= 0.2, score, -1)
            best, at = score.topk(min(most, len(score)))
            at = at[best >= 0]
            box = clip(decode(deltas[n, at], anchor[at]), size)
            wide = (box[:, 1] - box[:, 0]).amin(1) >= 1
            boxes.append(box[wide])
            likely.append(score[at][wide])
            levels.append(torch.full_like(at[wide], level))
        together = torch.cat(boxes)
        kept = suppress(together, torch.cat(likely), self._misfit(0.7), torch.cat(levels))
        return together[kept[: 4 * self.regions] if self.training else kept]

    def _pooled(self, pyramid: Sequence[Tensor], boxes: Tensor, image: Tensor, bins: int) -> Tensor:
        """Features (R, C, *bins) of regions, each from the level whose anchors are nearest in size."""
        size = volume(boxes).clamp_min(1e-3).log()
        usual = torch.stack([s.prod(1).log().mean() for s in self.sides]).to(size)
        nearest = (size[:, None] - usual).abs().argmin(1)
        parts, order = [], []
        for level, (features, scale) in enumerate(zip(pyramid, self.scales, strict=True)):
            mine = (nearest == level).nonzero()[:, 0]
            share = [1 / s for s in scale]
            bin_count, points = (bins,) * self.ndim, _POINTS[self.ndim]
            parts.append(roi_align(features, boxes[mine], image[mine], bin_count, scale=share, sampling_ratio=points))
            order.append(mine)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _find(self, pyramid: Sequence[Tensor], size: Sequence[int], score: float, overlap: float) -> list[Detections]:
        heads, anchors = [self.proposal(p) for p in pyramid], self._anchors(pyramid)
        found = []
        for n in range(len(pyramid[0])):
            proposals = self._propose(anchors, heads, n, size)
            one = [p[n : n + 1] for p in pyramid]
            found.append(self._detections(one, proposals, size, score, overlap))
        return found

    def _detections(
        self, pyramid: Sequence[Tensor], proposals: Tensor, size: Sequence[int], score: float, overlap: float
    ) -> Detections:
        """Objects of one image from its proposals."""
        logits, moves = _in_parts(lambda b: self.box(self._cut(pyramid, b, self.roi_size)), proposals)
        chance = logits.softmax(1)[:, 1:]
        at, kind = (chance >= score).nonzero().unbind(1)
        boxes = clip(decode(moves[at, kind] * _spread(moves), proposals[at]), size)
        wide = (boxes[:, 1] - boxes[:, 0]).amin(1) >= 1
        boxes, kind, scores = boxes[wide], kind[wide], chance[at, kind][wide]
        kept = suppress(boxes, scores, self._misfit(overlap), kind)
        boxes, kind, scores = boxes[kept], kind[kept], scores[kept]
        (masks,) = _in_parts(lambda b: (self.mask(self._cut(pyramid, b, self.mask_size)),), boxes)
        masks = masks[torch.arange(len(kind), device=kind.device), kind].sigmoid()
        return Detections(boxes, torch.tensor(self.things, device=kind.device)[kind], scores, masks)

    def _cut(self, pyramid: Sequence[Tensor], boxes: Tensor, bins: int) -> Tensor:
        image = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return self._pooled(pyramid, boxes, image, bins).to(pyramid[0].dtype)


class _Dense(nn.Module):
    """The way from the image to the finest level of the pyramid, whose reach can be surveyed."""

    def __init__(self, network: MaskRCNN) -> None:
        super().__init__()
        self.parts = nn.ModuleList((network.encoder, network.pools, network.pyramid))
        if network.semantic is not None:
            self.parts.append(network.semantic)
        self.__dict__["network"], self.multiple = network, network.multiple

    def forward(self, x: Tensor) -> Tensor:
        maps = self.__dict__["network"]._features(x)[0]
        out: Tensor = maps[0] if len(self.parts) == 3 else self.parts[3](maps[0])
        return out


def _in_parts(head: Callable[[Tensor], tuple[Tensor, ...]], boxes: Tensor) -> list[Tensor]:
    """Run a head on some hundred boxes at a time, so that memory is bounded."""
    parts = [head(boxes[at : at + _AT_ONCE]) for at in range(0, max(1, len(boxes)), _AT_ONCE)]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def _spread(moves: Tensor) -> Tensor:
    """(2, 1): what deltas are multiplied with."""
    return moves.new_tensor(SPREAD)[:, None]


__all__ = ["MaskRCNN"]
