"""The range of intensities that an image uses: unmoved by specks, hot pixels, noise, dead borders and empty space.

Percentiles of all pixels follow whatever is most: of a dark field with three nuclei the upper one lies within the noise, and
a speck of dust of half a percent takes it to its own brightness. Here they are corrected by what blocks of the image say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 64
"""Pixels along the sides of a block: as wide as the objects that are looked for, or wider."""
FLOOR = 25.0
"""The range is at least so many standard deviations of the noise: an empty field stays empty."""
NEAR = 50.0
"""Below so many standard deviations what was found is looked at again: it may be noise that neighbors share."""
ROUNDING = 0.3
"""Standard deviation of what rounding to whole numbers does to values that spread."""
_LEAST = 0.1
"""Standard deviation of the noise of whole numbers, at least; where nearly all are the same, rounding adds none."""
_HOT = 1.5
"""Single pixels that widen the range more than so many times are left out of it."""
FULL = 0.5
"""An image is full where so large a share of squares of :data:`_SQUARE` pixels shows something: its percentiles are those of things."""
_SQUARE = 8
_SIGNAL = 4.0
"""A block shows something where its values rise so many standard deviations of the noise above its dark end."""
_BRIGHT = (12.0, 4.0)
"""How many times the range may exceed what the median block, and the upper quarter of the blocks, rise to."""
_APART = 16.0
"""Blocks that rise so many times higher than the next lower ones, a quarter of all or more, show something else: dust, a fiber."""
_SPARSE = 0.85
"""The range reaches at least this share of what the median block rises to."""


@dataclass(frozen=True)
class IntensityRange:
    """Where the intensities of a channel lie.

    Parameters
    ----------
    low, high : float
        What becomes 0 and 1.
    noise : float
        Standard deviation of the noise.
    full : bool
        Whether there is something nearly everywhere, as in a section of tissue, so that noise is no matter.
    """

    low: float
    high: float
    noise: float
    full: bool = False

    @property
    def floor(self) -> float:
        """What `high` should be at least, so that noise stays near 0."""
        return self.low if self.full else self.low + FLOOR * self.noise

    @property
    def near_noise(self) -> bool:
        """Whether the image shows little more than noise."""
        return not self.full and self.high < self.low + NEAR * self.noise


def robust_range(low: float, high: float, windows: Sequence[np.ndarray]) -> IntensityRange:
    """Correct the percentiles of a channel by what pieces of it show.

    Parameters
    ----------
    low, high : float
        Percentiles of all values.
    windows : sequence of (Y, X) ndarray
        Connected pieces of planes, spread over the image; NaN where there is no value.

    Returns
    -------
    IntensityRange
        Not held above its floor.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dark = rng.normal(100, 5, (256, 256))
    >>> dark[100:120, 100:120] += 300
    >>> found = robust_range(*np.percentile(dark, (1, 99.8)), [dark])
    >>> 380 < found.high < 420, round(found.noise)
    (True, 5)
    """
    pieces = [w for w in (np.asarray(w) for w in windows) if min(w.shape) >= 3]
    if not pieces or not high > low:
        return IntensityRange(low, high, 0.0)
    whole = pieces[0].dtype.kind in "biu"
    filtered, single, rises = [], [], []
    for piece in pieces:
        values = piece.astype(np.float32)
        single.append(np.abs(residual(values)).ravel())
        calm = median9(filled(values))
        filtered += blocks(calm)
        rises.append(_rises(calm))
    noise = median_of(single) / 0.6745
    noise = max(noise, _LEAST) if whole else noise
    noise = max(noise, slow_noise([p.astype(np.float32) for p in pieces]))
    usual = float(np.percentile(np.concatenate([b.ravel() for b in filtered]), 99.8))
    high = usual if high - low > _HOT * (usual - low) and usual > low else high
    tops = np.array(
        [b.max() for b in filtered if b.max() - np.percentile(b, 5) > _SIGNAL * max(noise, ROUNDING if whole else 0.0)]
    )
    if tops.size:
        middle, upper = np.percentile(without_debris(np.sort(tops - low)), (50, 75))
        high = min(high, low + _BRIGHT[0] * middle, low + _BRIGHT[1] * upper)
        high = max(high, low + _SPARSE * middle)
    full = bool((np.concatenate(rises) > _SIGNAL * noise).mean() > FULL)
    return IntensityRange(float(low), float(high), noise, full)


def _rises(values: np.ndarray) -> np.ndarray:
    """How far (Y, X) values rise in each square."""
    rows, columns = (max(1, n // _SQUARE) for n in values.shape)
    squares = values[: rows * _SQUARE, : columns * _SQUARE]
    if squares.shape != (rows * _SQUARE, columns * _SQUARE):  # narrower than a square
        return np.array([np.ptp(values)])
    parts = squares.reshape(rows, _SQUARE, columns, _SQUARE)
    return np.asarray(parts.max((1, 3)) - parts.min((1, 3))).ravel()


def without(values: np.ndarray, value: float) -> np.ndarray:
    """The values as floats, NaN where one of them stands."""
    return np.where(values == value, np.nan, values)


def without_debris(heights: np.ndarray) -> np.ndarray:
    """Ascending heights of blocks without those that stand far above all others.

    Examples
    --------
    >>> without_debris(np.array([5.0, 6.0, 7.0, 300.0, 310.0])).tolist()
    [5.0, 6.0, 7.0]
    """
    apart = np.flatnonzero(heights[1:] > _APART * heights[:-1]) + 1
    enough = apart[apart >= len(heights) / 4]
    return heights[: enough[0]] if enough.size else heights


def median_of(parts: Sequence[np.ndarray]) -> float:
    """Median of the finite values; 0 without any."""
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else 0.0


def filled(values: np.ndarray) -> np.ndarray:
    """(Y, X) values with their median where there are none."""
    fine = np.isfinite(values)
    if fine.all():
        return values
    return np.where(fine, values, np.median(values[fine]) if fine.any() else 0).astype(np.float32)


def blocks(values: np.ndarray) -> list[np.ndarray]:
    """Blocks of about :data:`BLOCK` along each side that cover (Y, X) values."""
    parts = [max(1, round(n / BLOCK)) for n in values.shape]
    return [b for row in np.array_split(values, parts[0], 0) for b in np.array_split(row, parts[1], 1)]


def residual(values: np.ndarray, lag: int = 1) -> np.ndarray:
    """What is left of (Y, X) values beside planes and edges, with the standard deviation of white noise (Immerkær 1996)."""
    n, m = (k - 2 * lag for k in values.shape)
    rows = values[:n] - 2 * values[lag : lag + n] + values[2 * lag :]
    return np.asarray((rows[:, :m] - 2 * rows[:, lag : lag + m] + rows[:, 2 * lag :]) / 6)


def median9(values: np.ndarray) -> np.ndarray:
    """Median of the 3 × 3 values around each but the outermost, of (Y, X) values."""
    n, m = values.shape
    rows = [values[i : n - 2 + i] for i in range(3)]
    low, high = np.minimum(rows[0], rows[1]), np.maximum(rows[0], rows[1])
    middle = np.minimum(high, rows[2])
    high = np.maximum(high, rows[2])
    low, middle = np.minimum(low, middle), np.maximum(low, middle)
    # of sorted columns: the median of the greatest small one, the middle one of the middle ones, the least great one
    a = np.maximum.reduce([low[:, i : m - 2 + i] for i in range(3)])
    b = _middle(*(middle[:, i : m - 2 + i] for i in range(3)))
    c = np.minimum.reduce([high[:, i : m - 2 + i] for i in range(3)])
    return _middle(a, b, c)


def _middle(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)))


def slow_noise(planes: Sequence[np.ndarray], lag: int = 4) -> float:
    """Standard deviation of noise that neighbors share, from blocks whose values spread as noise does; 0 without enough.

    Noise of a blurred or compressed image is smooth from pixel to pixel, and hidden from what looks at neighbors. It shows
    between pixels some way apart, where what rises evenly leaves nothing.

    Parameters
    ----------
    planes : sequence of (Y, X) ndarray
    lag : int
        Pixels between which neighbors share nothing any more.
    """
    wide, apart, count = [], [], 0
    for plane in planes:
        if min(plane.shape) < 4 * lag:
            continue
        inner = plane[lag:-lag, lag:-lag]
        for part, left in zip(blocks(inner), blocks(residual(plane, lag)), strict=True):
            if not np.isfinite(left).all():
                continue
            count += 1
            p2, p16, p50, p84 = np.percentile(part, (2.3, 16, 50, 84))
            apart.append(float(np.median(np.abs(left))) / 0.6745)
            if p50 > p16 and 0.7 < (p84 - p50) / (p50 - p16) < 1.5 and 1.6 < (p50 - p2) / (p50 - p16) < 2.5:
                wide.append(float(p50 - p16))
    if not wide or len(wide) < 0.3 * count:
        return 0.0
    return min(float(np.percentile(wide, 25)), float(np.percentile(apart, 25)))


__all__ = [
    "BLOCK",
    "FLOOR",
    "FULL",
    "IntensityRange",
    "blocks",
    "median9",
    "residual",
    "robust_range",
    "slow_noise",
    "without",
]
