"""What of a layer is on the screen. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


@dataclass(frozen=True)
class Shown:
    """What of a layer is on the screen.

    Parameters
    ----------
    axes : tuple of int
        Axes of its array that are shown, in the order of the screen.
    index : tuple of int
        The slice along all axes; 0 along those that are shown.
    """

    axes: tuple[int, ...]
    index: tuple[int, ...]

    def at(self, part: Box) -> Box:
        """Where a part of what is shown, in the order of the array, lies in the array of the layer."""
        index: list[slice] = [slice(i, i + 1) for i in self.index]
        for axis, side in zip(sorted(self.axes), part, strict=True):
            index[axis] = side
        return tuple(index)

    def of(self, array: Array) -> np.ndarray:
        """What is shown of an array like that of the layer, in the order of the screen."""
        sizes = tuple(int(array.shape[a]) for a in sorted(self.axes))
        part = np.asarray(array[self.at(tuple(slice(0, n) for n in sizes))]).reshape(sizes)
        return part.transpose([sorted(self.axes).index(a) for a in self.axes])


def shown_of(viewer: ViewerModel, layer: Layer) -> Shown | None:
    """What of a layer is on the screen; None where its axes are not those of the screen.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
        One with an array, and no pyramid.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> layer = viewer.add_labels(np.zeros((3, 4, 5), int))
    >>> shown_of(viewer, layer)
    Shown(axes=(1, 2), index=(1, 0, 0))
    """
    dims = viewer.dims
    offset = dims.ndim - layer.ndim
    axes = tuple(int(d) - offset for d in dims.displayed)
    if min(axes, default=-1) < 0 or layer.multiscale:
        return None
    point = np.asarray(layer.world_to_data(np.asarray(dims.point, float)[offset:]))
    index = np.round(point).astype(int)
    hidden = [a for a in range(layer.ndim) if a not in axes]
    shape = cast("Array", layer.data).shape
    if any(not 0 <= index[a] < shape[a] for a in hidden):
        return None
    return Shown(axes, tuple(int(i) if a in hidden else 0 for a, i in enumerate(index)))


__all__ = ["Shown", "shown_of"]
