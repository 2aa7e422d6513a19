"""A prediction on the image in another size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from napari_segplugin.core import Image, Job, ModelBundle, Note, Region, Segmentation, TileSpec
from napari_segplugin.core.disk import commit
from napari_segplugin.core.disk.unfinished import Ledger
from napari_segplugin.core.types import json_object
from napari_segplugin.data.nodata import clear_nodata
from napari_segplugin.data.resample import Taps, regridded
from napari_segplugin.engine.predict import resize as enlarge
from napari_segplugin.engine.predict.cluster import Cluster
from napari_segplugin.engine.predict.plan import check_region
from napari_segplugin.engine.provenance import about_input
from napari_segplugin.engine.stores import scratch
from napari_segplugin.engine.voxel_size import Look, in_recipe


@dataclass(frozen=True, eq=False)
class Asked:
    """What a prediction was asked for.

    Parameters
    ----------
    image, bundle, tiles, device, region, cluster
        As for :func:`~napari_segplugin.engine.predict.predict.predict`.
    path : Path, optional
        The zarr of the labels; None for labels in memory.
    ledger : Ledger, optional
        Says what is done, and is told.
    """

    image: Image
    bundle: ModelBundle
    tiles: TileSpec
    device: str
    region: Region | None
    path: Path | None
    cluster: Cluster | None
    ledger: Ledger | None = None


Plain: TypeAlias = Callable[[Asked], Job[Segmentation]]
"""Predicts on an image as it is."""


def predict_resized(plain: Plain, look: Look, order: Asked) -> Job[Segmentation]:
    """Predict on the image in another size, and bring the labels back."""
    image, bundle, tiles, path, ledger = order.image, order.bundle, order.tiles, order.path, order.ledger
    enlarge.check_zoom(tiles.zoom)
    ndim, zoom, wanted = bundle.spec.ndim, tiles.zoom, check_region(image, order.region)
    with ExitStack() as rooms:

        def one(factors: Sequence[float]) -> Job[tuple[Segmentation, OnGrid]]:
            seen = OnGrid.of(image, factors, wanted)
            kept = ledger if tiles.zoom else None  # of two runs nothing is kept
            place = (
                kept.work("zoomed.zarr")
                if kept
                else rooms.enter_context(scratch(path)) / "labels.zarr"
                if path
                else None
            )
            found = yield from plain(replace(order, image=seen.picture, region=seen.region, path=place, ledger=kept))
            return found, seen

        found, seen = yield from one(enlarge.zoomed(look.factors, zoom or 1.0, ndim))
        if zoom == 0:
            zoom, width = enlarge.advised_zoom(found, ndim)
            if zoom != 1:
                text = f"The objects are small, about {width:.0f} pixels wide: running again at a zoom of {zoom:g}."
                yield Note(text)
                found, seen = yield from one(enlarge.zoomed(look.factors, zoom, ndim))
        recipe = dict(found.recipe) | {"origin": [s.start for s in wanted], "zoom": zoom}
        told = json_object(recipe.get("input"))
        # the result lies on the grid of the image, and not on that of the network
        recipe["input"] = {**about_input(image), "intensities": told.get("intensities", [])}
        if not look.plain:
            recipe["seen"] = in_recipe(seen.picture, look.factors)
        if path is not None:
            commit.remove(path)  # what was written when a kill came
        labels = enlarge.labels_at(found, seen.taps, path, recipe)
    clear_nodata(labels, image, wanted)
    table = enlarge.still_there(found.objects, labels, len(labels.shape) - image.ndim)
    name, spacing = f"{image.name} ({bundle.name})", image.canonical_spacing
    return replace(found, labels=labels, objects=table, name=name, spacing=spacing, recipe=recipe)


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A region of an image on the grid on which a network looks at it.

    Parameters
    ----------
    picture : Image
        The whole image on that grid.
    region : tuple of slice
        The part of it that has to be known.
    taps : list of Taps
        For each axis, where the voxels of the region of the image lie in that part.
    """

    picture: Image
    region: Region
    taps: list[Taps]

    @classmethod
    def of(cls, image: Image, factors: Sequence[float], wanted: Region) -> OnGrid:
        """For a region with start and stop; the image itself where no factor changes its grid."""
        picture = image if all(f == 1 for f in factors) else regridded(image, factors)
        shapes = image.spatial_shape, picture.spatial_shape
        large = enlarge.resized_region(wanted, *shapes)
        return cls(picture, large, enlarge.places(wanted, large, *shapes))

    def point(self, image: Image, point: Sequence[int] | None) -> tuple[int, ...] | None:
        """The voxel of the picture in which the middle of a voxel of the image lies."""
        if point is None:
            return None
        shapes = zip(point, image.spatial_shape, self.picture.spatial_shape, strict=True)
        return tuple(int((2 * int(p) + 1) * a // (2 * b)) for p, b, a in shapes)

    def box(self, image: Image, box: Region | None) -> Region | None:
        """The box on the grid of the picture, rounded outwards."""
        if box is None:
            return None
        shapes = zip(box, image.spatial_shape, self.picture.spatial_shape, strict=True)
        return tuple(slice(s.start * a // b, -(-s.stop * a // b)) for s, b, a in shapes)

    def mask(self, image: Image, region: Region, mask: np.ndarray | None) -> np.ndarray | None:
        """A mask of a region of the image on the region of the picture."""
        if mask is None:
            return None
        places = [
            (((2 * np.arange(w.start, w.stop) + 1) * b // (2 * a)) - s.start).clip(0, s.stop - s.start - 1)
            for s, w, b, a in zip(region, self.region, image.spatial_shape, self.picture.spatial_shape, strict=True)
        ]
        found: np.ndarray = mask[np.ix_(*places)]
        return found


__all__ = ["Asked", "OnGrid", "predict_resized"]
