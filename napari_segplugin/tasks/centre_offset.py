"""Instance and panoptic by centres and offsets: the head of Panoptic-DeepLab, in 2D and 3D.

After Cheng et al. 2020, arXiv 1911.10194 (section 3): beside the class probabilities, one heatmap with a Gaussian at the
centre of each object, and for every voxel of an object the vector to its centre. Classes, objects and stuff come from one
pass of any network that puts out maps.

Differs from the paper on purpose: the Gaussian grows with the object (sigma is a quarter of the radius of the ball of the
same volume, and at least one voxel along each axis), because objects under a microscope differ more in size than those of
street scenes; sigma is physical where voxels are not cubes. The centre is the voxel of the object that lies nearest to its
mass centre, so that bent objects and rings have theirs inside. A voxel that points nowhere near a centre is left out, where
the paper gives it to the nearest one however far that is: the object whose centre was missed would flow into its neighbour.

What cannot be told apart: objects whose centres lie within half a window of each other (`window`, 7 voxels across by
default), such as lines one voxel wide side by side. An object far longer than the network can see points wrongly at its
ends; there the distance to the outline is the better head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi
from scipy.spatial import KDTree

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.core.types import DecodeParams, Tuned, scalar
from napari_segplugin.tasks.base import Targets, known_classes
from napari_segplugin.tasks.instance import gap_weight
from napari_segplugin.tasks.objects import ObjectCodec, compact, thing_probability

_SHARE = 0.25
"""Sigma of a centre's Gaussian, as a share of the object's radius."""
_GRAIN = 256
"""Lengths are added up as whole 1/256 of a voxel: sums of whole numbers do not depend on the order of the blocks."""
_AT_ONCE = 1_000_000


class CentreOffsetCodec(ObjectCodec):
    """Objects by their centres and by where their voxels point."""

    def map_kinds(self, ndim: int) -> tuple[str, ...]:
        """The heatmap of centres, and one component of the vector to the centre for each axis."""
        return ("heat", *("offset",) * ndim)

    def encode(self, sample: Sample, classes: ClassTable) -> Targets:
        """Class numbers, heatmap of centres and vectors, each with its own known area."""
        target, weight = known_classes(sample, classes)
        shape_known = weight if sample.shape_known is None else weight * sample.shape_known
        maps = np.zeros((1 + target.ndim, *target.shape), np.float32)
        if sample.instances is not None:
            maps = centre_maps(sample.instances, sample.image.canonical_spacing)
            weight = weight * (1 + 2 * gap_weight(sample.instances))
        return Targets(target, weight.astype(np.float32), maps, shape_known.astype(np.float32))

    def decode(self, maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> tuple[np.ndarray, ObjectTable]:
        """Each voxel of the foreground joins the centre nearest to where it points."""
        p = {**self.defaults(), **params}
        maps = np.asarray(maps, np.float32)
        centres = find_centres(maps, classes, p)
        votes = read_votes(maps, classes, p)
        owner = nearest_centre(votes.target, centres)
        owner = drop_far(votes, owner, centres, reach_of(*tally(owner, votes, len(centres)), p))
        return self.finish(votes.paint(owner), maps, classes, p)

    def defaults(self) -> Tuned:
        """Thresholds, window, smallest object in voxels, smallest mean probability of an object.

        `foreground`: probability above which a voxel is in an object. `centre`: heat that every centre exceeds.
        `window`: of all in a window this wide, only the hottest is a centre; one number, or one for each axis. `reach`:
        how far beside its centre a voxel may point, as a multiple of the mean length of the vectors of its object (half
        a window is added).
        """
        return {"foreground": 0.6, "centre": 0.35, "window": 7, "reach": 1.5, "min_size": 10, "score": 0.0}

    def fit(self, samples: Sequence[Sample]) -> Tuned:
        """The window, as wide as the small objects of the training: the wider, the less noise looks like a centre.

        Small is what 9 of 10 objects exceed. Where centres lie closer than that, as those of long objects side by side,
        the window is so narrow that it parts 99 of 100 of them.
        """
        spacing = samples[0].image.canonical_spacing
        radii, gaps = [np.zeros(0)], [np.zeros(0)]
        for sample in samples:
            found = [] if sample.instances is None else list(_objects(sample.instances, spacing))
            radii.append(np.array([ball_radius(len(at), spacing) for at, _ in found]))
            if len(found) > 1:
                centres = np.array([centre for _, centre in found]) * np.asarray(spacing)
                gaps.append(KDTree(centres).query(centres, k=2)[0][:, 1])
        if not any(len(r) for r in radii):
            return {}
        half, gap = float(np.percentile(np.concatenate(radii), 10)), np.concatenate(gaps)
        if len(gap):  # two places are in one window when they are along every axis
            half = min(half, float(np.percentile(gap, 1)) / math.sqrt(len(spacing)))
        return {"window": [2 * max(1, int(half / s)) + 1 for s in spacing]}


def ball_radius(voxels: float, spacing: Sequence[float]) -> float:
    """Radius of the disc or ball that has as many voxels, in the unit of the spacing.

    Examples
    --------
    >>> round(ball_radius(100, (0.5, 2.0)), 3)
    5.642
    """
    volume = voxels * math.prod(spacing)
    return math.sqrt(volume / math.pi) if len(spacing) == 2 else float((0.75 * volume / math.pi) ** (1 / 3))


def centre_maps(instances: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Heatmap of the centres, and the vector from each voxel of an object to its centre.

    Parameters
    ----------
    instances : ([Z,] Y, X) ndarray of int
        0 outside objects.
    spacing : sequence of float
        Voxel size along each axis.

    Returns
    -------
    (1 + ndim, [Z,] Y, X) ndarray of float32
        Heat in [0, 1], 1 at the centres; then the vector in voxels, one map an axis, 0 outside objects.

    Examples
    --------
    >>> centre_maps(np.array([[5, 5, 5, 0, 0, 0, 0]]), (1.0, 1.0))[2]
    array([[ 1.,  0., -1.,  0.,  0.,  0.,  0.]], dtype=float32)
    """
    maps = np.zeros((1 + instances.ndim, *instances.shape), np.float32)
    for at, centre in _objects(instances, spacing):
        for axis in range(instances.ndim):
            maps[(1 + axis, *at.T)] = centre[axis] - at[:, axis]
        _add_gaussian(maps[0], centre, _sigma(len(at), spacing))
    return maps


def _objects(instances: np.ndarray, spacing: Sequence[float]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The voxels of each object, (N, ndim), and its centre: the voxel that lies nearest to the mean of all."""
    labels = compact(instances)[0]
    for number, box in enumerate(ndi.find_objects(labels), 1):
        at = np.argwhere(labels[box] == number) + [s.start for s in box]
        far = (((at - at.mean(0)) * np.asarray(spacing)) ** 2).sum(1)
        yield at, at[far.argmin()]


def _sigma(voxels: int, spacing: Sequence[float]) -> np.ndarray:
    """Standard deviation along each axis, in voxels."""
    sigma: np.ndarray = np.maximum(_SHARE * ball_radius(voxels, spacing) / np.asarray(spacing), 1.0)
    return sigma


def _add_gaussian(heat: np.ndarray, centre: np.ndarray, sigma: np.ndarray) -> None:
    """Raise a heatmap to a Gaussian of height 1 around a centre, cut at four sigma."""
    box, profiles = [], []
    for c, s, n in zip(centre, sigma, heat.shape, strict=True):
        low, high = max(0, math.floor(c - 4 * s)), min(n, math.ceil(c + 4 * s) + 1)
        box.append(slice(low, high))
        profiles.append(np.exp(-0.5 * ((np.arange(low, high) - c) / s) ** 2))
    bump = profiles[0]
    for profile in profiles[1:]:
        bump = bump[..., None] * profile
    np.maximum(heat[tuple(box)], bump, out=heat[tuple(box)])


def window_radius(params: DecodeParams, ndim: int) -> tuple[int, ...]:
    """Half the window of a centre along each axis, in voxels."""
    return tuple(int(w) // 2 for w in np.broadcast_to(params["window"], ndim))


def centre_reach(params: DecodeParams, ndim: int) -> tuple[int, ...]:
    """How far around a voxel :func:`find_centres` looks: smoothing, the window, and the window of its equals."""
    return tuple(int(3 * w / 2 + 0.5) + 2 * w for w in window_radius(params, ndim))


def find_centres(maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> np.ndarray:
    """The centres of the objects, (N, ndim) int64, in the order of the array.

    A centre points to itself: its vector ends within a window around it. Of those in one window, the hottest in the
    smoothed heatmap is one, or the last of several that are equally hot.
    """
    ndim = maps.ndim - 1
    heat, radius = maps[len(classes)], window_radius(params, ndim)
    smoothed = ndi.gaussian_filter(heat, [w / 2 for w in radius], truncate=3.0)
    size = tuple(2 * w + 1 for w in radius)
    half = np.reshape(size, (-1,) + (1,) * ndim).astype(np.float32) / 2
    own = ((maps[len(classes) + 1 :] / half) ** 2).sum(0) <= 1
    hot = (heat > scalar(params, "centre")) & own & _foreground(maps, classes, params)
    smoothed = np.where(hot, smoothed, 0)
    tops = hot & (smoothed == ndi.maximum_filter(smoothed, size))
    order = np.zeros(tops.shape, np.int64)
    order[tops] = np.flatnonzero(tops) + 1
    return np.argwhere(tops & (order == ndi.maximum_filter(order, size))).astype(np.int64)


def _foreground(maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> np.ndarray:
    inside: np.ndarray = thing_probability(maps, classes) > scalar(params, "foreground")
    return inside


@dataclass(frozen=True, eq=False)
class Votes:
    """Where the foreground voxels of a region point.

    Parameters
    ----------
    inside : ([Z,] Y, X) ndarray of bool
        The foreground; the other members have an entry for each of its N voxels.
    target : (N, ndim) ndarray of float64
        The place that a voxel points to, in voxels of the image.
    length : (N,) ndarray of int64
        Length of the vector, in 1/256 of a voxel.
    """

    inside: np.ndarray
    target: np.ndarray
    length: np.ndarray

    def paint(self, values: np.ndarray) -> np.ndarray:
        """A value for each foreground voxel as an array of the region, int32, 0 elsewhere."""
        labels = np.zeros(self.inside.shape, np.int32)
        labels[self.inside] = values
        return labels


def read_votes(
    maps: np.ndarray, classes: ClassTable, params: DecodeParams, origin: Sequence[int] | None = None
) -> Votes:
    """Where the foreground voxels of a region that starts at `origin` point."""
    inside = _foreground(maps, classes, params)
    offset = maps[len(classes) + 1 :][:, inside].T.astype(np.float64)
    position = np.argwhere(inside) + np.asarray(origin if origin is not None else (0,) * inside.ndim)
    length = np.rint(np.sqrt((offset**2).sum(1)) * _GRAIN).astype(np.int64)
    return Votes(inside, position + offset, length)


def nearest_centre(target: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number 1, 2 … of the centre nearest to each place, (N,) int64; 0 where there is no centre at all."""
    owner = np.zeros(len(target), np.int64)
    if len(centres):
        tree = KDTree(centres)
        for start in range(0, len(target), _AT_ONCE):
            owner[start : start + _AT_ONCE] = tree.query(target[start : start + _AT_ONCE])[1] + 1
    return owner


def tally(owner: np.ndarray, votes: Votes, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of each object and the sum of the lengths of their vectors, (n + 1,) int64 each. They add up over blocks."""
    length = np.zeros(n + 1, np.int64)
    np.add.at(length, owner, votes.length)
    return np.bincount(owner, minlength=n + 1), length


def reach_of(count: np.ndarray, length: np.ndarray, params: DecodeParams) -> np.ndarray:
    """How far beside its centre a voxel of each object may point, in voxels, (n + 1,)."""
    mean = length / np.maximum(count, 1) / _GRAIN
    reach: np.ndarray = scalar(params, "reach") * mean + 0.5 * float(np.max(params["window"]))
    return reach


def drop_far(votes: Votes, owner: np.ndarray, centres: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The owners, 0 where a voxel points further from its centre than its object allows."""
    if not len(centres):
        return owner
    far = np.sqrt(((votes.target - centres[owner - 1]) ** 2).sum(1))
    return np.where(far <= reach[owner], owner, 0)


__all__ = [
    "CentreOffsetCodec",
    "Votes",
    "ball_radius",
    "centre_maps",
    "centre_reach",
    "drop_far",
    "find_centres",
    "nearest_centre",
    "reach_of",
    "read_votes",
    "tally",
    "window_radius",
]
