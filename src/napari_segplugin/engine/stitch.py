"""Objects of images larger than memory: block by block, and still what the whole image would give.

1. Seeds are numbered in each block; numbers that meet at a block's face, edge or corner are joined (exact: connected
   components do not depend on the order in which they are found).
2. Each block is flooded with a halo around it, from seeds with their final numbers. What may come in from outside is
   flooded too, as "unknown", from every foreground voxel at the window's border. A voxel that a numbered seed wins
   against it has the number it would have in the whole image, because the real flood from outside arrives later or not
   at all. Where "unknown" wins inside the block, the halo was too small: it is doubled, up to a limit of memory.
3. Small objects are dropped, the rest is numbered without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as join
from skimage.measure import label as connected_components

from napari_segplugin.core import ClassTable, Job, ObjectTable, Step
from napari_segplugin.data.tiles import Region, Tile, plan
from napari_segplugin.tasks.instance import add_stuff, classify, flood, object_sums, seed_mask

ReadMaps = Callable[[Region], np.ndarray]
"""Activated maps of a region, (K, [Z,] Y, X)."""

BYTES_PER_VOXEL = 100
"""Memory that flooding takes for each voxel of a window, measured with three maps."""


@dataclass
class Blocks:
    """A segmentation that is made block by block.

    Parameters
    ----------
    shape : tuple of int
        ([Z,] Y, X).
    read : callable
        Reads maps of a region.
    seeds, out : array-like of `shape`
        Read and written by region: a scratch array (int64) and the result (int32).
    classes : ClassTable
    params : mapping
        All parameters of the decoder.
    block : tuple of int
        Size of a block.
    most : int
        Voxels that a window (block and halo) may have.
    panoptic : bool
    halo : int
        Voxels around a block that are flooded at first; 0 means a quarter of the block.
    first : int
        The last number that is taken already; objects get the numbers after it.
    stuff_numbers : mapping of class to number
    """

    shape: tuple[int, ...]
    read: ReadMaps
    seeds: Any
    out: Any
    classes: ClassTable
    params: Mapping[str, Any]
    block: tuple[int, ...]
    most: int
    panoptic: bool = False
    halo: int = 0
    first: int = 0
    stuff_numbers: Mapping[int, int] = field(default_factory=dict)
    uncertain: int = field(default=0, init=False)
    """Voxels whose halo could not be made large enough; after the run."""
    stuff: dict[int, tuple[float, int]] = field(default_factory=dict, init=False)
    """Sum of the probability and number of voxels of each stuff class that occurs; after the run."""

    def __post_init__(self) -> None:
        self.radius = int(3.0 * float(self.params["smooth"]) + 0.5)  # as far as the decoder's smoothing looks
        halo = (self.radius,) * len(self.shape)
        size = tuple(b + 2 * self.radius for b in self.block)
        self.tiles: list[Tile] = plan(self.shape, size, halo)
        cuts = [sorted({t.write[i].start for t in self.tiles}) for i in range(len(self.shape))]
        self.cuts = [[*starts, n] for starts, n in zip(cuts, self.shape, strict=True)]

    def run(self) -> Job[ObjectTable]:
        """Find the objects; yields a step after each block, returns the table of the things."""
        total, done = 3 * len(self.tiles), 0
        sizes: list[np.ndarray] = []
        last = 0
        for tile in self.tiles:
            sizes.append(self._seed(tile, last))
            last += len(sizes[-1])
            done += 1
            yield Step(done, total)
        numbers, count = self._number(np.concatenate([np.zeros(1, np.int64), *sizes]))
        sums = np.zeros((len(self.classes), count + 1))
        voxels = np.zeros(count + 1, np.int64)
        for tile in self.tiles:
            self._flood(tile, numbers, sums, voxels)
            done += 1
            yield Step(done, total)
        keep = voxels >= max(1, int(self.params["min_size"]))
        keep[0] = False
        final = np.where(keep, np.cumsum(keep) + self.first, 0)
        for tile in self.tiles:
            self._finish(tile, final, int(keep.sum()))
            done += 1
            yield Step(done, total)
        kept = np.concatenate([[0], np.flatnonzero(keep)])
        class_id, score = classify(sums[:, kept], voxels[kept], self.classes)
        n = len(kept) - 1
        return ObjectTable(np.arange(1, n + 1, dtype=np.int64) + self.first, class_id, score, ("predicted",) * n)

    def _seed(self, tile: Tile, last: int) -> np.ndarray:
        """Number the seeds of a block after `last`; their sizes."""
        maps = np.asarray(self.read(tile.read), np.float32)
        mask = seed_mask(maps, self.classes, self.params)[tile.keep]
        found = connected_components(mask, connectivity=mask.ndim).astype(np.int64)
        sizes = np.bincount(found.ravel())[1:]
        self.seeds[tile.write] = np.where(found > 0, found + last, 0)
        return sizes

    def _number(self, sizes: np.ndarray) -> tuple[np.ndarray, int]:
        """The final number of each block-wise number, 0 for seeds that are too small; and the largest."""
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self._meetings()])
        n = len(sizes)
        graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        _, joined = join(graph, directed=False)
        total = np.bincount(joined, weights=sizes).astype(np.int64)
        keep = total >= max(1, int(self.params["min_seed"]))
        keep[joined[0]] = False  # number 0 is "no seed" and stands alone
        numbers = np.where(keep, np.cumsum(keep), 0)[joined]
        return numbers, int(keep.sum())

    def _meetings(self) -> Iterator[np.ndarray]:
        """Pairs of numbers that touch across the faces between blocks, diagonals included."""
        ndim = len(self.shape)
        for axis in range(ndim):
            others = [i for i in range(ndim) if i != axis]
            spans = [
                [
                    (max(0, a - 1), min(self.shape[i], b + 1))
                    for a, b in zip(self.cuts[i][:-1], self.cuts[i][1:], strict=True)
                ]
                for i in others
            ]
            for cut, piece in product(self.cuts[axis][1:-1], product(*spans)):
                region = [slice(*s) for s in piece]
                region.insert(axis, slice(cut - 1, cut + 1))
                sides = np.moveaxis(np.asarray(self.seeds[tuple(region)]), axis, 0)
                yield _touching(sides[0], sides[1])

    def _flood(self, tile: Tile, numbers: np.ndarray, sums: np.ndarray, voxels: np.ndarray) -> None:
        """Write the objects of a block, by the numbers of their seeds, and add up their probabilities."""
        halo = self.halo or max(8, max(self.block) // 4)
        while True:
            window = self._window(tile, halo)
            grown = self._window(tile, 2 * halo)
            final = window == grown or math.prod(s.stop - s.start for s in grown) > self.most
            labels, maps, ids, unknown = self._try(tile, window, numbers)
            if not unknown or final:
                break
            halo *= 2
        if unknown:
            self.uncertain += unknown
            labels, maps, ids, _ = self._try(tile, window, numbers, guard=False)
        self.out[tile.write] = ids[labels]
        add, count = object_sums(labels, maps, self.classes, len(ids) - 1)
        sums[:, ids[1:]] += add[:, 1:]
        voxels[ids[1:]] += count[1:]

    def _window(self, tile: Tile, halo: int) -> Region:
        """The block with a halo, clipped to the image."""
        reach = halo + self.radius + 1
        return tuple(
            slice(max(0, w.start - reach), min(n, w.stop + reach)) for w, n in zip(tile.write, self.shape, strict=True)
        )

    def _try(
        self, tile: Tile, window: Region, numbers: np.ndarray, guard: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Flood a window; labels and maps of the block, the number behind each label, and how many are unknown."""
        seeds = numbers[np.asarray(self.seeds[window])]
        maps = np.asarray(self.read(window), np.float32)
        ids = np.unique(seeds[seeds > 0])
        ids = np.concatenate([np.zeros(1, np.int64), ids])
        markers = np.searchsorted(ids, seeds).astype(np.int32)
        if guard:
            markers[self._border(window) & (markers == 0)] = len(ids)
        inner = tuple(slice(w.start - s.start, w.stop - s.start) for w, s in zip(tile.write, window, strict=True))
        labels = flood(maps, markers, self.classes, self.params)[inner]
        return labels, maps[(slice(None), *inner)], ids, int((labels == len(ids)).sum())

    def _border(self, window: Region) -> np.ndarray:
        """The rim of a window where it does not end with the image, as wide as smoothing is wrong there, and one more."""
        width = self.radius + 1
        rim = np.zeros([s.stop - s.start for s in window], bool)
        for axis, (s, n) in enumerate(zip(window, self.shape, strict=True)):
            side = np.moveaxis(rim, axis, 0)
            if s.start > 0:
                side[:width] = True
            if s.stop < n:
                side[-width:] = True
        return rim

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
                    self.stuff[class_id] = (total + float(maps[class_id][where].sum()), voxels + int(where.sum()))
                    labels[where] = -number
            labels = np.abs(labels)
        self.out[tile.write] = labels.astype(np.int32)


def _touching(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Pairs of numbers of two neighbouring planes that touch straight or diagonally, (M, 2)."""
    found = [np.zeros((0, 2), np.int64)]
    for shift in product((-1, 0, 1), repeat=before.ndim):
        a = before[tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip(shift, before.shape, strict=True))]
        b = after[tuple(slice(max(0, d), n - max(0, -d)) for d, n in zip(shift, after.shape, strict=True))]
        both = (a > 0) & (b > 0)
        if both.any():
            found.append(np.unique(np.stack([a[both], b[both]], 1), axis=0))
    return np.unique(np.concatenate(found), axis=0)


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


__all__ = ["BYTES_PER_VOXEL", "Blocks", "block_size"]
