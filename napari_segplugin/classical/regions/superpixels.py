"""Superpixels: small even patches that keep to edges, and neighbours of like colour merged to regions."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.regions.region_merging import RegionTable, Rule, merge_regions
from napari_segplugin.classical.shared.colour import comparable, value_ends


def slic(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    size: float = 16.0,
    compactness: float = 10.0,
    smooth: float = 0.0,
    merge: float = 0.05,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Patches of about one size: K-means on colour and place, each centre on its own neighbourhood.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
        Three channels are taken for red, green and blue.
    spacing : tuple of float
    size : float
        Side of a patch, in voxels along X.
    compactness : float
        How square patches are, against how well they keep to edges; counted with a lightness of 0 to 100.
    smooth : float
        Sigma of a Gaussian before, in voxels along X.
    merge : float
        Neighbours merge whose mean colours differ by at most this share of the image's range; 0 merges none.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Regions, numbered from 1.

    References
    ----------
    Achanta et al. 2012, IEEE PAMI 34(11).
    """
    from skimage.segmentation import slic as patches

    steps = [s / spacing[-1] for s in spacing]
    volume = float(np.prod([n * s for n, s in zip(image.shape[1:], steps, strict=True)]))
    count = max(2, round(volume / size ** len(steps)))
    found = patches(
        _shares(image, known),
        n_segments=count,
        # patches() brings values to 0 to 1, and colours then to a lightness of 0 to 100
        compactness=compactness if len(image) == 3 else compactness / 100,
        sigma=[smooth / s for s in steps],
        spacing=steps,
        start_label=1,
        channel_axis=-1,
    )
    return merged(found, image, merge, known)


def felzenszwalb(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    scale: float = 100.0,
    smooth: float = 0.8,
    smallest: int = 50,
    merge: float = 0.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Patches whose inner differences are smaller than the step to the next.

    Parameters
    ----------
    image : (C, Y, X) ndarray of float32
    spacing : tuple of float
    scale : float
        Larger values give larger patches.
    smooth : float
        Sigma in pixels.
    smallest : int
        Least size in pixels.
    merge : float
        See :func:`slic`.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    (Y, X) ndarray of int32

    References
    ----------
    Felzenszwalb and Huttenlocher 2004, IJCV 59(2).
    """
    from skimage.segmentation import felzenszwalb as patches

    found = patches(_shares(image, known), scale=scale, sigma=smooth, min_size=smallest, channel_axis=-1)
    return merged(found + 1, image, merge, known)


def quickshift(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    kernel: float = 3.0,
    reach: float = 8.0,
    ratio: float = 0.5,
    merge: float = 0.05,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Patches that climb to the next summit of the density in colour and place.

    Parameters
    ----------
    image : (C, Y, X) ndarray of float32
    spacing : tuple of float
    kernel : float
        Sigma of the density, in pixels; larger gives fewer patches and takes longer.
    reach : float
        Farthest step to a summit.
    ratio : float
        Weight of colour (1) against place (0).
    merge : float
        See :func:`slic`.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    (Y, X) ndarray of int32

    References
    ----------
    Vedaldi and Soatto 2008, ECCV.
    """
    from skimage.segmentation import quickshift as patches

    values = _shares(image, known)
    if values.shape[-1] != 3:
        # a lightness of 0 to 100, as colours have after the conversion
        values = values * 100
    found = patches(
        values,
        kernel_size=kernel,
        max_dist=reach,
        ratio=ratio,
        convert2lab=values.shape[-1] == 3,
        rng=0,
        channel_axis=-1,
    )
    return merged(found + 1, image, merge, known)


def _shares(image: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Values as 0 to 1 of the image's range, channels last, float64; what lies beyond it is cut off."""
    low, high = value_ends(image, known)
    values = ((np.moveaxis(image, 0, -1).astype(np.float64) - low) / (high - low or 1.0)).clip(0, 1)
    return np.ascontiguousarray(values)


def merged(patches: np.ndarray, image: np.ndarray, threshold: float, known: np.ndarray | None = None) -> np.ndarray:
    """Merge neighbouring patches by their mean colour, most alike first.

    Parameters
    ----------
    patches : ([Z,] Y, X) ndarray of int
        Numbered from 1.
    image : (C, [Z,] Y, X) ndarray of float32
        Three channels are compared in CIELAB.
    threshold : float
        Greatest distance of means, as a share of the image's range (of lightness in CIELAB).
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Numbered from 1 without gaps.
    """
    _, numbers = np.unique(patches, return_inverse=True)
    numbers = numbers.reshape(patches.shape)
    if threshold > 0 and numbers.max() > 0:
        values, unit = comparable(image, "lab", known)
        flat = numbers.ravel()
        count = np.bincount(flat).astype(float)
        sums = np.stack([np.bincount(flat, channel.ravel()) for channel in values])
        regions = RegionTable(count, sums, np.add, _distance)
        one, other = touching(numbers).T
        merge_regions(regions, one, other, Rule(threshold * unit))
        _, root = np.unique(regions.compress(), return_inverse=True)
        numbers = root[numbers]
    return (numbers + 1).astype(np.int32)


def _distance(count: np.ndarray, sums: np.ndarray, other: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of the mean colours."""
    return np.asarray(np.sqrt(((sums / count - others / other) ** 2).sum(axis=0)))


def touching(labels: np.ndarray) -> np.ndarray:
    """Pairs of labels that share a face, each once, (N, 2) int64; 0 is a label like any other."""
    width = int(labels.max()) + 1
    keys = []
    for axis in range(labels.ndim):
        one = labels[(slice(None),) * axis + (slice(1, None),)]
        other = labels[(slice(None),) * axis + (slice(None, -1),)]
        differ = one != other
        a, b = one[differ].astype(np.int64), other[differ].astype(np.int64)
        keys.append(np.unique(np.minimum(a, b) * width + np.maximum(a, b)))
    key = np.unique(np.concatenate(keys))
    return np.stack([key // width, key % width], axis=-1)


__all__ = ["felzenszwalb", "merged", "quickshift", "slic", "touching"]
