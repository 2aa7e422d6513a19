"""A prediction on the image in another size."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from napari_segplugin.core import Image, Job, ModelBundle, Note, Region, Segmentation, TileSpec
from napari_segplugin.core.disk import commit
from napari_segplugin.core.disk.unfinished import Ledger
from napari_segplugin.data.nodata import clear_nodata
from napari_segplugin.engine.predict import resize as enlarge
from napari_segplugin.engine.predict.cluster import Cluster
from napari_segplugin.engine.predict.plan import check_fit, check_region
from napari_segplugin.engine.stores import scratch

Plain: TypeAlias = Callable[..., Job[Segmentation]]
"""Predicts on an image as it is."""


def predict_resized(
    plain: Plain,
    image: Image,
    bundle: ModelBundle,
    tiles: TileSpec,
    device: str,
    region: Region | None,
    path: Path | None,
    cluster: Cluster | None,
    ledger: Ledger | None = None,
) -> Job[Segmentation]:
    """Predict on the image in another size, and bring the labels back."""
    enlarge.check_zoom(tiles.zoom)
    check_fit(image, bundle.spec)
    ndim, zoom, wanted = bundle.spec.ndim, tiles.zoom, check_region(image, region)
    with ExitStack() as rooms:

        def one(picture: Image, part: Region) -> Job[Segmentation]:
            kept = ledger if tiles.zoom else None  # of two runs nothing is kept
            place = (
                kept.work("zoomed.zarr")
                if kept
                else rooms.enter_context(scratch(path)) / "labels.zarr"
                if path
                else None
            )
            return (yield from plain(picture, bundle, tiles, device, part, place, cluster, kept))

        places = [np.arange(s.stop - s.start) for s in wanted]
        if zoom == 0:
            found = yield from one(image, wanted)
            zoom, width = enlarge.advised_zoom(found, ndim)
            if zoom != 1:
                text = f"The objects are small, about {width:.0f} pixels wide: running again at a zoom of {zoom:g}."
                yield Note(text)
        if zoom != 1:
            picture = enlarge.resized(image, zoom, ndim)
            shapes = image.spatial_shape, picture.spatial_shape
            large = enlarge.resized_region(wanted, *shapes)
            found, places = (yield from one(picture, large)), enlarge.indices(wanted, large, *shapes)
        recipe = dict(found.recipe) | {"origin": [s.start for s in wanted], "zoom": zoom}
        if path is not None:
            commit.remove(path)  # what was written when a kill came
        labels = enlarge.labels_at(found, places, path, recipe)
        clear_nodata(labels, image, wanted)
    table = enlarge.still_there(found.objects, labels, len(labels.shape) - image.ndim)
    name, spacing = f"{image.name} ({bundle.name})", image.canonical_spacing
    return replace(found, labels=labels, objects=table, name=name, spacing=spacing, recipe=recipe)


__all__ = ["predict_resized"]
