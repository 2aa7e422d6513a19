"""Edges: steep places of the image, thinned to lines, closed to contours and filled to regions. 2D and 3D alike."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segplugin.classical.cleanup import grown, steps_of
from napari_segplugin.classical.smoothing import gaussian
from napari_segplugin.classical.threshold import find_threshold

ACROSS = {"sobel": (0.25, 0.5, 0.25), "scharr": (3 / 16, 10 / 16, 3 / 16), "prewitt": (1 / 3, 1 / 3, 1 / 3)}
"""What each operator averages across the direction in which it takes the difference."""


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
        part = ndimage.correlate1d(image, (-0.5 / step, 0, 0.5 / step), axis, mode="nearest")
        for other in range(image.ndim):
            if other != axis:
                part = ndimage.correlate1d(part, ACROSS[operator], other, mode="nearest")
        slopes[axis] = part
    return slopes, np.sqrt(np.einsum("i...,i...->...", slopes, slopes))


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
        See :func:`fill_contours`.

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
    least = factor * steep(magnitude)
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
        See :func:`fill_contours`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    References
    ----------
    Canny 1986, IEEE PAMI 8(6). In 3D: Monga, Deriche and Rocchisani 1991, CVGIP: Image Understanding 53(1).
    """
    values = gaussian(image[0], smooth, spacing)
    slopes, magnitude = gradient(values, "sobel", spacing)
    strong = factor * steep(magnitude)
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
        See :func:`fill_contours`.

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
        curvature += ndimage.correlate1d(values, np.array([1, -2, 1]) / step**2, axis, mode="nearest")
        squares += ndimage.correlate1d(values, (-0.5 / step, 0, 0.5 / step), axis, mode="nearest") ** 2
    magnitude = np.sqrt(squares)
    below = curvature < 0
    # a voxel below zero with a face neighbour that is not: the line lies on the bright side
    edges = below & ~ndimage.binary_erosion(below, border_value=1)
    return fill_contours(edges & (magnitude > factor * steep(magnitude)), values, spacing, gap, fill)


def steep(magnitude: np.ndarray) -> float:
    """The Otsu value of slopes; 0 where all are the same."""
    flat = magnitude.ravel()
    return 0.0 if flat.min() == flat.max() else find_threshold(flat, "otsu")


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
    parts, count = _parts(edges, gap, spacing)
    if count == 0 or not edges.any():
        return np.zeros(edges.shape, np.int32)
    inside = _enclosed(parts, count) if fill == "enclosed" else _contrast(parts, count, edges, image, fill == "bright")
    _share_lines(parts, edges, image, spacing)
    return np.asarray(inside[parts]).astype(np.int32)


def _parts(edges: np.ndarray, gap: float, spacing: tuple[float, ...]) -> tuple[np.ndarray, int]:
    """The parts that lines leave, 0 on the lines, and how many; lines as thick as a gap hold it shut for a while."""
    parts, count = ndimage.label(~edges, output=np.int32)
    if gap <= 0 or count == 0:
        return parts, count
    cores, number = ndimage.label(~grown(edges, gap / 2, spacing), output=np.int32)
    # what is all nearer to lines than that stays a part by itself
    small = np.ones(count + 1, bool)
    small[parts[cores > 0]] = False
    small[0] = False
    names = np.zeros(count + 1, np.int32)
    names[small] = np.arange(number + 1, number + 1 + small.sum())
    found = np.where(cores > 0, cores, names[parts])
    _spread(found, ~edges)
    return found, number + int(small.sum())


def _spread(parts: np.ndarray, free: np.ndarray) -> None:
    """Parts grow over faces into the free voxels around them until none is left, in place."""
    padded = np.pad(parts, 1)
    flat = padded.ravel()
    strides = [s // padded.itemsize for s in padded.strides]
    inner = (slice(1, -1),) * parts.ndim
    at = np.flatnonzero(np.pad(free & (parts == 0), 1))
    while at.size:
        near = np.zeros(at.size, np.int32)
        for stride in strides:
            for step in (-stride, stride):
                near = np.where(near > 0, near, flat[at + step])
        if not near.any():
            break
        flat[at] = near
        at = at[near == 0]
    parts[...] = padded[inner]


def _share_lines(parts: np.ndarray, edges: np.ndarray, image: np.ndarray, spacing: tuple[float, ...]) -> None:
    """Give each voxel of a line to the part on its side, in place: uphill where the image bulges, downhill elsewhere."""
    at = np.nonzero(edges)
    slope, bend = _bend(image, at, spacing)
    steps = np.asarray(steps_of(spacing), np.float32)[:, None]
    way = np.where(bend < 0, slope, -slope) / steps
    for far in (1, 2):
        there = [
            np.clip(np.rint(place + far * w), 0, n - 1).astype(np.intp)
            for place, w, n in zip(at, way, parts.shape, strict=True)
        ]
        found = parts[tuple(there)] * ~edges[tuple(there)]
        parts[at] = np.where(parts[at] > 0, parts[at], found)
    _spread(parts, edges)


def _bend(image: np.ndarray, at: tuple[np.ndarray, ...], spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
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


def _contrast(parts: np.ndarray, count: int, edges: np.ndarray, image: np.ndarray, bright: bool) -> np.ndarray:
    """Whether each part is brighter (darker) than the edge voxels that it touches, (count + 1,)."""
    sums, touched = np.zeros(count + 1), np.zeros(count + 1)
    for axis in range(parts.ndim):
        ahead, behind = (slice(None),) * axis + (slice(1, None),), (slice(None),) * axis + (slice(None, -1),)
        for one, other in ((ahead, behind), (behind, ahead)):
            meet = edges[other] & (parts[one] > 0)
            of = parts[one][meet]
            sums += np.bincount(of, image[other][meet], count + 1)
            touched += np.bincount(of, minlength=count + 1)
    at_edges = sums / np.maximum(touched, 1)
    size = np.bincount(parts.ravel(), minlength=count + 1)
    own = np.bincount(parts.ravel(), image.ravel(), count + 1) / np.maximum(size, 1)
    inside = (own > at_edges if bright else own < at_edges) & (touched > 0)
    inside[0] = False
    return np.asarray(inside)


__all__ = [
    "ACROSS",
    "canny",
    "fill_contours",
    "gradient",
    "gradient_edges",
    "linked",
    "steep",
    "thinned",
    "zero_crossings",
]
