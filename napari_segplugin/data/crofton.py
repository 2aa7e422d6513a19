"""Perimeter and surface area of labelled objects by counting crossings of lines, all objects at once.

The Cauchy-Crofton formula: a random line crosses the boundary of an object in proportion to its length (2D) or area (3D).
Lines along the 4 (2D) or 13 (3D) directions to neighbouring voxels are counted; each direction weighs as much as the part
of the circle or sphere that is nearest to it, so the voxels need not be cubes.

References
----------
Lehmann and Legland, Efficient N-dimensional surface estimation using Crofton formula and run-length encoding, Insight
Journal 2012.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.spatial import SphericalVoronoi


def boundary_size(labels: np.ndarray, n: int, spacing: Sequence[float] | np.ndarray) -> np.ndarray:
    """Perimeter (2D) or surface area (3D) of the objects 1 … n.

    Parameters
    ----------
    labels : (Z, Y, X) or (Y, X) ndarray of int
        Values from 0 (background) to n. Objects end at the edge of the image.
    n : int
    spacing : sequence of float, or (D, D) ndarray
        Size of a voxel along each axis; or its edges as columns, where they are not at right angles.

    Returns
    -------
    (n,) ndarray of float64
        In the unit of the spacing, squared in 3D.

    Examples
    --------
    >>> disk = np.hypot(*(np.indices((61, 61)) - 30)) <= 25
    >>> float(boundary_size(disk.astype(int), 1, (0.1, 0.1))[0].round(1)), round(2 * np.pi * 2.5, 1)
    (15.9, 15.7)
    """
    steps, weights = directions(spacing)
    padded = np.pad(labels, 1)
    flat, strides = padded.ravel(), np.array(padded.strides) // padded.itemsize
    total = np.zeros(n + 1)
    for step, weight in zip(steps, weights, strict=True):
        # a step to a neighbour is one distance in the flat array; the padding keeps rows from running into each other
        distance = int(step @ strides)
        one, other = flat[:-distance], flat[distance:]
        crossing = np.flatnonzero(one != other)
        total += weight * np.bincount(one[crossing], minlength=n + 1)
        total += weight * np.bincount(other[crossing], minlength=n + 1)
    return np.asarray(total[1:])


def directions(spacing: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps to half of the neighbours, and what one crossing along each adds to the boundary.

    Returns
    -------
    steps : (4, 2) or (13, 3) ndarray of int
    weights : (4,) or (13,) ndarray of float64
    """
    edges = np.asarray(spacing, float)
    edges = np.diag(edges) if edges.ndim == 1 else edges
    every = np.array(list(itertools.product((0, 1, -1), repeat=len(edges))))
    # of each pair of opposite steps the one that goes forward in the flat array
    steps = np.array([s for s in every if tuple(s) > (0,) * len(edges)])
    along = steps @ edges.T
    length = np.linalg.norm(along, axis=1)
    share = (_arcs if len(edges) == 2 else _caps)(along / length[:, None])
    # lines along a step lie (voxel volume / step length) apart; 2D: pi/2, 3D: 2 times the mean over all directions
    factor = np.pi / 2 if len(edges) == 2 else 2.0
    return steps, factor * share * abs(np.linalg.det(edges)) / length


def _arcs(unit: np.ndarray) -> np.ndarray:
    """Share of the half circle that is nearest to each direction."""
    angle = np.arctan2(unit[:, 0], unit[:, 1]) % np.pi
    order = np.argsort(angle)
    gaps = np.diff(angle[order], append=angle[order[0]] + np.pi)
    share = np.empty(len(angle))
    share[order] = (gaps + np.roll(gaps, 1)) / 2 / np.pi
    return share


def _caps(unit: np.ndarray) -> np.ndarray:
    """Share of the sphere that is nearest to each direction or its opposite."""
    areas = SphericalVoronoi(np.concatenate([unit, -unit])).calculate_areas() / (4 * np.pi)
    return np.asarray(areas[: len(unit)] + areas[len(unit) :])
