"""Layers that a technique gives beside its labels. No Qt, no torch."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels

from napari_segplugin.core import InputError
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order


def colours_layer(values: np.ndarray, like: Image, axes: str, frame: int | None = None) -> Image:
    """An image in few colours as a layer over the image that it was made of.

    Parameters
    ----------
    values : (C, [Z,] Y, X) ndarray
        Three channels become an RGB layer, one a gray layer.
    like : napari.layers.Image
    axes : str
        Of the array of the image layer.
    frame : int, optional
        The time point that it was made of.

    Raises
    ------
    InputError
        If there are two channels, or more than three.
    """
    if len(values) not in (1, 3):
        raise InputError(
            "Colours can be shown only for one channel or three.",
            got=f"{len(values)} channels",
            hint="Choose a single channel.",
        )
    placed = [_ordered(channel, like, axes) for channel in values]
    where = placement(like, axes, _origin(placed[0], axes, frame))
    if len(values) == 1:
        return Image(placed[0], name=f"{like.name} in its colours", colormap="gray", **where)
    array = np.stack(placed, axis=-1)
    if array.dtype.kind == "f" and array.max() > 1:
        array = array / array.dtype.type(array.max())
    elif array.dtype.kind in "iu" and array.dtype != np.uint8:
        array = np.asarray(array / max(1, int(array.max())) * 255).astype(np.uint8)
    return Image(array, rgb=True, name=f"{like.name} in its colours", **where)


def blocks_layer(lines: np.ndarray, like: Image, axes: str, frame: int | None = None) -> Labels:
    """The borders of blocks as a layer over the image, a colour for each depth of the tree.

    Parameters
    ----------
    lines : ([Z,] Y, X) ndarray of int
    like, axes, frame
        As in :func:`colours_layer`.
    """
    array = _ordered(lines, like, axes)
    where = placement(like, axes, _origin(array, axes, frame))
    return Labels(array, name=f"blocks of {like.name}", opacity=0.7, **where)


def _ordered(array: np.ndarray, like: Image, axes: str) -> np.ndarray:
    """In the order of the layer, with an axis T of one where the layer has one."""
    full = array.reshape((1,) * (len(label_axes(axes)) - array.ndim) + array.shape)
    return to_layer_order(full, axes, bool(getattr(like, "rgb", False)))


def _origin(array: np.ndarray, axes: str, frame: int | None) -> tuple[int, ...]:
    return () if frame is None else (frame, *(0,) * (array.ndim - 1))


__all__ = ["blocks_layer", "colours_layer"]
