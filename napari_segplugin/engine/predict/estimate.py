"""What a prediction will take, before it is started: tiles, memory, time."""

from __future__ import annotations

import math
import time
import weakref
from dataclasses import dataclass

import numpy as np
import torch

from napari_segplugin.core import Image, ModelBundle, Region, Task, TileSpec, in_colours
from napari_segplugin.engine.device import title
from napari_segplugin.engine.network import ReadyNetwork
from napari_segplugin.engine.predict.plan import check_fit, check_region, set_up
from napari_segplugin.engine.predict.resize import check_zoom, zoomed
from napari_segplugin.engine.predict.work.resized import OnGrid
from napari_segplugin.engine.voxel_size import look_of, said

_SIDE = {2: 384, 3: 64}
# Seconds for each voxel to read the maps as labels, measured on one core; objects cost more than classes.
_DECODE = {Task.SEMANTIC: 4e-8, Task.INSTANCE: 6e-7, Task.PANOPTIC: 7e-7}
_MEASURED: weakref.WeakKeyDictionary[ReadyNetwork, float] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Estimate:
    """What a prediction will take.

    Parameters
    ----------
    tiles : int
        Tiles to run, over all frames.
    memory_bytes : int
        Largest amount of memory beyond the image itself.
    seconds : float
        Wall time.
    device : str
        What a person calls the device.
    text : str
        All of it in one line.
    """

    tiles: int
    memory_bytes: int
    seconds: float
    device: str
    text: str


def estimate(
    image: Image,
    bundle: ModelBundle,
    *,
    tiles: TileSpec | None = None,
    device: str = "auto",
    region: Region | None = None,
) -> Estimate:
    """Estimate tiles, memory and time of :func:`~napari_segplugin.engine.predict.predict.predict`.

    Times one small tile on the device, once for each model, device and precision.

    Parameters
    ----------
    image, bundle, tiles, device, region
        As for :func:`~napari_segplugin.engine.predict.predict.predict`.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If image, model, region, tiles and device do not go together.
    """
    tiles = tiles or TileSpec()
    wanted = region
    image = in_colours(image, bundle.spec.in_channels)
    check_fit(image, bundle.spec)
    check_zoom(tiles.zoom)
    look = look_of(image, bundle.spec, tiles.rescale)
    factors = zoomed(look.factors, tiles.zoom or 1.0, bundle.spec.ndim)
    if any(f != 1 for f in factors):
        seen = OnGrid.of(image, factors, check_region(image, region))
        image, wanted = seen.picture, seen.region
    setup = set_up(image, bundle, tiles, device, wanted)
    frames, task = image.n_frames, bundle.spec.task
    read = frames * sum(math.prod(t.shape) for t in setup.tiles) * (2**bundle.spec.ndim if tiles.mirror else 1)
    written = frames * math.prod(setup.shape)
    seconds = read * seconds_per_voxel(setup.network) + written * _DECODE[task]
    # maps in float32 and labels; objects need about as much again while they are found
    maps = math.prod(setup.shape) * 4 * setup.network.n_maps * (1 if task is Task.SEMANTIC else 2)
    memory = setup.tile_bytes + maps + written * 4
    count = frames * len(setup.tiles)
    where = title(setup.network.device)
    text = f"{count} tile{'s' if count != 1 else ''} · about {_memory(memory)} · {_time(seconds)} on {where}"
    if not look.plain:
        text += f" · resampled to {said(bundle.spec.spacing[-bundle.spec.ndim :], bundle.spec.unit)}"
    return Estimate(count, int(memory), float(seconds), where, text)


def seconds_per_voxel(network: ReadyNetwork) -> float:
    """Seconds for each voxel that is read, from the fastest of three runs of a small tile."""
    known = _MEASURED.get(network)
    if known is not None:
        return known
    sides = [max(m, _SIDE[network.ndim] // m * m) for m in network.multiple]
    array = np.zeros((1, network.in_channels, *sides), np.float32)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        network(array)
        if network.device.type == "cuda":
            torch.cuda.synchronize(network.device)
        times.append(time.perf_counter() - start)
    _MEASURED[network] = min(times) / math.prod(sides)
    return _MEASURED[network]


def _memory(size: float) -> str:
    return f"{max(1, round(size / 1e6))} MB" if size < 1e8 else f"{size / 1e9:.1f} GB"


def _time(seconds: float) -> str:
    if seconds < 1:
        return "less than 1 s"
    if seconds < 100:
        return f"about {round(seconds)} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


__all__ = ["Estimate", "estimate", "seconds_per_voxel"]
