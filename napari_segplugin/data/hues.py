"""Colors that can be told apart: how different two are, the shades of one, and which of them neighbors get."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

LEAST = 20.0
"""CIEDE2000 difference from which on two colors are told apart at a glance, side by side and half transparent."""
_SPREAD, _ALONE = 28.0, 38.0
"""Degrees of hue to each side that still count as the color of a class; more where it is the only one."""
_PALEST = (0.2, 0.3, 0.45, 0.7, 1.0, 1.2, 1.4)
"""Strengths of a shade, as shares of that of the color."""
_TRIES = 30
_ROUNDS, _STEPS = 8, 60
"""Rounds in which neighbors that look alike are parted where that is easy, and then steps for each pair that is left."""


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
    return [found.copy() for found in _shades(tuple(colors), most)]


@lru_cache(maxsize=32)
def _shades(colors: tuple[str, ...], most: int) -> list[np.ndarray]:
    from skimage.color import lab2rgb, rgb2lab

    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors]).reshape(-1, 3)
    lab = rgb2lab(rgb)
    chroma, hue = np.hypot(lab[:, 1], lab[:, 2]), np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    found = []
    for i in range(len(rgb)):
        away = np.abs((np.delete(hue, i) - hue[i] + 180) % 360 - 180)[np.delete(chroma, i) > 10]
        spread = max(6.0, min(_SPREAD, float(away.min()) / 2 - 3)) if len(away) else _ALONE
        # a gray has no hue: it may be tinted a little
        hues = hue[i] + spread * np.linspace(-1, 1, 5) if chroma[i] > 10 else np.arange(0, 360, 60)
        strengths = np.array(_PALEST) * max(chroma[i], 30) if chroma[i] > 10 else np.array([0, 10, 20])
        grid = np.array(np.meshgrid(np.arange(22, 97, 3), strengths, np.radians(hues))).reshape(3, -1)
        points = np.stack([grid[0], grid[1] * np.cos(grid[2]), grid[1] * np.sin(grid[2])], 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some lie outside of what a screen can show, and are left out
            shown = lab2rgb(points)
        shown = shown[np.abs(rgb2lab(shown) - points).max(1) < 0.5]
        found.append(_spread_out(np.concatenate([rgb[i : i + 1], shown]), most))
    return found


def _spread_out(colors: np.ndarray, most: int) -> np.ndarray:
    """The first color, as many others as can be told apart, and then always the one that is the most different from all."""
    far = differences(colors)
    chosen = _packed(far >= LEAST)[:most]
    least = far[chosen].min(0)
    while len(chosen) < min(most, len(colors)) and least.max() > 2:
        chosen.append(int(least.argmax()))
        least = np.minimum(least, far[chosen[-1]])
    return colors[chosen]


def _packed(apart: np.ndarray) -> list[int]:
    """Many that are all apart from each other, and from the first, which is one of them."""
    rng, best = np.random.default_rng(0), list[int]()
    for turn in range(_TRIES):
        free, found = apart[0].copy(), [0]
        while free.any():
            there = np.flatnonzero(free)
            # the one that leaves the most room for others
            room = apart[np.ix_(there, there)].sum(1) + (rng.random(len(there)) * 6 if turn else 0)
            found.append(int(there[room.argmax()]))
            free &= apart[found[-1]]
        best = found if len(found) > len(best) else best
    return best


def told_apart(
    pairs: np.ndarray,
    chosen: np.ndarray,
    far: np.ndarray,
    allowed: np.ndarray,
    group: np.ndarray,
    least: float = LEAST,
    anew: bool = True,
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
    anew : bool
        Whether all may get other colors where a few others do not help.

    Returns
    -------
    (N,) ndarray of int

    Examples
    --------
    >>> far = 50 * (1 - np.eye(2))
    >>> told_apart(np.array([[0, 1]]), np.array([1, 1]), far, np.ones((1, 2), bool), np.zeros(2, int)).tolist()
    [0, 1]
    """
    graph = _Graph(pairs, len(chosen))
    free = allowed.sum(1)[group] > 1
    kept, reached = _eased(graph, chosen, far, allowed, group, free, least)
    wanted = least
    while reached < least and wanted > max(reached, 2.0):
        near, mine = far < wanted, allowed[group]
        # where walks get stuck all begin again, those with the most neighbors first
        for seed in (0, 1, 2) if anew else (0, 1):
            begin = _in_turn(graph, chosen, near, mine, free) if seed == 2 else kept
            found = _walked(graph, begin, near, mine, free, seed)
            worst = _worst(graph.pairs, found, far, free)
            if worst > reached:
                kept, reached = found, worst
            if reached >= wanted:
                break
        # what cannot be for all is looked for a little less different, so that none is much too alike
        wanted -= 2.0
    return kept


class _Graph:
    """Neighbors of each."""

    def __init__(self, pairs: np.ndarray, count: int) -> None:
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        self.pairs, self.owner, self.other = pairs, both[:, 0], both[:, 1]
        self.starts = np.searchsorted(self.owner, np.arange(count + 1))

    def of(self, node: int) -> np.ndarray:
        """The neighbors of one."""
        found: np.ndarray = self.other[self.starts[node] : self.starts[node + 1]]
        return found


def _worst(pairs: np.ndarray, chosen: np.ndarray, far: np.ndarray, free: np.ndarray) -> float:
    """How different those neighbors are that are the most alike, where one could have another color."""
    open_ = free[pairs].any(1)
    return float(far[chosen[pairs[open_, 0]], chosen[pairs[open_, 1]]].min(initial=np.inf))


def _eased(
    graph: _Graph,
    chosen: np.ndarray,
    far: np.ndarray,
    allowed: np.ndarray,
    group: np.ndarray,
    free: np.ndarray,
    least: float,
) -> tuple[np.ndarray, float]:
    """Part neighbors that look alike, one after the other, as far as one of them has a color that suits; and the worst pair."""
    chosen, pairs = chosen.copy(), graph.pairs
    many = np.diff(graph.starts)
    rng = np.random.default_rng(0)
    kept, reached = chosen.copy(), -1.0
    for round_ in range(_ROUNDS):
        worst = _worst(pairs, chosen, far, free)
        if worst > reached:
            kept, reached = chosen.copy(), worst
        near = pairs[free[pairs].any(1) & (far[chosen[pairs[:, 0]], chosen[pairs[:, 1]]] < least)]
        if not len(near):
            break
        # the one with fewer neighbors moves; when that does not help, either
        first = many[near[:, 0]] <= many[near[:, 1]] if round_ < 2 else rng.random(len(near)) < 0.5
        first = np.where(free[near].all(1), first, free[near[:, 0]])
        for node in np.unique(np.where(first, near[:, 0], near[:, 1])).tolist():
            away = np.where(allowed[group[node]], far[:, chosen[graph.of(node)]].min(1), -1)
            if away[chosen[node]] >= least:
                continue
            good = np.flatnonzero(away >= least)
            chosen[node] = good[(node * 7 + round_) % len(good)] if len(good) else int(away.argmax())
    return kept, reached


def _in_turn(graph: _Graph, chosen: np.ndarray, near: np.ndarray, allowed: np.ndarray, free: np.ndarray) -> np.ndarray:
    """New colors for all, those with the most neighbors first: each takes the first that is alike to none that has one."""
    chosen, taken = chosen.copy(), np.zeros(allowed.shape, np.int32)
    for node in np.lexsort((np.arange(len(chosen)), -np.diff(graph.starts), free)).tolist():
        if free[node]:
            chosen[node] = int(np.where(allowed[node], taken[node], np.iinfo(np.int32).max).argmin())
        taken[graph.of(node)] += near[:, chosen[node]]
    return chosen


def _walked(
    graph: _Graph, chosen: np.ndarray, near: np.ndarray, allowed: np.ndarray, free: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Part the pairs that are left by a walk: again and again one of them takes the color that is alike to the fewest neighbors.

    Parameters
    ----------
    graph : _Graph
    chosen : (N,) ndarray of int
    near : (K, K) ndarray of bool
        Colors that look alike.
    allowed : (N, K) ndarray of bool
    free : (N,) ndarray of bool
        Those that may have another color.
    seed : int

    Returns
    -------
    (N,) ndarray of int
        The colors with the fewest pairs that are alike.
    """
    rng, chosen = np.random.default_rng(seed), chosen.copy()
    alike = np.zeros(allowed.shape, np.int32)  # of each, how many neighbors are alike to each color
    np.add.at(alike, graph.owner, near[chosen[graph.other]].astype(np.int32))
    open_ = set(np.flatnonzero(free & (alike[np.arange(len(chosen)), chosen] > 0)).tolist())
    order = sorted(open_)
    kept, fewest = chosen.copy(), len(open_)
    lately = np.full(len(chosen), -1, np.int64)  # the color that each had before: it does not go straight back
    for _ in range(_STEPS * max(50, len(open_))):
        while order and order[-1] not in open_:
            order.pop()
        if not open_:
            return chosen
        if not order:
            order = sorted(open_)
            rng.shuffle(order)
        node = order.pop()
        if node not in open_:
            continue
        cost = np.where(allowed[node], alike[node], np.iinfo(np.int32).max).astype(float)
        cost += rng.random(len(cost)) * 0.5
        cost[chosen[node]] += 1
        cost[lately[node]] += 1 if lately[node] >= 0 else 0
        color = int(cost.argmin())
        if color == chosen[node]:
            continue
        beside = graph.of(node)
        alike[beside] += near[:, color].astype(np.int32) - near[:, chosen[node]]
        lately[node], chosen[node] = chosen[node], color
        for other in (node, *beside.tolist()):
            if free[other] and alike[other, chosen[other]] > 0:
                open_.add(other)
            else:
                open_.discard(other)
        if len(open_) < fewest:
            kept, fewest = chosen.copy(), len(open_)
    return kept


__all__ = ["LEAST", "differences", "shades", "told_apart"]
