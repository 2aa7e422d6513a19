"""The planes of a volume on which the outline of an area does not fit those above and below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Planes:
    """An area plane by plane.

    Parameters
    ----------
    z : (N,) ndarray of int64
        From the first plane that the area is on to the last.
    size : (N,) ndarray of int64
        Pixels.
    odd : (N,) ndarray of float
        How much less a plane overlaps (Dice) with its neighbors than these with each other; 0 at both ends.
    jump : (N,) ndarray of float
        How much less it overlaps with one neighbor than is usual for this area.
    other : (N,) ndarray of int64
        The neighbor that it overlaps with least.
    """

    z: np.ndarray
    size: np.ndarray
    odd: np.ndarray
    jump: np.ndarray
    other: np.ndarray


def outline_planes(area: np.ndarray) -> Planes:
    """Compare an area on each plane with those above and below.

    Parameters
    ----------
    area : (Z, Y, X) ndarray of bool

    Returns
    -------
    Planes

    Examples
    --------
    >>> area = np.zeros((9, 6, 6), bool)
    >>> area[1:8, 1:5, 1:5] = True
    >>> area[4, :, 3:] = False
    >>> found = outline_planes(area)
    >>> found.z[found.odd.argmax()], found.odd.max().round(2)
    (np.int64(4), np.float64(0.33))
    """
    flat = area.reshape(len(area), -1)
    size = flat.sum(1)
    there = np.flatnonzero(size)
    if not len(there):
        nothing = np.zeros(0)
        return Planes(there, there, nothing, nothing, there)
    z = np.arange(there[0], there[-1] + 1)
    flat, size = flat[z], size[z]
    one, two = _overlaps(flat, size, 1), _overlaps(flat, size, 2)
    odd = np.zeros(len(z))
    if len(z) > 2:
        odd[1:-1] = np.maximum(0, two - (one[:-1] + one[1:]) / 2)
    if len(z) == 1:
        return Planes(z, size, odd, odd.copy(), z)
    drop = np.maximum(0, np.median(one) - one)
    before, after = np.append(-1.0, drop), np.append(drop, -1.0)
    other = np.where(before >= after, z - 1, z + 1)
    return Planes(z, size, odd, np.maximum(before, after), other)


def _overlaps(flat: np.ndarray, size: np.ndarray, step: int) -> np.ndarray:
    """Dice of each plane and the one `step` further."""
    shared = (flat[step:] & flat[:-step]).sum(1)
    both: np.ndarray = 2 * shared / np.maximum(1, size[step:] + size[:-step])
    return both


__all__ = ["Planes", "outline_planes"]
