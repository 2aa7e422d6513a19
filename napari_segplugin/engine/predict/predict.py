"""Prediction: an image and a bundle become a segmentation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import Image, Job, ModelBundle, Note, Region, Segmentation, Stage, TileSpec
from napari_segplugin.core.words import voxels
from napari_segplugin.data.by_values import other_values
from napari_segplugin.data.channels import channel_names
from napari_segplugin.data.nodata import clear_nodata
from napari_segplugin.engine.device import polite_threads, threads
from napari_segplugin.engine.predict import resize as enlarge
from napari_segplugin.engine.predict.cluster import Cluster
from napari_segplugin.engine.predict.plan import as_seen, check_fit, set_up
from napari_segplugin.engine.predict.provenance import with_asked
from napari_segplugin.engine.predict.work.prediction import Prediction
from napari_segplugin.engine.predict.work.progress import DoneSoFar, about_job
from napari_segplugin.engine.predict.work.resized import Asked, predict_resized
from napari_segplugin.engine.predict.work.suits import noting
from napari_segplugin.engine.stores import (
    check_labels,
    check_output,
    label_array,
    lasting,
)
from napari_segplugin.engine.voxel_size import look_of


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
            found = yield from predict_into(Asked(image, bundle, tiles, device, region, place, cluster, ledger))
        return replace(found, labels=zarr.open_array(LocalStore(path), mode="r+"))
    found = yield from predict_into(Asked(image, bundle, tiles, device, region, None, cluster))
    zoom, width = (1.0, 0.0) if tiles.zoom != 1 else enlarge.advised_zoom(found, bundle.spec.ndim)
    if zoom != 1:
        yield Note(
            f"The objects are small, about {width:.0f} pixels wide. At a zoom of {zoom:g}, touching ones may be "
            f"separated better.",
            setting="zoom",
        )
    return found


def predict_into(order: Asked) -> Job[Segmentation]:
    """Predict, in the voxel size of the model and at a zoom where these are others than those of the image."""
    given, bundle, tiles = order.image, order.bundle, order.tiles
    image, reader = as_seen(given, bundle, tiles.invert)
    check_fit(image, bundle.spec)
    if image is not given and "channels" in image.metadata and given.n_channels != 4:
        yield Note(f"Of '{image.name}' the model sees: {', '.join(channel_names(image))}.", setting="channels")
    yield from other_values(image, reader)
    look = look_of(image, bundle.spec, tiles.rescale)
    if look.note:
        yield look.note
    order = replace(order, image=image, bundle=reader)
    job = _plain(order) if look.plain and tiles.zoom == 1 else predict_resized(_plain, look, order)
    return with_asked((yield from noting(given, bundle, tiles, job)), given, order.region, order.device)


def _plain(order: Asked) -> Job[Segmentation]:
    """Predict on the image as it is."""
    image, bundle, tiles, device, path, cluster = (
        order.image, order.bundle, order.tiles, order.device, order.path, order.cluster,
    )  # fmt: skip
    yield Stage("Preparing the model")
    progress = DoneSoFar(order.ledger)
    cut = progress.same_tiles(tiles)
    # on a cluster each worker looks for its device; a few tiles each, so that none waits long for the others at the end
    where, parts = (device, 1) if cluster is None else ("cpu", 3 * cluster.slots)
    setup = set_up(image, bundle, cut, where, order.region, parts)
    if setup.note:
        yield setup.note
    work = Prediction(image, bundle, setup, tiles, device, cluster, progress)
    work.check_memory()
    axes = ("T" if "T" in image.axes else "") + "ZYX"[3 - image.ndim :]
    shape = (image.n_frames,) * (axes[0] == "T") + setup.shape
    kind, stream = "uint16" if work.semantic else "int32", path is not None or not work.fits()
    if path is None:
        check_labels(shape, kind)
    with threads(polite_threads()), label_array(path, shape, image.ndim, kind, axes, order.ledger) as labels:
        yield from progress.begin(setup, image.n_frames)
        for frame in range(image.n_frames):
            if work.is_done(f"frame {frame}"):
                continue
            yield Stage("Measuring intensities")
            work.measure(frame)
            yield Stage("Predicting" if image.n_frames == 1 else f"Predicting frame {frame + 1} of {image.n_frames}")
            index = (frame,) if axes[0] == "T" else ()
            yield from work.segment(labels, index, path, stream)
            work.clear_faint(labels, index)
            work.record(f"frame {frame}", {"intensities": work.intensities[-1]})
            progress.leave(frame)
        if work.uncertain:
            yield Note(
                f"{voxels(work.uncertain, image.ndim)} could not be assigned with certainty within the available "
                f"memory: they may belong to another object."
            )
        if work.nothing_clear:
            yield Note("Nothing in the image stands out clearly from its noise.")
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


__all__ = ["predict", "predict_into"]
