"""What a technique shows beside its labels, as a layer of the viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from test_classical import choose

from napari_segplugin.classical.colour.clusters import quantised
from napari_segplugin.core import ClassicalRecipe, Image, InputError
from napari_segplugin.engine.classical.pictures import companion
from napari_segplugin.viewer.companions import blocks_layer, colours_layer

pytestmark = pytest.mark.qt


def colours(shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    """An RGB image of four colours, with noise, channels last."""
    rng = np.random.default_rng(0)
    means = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 220)])
    return (means[np.arange(shape[1]) * 4 // shape[1]] + rng.integers(-5, 6, (*shape, 3))).astype(np.uint8)


def test_the_colours_of_the_classes_become_an_rgb_layer_over_the_image() -> None:
    array = colours()
    layer = ImageLayer(array, rgb=True, scale=(0.5, 0.5), translate=(3, 4), name="photo")
    image = Image(np.moveaxis(array, -1, 0), "CYX")
    found = colours_layer(companion(image, ClassicalRecipe("kmeans", {"classes": 4})), layer, "YXC")
    assert found.rgb
    assert found.data.shape == array.shape
    assert len(np.unique(found.data.reshape(-1, 3), axis=0)) == 4
    assert np.abs(found.data.astype(int) - array).max() <= 12
    assert (found.scale == layer.scale).all()
    assert (found.translate == layer.translate).all()


def test_sixteen_bits_and_floats_are_brought_to_what_a_viewer_shows() -> None:
    layer = ImageLayer(colours(), rgb=True)
    deep = np.moveaxis(colours(), -1, 0).astype(np.uint16) * 200
    assert colours_layer(quantised(deep, 4), layer, "YXC").data.dtype == np.uint8
    assert colours_layer(deep.astype(np.float32), layer, "YXC").data.max() == 1


def test_a_gray_volume_keeps_its_axes_and_one_frame_its_place() -> None:
    movie = ImageLayer(np.zeros((5, 20, 30)), scale=(2, 1, 1), name="movie")
    found = colours_layer(np.ones((1, 20, 30), np.uint8), movie, "TYX", frame=3)
    assert found.data.shape == (1, 20, 30)
    assert found.translate[0] == 6
    lines = blocks_layer(np.ones((4, 20, 30), np.int32), ImageLayer(np.zeros((4, 20, 30))), "ZYX")
    assert lines.data.shape == (4, 20, 30)


def test_two_channels_have_no_colours() -> None:
    with pytest.raises(InputError, match="only for one channel or three"):
        colours_layer(np.zeros((2, 8, 8)), ImageLayer(np.zeros((8, 8))), "YX")


def test_a_technique_without_another_picture_says_so() -> None:
    with pytest.raises(InputError, match="no additional picture"):
        companion(Image(np.arange(64.0).reshape(8, 8), "YX"), ClassicalRecipe("threshold"))


def test_lines_lie_where_blocks_begin() -> None:
    array = np.zeros((16, 16), np.float32)
    array[:8, :8] = 9
    lines = companion(Image(array, "YX"), ClassicalRecipe("split_merge"))
    assert (lines[8] == 2).all()
    assert (lines[:, 8] == 2).all()
    assert not lines[1:8, 1:8].any()


@pytest.mark.parametrize(("technique", "name"), [("kmeans", "in its colours"), ("split_merge", "blocks of")])
def test_the_button_adds_the_layer_once(with_image: Any, qtbot: Any, technique: str, name: str) -> None:
    page = choose(with_image, technique)
    assert not page.companion_button.isHidden()
    for _ in range(2):
        page.companion_button.click()
        qtbot.waitUntil(lambda: any(name in layer.name for layer in with_image.viewer.layers), timeout=10000)
    assert sum(name in layer.name for layer in with_image.viewer.layers) == 1
    choose(with_image, "threshold")
    assert page.companion_button.isHidden()
