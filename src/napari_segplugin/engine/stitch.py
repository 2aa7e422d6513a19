"""Objects of images larger than memory: block by block, and still what the whole image would give.

1. Components at each threshold are numbered in each block; numbers that meet at a block's face, edge or corner are
   joined (exact: components do not depend on the order in which they are found). Peaks join by the maximum, and which
   component lies in which is known from any of its voxels, so the seeds are those of the whole image.
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
from napari_segplugin.tasks.instance import (
    add_stuff,
    classify,
    component_parents,
    component_peaks,
    flood,
    level_mask,
    number_seeds,
    object_sums,
    seed_levels,
    smooth_distance,
)

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
    seeds : array-like of (L, [Z,] Y, X), int64
        Scratch, read and written by region; L is the number of :attr:`levels`.
    out : array-like of `shape`, int32
        The result, read and written by region.
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
        self.levels = seed_levels(self.params)
        self.radius = int(3.0 * float(self.params["smooth"]) + 0.5)  # as far as the decoder's smoothing looks
        halo = (self.radius,) * len(self.shape)
        size = tuple(b + 2 * self.radius for b in self.block)
        self.tiles: list[Tile] = plan(self.shape, size, halo)
        cuts = [sorted({t.write[i].start for t in self.tiles}) for i in range(len(self.shape))]
        self.cuts = [[*starts, n] for starts, n in zip(cuts, self.shape, strict=True)]

    def run(self) -> Job[ObjectTable]:
        """Find the objects; yields a step after each block, returns the table of the things."""
        total, done = 4 * len(self.tiles), 0
        found = [_Level() for _ in self.levels]
        for tile in self.tiles:
            self._components(tile, found)
            done += 1
            yield Step(done, total)
        numbers, count = self._number(found)
        for tile in self.tiles:
            self._seed(tile, numbers)
            done += 1
            yield Step(done, total)
        sums = np.zeros((len(self.classes), count + 1))
        voxels = np.zeros(count + 1, np.int64)
        for tile in self.tiles:
            self._flood(tile, sums, voxels)
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

    def _components(self, tile: Tile, found: Sequence[_Level]) -> None:
        """Number the components of a block at each threshold, after those of the blocks before."""
        maps = np.asarray(self.read(tile.read), np.float32)
        smoothed = smooth_distance(maps, self.params)
        kept = smoothed[tile.keep]
        below: np.ndarray | None = None
        written = np.zeros((len(found), *kept.shape), np.int64)
        for k, (level, record) in enumerate(zip(self.levels, found, strict=True)):
            mask = level_mask(smoothed, maps, self.classes, self.params, level)[tile.keep]
            labels = connected_components(mask, connectivity=mask.ndim)
            parents = None if below is None else component_parents(below, labels)[1:]
            np.copyto(written[k], labels.astype(np.int64) + record.count, where=labels > 0)
            record.add(component_peaks(kept, labels)[1:], parents, 0 if k == 0 else found[k - 1].last)
            below = labels
        self.seeds[(slice(None), *tile.write)] = written

    def _number(self, found: Sequence[_Level]) -> tuple[list[np.ndarray], int]:
        """The number of the seed behind each block-wise component of each level, 0 for none; and how many seeds."""
        joined = [_join(record.count, self._meetings(k)) for k, record in enumerate(found)]
        peaks, parents = [], []
        for k, (record, to) in enumerate(zip(found, joined, strict=True)):
            top = np.zeros(int(to.max()) + 1)
            np.maximum.at(top, to, np.concatenate([[0.0], *record.peaks]))
            peaks.append(top)
            if k:
                inside = np.zeros(len(top), np.int64)
                inside[to] = joined[k - 1][np.concatenate([[0], *record.parents]).astype(np.int64)]
                parents.append(inside)
        numbers = number_seeds(peaks, parents, self.levels, float(self.params["valley"]))
        return [number[to] for number, to in zip(numbers, joined, strict=True)], max(int(n.max()) for n in numbers)

    def _seed(self, tile: Tile, numbers: Sequence[np.ndarray]) -> None:
        """Write the seeds of a block in place of the components of the lowest threshold."""
        components = np.asarray(self.seeds[(slice(None), *tile.write)])
        seeds = np.zeros(components.shape[1:], np.int64)
        for number, labels in zip(numbers, components, strict=True):
            here = number[labels]
            np.copyto(seeds, here, where=here > 0)
        self.seeds[(0, *tile.write)] = seeds

    def _meetings(self, level: int) -> Iterator[np.ndarray]:
        """Pairs of components that touch across the faces between blocks, diagonals included."""
        ndim = len(self.shape)
        for axis in range(ndim):
            others = [i for i in range(ndim) if i != axis]
            # two planes thick, so several blocks wide is no more than a block
            wide = max(1, int((self.block[axis] / 2) ** (1 / len(others))))
            spans = [
                [
                    (max(0, a - 1), min(self.shape[i], a + 1 + wide * self.block[i]))
                    for a in range(0, self.shape[i], wide * self.block[i])
                ]
                for i in others
            ]
            for cut, piece in product(self.cuts[axis][1:-1], product(*spans)):
                region = [slice(*s) for s in piece]
                region.insert(axis, slice(cut - 1, cut + 1))
                sides = np.moveaxis(np.asarray(self.seeds[(level, *region)]), axis, 0)
                yield _touching(sides[0], sides[1])

    def _flood(self, tile: Tile, sums: np.ndarray, voxels: np.ndarray) -> None:
        """Write the objects of a block, by the numbers of their seeds, and add up their probabilities."""
        halo = self.halo or max(8, max(self.block) // 4)
        while True:
            window = self._window(tile, halo)
            grown = self._window(tile, 2 * halo)
            final = window == grown or math.prod(s.stop - s.start for s in grown) > self.most
            labels, maps, ids, unknown = self._try(tile, window)
            if not unknown or final:
                break
            halo *= 2
        if unknown:
            self.uncertain += unknown
            labels, maps, ids, _ = self._try(tile, window, guard=False)
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

    def _try(self, tile: Tile, window: Region, guard: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Flood a window; labels and maps of the block, the number behind each label, and how many are unknown."""
        seeds = np.asarray(self.seeds[(0, *window)])
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
        """The rim of a window where the image goes on, as wide as smoothing is wrong there, and one more."""
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


@dataclass
class _Level:
    """The components of one threshold, gathered over the blocks."""

    peaks: list[np.ndarray] = field(default_factory=list)
    parents: list[np.ndarray] = field(default_factory=list)
    count: int = 0
    last: int = 0
    """The count before the block that was added last."""

    def add(self, peaks: np.ndarray, parents: np.ndarray | None, first: int) -> None:
        """Add those of a block; `parents` are numbers within the block, of components that start after `first`."""
        self.peaks.append(peaks)
        if parents is not None:
            self.parents.append(parents + first)
        self.last, self.count = self.count, self.count + len(peaks)


def _join(count: int, meetings: Iterator[np.ndarray]) -> np.ndarray:
    """The component of the whole image, 1, 2 …, of each block-wise one, (count + 1,); entry 0 is 0."""
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *meetings])
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count + 1, count + 1))
    joined: np.ndarray = join(graph, directed=False)[1].astype(np.int64)
    return joined


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
