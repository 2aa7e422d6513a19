"""Which channels of an image a model sees, chosen in the dock."""

from __future__ import annotations

import numpy as np


def two_channels(values: int = 200) -> np.ndarray:
    array = np.zeros((2, 40, 50), np.uint16)
    array[1, 10:20, 10:20] = values
    return array


def test_a_choice_is_offered_where_there_is_one_and_kept_for_each_layer(dock) -> None:
    row = dock.image_step.channels
    one = dock.viewer.add_image(np.zeros((40, 50)), name="one")
    dock.image_step.refresh()
    dock.image_step.choose(one)
    assert row._row.isHidden()
    two = dock.viewer.add_image(two_channels(), name="two", axis_labels=("c", "y", "x"))
    dock.image_step.refresh()
    dock.image_step.choose(two)
    assert not row._row.isHidden()
    assert dock.image_step.image().n_channels == 2
    row.choice.setCurrentIndex(row.choice.findData("2"))
    row._take()
    assert dock.image_step.image().n_channels == 1
    assert dock.image_step.image().read().max() == 200
    dock.image_step.choose(one)
    assert dock.image_step.image().n_channels == 1
    dock.image_step.choose(two)
    assert dock.image_step.image().metadata["channels"] == "2"


def test_a_model_fits_once_a_channel_is_chosen(dock) -> None:
    layer = dock.viewer.add_image(np.tile(two_channels(), (3, 1, 1))[:5], name="five", axis_labels=("c", "y", "x"))
    dock.image_step.refresh()
    dock.image_step.choose(layer)
    step = dock.method_step
    keys = [step.weights_choice.itemData(i) for i in range(step.weights_choice.count())]
    assert [k[0] for k in keys] == ["scratch"]
    assert "Channels" in step.note.text()
    row = dock.image_step.channels
    row.choice.setEditText("2")
    row._take()
    keys = [step.weights_choice.itemData(i) for i in range(step.weights_choice.count())]
    assert any(k[0] == "shipped" for k in keys)
    assert step.weights_choice.currentData()[0] == "shipped"
    assert "Channels" not in step.note.text()


def test_what_is_not_there_is_said_and_can_be_mended(dock) -> None:
    layer = dock.viewer.add_image(two_channels(), name="two", axis_labels=("c", "y", "x"))
    dock.image_step.refresh()
    dock.image_step.choose(layer)
    row = dock.image_step.channels
    row.choice.setEditText("7")
    row._take()
    assert "no channel '7'" in dock.image_step.problem
    assert not dock.image_step.ready
    row.choice.setCurrentIndex(0)
    row._take()
    assert dock.image_step.ready
    assert not dock.image_step.problem


def test_gray_in_colours_has_the_models_of_gray(dock) -> None:
    gray = np.repeat(np.random.default_rng(0).integers(0, 255, (40, 50, 1), dtype=np.uint8), 3, 2)
    layer = dock.viewer.add_image(gray, rgb=True, name="photo")
    dock.image_step.refresh()
    dock.image_step.choose(layer)
    assert dock.method_step._reads(1)
    colour = dock.viewer.add_image(np.random.default_rng(1).integers(0, 255, (40, 50, 4), dtype=np.uint8), rgb=True)
    dock.image_step.refresh()
    dock.image_step.choose(colour)
    assert dock.method_step._reads(3)
    assert not dock.method_step._reads(1)


def test_selected_layers_are_joined(dock, qtbot) -> None:
    layers = [dock.viewer.add_image(np.full((40, 50), v, np.uint8), name=n) for v, n in ((3, "T1"), (7, "T2"))]
    dock.image_step.refresh()
    row = dock.image_step.channels
    assert not row.join_button.isHidden()
    dock.viewer.layers.selection = {layers[0]}
    row.join_button.click()
    assert "two or more" in dock.messages.text.text()
    dock.viewer.layers.selection = set(layers)
    row.join_button.click()
    qtbot.waitUntil(lambda: any(a.name == "T1 + T2" for a in dock.viewer.layers), timeout=20000)
    joined = dock.viewer.layers["T1 + T2"]
    assert [int(c.max()) for c in joined.data] == [3, 7]
    assert dock.image_step.layer is joined
    assert [t for t, _ in [(row.choice.itemText(i), 0) for i in range(3)]][1:] == ["channel 1: T1", "channel 2: T2"]
