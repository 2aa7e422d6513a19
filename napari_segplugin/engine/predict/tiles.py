"""Run a network over tiles: a generator of steps that retreats when memory runs out and keeps what is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import torch

from napari_segplugin.core import (
    MEMORY_ERRORS,
    Image,
    Job,
    Note,
    OutOfMemoryError,
    SegPluginError,
    Step,
    is_out_of_memory,
)
from napari_segplugin.core.words import pixel
from napari_segplugin.data import normalise
from napari_segplugin.data.tiles import Axis, Tile, split
from napari_segplugin.engine.device import give_back
from napari_segplugin.engine.network import ReadyNetwork
from napari_segplugin.engine.stores import Shifted

Read = Callable[[Tile], np.ndarray]
"""Normalised input of a tile, (C, [Z,] Y, X) float32."""

Made = TypeVar("Made")
Kept = TypeVar("Kept")

Write: TypeAlias = Callable[[Tile, Kept], None]
"""Takes what :meth:`TileRun.kept` hands on; of :class:`Run` the kept part of a tile's maps, (K, [Z,] Y, X) float32."""


@dataclass
class TileRun(Generic[Made, Kept]):
    """How tiles are run; changes while it retreats. A subclass says what is made of a tile and what is kept of that.

    Parameters
    ----------
    network : ReadyNetwork
    fallback : callable
        Makes the same network for another device and number format.
    batch : int
        Tiles of one shape that are run together.
    mirror : bool
        Average over all mirrored copies.
    planes : bool
        A 2D network on a 3D image: the planes of a tile are a batch.
    """

    network: ReadyNetwork
    fallback: Callable[[torch.device, torch.dtype], ReadyNetwork]
    batch: int = 1
    mirror: bool = False
    planes: bool = False

    def maps(self, arrays: Sequence[np.ndarray]) -> list[Made]:
        """What the network makes of inputs of one shape."""
        raise NotImplementedError

    def kept(self, tile: Tile, maps: Made) -> Kept:
        """What is handed on of a tile."""
        raise NotImplementedError

    def check(self, maps: torch.Tensor) -> None:
        """Half precision that has overflowed is an error here, not black spots later."""
        if self.network.dtype is torch.float16 and not bool(torch.isfinite(maps).all()):
            raise _Overflow

    def _host(self, maps: torch.Tensor) -> np.ndarray:
        """Bring maps to main memory."""
        self.check(maps)
        host: np.ndarray = maps.cpu().numpy()
        return host


@dataclass
class Run(TileRun[np.ndarray, np.ndarray]):
    """Runs tiles and gives their maps."""

    def maps(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Activated maps of inputs of one shape, (K, [Z,] Y, X) each."""
        if self.planes:
            return [
                self._host(self.network(array.swapaxes(0, 1), mirror=self.mirror)).swapaxes(0, 1) for array in arrays
            ]
        stacked = arrays[0][None] if len(arrays) == 1 else np.stack(arrays)
        return list(self._host(self.network(stacked, mirror=self.mirror)))

    def kept(self, tile: Tile, maps: np.ndarray) -> np.ndarray:
        """The part of the maps that is kept."""
        return maps[(slice(None), *tile.keep)]


class _Overflow(Exception):
    """Numbers too large for float16 came up; float32 is needed."""


def run_tiles(
    run: TileRun[Made, Kept], tiles: Sequence[Tile], axes: Sequence[Axis], read: Read, write: Write[Kept]
) -> Job[int]:
    """Run tiles one after the other and hand their maps on.

    Parameters
    ----------
    run : TileRun
    tiles : sequence of Tile
    axes : sequence of Axis
        The axes that the tiles were cut from; needed to cut them smaller.
    read, write : callable

    Yields
    ------
    Step
        After every tile or batch.
    Note
        When a retreat was taken: smaller batch, smaller tiles, then the CPU.

    Returns
    -------
    int
        The number of tiles that were run.

    Raises
    ------
    OutOfMemoryError
        If not even the smallest tile fits into the main memory.
    """
    pending, done = deque(tiles), 0
    if pending:
        yield Step(0, len(pending))
    while pending:
        group = _next_group(pending, run.batch)
        error = _attempt(run, group, read, write)
        if error is None:
            done += len(group)
            yield Step(done, done + len(pending))
            continue
        pending.extendleft(reversed(group))
        give_back(run.network.device)
        pending, sentence = _retreat(run, pending, len(group), axes, error)
        yield Note(sentence)
    return done


def _next_group(pending: deque[Tile], batch: int) -> list[Tile]:
    """Take the next tiles that have one shape, `batch` at most."""
    group = [pending.popleft()]
    while pending and len(group) < batch and pending[0].shape == group[0].shape:
        group.append(pending.popleft())
    return group


def _attempt(run: TileRun[Made, Kept], group: Sequence[Tile], read: Read, write: Write[Kept]) -> Exception | None:
    """Run tiles; an error that a retreat may cure is returned without its traceback, which would hold memory."""
    try:
        results = run.maps([read(tile) for tile in group])
    except _Overflow as error:
        return error.with_traceback(None)
    except SegPluginError:
        raise
    except MEMORY_ERRORS as error:
        if not is_out_of_memory(error):
            raise
        return error.with_traceback(None)
    for tile, maps in zip(group, results, strict=True):
        write(tile, run.kept(tile, maps))
    return None


def _retreat(
    run: TileRun[Made, Kept], pending: deque[Tile], tried: int, axes: Sequence[Axis], error: Exception
) -> tuple[deque[Tile], str]:
    """The next smaller way of running, and a sentence that says which."""
    device = run.network.device
    if isinstance(error, _Overflow):
        run.network = run.fallback(device, torch.float32)
        return pending, "The values of this network are too large for half precision; the run continues in float32."
    if tried > 1:
        run.batch = tried // 2
        tiles = f"{run.batch} tile{'s' if run.batch > 1 else ''}"
        return pending, f"Memory ran out; the run continues with {tiles} at a time."
    smaller = deque(part for tile in pending for part in split(tile, axes))
    if len(smaller) > len(pending) and len(split(pending[0], axes)) > 1:
        return (
            smaller,
            f"Memory ran out; the run continues with smaller tiles of about {_size(smaller[0])} {pixel(len(axes))}s.",
        )
    if device.type != "cpu":
        run.network = run.fallback(torch.device("cpu"), torch.float32)
        return (
            pending,
            "The memory of the graphics card is too small even for the smallest tile; the run continues on the CPU.",
        )
    raise OutOfMemoryError(
        f"There is not enough memory even for the smallest tile, {_size(pending[0])} {pixel(len(axes))}s. Close other programs, "
        f"use a smaller network, or reduce the overlap of tiles.",
        setting="tile_overlap",
    )


def _size(tile: Tile) -> str:
    return " × ".join(str(n) for n in tile.shape)


def keep(store: Shifted) -> Write[np.ndarray]:
    """Writes maps as they are."""

    def write(tile: Tile, maps: np.ndarray) -> None:
        store[tile.write] = maps

    return write


def reader(image: Image, statistics: normalise.Statistics, frame: int) -> Read:
    """Reads tiles as network input."""

    def read(tile: Tile) -> np.ndarray:
        return normalise.apply(image.read(tile.read, frame), statistics)

    return read


__all__ = ["Read", "Run", "TileRun", "Write", "keep", "reader", "run_tiles"]
