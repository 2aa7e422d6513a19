"""Lines become regions: gaps are closed, and what lies inside is filled. 2D and 3D alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.cleanup.steps import ball, grown, steps_of

Places: TypeAlias = tuple[np.ndarray, ...]
"""Indices of voxels along each axis."""


def fill_contours(
    edges: np.ndarray, image: np.ndarray, spacing: tuple[float, ...], gap: float, fill: str
) -> np.ndarray:
    """Close contours and fill what is inside.

    Parameters
    ----------
    edges : ([Z,] Y, X) ndarray of bool
    image : ([Z,] Y, X) ndarray of float32
    spacing : tuple of float
    gap : float
        Gaps up to this length are closed, in voxels along X.
    fill : str
        "none": the edges themselves. "enclosed": every part that edges part from the border of the image. "bright" and
        "dark": every part that is brighter (darker) than the edges around it, at the border too.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Voxels of a line go to the part on their side of the edge, so that outlines are not drawn too narrow.

    References
    ----------
    Van Vliet and Verbeek 1993, Proc. Scandinavian Conference on Image Analysis (PLUS: where the edge of something round lies
    that was blurred).
    """
    if fill == "none":
        return edges.astype(np.int32)
    at = np.nonzero(edges)
    parts, count = _parts(edges, at, gap, spacing)
    if count == 0 or not at[0].size:
        return np.zeros(edges.shape, np.int32)
    inside = _enclosed(parts, count) if fill == "enclosed" else _contrast(parts, count, at, image, fill == "bright")
    _share_lines(parts, edges, at, image, spacing)
    return np.asarray(inside.astype(np.int32)[parts])


def _parts(edges: np.ndarray, at: Places, gap: float, spacing: tuple[float, ...]) -> tuple[np.ndarray, int]:
    """The parts that lines leave, 0 on the lines, and how many; lines as thick as a gap hold it shut for a while."""
    if gap <= 0:
        return ndimage.label(~edges, output=np.int32)  # type: ignore[no-any-return]
    thick = _thick(edges, at, gap / 2, spacing)
    parts, count = ndimage.label(~thick, output=np.int32)
    rim = np.nonzero(thick & ~edges)
    _spread(parts, rim)
    # what is all nearer to lines than that stays a part by itself
    left = parts[rim] == 0
    if left.any():
        small = np.zeros(edges.shape, bool)
        places = tuple(r[left] for r in rim)
        small[places] = True
        more, number = ndimage.label(small, output=np.int32)
        parts[places] = more[places] + count
        count += number
    return parts, count


def _thick(edges: np.ndarray, at: Places, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """As :func:`grown`, quicker for the few voxels of lines."""
    moves = np.argwhere(footprint := ball(radius, spacing)) - np.array(footprint.shape) // 2
    if at[0].size * len(moves) > edges.size:
        return grown(edges, radius, spacing)
    out = np.zeros(edges.shape, bool)
    for move in moves:
        out[_moved(at, move, edges.shape)] = True
    return out


def _moved(at: Places, move: Sequence[int] | np.ndarray, shape: tuple[int, ...]) -> Places:
    """Places after a move, held inside of the image."""
    return tuple(np.clip(a + m, 0, n - 1) if np.any(m) else a for a, m, n in zip(at, move, shape, strict=True))


def _faces(ndim: int) -> np.ndarray:
    """The moves to the neighbours of a voxel over its faces, (2 D, D)."""
    return np.concatenate([-np.eye(ndim, dtype=int), np.eye(ndim, dtype=int)])


def _spread(parts: np.ndarray, free: Places) -> None:
    """Parts grow over faces into the free voxels around them until none is left, in place."""
    open_ = parts[free] == 0
    at = tuple(a[open_] for a in free)
    while at[0].size:
        near = np.zeros(at[0].size, np.int32)
        for move in _faces(parts.ndim):
            near = np.where(near > 0, near, parts[_moved(at, move, parts.shape)])
        if not near.any():
            break
        parts[at] = near
        open_ = near == 0
        at = tuple(a[open_] for a in at)


def _share_lines(
    parts: np.ndarray, edges: np.ndarray, at: Places, image: np.ndarray, spacing: tuple[float, ...]
) -> None:
    """Give each voxel of a line to the part on its side, in place: uphill where the image bulges, downhill elsewhere."""
    slope, bend = _bend(image, at, spacing)
    steps = np.asarray(steps_of(spacing), np.float32)[:, None]
    way = np.where(bend < 0, slope, -slope) / steps
    for far in (1, 2):
        there = _moved(at, [np.rint(far * w).astype(np.intp) for w in way], parts.shape)
        found = parts[there] * ~edges[there]
        parts[at] = np.where(parts[at] > 0, parts[at], found)
    _spread(parts, at)


def _bend(image: np.ndarray, at: Places, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Direction uphill, (D, N), and the second derivative along it plus the Laplacian, (N,), at some voxels."""
    steps = steps_of(spacing)

    def value(*moves: tuple[int, int]) -> np.ndarray:
        index = list(at)
        for axis, by in moves:
            index[axis] = np.clip(at[axis] + by, 0, image.shape[axis] - 1)
        return np.asarray(image[tuple(index)], np.float32)

    here = value()
    slope = np.stack([(value((a, 1)) - value((a, -1))) / (2 * s) for a, s in enumerate(steps)])
    slope /= np.maximum(np.sqrt((slope**2).sum(0)), np.finfo(np.float32).tiny)
    bend = np.zeros(here.shape, np.float32)
    for a, s in enumerate(steps):
        bend += (value((a, 1)) - 2 * here + value((a, -1))) / s**2 * (1 + slope[a] ** 2)
        for b in range(a):
            cross = value((a, 1), (b, 1)) - value((a, 1), (b, -1)) - value((a, -1), (b, 1)) + value((a, -1), (b, -1))
            bend += cross / (2 * s * steps[b]) * slope[a] * slope[b]
    return slope, bend


def _enclosed(parts: np.ndarray, count: int) -> np.ndarray:
    """Whether each part keeps off the border of the image, (count + 1,)."""
    inside = np.ones(count + 1, bool)
    for axis in range(parts.ndim):
        if parts.shape[axis] > 1:
            inside[parts.take((0, -1), axis)] = False
    inside[0] = False
    return inside


def _contrast(parts: np.ndarray, count: int, at: Places, image: np.ndarray, bright: bool) -> np.ndarray:
    """Whether each part is brighter (darker) than the edge voxels that it touches, (count + 1,)."""
    sums, touched = np.zeros(count + 1), np.zeros(count + 1)
    values = image[at]
    for move in _faces(parts.ndim):
        of = parts[_moved(at, move, parts.shape)]
        sums += np.bincount(of, values, count + 1)
        touched += np.bincount(of, minlength=count + 1)
    at_edges = sums / np.maximum(touched, 1)
    size = np.bincount(parts.ravel(), minlength=count + 1)
    own = np.bincount(parts.ravel(), image.ravel(), count + 1) / np.maximum(size, 1)
    inside = (own > at_edges if bright else own < at_edges) & (touched > 0)
    inside[0] = False
    return np.asarray(inside)


__all__ = ["fill_contours"]
