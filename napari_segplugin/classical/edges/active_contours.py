"""Active contours that move to where the image is parted best: by regions (Chan-Vese) or along edges (geodesic)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from napari_segplugin.classical.edges.edges import gradient
from napari_segplugin.classical.shared.colour import value_range
from napari_segplugin.classical.shared.planes import one_slice_is_a_plane
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.classical.threshold.threshold import find_threshold
from napari_segplugin.core import Box

MARGIN = 16
"""Voxels around a box that are looked at first."""


@one_slice_is_a_plane
def chan_vese(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    start: str = "threshold",
    objects: str = "bright",
    iterations: int = 100,
    smoothing: int = 1,
    inside: float = 1.0,
    outside: float = 1.0,
    smooth: float = 0.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Part the image in two regions that are even inside, with a smooth outline and without looking at edges.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size, for `smooth` only: the outline is smoothed by voxels.
    start : str
        "threshold": from Otsu's threshold. "checkerboard": from small squares all over the image, which finds holes too.
    objects : str
        Whether the "bright" or the "dark" of the two regions is what is looked for.
    iterations : int
        At most; it ends before where the outline moves no more. Rounded up to an even number.
    smoothing : int
        How often the outline is smoothed in each iteration.
    inside, outside : float
        How much unevenness of objects and of the background counts: lambda 1 and lambda 2 of the papers.
    smooth : float
        Sigma of a Gaussian over the image before, in voxels along X.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        1 in objects.

    References
    ----------
    Chan and Vese 2001, IEEE TIP 10(2); Márquez-Neila, Baumela and Álvarez 2014, IEEE PAMI 36(1) (by morphology).
    """
    from skimage.segmentation import checkerboard_level_set

    values = gaussian(image[0], smooth, spacing)
    if objects == "dark":
        values = -values
    if start == "threshold":
        first = values > find_threshold(values.ravel() if known is None else values[known], "otsu")
    else:
        first = checkerboard_level_set(values.shape, 5) > 0
        # the squares that are brighter on the whole become the bright region
        if first.any() and not first.all() and values[first].mean() < values[~first].mean():
            first = ~first
    return _regions(values, first, iterations, smoothing, inside, outside).astype(np.int32)


@one_slice_is_a_plane
def chan_vese_box(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    box: Box,
    iterations: int = 100,
    smoothing: int = 1,
    inside: float = 1.0,
    outside: float = 1.0,
    smooth: float = 0.0,
) -> np.ndarray:
    """The same from a box: what is like the inside of the box becomes the object, bright or dark.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
    box : tuple of slice
        A slice for each of (Z,) Y, X.
    iterations, smoothing, inside, outside, smooth
        As in :func:`chan_vese`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    values = gaussian(image[0], smooth, spacing)
    first = np.zeros(values.shape, bool)
    first[box] = True
    return _regions(values, first, iterations, smoothing, inside, outside).astype(np.int32)


@one_slice_is_a_plane
def geodesic_contour(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    box: Box,
    iterations: int = 200,
    smoothing: int = 1,
    balloon: float = -1.0,
    edge: float = 0.4,
    steepness: float = 300.0,
    smooth: float = 1.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Let the outline of a box shrink (or grow) until it meets edges.

    Parameters
    ----------
    image : (1, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size: gradients are physical.
    box : tuple of slice
        A slice for each of (Z,) Y, X. Around the object to shrink, inside of it to grow.
    iterations : int
        At most; it ends before where the outline moves no more. Rounded up to an even number.
    smoothing : int
        How often the outline is smoothed in each iteration.
    balloon : float
        Negative shrinks, positive grows, 0 goes to edges that are near only.
    edge : float
        The balloon stops where the stopping function is below this share of the balloon's strength.
    steepness : float
        Alpha of the stopping function ``1 / sqrt(1 + alpha |gradient|)`` where the values range from 0 to 1
        in the box, or in the whole image where the outline grows: larger values stop at weaker edges.
    smooth : float
        Sigma of the Gaussian before the gradient, in voxels along X.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        1 inside of the outline.

    References
    ----------
    Caselles, Kimmel and Sapiro 1997, IJCV 22(1); Márquez-Neila, Baumela and Álvarez 2014, IEEE PAMI 36(1).
    """
    first = np.zeros(image.shape[1:], bool)
    first[box] = True
    values = gaussian(image[0], smooth, spacing)
    seen = (slice(None),) * values.ndim if balloon > 0 else box
    there = known if known is None or not known[seen].any() else known[seen]
    values = values / np.float32(value_range(values[seen][None], there))
    stop = 1 / np.sqrt(1 + steepness * gradient(values, "sobel", spacing)[1])
    # an outline rarely leaves the box by much; where it does, the whole image is looked at
    for margin in (MARGIN, max(stop.shape)):
        part = tuple(
            slice(max(0, (s.start or 0) - margin), min(n, (n if s.stop is None else s.stop) + margin))
            for s, n in zip(box, stop.shape, strict=True)
        )
        found = np.zeros(stop.shape, np.int32)
        found[part] = _edges(stop[part], first[part], iterations, smoothing, balloon, edge)
        if not _touches_inner_face(found, part):
            break
    return found


def _touches_inner_face(found: np.ndarray, part: Box) -> bool:
    """Whether what was found touches a face of the part that is not a face of the image."""
    for axis, (s, n) in enumerate(zip(part, found.shape, strict=True)):
        for at, inner in ((s.start, s.start > 0), (s.stop - 1, s.stop < n)):
            if inner and np.take(found, at, axis).any():
                return True
    return False


def _regions(
    values: np.ndarray, first: np.ndarray, iterations: int, smoothing: int, inside: float, outside: float
) -> np.ndarray:
    from skimage.segmentation import morphological_chan_vese

    return _settle(morphological_chan_vese, values, first, iterations, smoothing, lambda1=inside, lambda2=outside)


def _edges(
    stop: np.ndarray, first: np.ndarray, iterations: int, smoothing: int, balloon: float, edge: float
) -> np.ndarray:
    from skimage.segmentation import morphological_geodesic_active_contour as evolve

    return _settle(evolve, stop, first, iterations, smoothing, balloon=balloon, threshold=edge)


class _Settled(Exception):
    """The outline moves no more."""


def _settle(
    evolve: Callable[..., object],
    values: np.ndarray,
    first: np.ndarray,
    iterations: int,
    smoothing: int,
    **settings: float | str,
) -> np.ndarray:
    """Run an evolution of scikit-image until two iterations change nothing.

    It smooths with two operators in turn and keeps for the whole process which one is next. So every run takes an even
    number of iterations: the same image gives the same outline each time, and a state that comes back after two is final.
    """
    count, before = -1, np.asarray(first, np.int8)

    def look(state: np.ndarray) -> None:
        nonlocal count, before
        count += 1
        if count > 0 and count % 2 == 0:
            if np.array_equal(state, before):
                raise _Settled
            before = state.copy()

    even = iterations + iterations % 2
    with suppress(_Settled):
        evolve(values, even, init_level_set=first, smoothing=smoothing, iter_callback=look, **settings)
    return before


__all__ = ["chan_vese", "chan_vese_box", "geodesic_contour"]
