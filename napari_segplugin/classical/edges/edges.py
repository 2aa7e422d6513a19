"""Edges: steep places of the image, thinned to lines, closed to contours and filled to regions. 2D and 3D alike."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.cleanup.steps import steps_of
from napari_segplugin.classical.edges.contours import fill_contours
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.classical.threshold.threshold import find_threshold

ACROSS = {"sobel": (0.25, 0.5), "scharr": (3 / 16, 10 / 16), "prewitt": (1 / 3, 1 / 3)}
"""Weights of both neighbours and of the voxel across the direction in which an operator takes the difference."""


def gradient(image: np.ndarray, operator: str, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The slope of one channel.

    Parameters
    ----------
    image : ([Z,] Y, X) ndarray of float32
    operator : str
        "sobel", "scharr" or "prewitt".
    spacing : tuple of float

    Returns
    -------
    slopes : (D, [Z,] Y, X) ndarray of float32
        Change of intensity a voxel length along X, in the direction of each axis.
    magnitude : ([Z,] Y, X) ndarray of float32

    Examples
    --------
    >>> ramp = np.tile(np.arange(5, dtype=np.float32), (5, 1))
    >>> float(gradient(ramp, "sobel", (1, 1))[1][2, 2])
    1.0
    """
    slopes = np.empty((image.ndim, *image.shape), np.float32)
    for axis, step in enumerate(steps_of(spacing)):
        part = _difference(image, axis, step)
        for other in range(image.ndim):
            if other != axis:
                part = _weighted(part, *ACROSS[operator], other)
        slopes[axis] = part
    return slopes, np.sqrt(np.einsum("i...,i...->...", slopes, slopes))


def _difference(values: np.ndarray, axis: int, step: float) -> np.ndarray:
    """Half of next less previous voxel, over the step; the border is repeated. Slices are quicker than a filter."""
    lines = np.moveaxis(values, axis, 0)
    found = np.zeros(values.shape, np.float32)
    out, half = np.moveaxis(found, axis, 0), np.float32(0.5 / step)
    if len(lines) > 1:
        np.subtract(lines[2:], lines[:-2], out=out[1:-1])
        out[0], out[-1] = lines[1] - lines[0], lines[-1] - lines[-2]
        found *= half
    return found


def _weighted(values: np.ndarray, side: float, middle: float, axis: int) -> np.ndarray:
    """A voxel and its two neighbours along an axis, weighted; the border is repeated."""
    lines = np.moveaxis(values, axis, 0)
    found = np.empty(values.shape, np.float32)
    out = np.moveaxis(found, axis, 0)
    np.add(lines[2:], lines[:-2], out=out[1:-1])
    out[0], out[-1] = lines[0] + lines[min(1, len(lines) - 1)], lines[-1] + lines[max(-2, -len(lines))]
    found *= np.float32(side)
    found += values * np.float32(middle)
    return found


def thinned(slopes: np.ndarray, magnitude: np.ndarray, least: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Keep the voxels that are steepest along their own slope (non-maximum suppression).

    Parameters
    ----------
    slopes, magnitude : ndarray
        Of :func:`gradient`.
    least : float
        Voxels that are not steeper are left out.
    spacing : tuple of float

    Returns
    -------
    ([Z,] Y, X) ndarray of bool

    References
    ----------
    Canny 1986, IEEE PAMI 8(6), section VII; interpolated linearly, one voxel length to both sides.
    """
    at = np.nonzero(magnitude > least)
    height = magnitude[at]
    unit = np.stack([slope[at] for slope in slopes]) / height
    unit /= np.asarray(steps_of(spacing), np.float32)[:, None]
    place = np.stack(at).astype(np.float32)
    ahead = ndimage.map_coordinates(magnitude, place + unit, order=1, mode="nearest")
    behind = ndimage.map_coordinates(magnitude, place - unit, order=1, mode="nearest")
    found = np.zeros(magnitude.shape, bool)
    # one side strictly, so that a plateau of two voxels leaves a line and not two; a hair, so that rounding does not
    found[at] = (height > ahead * (1 + 1e-6)) & (height >= behind * (1 - 1e-6))
    return found


def linked(edges: np.ndarray, magnitude: np.ndarray, strong: float) -> np.ndarray:
    """Edges that hang together, over corners too, with one that is steeper than `strong`."""
    pieces, count = ndimage.label(edges, np.ones((3,) * edges.ndim), output=np.int32)
    keep = np.zeros(count + 1, bool)
    keep[pieces[edges & (magnitude > strong)]] = True
    keep[0] = False
    return np.asarray(keep[pieces])


def gradient_edges(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    operator: str = "sobel",
    smooth: float = 1.0,
    factor: float = 1.0,
    thin: bool = True,
    gap: float = 2.0,
    fill: str = "bright",
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Where the image is steeper than the Otsu value of its slopes.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    operator : str
        "sobel", "scharr" or "prewitt".
    smooth : float
        Sigma of a Gaussian before, in voxels along X.
    factor : float
        The value that was found is multiplied by this.
    thin : bool
        Lines of one voxel (non-maximum suppression), or everything that is steep.
    gap : float
        Contours are closed over gaps of this length, in voxels along X.
    fill : str
        See :func:`~napari_segplugin.classical.edges.contours.fill_contours`.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        1 in regions, or on edges where nothing is filled.

    References
    ----------
    Sobel and Feldman 1968; Scharr 2000, dissertation, Heidelberg; Prewitt 1970.
    """
    values = gaussian(image[0], smooth, spacing)
    slopes, magnitude = gradient(values, operator, spacing)
    least = factor * steep(magnitude, known)
    edges = thinned(slopes, magnitude, least, spacing) if thin else magnitude > least
    return fill_contours(edges, values, spacing, gap, fill)


def canny(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    smooth: float = 2.0,
    factor: float = 1.0,
    weak: float = 0.4,
    gap: float = 2.0,
    fill: str = "bright",
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Canny's edges: thin lines, followed from steep places along less steep ones.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    smooth : float
        Sigma in voxels along X.
    factor : float
        The strong value is this times the Otsu value of the slopes.
    weak : float
        The weak value as a share of the strong one.
    gap : float
    fill : str
        See :func:`~napari_segplugin.classical.edges.contours.fill_contours`.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Canny 1986, IEEE PAMI 8(6). In 3D: Monga, Deriche and Rocchisani 1991, CVGIP: Image Understanding 53(1).
    """
    values = gaussian(image[0], smooth, spacing)
    slopes, magnitude = gradient(values, "sobel", spacing)
    strong = factor * steep(magnitude, known)
    edges = linked(thinned(slopes, magnitude, weak * strong, spacing), magnitude, strong)
    return fill_contours(edges, values, spacing, gap, fill)


def zero_crossings(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    smooth: float = 2.0,
    factor: float = 1.0,
    gap: float = 2.0,
    fill: str = "bright",
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Where the Laplacian of Gaussian changes its sign, and steeply.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    smooth : float
        Sigma in voxels along X.
    factor : float
        The least slope there is this times the Otsu value of the slopes.
    gap : float
    fill : str
        See :func:`~napari_segplugin.classical.edges.contours.fill_contours`.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Marr and Hildreth 1980, Proc R Soc Lond B 207; the test of the slope: Haralick 1984, IEEE PAMI 6(1).
    """
    values = gaussian(image[0], smooth, spacing)
    curvature, squares = np.zeros(values.shape, np.float32), np.zeros(values.shape, np.float32)
    for axis, step in enumerate(steps_of(spacing)):
        curvature += _weighted(values, 1 / step**2, -2 / step**2, axis)
        squares += np.square(_difference(values, axis, step))
    magnitude = np.sqrt(squares)
    below = curvature < 0
    # a voxel below zero with a face neighbour that is not: the line lies on the bright side
    edges = below & ~ndimage.binary_erosion(below, border_value=1)
    return fill_contours(edges & (magnitude > factor * steep(magnitude, known)), values, spacing, gap, fill)


def steep(magnitude: np.ndarray, known: np.ndarray | None = None) -> float:
    """The Otsu value of slopes where the image has values; 0 where all are the same."""
    flat = magnitude.ravel() if known is None else magnitude[known]
    return 0.0 if flat.min() == flat.max() else find_threshold(flat, "otsu")


__all__ = [
    "ACROSS",
    "canny",
    "gradient",
    "gradient_edges",
    "linked",
    "steep",
    "thinned",
    "zero_crossings",
]
