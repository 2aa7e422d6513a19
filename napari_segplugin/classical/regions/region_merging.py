"""Merge the regions of an adjacency graph, most similar first, until no two neighbours may merge.

Regions are columns of arrays and their statistics add up, so the union of two regions is judged exactly. Work goes in
rounds over all regions at once. In a round every region names the neighbour that it differs least from; two that name
each other are the heart of a star, and others that named one of the two join it in the order of their difference, as
long as each still may. So the most similar pair of any neighbourhood always merges first. The half of the pairs that differ
least is worked on until nothing is left of it, then the half of what is left then, and so on: close to merging pair after
pair in the order of their difference, in a number of rounds that grows slowly with the number of regions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

Cost: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
FEW = 100
"""Pairs that are worked on at once, whatever they differ by."""
BANDS = 64
"""Into so many steps the differences are parted; within one the order is that of the neighbourhood, not of the image."""
Edges: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(eq=False)
class RegionTable:
    """Regions and the means to compare and join them; joining changes the arrays in place.

    Parameters
    ----------
    count : (R,) ndarray of float64
        Pixels of each region.
    stats : (S, R) ndarray of float64
        Statistics of each region.
    combine : numpy.ufunc
        Makes the statistics of a union from those of its parts: ``add`` or ``maximum``.
    cost : callable
        ``(count, stats, other count, other stats) -> difference``; two regions may merge where it is at most the
        threshold.
    monotone : bool
        Whether a union never differs less from a region than its parts do: pairs that may not merge never may.
    """

    count: np.ndarray
    stats: np.ndarray
    combine: np.ufunc
    cost: Cost
    monotone: bool = False
    parent: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.parent = np.arange(self.count.size)

    def costs(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Difference of the regions `i` and `j`, (E,)."""
        return self.cost(self.count[i], self.stats[:, i], self.count[j], self.stats[:, j])

    def compress(self) -> np.ndarray:
        """The region in which each first region is now, (R,)."""
        while True:
            further = self.parent[self.parent]
            if np.array_equal(further, self.parent):
                return self.parent
            self.parent = further


@dataclass(frozen=True)
class Rule:
    """Two regions may merge where they differ by at most `threshold`, or one has fewer than `smallest` pixels."""

    threshold: float
    smallest: float = 0.0

    def allows(self, cost: np.ndarray, count: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Where a merge is allowed, bool."""
        allowed: np.ndarray = cost <= self.threshold
        if self.smallest:
            allowed = allowed | (count < self.smallest) | (other < self.smallest)
        return allowed


def merge_regions(regions: RegionTable, i: np.ndarray, j: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Merge neighbours until the rule allows no more.

    Parameters
    ----------
    regions : RegionTable
        Is changed: afterwards the columns of regions that are left hold the statistics of the unions.
    i, j : (E,) ndarray of int
        Neighbouring regions, each pair once.
    rule : Rule

    Returns
    -------
    i, j : (F,) ndarray of int
        The neighbours that are left. ``regions.compress()`` names the region that each first region is in.
    """
    rest: Edges = (np.asarray(i, np.int32), np.asarray(j, np.int32), regions.costs(i, j))
    apart = _take(rest, np.zeros(0, bool))
    band = 0.0
    chance = np.random.default_rng(0)
    while True:
        allowed = rule.allows(rest[2], regions.count[rest[0]], regions.count[rest[1]])
        if not allowed.any():
            rest = _refresh(regions, _join(rest, apart), np.ones(regions.count.size, bool), regions.compress())
            return rest[0], rest[1]
        if regions.monotone and not rule.smallest:
            apart, rest = _join(apart, _take(rest, ~allowed)), _take(rest, allowed)
            allowed = allowed[allowed]
        costs = rest[2][allowed]
        band = band or float(costs.max() - costs.min()) / BANDS
        limit = max(np.median(costs), costs.min() + band) if costs.size > FEW else np.inf
        now = allowed & (rest[2] <= limit)
        active, rest = _take(rest, now), _take(rest, ~now)
        changed = np.zeros(regions.count.size, bool)
        while active[0].size:
            touched = _merge_stars(regions, active, rule, limit, chance)
            changed |= touched
            active = _refresh(regions, active, touched, regions.parent)
            now = rule.allows(active[2], regions.count[active[0]], regions.count[active[1]]) & (active[2] <= limit)
            if not now.all():
                active, rest = _take(active, now), _join(rest, _take(active, ~now))
        rest = _refresh(regions, rest, changed, regions.compress())


def _take(edges: Edges, which: np.ndarray) -> Edges:
    at = np.flatnonzero(which)
    return edges[0][at], edges[1][at], edges[2][at]


def _join(edges: Edges, more: Edges) -> Edges:
    return tuple(np.concatenate(pair) for pair in zip(edges, more, strict=True))  # type: ignore[return-value]


def _refresh(regions: RegionTable, edges: Edges, changed: np.ndarray, root: np.ndarray) -> Edges:
    """Edges after merges: ends renamed, loops and doubles dropped, costs of changed regions computed again."""
    stale = changed[edges[0]] | changed[edges[1]]
    i, j, _ = _take(edges, stale)
    i, j = root[i], root[j]
    key = np.sort((np.minimum(i, j).astype(np.int64) * root.size + np.maximum(i, j))[i != j])
    key = key[np.r_[True, key[1:] != key[:-1]]] if key.size else key
    i, j = (part.astype(np.int32) for part in np.divmod(key, root.size))
    return _join(_take(edges, ~stale), (i, j, regions.costs(i, j)))


def _merge_stars(
    regions: RegionTable, edges: Edges, rule: Rule, limit: float, chance: np.random.Generator
) -> np.ndarray:
    """One round; which regions it changed, (R,) bool. Nothing joins that differs by more than `limit`."""
    hub, member = _stars(regions.count.size, edges, chance)
    start = np.flatnonzero(np.r_[True, hub[1:] != hub[:-1]])
    length = np.diff(np.r_[start, hub.size])
    # each star as one run: its hub, then its members, most similar first
    place = np.arange(hub.size) + np.repeat(np.arange(start.size), length) + 1
    order = np.empty(hub.size + start.size, np.int64)
    order[place] = member
    order[start + np.arange(start.size)] = hub[start]
    begin = start + np.arange(start.size)
    position = np.arange(order.size) - np.repeat(begin, length + 1)
    count, stats = _running(regions, order, position)
    joined = _accepted(regions, rule, limit, order[place], place, position, count, stats)
    star = np.repeat(np.arange(start.size), length)
    first_refusal = np.full(start.size, order.size)
    refused = np.flatnonzero(~joined)
    np.minimum.at(first_refusal, star[refused], position[place][refused])
    joined = position[place] < first_refusal[star]
    last = begin + np.bincount(star, weights=joined, minlength=start.size).astype(np.int64)
    regions.count[hub[start]] = count[last]
    regions.stats[:, hub[start]] = stats[:, last]
    regions.parent[member[joined]] = hub[joined]
    touched = np.zeros(regions.count.size, bool)
    touched[hub] = True
    touched[member[joined]] = True
    return touched


def _stars(n: int, edges: Edges, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hub and member of every proposed merge, ordered by hub and then by difference."""
    i, j, cost = edges
    # equal costs, as in plateaus of one value, are put in a random order: by index they would merge one pair a round
    rank = (cost + 1e-12) * (1 + 1e-6 * chance.random(cost.size))
    best = np.full(n, np.inf)
    np.minimum.at(best, i, rank)
    np.minimum.at(best, j, rank)
    choice = np.full(n, -1)
    for end in (i, j):
        wants = np.flatnonzero(rank == best[end])
        choice[end[wants]] = np.maximum(choice[end[wants]], wants)
    number = np.arange(i.size)
    by_i, by_j = choice[i] == number, choice[j] == number
    pair = np.flatnonzero(by_i & by_j)
    hub = np.full(n, -1)
    hub[i[pair]] = i[pair]
    hub[j[pair]] = i[pair]
    arm = np.flatnonzero(by_i ^ by_j)
    child = np.where(by_i[arm], i[arm], j[arm])
    hub_of_child = hub[np.where(by_i[arm], j[arm], i[arm])]
    near = np.flatnonzero(hub_of_child >= 0)
    hubs = np.concatenate([i[pair], hub_of_child[near]])
    members = np.concatenate([j[pair], child[near]])
    ranks = np.concatenate([np.full(pair.size, -np.inf), rank[arm[near]]])
    order = np.lexsort((ranks, hubs))
    return hubs[order], members[order]


def _running(regions: RegionTable, order: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count and statistics of the union of each star's first 1, 2 … regions (a scan by doubling steps)."""
    count, stats = regions.count[order], regions.stats[:, order]
    step = 1
    at = np.flatnonzero(position >= step)
    while at.size:
        count[at] = count[at] + count[at - step]
        stats[:, at] = regions.combine(stats[:, at], stats[:, at - step])
        step *= 2
        at = at[position[at] >= step]
    return count, stats


def _accepted(
    regions: RegionTable,
    rule: Rule,
    limit: float,
    member: np.ndarray,
    place: np.ndarray,
    position: np.ndarray,
    count: np.ndarray,
    stats: np.ndarray,
) -> np.ndarray:
    """Which members may join the union of all before them; the first of each star may, it was allowed already."""
    own = regions.count[member]
    cost = regions.cost(count[place - 1], stats[:, place - 1], own, regions.stats[:, member])
    return np.asarray((rule.allows(cost, count[place - 1], own) & (cost <= limit)) | (position[place] == 1))
