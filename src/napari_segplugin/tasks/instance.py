"""Instance and panoptic: class probabilities and one map of the distance to the outline.

The distance of a voxel to the outline of its object is divided by the largest distance in that object, so small and
large objects look alike to the network and one threshold finds a seed in each. Objects that touch are parted by the
valley between them; a concave object keeps one seed as long as it is nowhere thinner than `seed` times its widest place.
Works in 2D and 3D; with anisotropic voxels the distance is physical.

The pieces (`seed_mask`, `flood`) look at a neighbourhood only, so that large images are decoded block by block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage as ndi
from skimage.measure import label as connected_components
from skimage.segmentation import watershed

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.tasks.base import Targets, known_classes


class InstanceCodec:
    """Objects of the thing classes; `panoptic` adds the stuff classes, each as one object."""

    extra_maps = 1

    def __init__(self, panoptic: bool = False) -> None:
        self.panoptic = panoptic

    def encode(self, sample: Sample, classes: ClassTable) -> Targets:
        """Class numbers and the normalised distance, each with its own known area."""
        target, weight = known_classes(sample, classes)
        distance = np.zeros(target.shape, np.float32)
        if sample.instances is not None:
            distance = normalised_distance(sample.instances, sample.image.canonical_spacing)
        shape_known = weight if sample.shape_known is None else weight * sample.shape_known
        return Targets(target, weight, distance[None], shape_known.astype(np.float32))

    def decode(self, maps: np.ndarray, classes: ClassTable, params: Mapping[str, Any]) -> tuple[np.ndarray, ObjectTable]:
        """Seeds from the distance, flooded inside the foreground."""
        p = {**self.defaults(), **params}
        maps = np.asarray(maps, np.float32)
        seeds = connected_components(seed_mask(maps, classes, p), connectivity=maps.ndim - 1)
        seeds = drop_small(seeds, int(p["min_seed"]))
        labels = drop_small(flood(maps, seeds, classes, p), int(p["min_size"]))
        return self.finish(labels, maps, classes)

    def finish(self, labels: np.ndarray, maps: np.ndarray, classes: ClassTable) -> tuple[np.ndarray, ObjectTable]:
        """Number the objects 1, 2 …, add stuff where there is no object, and tell class and score of each."""
        labels, n = _compact(labels)
        if self.panoptic:
            labels, stuff = add_stuff(labels, maps, classes, n)
        else:
            stuff = []
        sums, count = object_sums(labels, maps, classes, n)
        class_id, score = classify(sums, count, classes)
        ids = np.arange(1, n + 1, dtype=np.int64)
        for new_label, stuff_class, stuff_score in stuff:
            ids = np.append(ids, new_label)
            class_id = np.append(class_id, stuff_class)
            score = np.append(score, np.float32(stuff_score))
        return labels, ObjectTable(ids, class_id, score.astype(np.float32), ("predicted",) * len(ids))

    def defaults(self) -> dict[str, Any]:
        """Thresholds, smoothing in voxels, smallest seed and object in voxels."""
        return {"foreground": 0.5, "seed": 0.5, "smooth": 0.5, "min_seed": 3, "min_size": 10}


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
    labels = _compact(instances)[0]
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


def _things(maps: np.ndarray, classes: ClassTable) -> np.ndarray:
    """Probability that a voxel belongs to any thing class."""
    ids = list(classes.thing_ids)
    total: np.ndarray = maps[ids].sum(0) if len(ids) != 1 else maps[ids[0]]
    return total


def seed_mask(maps: np.ndarray, classes: ClassTable, params: Mapping[str, Any]) -> np.ndarray:
    """Where the smoothed distance is above `seed` inside the foreground, bool ([Z,] Y, X)."""
    return (_smooth_distance(maps, params) > params["seed"]) & (_things(maps, classes) > params["foreground"])


def _smooth_distance(maps: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    sigma = float(params["smooth"])
    smoothed: np.ndarray = ndi.gaussian_filter(maps[-1], sigma, truncate=3.0) if sigma else maps[-1]
    return smoothed


def flood(maps: np.ndarray, seeds: np.ndarray, classes: ClassTable, params: Mapping[str, Any]) -> np.ndarray:
    """Grow numbered seeds down the distance, inside the foreground (Meyer's flooding watershed)."""
    mask = _things(maps, classes) > params["foreground"]
    labels: np.ndarray = watershed(-_smooth_distance(maps, params), seeds, mask=mask)
    return labels


def drop_small(labels: np.ndarray, smallest: int) -> np.ndarray:
    """Set labels of fewer than `smallest` voxels to 0."""
    if smallest <= 1 or not labels.any():
        return labels
    keep = np.bincount(labels.ravel()) >= smallest
    keep[0] = True
    return np.where(keep[labels], labels, 0)


def _compact(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the labels 1, 2 … in the order of their old numbers; works for large sparse numbers too."""
    values, inverse = np.unique(labels, return_inverse=True)
    shift = 0 if values.size and values[0] == 0 else 1
    return (inverse.reshape(labels.shape) + shift).astype(np.int32), int(values.size) - 1 + shift


def object_sums(labels: np.ndarray, maps: np.ndarray, classes: ClassTable, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each class probability over each object, (K, n + 1), and the voxel count, (n + 1,).

    Sums add up over blocks, so a large image needs one pass.
    """
    flat = labels.ravel()
    inside = np.flatnonzero(flat)
    ids = flat[inside]
    count = np.bincount(ids, minlength=n + 1)
    rows = [
        np.bincount(ids, weights=maps[c].ravel()[inside].astype(np.float64), minlength=n + 1) for c in range(len(classes))
    ]
    return np.stack(rows)[:, : n + 1], count[: n + 1]


def classify(sums: np.ndarray, count: np.ndarray, classes: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """The thing class of the largest mean probability of each object 1 … n, and that mean."""
    things = np.array(classes.thing_ids, np.int64)
    mean = sums[things, 1:] / np.maximum(count[1:], 1)
    if mean.shape[1] == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    return things[mean.argmax(0)], np.clip(mean.max(0), 0, 1).astype(np.float32)


def add_stuff(
    labels: np.ndarray, maps: np.ndarray, classes: ClassTable, n: int
) -> tuple[np.ndarray, list[tuple[int, int, float]]]:
    """Give voxels outside objects to the most probable class that is not a thing; one label a stuff class.

    Returns
    -------
    labels : ndarray
    stuff : list of (label, class, mean probability)
        The label of stuff class c is n + c, so that blocks agree on it.
    """
    stuff_ids = np.array([c.id for c in classes if c.id not in classes.thing_ids])
    choice = stuff_ids[maps[stuff_ids].argmax(0)]
    free = labels == 0
    out = np.where(free & (choice > 0), n + choice, labels).astype(np.int32)
    found = []
    for c in stuff_ids[stuff_ids > 0]:
        where = out == n + c
        if where.any():
            found.append((int(n + c), int(c), float(maps[c][where].mean())))
    return out, found
