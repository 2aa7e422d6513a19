"""What a classical technique reads of an image: the channel, and a sample by which the whole is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core import Image, InputError, Region
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
        return self.image.nodata is not None or np.dtype(self.image.array.dtype).kind == "f"

    def read(self, region: Region | None = None) -> np.ndarray:
        """A region as (C, [Z,] Y, X), in the image's own dtype."""
        part = self.image.read(region, self.frame)
        return part if self.channel < 0 else part[self.channel : self.channel + 1]

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


__all__ = ["SAMPLE", "Source"]
