"""What a classical technique reads of an image: the channel, and a sample by which the whole is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_segplugin.core import Image, InputError, Region
from napari_segplugin.data.normalise import Statistics, statistics
from napari_segplugin.data.tiles import spread_blocks

SAMPLE = 2**26
"""Voxels that are looked at to measure an image; a larger one is measured on blocks of it."""


@dataclass(frozen=True)
class Source:
    """One time point of an image, as a recipe reads it.

    Parameters
    ----------
    image : Image
    channel : int
        -1 for all.
    frame : int

    Raises
    ------
    InputError
        If there is no such channel.
    """

    image: Image
    channel: int = -1
    frame: int = 0

    def __post_init__(self) -> None:
        if self.channel >= self.image.n_channels:
            raise InputError(
                f"The image '{self.image.name}' has no channel {self.channel}.",
                got=f"{self.image.n_channels} channels",
                accepted=f"0 to {self.image.n_channels - 1}, or -1 for all",
            )

    @property
    def n_channels(self) -> int:
        """Channels that are read."""
        return 1 if self.channel >= 0 else self.image.n_channels

    @property
    def has_gaps(self) -> bool:
        """Whether voxels may have no value."""
        if self.image.nodata is not None or np.dtype(self.image.array.dtype).kind == "f":
            return True
        return self.range is not None and self.range.dead is not None and bool(np.isfinite(self.range.dead).any())

    def read(self, region: Region | None = None) -> np.ndarray:
        """A region as (C, [Z,] Y, X), in the image's own dtype, as :func:`limited` leaves it."""
        shape = self.image.spatial_shape
        region = region or (slice(None),) * len(shape)
        bounds = [s.indices(n)[:2] for s, n in zip(region, shape, strict=True)]
        # a hot pixel is told by its neighbors: with one more on each side a piece has the values of the whole
        rim = [(max(0, a - 1), min(n, b + 1)) for (a, b), n in zip(bounds[-2:], shape[-2:], strict=True)]
        wide = (*(slice(*b) for b in bounds[:-2]), *(slice(*r) for r in rim))
        part = limited(self.image.read(wide, self.frame), self.range)
        rows, columns = (slice(a - low, b - low) for (a, b), (low, _) in zip(bounds[-2:], rim, strict=True))
        part = part[..., rows, columns]
        return part if self.channel < 0 else part[self.channel : self.channel + 1]

    @cached_property
    def range(self) -> Statistics | None:
        """The intensities that the image uses; None where it has no number at all."""
        try:
            return statistics(self.image, None, self.frame)
        except InputError:
            return None

    def sample(self, most: int = SAMPLE) -> np.ndarray:
        """The whole, or blocks of it side by side with NaN between where it has more than `most` voxels."""
        shape = self.image.spatial_shape
        if math.prod(shape) * self.n_channels <= most:
            return self.read()
        side = 256 if len(shape) == 2 else 64
        block = tuple(min(n, side) for n in shape)
        count = max(1, most // (math.prod(block) * self.n_channels))
        parts = [self.read(region).astype(np.float32) for region in spread_blocks(shape, block, count)]
        gap = np.full((*parts[0].shape[:-2], 1, parts[0].shape[-1]), np.nan, np.float32)
        return np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=-2)


def limited(part: np.ndarray, stats: Statistics | None) -> np.ndarray:
    """Values (C, [Z,] Y, X) without hot pixels and cut far outside of the range, as a network sees them; in their own dtype,
    but for places without an image, which are NaN.

    A hot pixel rises by more than the range above the median of its neighbors in the plane.

    Examples
    --------
    >>> stats = Statistics(np.array([10.0]), np.array([20.0]), 1.0)
    >>> limited(np.array([[[0, 12, 60000, 60000, 12, 99]]], np.uint16), stats).tolist()
    [[[0, 12, 30, 30, 12, 30]]]
    """
    if stats is None or part.dtype.kind == "b":
        return part
    shape = (-1,) + (1,) * (part.ndim - 1)
    span = stats.high - stats.low
    low, high = stats.low - stats.clip * span, stats.high + stats.clip * span
    if part.dtype.kind in "iu":
        limits = np.iinfo(part.dtype)
        low, high = np.floor(low).clip(limits.min, limits.max), np.ceil(high).clip(limits.min, limits.max)
    found: np.ndarray = np.clip(part, low.reshape(shape).astype(part.dtype), high.reshape(shape).astype(part.dtype))
    at = np.nonzero(found > stats.high.reshape(shape))
    if at[0].size and min(part.shape[-2:]) >= 3:
        around = np.stack([found[(*at[:-2], *_beside(at, shift, part.shape))] for shift in _NEIGHBORS]).astype(
            np.float64
        )
        middle = np.nanmedian(around, axis=0)
        hot = found[at] - middle > span[at[0]]
        found[tuple(i[hot] for i in at)] = middle[hot].astype(part.dtype)
    if stats.dead is not None and np.isfinite(stats.dead).any():
        dead = part == stats.dead.reshape(shape)
        return np.where(dead, np.nan, found).astype(np.result_type(part.dtype, np.float32)) if dead.any() else found
    return found


_NEIGHBORS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def _beside(at: tuple[np.ndarray, ...], shift: tuple[int, int], shape: tuple[int, ...]) -> list[np.ndarray]:
    """The neighbors of pixels in the plane; beyond the border the one on the other side."""
    found = []
    for places, step, n in zip(at[-2:], shift, shape[-2:], strict=True):
        moved = places + step
        found.append(np.where((moved < 0) | (moved >= n), places - step, moved))
    return found


__all__ = ["SAMPLE", "Source", "limited"]
