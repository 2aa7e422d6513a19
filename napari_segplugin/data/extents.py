"""Sizes, balls, boxes and pieces around a place or in a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box

_MARGIN = 0.35
"""How far a window reaches beyond a box, as a share of the box's side."""


def blob_radii(image: np.ndarray, places: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Radius of the blob at each place, in the finest voxel side.

    The scale at which the normalised Laplacian is strongest, sigma times the root of the number of axes (Lindeberg 1998),
    held within half and twice the median of all places.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
    places : (N, ndim) ndarray of int
    size : (ndim,) ndarray
        Voxel size along each axis, the smallest 1.

    Returns
    -------
    (N,) ndarray of float
    """
    flat = np.asarray(image, np.float32).mean(0)
    largest = max(2.0, min(n * s for n, s in zip(flat.shape, size, strict=True) if n > 1) / 6) if flat.size > 1 else 2.0
    sigmas = np.geomspace(1.5, max(3.0, min(largest, 24.0)), 9)
    strength = []
    for sigma in sigmas:
        blurred = ndi.gaussian_filter(flat, sigma / size)
        second = [
            np.gradient(np.gradient(blurred, s, axis=a), s, axis=a) for a, s in enumerate(size) if flat.shape[a] > 1
        ]
        found = np.abs(sigma**2 * np.sum(second, axis=0))
        # a click is rarely at the very middle
        strength.append(ndi.maximum_filter(found, tuple(3 if n > 1 else 1 for n in flat.shape))[tuple(places.T)])
    radii = sigmas[np.argmax(strength, axis=0)] * np.sqrt(flat.ndim)
    middle = float(np.median(radii))
    held: np.ndarray = np.clip(radii, middle / 2, 2 * middle)
    return held


def solid(mask: np.ndarray, at: tuple[int, ...] | None) -> np.ndarray:
    """The piece at a voxel (the largest where none is given) without holes."""
    pieces, n = ndi.label(mask)
    if n == 0:
        return mask
    keep = pieces[at] if at is not None else int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
    filled: np.ndarray = ndi.binary_fill_holes(pieces == keep)
    return filled


def part_at(mask: np.ndarray, at: tuple[int, ...], size: np.ndarray) -> np.ndarray:
    """Part a body at its necks and keep the part at a voxel, so that an unclicked neighbour does not come along."""
    from skimage.segmentation import watershed

    depth = ndi.distance_transform_edt(np.pad(mask, 1), sampling=size)[(slice(1, -1),) * mask.ndim]
    smooth = ndi.gaussian_filter(depth, 1.0 / size)
    seeds, n = ndi.label(mask & (smooth > 0.6 * smooth.max()))
    if n < 2:
        return mask
    flooded = watershed(-smooth, seeds, mask=mask)
    kept: np.ndarray = flooded == flooded[at] if flooded[at] else mask
    return kept


def borders(owner: np.ndarray) -> np.ndarray:
    """Voxels beside which another point is nearer."""
    line = np.zeros(owner.shape, bool)
    for axis in range(owner.ndim):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(owner.ndim))
        back = tuple(slice(None, -1) if a == axis else slice(None) for a in range(owner.ndim))
        different = owner[ahead] != owner[back]
        line[ahead] |= different
        line[back] |= different
    return line


def ellipsoid(shape: Sequence[int], box: Box, share: float) -> np.ndarray:
    """The ellipsoid in a box, its axes `share` of the sides; at least the middle voxel."""
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    far = np.zeros(tuple(shape))
    for grid, s in zip(grids, box, strict=True):
        half = max(0.5, share * (s.stop - s.start) / 2)
        far = far + ((grid - (s.start + s.stop - 1) / 2) / half) ** 2
    mask: np.ndarray = far <= max(1.0, float(far.min()))
    return mask


def distance_to(window: Box, place: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Distance of each voxel of a window to a place, in the finest voxel side."""
    grids = np.ogrid[window]
    far = np.zeros([s.stop - s.start for s in window])
    for grid, p, s in zip(grids, place, size, strict=True):
        far = far + ((grid - p) * s) ** 2
    out: np.ndarray = np.sqrt(far)
    return out


def widened(box: Box, shape: Sequence[int]) -> Box:
    """A box with a margin, cut at the image; one that is a single voxel thick speaks of that plane alone."""
    sides = [s.stop - s.start for s in box]
    margins = [max(2, round(_MARGIN * side)) if side > 1 else 0 for side in sides]
    return tuple(slice(max(0, s.start - m), min(n, s.stop + m)) for s, m, n in zip(box, margins, shape, strict=True))


def relative(box: Box, window: Box) -> Box:
    """A box in the coordinates of a window."""
    return tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, window, strict=True))


__all__ = ["blob_radii", "borders", "distance_to", "ellipsoid", "part_at", "relative", "solid", "widened"]
