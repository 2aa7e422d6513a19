"""Tile plans: which part of an image is read, run and kept, so that every voxel is written exactly once.

A network's convolutions pad with zeros at the border of what they are given. A tile is therefore read with a halo,
except at the borders of the image, where the padding belongs. Where the halo is the network's reach and tiles start at
multiples of its pooling, tiled and whole images give the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from napari_segplugin.core import InputError, Region


@dataclass(frozen=True)
class Tile:
    """One tile, all slices in canonical order (Z,) Y, X.

    Parameters
    ----------
    read : tuple of slice
        What is read from the image, halo included.
    keep : tuple of slice
        The part of `read` that is kept, counted from the start of `read`.
    write : tuple of slice
        Where the kept part lies in the image.
    """

    read: Region
    keep: Region
    write: Region

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of what is read."""
        return tuple(s.stop - s.start for s in self.read)


@dataclass(frozen=True)
class Axis:
    """How one axis is cut.

    Parameters
    ----------
    length : int
        Voxels of the image along the axis.
    halo, multiple : int
    start, stop : int
        The part of the axis that is wanted.
    """

    length: int
    halo: int
    multiple: int
    start: int
    stop: int

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """What is read to write `start` to `stop`: with halo, from and to multiples, clipped to the image."""
        m = self.multiple
        low = max(0, start - self.halo) // m * m
        return low, min(self.length, -(-(stop + self.halo) // m) * m)

    def cuts(self, count: int) -> list[tuple[int, int]]:
        """`count` intervals to write, of about equal reading length; fewer where there are not enough voxels.

        A cut lies at a multiple plus the halo, so that reading starts at a multiple without rounding down.
        """
        length, h, m = self.stop - self.start, self.halo, self.multiple
        # the outer tiles have a halo on one side only where the image ends there
        before, after = min(h, self.start), min(h, self.length - self.stop)
        total = before + length + after + 2 * h * (count - 1)
        even = total / count
        inner = [self.start - before + i * even - (2 * i - 1) * h for i in range(1, count)]
        cuts = [round((c - h) / m) * m + h for c in inner]
        edges = sorted({self.start, *(c for c in cuts if self.start < c < self.stop), self.stop})
        return list(pairwise(edges))

    def lengths(self, count: int) -> tuple[int, int]:
        """Voxels read by all tiles together, and by the longest, when the axis is cut in `count`."""
        sizes = [b - a for a, b in (self.span(*c) for c in self.cuts(count))]
        return sum(sizes), max(sizes)

    def most(self) -> int:
        """The largest sensible count: with it, cuts are wanted twice in each multiple, so one is wherever it may be."""
        return 2 * -(-(self.stop - self.start) // self.multiple) + 1

    def count_for(self, size: int) -> int:
        """The smallest count whose longest tile is not longer than `size`.

        Raises
        ------
        InputError
            If no count is large enough.
        """
        most = self.most()
        inner = size - 2 * self.halo
        first = 1 if inner <= 0 else max(1, (self.stop - self.start - 2 * self.halo) // max(1, inner))
        for count in range(min(first, most), most + 1):
            if self.lengths(count)[1] <= size:
                return count
        raise InputError(
            "The tiles are smaller than the surroundings that the network needs.",
            got=f"tiles of {size} pixels, with an overlap of {self.halo} on each side",
            accepted=f"tiles of at least {2 * self.halo + 2 * self.multiple} pixels, or a smaller overlap",
            setting="tile_size",
        )


def axes_of(
    shape: Sequence[int], halo: Sequence[int], multiple: Sequence[int] | None = None, region: Region | None = None
) -> list[Axis]:
    """The axes of an image, ready to be cut."""
    multiple = multiple or (1,) * len(shape)
    wanted = region or (slice(None),) * len(shape)
    bounds = [(s.start or 0, n if s.stop is None else s.stop) for s, n in zip(wanted, shape, strict=True)]
    return [Axis(n, h, m, a, b) for n, h, m, (a, b) in zip(shape, halo, multiple, bounds, strict=True)]


def plan(
    shape: Sequence[int],
    size: Sequence[int],
    halo: Sequence[int],
    multiple: Sequence[int] | None = None,
    region: Region | None = None,
) -> list[Tile]:
    """Cut an image into tiles of about equal size that waste little.

    Parameters
    ----------
    shape : sequence of int
        The image, (Z,) Y, X.
    size : sequence of int
        Largest tile, halo included.
    halo : sequence of int
        Voxels that are read around each tile and thrown away; at the borders of the image there is none.
    multiple : sequence of int, optional
        Tiles start at multiples of it, so that pooling windows lie as in the whole image. 1 by default.
    region : tuple of slice, optional
        The part of the image that is wanted; everything by default. What lies around it is read as halo.

    Returns
    -------
    list of Tile
        In the order of the array; every voxel of the region is written by exactly one.

    Raises
    ------
    InputError
        If the tiles are too small for the halo.

    Examples
    --------
    >>> [t.write[1] for t in plan((64, 100), (64, 64), (8, 8), (4, 4))]
    [slice(0, 48, None), slice(48, 100, None)]
    """
    axes = axes_of(shape, halo, multiple, region)
    counts = [axis.count_for(n) for axis, n in zip(axes, size, strict=True)]
    return [tile_for(axes, cut) for cut in product(*(axis.cuts(n) for axis, n in zip(axes, counts, strict=True)))]


def tile_for(axes: Sequence[Axis], write: Sequence[tuple[int, int]]) -> Tile:
    """The tile that writes one interval an axis."""
    spans = [axis.span(*w) for axis, w in zip(axes, write, strict=True)]
    read = tuple(slice(*s) for s in spans)
    keep = tuple(slice(a - low, b - low) for (a, b), (low, _) in zip(write, spans, strict=True))
    return Tile(read, keep, tuple(slice(*w) for w in write))


def split(tile: Tile, axes: Sequence[Axis]) -> list[Tile]:
    """Cut a tile in two along the axis that saves most; the tile alone where that is not possible."""
    best: tuple[int, list[Tile]] | None = None
    for at, (axis, s) in enumerate(zip(axes, tile.write, strict=True)):
        m = axis.multiple
        # as in Axis.cuts: at a multiple plus the halo, nearest to the middle
        middle = round(((s.start + s.stop) / 2 - axis.halo) / m) * m + axis.halo
        if not s.start < middle < s.stop:
            continue
        write = [(w.start, w.stop) for w in tile.write]
        parts = [tile_for(axes, [*write[:at], w, *write[at + 1 :]]) for w in ((s.start, middle), (middle, s.stop))]
        largest = max(math.prod(p.shape) for p in parts)
        if largest < math.prod(tile.shape) and (best is None or largest < best[0]):
            best = largest, parts
    return best[1] if best else [tile]


def choose_size(axes: Sequence[Axis], most: int) -> tuple[int, ...]:
    """The tile size that reads the fewest voxels in all, with tiles of at most `most` voxels.

    Parameters
    ----------
    axes : sequence of Axis
    most : int
        Voxels that one tile may have; the smallest possible tile is taken where even that has more.

    Returns
    -------
    tuple of int
    """
    options = [_options(axis) for axis in axes]
    best: tuple[float, int, tuple[int, ...]] | None = None
    smallest = tuple(min(longest for _, longest in o) for o in options)
    for lead in product(*options[:-1]):
        total, room = math.prod(t for t, _ in lead), most // max(1, math.prod(n for _, n in lead))
        fitting = [o for o in options[-1] if o[1] <= room]
        if not fitting:
            continue
        last = min(fitting)
        candidate = (float(total * last[0]), -last[1], (*(n for _, n in lead), last[1]))
        if best is None or candidate < best:
            best = candidate
    return best[2] if best else smallest


def _options(axis: Axis, most: int = 96) -> list[tuple[int, int]]:
    """(voxels read in all, longest tile) for growing counts, as long as the longest gets shorter."""
    found: list[tuple[int, int]] = []
    top = axis.most()
    count = 1
    while count <= top and len(found) < most:
        total, longest = axis.lengths(count)
        if not found or longest < found[-1][1]:
            found.append((total, longest))
        elif longest <= 2 * axis.halo + 3 * axis.multiple:
            break
        count = count + 1 if count < 32 else math.ceil(count * 1.1)
    return found


def waste(tiles: Sequence[Tile]) -> float:
    """Voxels read for each voxel written; 1 where the image is one tile."""
    written = sum(math.prod(s.stop - s.start for s in t.write) for t in tiles)
    return float(sum(math.prod(t.shape) for t in tiles) / written)


def spread_blocks(shape: tuple[int, ...], block: tuple[int, ...], count: int) -> list[Region]:
    """At most `count` blocks, evenly spread over an image.

    Examples
    --------
    >>> [r[1].start for r in spread_blocks((4, 100), (4, 10), 3)]
    [0, 45, 90]
    """
    fit = [n // b for n, b in zip(shape, block, strict=True)]
    per_axis = [1] * len(shape)
    while True:
        # one more along the axis that is covered least
        open_axes = [a for a in range(len(shape)) if per_axis[a] < fit[a]]
        open_axes = [a for a in open_axes if math.prod(per_axis) // per_axis[a] * (per_axis[a] + 1) <= count]
        if not open_axes:
            break
        per_axis[min(open_axes, key=lambda a: per_axis[a] / fit[a])] += 1
    starts = [
        [round(i * (n - b) / (k - 1)) if k > 1 else (n - b) // 2 for i in range(k)]
        for n, b, k in zip(shape, block, per_axis, strict=True)
    ]
    grid = np.stack(np.meshgrid(*starts, indexing="ij"), -1).reshape(-1, len(shape)).tolist()
    return [tuple(slice(s, s + b) for s, b in zip(corner, block, strict=True)) for corner in grid]


__all__ = ["Axis", "Tile", "axes_of", "choose_size", "plan", "split", "spread_blocks", "tile_for", "waste"]
