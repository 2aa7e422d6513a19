"""Prediction with networks that find boxes: tile by tile, gathered, painted.

A tile keeps the objects whose centre lies in the part that it writes. Where the halo is as wide as the network says, that
gives the objects of the whole image. Where it has to be narrower, an object that is more than twice as long as the halo
may come in pieces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from napari_segplugin.core import LossSpec, ModelBundle, Region, Task, drain
from napari_segplugin.core.types import DecodeParams, scalar
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.network import ReadyNetwork, activate, prepare
from napari_segplugin.engine.predict.blocks import BlockJob
from napari_segplugin.engine.predict.classes import ClassRun
from napari_segplugin.engine.predict.tiles import Run, TileRun
from napari_segplugin.losses.iou_balanced import iou_balanced_classification, iou_balanced_localisation
from napari_segplugin.networks import is_detector
from napari_segplugin.networks.boxes import intersection, paste, suppress, volume
from napari_segplugin.networks.mask_rcnn_detections import Detections
from napari_segplugin.networks.steady import Steady

DEFAULTS = {"score": 0.5, "overlap": 0.5, "mask": 0.5, "visible": 0.5, "min_size": 10}
"""How objects are read. `score`: smallest probability. `overlap`: largest IoU of the boxes of two objects of a class.
`mask`: probability above which a voxel is in an object. `visible`: share of an object that may not be hidden by better
ones. `min_size`: smallest object in voxels."""

_MARGIN = 2.0
"""Voxels. Where the halo is narrow, two tiles do not agree exactly on the centre of an object; none may lose it."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network says about one tile.

    Parameters
    ----------
    objects : tuple of Detections
        On the CPU, masks as bytes; one for each plane where a 2D network runs on a 3D image, else one.
    maps : (K, [Z,] Y, X) ndarray
        Class probabilities; without the dense head (0, [Z,] Y, X).
    """

    objects: tuple[Detections, ...]
    maps: np.ndarray


@dataclass
class DetectRun(TileRun[Seen, Seen]):
    """Runs tiles as :class:`~napari_segplugin.engine.predict.tiles.Run` does, and gives a :class:`Seen` each.

    Parameters
    ----------
    params : mapping
        Of :data:`DEFAULTS`.
    """

    params: DecodeParams = field(default_factory=lambda: DEFAULTS)

    def maps(self, arrays: Sequence[np.ndarray]) -> list[Seen]:
        """What is seen in inputs of one shape."""
        if self.planes:
            return [self._planes(self._run(array.swapaxes(0, 1))) for array in arrays]
        return [Seen((objects,), maps) for objects, maps in zip(*self._run(np.stack(arrays)), strict=True)]

    def kept(self, tile: Tile, maps: Seen) -> Seen:
        """All objects: which are kept is decided when those of all tiles are known."""
        return Seen(maps.objects, maps.maps[(slice(None), *tile.keep)])

    def _planes(self, found: tuple[list[Detections], np.ndarray]) -> Seen:
        return Seen(tuple(found[0]), found[1].swapaxes(0, 1))

    @torch.inference_mode()
    def _run(self, array: np.ndarray) -> tuple[list[Detections], np.ndarray]:
        network = self.network
        with Steady():
            logits, found = run_network(network.module, network.tensor(array), self.params)
        if logits is None:
            return found, np.zeros((len(array), 0, *array.shape[2:]), np.float32)
        return found, self._host(activate(logits, network.n_classes))


BundleRun: TypeAlias = Run | ClassRun | DetectRun
"""What runs the tiles of a bundle."""


def make_run(bundle: ModelBundle, network: ReadyNetwork, batch: int = 1, *, mirror: bool, planes: bool) -> BundleRun:
    """How the tiles of a bundle are run, whatever its network gives."""
    kind: Callable[..., BundleRun]
    if is_detector(bundle.spec):
        kind = partial(DetectRun, params={**DEFAULTS, **bundle.decode})
    else:
        kind = ClassRun if bundle.spec.task is Task.SEMANTIC else Run
    return kind(network, lambda device, dtype: prepare(bundle, device, dtype), batch, mirror, planes)


def run_network(module: nn.Module, x: Tensor, params: DecodeParams) -> tuple[Tensor | None, list[Detections]]:
    """Dense class logits and the objects of each image (N, C, [Z,] Y, X), the latter on the CPU with masks as bytes."""
    logits, found = module.run(x, score=scalar(params, "score"), overlap=scalar(params, "overlap"))  # type: ignore[operator]
    return logits, [_packed(d) for d in found]


def _packed(d: Detections) -> Detections:
    return Detections(d.boxes.cpu(), d.classes.cpu(), d.scores.cpu(), (d.masks * 255).round().to(torch.uint8).cpu())


class FoundObjects:
    """Gathers what the tiles of a frame show.

    Parameters
    ----------
    region : tuple of slice
        What is wanted of the image.
    planes : bool
        Whether each plane is an image of its own.
    """

    def __init__(self, region: Region, planes: bool) -> None:
        self.region, self.planes = region, planes
        self._parts: dict[int | None, list[tuple[Tile, Detections]]] = {}

    def add(self, tile: Tile, seen: Seen) -> None:
        """Take in a tile."""
        if not self.planes:
            self._parts.setdefault(None, []).append((tile, seen.objects[0]))
            return
        flat = Tile(tile.read[1:], tile.keep[1:], tile.write[1:])
        for k, objects in enumerate(seen.objects, tile.read[0].start - self.region[0].start):
            self._parts.setdefault(k, []).append((flat, objects))

    def of(self, plane: int | None, overlap: float) -> Detections:
        """The objects of a plane of the region, or of the whole, in voxels of the region."""
        region = self.region[1:] if self.planes else self.region
        found = gather(self._parts.pop(plane), region, overlap)
        return _moved(found, [-s.start for s in region])


def gather(parts: Sequence[tuple[Tile, Detections]], region: Region, overlap: float) -> Detections:
    """The objects of an image from those of its tiles.

    Parameters
    ----------
    parts : sequence of (Tile, Detections)
        Along the axes of the network; boxes count from where the tile is read.
    region : tuple of slice
        What is wanted of the image: objects that reach into it are kept.
    overlap : float
        Largest IoU of two objects, as within a tile.

    Returns
    -------
    Detections
        In voxels of the image.
    """
    if len(parts) == 1:
        tile, found = parts[0]
        return _moved(found, [s.start for s in tile.read])
    tiles = [tile for tile, _ in parts]
    kept = [_kept(tile, _moved(found, [s.start for s in tile.read]), tiles, region) for tile, found in parts]
    cut = torch.cat([c for c, _ in kept])
    together = _joined([d for _, d in kept])
    # two tiles may both keep an object whose centre lies at their border; one that is whole wins over a piece
    order = suppress(together.boxes, together.scores - 2.0 * cut, overlap, together.classes)
    boxes, pieces = together.boxes[order], cut[order]
    if bool(pieces.any()) and not bool(pieces.all()):
        inside = intersection(boxes[pieces], boxes[~pieces]).amax(1) > volume(boxes[pieces]) / 2
        order = torch.cat((order[~pieces], order[pieces][~inside]))
    return _chosen(together, order)


def _kept(tile: Tile, found: Detections, tiles: Sequence[Tile], region: Region) -> tuple[Tensor, Detections]:
    """Of the objects of a tile, in voxels of the image, those it keeps, and which of them its edge cuts."""
    boxes = found.boxes
    mine = torch.ones(len(boxes), dtype=torch.bool)
    cut = ~mine
    for axis, (read, write, wanted) in enumerate(zip(tile.read, tile.write, region, strict=True)):
        low, high = boxes[:, 0, axis], boxes[:, 1, axis]
        centre = (low + high) / 2
        # at the rim of a region there is no neighbour to leave the object to
        if write.start > wanted.start:
            mine &= centre >= write.start - _MARGIN
        if write.stop < wanted.stop:
            mine &= centre < write.stop + _MARGIN
        if read.start > min(t.read[axis].start for t in tiles):
            cut |= low <= read.start + 1
        if read.stop < max(t.read[axis].stop for t in tiles):
            cut |= high >= read.stop - 1
    return cut[mine], _chosen(found, mine)


def _moved(found: Detections, by: Sequence[int]) -> Detections:
    return Detections(found.boxes + found.boxes.new_tensor(list(by)), found.classes, found.scores, found.masks)


def _chosen(found: Detections, index: Tensor) -> Detections:
    return Detections(found.boxes[index], found.classes[index], found.scores[index], found.masks[index])


def _joined(parts: Sequence[Detections]) -> Detections:
    columns = zip(*((d.boxes, d.classes, d.scores, d.masks) for d in parts), strict=True)
    return Detections(*(torch.cat(column) for column in columns))


@dataclass(kw_only=True)
class PaintBlocks(BlockJob):
    """Objects painted into labels block by block, each voxel to the best object that claims it.

    Parameters
    ----------
    found : Detections
        Boxes in voxels of the result.
    """

    found: Detections
    passes = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.found = _chosen(self.found, self.found.scores.argsort(stable=True))
        corners = self.found.boxes.numpy()
        size = np.array(self.shape)
        self.low = np.floor(corners[:, 0]).astype(int).clip(0, size)
        self.high = np.ceil(corners[:, 1]).astype(int).clip(0, size)

    @property
    def radius(self) -> tuple[int, ...]:
        """Nothing is looked at around a block."""
        return (0,) * len(self.shape)

    def phases(self) -> Iterator[Callable[[Tile], None]]:
        """Paint; then leave out what is mostly hidden."""
        n = len(self.found.boxes)
        self.count(n)
        claimed = np.zeros(n + 1, np.int64)
        yield lambda tile: self._paint(tile, claimed)
        self.voxels[self.voxels < scalar(self.params, "visible") * claimed] = 0
        self.sums[self.found.classes.numpy(), np.arange(1, n + 1)] = self.found.scores.numpy() * self.voxels[1:]

    def _paint(self, tile: Tile, claimed: np.ndarray) -> None:
        """The worst object first, so that better ones cover it."""
        start, stop = (np.array([getattr(s, end) for s in tile.write]) for end in ("start", "stop"))
        labels = np.zeros(tuple(stop - start), np.int32)
        for k in np.flatnonzero(((self.low < stop) & (self.high > start)).all(1)):
            low, high = np.maximum(self.low[k], start), np.minimum(self.high[k], stop)
            mask = self.found.masks[k].float() / 255
            share = paste(mask, self.found.boxes[k], low.tolist(), high.tolist()).numpy()
            inside = share >= scalar(self.params, "mask")
            labels[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))][inside] = k + 1
            claimed[k + 1] += int(inside.sum())
        self.voxels += np.bincount(labels.ravel(), minlength=len(self.voxels))
        self.out[tile.write] = labels


def segment(module: nn.Module, image: np.ndarray, bundle: ModelBundle) -> tuple[np.ndarray, np.ndarray]:
    """Class of each voxel and object numbers ([Z,] Y, X) of a normalised image (C, [Z,] Y, X), in one piece.

    Parameters
    ----------
    module : Module
        A network that finds boxes, in evaluation mode.
    image : ndarray
    bundle : ModelBundle
        Classes and parameters.
    """
    spec, params = bundle.spec, {**DEFAULTS, **bundle.decode}
    parameter = next(module.parameters())
    with torch.inference_mode():
        logits, found = run_network(module, torch.from_numpy(image)[None].to(parameter.device, parameter.dtype), params)
        maps = None if logits is None else activate(logits, len(spec.classes))[0].cpu().numpy()
    shape = image.shape[1:]
    painted = np.zeros(shape, np.int32)
    job = PaintBlocks(
        shape=shape,
        read=lambda region: maps[(slice(None), *region)] if maps is not None else np.zeros(0),
        out=painted,
        classes=spec.classes,
        params=params,
        block=shape,
        most=math.prod(shape),
        panoptic=spec.task is Task.PANOPTIC and maps is not None,
        found=found[0],
    )
    stuff = [c.id for c in spec.classes if c.id and c.id not in spec.classes.thing_ids]
    job.first, job.stuff_numbers = len(stuff), {c: k for k, c in enumerate(stuff, 1)}
    table = drain(job.run())
    kinds = np.array([0, *stuff, *table.class_id], np.int64)
    return kinds[painted], painted


def balance_regions(network: nn.Module, loss: LossSpec) -> None:
    """Where the IoU-balanced loss is picked, weight the regions of a network that finds boxes as its paper does.

    Wu et al. 2019 (arXiv 1908.05641): classes by eta, boxes by an exponent of 1.5 and a factor of 2.5.
    """
    term = next((t for t in loss.terms if t.name == "iou_balanced"), None)
    if term is None:
        return

    def boxes(given: Tensor, wanted: Tensor, fit: Tensor, count: int) -> Tensor:
        return iou_balanced_localisation(given, wanted, fit, factor=2.5, beta=1.0, count=count)

    classes: Callable[..., Tensor] = iou_balanced_classification
    network.class_loss = partial(classes, **term.options)  # type: ignore[assignment]
    network.box_loss = boxes  # type: ignore[assignment]


__all__ = [
    "DEFAULTS",
    "DetectRun",
    "FoundObjects",
    "PaintBlocks",
    "Seen",
    "balance_regions",
    "gather",
    "run_network",
    "segment",
]
