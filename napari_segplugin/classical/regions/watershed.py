"""Watershed: floods from markers that meet on ridges of the distance, the gradient or the intensity."""

from __future__ import annotations

import numpy as np

from napari_segplugin.classical.cleanup.split import distance, split_mask
from napari_segplugin.classical.edges.edges import gradient
from napari_segplugin.classical.shared.colour import gray, value_ends, value_range
from napari_segplugin.classical.shared.marks import number_seeds
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.classical.threshold.threshold import find_threshold
from napari_segplugin.core import InputError

EVERYTHING = "everything"


def watershed(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    landscape: str = "distance",
    foreground: str = "otsu",
    objects: str = "bright",
    smooth: float = 1.0,
    depth: float = 1.0,
    contrast: float = 0.05,
    compactness: float = 0.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Find markers, flood from them, and stop where floods meet: objects that touch come apart.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size; distances and gradients are physical.
    landscape : str
        What is flooded from its peaks. "distance": to the background, so that round objects come apart at their necks.
        "gradient": its negative, largest over the channels, so that floods meet on outlines. "intensity": of the image,
        so that bright (or dark) spots come apart at the valleys between them.
    foreground : str
        Where objects are: beyond the value that a method of :func:`~napari_segplugin.classical.threshold.threshold.find_threshold`
        finds, or "everything".
    objects : str
        "bright" or "dark".
    smooth : float
        Sigma of a Gaussian over the image before, in voxels along X.
    depth : float
        With "distance": a peak that rises less than this over the valley to a higher one is not a marker (h-maxima), in
        voxels along X.
    contrast : float
        The same with "gradient" and "intensity", as a share of the range of the landscape.
    compactness : float
        How much a long way from the marker counts: 0 not at all; larger values give regions of more even shape.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        Objects 1, 2 …

    Raises
    ------
    InputError
        If the distance to the background is asked for and there is no background.

    References
    ----------
    Vincent and Soille 1991, IEEE PAMI 13(6); Soille 2003, Morphological Image Analysis, 6.3.3 (h-maxima);
    Neubert and Protzel 2014, ICPR (compactness).

    Examples
    --------
    >>> image = np.zeros((1, 5, 9), np.float32)
    >>> image[0, 1:4, 1:4] = image[0, 1:4, 5:8] = image[0, 2, 4] = 1
    >>> watershed(image, spacing=(1, 1), smooth=0, depth=0.5)[2].tolist()
    [0, 1, 1, 1, 1, 2, 2, 2, 0]
    """
    mask, height = _scene(image, spacing, landscape, foreground, objects, smooth, known)
    basins = split_mask(mask, height, depth if landscape == "distance" else contrast, 0.0)
    if compactness == 0:
        return basins
    from skimage.morphology import local_maxima

    peaks = local_maxima(height, allow_borders=True) & mask
    return _flood(height, np.where(peaks, basins, 0), mask, compactness)


def watershed_markers(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    seeds: np.ndarray,
    landscape: str = "gradient",
    foreground: str = EVERYTHING,
    objects: str = "bright",
    smooth: float = 1.0,
    compactness: float = 0.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Flood from clicked or painted markers: every voxel goes to the marker whose flood reaches it first.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    seeds : ([Z,] Y, X) ndarray of int
        0 where there is none; what is painted as background floods too and comes back as 0.
    landscape, foreground, objects, smooth, compactness, known
        As in :func:`watershed`. Seeds outside of the foreground count as foreground.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        The seed's number in its region; 0 outside of the foreground, and in parts of it that hold no seed.

    Raises
    ------
    InputError
        If the distance to the background is asked for and there is no background.

    References
    ----------
    Meyer and Beucher 1990, J Visual Communication and Image Representation 1(1).

    Examples
    --------
    >>> image = np.array([[[0, 0, 0, 9, 9, 9]]], np.float32)
    >>> seeds = np.array([[1, 0, 0, 0, 0, 2]])
    >>> watershed_markers(image, spacing=(1, 1), seeds=seeds, smooth=0).tolist()
    [[1, 1, 1, 2, 2, 2]]
    """
    numbers, marks = number_seeds(seeds)
    mask, height = _scene(image, spacing, landscape, foreground, objects, smooth, known)
    return np.asarray(numbers[_flood(height, marks, mask | (marks > 0), compactness)])


def _scene(
    image: np.ndarray,
    spacing: tuple[float, ...],
    landscape: str,
    foreground: str,
    objects: str,
    smooth: float,
    known: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The foreground, and the heights from whose peaks is flooded: in voxels along X, or as shares of their range."""
    brightness = gaussian(gray(image), smooth, spacing)
    if objects == "dark":
        brightness = -brightness
    if foreground == EVERYTHING:
        if landscape == "distance":
            raise InputError(
                "The distance to the background is needed, but everything is foreground.",
                hint="Choose a method for the foreground, or another landscape.",
            )
        mask = np.ones(brightness.shape, bool)
    else:
        mask = brightness > find_threshold(brightness.ravel() if known is None else brightness[known], foreground)
    if landscape == "distance":
        return mask, distance(mask, spacing)
    if landscape == "intensity":
        return mask, brightness / np.float32(value_range(brightness[None], known))
    # the length of the gradient that is longest of all channels
    channels = [brightness] if len(image) == 1 else [gaussian(channel, smooth, spacing) for channel in image]
    slope = np.max([gradient(channel, "sobel", spacing)[1] for channel in channels], axis=0)
    return mask, slope / -np.float32(max(value_ends(slope[None], known)[1], 0) or 1.0)


def _flood(height: np.ndarray, markers: np.ndarray, mask: np.ndarray, compactness: float) -> np.ndarray:
    from skimage import segmentation

    return np.asarray(segmentation.watershed(-height, markers, mask=mask, compactness=compactness), np.int32)


__all__ = ["EVERYTHING", "watershed", "watershed_markers"]
