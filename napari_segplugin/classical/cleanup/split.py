"""Split touching objects: watershed of the distance to the background, with shallow valleys filled."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.cleanup.steps import present, steps_of
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.core import InputError


def split_touching(
    labels: np.ndarray,
    *,
    spacing: tuple[float, ...],
    objects: bool,
    image: np.ndarray | None = None,
    smooth: float = 1.0,
    depth: float = 0.75,
    share: float = 0.1,
    brightness: float = 0.0,
) -> np.ndarray:
    """Split objects at their necks.

    The distance to the background has a peak in each object. Floods from the peaks meet in valleys; a peak that rises
    above the valley to a higher one by less than `depth`, or than a share of its own height, is no object of its own (the
    h-maxima of the distance, with h growing with the object).

    Parameters
    ----------
    labels : ([Z,] Y, X) ndarray of int32
    spacing : tuple of float
    objects : bool
    image : (1, [Z,] Y, X) ndarray of float32, optional
        Needed where `brightness` is not 0.
    smooth : float
        Sigma of a Gaussian over the distance, in voxels along X.
    depth : float
        Least depth of a valley, in voxels along X.
    share : float
        Least depth of a valley, as a share of the height of the lower peak.
    brightness : float
        How much the brightness inside of the object counts beside the distance: 0 not at all, 1 as much.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Objects, numbered from 1.

    Raises
    ------
    InputError
        If brightness shall count and there is no image.

    References
    ----------
    Vincent and Soille 1991, IEEE PAMI 13(6); Soille 2003, Morphological Image Analysis, section 6.3.3 (h-maxima).
    """
    if brightness > 0 and image is None:
        raise InputError("Splitting by brightness needs the image.", hint="Set Brightness to 0.")
    done = np.zeros(labels.shape, np.int32)
    count = 0
    boxes = ndimage.find_objects(labels)
    for value in present(labels):
        box = _wider(boxes[value - 1], labels.shape)
        mask = labels[box] == value
        height = distance(mask, spacing)
        if brightness > 0 and image is not None:
            height *= 1 + brightness * (_relative(image[0][box], mask) - 1)
        height = np.where(mask, gaussian(height, smooth, spacing), 0)
        found = split_mask(mask, height, depth, share)
        done[box][mask] = found[mask] + count
        count += int(found.max(initial=0))
    return done


def _wider(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """One voxel more on each side, where the image has it."""
    return tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(box, shape, strict=True))


def distance(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance to the background in voxels along X, float32; the border of the image is no background."""
    if mask.all():
        # nothing to measure from: flat, so that nothing is split
        return np.ones(mask.shape, np.float32)
    return np.asarray(ndimage.distance_transform_edt(mask, steps_of(spacing)), np.float32)


def _relative(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Brightness between its 1st and 99th percentile in the mask, as 0 to 1."""
    low, high = np.percentile(image[mask], (1, 99))
    if high <= low:
        return np.ones(mask.shape, np.float32)
    return np.asarray(((image - low) / (high - low)).clip(0, 1), np.float32)


def split_mask(mask: np.ndarray, height: np.ndarray, depth: float, share: float) -> np.ndarray:
    """Basins of a landscape, joined over shallow valleys.

    Parameters
    ----------
    mask : ([Z,] Y, X) ndarray of bool
    height : ([Z,] Y, X) ndarray of float32
    depth, share : float
        As in :func:`split_touching`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Numbered from 1; 0 outside of the mask.
    """
    from skimage.morphology import local_maxima
    from skimage.segmentation import watershed

    peaks, count = ndimage.label(
        local_maxima(height, allow_borders=True) & mask, np.ones((3,) * mask.ndim), output=np.int32
    )
    if count == 0:
        return mask.astype(np.int32)
    basins = np.asarray(watershed(-height, peaks, mask=mask), np.int32)
    tops = np.zeros(count + 1)
    at = peaks > 0
    tops[peaks[at]] = height[at]  # a peak is a plateau of one height
    pairs, saddles = valleys(basins, height)
    parent = join_shallow(tops, pairs, saddles, depth, share)
    return numbered(parent)[basins]


def valleys(basins: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of basins that touch, and the highest point of the way from one to the other.

    Returns
    -------
    pairs : (N, 2) ndarray of int64
    saddles : (N,) ndarray of float32
    """
    keys, levels = [], []
    width = int(basins.max()) + 1
    for axis in range(basins.ndim):
        one = (slice(None),) * axis + (slice(1, None),)
        other = (slice(None),) * axis + (slice(None, -1),)
        meet = (basins[one] != basins[other]) & (basins[one] > 0) & (basins[other] > 0)
        a, b = basins[one][meet].astype(np.int64), basins[other][meet].astype(np.int64)
        keys.append(np.minimum(a, b) * width + np.maximum(a, b))
        levels.append(np.minimum(height[one][meet], height[other][meet]))
    key, level = np.concatenate(keys), np.concatenate(levels)
    order = np.lexsort((-level, key))
    first = np.ones(len(order), bool)
    first[1:] = key[order][1:] != key[order][:-1]
    chosen = order[first]
    return np.stack([key[chosen] // width, key[chosen] % width], axis=-1), level[chosen]


def join_shallow(tops: np.ndarray, pairs: np.ndarray, saddles: np.ndarray, depth: float, share: float) -> np.ndarray:
    """The basin that each basin becomes part of: the highest valleys are looked at first.

    Parameters
    ----------
    tops : (N + 1,) ndarray
        Height of the peak of each basin, from number 0.
    pairs : (M, 2) ndarray
    saddles : (M,) ndarray
    depth, share : float

    Returns
    -------
    (N + 1,) ndarray of int64
        Itself where it stays.

    Examples
    --------
    >>> join_shallow(np.array([0, 5.0, 4.0, 9.0]), np.array([[1, 2], [2, 3]]), np.array([3.5, 1.0]), 1.0, 0).tolist()
    [0, 1, 1, 3]
    """
    parent = list(range(len(tops)))
    height = tops.tolist()

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    order = np.argsort(-saddles, kind="stable")
    for (a, b), level in zip(pairs[order].tolist(), saddles[order].tolist(), strict=True):
        a, b = root(a), root(b)
        if a == b:
            continue
        high, low = (a, b) if height[a] >= height[b] else (b, a)
        if height[low] - level < max(depth, share * height[low]):
            parent[low] = high
    return np.array([root(i) for i in range(len(parent))])


def numbered(parent: np.ndarray) -> np.ndarray:
    """Numbers without gaps for what is left, 0 for 0; (N + 1,) int32."""
    _, new = np.unique(parent, return_inverse=True)
    return np.asarray(new.reshape(-1), np.int32)


__all__ = ["distance", "join_shallow", "numbered", "split_mask", "split_touching", "valleys"]
