"""Copies of what was painted."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError
from napari_segplugin.viewer.corrections import (
    OBJECTS,
    corrections_from_layers,
    corrections_layer,
    count_paint,
    paint_colors,
    reviewed_layer,
)

COLORS = paint_colors(ClassTable.named(["cell"]), OBJECTS)


def test_the_copy_does_not_change_when_painting_goes_on() -> None:
    image = ImageLayer(np.zeros((8, 9)))
    layer = corrections_layer(image, "YX", COLORS)
    layer.data[2, 3] = 1
    copied = corrections_from_layers(image, "YX", paint=layer)
    layer.data[:] = 5
    assert copied.paint.sum() == 1
    assert not copied.empty


def test_strokes_come_in_canonical_order() -> None:
    image = ImageLayer(np.zeros((7, 6, 5)), axis_labels=("x", "y", "z"))
    layer = corrections_layer(image, "XYZ", COLORS)
    layer.data[1, 2, 3] = 4
    assert corrections_from_layers(image, "XYZ", paint=layer).paint[3, 2, 1] == 4


def test_the_inside_of_a_rectangle_is_reviewed_on_its_plane_only() -> None:
    image = ImageLayer(np.zeros((3, 20, 20)), scale=(2, 0.5, 0.5))
    area = reviewed_layer(image, "ZYX")
    area.add_rectangles(np.array([[1, 5, 5], [1, 5, 15], [1, 12, 15], [1, 12, 5]]))
    mask = corrections_from_layers(image, "ZYX", reviewed=area, result=Labels(np.zeros((3, 20, 20), int))).reviewed
    assert mask is not None
    assert mask[1, 8, 8]
    assert not mask[0].any()
    assert not mask[1, 0].any()


def test_a_line_has_no_inside() -> None:
    image = ImageLayer(np.zeros((20, 20)))
    area = reviewed_layer(image, "YX")
    area.add_lines(np.array([[1, 1], [9, 9]]))
    with pytest.raises(InputError, match="that encloses nothing"):
        corrections_from_layers(image, "YX", reviewed=area)


def test_layers_of_another_image_are_refused() -> None:
    layer = corrections_layer(ImageLayer(np.zeros((8, 9))), "YX", COLORS)
    with pytest.raises(InputError, match="does not lie over"):
        corrections_from_layers(ImageLayer(np.zeros((4, 4))), "YX", paint=layer)


def test_kept_strokes_of_another_image_are_refused() -> None:
    with pytest.raises(InputError, match="another image"):
        corrections_layer(ImageLayer(np.zeros((8, 9))), "YX", COLORS, np.zeros((3, 3), np.uint16))


def test_strokes_and_voxels_are_counted() -> None:
    paint = np.zeros((6, 6), np.uint16)
    paint[0, :3] = 1
    paint[4, 4] = 1
    paint[2, 2:4] = BACKGROUND_PAINT
    assert count_paint(paint) == {1: (2, 4), BACKGROUND_PAINT: (1, 2)}
    assert count_paint(np.zeros((3, 3), np.uint16)) == {}


def test_one_time_point_can_be_taken() -> None:
    image = ImageLayer(np.zeros((3, 5, 6)))
    layer = corrections_layer(image, "TYX", COLORS)
    layer.data[2, 1, 1] = 1
    copied = corrections_from_layers(image, "TYX", paint=layer)
    assert copied.frame(2).paint.sum() == 1
    assert copied.frame(0).empty
