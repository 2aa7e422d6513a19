"""A technique and a clean-up step of a handful of lines."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi


def ends(sample, spacing, **settings):
    """The darkest and the brightest voxel, so that tiles agree."""
    return {"ends": (float(np.nanmin(sample)), float(np.nanmax(sample)))}


def half_way(image, *, spacing, measured, share):
    """1 where the image is bright."""
    low, high = measured["ends"]
    return (image[0] > low + share * (high - low)).astype(np.int32)


def bounded(labels, *, spacing, objects, least):
    """Without objects that fill little of the box around them."""
    pieces = labels if objects else ndi.label(labels > 0)[0]
    keep = np.zeros(int(pieces.max(initial=0)) + 1, bool)
    for number, box in enumerate(ndi.find_objects(pieces), 1):
        keep[number] = box is not None and (pieces[box] == number).mean() >= least
    return np.where(keep[pieces], labels, 0)
