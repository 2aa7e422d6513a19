"""Intensity statistics: measured once an image and channel, used for every tile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core import Image, InputError, Normalisation
from napari_segplugin.data.tiles import spread_blocks

_ENOUGH = 4_000_000
"""Voxels that are looked at; percentiles of a regular sub-sample of this size are good to a fraction of a percent."""
_VERY_LARGE = 2**32
"""Voxels from which on blocks are looked at instead."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """The intensities of an image that become 0 and 1, by channel, and the bound that outliers are cut to."""

    low: np.ndarray
    high: np.ndarray
    clip: float


def statistics(image: Image, normalisation: Normalisation | None = None, frame: int = 0) -> Statistics:
    """Measure the percentiles of an image, on a regular sub-sample where it is large.

    Parameters
    ----------
    image : Image
        Of a plane, the volume that it was cut from is measured.
    normalisation : Normalisation, optional
    frame : int

    Returns
    -------
    Statistics
        `low` and `high` are (C,) arrays.

    Raises
    ------
    InputError
        If a channel has no finite value.
    """
    image, norm = image.whole or image, normalisation or Normalisation()
    if norm.rule == "values":
        if len(norm.values) != image.n_channels:
            raise InputError(
                "The model knows the intensities of another number of channels.",
                got=image.n_channels,
                accepted=str(len(norm.values)),
            )
        low, high = np.array(norm.values).T
        return Statistics(low, high, norm.clip)
    part = _sampled(image, frame)
    lows, highs = [], []
    for channel in part:
        values = channel[np.isfinite(channel)] if channel.dtype.kind == "f" else channel.ravel()
        if not values.size:
            raise InputError(f"The image '{image.name}' has a channel without any number.", got="only NaN or infinity")
        low, high = np.percentile(values.astype(np.float64), [norm.low, norm.high])
        if high <= low:  # mostly constant: fall back on the full range, so that a few bright voxels still show
            low, high = float(values.min()), float(values.max())
        lows.append(low)
        highs.append(high)
    return Statistics(np.array(lows), np.array(highs), norm.clip)


def _sampled(image: Image, frame: int) -> np.ndarray:
    """About as many values as are enough, (C, ...): every n-th along each axis, or blocks of what is very large.

    Every n-th value of a very large image would read nearly all pieces of it from the disk.
    """
    shape, count = image.spatial_shape, math.prod(image.spatial_shape)
    if count <= _VERY_LARGE:
        step = max(1, int(np.ceil((count / _ENOUGH) ** (1 / image.ndim))))
        return image.read(tuple(slice(0, None, step) for _ in shape), frame)
    block = tuple(min(n, 256 if image.ndim == 2 else 32) for n in shape)
    regions = spread_blocks(shape, block, max(1, _ENOUGH // math.prod(block)))
    return np.concatenate([image.read(r, frame).reshape(image.n_channels, -1) for r in regions], axis=1)


def apply(array: np.ndarray, stats: Statistics) -> np.ndarray:
    """Map intensities (C, [Z,] Y, X) to network input, float32; NaN becomes 0, infinities the bound."""
    shape = (-1,) + (1,) * (array.ndim - 1)
    low = stats.low.reshape(shape)
    span = (stats.high - stats.low).reshape(shape)
    scale = np.where(span > 0, 1 / np.where(span > 0, span, 1), 0)
    if np.abs(stats.low).max() < 1e6 and np.abs(stats.high).max() < 1e6:
        out = array.astype(np.float32)
        out -= low.astype(np.float32)
        out *= scale.astype(np.float32)
    else:  # float32 cannot tell neighbouring values apart here
        out = ((array.astype(np.float64) - low) * scale).astype(np.float32)
    if array.dtype.kind == "f":
        np.nan_to_num(out, copy=False, nan=0.0, posinf=1 + stats.clip, neginf=-stats.clip)
    return np.clip(out, -stats.clip, 1 + stats.clip, out=out)
