"""Mean shift: clusters of colours without their number, by climbing to where values are dense."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.colour.clusters import kmeans
from napari_segplugin.classical.colour.space import Clusters, order_of, space_of, values_of

SHIFT_VOXELS = 2**12
"""Voxels whose density mean shift climbs."""
CLIMBS = 100
"""Steps of mean shift at most."""


def measure_shift(
    sample: np.ndarray, spacing: tuple[float, ...], *, width: float, space: str, background: str
) -> Clusters:
    """The summits of the density of colours, as :func:`measure`."""
    from sklearn.cluster import estimate_bandwidth

    where = space_of(sample, space, 0.0)
    values = values_of(sample, spacing, where, SHIFT_VOXELS)
    radius = float(estimate_bandwidth(values, quantile=width, n_samples=1024, random_state=0))
    # many voxels of one value give no width; a hundredth of the spread keeps different values apart
    radius = max(radius, 0.01 * float(np.linalg.norm(values.max(axis=0) - values.min(axis=0))))
    centres = summits(values, radius)
    counts = np.bincount(_squares(values, centres).argmin(axis=1), minlength=len(centres))
    return {**where, "centres": centres, "labels": order_of(centres, counts, space, background)}


def summits(values: np.ndarray, width: float) -> np.ndarray:
    """Where points end up that climb to the mean of all values around them, again and again.

    Parameters
    ----------
    values : (N, F) ndarray of float32
    width : float
        Radius of the (flat) window.

    Returns
    -------
    (K, F) ndarray of float32
        No two nearer than the width, those with most values around them first.

    Examples
    --------
    >>> summits(np.array([[0.0], [0.2], [5.0], [5.1], [5.2]], np.float32), 1.0).round(1)
    array([[5.1],
           [0.1]], dtype=float32)
    """
    # one climber for each cell of a grid that holds a value
    places = (np.unique(np.rint(values / width), axis=0) * width).astype(np.float32)
    moving, crowd = np.arange(len(places)), np.zeros(len(places))
    for _ in range(CLIMBS):
        near = (_squares(places[moving], values) <= width**2).astype(np.float32)
        crowd[moving] = near.sum(axis=1)
        means = near @ values / np.maximum(crowd[moving], 1)[:, None]
        there = np.abs(means - places[moving]).max(axis=1) < 1e-3 * width
        places[moving] = np.where(crowd[moving, None] > 0, means, places[moving])
        moving = moving[~there & (crowd[moving] > 0)]
        if not moving.size:
            break
    found: list[np.ndarray] = []
    for at in np.argsort(-crowd, kind="stable"):
        if crowd[at] and all(((places[at] - other) ** 2).sum() > width**2 for other in found):
            found.append(places[at])
    return np.stack(found)


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distances of all points to all others, (N, M)."""
    return np.asarray((one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T)


def mean_shift(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    measured: Clusters,
    width: float = 0.2,
    space: str = "channels",
    background: str = "largest",
) -> np.ndarray:
    """Each voxel to the nearest summit of the density of colours; how many there are follows from the image.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    measured : mapping
        Of :func:`measure_shift`.
    width : float
        Share of all voxels that count as near one: more gives fewer classes.
    space, background
        As in :func:`kmeans`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Comaniciu and Meer 2002, IEEE PAMI 24(5).
    """
    return kmeans(image, spacing=spacing, measured=measured)


__all__ = ["mean_shift", "measure_shift", "summits"]
