"""Prediction straight into a file, for results of any size: labels, recipe and table of objects, with progress to the end."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import (
    Image,
    InputError,
    Job,
    ModelBundle,
    Note,
    Region,
    Segmentation,
    SegPluginError,
    Stage,
    Step,
    TileSpec,
)
from napari_segplugin.core.disk.commit import FileSet, commit, remove
from napari_segplugin.core.types import Array, Index, Json
from napari_segplugin.engine.predict.cluster import Cluster
from napari_segplugin.engine.predict.plan import check_region
from napari_segplugin.engine.predict.predict import predict, predict_into
from napari_segplugin.engine.predict.work.progress import about_job
from napari_segplugin.engine.predict.work.resized import Asked
from napari_segplugin.engine.stores import lasting
from napari_segplugin.io.files import writing
from napari_segplugin.io.formats import stem_of, with_extension
from napari_segplugin.io.memory import free_host_memory
from napari_segplugin.io.writing import check_target, fill

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

_SHARE = 8
"""Labels that take more than this part of the free memory go to the disk at once."""
_LONG = 2**27
"""Voxels from which on a prediction takes so long that it goes on after a kill."""
_POLL = 0.1


def predict_to_file(
    image: Image,
    bundle: ModelBundle,
    path: str | os.PathLike[str],
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
    cluster: Cluster | None = None,
    otherwise: str = "",
    about: Mapping[str, Json] | None = None,
) -> Job[tuple[Segmentation, list[Path]]]:
    """Segment an image and write the result; labels too large for the memory never lie in it.

    Parameters
    ----------
    image, bundle, tiles, device, region, cluster
        As for :func:`~napari_segplugin.engine.predict.predict.predict`.
    path : path
        Its extension names the format; labels larger than memory are written piece by piece to .zarr and .tif.
    otherwise : str
        Extension of another format, which is written where that of `path` cannot hold the labels.
    about : mapping, optional
        What the recipe is to say besides.

    Yields
    ------
    Stage, Step, Note

    Returns
    -------
    segmentation : Segmentation
        Its labels are in memory, or an empty array where they were too large.
    files : list of Path
        As :func:`napari_segplugin.io.write_segmentation` gives them.

    Raises
    ------
    InputError, OutOfMemoryError
        As for :func:`~napari_segplugin.engine.predict.predict.predict` and :func:`napari_segplugin.io.write_segmentation`. Where it
        fails or is cancelled, nothing is left on the disk; after a kill, the same call goes on where the result is
        large.

    Examples
    --------
    >>> from napari_segplugin.core import drain
    >>> from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
    >>> image, bundle = load_sample("nuclei2d").image, load_bundle(shipped_bundles()["nuclei2d"])
    >>> found, files = drain(predict_to_file(image, bundle, "nuclei.ome.zarr"))  # doctest: +SKIP
    """
    target, tiles = check_target(path), tiles or TileSpec()
    stem = stem_of(target)
    if not _is_large(image, region):
        found = yield from predict(image, bundle, tiles=tiles, device=device, region=region, cluster=cluster)
        found = replace(found, recipe={**found.recipe, **(about or {})})
        yield Stage("Writing the file")
        with writing(target), commit(target, stem) as stage:
            return found, (yield from _write(stage, found, target, otherwise))
    work = about_job(image, bundle, tiles, device, region, cluster is not None) | {"file": target.name}
    with lasting(target, work, stem) as ledger:
        place = ledger.work("labels.zarr")
        found = yield from predict_into(Asked(image, bundle, tiles, device, region, place, cluster, ledger))
        found = replace(found, recipe={**found.recipe, **(about or {})})
        yield Stage("Writing the file")
        with writing(target):
            files = yield from _write(ledger, found, target, otherwise)
    return replace(found, labels=np.zeros((0,) * len(found.axes), np.int32)), files


def _is_large(image: Image, region: Region | None) -> bool:
    voxels = image.n_frames * math.prod(s.stop - s.start for s in check_region(image, region))
    return bool(voxels >= _LONG or voxels * np.dtype(np.int32).itemsize * _SHARE > free_host_memory())


class _Stopped(SegPluginError):
    """The person cancelled while the file was written."""


class _Watched:
    """Labels that count what was read of them, and refuse to be read once nobody wants the file any more."""

    def __init__(self, labels: Array) -> None:
        self._labels, self.read, self.stop = labels, 0, threading.Event()
        self.shape, self.dtype, self.ndim = labels.shape, labels.dtype, len(labels.shape)
        self.chunks = getattr(labels, "chunks", None)
        self.size = math.prod(labels.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: Index) -> np.ndarray:
        if self.stop.is_set():
            raise _Stopped("Cancelled.")
        part = np.asarray(self._labels[index])
        self.read += part.size
        return part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def _write(stage: FileSet, found: Segmentation, path: Path, otherwise: str) -> Job[list[Path]]:
    """Write, and in another format where that of the path cannot hold the labels."""
    try:
        return (yield from _write_as(stage, found, path))
    except InputError as error:
        if not otherwise:
            raise
        place = with_extension(path, otherwise)
        yield Note(f"{str(error).partition('. ')[0]}. '{place.name}' is written instead.")
        for name in stage.names:
            remove(stage.path(name))
    return (yield from _write_as(stage, found, place))


def _write_as(stage: FileSet, found: Segmentation, path: Path) -> Job[list[Path]]:
    """Write in a thread, so that the job goes on telling how far it is and can be closed at any moment."""
    labels = _Watched(found.labels)
    total = 2 * labels.size  # once to count the voxels of each object, once to write
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(fill, stage, replace(found, labels=labels), path)
        try:
            while not work.done():
                wait([work], _POLL)
                yield Step(min(total, labels.read) * 100 // max(1, total), 100)
        finally:
            labels.stop.set()
        return work.result()


__all__ = ["predict_to_file"]
