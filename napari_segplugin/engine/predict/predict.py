"""Prediction: an image and a bundle become a segmentation."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import Image, InputError, Job, ModelBundle, Note, Region, Segmentation, Stage, Task, TileSpec
from napari_segplugin.core.disk.unfinished import Ledger
from napari_segplugin.core.types import Json, JsonDict, scalar
from napari_segplugin.core.words import voxels
from napari_segplugin.data import normalise
from napari_segplugin.data.nodata import clear_nodata
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.device import free_host_memory, polite_threads, threads
from napari_segplugin.engine.predict import resize as enlarge
from napari_segplugin.engine.predict.blocks import BYTES_PER_VOXEL, BlockJob, block_size, blocks_of
from napari_segplugin.engine.predict.boxes import DEFAULTS, FoundObjects, PaintBlocks, Seen, make_run
from napari_segplugin.engine.predict.classes import Decided
from napari_segplugin.engine.predict.cluster import Cluster, Way
from napari_segplugin.engine.predict.numbering import Unifier
from napari_segplugin.engine.predict.plan import Setup, as_seen, precision_of, set_up
from napari_segplugin.engine.predict.provenance import make_recipe
from napari_segplugin.engine.predict.tiles import Kept, TileRun, Write, keep, reader, run_tiles
from napari_segplugin.engine.predict.work.progress import DoneSoFar, about_job
from napari_segplugin.engine.predict.work.resized import predict_resized
from napari_segplugin.engine.predict.work.suits import noting
from napari_segplugin.engine.stores import (
    Shifted,
    Stored,
    View,
    check_labels,
    check_output,
    label_array,
    lasting,
    scratch,
    scratch_array,
)
from napari_segplugin.networks import is_detector
from napari_segplugin.tasks import codec_of, head_row


def predict(
    image: Image,
    bundle: ModelBundle,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
    output: str | Path | None = None,
    cluster: Cluster | None = None,
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
        A zarr that the labels are written to, for images larger than memory; must not exist. It is there when it is
        complete; after a kill the same call goes on where it stopped.
    cluster : Cluster, optional
        Whose workers run the network, from :func:`napari_segplugin.engine.predict.cluster.connect`; this computer reads, writes and
        finds the objects.

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
    path = check_output(output)
    if path is not None:
        about = about_job(image, bundle, tiles, device, region, cluster is not None)
        with lasting(path, about) as ledger:
            place = ledger.path(path)
            found = yield from predict_into(image, bundle, tiles, device, region, place, cluster, ledger)
        return replace(found, labels=zarr.open_array(LocalStore(path), mode="r+"))
    found = yield from predict_into(image, bundle, tiles, device, region, None, cluster)
    zoom, width = (1.0, 0.0) if tiles.zoom != 1 else enlarge.advised_zoom(found, bundle.spec.ndim)
    if zoom != 1:
        yield Note(
            f"The objects are small, about {width:.0f} pixels wide. At a zoom of {zoom:g}, touching ones may be "
            f"separated better.",
            setting="zoom",
        )
    return found


def predict_into(
    image: Image,
    bundle: ModelBundle,
    tiles: TileSpec,
    device: str,
    region: Region | None,
    path: Path | None,
    cluster: Cluster | None,
    ledger: Ledger | None = None,
) -> Job[Segmentation]:
    """Predict, the labels in memory or in a zarr of a stage; `ledger` says what is done, and is told."""
    seen, reader = as_seen(image, bundle, tiles.invert)
    one = _plain if tiles.zoom == 1 else partial(predict_resized, _plain)
    return (yield from noting(image, bundle, tiles, one(seen, reader, tiles, device, region, path, cluster, ledger)))


def _plain(
    image: Image,
    bundle: ModelBundle,
    tiles: TileSpec,
    device: str,
    region: Region | None,
    path: Path | None,
    cluster: Cluster | None,
    ledger: Ledger | None = None,
) -> Job[Segmentation]:
    """Predict on the image as it is."""
    yield Stage("Preparing the model")
    progress = DoneSoFar(ledger)
    cut = progress.same_tiles(tiles)
    # on a cluster each worker looks for its device; a few tiles each, so that none waits long for the others at the end
    where, parts = (device, 1) if cluster is None else ("cpu", 3 * cluster.slots)
    setup = set_up(image, bundle, cut, where, region, parts)
    if setup.note:
        yield setup.note
    work = _Prediction(image, bundle, setup, tiles, device, cluster, progress)
    work.check_memory()
    axes = ("T" if "T" in image.axes else "") + "ZYX"[3 - image.ndim :]
    shape = (image.n_frames,) * (axes[0] == "T") + setup.shape
    kind = "uint16" if work.semantic else "int32"
    stream = path is not None or not work.fits()
    if path is None:
        check_labels(shape, kind)
    with threads(polite_threads()), label_array(path, shape, image.ndim, kind, axes, ledger) as labels:
        yield from progress.begin(setup, image.n_frames)
        for frame in range(image.n_frames):
            if work.is_done(f"frame {frame}"):
                continue
            yield Stage("Measuring intensities")
            work.measure(frame)
            yield Stage("Predicting" if image.n_frames == 1 else f"Predicting frame {frame + 1} of {image.n_frames}")
            index = (frame,) if axes[0] == "T" else ()
            yield from work.segment(labels, index, path, stream)
            work.record(f"frame {frame}", {"intensities": work.intensities[-1]})
            progress.leave(frame)
        if work.uncertain:
            yield Note(
                f"{voxels(work.uncertain, image.ndim)} could not be assigned with certainty within the available "
                f"memory: they may belong to another object."
            )
        left = clear_nodata(labels, image, setup.region)
        recipe = work.recipe(tiles)
        if isinstance(labels, zarr.Array):
            labels.attrs["segplugin"] = recipe
    name = f"{image.name} ({bundle.name})"
    return Segmentation(
        bundle.spec.task,
        labels,
        work.unifier.table().only(left),
        bundle.spec.classes,
        axes,
        image.canonical_spacing,
        image.unit,
        name,
        recipe,
    )


class _Prediction:
    """The parts of one prediction, and what they gather over frames and planes."""

    def __init__(
        self,
        image: Image,
        bundle: ModelBundle,
        setup: Setup,
        tiles: TileSpec,
        device: str,
        cluster: Cluster | None,
        progress: DoneSoFar,
    ) -> None:
        self.progress, self.frame = progress, 0
        self.image, self.bundle, self.setup, self.cluster = image, bundle, setup, cluster
        self.detector = is_detector(bundle.spec)
        self.way = Way(device, precision_of(bundle.spec, tiles), tiles.mirror, setup.planes)
        self.run = make_run(bundle, setup.network, setup.batch, mirror=tiles.mirror, planes=setup.planes)
        self.task, self.table = bundle.spec.task, bundle.spec.classes
        self.codec = codec_of(bundle.spec)
        self.unifier = Unifier(self.task, self.table)
        self.semantic = self.task is Task.SEMANTIC
        self.blocks = None if self.semantic or self.detector else blocks_of(bundle.spec)
        self.intensities: list[Mapping[str, Json]] = []
        self.uncertain = 0

    def measure(self, frame: int) -> None:
        """Take the intensities of a frame; its tiles are read with them."""
        self.frame = frame
        statistics = normalise.statistics(self.image, self.bundle.normalisation, frame)
        self.intensities.append({"low": statistics.low.tolist(), "high": statistics.high.tolist()})
        self.read = reader(self.image, statistics, frame)

    def check_memory(self) -> None:
        """Before anything is computed: a head that is read in memory only needs an image that fits.

        Raises
        ------
        InputError
            If it does not.
        """
        if self.semantic or self.detector or self.blocks or self.fits():
            return
        raise InputError(
            f"'{head_row(self.bundle.spec).title}' finds objects only in memory, and there is too little for this "
            f"image.",
            got=f"{self.setup.network.n_maps} arrays of shape {self.setup.shape}",
            hint="Choose a part of the image, or a model that separates objects in another way",
        )

    def fits(self) -> bool:
        """Whether the maps of a frame and the search for objects fit into half of the free memory."""
        voxels = math.prod(self.setup.shape)
        return self.semantic or voxels * (4 * self.setup.network.n_maps + BYTES_PER_VOXEL) < free_host_memory() / 2

    def recipe(self, tiles: TileSpec) -> JsonDict:
        """How the result came about."""
        recipe = make_recipe(self.image, self.bundle, tiles, self.setup, self.run, self.intensities)
        recipe |= {"uncertain_voxels": self.uncertain}
        if self.cluster is not None:
            names = ", ".join(sorted(self.cluster.devices))
            recipe["device"] = f"{self.cluster.slots} workers of a cluster: {names}"
        return recipe

    def tiles(self, write: Write[Kept], lasting: bool) -> Job[int]:
        """Run the tiles of the frame that was measured; `lasting` where what they give outlives a kill."""
        tiles, axes = self.setup.tiles, self.setup.axes
        if lasting:
            tiles, write = self.progress.left(self.frame, tiles, write, self.unifier.count)
        if self.cluster is not None:
            return self.cluster.run_tiles(self.bundle, self.way, tiles, axes, self.read, write)
        run = cast("TileRun[object, Kept]", self.run)  # what it gives fits the task, and so does `write`
        return run_tiles(run, tiles, axes, self.read, write)

    def is_done(self, key: str) -> bool:
        """Whether a part was done before a kill; its objects are taken in then."""
        told = self.progress.known(key)
        if told is None:
            return False
        self.unifier.take_up(told["objects"])
        self.uncertain = told["uncertain"]
        self.intensities += [told["intensities"]] if "intensities" in told else []
        return True

    def record(self, key: str, more: Mapping[str, Json] | None = None) -> None:
        """Write down that a part is done."""
        self.progress.record(key, {"objects": self.unifier.news(), "uncertain": self.uncertain, **(more or {})})

    def segment(self, labels: Stored, index: tuple[int, ...], beside: Path | None, stream: bool) -> Job[None]:
        """Labels of the frame that was measured."""
        if self.semantic:
            yield from self.classes(labels, index)
        elif self.detector:
            yield from self.boxes(labels, index, beside, stream)
        else:
            yield from self.objects(labels, index, beside, stream)

    def classes(self, labels: Stored, index: tuple[int, ...]) -> Job[None]:
        """Semantic: each tile is read as classes at once, so maps are never held."""
        out = Shifted(labels, self.setup.region, index)

        def write(tile: Tile, found: Decided) -> None:
            self.unifier.count(found.count, found.total)
            out[tile.write] = found.labels

        yield from self.tiles(write, lasting=True)

    def objects(self, labels: Stored, index: tuple[int, ...], beside: Path | None, stream: bool) -> Job[None]:
        """Instance and panoptic: all maps first, then the objects."""
        shape = (self.setup.network.n_maps, *self.setup.shape)
        if not stream or self.blocks is None:
            maps = np.empty(shape, np.float32)
            yield from self.tiles(keep(Shifted(maps, self.setup.region, (slice(None),))), lasting=False)
            yield Stage("Finding objects")
            labels[index or ...] = self._decode(maps)
            return
        with self.progress.room(beside, self.frame) as folder:
            ledger = self.progress.ledger
            store = scratch_array(folder / "maps.zarr", shape, self.block()[0], "float32", ledger=ledger)
            yield from self.tiles(keep(Shifted(store, self.setup.region, (slice(None),))), lasting=True)
            yield Stage("Finding objects")
            for z in self._parts():
                if self.is_done(f"plane {self.frame} {z}"):
                    continue
                plane = () if z is None else (z,)
                job = partial(self.blocks, params={**self.codec.defaults(), **self.bundle.decode})
                probabilities, out = View(store, (slice(None), *plane)), View(labels, (*index, *plane))
                yield from self._blocks(job, probabilities, out, folder, z)
                self.record(f"plane {self.frame} {z}")

    def boxes(self, labels: Stored, index: tuple[int, ...], beside: Path | None, stream: bool) -> Job[None]:
        """Instance and panoptic with a network that finds boxes: all objects first, then they are painted."""
        dense = self.task is Task.PANOPTIC
        shape = (len(self.table), *self.setup.shape)
        found = FoundObjects(self.setup.region, self.setup.planes)
        with scratch(beside) if stream else nullcontext(Path()) as folder:
            store: Stored = np.zeros(shape if dense and not stream else (0,) * len(shape), np.float32)
            if dense and stream:
                store = scratch_array(folder / "maps.zarr", shape, self.block()[0], "float32")
            maps = Shifted(store, self.setup.region, (slice(None),))

            def write(tile: Tile, seen: Seen) -> None:
                found.add(tile, seen)
                if dense:
                    maps[tile.write] = seen.maps

            if self.run.mirror:
                yield Note("Mirrored copies are not averaged: this network finds boxes, which cannot be averaged.")
            yield from self.tiles(write, lasting=False)
            yield Stage("Drawing objects")
            for z in self._parts():
                plane = () if z is None else (z,)
                params = {**DEFAULTS, **self.bundle.decode}
                job = partial(PaintBlocks, params=params, found=found.of(z, scalar(params, "overlap")))
                probabilities, out = View(store, (slice(None), *plane)), View(labels, (*index, *plane))
                yield from self._blocks(job, probabilities, out, folder, z)

    def _parts(self) -> Iterable[int | None]:
        """The planes that are images of their own; None for the whole."""
        return range(self.setup.shape[0]) if self.setup.planes else [None]

    def block(self) -> tuple[tuple[int, ...], int]:
        """The blocks in which objects are found, and the voxels that a window may have."""
        shape = self.setup.shape[1:] if self.setup.planes else self.setup.shape
        block, most = block_size(shape, min(2 * 2**30, free_host_memory() // 4))
        return ((1, *block) if self.setup.planes else block), most

    def _decode(self, maps: np.ndarray) -> np.ndarray:
        """Labels of a frame in memory, with numbers that are unique over all so far."""
        self.unifier.reserve()  # the numbers of a result that is found block by block
        parts = [maps[:, z] for z in range(maps.shape[1])] if self.setup.planes else [maps]
        found = [self.unifier.add(*self.codec.decode(part, self.table, self.bundle.decode)) for part in parts]
        return np.stack(found) if self.setup.planes else found[0]

    def _blocks(
        self, make: Callable[..., BlockJob], maps: View, out: View, folder: Path, plane: int | None
    ) -> Job[None]:
        """Labels of a frame or plane, block by block."""
        shape = self.setup.shape if plane is None else self.setup.shape[1:]
        block, most = self.block()
        block, place = block[-len(shape) :], folder / f"blocks{plane}.zarr"

        def scratch(size: tuple[int, ...], dtype: str) -> Stored:
            return scratch_array(place, size, block, dtype, together=False)

        job = make(
            shape=shape,
            read=maps.__getitem__,
            out=out,
            classes=self.table,
            block=block,
            most=most,
            panoptic=self.task is Task.PANOPTIC,
            scratch=scratch,
        )
        job.first, job.stuff_numbers = self.unifier.reserve(), self.unifier.stuff_numbers
        table = yield from job.run()
        self.unifier.take(table, job.stuff)
        self.uncertain += job.uncertain
        shutil.rmtree(place, ignore_errors=True)


__all__ = ["predict", "predict_into"]
