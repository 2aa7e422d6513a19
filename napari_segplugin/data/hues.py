"""Colors that can be told apart: how different two are, the shades of one, and which of them neighbors get."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

LEAST = 20.0
"""CIEDE2000 difference from which on two colors are told apart at a glance, side by side and half transparent."""
_SPREAD = 25.0
"""Degrees of hue to each side that still count as the color of a class."""
_ROUNDS = 40


def differences(colors: np.ndarray) -> np.ndarray:
    """How different colors look, by CIEDE2000 (Sharma, Wu and Dalal 2005); 2 is just seen.

    Parameters
    ----------
    colors : (K, 3) ndarray of float
        Red, green, blue from 0 to 1.

    Returns
    -------
    (K, K) ndarray of float

    Examples
    --------
    >>> differences(np.array([[0, 0, 0], [1, 1, 1.0]])).round().tolist()
    [[0.0, 100.0], [100.0, 0.0]]
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    lab = rgb2lab(np.asarray(colors, float))
    found: np.ndarray = deltaE_ciede2000(lab[:, None], lab[None])
    return found


def shades(colors: Sequence[str], most: int = 16) -> list[np.ndarray]:
    """Shades of each color, in its hue: lighter, darker, paler, and a little to both sides where no other color is near.

    Parameters
    ----------
    colors : sequence of str
        As "#rrggbb".
    most : int
        How many of each at most.

    Returns
    -------
    list of (N, 3) ndarray of float
        Red, green, blue from 0 to 1. The first is the color itself, each further one is as different as can be from those
        before.

    Examples
    --------
    >>> [len(found) for found in shades(["#e69f00", "#56b4e9"], 6)]
    [6, 6]
    """
    from skimage.color import lab2rgb, rgb2lab

    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors]).reshape(-1, 3)
    lab = rgb2lab(rgb)
    chroma, hue = np.hypot(lab[:, 1], lab[:, 2]), np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    found = []
    for i in range(len(rgb)):
        away = np.abs((np.delete(hue, i) - hue[i] + 180) % 360 - 180)[np.delete(chroma, i) > 10]
        spread = max(6.0, min(_SPREAD, float(away.min(initial=360)) / 2 - 3))
        # a gray has no hue: it may be tinted a little
        hues = hue[i] + spread * np.array([0, -1, 1, -0.5, 0.5]) if chroma[i] > 10 else np.arange(0, 360, 60)
        strengths = np.array([1, 0.45, 0.7, 1.2]) * max(chroma[i], 30) if chroma[i] > 10 else np.array([0, 12])
        grid = np.array(np.meshgrid(np.arange(28, 93, 4), strengths, np.radians(hues))).reshape(3, -1)
        points = np.stack([grid[0], grid[1] * np.cos(grid[2]), grid[1] * np.sin(grid[2])], 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some lie outside of what a screen can show, and are left out
            shown = lab2rgb(points)
        shown = shown[np.abs(rgb2lab(shown) - points).max(1) < 2]
        found.append(_spread_out(np.concatenate([rgb[i : i + 1], shown]), most))
    return found


def _spread_out(colors: np.ndarray, most: int) -> np.ndarray:
    """The first color and then always the one that is the most different from those before."""
    far = differences(colors)
    chosen, least = [0], far[0].copy()
    while len(chosen) < min(most, len(colors)) and least.max() > 2:
        chosen.append(int(least.argmax()))
        least = np.minimum(least, far[chosen[-1]])
    return colors[chosen]


def told_apart(
    pairs: np.ndarray,
    chosen: np.ndarray,
    far: np.ndarray,
    allowed: np.ndarray,
    group: np.ndarray,
    least: float = LEAST,
) -> np.ndarray:
    """Give neighbors colors that can be told apart, and leave all others as they are.

    Parameters
    ----------
    pairs : (P, 2) ndarray of int
        Neighbors, from 0 to N - 1.
    chosen : (N,) ndarray of int
        The color of each, from 0 to K - 1.
    far : (K, K) ndarray of float
        How different two colors are.
    allowed : (G, K) ndarray of bool
        The colors that each group may have; a group with one color keeps it.
    group : (N,) ndarray of int
        Group of each, from 0 to G - 1.
    least : float
        How different neighbors have to be. Where that cannot be, they are as different as was found.

    Returns
    -------
    (N,) ndarray of int

    Examples
    --------
    >>> far = 50 * (1 - np.eye(2))
    >>> told_apart(np.array([[0, 1]]), np.array([1, 1]), far, np.ones((1, 2), bool), np.zeros(2, int)).tolist()
    [0, 1]
    """
    chosen = chosen.copy()
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    starts = np.searchsorted(both[:, 0], np.arange(len(chosen) + 1))
    many, free = np.diff(starts), allowed.sum(1)[group] > 1
    rng = np.random.default_rng(0)
    kept, reached = chosen.copy(), -1.0
    for round_ in range(_ROUNDS):
        apart = far[chosen[pairs[:, 0]], chosen[pairs[:, 1]]]
        open_ = free[pairs].any(1)
        worst = float(apart[open_].min(initial=np.inf))
        if worst > reached:
            kept, reached = chosen.copy(), worst
        near = pairs[open_ & (apart < least)]
        if not len(near):
            break
        # the one with fewer neighbors moves; when that does not help, either
        first = many[near[:, 0]] <= many[near[:, 1]] if round_ < 2 else rng.random(len(near)) < 0.5
        first = np.where(free[near].all(1), first, free[near[:, 0]])
        for node in np.unique(np.where(first, near[:, 0], near[:, 1])).tolist():
            beside = chosen[both[starts[node] : starts[node + 1], 1]]
            away = np.where(allowed[group[node]], far[:, beside].min(1), -1)
            if away[chosen[node]] >= least:
                continue
            good = np.flatnonzero(away >= least)
            chosen[node] = good[(node * 7 + round_) % len(good)] if len(good) else _best(away, rng, round_)
    return kept


def _best(apart: np.ndarray, rng: np.random.Generator, round_: int) -> int:
    """The most different color; now and then another good one, so that neighbors that are stuck get out of it."""
    order = np.argsort(-apart, kind="stable")
    usable = max(1, min(3, int((apart[order] >= 0.7 * apart[order[0]]).sum())))
    return int(order[rng.integers(usable)] if round_ % 8 > 2 else order[0])


__all__ = ["LEAST", "differences", "shades", "told_apart"]
