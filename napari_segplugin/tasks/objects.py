"""What every way of writing objects as maps shares: numbering, classes by vote, stuff, small objects.

Sums over objects add up over blocks, so that large images need one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.core.types import DecodeParams, Tuned, scalar

CERTAIN = 0.9
"""Mean probability from which an object is never left out as uncertain."""
_GRAIN = 2.0**24
"""Probabilities are added up as whole 1/2^24: sums of whole numbers do not depend on the order, up to 2^29 voxels."""


class ObjectCodec:
    """Objects of the thing classes; `panoptic` adds the stuff classes, each as one object."""

    def __init__(self, panoptic: bool = False) -> None:
        self.panoptic = panoptic

    def fit(self, samples: Sequence[Sample]) -> Tuned:
        """Parameters of the decoder that follow from the objects of the training; none by default."""
        return {}

    def calibrate(self, maps: Sequence[np.ndarray], objects: Sequence[np.ndarray], classes: ClassTable) -> Tuned:
        """`score`: as much as the least certain of the known objects have, and no more than CERTAIN.

        What is less certain is mostly no object: dim blur, debris, the ghost of a neighbour.
        """
        foreground = scalar(self.defaults(), "foreground")
        found = [np.zeros(0)]
        for m, o in zip(maps, objects, strict=True):
            probability = thing_probability(m, classes)
            seen = np.where(probability > foreground, o, 0)
            numbers = np.unique(seen[seen > 0])
            found.append(np.asarray(ndi.mean(probability, seen, numbers) if numbers.size else []))
        scores = np.concatenate(found)
        return {"score": round(min(CERTAIN, float(np.percentile(scores, 5)) - 0.02), 3) if scores.size else 0.0}

    def defaults(self) -> Tuned:
        """The parameters of `decode` with their default values."""
        raise NotImplementedError

    def finish(
        self, labels: np.ndarray, maps: np.ndarray, classes: ClassTable, params: DecodeParams
    ) -> tuple[np.ndarray, ObjectTable]:
        """Drop small and uncertain objects, number the rest 1, 2 …, add stuff between them, tell class and score of each."""
        labels, n = compact(labels)
        sums, count = object_sums(labels, maps, classes, n)
        keep = kept_objects(sums, count, classes, params)
        if not keep[1:].all():
            labels, n = np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels], int(keep.sum())
            kept = np.concatenate([[0], np.flatnonzero(keep)])
            sums, count = sums[:, kept], count[kept]
        labels, stuff = add_stuff(labels, maps, classes, n) if self.panoptic else (labels, [])
        class_id, score = classify(sums, count, classes)
        ids = np.arange(1, n + 1, dtype=np.int64)
        for new_label, stuff_class, stuff_score in stuff:
            ids = np.append(ids, new_label)
            class_id = np.append(class_id, stuff_class)
            score = np.append(score, np.float32(stuff_score))
        return labels, ObjectTable(ids, class_id, score.astype(np.float32), ("predicted",) * len(ids))


def thing_probability(maps: np.ndarray, classes: ClassTable) -> np.ndarray:
    """Probability that a voxel belongs to any thing class."""
    ids = list(classes.thing_ids)
    total: np.ndarray = maps[ids].sum(0) if len(ids) != 1 else maps[ids[0]]
    return total


def kept_objects(sums: np.ndarray, count: np.ndarray, classes: ClassTable, params: DecodeParams) -> np.ndarray:
    """Which objects are large and certain enough, bool (n + 1,); the first is none.

    Parameters
    ----------
    sums : (K, n + 1) ndarray
        Sum of each class probability over each object.
    count : (n + 1,) ndarray
        Voxels.
    classes : ClassTable
    params : mapping
        `min_size` in voxels, `score`: mean probability of being any thing.
    """
    certainty = sums[list(classes.thing_ids)].sum(0) / np.maximum(count, 1)
    keep: np.ndarray = (count >= max(1, int(scalar(params, "min_size")))) & (
        certainty >= scalar(params, "score") - 1e-6
    )
    keep[0] = False
    return keep


def compact(labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the labels 1, 2 … in the order of their old numbers; works for large sparse numbers too."""
    top = int(labels.max(initial=0))
    if labels.dtype.kind in "iu" and top <= 4 * labels.size and labels.min(initial=0) >= 0:
        present = np.zeros(top + 1, bool)
        present[labels.ravel()] = True
        numbers = np.cumsum(present) - present[0]
        return numbers.astype(np.int32)[labels], int(numbers[-1])
    values, inverse = np.unique(labels, return_inverse=True)
    shift = 0 if values.size and values[0] == 0 else 1
    return (inverse.reshape(labels.shape) + shift).astype(np.int32), int(values.size) - 1 + shift


def object_sums(labels: np.ndarray, maps: np.ndarray, classes: ClassTable, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each class probability over each object, (K, n + 1), and the voxel count, (n + 1,).

    Sums add up over blocks, to the same bits in any order, so a large image needs one pass.
    """
    flat = labels.ravel()
    inside = np.flatnonzero(flat)
    ids = flat[inside]
    count = np.bincount(ids, minlength=n + 1)
    rows = [np.bincount(ids, weights=_whole(maps[c].ravel()[inside]), minlength=n + 1) for c in range(len(classes))]
    return np.stack(rows)[:, : n + 1] / _GRAIN, count[: n + 1]


def exact_sum(probabilities: np.ndarray) -> float:
    """Sum of probabilities, the same bits in whatever order or parts they are added up.

    Examples
    --------
    >>> parts = np.random.default_rng(0).random((2, 1000), np.float32)
    >>> exact_sum(parts) == exact_sum(parts[0]) + exact_sum(parts[1])
    True
    """
    return float(_whole(probabilities).sum() / _GRAIN)


def _whole(probabilities: np.ndarray) -> np.ndarray:
    return np.rint(probabilities.astype(np.float64) * _GRAIN)


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
            found.append((int(n + c), int(c), exact_sum(maps[c][where]) / int(where.sum())))
    return out, found
