"""Outlines without the staircase of the pixels: within a tolerance, and neighbors keep the borders that they share.

Borders are cut where three parts meet. Each piece is simplified once, for the parts on both of its sides, so that neither gaps
nor overlaps come between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from skimage.measure import label as connected_parts

from napari_segplugin.io.outlines import Polygon, meeting, outlines


@dataclass(frozen=True, eq=False)
class OutlinePart:
    """One connected part of an object.

    Parameters
    ----------
    label : int
    pixels : int
        Its area, exactly.
    shape : Polygon
        Its outline, perhaps simplified.
    """

    label: int
    pixels: int
    shape: Polygon


def pieces_of(labels: np.ndarray, tolerance: float = 0.0, smallest: float = 0.0) -> list[OutlinePart]:
    """Outlines of all parts of a plane.

    Parameters
    ----------
    labels : (Y, X) ndarray of int
        0 is background.
    tolerance : float
        Pixels by which an outline may leave the way between the middles of the lines along its pixels, which is never farther
        than half a pixel from them; 0 gives the edges of the pixels. An outline that would touch itself keeps those.
    smallest : float
        Parts of fewer pixels are left out.

    Returns
    -------
    list of OutlinePart
        Sorted by label.

    Examples
    --------
    >>> stairs = np.tri(6, dtype=int)
    >>> len(pieces_of(stairs)[0].shape.exterior), len(pieces_of(stairs, 0.5)[0].shape.exterior)
    (14, 3)
    """
    found = [p for p in outlines(labels, junctions=tolerance > 0) if p.area >= smallest]
    pixels = [p.area for p in found]
    if tolerance > 0 and found:
        crossings = meeting(np.asarray(connected_parts(labels, background=0, connectivity=1)))
        found = _Borders(found, crossings).simplified(tolerance)
    return [OutlinePart(p.label, n, p) for p, n in zip(found, pixels, strict=True)]


class _Borders:
    """The rings of polygons, cut where parts meet; a border that two rings share is held once."""

    def __init__(self, polygons: Sequence[Polygon], crossings: np.ndarray) -> None:
        self._polygons = polygons
        rings = [ring for p in polygons for ring in p.rings]
        self._smooth: list[np.ndarray] = []
        self._exact: list[np.ndarray] = []
        self._known: dict[bytes, int] = {}
        self._of_ring = [
            [self._add(*border) for border in _cut(smooth, stops, ring, crossings)]
            for ring, (smooth, stops) in zip(rings, _middles(rings, crossings), strict=True)
        ]

    def _add(self, smooth: np.ndarray, exact: np.ndarray) -> tuple[int, bool]:
        """The number of a border, and whether it runs backwards."""
        ends = smooth[[0, -1, 1, -2]].tolist()
        back = (ends[0], ends[2]) > (ends[1], ends[3])
        if back:
            smooth, exact = smooth[::-1], exact[::-1]
        key = smooth[[0, 1, -2, -1]].tobytes() + len(smooth).to_bytes(8, "little")
        if key not in self._known:
            self._known[key] = len(self._smooth)
            self._smooth.append(smooth)
            self._exact.append(exact)
        return self._known[key], back

    def simplified(self, tolerance: float) -> list[Polygon]:
        """The polygons, each of them valid: borders of those that are not go back to the edges of their pixels."""
        count = np.array([len(line) for line in self._smooth])
        lines = shapely.linestrings(np.concatenate(self._smooth), indices=np.repeat(np.arange(len(count)), count))
        lines = shapely.simplify(lines, tolerance, preserve_topology=False)
        points, of = shapely.get_coordinates(lines, return_index=True)
        found = np.split(points, np.searchsorted(of, np.arange(1, len(count))))
        left = list(range(len(self._polygons)))
        first = np.cumsum([0, *(len(p.rings) for p in self._polygons)]).tolist()
        done: list[Polygon] = list(self._polygons)
        exact: set[int] = set()
        while left:
            bad: set[int] = set()
            for at in left:
                rings = [self._joined(found, ring) for ring in self._of_ring[first[at] : first[at + 1]]]
                done[at] = replace(done[at], exterior=rings[0], holes=tuple(rings[1:]))
                if not _valid(rings):
                    bad |= {n for ring in self._of_ring[first[at] : first[at + 1]] for n, _ in ring} - exact
            for n in bad:
                found[n] = self._exact[n]
            exact |= bad
            # a border that went back belongs to a neighbor, too
            left = [
                at
                for at in range(len(done))
                if any(n in bad for ring in self._of_ring[first[at] : first[at + 1]] for n, _ in ring)
            ]
        return done

    @staticmethod
    def _joined(found: Sequence[np.ndarray], borders: Sequence[tuple[int, bool]]) -> np.ndarray:
        parts = [found[n][::-1] if back else found[n] for n, back in borders]
        return np.concatenate([part[:-1] for part in parts])


def _valid(rings: Sequence[np.ndarray]) -> bool:
    """Whether rings are a polygon by the Simple Features standard."""
    if any(len(ring) < 3 for ring in rings):
        return False
    return bool(shapely.is_valid(shapely.Polygon(rings[0], rings[1:])))


def _middles(rings: Sequence[np.ndarray], crossings: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The way along each ring between the middles of its straight lines, and which of its points have to stay.

    Where a slope crosses the pixels, of two lines that meet one is a single pixel long, and their middles lie on the slope. A
    corner between longer ones is one of the object, and stays in.
    """
    points = np.concatenate(rings).astype(float)
    sizes = np.array([len(r) for r in rings])
    ends = np.cumsum(sizes)
    after, before = np.arange(1, len(points) + 1), np.arange(-1, len(points) - 1)
    after[ends - 1], before[ends - sizes] = ends - sizes, ends - 1
    length = np.abs(points[after] - points).sum(axis=1)
    x, y = points.astype(int).T
    stop = crossings[y, x]
    corner = stop | ((length > 1) & (length[before] > 1))
    candidates = np.stack([points, (points + points[after]) / 2], axis=1)
    chosen = np.stack([corner, np.ones_like(corner)], axis=1)
    stops = np.stack([stop, np.zeros_like(stop)], axis=1)
    cuts = np.cumsum(chosen.sum(axis=1))[ends - 1][:-1]
    return list(zip(np.split(candidates[chosen], cuts), np.split(stops[chosen], cuts), strict=True))


def _cut(
    smooth: np.ndarray, stops: np.ndarray, ring: np.ndarray, crossings: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """A ring in borders from stop to stop: the points that are simplified, and those of the edges."""
    exact = ring.astype(float)
    at = np.flatnonzero(stops)
    if not at.size:
        # neighbors begin at the same point: the first by its coordinates
        first = np.lexsort(smooth.T)[0]
        turned = np.roll(smooth, -first, axis=0)
        return [(np.append(turned, turned[:1], axis=0), np.append(exact, exact[:1], axis=0))]
    there = np.flatnonzero(crossings[ring[:, 1], ring[:, 0]])
    return list(zip(_between(smooth, at), _between(exact, there), strict=True))


def _between(points: np.ndarray, at: np.ndarray) -> list[np.ndarray]:
    """The ways from each of some points to the next, both included."""
    turned = np.roll(points, -at[0], axis=0)
    turned = np.append(turned, turned[:1], axis=0)
    bounds = [*(at - at[0]).tolist(), len(points)]
    return [turned[a : b + 1] for a, b in itertools.pairwise(bounds)]


__all__ = ["OutlinePart", "pieces_of"]
