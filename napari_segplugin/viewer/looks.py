"""Which planes of a volume canvases show, and what of them is seen. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Box

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def plane_orders(order: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The orders of the axes that show the other two planes of a volume.

    Parameters
    ----------
    order : sequence of int
        Of the viewer: its last two axes are on the screen, the one before is cut.

    Returns
    -------
    tuple of tuple of int
        Each cuts one of the axes on the screen of the viewer. On the screen is what is left in the order of the array, so the
        first axis, which is the height of a patient, runs along the height of the screen.

    Examples
    --------
    >>> plane_orders((0, 1, 2))
    ((1, 0, 2), (2, 0, 1))
    >>> plane_orders((0, 2, 3, 1))
    ((0, 3, 1, 2), (0, 1, 2, 3))
    """
    lead, space = tuple(order[:-3]), tuple(order[-3:])
    return tuple((*lead, cut, *sorted(a for a in space if a != cut)) for cut in space[1:])


@dataclass(frozen=True)
class PlaneLook:
    """What is seen on one canvas.

    Parameters
    ----------
    canvas : int
        0 is that of the viewer, 1 and 2 are the others.
    axis : int
        The axis of the viewer that is cut.
    shown : tuple of int
        The axes of the viewer on the screen, rows first.
    point : tuple of float
        Where the planes meet, in world coordinates along all axes.
    low, high : tuple of float
        Corners of what is on the screen, in world coordinates along `shown`.
    """

    canvas: int
    axis: int
    shown: tuple[int, ...]
    point: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def region(self, layer: Layer) -> Box:
        """The voxels of a layer that are seen: one plane, and of that what is on the screen.

        Parameters
        ----------
        layer : napari.layers.Layer
            An image or labels.

        Returns
        -------
        tuple of slice
            One an axis of the array, without colour; empty ones where the layer is not on the screen.
        """
        corners = np.tile(np.asarray(self.point, float), (4, 1))
        for i, axis in enumerate(self.shown):
            corners[:, axis] = [(self.low, self.high)[k >> i & 1][i] for k in range(4)]
        voxels = np.array([layer.world_to_data(c) for c in corners], float)[:, -layer.ndim :]
        shape = layer.data[0].shape if getattr(layer, "multiscale", False) else layer.data.shape
        # half a voxel: a voxel reaches as far to both sides of its middle
        first = np.clip(np.floor(voxels.min(0) + 0.5), 0, shape[: layer.ndim]).astype(int)
        last = np.clip(np.floor(voxels.max(0) + 0.5) + 1, 0, shape[: layer.ndim]).astype(int)
        return tuple(slice(int(a), int(max(a, b))) for a, b in zip(first, last, strict=True))


def canvas_size(viewer: ViewerModel) -> tuple[int, int]:
    """Height and width of the canvas of a viewer, in pixels; napari moved it in 0.9."""
    canvas = getattr(viewer, "canvas", None)
    height, width = getattr(viewer, "_canvas_size", (0, 0)) if canvas is None else canvas.size
    return int(height), int(width)


__all__ = ["PlaneLook", "canvas_size", "plane_orders"]
