"""Intensity statistics: measured once an image and channel, used for every tile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core import Image, InputError, Normalisation
from napari_segplugin.core.intensity.robust_range import robust_range, without
from napari_segplugin.data.dead import dead_value
from napari_segplugin.data.tiles import spread_blocks

_ENOUGH = 4_000_000
"""Voxels that are looked at; percentiles of a regular sub-sample of this size are good to a fraction of a percent."""
_LOOKED_AT, _WINDOW, _PLANES = 2**20, 128, 16
"""Pixels of connected pieces that are looked at, the side of a piece, and in how many planes of a volume they lie."""
_VERY_LARGE = 2**32
"""Voxels from which on blocks are looked at instead."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """The intensities of an image that become 0 and 1, by channel, and the bound that outliers are cut to."""

    low: np.ndarray
    high: np.ndarray
    clip: float
    dead: np.ndarray | None = None
    """Of each channel the value that fills places without an image, which becomes 0; NaN where there is none."""
    noise: np.ndarray | None = None
    """Standard deviation of the noise of each channel, where the image shows hardly more than that."""


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
    sampled = _sampled(image, frame)
    if norm.rule == "robust":
        return _robust(image, norm, sampled, frame)
    found = [_percentiles(image, norm, channel) for channel in sampled]
    return Statistics(np.array([low for low, _ in found]), np.array([high for _, high in found]), norm.clip)


def _percentiles(image: Image, norm: Normalisation, channel: np.ndarray) -> tuple[float, float]:
    values = channel[np.isfinite(channel)] if channel.dtype.kind == "f" else channel.ravel()
    if not values.size:
        raise InputError(f"The image '{image.name}' has a channel without any number.", got="only NaN or infinity")
    low, high = np.percentile(values.astype(np.float64), [norm.low, norm.high])
    if high <= low:  # mostly constant: fall back on the full range, so that a few bright voxels still show
        low, high = float(values.min()), float(values.max())
    return low, high


def _robust(image: Image, norm: Normalisation, sampled: np.ndarray, frame: int) -> Statistics:
    """The range of each channel, corrected by what connected pieces show."""
    ranges, dead = [], []
    for channel, windows in zip(sampled, _windows(image, frame), strict=True):
        value = dead_value(channel, windows)
        dead.append(value)
        if np.isfinite(value):
            channel, windows = without(channel, value), [without(w, value) for w in windows]
        ranges.append(robust_range(*_percentiles(image, norm, channel), windows))
    # of a colour image one of the channels may show little; where all of them do, it is empty
    empty = all(r.high < r.floor for r in ranges)
    highs = [max(r.high, r.floor) if empty or len(ranges) != 3 else r.high for r in ranges]
    noise = np.array([r.noise for r in ranges]) if all(r.near_noise for r in ranges) else None
    return Statistics(np.array([r.low for r in ranges]), np.array(highs), norm.clip, np.array(dead), noise)


def _windows(image: Image, frame: int) -> list[list[np.ndarray]]:
    """Of each channel, connected pieces of planes spread over the image; the whole plane where it is small."""
    shape = image.spatial_shape
    planes, (height, width) = shape[:-2], shape[-2:]
    depth = planes[0] if planes else 1
    count = min(depth, _PLANES)
    z = [round((i + 0.5) * depth / count - 0.5) for i in range(count)]
    parts = [(slice(0, height), slice(0, width))]
    if height * width * count > _LOOKED_AT:
        side = (min(height, _WINDOW), min(width, _WINDOW))
        parts = [
            (r[0], r[1]) for r in spread_blocks((height, width), side, max(1, _LOOKED_AT // (count * math.prod(side))))
        ]
    regions = [(slice(i, i + 1), *part) for i in z for part in parts] if planes else parts
    read = [
        image.read(region, frame).reshape(image.n_channels, *(s.stop - s.start for s in region[-2:]))
        for region in regions
    ]
    return [[piece[c] for piece in read] for c in range(image.n_channels)]


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


def held(array: np.ndarray, stats: Statistics) -> np.ndarray:
    """Intensities (C, ...) in their own unit, cut where the network's input is; NaN where there is no image.

    Examples
    --------
    >>> stats = Statistics(np.array([10.0]), np.array([20.0]), 1.0, np.array([0.0]))
    >>> held(np.array([[0, 12, 60000]], np.uint16), stats).tolist()
    [[nan, 12.0, 30.0]]
    """
    shape = (-1,) + (1,) * (array.ndim - 1)
    low, high = stats.low.reshape(shape), stats.high.reshape(shape)
    reach = stats.clip * (high - low)
    values: np.ndarray = np.clip(
        array.astype(np.float64 if array.dtype.itemsize > 2 else np.float32), low - reach, high + reach
    )
    if stats.dead is not None and np.isfinite(stats.dead).any():
        values[array == stats.dead.reshape(shape)] = np.nan
    return values


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
    if stats.dead is not None and np.isfinite(stats.dead).any():
        out[array == stats.dead.reshape(shape)] = 0
    if array.dtype.kind == "f":
        np.nan_to_num(out, copy=False, nan=0.0, posinf=1 + stats.clip, neginf=-stats.clip)
    return np.clip(out, -stats.clip, 1 + stats.clip, out=out)
