"""Clicks and rectangles of layers become voxels and slices in canonical order."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from napari_segplugin.core import InputError
from napari_segplugin.viewer.corrections import corrections_from_layers
from napari_segplugin.viewer.weak import use_class, weak_layer, with_weak


def test_coordinates_follow_the_axes_of_the_image() -> None:
    image = ImageLayer(np.zeros((30, 20, 6)), axis_labels=("x", "y", "z"))
    points, boxes = weak_layer("points", image, "XYZ"), weak_layer("boxes", image, "XYZ")
    points.add([21, 12, 3])
    boxes.add_rectangles(np.array([[10.2, 4.0, 2], [15.8, 4.0, 2], [15.8, 9.0, 2], [10.2, 9.0, 2]]))
    copied = with_weak(corrections_from_layers(image, "XYZ"), image, "XYZ", points=points, boxes=boxes)
    assert copied.points is not None
    assert copied.points.tolist() == [[3, 12, 21]]
    assert copied.boxes == ((slice(2, 3), slice(4, 10), slice(11, 16)),)


def test_a_time_point_has_its_own_marks() -> None:
    image = ImageLayer(np.zeros((3, 20, 20)), axis_labels=("t", "y", "x"))
    points, boxes = weak_layer("points", image, "TYX"), weak_layer("boxes", image, "TYX")
    points.add(np.array([[0, 5, 5], [2, 7, 8]]))
    boxes.add_rectangles(np.array([[1, 2, 2], [1, 2, 6], [1, 6, 6], [1, 6, 2]]))
    copied = with_weak(corrections_from_layers(image, "TYX"), image, "TYX", points=points, boxes=boxes)
    assert copied.frame(2).points.tolist() == [[7, 8]]  # type: ignore[union-attr]
    assert copied.frame(2).boxes == ()
    assert copied.frame(1).boxes == ((slice(2, 7), slice(2, 7)),)
    assert copied.frame(1).points.shape == (0, 2)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["points", "boxes"])
def test_what_is_added_later_has_the_class_chosen_then(kind: str) -> None:
    image = ImageLayer(np.zeros((20, 20)))
    layer = weak_layer(kind, image, "YX")

    def add() -> None:
        layer.add([3, 3] if kind == "points" else np.array([[1, 1], [1, 5], [5, 5], [5, 1]]))

    add()
    use_class(layer, 2)
    add()
    copied = with_weak(corrections_from_layers(image, "YX"), image, "YX", **{kind: layer})
    assert (copied.point_class or copied.box_class) == (1, 2)


def test_an_ellipse_is_no_box() -> None:
    image = ImageLayer(np.zeros((20, 20)))
    layer = weak_layer("boxes", image, "YX")
    layer.add_ellipses(np.array([[1, 1], [1, 5], [5, 5], [5, 1]]))
    with pytest.raises(InputError, match="not a rectangle"):
        with_weak(corrections_from_layers(image, "YX"), image, "YX", boxes=layer)
