"""Anchors that fit the objects of a training set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import ModelBundle, Sample
from napari_segplugin.networks import is_detector, network_row

_CELLS = 4
_LEAST_STEP = 1.4


def object_sides(samples: Sequence[Sample], ndim: int) -> np.ndarray:
    """Sides of the boxes around all objects, (N, ndim), in voxels."""
    found = [np.zeros((0, ndim))]
    for sample in samples:
        if sample.instances is None:
            continue
        numbers, inverse = np.unique(sample.instances, return_inverse=True)
        boxes = ndi.find_objects(inverse.reshape(sample.instances.shape) + int(numbers[0] != 0))
        found.append(np.array([[s.stop - s.start for s in box] for box in boxes], float).reshape(-1, ndim))
    return np.concatenate(found)


def suggest_options(samples: Sequence[Sample], ndim: int, *, levels: int = 3) -> dict[str, Any]:
    """Strides and anchors of Mask R-CNN that suit the objects of some samples.

    The finest level of the pyramid shows even the smallest tenth of the objects on four cells. Anchors spread evenly on a
    log scale between the 5th and the 95th percentile of the sizes and have the usual shape of an object.

    Parameters
    ----------
    samples : sequence of Sample
    ndim : int
    levels : int
        Levels of the pyramid: widths of the network less one.

    Returns
    -------
    dict
        "strides" and "anchor_sizes", to be set beside other options; empty where there are no objects.

    Examples
    --------
    >>> from napari_segplugin.core import Image
    >>> labels = np.kron(np.arange(1, 10).reshape(3, 3), np.pad(np.ones((10, 10), int), 2))
    >>> suggest_options([Sample(Image(labels, "YX"), labels > 0, labels)], 2)["anchor_sizes"]
    ((7, 7), (10, 10), (14, 14))
    """
    sides = object_sides(samples, ndim)
    if not len(sides):
        return {}
    plane, size = sides[:, -2:].min(1), np.exp(np.log(sides).mean(1))
    first = [_finest(plane)] * 2 if ndim == 2 else [_finest(sides[:, 0]), *[_finest(plane)] * 2]
    strides, depth = [tuple(first)], first[0]
    for _ in range(levels - 1):
        # planes that lie far apart are not pooled before there are enough of them in an object
        deep = 2 if ndim == 2 or float(np.median(sides[:, 0])) / depth >= 2 * _CELLS else 1
        strides.append((deep, 2, 2)[-ndim:])
        depth *= deep
    low, high = np.percentile(size, [5, 95])
    step = max(float(high / low) ** (1 / levels), _LEAST_STEP)
    shape = np.exp(np.log(sides / size[:, None]).mean(0))
    middle = math.sqrt(float(low * high))
    sizes = [middle * step ** (k - (levels - 1) / 2) for k in range(levels)]
    return {
        "strides": tuple(strides),
        "anchor_sizes": tuple(tuple(max(1.0, round(float(s * v))) for v in shape) for s in sizes),
    }


def _finest(sides: np.ndarray) -> int:
    """The largest of the strides 1, 2, 4, 8 that leaves the smallest tenth of the objects on enough cells."""
    small = float(np.percentile(sides, 10)) / _CELLS
    return int(2 ** min(3, max(0, math.floor(math.log2(max(small, 1))))))


def fit_to_objects(bundle: ModelBundle, samples: Sequence[Sample]) -> ModelBundle:
    """The bundle with anchors for these objects, if its network has anchors, is not trained, and none were given.

    Weights do not depend on strides and anchors, so they stay.
    """
    spec = bundle.spec
    given = [k for k in ("strides", "anchor_sizes") if spec.options.get(k) is not None]
    if not is_detector(spec) or bundle.history or given:
        return bundle
    own = {**network_row(spec).options, **spec.options}
    plain = own["encoder"] == "plain"
    found = suggest_options(samples, spec.ndim, levels=len(own["widths"]) - 1 if plain else 5)
    options = {**spec.options, **{k: v for k, v in found.items() if plain or k != "strides"}}
    return replace(bundle, spec=replace(spec, options=options))


__all__ = ["fit_to_objects", "object_sides", "suggest_options"]
