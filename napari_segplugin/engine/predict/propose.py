"""Prompted correction: a click on an object that was missed, and the network's own maps around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_segplugin.core import Image, InputError, ModelBundle, Region, Task, TileSpec, drain
from napari_segplugin.core.types import DecodeParams, scalar
from napari_segplugin.data import normalise
from napari_segplugin.data.prompt import proposals
from napari_segplugin.data.resample import vote
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.device import polite_threads, threads
from napari_segplugin.engine.network import prepare
from napari_segplugin.engine.predict.plan import as_seen, check_fit, check_region, set_up
from napari_segplugin.engine.predict.tiles import Run, reader, run_tiles
from napari_segplugin.engine.predict.work.resized import OnGrid
from napari_segplugin.engine.stores import Shifted
from napari_segplugin.engine.voxel_size import look_of
from napari_segplugin.networks import is_detector
from napari_segplugin.tasks import codec_of


@dataclass(frozen=True, eq=False)
class Proposed:
    """A mask that may be the object that was meant.

    Parameters
    ----------
    mask : ([Z,] Y, X) ndarray of bool
        Lies at `region`.
    region : tuple of slice
    class_id : int
        The class that the network sees most of in it.
    score : float
        Mean probability of that class.
    """

    mask: np.ndarray
    region: Region
    class_id: int
    score: float


def propose(
    image: Image,
    bundle: ModelBundle,
    region: Region,
    *,
    point: Sequence[int] | None = None,
    box: Region | None = None,
    free: np.ndarray | None = None,
    device: str = "auto",
    rescale: bool = True,
    invert: bool = False,
) -> list[Proposed]:
    """Run the network around a click and propose masks for the object there.

    First comes what the task's own decoder finds there when its thresholds are lowered to what the network says at the
    click, then the foreground map cut at several levels.

    Parameters
    ----------
    image : Image
        Without a T axis.
    bundle : ModelBundle
    region : tuple of slice
        The window to look at (:func:`napari_segplugin.data.prompt.window`).
    point : sequence of int, optional
        The voxel that was clicked, in the axes Z, Y, X.
    box : tuple of slice, optional
        The box that was drawn instead.
    free : ndarray of bool, optional
        Where in `region` no other object is.
    device : str
    rescale : bool
        As of :class:`~napari_segplugin.core.TileSpec`.
    invert : bool
        Exchange bright and dark, as :attr:`TileSpec.invert` does.

    Returns
    -------
    list of Proposed
        The likeliest first; at least one.

    Raises
    ------
    InputError
        If the network has no map of the foreground, does not fit the image, or sees nothing there.
    """
    image, bundle = as_seen(image, bundle, invert)
    check_fit(image, bundle.spec)
    if is_detector(bundle.spec):
        raise InputError(
            "This model finds objects by boxes and cannot outline an object from a click.",
            got=bundle.name,
            hint="Paint the object with the brush, or choose a U-Net",
            setting="model",
        )
    if image.ndim > bundle.spec.ndim and region[0].stop - region[0].start != 1:
        raise InputError("A 2D model works on one plane.", got=f"{region[0]}", accepted="one plane along Z")
    look = look_of(image, bundle.spec, rescale)
    if look.plain:
        return _proposed(image, bundle, region, point, box, free, device)
    seen = OnGrid.of(image, look.factors, check_region(image, region))
    there = seen.point(image, point), seen.box(image, box), seen.mask(image, region, free)
    found = _proposed(seen.picture, bundle, seen.region, *there, device)
    masks = [vote(p.mask.astype(np.uint8), seen.taps) > 0 for p in found]
    masks = masks if free is None else [mask & free for mask in masks]
    kept = [replace(p, mask=m, region=region) for p, m in zip(found, masks, strict=True) if m.any()]
    return kept or [replace(found[0], mask=masks[0], region=region)]


def _proposed(
    image: Image,
    bundle: ModelBundle,
    region: Region,
    point: Sequence[int] | None,
    box: Region | None,
    free: np.ndarray | None,
    device: str,
) -> list[Proposed]:
    """The proposals on the grid of the image."""
    maps = _maps(image, bundle, region, device)
    start = [r.start for r in region]
    inner = None if point is None else tuple(int(p) - s for p, s in zip(point, start, strict=True))
    frame = None if box is None else tuple(slice(b.start - s, b.stop - s) for b, s in zip(box, start, strict=True))
    classes = bundle.spec.classes
    ids = list(classes.thing_ids or range(1, len(classes)))
    ids = ids if bundle.spec.task is not Task.SEMANTIC else list(range(1, len(classes)))
    foreground = maps[ids].sum(0)
    masks = [p.mask for p in proposals(foreground, inner, frame, free=free)]
    decoded = _decoded(maps, foreground, bundle, _near(foreground.shape, inner, frame), free)
    if decoded is not None:
        masks = [decoded, *(m for m in masks if not np.array_equal(m, decoded))]
    return [_described(mask, region, maps, ids) for mask in masks]


def _maps(image: Image, bundle: ModelBundle, region: Region, device: str) -> np.ndarray:
    """The maps of a window."""
    setup = set_up(image, bundle, TileSpec(), device, region)
    run = Run(setup.network, lambda d, t: prepare(bundle, d, t), setup.batch, False, setup.planes)
    maps = np.empty((setup.network.n_maps, *setup.shape), np.float32)
    out = Shifted(maps, setup.region, (slice(None),))

    def write(tile: Tile, part: np.ndarray) -> None:
        out[tile.write] = part

    read = reader(image, normalise.statistics(image, bundle.normalisation), 0)
    with threads(polite_threads()):
        drain(run_tiles(run, setup.tiles, setup.axes, read, write))
    return maps


def _decoded(
    maps: np.ndarray, foreground: np.ndarray, bundle: ModelBundle, near: Region, free: np.ndarray | None
) -> np.ndarray | None:
    """The object that the decoder finds near the click when it asks for less; None where it has none."""
    codec = codec_of(bundle.spec)
    known: DecodeParams = {**codec.defaults(), **bundle.decode}
    if bundle.spec.task is Task.SEMANTIC or "foreground" not in known:
        return None
    lower = {"foreground": min(scalar(known, "foreground"), 0.5 * float(foreground[near].max())), "score": 0.0}
    if "seed" in known and len(maps) > len(bundle.spec.classes):
        lower["seed"] = min(scalar(known, "seed"), 0.5 * float(maps[len(bundle.spec.classes)][near].max()))
    flat = maps.ndim - 1 > bundle.spec.ndim
    labels, table = codec.decode(maps[:, 0] if flat else maps, bundle.spec.classes, {**known, **lower})
    labels = labels[None] if flat else labels
    things = set(bundle.spec.classes.thing_ids)
    kept = [int(n) for n, c in zip(table.label, table.class_id, strict=True) if int(c) in things]
    counts = np.bincount(labels[near].ravel(), minlength=int(labels.max(initial=0)) + 1)
    best = max(kept, key=lambda n: int(counts[n]), default=0)
    if not best or not counts[best]:
        return None
    mask: np.ndarray = labels == best
    return mask if free is None else mask & free


def _near(shape: tuple[int, ...], point: tuple[int, ...] | None, box: Region | None) -> Region:
    """Two voxels around the click, or the box."""
    if point is None:
        return box or tuple(slice(0, n) for n in shape)
    return tuple(slice(max(0, p - 2), p + 3) for p in point)


def _described(mask: np.ndarray, region: Region, maps: np.ndarray, ids: list[int]) -> Proposed:
    means = [float(maps[i][mask].mean()) for i in ids]
    best = int(np.argmax(means))
    return Proposed(mask, region, ids[best], means[best])


__all__ = ["Proposed", "propose"]
