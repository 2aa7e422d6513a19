"""Instance and panoptic: class probabilities and one map of the distance to the outline.

The distance of a voxel to the outline of its object is divided by the largest distance in that object, so small and
large objects look alike to the network and one set of thresholds finds a seed in each. Objects that touch are parted by
the valley between them; a concave object keeps one seed as long as its neck is wider than `valley` times its widest place.
Works in 2D and 3D; with anisotropic voxels the distance is physical.

Everything is made of connected components at fixed thresholds, their peaks, and a flooding: components and peaks of blocks
join exactly across faces, and flooding looks no further than the objects reach, so that large images are decoded block by
block with the result of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage as ndi
from skimage.measure import label as connected_components
from skimage.segmentation import watershed

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.core.types import DecodeParams, Tuned, scalar
from napari_segplugin.tasks.base import Targets, known_classes
from napari_segplugin.tasks.objects import ObjectCodec, compact, thing_probability


class InstanceCodec(ObjectCodec):
    """Objects by the distance to their outline."""

    def map_kinds(self, ndim: int) -> tuple[str, ...]:
        """One map of the normalised distance."""
        return ("distance",)

    def encode(self, sample: Sample, classes: ClassTable) -> Targets:
        """Class numbers and the normalised distance, each with its own known area."""
        target, weight = known_classes(sample, classes)
        distance = np.zeros(target.shape, np.float32)
        if sample.instances is not None:
            distance = normalised_distance(sample.instances, sample.image.canonical_spacing)
        shape_known = weight if sample.shape_known is None else weight * sample.shape_known
        if sample.instances is not None:
            # the valley between two objects is a few voxels wide and decides everything: it counts more
            gap = gap_weight(sample.instances)
            weight, shape_known = weight * (1 + 2 * gap), shape_known * (1 + 3 * gap)
        return Targets(target, weight.astype(np.float32), distance[None], shape_known.astype(np.float32))

    def decode(self, maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> tuple[np.ndarray, ObjectTable]:
        """Seeds from the distance, flooded inside the foreground."""
        p = {**self.defaults(), **params}
        maps = np.asarray(maps, np.float32)
        return self.finish(flood(maps, find_seeds(maps, classes, p), classes, p), maps, classes, p)

    def defaults(self) -> Tuned:
        """Thresholds, smoothing in voxels, smallest object in voxels, smallest mean probability of an object.

        `foreground`: probability above which a voxel is in an object. `seed`: smoothed distance that every object
        reaches. `valley`: two peaks are two objects when the valley between them is lower than this share of both.
        """
        return {"foreground": 0.6, "seed": 0.4, "valley": 0.7, "smooth": 1.0, "min_size": 10, "score": 0.0}

    def calibrate(self, maps: Sequence[np.ndarray], objects: Sequence[np.ndarray], classes: ClassTable) -> Tuned:
        """`seed`: lower than usual where the network does not reach it in most of the objects that it has learnt from.

        Early in a training, in 3D above all, the map is flat: half of the voxels of a ball are nearer to its outline than a
        fifth of the radius, and that is what is learnt first.
        """
        usual = self.defaults()
        heights = [object_peaks(smooth_distance(m, usual), o) for m, o in zip(maps, objects, strict=True)]
        peaks = np.concatenate([np.zeros(0), *heights])
        middle = float(np.median(peaks)) if peaks.size else 1.0
        known = scalar(usual, "seed")
        seed = known if middle > 1.15 * known else round(max(0.1, 0.65 * middle), 3)
        return {**super().calibrate(maps, objects, classes), "seed": seed}


def object_peaks(smoothed: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """The largest value in each object that lies wholly inside, (n,)."""
    inner = np.zeros(objects.shape, bool)
    inner[(slice(1, -1),) * objects.ndim] = True
    whole = np.setdiff1d(objects, np.append(objects[~inner], 0))
    return np.asarray(ndi.maximum(smoothed, objects, whole) if whole.size else [], float)


def normalised_distance(instances: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of each voxel to the outline of its object, divided by the object's largest.

    The border of the image is no outline: an object that is cut by it goes on beyond.

    Parameters
    ----------
    instances : ([Z,] Y, X) ndarray of int
        0 outside objects.
    spacing : tuple of float
        Voxel size along each axis.

    Returns
    -------
    ([Z,] Y, X) ndarray of float32
        0 outside, in (0, 1] inside.

    Examples
    --------
    >>> normalised_distance(np.array([[0, 0, 0, 0, 0], [0, 2, 2, 2, 0], [0, 0, 0, 0, 0]]), (1.0, 1.0))[1]
    array([0., 1., 1., 1., 0.], dtype=float32)
    """
    labels = compact(instances)[0]
    out = np.zeros(labels.shape, np.float32)
    for number, box in enumerate(ndi.find_objects(labels), 1):
        wide = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        # one more voxel of the same at the image's border, so that the border is not taken for an outline
        touches = [(int(s.start == 0), int(s.stop >= n)) for s, n in zip(box, labels.shape, strict=True)]
        mask = labels[wide] == number
        padded = np.pad(mask, touches, mode="edge")
        if padded.all():
            out[wide] = 1.0
            continue
        distance = ndi.distance_transform_edt(padded, sampling=spacing)
        inner = tuple(slice(a, a + n) for (a, _), n in zip(touches, mask.shape, strict=True))
        out[wide][mask] = (distance[inner] / distance[inner].max())[mask]
    return out


def gap_weight(instances: np.ndarray, reach: float = 3.0, width: float = 2.0) -> np.ndarray:
    """1 on the line between two objects that are closer than twice `reach` voxels, falling off over `width` voxels.

    The idea is U-Net's border weight (Ronneberger et al. 2015, eq. 2), on the lines of equal distance.
    """
    free = instances == 0
    if free.all():
        return np.zeros(instances.shape, np.float32)
    distance, nearest = ndi.distance_transform_edt(free, return_indices=True)
    owner = instances[tuple(nearest)]
    line = np.zeros(instances.shape, bool)
    for axis in range(instances.ndim):
        ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(instances.ndim))
        back = tuple(slice(None, -1) if a == axis else slice(None) for a in range(instances.ndim))
        different = owner[ahead] != owner[back]
        line[ahead] |= different
        line[back] |= different
    line &= distance <= reach
    if not line.any():
        return np.zeros(instances.shape, np.float32)
    weight: np.ndarray = np.exp(-((ndi.distance_transform_edt(~line) / width) ** 2)).astype(np.float32)
    return weight


def seed_levels(params: DecodeParams) -> tuple[float, ...]:
    """The thresholds at which the smoothed distance is cut, lowest first, a tenth apart.

    The distance is a share from 0 to 1; a damaged model may name any number, and would ask for as many thresholds.
    """
    lowest = min(max(-1.0, scalar(params, "seed")), 2.0)
    return tuple(lowest + 0.1 * k for k in range(max(1, int(np.ceil((0.75 - lowest) / 0.1 - 1e-6)))))


def level_mask(
    smoothed: np.ndarray, maps: np.ndarray, classes: ClassTable, params: DecodeParams, level: float
) -> np.ndarray:
    """Where the smoothed distance is above a threshold inside the foreground, bool ([Z,] Y, X)."""
    above: np.ndarray = (smoothed > level) & (thing_probability(maps, classes) > scalar(params, "foreground"))
    return above


def smooth_distance(maps: np.ndarray, params: DecodeParams) -> np.ndarray:
    """The distance map, smoothed by a Gaussian that reaches 3 sigma."""
    sigma = scalar(params, "smooth")
    smoothed: np.ndarray = ndi.gaussian_filter(maps[-1], sigma, truncate=3.0) if sigma else maps[-1]
    return smoothed


def find_seeds(maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> np.ndarray:
    """One numbered seed an object, int32 ([Z,] Y, X).

    The components at each threshold form a tree, since they lie inside those of the threshold below. Going down from
    the peaks, components join where their valley is; two that both rise clearly above it stay two seeds.
    """
    smoothed, levels = smooth_distance(maps, params), seed_levels(params)
    full = maps.ndim - 1
    labels = [connected_components(level_mask(smoothed, maps, classes, params, t), connectivity=full) for t in levels]
    peaks = [component_peaks(smoothed, x) for x in labels]
    parents = [component_parents(below, above) for below, above in pairwise(labels)]
    seeds = np.zeros(smoothed.shape, np.int32)
    for label_map, number in zip(labels, number_seeds(peaks, parents, levels, scalar(params, "valley")), strict=True):
        found = (number > 0)[label_map]
        seeds[found] = number[label_map[found]]
    return seeds


def component_peaks(smoothed: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Largest value of each component, (n + 1,), entry 0 for "none". Block results join by the maximum."""
    n = int(labels.max(initial=0))
    peaks = np.zeros(n + 1)
    inside = labels > 0
    np.maximum.at(peaks, labels[inside], smoothed[inside])
    return peaks


def component_parents(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """The component of the lower threshold in which each component of the higher one lies, (n + 1,)."""
    parents = np.zeros(int(above.max(initial=0)) + 1, np.int64)
    inside = above > 0
    parents[above[inside]] = below[inside]
    return parents


def number_seeds(
    peaks: Sequence[np.ndarray], parents: Sequence[np.ndarray], levels: Sequence[float], valley: float
) -> list[np.ndarray]:
    """Choose the components that are seeds and number them 1, 2 … over all levels.

    Parameters
    ----------
    peaks : sequence of (n_k + 1,) ndarray
        Largest smoothed distance in each component of level k.
    parents : sequence of (n_k + 1,) ndarray
        For levels 1, 2 …: the component of the level below.
    levels : sequence of float
    valley : float
        A component counts as a branch when its threshold is below `valley` times its peak.

    Returns
    -------
    list of (n_k + 1,) ndarray of int32
        The number of the seed, 0 where the component is none. Chosen components never lie inside one another.
    """
    top = len(levels) - 1
    chosen = [np.zeros(len(p), bool) for p in peaks]
    branches = np.zeros(len(peaks[top]), np.int64)
    for k in range(top, -1, -1):
        clear = peaks[k] * valley >= levels[k] if k else np.ones(len(peaks[0]), bool)
        clear[0] = False
        # a component with fewer than two branches inside is one object: it replaces them, being the larger seed
        chosen[k] = clear & (branches < 2)
        branches = np.where(chosen[k], 1, branches)
        if k:
            branches = np.bincount(parents[k - 1], weights=branches, minlength=len(peaks[k - 1])).astype(np.int64)
            branches[0] = 0
    return _number_outermost(chosen, parents)


def _number_outermost(chosen: list[np.ndarray], parents: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Drop chosen components that lie inside a chosen one, and number the rest."""
    numbers: list[np.ndarray] = []
    covered = np.zeros(len(chosen[0]), bool)
    count = 0
    for k, mine in enumerate(chosen):
        if k:
            covered = covered[parents[k - 1]]
            covered[0] = False
        keep = mine & ~covered
        number = np.zeros(len(mine), np.int32)
        number[keep] = np.arange(count + 1, count + 1 + int(keep.sum()))
        count += int(keep.sum())
        numbers.append(number)
        covered = covered | mine
    return numbers


def flood(
    maps: np.ndarray, seeds: np.ndarray, classes: ClassTable, params: DecodeParams, *, ahead: int = 0
) -> np.ndarray:
    """Grow numbered seeds down the distance, inside the foreground (Meyer's flooding watershed).

    Parameters
    ----------
    maps, seeds, classes, params
        Maps, a number for each voxel of a seed, 0 elsewhere.
    ahead : int
        The number of the seed that goes first where voxels of several seeds are equally high; 0: the order of the array
        decides alone.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    mask = thing_probability(maps, classes) > scalar(params, "foreground")
    height = _ordered(np.negative(smooth_distance(maps, params), dtype=np.float64, order="C"), seeds, ahead)
    labels: np.ndarray = watershed(height, seeds, mask=mask)
    return labels


def _ordered(height: np.ndarray, seeds: np.ndarray, ahead: int) -> np.ndarray:
    """The height, with that of seeds lowered by the least that tells equal ones apart, in the order of the array.

    The flood takes other voxels of one height in the order in which it comes to them. Equal seeds it takes in an order that
    depends on how many there are, so a block and the whole image would differ.
    """
    at = np.flatnonzero(seeds)
    first = seeds.ravel()[at] != ahead
    values = height.ravel()[at]
    order = np.lexsort((first, values)) if ahead else values.argsort(kind="stable")
    values = values[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else order
    group = np.searchsorted(ends, np.arange(len(order)))
    # float32 became float64, so between two values there is room for 2^29 steps
    steps = ends[group] - np.arange(len(order)) + 1
    height.ravel()[at[order]] = values - steps * np.spacing(np.abs(values))
    return height
