"""Prediction: an image and a bundle become a segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import Image, Job, ModelBundle, Note, Segmentation, Stage, Task, TileSpec
from napari_segplugin.data import normalise
from napari_segplugin.data.tiles import Region, Tile
from napari_segplugin.engine.maps import Run, run_tiles
from napari_segplugin.engine.network import prepare
from napari_segplugin.engine.recipe import make_recipe
from napari_segplugin.engine.setup import Setup, set_up
from napari_segplugin.engine.unify import Unifier
from napari_segplugin.tasks import get_task


def predict(
    image: Image,
    bundle: ModelBundle,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
    output: str | Path | None = None,
) -> Job[Segmentation]:
    """Segment an image.

    A time series is done frame by frame, a 3D image with a 2D model plane by plane; object numbers are unique over
    all of them, and intensities are measured once a frame.

    Parameters
    ----------
    image : Image
    bundle : ModelBundle
    tiles : TileSpec, optional
        How the image is cut; chosen by memory and network where left out.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    region : tuple of slice, optional
        A slice for each of Z, Y, X that the image has; a plane is a slice of length 1. Everything by default.
    output : path, optional
        A zarr that the labels are written to, for images larger than memory; must not exist.

    Yields
    ------
    Stage, Step, Note

    Returns
    -------
    Segmentation
        Labels of the region; axes in the order T, Z, Y, X. Its recipe names the first voxel as "origin".

    Raises
    ------
    InputError
        If image, model, region, tiles and device do not go together.
    OutOfMemoryError
        If not even the smallest tile fits into memory.
    """
    tiles = tiles or TileSpec()
    yield Stage("Preparing the model")
    setup = set_up(image, bundle, tiles, device, region)
    if setup.note:
        yield Note(setup.note)
    run = Run(setup.network, lambda d, t: prepare(bundle, d, t), setup.batch, tiles.mirror, setup.planes)
    unifier = Unifier(bundle.spec.task, bundle.spec.classes)
    frames: list[np.ndarray] = []
    stats: list[Mapping[str, Any]] = []
    for frame in range(image.n_frames):
        yield Stage("Measuring intensities")
        statistics = normalise.statistics(image, bundle.normalisation, frame)
        stats.append({"low": statistics.low.tolist(), "high": statistics.high.tolist()})
        yield Stage("Predicting" if image.n_frames == 1 else f"Predicting frame {frame + 1} of {image.n_frames}")
        maps = yield from _maps(image, setup, run, statistics, frame)
        yield Stage("Finding objects" if bundle.spec.task is not Task.SEMANTIC else "Choosing classes")
        frames.append(_decode(maps, bundle, setup, unifier))
        del maps
    labels = np.stack(frames) if "T" in image.axes else frames[0]
    recipe = make_recipe(image, bundle, tiles, setup, run, stats)
    return segmentation(labels, image, bundle, unifier, recipe)


def reader(image: Image, statistics: normalise.Statistics, frame: int) -> Any:
    """Reads tiles as network input."""

    def read(tile: Tile) -> np.ndarray:
        return normalise.apply(image.read(tile.read, frame), statistics)

    return read


def _maps(image: Image, setup: Setup, run: Run, statistics: normalise.Statistics, frame: int) -> Job[np.ndarray]:
    """Maps of one frame in memory, (K, [Z,] Y, X) float32."""
    maps = np.empty((setup.network.n_maps, *setup.shape), np.float32)

    def write(tile: Tile, values: np.ndarray) -> None:
        at = tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(tile.write, setup.region, strict=True))
        maps[(slice(None), *at)] = values

    yield from run_tiles(run, setup.tiles, setup.axes, reader(image, statistics, frame), write)
    return maps


def _decode(maps: np.ndarray, bundle: ModelBundle, setup: Setup, unifier: Unifier) -> np.ndarray:
    """Labels of one frame, with numbers that are unique over all frames so far."""
    codec = get_task(bundle.spec.task)
    parts = [maps[:, z] for z in range(maps.shape[1])] if setup.planes else [maps]
    labels = [unifier.add(*codec.decode(part, bundle.spec.classes, bundle.decode)) for part in parts]
    return np.stack(labels) if setup.planes else labels[0]


def segmentation(
    labels: Any, image: Image, bundle: ModelBundle, unifier: Unifier, recipe: Mapping[str, Any]
) -> Segmentation:
    """The result with axes, voxel size and recipe."""
    axes = ("T" if "T" in image.axes else "") + "ZYX"[3 - image.ndim :]
    name = f"{image.name} ({bundle.name})"
    return Segmentation(
        bundle.spec.task,
        labels,
        unifier.table(),
        bundle.spec.classes,
        axes,
        image.canonical_spacing,
        image.unit,
        name,
        recipe,
    )


__all__ = ["predict"]
