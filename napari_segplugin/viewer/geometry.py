"""Where a label array lies in the world of the layer that it came from.

An image layer may have axes that labels do not have (channels). Labels drop a leading channel axis. A channel axis in
the middle is kept with length one and stretched over all channels, because napari aligns layers by their last axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from napari_segplugin.core import Box, check_axes
from napari_segplugin.core.types import Array

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.transforms import Affine
    from pint import Unit

CANONICAL = "TZYX"


def label_axes(axes: str) -> str:
    """Axes of the labels of an image, in canonical order: `axes` without C.

    Examples
    --------
    >>> label_axes("XYC"), label_axes("ZCYX")
    ('YX', 'ZYX')
    """
    return "".join(a for a in CANONICAL if a in axes)


def layer_axes(axes: str, rgb: bool = False) -> str:
    """Axes of the label *layer* of an image layer: a leading C is dropped, another C is kept with length one.

    Parameters
    ----------
    axes : str
        Axes of the image's array.
    rgb : bool
        True where the last axis is colour, which napari does not count as a dimension.

    Examples
    --------
    >>> layer_axes("CZYX"), layer_axes("ZCYX"), layer_axes("YXC", rgb=True)
    ('ZYX', 'ZCYX', 'YX')
    """
    if rgb:
        axes = axes[:-1]
    return axes[1:] if axes.startswith("C") else axes


def to_layer_order(labels: np.ndarray, axes: str, rgb: bool = False) -> np.ndarray:
    """Turn canonical labels (T, Z, Y, X) into the array of the label layer; a view, not a copy.

    Parameters
    ----------
    labels : ndarray
        Axes ``label_axes(axes)``.
    axes : str
        Axes of the image's array.
    rgb : bool
    """
    have, want = label_axes(axes), layer_axes(axes, rgb)
    moved = labels.transpose([have.index(a) for a in want if a != "C"])
    return np.expand_dims(moved, want.index("C")) if "C" in want else moved


def box_in_layer(box: Box, axes: str, rgb: bool = False) -> Box:
    """A box in canonical labels (T, Z, Y, X) as one in the array of the label layer.

    Parameters
    ----------
    box : tuple of slice
        Along ``label_axes(axes)``.
    axes : str
        Axes of the image's array.
    rgb : bool

    Examples
    --------
    >>> box_in_layer((slice(1, 2), slice(3, 5)), "XYC", rgb=True)
    (slice(3, 5, None), slice(1, 2, None))
    """
    have = dict(zip(label_axes(axes), box, strict=True))
    return tuple(have.get(a, slice(0, 1)) for a in layer_axes(axes, rgb))


def to_canonical(array: np.ndarray, axes: str, rgb: bool = False) -> np.ndarray:
    """Turn the array of a label layer into canonical order (T, Z, Y, X); a view, not a copy."""
    have, want = layer_axes(axes, rgb), label_axes(axes)
    if "C" in have:
        array = np.take(array, 0, axis=have.index("C"))
        have = have.replace("C", "")
    moved: np.ndarray = array.transpose([have.index(a) for a in want])
    return moved


class Placement(TypedDict):
    """Where a layer lies: keyword arguments of every class of layers."""

    scale: Sequence[float]
    translate: Sequence[float]
    rotate: np.ndarray
    shear: np.ndarray
    affine: Affine | np.ndarray
    units: tuple[Unit | str, ...]
    axis_labels: tuple[str, ...]


def placement(layer: Layer, axes: str, origin: tuple[int, ...] = (), pooled: int = 1) -> Placement:
    """Scale, translate, rotate, shear, affine, units and axis labels for a label layer over an image layer.

    Parameters
    ----------
    layer : napari.layers.Layer
        The image.
    axes : str
        Axes of the image's array.
    origin : tuple of int, optional
        First voxel of the labels, axes ``label_axes(axes)``; the first voxel of the image by default.
    pooled : int
        Rows and columns of the image that are one of the labels; `origin` counts in those of the labels.

    Returns
    -------
    dict
        Keyword arguments of ``napari.layers.Labels``.
    """
    rgb = bool(getattr(layer, "rgb", False))
    check_axes(axes, layer.ndim + rgb)
    shown = axes[:-1] if rgb else axes
    want = layer_axes(axes, rgb)
    first = dict(zip(label_axes(axes), origin or (0,) * len(label_axes(axes)), strict=True))
    start, scale = np.zeros(len(shown)), np.array(layer.scale, float)
    if "C" in want:
        at, n = shown.index("C"), _level0(layer).shape[shown.index("C")]
        start[at], scale[at] = (n - 1) / 2, scale[at] * n
    for i, axis in enumerate(shown):
        start[i] = first.get(axis, start[i])
        if pooled > 1 and axis in "YX":
            # the middle of the first square lies between voxels
            start[i], scale[i] = start[i] * pooled + (pooled - 1) / 2, scale[i] * pooled
    shear = _shear_matrix(layer.shear, layer.ndim)
    linear = np.asarray(layer.rotate) @ shear @ np.diag(layer.scale)
    kept = [i for i, a in enumerate(shown) if a in want]
    block = np.ix_(kept, kept)
    return {
        "scale": scale[kept].tolist(),
        "translate": (np.asarray(layer.translate) + linear @ start)[kept].tolist(),
        "rotate": np.asarray(layer.rotate)[block],
        "shear": shear[block],
        "affine": layer.affine.set_slice(kept).affine_matrix,
        "units": tuple(str(layer.units[i]) for i in kept),
        "axis_labels": tuple(layer.axis_labels[i] for i in kept),
    }


def _shear_matrix(shear: np.ndarray, ndim: int) -> np.ndarray:
    """The shear of a layer as a matrix; napari gives the values above the diagonal where that is enough."""
    given: np.ndarray = np.asarray(shear, float)
    if given.ndim == 2:
        return given
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = given
    return matrix


def _level0(layer: Layer) -> Array:
    """The array of a layer; of a pyramid the finest level."""
    return cast("Array", layer.data[0] if layer.multiscale else layer.data)


def visible_region(layer: Layer, axes: str, corners: np.ndarray) -> tuple[slice, ...]:
    """The box of the image that is on the screen, as slices along Z, Y, X as far as the image has them.

    Parameters
    ----------
    layer : napari.layers.Layer
    axes : str
    corners : (2, ndim) ndarray
        Two corners of the canvas in data coordinates of the layer (``layer.corner_pixels``).
    """
    shape = _level0(layer).shape
    out = []
    for axis in (a for a in "ZYX" if a in axes):
        i = axes.index(axis)
        low = int(np.clip(np.floor(corners[0][i]), 0, shape[i] - 1))
        high = int(np.clip(np.ceil(corners[1][i]), low, shape[i] - 1))
        out.append(slice(low, high + 1))
    return tuple(out)
