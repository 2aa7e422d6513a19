"""From a probability map and a click (or a box) to proposals for the object that was meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import InputError

LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Shares of the probability at the click at which the map is cut."""
REACH = {2: (127, 127), 3: (15, 63, 63)}
"""Voxels around a click that are looked at."""
LEAST = 0.02
"""A map below this everywhere around the click says nothing."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A mask that may be the object.

    Parameters
    ----------
    mask : ([Z,] Y, X) ndarray of bool
    contrast : float
        Mean probability inside minus that in the rim around it: how sharply the map is cut there.
    """

    mask: np.ndarray
    contrast: float


def proposals(
    probability: np.ndarray,
    point: Sequence[int] | None = None,
    box: Sequence[slice] | None = None,
    *,
    free: np.ndarray | None = None,
    levels: Sequence[float] = LEVELS,
    least: int = 4,
) -> list[Proposal]:
    """Cut a probability map at several levels and keep what is connected to the click: nested masks.

    Parameters
    ----------
    probability : ([Z,] Y, X) ndarray of float
        Of foreground, around the click.
    point : sequence of int, optional
        The voxel that was clicked.
    box : sequence of slice, optional
        The box that was drawn instead; the object fills it and lies inside.
    free : ([Z,] Y, X) ndarray of bool, optional
        Where no other object is; everywhere by default.
    levels : sequence of float
        Shares of the probability at the click.
    least : int
        Smallest mask, in voxels.

    Returns
    -------
    list of Proposal
        The one with the sharpest outline first, the others by size; none are equal.

    Raises
    ------
    InputError
        If neither a point nor a box is given, the point lies outside, or the map says nothing there.

    Examples
    --------
    >>> p = np.zeros((7, 7)); p[2:5, 2:5] = 0.3; p[3, 3] = 0.9
    >>> [int(c.mask.sum()) for c in proposals(p, (3, 3), least=1)]
    [1, 5, 9]
    """
    allowed = np.ones(probability.shape, bool) if free is None else np.array(free, bool)
    smooth = ndi.gaussian_filter(np.asarray(probability, np.float32), 0.7)
    if box is not None:
        inside = np.zeros(allowed.shape, bool)
        inside[tuple(box)] = True
        allowed &= inside
        peak = float(np.max(smooth, where=allowed, initial=0))
        top = np.unravel_index(int(np.argmax(np.where(allowed, smooth, -1))), smooth.shape)
        seed = tuple(int(i) for i in top)
    elif point is not None:
        seed = _seed(point, smooth, allowed)
        peak = float(smooth[seed])
    else:
        raise InputError("A proposal needs a point or a box.", hint="Click on the object, or draw a box around it")
    if peak < LEAST:
        raise InputError(
            "The model finds nothing here.",
            got=f"an object probability of {peak:.1%}",
            hint="Paint the object with the brush, then fine-tune so that the model learns it",
        )
    found: list[Proposal] = []
    for level in sorted(levels):
        mask = _grown(smooth >= level * peak, seed, allowed, whole=box is not None)
        if mask.sum() < least or any(np.array_equal(mask, f.mask) for f in found):
            continue
        found.append(Proposal(mask, _contrast(smooth, mask)))
    if not found:
        raise InputError(
            "No object can be distinguished here.", hint="Draw a box around it, or paint it with the brush"
        )
    # a mask that runs to the edge of the window has leaked, whatever its outline
    found.sort(key=lambda p: (_leaks(p.mask) and box is None, -p.contrast))
    return [found[0], *sorted(found[1:], key=lambda p: int(p.mask.sum()))]


def window(
    shape: Sequence[int], point: Sequence[int] | None = None, box: Sequence[slice] | None = None, planes: bool = False
) -> tuple[slice, ...]:
    """The part of an image to look at for a click or a box.

    Parameters
    ----------
    shape : sequence of int
        Of the image, in the axes Z, Y, X as far as it has them.
    point : sequence of int, optional
    box : sequence of slice, optional
    planes : bool
        Whether to stay in one plane.

    Examples
    --------
    >>> window((100, 1000), point=(50, 20))
    (slice(0, 100, None), slice(0, 148, None))
    """
    reach = REACH[len(shape)]
    if box is not None:
        ends = [(int(s.start), int(s.stop)) for s in box]
    else:
        ends = [(int(p), int(p) + 1) for p in (() if point is None else point)]
    room = [r if box is None else max(4, (b - a) // 2) for r, (a, b) in zip(reach, ends, strict=True)]
    if planes:
        room[0] = 0
    return tuple(slice(max(0, a - r), min(n, b + r)) for (a, b), r, n in zip(ends, room, shape, strict=True))


def _seed(point: Sequence[int], smooth: np.ndarray, allowed: np.ndarray) -> tuple[int, ...]:
    """The most probable free voxel within two voxels of the click: nobody clicks on a voxel exactly."""
    at = tuple(int(p) for p in point)
    if len(at) != smooth.ndim or any(not 0 <= p < n for p, n in zip(at, smooth.shape, strict=True)):
        raise InputError("The click lies outside the image.", got=at, accepted=f"a position within {smooth.shape}")
    near = tuple(slice(max(0, p - 2), p + 3) for p in at)
    if not allowed[near].any():
        raise InputError("There is already an object here.", hint="Click on an object that was missed")
    best = np.unravel_index(int(np.argmax(np.where(allowed[near], smooth[near], -1))), smooth[near].shape)
    return tuple(s.start + int(b) for s, b in zip(near, best, strict=True))


def _grown(cut: np.ndarray, seed: tuple[int, ...], allowed: np.ndarray, whole: bool) -> np.ndarray:
    """The piece of a mask that holds the seed (of a box the largest piece), without holes."""
    pieces, n = ndi.label(cut & allowed)
    chosen = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:])) if whole and n else int(pieces[seed])
    if not chosen:
        return np.zeros(cut.shape, bool)
    filled: np.ndarray = ndi.binary_fill_holes(pieces == chosen) & allowed
    return filled


def _contrast(smooth: np.ndarray, mask: np.ndarray) -> float:
    rim = ndi.binary_dilation(mask, iterations=2) & ~mask
    if not rim.any():
        return 0.0
    return float(smooth[mask].mean() - smooth[rim].mean())


def _leaks(mask: np.ndarray) -> bool:
    """Whether a mask reaches the edge of the window on several sides."""
    sides = [np.take(mask, i, axis=a).any() for a in range(mask.ndim) for i in (0, -1) if mask.shape[a] > 3]
    return sum(bool(s) for s in sides) >= 3


__all__ = ["LEVELS", "Proposal", "proposals", "window"]
