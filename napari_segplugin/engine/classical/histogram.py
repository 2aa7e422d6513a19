"""Counts of the intensities of an image, for a threshold that is dragged. No torch."""

from __future__ import annotations

import numpy as np

from napari_segplugin.core import Image
from napari_segplugin.engine.classical.source import Source

_ENOUGH = 2**22


def histogram(image: Image, channel: int = -1, bins: int = 128) -> tuple[np.ndarray, float, float]:
    """Count the voxels of an image by value.

    Parameters
    ----------
    image : Image
        Of a large one a sample is counted.
    channel : int
        -1 for all, whose mean is taken.
    bins : int

    Returns
    -------
    counts : (bins,) ndarray of int
    low, high : float
        The ends: the 0.01st and the 99.99th percentile, so that one hot voxel does not squeeze all others together.

    Examples
    --------
    >>> counts, low, high = histogram(Image(np.arange(256.0).reshape(16, 16), "YX"), bins=4)
    >>> counts.tolist()
    [64, 64, 64, 64]
    """
    values = Source(image, channel).sample(_ENOUGH).astype(np.float64).mean(0)
    values = values[np.isfinite(values)]
    if not values.size:
        return np.zeros(bins, int), 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (0.01, 99.99)))
    high = high if high > low else low + 1.0
    return np.histogram(np.clip(values, low, high), bins, (low, high))[0], low, high


__all__ = ["histogram"]
