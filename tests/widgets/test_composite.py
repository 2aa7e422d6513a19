"""Bands as colors in the dock."""

import numpy as np
import pytest
from dock_helpers import add_image

pytestmark = pytest.mark.qt


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_three_bands_become_a_layer_of_their_own(dock, qtbot, dtype):
    array = np.random.default_rng(0).integers(0, 250, (4, 30, 40)).astype(dtype)
    names = ["blue", "green", "red", "nir"]
    layer = add_image(
        dock,
        qtbot,
        array,
        name="field",
        axis_labels=("c", "y", "x"),
        scale=(1, 0.5, 0.5),
        metadata={"segplugin": {"bands": names}},
    )
    fold = dock.image_step.composite
    assert not fold.isHidden()
    assert [fold.choices[0].itemText(i) for i in range(4)] == names
    assert fold.bands == (2, 1, 0)
    fold.choices[0].setCurrentIndex(3)
    fold.choices[2].setCurrentIndex(1)
    for _ in range(2):  # a second time replaces the first
        fold.button.click()
        qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    assert [a.name for a in dock.viewer.layers] == ["field", "field: nir, green, green"]
    shown = dock.viewer.layers[1]
    assert shown.rgb
    np.testing.assert_array_equal(shown.scale, [0.5, 0.5])
    np.testing.assert_array_equal(shown.data[..., 1], shown.data[..., 2])
    if dtype == np.uint8:
        np.testing.assert_array_equal(shown.data[..., 0], array[3])
    assert dock.image_step.layer is layer
    assert dock.image_step.image().n_channels == 4


def test_an_image_of_one_band_is_not_asked(with_image):
    assert with_image.image_step.composite.isHidden()
