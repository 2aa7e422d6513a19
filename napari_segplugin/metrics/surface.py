"""Distances between the surfaces of two masks, in physical units.

A surface is made of voxels: those of the mask that share a face with the outside or with the edge of the image. (The
other habit, surface elements weighted by their area, gives other numbers.) An axis of length 1 has no surface of its
own, so a 3D image of one slice gives what the slice gives in 2D. Distances run between voxel centres.

Empty masks: both empty, every metric here is NaN and left out of means; one empty, distances are infinite and shares
are 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from napari_segplugin.core import InputError
from napari_segplugin.metrics.checks import mask_pair, voxel_size
from napari_segplugin.metrics.value import NAN, Ratio


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distance of every surface voxel to the other mask's surface, in the unit of the spacing.

    Parameters
    ----------
    of_truth : (N,) ndarray of float64
        Of the truth's surface voxels to the prediction's surface; infinite where the prediction is empty.
    of_prediction : (M,) ndarray of float64
        Of the prediction's surface voxels to the truth's surface; infinite where the truth is empty.
    """

    of_truth: np.ndarray
    of_prediction: np.ndarray

    def percentile(self, q: float) -> float:
        """The greater of the two directed percentiles (linear interpolation); 100 is the Hausdorff distance."""
        if not len(self.of_truth) or not len(self.of_prediction):
            return self._missing()
        return float(max(np.percentile(self.of_truth, q), np.percentile(self.of_prediction, q)))

    def mean(self) -> float:
        """Mean over the voxels of both surfaces together."""
        if not len(self.of_truth) or not len(self.of_prediction):
            return self._missing()
        total = self.of_truth.sum() + self.of_prediction.sum()
        return float(total / (len(self.of_truth) + len(self.of_prediction)))

    def within(self, tolerance: float) -> Ratio:
        """Voxels of both surfaces within `tolerance`, over all voxels of both surfaces.

        Raises
        ------
        InputError
            If the tolerance is negative or not finite.
        """
        _check_tolerance(tolerance)
        near = (self.of_truth <= tolerance).sum() + (self.of_prediction <= tolerance).sum()
        return Ratio(int(near), len(self.of_truth) + len(self.of_prediction))

    def f1(self, tolerance: float) -> float:
        """Harmonic mean of the shares of the prediction's and of the truth's surface within `tolerance`."""
        _check_tolerance(tolerance)
        if not len(self.of_truth) and not len(self.of_prediction):
            return NAN
        if not len(self.of_truth) or not len(self.of_prediction):
            return 0.0
        precision, recall = (float((d <= tolerance).mean()) for d in (self.of_prediction, self.of_truth))
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def _missing(self) -> float:
        return math.inf if len(self.of_truth) or len(self.of_prediction) else NAN


def surface_of(mask: ArrayLike) -> np.ndarray:
    """The voxels of a mask that share a face with the outside or with the edge of the image.

    Parameters
    ----------
    mask : (Z, Y, X) or (Y, X) array of bool

    Returns
    -------
    ndarray of bool, of the same shape

    Examples
    --------
    >>> surface_of(np.ones((3, 4), bool)).astype(int).tolist()
    [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    """
    full = mask_pair(mask, mask)[0]
    flat = _without_flat_axes(full)
    return np.asarray(flat & ~ndimage.binary_erosion(flat)).reshape(full.shape)


def surface_distances(
    truth: ArrayLike, prediction: ArrayLike, spacing: Sequence[float] | None = None
) -> SurfaceDistances:
    """Distances of each surface to the other, once for all metrics of this module.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of bool or int
        Non-zero is inside.
    spacing : sequence of float, optional
        Size of a voxel along each axis; 1 by default.

    Raises
    ------
    InputError
        If the shapes differ, values are not whole numbers, or the spacing does not fit.
    """
    pair = mask_pair(truth, prediction)
    size = voxel_size(spacing, pair[0].ndim)
    size = tuple(s for s, n in zip(size, pair[0].shape, strict=True) if n != 1) or size[:1]
    a, b = (_without_flat_axes(m) for m in pair)
    box = ndimage.find_objects((a | b).astype(np.uint8)) if a.size else []
    if not box:
        return SurfaceDistances(np.zeros(0), np.zeros(0))
    # Beyond the box is outside of both masks: cutting changes neither the surfaces nor the distances.
    a, b = a[box[0]], b[box[0]]
    a, b = (m & ~ndimage.binary_erosion(m) for m in (a, b))
    return SurfaceDistances(_to(b, size)[a], _to(a, size)[b])


def _to(target: np.ndarray, size: tuple[float, ...]) -> np.ndarray:
    if not target.any():
        return np.full(target.shape, math.inf)
    return np.asarray(ndimage.distance_transform_edt(~target, sampling=size))


def _without_flat_axes(mask: np.ndarray) -> np.ndarray:
    return mask.reshape([n for n in mask.shape if n != 1] or [1])


def _check_tolerance(tolerance: float) -> None:
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError("A tolerance must be a distance, 0 or more.", got=tolerance)


def hausdorff(truth: ArrayLike, prediction: ArrayLike, spacing: Sequence[float] | None = None) -> float:
    """The largest distance from a surface voxel of either mask to the other surface.

    Parameters as :func:`surface_distances`.

    Examples
    --------
    >>> hausdorff([[1, 0, 0, 0]], [[0, 0, 0, 1]], spacing=(1, 0.5))
    1.5
    """
    return surface_distances(truth, prediction, spacing).percentile(100)


def hd95(truth: ArrayLike, prediction: ArrayLike, spacing: Sequence[float] | None = None) -> float:
    """The greater of the two directed 95th percentiles of surface distances (as MONAI; medpy pools both surfaces).

    Parameters as :func:`surface_distances`.
    """
    return surface_distances(truth, prediction, spacing).percentile(95)


def assd(truth: ArrayLike, prediction: ArrayLike, spacing: Sequence[float] | None = None) -> float:
    """Average symmetric surface distance: the mean over the voxels of both surfaces together.

    Parameters as :func:`surface_distances`.
    """
    return surface_distances(truth, prediction, spacing).mean()


def nsd(
    truth: ArrayLike, prediction: ArrayLike, tolerance: float = 1.0, spacing: Sequence[float] | None = None
) -> float:
    """Normalised surface Dice: the share of the voxels of both surfaces within `tolerance` of the other surface.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of bool or int
    tolerance : float
        In the unit of `spacing`; a distance equal to it is within. Choose it for the structure, and report it.
    spacing : sequence of float, optional

    Raises
    ------
    InputError
        If the masks or the spacing do not fit, or the tolerance is negative.

    References
    ----------
    Nikolov et al., Clinically applicable segmentation of head and neck anatomy, JMIR 2021 (there with surface areas).
    """
    return surface_distances(truth, prediction, spacing).within(tolerance).value


def boundary_tolerance(shape: Sequence[int], fraction: float = 0.008) -> int:
    """The tolerance of :func:`boundary_f1` in pixels: `fraction` of the image's diagonal, rounded up.

    Examples
    --------
    >>> boundary_tolerance((300, 400))
    4
    """
    return math.ceil(fraction * math.sqrt(sum(n * n for n in shape if n != 1)))


def boundary_f1(
    truth: ArrayLike, prediction: ArrayLike, tolerance: float | None = None, fraction: float = 0.008
) -> float:
    """F1 of boundary pixels: precision and recall count those within a tolerance of the other boundary.

    Parameters
    ----------
    truth, prediction : (Z, Y, X) or (Y, X) array of bool or int
    tolerance : float, optional
        In pixels, Euclidean.
    fraction : float
        Where `tolerance` is None: the tolerance as a share of the image's diagonal, rounded up to whole pixels.

    Raises
    ------
    InputError
        If the masks do not fit, or the tolerance is negative.

    Notes
    -----
    In 3D there is no settled habit; :func:`nsd` with a physical tolerance says more.
    """
    found = surface_distances(truth, prediction)
    return found.f1(boundary_tolerance(np.shape(truth), fraction) if tolerance is None else tolerance)
