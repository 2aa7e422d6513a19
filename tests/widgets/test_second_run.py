"""A second run: one layer, corrections stay, the rest is new, and Undo brings back what was replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from fake_engine import FakeEngine

pytestmark = pytest.mark.qt


def squares() -> np.ndarray:
    image = np.zeros((60, 80), np.uint8)
    for row in (5, 25, 45):
        for column in (5, 30, 55):
            image[row : row + 10, column : column + 10] = 200
    return image


@pytest.fixture
def checked(dock: Any, qtbot: Any) -> Any:
    """Nine objects: one accepted, one grown by hand, one rejected."""
    layer = add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    editor = dock.edits.target.editor
    editor.accept([1])
    editor.grow(2, distance=2.0)
    editor.reject([3])
    layer.data[45:55, 55:65] = 0  # the image of another day: one object less, one more
    layer.data[18:23, 70:78] = 220
    return dock


def test_what_was_checked_stays_and_the_rest_is_new(checked: Any, engine: FakeEngine, qtbot: Any) -> None:
    dock = checked
    result = dock.desk.result
    before, table = result.layer.data.copy(), result.layer.features.copy()
    run(dock, qtbot)
    assert [a for a in dock.viewer.layers if a.name.startswith("cells ·")] == [result.layer]
    after = result.layer.data
    for number in (1, 2):
        assert np.array_equal(after == number, before == number)
    assert not (after[5:15, 55:65]).any()  # rejected: nothing comes back there
    assert not after[45:55, 55:65].any()
    assert after[20, 74]
    assert after[30, 10]
    assert after[30, 10] != before[30, 10]
    status = dict(zip(result.layer.features["label"], result.layer.features["status"], strict=True))
    assert (status[1], status[2], status[3]) == ("accepted", "corrected", "rejected")
    assert set(status.values()) - {""} == {"accepted", "corrected", "rejected", "predicted"}
    assert "6 nuclei replaced, your 2 kept." in dock.messages.text.text()
    saved = result.current()
    assert np.array_equal(saved.labels, after)
    assert saved.recipe["kept_objects"] == 2
    dock.messages.findChild(object, "undo_run").click()
    assert np.array_equal(result.layer.data, before)
    assert result.layer.features["status"].tolist() == table["status"].tolist()
    assert result.current().recipe.get("kept_objects") is None
    result.layer.redo()
    assert np.array_equal(result.layer.data, after)
    assert result.current().recipe["kept_objects"] == 2


def test_a_third_run_keeps_them_too_and_saving_means_what_is_seen(checked: Any, qtbot: Any) -> None:
    dock = checked
    run(dock, qtbot)
    dock.edits.target.editor.accept([dock.desk.result.layer.data[30, 10]])
    run(dock, qtbot)
    layer = dock.desk.result.layer
    assert len([a for a in dock.viewer.layers if a.name.startswith("cells ·")]) == 1
    assert (layer.features["status"] == "accepted").sum() == 2
    numbers = set(np.unique(layer.data)) - {0}
    assert {
        n for n, s in zip(layer.features["label"], layer.features["status"], strict=True) if s not in ("rejected", "")
    } == numbers
