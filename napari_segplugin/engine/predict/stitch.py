"""Objects of images larger than memory: block by block, and still what the whole image would give.

1. Components at each threshold are numbered in each block; numbers that meet at a block's face, edge or corner are
   joined (exact: components do not depend on the order in which they are found). Peaks join by the maximum, and which
   component lies in which is known from any of its voxels, so the seeds are those of the whole image.
2. Each block is flooded with a halo around it, from seeds with their final numbers. What may come in from outside is
   flooded too, as "unknown", from every foreground voxel at the window's border. A voxel that a numbered seed wins
   against it has the number it would have in the whole image, because the real flood from outside arrives later or not
   at all; of seeds that are equally high "unknown" goes first, then the first in the array. Where "unknown" wins inside
   the block, the halo was too small: it is doubled, up to a limit of memory.
3. Small objects are dropped, the rest is numbered without gaps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as join
from skimage.measure import label as connected_components

from napari_segplugin.core import Region
from napari_segplugin.core.types import scalar
from napari_segplugin.data.tiles import Tile
from napari_segplugin.engine.predict.blocks import BlockJob
from napari_segplugin.tasks.instance import (
    component_parents,
    component_peaks,
    flood,
    level_mask,
    number_seeds,
    seed_levels,
    smooth_distance,
)


@dataclass(kw_only=True)
class DistanceBlocks(BlockJob):
    """Objects by the distance to their outline, block by block.

    Parameters
    ----------
    halo : int
        Voxels around a block that are flooded at first; 0 means a quarter of the block.
    """

    halo: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.levels = seed_levels(self.params)
        cuts = [sorted({t.write[i].start for t in self.tiles}) for i in range(len(self.shape))]
        self.cuts = [[*starts, n] for starts, n in zip(cuts, self.shape, strict=True)]

    @property
    def radius(self) -> tuple[int, ...]:
        """As far as the decoder's smoothing looks."""
        return (int(3.0 * scalar(self.params, "smooth") + 0.5),) * len(self.shape)

    def phases(self) -> Iterator[Callable[[Tile], None]]:
        """Components, seeds, flood."""
        self.seeds = self.scratch((len(self.levels), *self.shape), "int64")
        found = [_Level() for _ in self.levels]
        yield lambda tile: self._components(tile, found)
        numbers, count = self._number(found)
        yield lambda tile: self._seed(tile, numbers)
        self.count(count)
        yield self._flood

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
            record.starts.append(self._starts(labels, tile))
            below = labels
        self.seeds[(slice(None), *tile.write)] = written

    def _starts(self, labels: np.ndarray, tile: Tile) -> np.ndarray:
        """Where in the whole image the first voxel of each component of a block lies, (n,)."""
        flat = labels.ravel()
        at = np.flatnonzero(flat)[::-1]
        first = np.zeros(int(labels.max(initial=0)), np.int64)
        first[flat[at] - 1] = at  # of several, the one that is written last stays: the first in the array
        place = np.unravel_index(first, labels.shape)
        moved = tuple(p + w.start for p, w in zip(place, tile.write, strict=True))
        return np.asarray(np.ravel_multi_index(moved, self.shape), np.int64)

    def _number(self, found: Sequence[_Level]) -> tuple[list[np.ndarray], int]:
        """The number of the seed behind each block-wise component of each level, 0 for none; and how many seeds."""
        joined = [_join(record.starts, self._meetings(k)) for k, record in enumerate(found)]
        peaks, parents = [], []
        for k, (record, to) in enumerate(zip(found, joined, strict=True)):
            top = np.zeros(int(to.max()) + 1)
            np.maximum.at(top, to, np.concatenate([[0.0], *record.peaks]))
            peaks.append(top)
            if k:
                inside = np.zeros(len(top), np.int64)
                inside[to] = joined[k - 1][np.concatenate([[0], *record.parents]).astype(np.int64)]
                parents.append(inside)
        numbers = number_seeds(peaks, parents, self.levels, scalar(self.params, "valley"))
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

    def _flood(self, tile: Tile) -> None:
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
        self.add(labels, ids, maps)

    def _window(self, tile: Tile, halo: int) -> Region:
        """The block with a halo, clipped to the image."""
        reach = halo + self.radius[0] + 1
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
        labels = flood(maps, markers, self.classes, self.params, ahead=len(ids))[inner]
        return labels, maps[(slice(None), *inner)], ids, int((labels == len(ids)).sum())

    def _border(self, window: Region) -> np.ndarray:
        """The rim of a window where the image goes on, as wide as smoothing is wrong there, and one more."""
        width = self.radius[0] + 1
        rim = np.zeros([s.stop - s.start for s in window], bool)
        for axis, (s, n) in enumerate(zip(window, self.shape, strict=True)):
            side = np.moveaxis(rim, axis, 0)
            if s.start > 0:
                side[:width] = True
            if s.stop < n:
                side[-width:] = True
        return rim


@dataclass
class _Level:
    """The components of one threshold, gathered over the blocks."""

    peaks: list[np.ndarray] = field(default_factory=list)
    parents: list[np.ndarray] = field(default_factory=list)
    starts: list[np.ndarray] = field(default_factory=list)
    count: int = 0
    last: int = 0
    """The count before the block that was added last."""

    def add(self, peaks: np.ndarray, parents: np.ndarray | None, first: int) -> None:
        """Add those of a block; `parents` are numbers within the block, of components that start after `first`."""
        self.peaks.append(peaks)
        if parents is not None:
            self.parents.append(parents + first)
        self.last, self.count = self.count, self.count + len(peaks)


def _join(starts: Sequence[np.ndarray], meetings: Iterator[np.ndarray]) -> np.ndarray:
    """The component of the whole image, 1, 2 …, of each block-wise one, (count + 1,); entry 0 is 0.

    Numbered by their first voxels, as in the whole image.
    """
    start = np.concatenate([[-1], *starts]).astype(np.int64)
    count = len(start) - 1
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *meetings])
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count + 1, count + 1))
    joined: np.ndarray = join(graph, directed=False)[1].astype(np.int64)
    first = np.full(int(joined.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, joined, start)
    return np.asarray(first.argsort().argsort()[joined], np.int64)


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


__all__ = ["DistanceBlocks"]
