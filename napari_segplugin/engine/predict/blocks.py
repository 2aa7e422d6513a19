"""Objects of images larger than memory, block by block: what every way of writing objects shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from napari_segplugin.core import ClassTable, InputError, Job, ModelSpec, ObjectTable, Region, Registry, Row, Step
from napari_segplugin.core.types import DecodeParams, WritableArray
from napari_segplugin.data.tiles import Tile, plan
from napari_segplugin.tasks import head_row
from napari_segplugin.tasks.objects import add_stuff, classify, exact_sum, kept_objects, object_sums

ReadMaps = Callable[[Region], np.ndarray]
"""Activated maps of a region, (K, [Z,] Y, X)."""

BLOCKS = Registry("block decoder", Row)
"""The classes that read the heads of this package block by block, by the head's name; a head of another package names
its own in its row."""
BLOCKS.add(Row("distance", "Distance to the outline", f"{__package__}.stitch:DistanceBlocks"))
BLOCKS.add(Row("centre_offset", "Centres and offsets", f"{__package__}.stitch_centres:CentreBlocks"))

BYTES_PER_VOXEL = 100
"""Memory that finding objects takes for each voxel of a window, measured with three maps (flooding takes most)."""


class ByRegion(Protocol):
    """An array that is read and written by region."""

    def __getitem__(self, region: Region, /) -> np.ndarray:
        """The values of a region."""

    def __setitem__(self, region: Region, values: np.ndarray, /) -> None:
        """Set the values of a region."""


@dataclass(kw_only=True)
class BlockJob:
    """A segmentation that is made block by block, with the result of the whole image.

    A subclass says in :meth:`phases` what is done with each block, and in :attr:`radius` how far it looks around.

    Parameters
    ----------
    shape : tuple of int
        ([Z,] Y, X).
    read : callable
        Reads maps of a region.
    out : array-like of `shape`, int32
        The result, read and written by region.
    classes : ClassTable
    params : mapping
        All parameters of the decoder.
    block : tuple of int
        Size of a block.
    most : int
        Voxels that a window (block and surroundings) may have.
    panoptic : bool
    first : int
        The last number that is taken already; objects get the numbers after it.
    stuff_numbers : mapping of class to number
    scratch : callable
        Makes an array of a shape and a dtype that is read and written by region; in memory by default.
    """

    shape: tuple[int, ...]
    read: ReadMaps
    out: ByRegion
    classes: ClassTable
    params: DecodeParams
    block: tuple[int, ...]
    most: int
    panoptic: bool = False
    first: int = 0
    stuff_numbers: Mapping[int, int] = field(default_factory=dict)
    scratch: Callable[[tuple[int, ...], str], WritableArray] = np.zeros
    passes: ClassVar[int] = 4
    """Number of phases, and one more to number the objects."""
    uncertain: int = field(default=0, init=False)
    """Voxels whose surroundings could not be made large enough; after the run."""
    stuff: dict[int, tuple[float, int]] = field(default_factory=dict, init=False)
    """Sum of the probability and number of voxels of each stuff class that occurs; after the run."""

    def __post_init__(self) -> None:
        size = tuple(b + 2 * r for b, r in zip(self.block, self.radius, strict=True))
        self.tiles: list[Tile] = plan(self.shape, size, self.radius)
        self.count(0)

    @property
    def radius(self) -> tuple[int, ...]:
        """How far the decoder looks around a voxel; `tile.read` holds that much."""
        raise NotImplementedError

    def phases(self) -> Iterator[Callable[[Tile], None]]:
        """What is done with every block, one phase after the other.

        What stands between two phases is done once for the whole image. Before the last phase, :meth:`count` says how
        many objects there are; that phase writes their numbers to `out` and calls :meth:`add`.
        """
        raise NotImplementedError

    def run(self) -> Job[ObjectTable]:
        """Find the objects; yields a step after each block, returns the table of the things."""
        total, done = self.passes * len(self.tiles), 0
        for work in self.phases():
            for tile in self.tiles:
                work(tile)
                done += 1
                yield Step(done, total)
        keep = kept_objects(self.sums, self.voxels, self.classes, self.params)
        final = np.where(keep, np.cumsum(keep) + self.first, 0)
        for tile in self.tiles:
            self._finish(tile, final, int(keep.sum()))
            done += 1
            yield Step(done, total)
        kept = np.concatenate([[0], np.flatnonzero(keep)])
        class_id, score = classify(self.sums[:, kept], self.voxels[kept], self.classes)
        n = len(kept) - 1
        return ObjectTable(np.arange(1, n + 1, dtype=np.int64) + self.first, class_id, score, ("predicted",) * n)

    def count(self, n: int) -> None:
        """There are `n` objects, numbered from 1, so far without voxels."""
        self.sums = np.zeros((len(self.classes), n + 1))
        self.voxels = np.zeros(n + 1, np.int64)

    def add(self, labels: np.ndarray, ids: np.ndarray, maps: np.ndarray) -> None:
        """Add up class probabilities and voxels of the objects of a block.

        Parameters
        ----------
        labels : ([Z,] Y, X) ndarray of int
        ids : (n + 1,) ndarray of int
            The object behind each label, entry 0 for none.
        maps : (K, [Z,] Y, X) ndarray
        """
        sums, voxels = object_sums(labels, maps, self.classes, len(ids) - 1)
        self.sums[:, ids[1:]] += sums[:, 1:]
        self.voxels[ids[1:]] += voxels[1:]

    def _finish(self, tile: Tile, final: np.ndarray, count: int) -> None:
        """Final numbers in a block, and stuff where there is no object."""
        labels = final[np.asarray(self.out[tile.write])]
        if self.panoptic:
            maps = np.asarray(self.read(tile.write), np.float32)
            top = self.first + count
            labels, _ = add_stuff(labels, maps, self.classes, top)
            for class_id, number in self.stuff_numbers.items():
                where = labels == top + class_id
                if where.any():
                    total, voxels = self.stuff.get(class_id, (0.0, 0))
                    self.stuff[class_id] = (total + exact_sum(maps[class_id][where]), voxels + int(where.sum()))
                    labels[where] = -number
            labels = np.abs(labels)
        self.out[tile.write] = labels.astype(np.int32)


def blocks_of(spec: ModelSpec) -> type[BlockJob] | None:
    """The class that reads the maps of a network block by block; None where its head can be read in memory only.

    Raises
    ------
    InputError
        If the head is not known, or what it names is no :class:`BlockJob`.
    """
    head = head_row(spec)
    if head.name not in BLOCKS and not head.blocks:
        return None
    found = BLOCKS.load(head.name) if head.name in BLOCKS else head.load_field("blocks")
    if not (isinstance(found, type) and issubclass(found, BlockJob)):
        raise InputError(
            f"Objects by '{head.title}' cannot be found block by block.",
            got=head.blocks,
            accepted="a subclass of BlockJob",
        )
    return found


def block_size(shape: Sequence[int], memory: int) -> tuple[tuple[int, ...], int]:
    """Blocks whose windows stay within a memory, and how many voxels a window may have.

    Parameters
    ----------
    shape : sequence of int
    memory : int
        Bytes.

    Returns
    -------
    block : tuple of int
    most : int
    """
    most = max(4096, memory // BYTES_PER_VOXEL)
    room, block = most // 2 ** len(shape), [1] * len(shape)
    # short axes first, so that what they do not need goes to the long ones
    for rank, axis in enumerate(sorted(range(len(shape)), key=lambda i: shape[i])):
        side = int(max(1, room) ** (1 / (len(shape) - rank)))
        block[axis] = max(1, min(int(shape[axis]), side))
        room //= block[axis]
    return tuple(block), most


__all__ = ["BLOCKS", "BYTES_PER_VOXEL", "BlockJob", "ReadMaps", "block_size", "blocks_of"]
