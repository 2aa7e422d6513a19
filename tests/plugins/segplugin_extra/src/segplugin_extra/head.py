"""A head of a handful of lines: objects are parted where a map of the borders between them says so."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from napari_segplugin.tasks.base import Targets, known_classes
from napari_segplugin.tasks.objects import ObjectCodec, compact, thing_probability


class BorderCodec(ObjectCodec):
    """Objects and the borders between those that touch. Objects thinner than a border are not parted."""

    def map_kinds(self, ndim):
        """One map: whether another object is next to a voxel of an object."""
        return ("probability",)

    def encode(self, sample, classes):
        """Class numbers, and the borders."""
        target, weight = known_classes(sample, classes)
        known = weight if sample.shape_known is None else weight * sample.shape_known
        maps = np.zeros((1, *target.shape), np.float32)
        if sample.instances is not None:
            maps[0] = border(sample.instances)
        return Targets(target, weight, maps, known.astype(np.float32))

    def decode(self, maps, classes, params):
        """Pieces that no border cuts, grown back over the borders."""
        p = {**self.defaults(), **params}
        maps = np.asarray(maps, np.float32)
        inside = thing_probability(maps, classes) > p["foreground"]
        edge = maps[len(classes)]
        whole = np.ones((3,) * inside.ndim, bool)
        cores, n = ndi.label(inside & (edge < p["border"]), whole)
        rest, _ = ndi.label(inside, whole)
        lost = ~np.isin(rest, np.unique(rest[cores > 0]))
        seeds = np.where(lost & (rest > 0), rest + n, cores)
        return self.finish(watershed(edge, seeds.astype(np.int32), mask=inside), maps, classes, p)

    def defaults(self):
        """Probability of an object and of a border; smallest object in voxels; mean probability that an object has."""
        return {"foreground": 0.5, "border": 0.2, "min_size": 10, "score": 0.0}


def border(instances):
    """1 where another object is next to a voxel of an object."""
    labels = compact(instances)[0]
    size = (3,) * labels.ndim
    highest = ndi.maximum_filter(labels, size)
    lowest = ndi.minimum_filter(np.where(labels > 0, labels, labels.max() + 1), size)
    return ((labels > 0) & ((highest != labels) | (lowest != labels))).astype(np.float32)
