"""Graph cut from a box: colours of object and background are learned, and the cheapest outline between them is cut."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from napari_segplugin.classical.cleanup.steps import steps_of
from napari_segplugin.classical.shared.blocks import enlarge, halve
from napari_segplugin.classical.shared.colour import comparable
from napari_segplugin.classical.shared.planes import one_slice_is_a_plane
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.core import InputError

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

COARSE = 2**16
"""Voxels of a box that are cut as a whole; a larger one is cut at low resolution first."""
BAND = 2
"""Voxels on each side of an outline that are cut anew at the next resolution."""
LATER_STEPS = 3
"""Steps of learning in each round after the first; GrabCut's own learning takes one."""
SAMPLES = 2_000
"""Voxels from which the colours of each side are learned at most."""
WEAKEST = 32
"""How often less than asked for the outline counts at the end, where the object would vanish otherwise."""
LARGEST = 2**30
"""What all capacities sum up to at most, since the flow is counted in 32 bits."""


@one_slice_is_a_plane
def graph_cut(
    image: np.ndarray,
    *,
    spacing: tuple[float, ...],
    box: tuple[slice, ...],
    components: int = 5,
    smoothness: float = 20.0,
    iterations: int = 5,
    colour: str = "channels",
    smooth: float = 1.0,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Cut the object in a box out of its surroundings.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
    spacing : tuple of float
        Voxel size: an outline counts by its physical length or area.
    box : tuple of slice
        A slice for each of (Z,) Y, X. What lies outside of it is background.
    components : int
        Normal distributions that describe the values of each side.
    smoothness : float
        What a unit of outline costs where there is no edge; larger values give smoother outlines. A box is drawn around an
        object: where what is found is less than half as long as the box, half of the smoothness is tried, and so on.
    iterations : int
        How often values are learned and the outline is cut, at most.
    colour : str
        "lab" compares in CIELAB, in images of three channels.
    smooth : float
        Sigma of a Gaussian before, in voxels along X.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where the image has values; those alone are measured.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        1 in the object.

    Raises
    ------
    InputError
        If the box leaves no background outside.

    Notes
    -----
    GrabCut [1]_ without the strokes: Gaussian mixtures of both sides, learned from the box and from a margin around it, and
    the minimum cut between them, in turn, until the cut stays. Neighbours are those over faces and, in planes, over corners,
    weighted as in [2]_. Boxes of more than some 256 x 256 voxels are cut at low resolution first and then refined in a band
    along the outline [3]_: parts that are thinner than a few voxels there are lost.

    References
    ----------
    .. [1] Rother, Kolmogorov and Blake 2004, ACM Transactions on Graphics 23(3).
    .. [2] Boykov and Kolmogorov 2003, ICCV (lengths by cuts).
    .. [3] Lombaert, Sun, Grady and Xu 2005, ICCV (a band at each resolution).
    """
    whole = tuple(
        slice(s.start or 0, n if s.stop is None else s.stop) for s, n in zip(box, image.shape[1:], strict=True)
    )
    if all((s.start, s.stop) == (0, n) for s, n in zip(whole, image.shape[1:], strict=True)):
        raise InputError(
            "The box covers the whole image, so there is no background to learn from.",
            hint="Draw a box around the object that leaves some background outside.",
        )
    part, inner = _with_margin(whole, image.shape[1:])
    values, unit = comparable(image[(slice(None), *part)], colour, None if known is None else known[part])
    values = np.stack([gaussian(channel, smooth, spacing) for channel in values]) / np.float32(unit)
    unknown = np.zeros(values.shape[1:], bool)
    unknown[inner] = True
    found = np.zeros(image.shape[1:], np.int32)
    found[part] = _cut(values, unknown, steps_of(spacing), _Settings(components, smoothness, iterations))
    return found


@dataclass(frozen=True)
class _Settings:
    components: int
    smoothness: float
    iterations: int


def _with_margin(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The box with a margin of half its size to learn the background from, and where the box lies in it."""
    part, inner = [], []
    for s, n in zip(box, shape, strict=True):
        margin = max((s.stop - s.start) // 2, 10)
        start, stop = max(0, s.start - margin), min(n, s.stop + margin)
        part.append(slice(start, stop))
        inner.append(slice(s.start - start, s.stop - start))
    return tuple(part), tuple(inner)


def _cut(values: np.ndarray, unknown: np.ndarray, steps: tuple[float, ...], settings: _Settings) -> np.ndarray:
    """The object inside of `unknown`, bool."""
    # thick slices are not joined before planes are as coarse
    axes = [axis for axis, s in enumerate(steps) if s < 1.5 * min(steps) and unknown.shape[axis] > 1]
    if np.count_nonzero(unknown) <= COARSE or not axes:
        return _learn_and_cut(values, unknown, steps, settings)
    counts = halve(np.ones(unknown.shape, np.float32), np.add, axes)
    half = halve(values, np.add, [axis + 1 for axis in axes]) / counts
    half_steps = tuple(2 * s if axis in axes else s for axis, s in enumerate(steps))
    inside = enlarge(_cut(half, halve(unknown, np.logical_or, axes), half_steps, settings), unknown.shape) & unknown
    if not inside.any():
        return np.asarray(inside)
    ratio = _log_ratio(values, inside, _mixtures(settings.components))
    wide = ndimage.binary_dilation(inside, iterations=BAND)
    band = unknown & wide & ~ndimage.binary_erosion(inside, iterations=BAND)
    return _minimum_cut(values, ratio, band, inside, steps, settings.smoothness)


def _learn_and_cut(
    values: np.ndarray, unknown: np.ndarray, steps: tuple[float, ...], settings: _Settings
) -> np.ndarray:
    """Learn the values of both sides and cut, in turn, beginning with the whole box."""
    smoothness = settings.smoothness
    while True:
        inside, mixtures = unknown, _mixtures(settings.components)
        for _ in range(settings.iterations):
            ratio = _log_ratio(values, inside, mixtures)
            before, inside = inside, _minimum_cut(values, ratio, unknown, unknown & False, steps, smoothness)
            if not inside.any() or np.array_equal(inside, before):
                break
        if _fills(inside, unknown) or smoothness < settings.smoothness / WEAKEST:
            return inside
        smoothness /= 2


def _fills(inside: np.ndarray, box: np.ndarray) -> bool:
    """Whether what was found is at least half as long as the box along every axis."""
    return all(2 * _length(inside, axis) >= _length(box, axis) for axis in range(box.ndim))


def _length(mask: np.ndarray, axis: int) -> int:
    """From the first to the last plane across an axis in which anything is set."""
    at = np.unique(np.nonzero(mask)[axis])
    return int(at[-1] - at[0] + 1) if at.size else 0


def _mixtures(components: int) -> tuple[GaussianMixture, GaussianMixture]:
    """Gaussian mixtures of object and background, which go on from where they were when they learn again."""
    from sklearn.mixture import GaussianMixture

    def mixture() -> GaussianMixture:
        return GaussianMixture(components, reg_covar=1e-5, max_iter=20, tol=1e-2, random_state=0, warm_start=True)

    return mixture(), mixture()


def _log_ratio(values: np.ndarray, inside: np.ndarray, mixtures: tuple[GaussianMixture, GaussianMixture]) -> np.ndarray:
    """Log of how much more likely each voxel's value is in the object than in the background."""
    from sklearn.exceptions import ConvergenceWarning

    flat = values.reshape(len(values), -1).T
    likelihoods = []
    for side, mixture in zip((inside, ~inside), mixtures, strict=True):
        at = np.flatnonzero(side)
        known = flat[at[:: max(1, at.size // SAMPLES)]].astype(float)
        with warnings.catch_warnings():
            # fewer steps, or fewer different values than components, are good enough
            warnings.simplefilter("ignore", ConvergenceWarning)
            while len(known) < mixture.n_components:
                known = np.concatenate([known, known])
            mixture.fit(known)
            # later rounds go on from here, and few steps are enough
            mixture.max_iter = LATER_STEPS
        likelihoods.append(mixture.score_samples(flat))
    return np.asarray(np.clip(likelihoods[0] - likelihoods[1], -100, 100)).reshape(inside.shape)


def _pairs(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
    """Directions to neighbours, one of each two, with the voxels that have one and the neighbours themselves."""
    for direction in product((-1, 0, 1), repeat=len(shape)):
        faces = sum(map(abs, direction))
        if direction <= (0,) * len(shape) or (len(shape) == 3 and faces > 1):
            continue
        here = tuple(slice(max(0, -d), n - max(0, d)) for d, n in zip(direction, shape, strict=True))
        there = tuple(slice(max(0, d), n - max(0, -d)) for d, n in zip(direction, shape, strict=True))
        yield direction, here, there


def _minimum_cut(
    values: np.ndarray,
    ratio: np.ndarray,
    unknown: np.ndarray,
    inside: np.ndarray,
    steps: tuple[float, ...],
    smoothness: float,
) -> np.ndarray:
    """Decide the voxels in `unknown`; the others stay as they are in `inside`."""
    count = int(np.count_nonzero(unknown))
    if not count:
        return inside
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(count)
    # what speaks for the object is a pipe from the source, what speaks against it one to the sink
    pull = ratio[unknown].astype(float)
    ends, weights = [], []
    for i, j, weight in _links(values, unknown, steps, smoothness):
        a, b = number.reshape(-1)[i], number.reshape(-1)[j]
        both = (a >= 0) & (b >= 0)
        ends.append(np.stack([a[both], b[both]]))
        weights.append(weight[both])
        for node, other in ((a, j), (b, i)):
            edge = (node >= 0) & ~both
            sign = np.where(inside.reshape(-1)[other[edge]], 1, -1)
            np.add.at(pull, node[edge], sign * weight[edge])
    source = _source_side(count, pull, np.concatenate(ends, axis=1), np.concatenate(weights))
    result = inside.copy()
    result[unknown] = source
    return result


def _links(
    values: np.ndarray, unknown: np.ndarray, steps: tuple[float, ...], smoothness: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Neighbours of which at least one is unknown, by flat index, and what it costs to cut between them."""
    index = np.arange(unknown.size).reshape(unknown.shape)
    found, total = [], 0.0
    for direction, here, there in _pairs(unknown.shape):
        at = np.flatnonzero(unknown[here] | unknown[there])
        i, j = index[here].reshape(-1)[at], index[there].reshape(-1)[at]
        squares = np.zeros(at.size)
        for channel in values.reshape(len(values), -1):
            squares += (channel[i] - channel[j]) ** 2
        length = float(np.sqrt(sum((d * s) ** 2 for d, s in zip(direction, steps, strict=True))))
        found.append((i, j, squares, length))
        total += float(squares.sum())
    mean = total / max(sum(len(i) for i, _, _, _ in found), 1) or 1.0
    for i, j, squares, length in found:
        yield i, j, smoothness / length * np.exp(-squares / (2 * mean))


def _source_side(count: int, pull: np.ndarray, ends: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which nodes lie on the source's side of the minimum cut, (count,) bool.

    Parameters
    ----------
    count : int
    pull : (count,) ndarray
        What it costs to put each node on the sink's side, less what it costs on the source's.
    ends : (2, E) ndarray of int
    weights : (E,) ndarray
        What it costs to part two nodes.
    """
    scale = min(1000.0, LARGEST / max(np.abs(pull).sum(), 1e-9))
    nodes = np.arange(count)
    rows = np.concatenate([ends[0], ends[1], np.full(count, count), nodes])
    columns = np.concatenate([ends[1], ends[0], nodes, np.full(count, count + 1)])
    capacity = np.concatenate([weights, weights, np.maximum(pull, 0), np.maximum(-pull, 0)])
    capacity = np.minimum(np.rint(capacity * scale), LARGEST).astype(np.int32)
    graph = sparse.csr_matrix((capacity, (rows, columns)), shape=(count + 2, count + 2))
    graph.eliminate_zeros()
    left = graph - maximum_flow(graph, count, count + 1).flow
    left.eliminate_zeros()
    reached = breadth_first_order(left, count, return_predecessors=False)
    side = np.zeros(count + 2, bool)
    side[reached] = True
    return side[:count]


__all__ = ["graph_cut"]
