"""Prediction straight into a file, for results of any size: labels, recipe and table of objects, with progress to the end."""

from __future__ import annotations

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Image, Job, ModelBundle, Region, Segmentation, SegPluginError, Stage, Step, TileSpec
from napari_segplugin.core.types import Array, Index
from napari_segplugin.engine.predict.cluster import Cluster
from napari_segplugin.engine.predict.plan import check_region
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.stores import scratch
from napari_segplugin.io import write_segmentation
from napari_segplugin.io.files import move_into_place, writing
from napari_segplugin.io.memory import free_host_memory
from napari_segplugin.io.writing import check_target

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

_SHARE = 8
"""Labels that take more than this part of the free memory go to the disk at once."""
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
) -> Job[tuple[Segmentation, list[Path]]]:
    """Segment an image and write the result; labels too large for the memory never lie in it.

    Parameters
    ----------
    image, bundle, tiles, device, region, cluster
        As for :func:`~napari_segplugin.engine.predict.predict.predict`.
    path : path
        Its extension names the format; labels larger than memory are written piece by piece to .zarr and .tif.

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
        fails or is cancelled, nothing is left on the disk.

    Examples
    --------
    >>> from napari_segplugin.core import drain
    >>> from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
    >>> image, bundle = load_sample("nuclei2d").image, load_bundle(shipped_bundles()["nuclei2d"])
    >>> found, files = drain(predict_to_file(image, bundle, "nuclei.ome.zarr"))  # doctest: +SKIP
    """
    target = check_target(path)
    large = _too_large(image, region)
    with scratch(target) as folder:
        place = folder / "labels.zarr" if large else None
        found = yield from predict(
            image, bundle, tiles=tiles, device=device, region=region, output=place, cluster=cluster
        )
        yield Stage("Writing the file")
        made = yield from _write(found, folder / target.name)
        files = [target.with_name(file.name) for file in made]
        with writing(target):
            for finished, file in zip(made, files, strict=True):
                move_into_place(finished, file)
    if large:
        found = replace(found, labels=np.zeros((0,) * len(found.axes), np.int32))
    return found, files


def _too_large(image: Image, region: Region | None) -> bool:
    voxels = image.n_frames * math.prod(s.stop - s.start for s in check_region(image, region))
    return bool(voxels * np.dtype(np.int32).itemsize * _SHARE > free_host_memory())


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


def _write(found: Segmentation, path: Path) -> Job[list[Path]]:
    """Write in a thread, so that the job goes on telling how far it is and can be closed at any moment."""
    labels = _Watched(found.labels)
    total = 2 * labels.size  # once to count the voxels of each object, once to write
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(write_segmentation, replace(found, labels=labels), path)
        try:
            while not work.done():
                wait([work], _POLL)
                yield Step(min(total, labels.read) * 100 // max(1, total), 100)
        finally:
            labels.stop.set()
        return work.result()


__all__ = ["predict_to_file"]
