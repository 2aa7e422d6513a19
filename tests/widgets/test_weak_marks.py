"""Points, boxes and empty areas in the dock reach the engine as corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import run
from fake_engine import FakeEngine

from napari_segplugin.widgets.weak_control import BUTTONS

pytestmark = pytest.mark.qt


def press(dock: Any, kind: str) -> Any:
    dock.improve_step.weak_row.buttons[kind].click()
    return dock.paint.weak.layer(kind)


def test_marks_without_any_paint_are_trained_on(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    press(with_image, "points").add(np.array([[4, 6]]))
    press(with_image, "boxes").add_rectangles(np.array([[2, 3], [2, 9], [8, 9], [8, 3]]))
    press(with_image, "nothing").add_rectangles(np.array([[12, 0], [12, 5], [15, 5], [15, 0]]))
    run(with_image, qtbot, with_image.train.start)
    paint = next(args for name, args in engine.calls if name == "finetune")[1]
    assert paint.points.tolist() == [[4, 6]]
    assert paint.boxes == ((slice(2, 9), slice(3, 10)),)
    assert paint.nothing[13, 2]
    assert not paint.nothing[0].any()
    assert not paint.empty


def test_a_button_goes_back_to_the_layer_there_is(with_image: Any) -> None:
    layers = {kind: press(with_image, kind) for kind in BUTTONS}
    for kind, layer in layers.items():
        assert press(with_image, kind) is layer
        assert with_image.viewer.layers.selection.active is layer
        assert layer.mode != "pan_zoom"


def test_nothing_marked_is_nothing_to_train_on(with_image: Any) -> None:
    press(with_image, "points")
    assert not with_image.paint.weak.marked
    assert with_image.paint.copy().empty
    with_image.paint.weak.layer("points").add([3, 3])
    assert with_image.paint.weak.marked
