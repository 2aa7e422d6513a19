"""Random walker: every voxel goes to the stroke that a walk which shuns edges reaches first."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.cleanup.steps import steps_of
from napari_segplugin.classical.shared.blocks import enlarge, halve
from napari_segplugin.classical.shared.colour import comparable
from napari_segplugin.classical.shared.marks import number_seeds
from napari_segplugin.classical.shared.planes import one_slice_is_a_plane
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.core import InputError
from napari_segplugin.core.words import voxels

COARSE = {2: 2**16, 3: 2**14}
"""Voxels of a plane and of a volume at which the fast way starts: what the exact solver does in about a second."""
BAND = 2
"""Voxels on each side of an outline that are solved for at the next resolution."""
MOST = 2**24
"""Voxels for which the equations are set up at most; they take about 0.5 kB each."""


@one_slice_is_a_plane
def random_walker(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    seeds: np.ndarray,
    beta: float = 2000.0,
    solver: str = "fast",
    colour: str = "channels",
    smooth: float = 0.0,
) -> np.ndarray:
    """Grow strokes until they meet, with outlines on edges or, where there are none, halfway.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size: a difference counts less between voxels that lie farther apart.
    seeds : ([Z,] Y, X) ndarray of int
        0 where there is none. What is painted as background comes back as 0.
    beta : float
        How much edges are shunned; larger values follow weaker edges. The image is counted in its standard deviations.
    solver : str
        "fast": at low resolution first, and at each higher one only in a band along the outlines that were found. The others
        look at all voxels at once: "bf" by an exact factorisation, which takes about a second for 400 x 400 pixels or
        25 x 25 x 25 voxels and much time and memory beyond; "cg_j" by conjugate gradients, for any size, which are slow and
        far from exact where noise and a large `beta` part the image in pieces.
    colour : str
        "lab" measures differences in CIELAB, in images of three channels.
    smooth : float
        Sigma of a Gaussian before, in voxels along X.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        The number of a stroke everywhere.

    Raises
    ------
    InputError
        If there are strokes of one number only, or the image is larger than memory should be asked for.

    References
    ----------
    Grady 2006, IEEE PAMI 28(11).

    Examples
    --------
    >>> image = np.array([[[0, 0, 0, 0, 9, 9, 9]]], np.float32)
    >>> random_walker(image, spacing=(1, 1), seeds=np.array([[3, 0, 0, 0, 0, 0, 5]])).tolist()
    [[3, 3, 3, 3, 5, 5, 5]]
    """
    numbers, marks = number_seeds(seeds)
    _check(numbers, marks)
    if marks.all():
        return np.asarray(numbers[marks])
    values = np.stack([gaussian(channel, smooth, spacing) for channel in comparable(image, colour)[0]])
    deviation = float(values.std())
    if deviation == 0:
        # without contrast all ways are alike; the solver divides by the contrast
        values[0].flat[0] += 1
        deviation, beta = 1, 0
    values /= np.float32(deviation)
    solve = _from_coarse if solver == "fast" else partial(_walk, solver=solver)
    return np.asarray(numbers[solve(values, marks, steps_of(spacing), beta)])


def _walk(values: np.ndarray, marks: np.ndarray, steps: tuple[float, ...], beta: float, solver: str = "") -> np.ndarray:
    """Scikit-image's solution; without a solver's name the exact one where it is quick."""
    from skimage.segmentation import random_walker as walk

    if not solver:
        solver = "bf" if np.count_nonzero(marks == 0) <= COARSE[marks.ndim] else "cg_j"
    with warnings.catch_warnings():
        # probabilities a little outside of 0 to 1, which the largest of them does not mind
        warnings.filterwarnings("ignore", "The probability range")
        # strong edges part the image in pieces that hardly hang together, which takes many digits
        return np.asarray(walk(values.astype(float), marks, beta, solver, spacing=steps, channel_axis=0))


def _from_coarse(values: np.ndarray, marks: np.ndarray, steps: tuple[float, ...], beta: float) -> np.ndarray:
    """Labels at half the resolution say where the outlines are; only a band along them is solved for."""
    if marks.size <= COARSE[marks.ndim]:
        return _walk(values, marks, steps, beta)
    # thick slices are not joined before planes are as coarse
    axes = [axis for axis, s in enumerate(steps) if s < 1.5 * min(steps) and marks.shape[axis] > 1]
    half_marks = halve(marks, np.maximum, axes)
    if len(np.unique(half_marks)) < len(np.unique(marks)) or not axes:
        return _walk(values, marks, steps, beta)
    half = halve(values, np.add, [axis + 1 for axis in axes]) / halve(np.ones(marks.shape, np.float32), np.add, axes)
    half_steps = tuple(2 * s if axis in axes else s for axis, s in enumerate(steps))
    labels = enlarge(_from_coarse(half, half_marks, half_steps, beta), marks.shape)
    labels = np.where(marks > 0, marks, labels)
    band = ndimage.maximum_filter(labels, 2 * BAND + 1) != ndimage.minimum_filter(labels, 2 * BAND + 1)
    if not (band & (marks == 0)).any():
        return labels
    rim = ndimage.binary_dilation(band)
    part = ndimage.find_objects(rim.astype(np.uint8))[0]
    fixed = np.where(band, marks, np.where(rim, labels, -1))[part]
    found = _walk(values[(slice(None), *part)], fixed, steps, beta)
    labels[part] = np.where(found > 0, found, labels[part])
    return labels


def _check(numbers: np.ndarray, marks: np.ndarray) -> None:
    if len(numbers) < 3:
        raise InputError(
            "The random walker needs strokes of at least two classes.",
            got=f"strokes of {len(numbers) - 1} class",
            hint="Paint one stroke on the object and one on the background.",
        )
    if marks.size > MOST:
        raise InputError(
            "The image is too large for the random walker.",
            got=voxels(marks.size, marks.ndim),
            accepted=f"up to {MOST:,}",
            hint="Use one plane or a part of the image, or the watershed from markers.",
        )


__all__ = ["MOST", "random_walker"]
