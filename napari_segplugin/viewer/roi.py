"""Pieces of layers and surfaces of objects as layers, where they lie. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer, Surface
from napari.utils.colormaps import Colormap

from napari_segplugin.core import InputError, Place
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.surfaces import smooth, surface_of_mask
from napari_segplugin.viewer.layers import axes_of_layer, level0, segmentation_to_layer
from napari_segplugin.viewer.panels import placed
from napari_segplugin.viewer.writers import axes_of_labels

if TYPE_CHECKING:
    from napari_segplugin.engine.roi import Piece


def layers_of_crop(piece: Piece, like: ImageLayer) -> list[Layer]:
    """The image of a piece and its labels, over the layer that it was cut out of.

    Parameters
    ----------
    piece : Piece
        With its axes in the order of the layer's array.
    like : napari.layers.Image
    """
    axes = axes_of_layer(like)[0]
    start = dict(zip([a for a in "ZYX" if a in axes], (s.start for s in piece.region), strict=True))
    first = np.array([start.get(a, 0) for a in axes[: like.ndim]], float)
    moved = np.asarray(like.data_to_world(first)) - np.asarray(like.data_to_world(np.zeros(like.ndim)))
    inner = np.linalg.solve(like.affine.linear_matrix, moved)
    where = placed(like) | {"translate": (np.asarray(like.translate) + inner).tolist()}
    image = ImageLayer(
        np.asarray(piece.image.array),
        name=f"{like.name} {piece.name}",
        rgb=like.rgb,
        metadata={"segplugin": {**piece.image.metadata, **_remembered(like, start)}},
        **where,
    )
    if not like.rgb:
        image.colormap, image.contrast_limits = like.colormap, like.contrast_limits
    if piece.segmentation is None:
        return [image]
    origin: list[Json] = [s.start for s in piece.region]
    labels = replace(piece.segmentation, recipe={**piece.segmentation.recipe, "origin": origin})
    return [image, segmentation_to_layer(labels, like, axes, name=f"{piece.segmentation.name} {piece.name}")]


def _remembered(like: ImageLayer, start: Mapping[str, int]) -> JsonDict:
    """What the layer of a piece remembers of its place: that of the whole, moved to the first voxel of the piece."""
    about = json_object(like.metadata.get("segplugin")) if isinstance(like.metadata, Mapping) else {}
    kept = {key: about[key] for key in ("place", "scene") if about.get(key)}
    return kept if "place" not in kept else {**kept, "place": Place.from_json(kept["place"]).at(start).to_json()}


def surface_layer(layer: Labels, numbers: np.ndarray, name: str) -> Surface:
    """The surface of objects of a labels layer as a layer in the same place, smoothed as surfaces in files are.

    Parameters
    ----------
    layer : napari.layers.Labels
    numbers : (N,) ndarray of int
        Objects that have one surface together.
    name : str
        What is said of them in the name of the layer.

    Raises
    ------
    InputError
        If the labels are no volume, or there are no such objects.
    """
    axes = axes_of_labels(layer.ndim, layer.axis_labels)
    if sorted(axes) != sorted("ZYX"):
        raise InputError("A surface needs a volume.", got=f"labels with the axes '{axes}'", accepted="Z, Y, X")
    mask = np.isin(np.asarray(level0(layer)), numbers[numbers != 0])
    if not mask.any():
        raise InputError("There is nothing to make a surface of.", hint="Choose an object that is in the layer.")
    box = tuple(slice(*np.flatnonzero(mask.any(axis=tuple(j for j in range(3) if j != i)))[[0, -1]]) for i in range(3))
    box = tuple(slice(s.start, s.stop + 1) for s in box)
    found = smooth(surface_of_mask(mask[box]))
    # x, y, z to the order of the array; that mirrors, so the triangles are turned to face outwards again
    vertices = found.vertices[:, ::-1] + [s.start for s in box]
    color = layer.get_color(int(numbers[0]))
    rgba = np.ones(4) if color is None else np.asarray(color, float)
    return Surface(
        (vertices, found.faces[:, ::-1], np.ones(len(vertices))),
        name=f"{layer.name} · surface of {name}",
        colormap=Colormap(np.stack([rgba, rgba]), name=f"surface {name}"),
        contrast_limits=(0, 1),
        **cast("dict[str, object]", placed(layer)),
    )


__all__ = ["layers_of_crop", "surface_layer"]
