"""Exact outlines of labelled objects: polygons along the edges of pixels, from which the mask comes back unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from skimage.draw import polygon as fill_polygon
from skimage.measure import label as connected_parts


@dataclass(frozen=True, eq=False)
class Polygon:
    """One connected part of an object.

    Parameters
    ----------
    label : int
        Number of the object.
    exterior : (N, 2) ndarray of int32
        Corners x, y of the outer ring; the last corner is joined to the first. Corner (0, 0) is the outer corner of
        the first pixel, so that the pixel in row y and column x covers the square from (x, y) to (x + 1, y + 1).
    holes : tuple of (M, 2) ndarray of int32
        Corners of the inner rings, which run the other way round.
    """

    label: int
    exterior: np.ndarray
    holes: tuple[np.ndarray, ...] = ()

    @property
    def rings(self) -> tuple[np.ndarray, ...]:
        """The outer ring, then the holes."""
        return (self.exterior, *self.holes)

    @property
    def area(self) -> int:
        """Pixels inside: the outer ring without the holes."""
        return int(sum(_doubled_area(ring) for ring in self.rings)) // 2


def outlines(labels: np.ndarray, *, junctions: bool = False) -> list[Polygon]:
    """Trace all objects of a plane along the edges of their pixels.

    Pixels that touch at a corner only belong to different polygons, so each ring is simple (no corner occurs twice)
    and holes lie inside their outer ring: valid by the Simple Features standard (OGC 06-103r4).

    Parameters
    ----------
    labels : (Y, X) ndarray of int
        0 is background.
    junctions : bool
        Keep the points where three parts or more meet, also on straight lines, so that neighbors have the same corners.

    Returns
    -------
    list of Polygon
        Sorted by label; an object in several parts has several.

    Notes
    -----
    Every edge between an object's pixel and something else is a step of length one with the pixel on its right. The
    step after it follows from the pixels ahead, so all rings of all objects are one permutation of the edges; it is
    brought into order by pointer doubling (Wyllie 1979) in as many passes as the longest ring has binary digits.

    Examples
    --------
    >>> outlines(np.array([[0, 3, 3]]))[0].exterior.tolist()
    [[1, 0], [3, 0], [3, 1], [1, 1]]
    """
    # 4-connected parts, each a number of its own: a part has exactly one outer ring
    parts = np.asarray(connected_parts(labels, background=0, connectivity=1))
    if not parts.any():
        return []
    padded = np.pad(parts, 1)
    keys, following = _edges(padded)
    ring, order = _along_rings(following)
    keys = keys[order]
    pixels, turn = np.divmod(keys, 4)
    start = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    before = np.arange(len(keys)) - 1
    before[start] = np.append(start[1:], len(keys)) - 1
    corner = turn != turn[before]
    y, x = np.divmod(pixels, padded.shape[1])
    if junctions:
        corner |= meeting(parts)[y - 1 + (turn >= 2), x - 1 + np.isin(turn, (1, 2))]
    # where a step begins, without the padding: the top left, top right, bottom right, bottom left corner of its pixel
    points = np.stack([x - 1 + np.isin(turn, (1, 2)), y - 1 + (turn >= 2)], axis=1).astype(np.int32)[corner]
    ends = np.append(0, np.cumsum(corner))[np.append(start, len(keys))]
    part = padded.ravel()[pixels[start]]
    number = labels[tuple(a[start] - 1 for a in (y, x))]
    rings = [points[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    # the first step of an outer ring is the top edge of its first pixel; that of a hole is a bottom edge above it
    return _polygons(rings, part, number, turn[start] == 0)


def meeting(parts: np.ndarray) -> np.ndarray:
    """Corners of pixels where three parts or more meet, or two that lie crosswise.

    Parameters
    ----------
    parts : (Y, X) ndarray of int
        A number for each connected part, 0 for the background.

    Returns
    -------
    (Y + 1, X + 1) ndarray of bool

    Examples
    --------
    >>> meeting(np.array([[1, 2]])).astype(int).tolist()
    [[0, 1, 0], [0, 1, 0]]
    """
    wide = np.pad(parts, 1)
    a, b, c, d = wide[:-1, :-1], wide[:-1, 1:], wide[1:, 1:], wide[1:, :-1]
    changes: np.ndarray = (a != b).astype(np.uint8) + (b != c) + (c != d) + (d != a)
    return np.asarray(changes > 2)


def _edges(padded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys (pixel * 4 + direction) of all edges, sorted, and the position of the edge that follows each."""
    flat, w = padded.ravel(), padded.shape[1]
    inside = np.flatnonzero(flat)
    ahead, outward = (1, w, -1, -w), (-w, 1, w, -1)  # right, down, left, up, and the side that lies on the left
    keys, after = [], []
    for d in range(4):
        pixel = inside[flat[inside + outward[d]] != flat[inside]]
        own = flat[pixel]
        slant, straight = pixel + ahead[d] + outward[d], pixel + ahead[d]
        follow = np.where(flat[straight] == own, straight * 4 + d, pixel * 4 + (d + 1) % 4)
        keys.append(pixel * 4 + d)
        after.append(np.where(flat[slant] == own, slant * 4 + (d - 1) % 4, follow))
    joined, target = np.concatenate(keys), np.concatenate(after)
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    return joined, np.searchsorted(joined, target[order])


def _along_rings(following: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges in the order of their rings: the ring of each (its smallest edge), and the positions."""
    head, jump = np.arange(len(following)), following
    while True:
        smaller = np.minimum(head, head[jump])
        if np.array_equal(smaller, head):
            break
        head, jump = smaller, jump[jump]
    last = following == head
    jump = np.where(last, np.arange(len(following)), following)
    left = (~last).astype(np.int64)
    while True:
        more = left[jump]
        if not more.any():
            break
        left, jump = left + more, jump[jump]
    order = np.lexsort((-left, head))
    return head[order], order


def _polygons(rings: list[np.ndarray], part: np.ndarray, number: np.ndarray, is_outer: np.ndarray) -> list[Polygon]:
    outer: dict[int, tuple[int, np.ndarray]] = {}
    inner: dict[int, list[np.ndarray]] = {}
    for ring, p, n, out in zip(rings, part.tolist(), number.tolist(), is_outer.tolist(), strict=True):
        if out:
            outer[p] = (n, ring)
        else:
            inner.setdefault(p, []).append(ring)
    found = [Polygon(n, ring, tuple(inner.get(p, ()))) for p, (n, ring) in outer.items()]
    return sorted(found, key=lambda polygon: polygon.label)


def _doubled_area(ring: np.ndarray) -> int:
    x, y = ring.T.astype(np.int64)
    return int((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def fill_rings(rings: Iterable[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The pixels whose centre lies inside an odd number of rings.

    Parameters
    ----------
    rings : iterable of (N, 2) array
        Corners x, y, not rounded; see :class:`Polygon` for where (0, 0) lies.
    shape : tuple of int
        Height, width.

    Returns
    -------
    (Y, X) ndarray of bool

    Examples
    --------
    >>> fill_rings([np.array([[1, 0], [3, 0], [3, 1], [1, 1]])], (1, 4)).astype(int).tolist()
    [[0, 1, 1, 0]]
    """
    mask = np.zeros(shape, bool)
    for ring in rings:
        x, y = np.asarray(ring, float).T - 0.5
        mask[fill_polygon(y, x, shape)] ^= True
    return mask
