"""Places where an object may have been missed: as bright (or dark) as the objects, of their size and compact."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box
from napari_segplugin.data.signs import ENOUGH, ObjectSigns, Scene, measured

_SHARE = 0.5
"""Of the usual contrast of an object, from which a place stands out."""
_SIZES = (0.3, 3.0)
"""Smallest and largest, as a multiple of the usual size."""
_COMPACT = 0.85
_FREE = 0.15
"""Share of the surroundings that may lie beside a known object."""


def missed(scene: Scene, known: ObjectSigns) -> list[Box]:
    """Places that look like the objects and belong to none.

    Parameters
    ----------
    scene : Scene
        With the image.
    known : ObjectSigns
        The objects of the scene.

    Returns
    -------
    list of tuple of slice
        Their boxes. Nothing at the border of the image, nothing beside an object, and nothing where there are only a few objects.

    Examples
    --------
    >>> picture = np.zeros((20, 110))
    >>> for i in range(10):
    ...     picture[8:13, 5 + 10 * i : 10 + 10 * i] = 9
    >>> labels = (picture > 0) * (np.arange(110) // 10 + 1)
    >>> labels[:, 50:60] = 0
    >>> scene = Scene.of(labels, picture)
    >>> missed(scene, measured(scene))
    [(slice(8, 13, None), slice(55, 60, None))]
    """
    light = scene.light
    if light is None or len(known.number) < ENOUGH:
        return []
    contrast = float(np.nanmedian(known.contrast))
    if contrast <= 0:
        return []
    taken = (scene.lab > 0) | (light.near > 0)
    pieces, n = ndi.label((light.bright * (light.smooth - light.ground) > _SHARE * contrast) & ~taken)
    if not n:
        return []
    found = measured(Scene.of(pieces, None, scene.spacing))
    times = found.size / np.median(known.size)
    keep = (times >= _SIZES[0]) & (times <= _SIZES[1]) & (found.fill >= _COMPACT) & ~found.cut
    boxes = ndi.find_objects(pieces)
    return [boxes[i - 1] for i in found.number[keep].tolist() if _free(pieces, taken, i, boxes[i - 1])]


def _free(pieces: np.ndarray, taken: np.ndarray, number: int, box: Box) -> bool:
    """Whether hardly anything around a piece lies beside a known object."""
    wide = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
    mine = pieces[wide] == number
    ring = ndi.binary_dilation(mine, iterations=2) & ~mine
    return bool((taken[wide] & ring).sum() <= _FREE * max(1, ring.sum()))


__all__ = ["missed"]
