"""The dock works on what is selected in napari's layer list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, docked_shown, run
from fake_engine import FakeEngine, blobs
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QApplication

from napari_segplugin.core import ClassTable, Task
from napari_segplugin.viewer.results import adopt
from napari_segplugin.viewer.technical import add_hidden

pytestmark = pytest.mark.qt


@pytest.fixture
def dock(make_napari_viewer: Any, engine: FakeEngine, tmp_path: Any) -> Any:
    """In a window that is shown."""
    return docked_shown(make_napari_viewer(show=True), engine, tmp_path)


def image(dock: Any, qtbot: Any, name: str) -> Any:
    return add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name=name)


def click(dock: Any, qtbot: Any, *layers: Any) -> None:
    """Select rows of napari's own list, as clicks do, and wait until everything heard of it."""
    rows = dock.viewer.window._qt_viewer.layers
    flags, source = QItemSelectionModel.SelectionFlag, rows.model()
    for i, layer in enumerate(layers):
        at = source.index(len(dock.viewer.layers) - 1 - dock.viewer.layers.index(layer), 0)
        rows.selectionModel().setCurrentIndex(at, flags.Select if i else flags.ClearAndSelect)
    assert set(dock.viewer.layers.selection) == set(layers)
    settle(qtbot)


def settle(qtbot: Any) -> None:
    qtbot.wait(120)
    QApplication.processEvents()


def labels_of(dock: Any, on: Any, name: str, number: int = 1) -> Any:
    """A further result of an image."""
    array = np.zeros((40, 50), np.int32)
    array[5:10, 5 : 10 + number] = number
    layer = dock.viewer.add_labels(array, name=name)
    made = adopt(layer, on, "YX", ClassTable.named(["cell"]))
    dock.desk.add(made)
    dock.desk.refresh()
    return made


def test_an_image_that_is_selected_is_worked_on(dock: Any, qtbot: Any) -> None:
    first, second = image(dock, qtbot, "first"), image(dock, qtbot, "second")
    assert dock.desk.layer is second  # what was opened last is selected
    for layer in (first, second, first):
        click(dock, qtbot, layer)
        assert dock.desk.layer is layer
        assert layer.name in dock.image_line.accessibleName() or layer.name in dock.image_line.text()
        assert dock.viewer.layers.selection.active is layer  # the dock does not answer by selecting something


def test_a_result_that_is_selected_is_shown_with_its_image(dock: Any, qtbot: Any) -> None:
    first, second = image(dock, qtbot, "first"), image(dock, qtbot, "second")
    mine, newer = labels_of(dock, second, "mine"), labels_of(dock, second, "newer", 2)
    click(dock, qtbot, first)
    assert dock.desk.result is None
    click(dock, qtbot, mine.layer)
    assert dock.desk.layer is second
    assert dock.desk.result is mine
    assert dock.edits.target.layer is mine.layer
    click(dock, qtbot, newer.layer)
    assert dock.desk.result is newer
    click(dock, qtbot, second)  # its image: what is worked on stays
    click(dock, qtbot, mine.layer)
    click(dock, qtbot, second)
    assert dock.desk.result is mine
    dock.viewer.layers.remove(mine.layer)
    settle(qtbot)
    assert dock.desk.result is newer


def test_a_tool_in_hand_is_put_down_with_its_result(dock: Any, qtbot: Any) -> None:
    one = image(dock, qtbot, "one")
    mine, newer = labels_of(dock, one, "mine"), labels_of(dock, one, "newer", 2)
    click(dock, qtbot, newer.layer)
    dock.edits.act("split")
    assert dock.edits.target.pointer.armed
    click(dock, qtbot, one)  # to change its contrast: the tool stays
    assert dock.edits.tool == "split"
    click(dock, qtbot, mine.layer)
    assert dock.edits.tool == ""
    assert not any(target.pointer.armed for target in dock.desk.targets)


def test_other_layers_leave_the_dock_as_it_is(dock: Any, qtbot: Any) -> None:
    first, second = image(dock, qtbot, "first"), image(dock, qtbot, "second")
    result = labels_of(dock, first, "mine")
    click(dock, qtbot, result.layer)
    shapes, points = dock.viewer.add_shapes(name="drawn"), dock.viewer.add_points(name="seeds")
    for layers in ([shapes], [points], [first, second], [second, shapes]):
        click(dock, qtbot, *layers)
        assert dock.desk.layer is first, layers
        assert dock.desk.result is result
        assert set(dock.viewer.layers.selection) == set(layers)
    from napari.layers import Image

    click(dock, qtbot, result.layer)
    helper = Image(np.zeros((40, 50)), name="preview")
    add_hidden(dock.viewer, helper)
    dock.viewer.layers.selection.active = helper
    settle(qtbot)
    assert dock.desk.layer is first


def test_strokes_that_are_selected_bring_their_image(dock: Any, qtbot: Any) -> None:
    first = image(dock, qtbot, "first")
    dock.paint.add_layer()
    strokes = dock.paint.layer
    second = image(dock, qtbot, "second")
    assert dock.desk.layer is second
    click(dock, qtbot, strokes)
    assert dock.desk.layer is first
    assert dock.paint.layer is strokes
    assert strokes.mode == "paint"


def test_a_running_job_is_not_disturbed(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    first, second = image(dock, qtbot, "first"), image(dock, qtbot, "second")
    click(dock, qtbot, first)
    engine.pause = 0.3
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.jobs.owner is not None, timeout=8000)
    click(dock, qtbot, second)
    assert dock.desk.layer is second
    assert dock.jobs.busy
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=8000)
    settle(qtbot)
    assert dock.desk.layer is second  # who went on to another image is left there
    assert dock.viewer.layers.selection.active is second
    assert dock.desk.result is None
    found = dock.desk.result_of(first)
    assert found is not None
    assert "first" in dock.messages.message
    dock.messages.findChild(object, "show_result").click()
    settle(qtbot)
    assert dock.desk.layer is first
    assert dock.desk.result is found


def test_a_run_shows_its_result_and_stays_there(dock: Any, qtbot: Any) -> None:
    first = image(dock, qtbot, "first")
    seen: list[Any] = []
    dock.viewer.layers.selection.events.active.connect(lambda e: seen.append(e.value))
    run(dock, qtbot)
    settle(qtbot)
    assert dock.desk.result.image_layer is first
    assert dock.viewer.layers.selection.active is dock.desk.result.layer
    count = len(seen)
    settle(qtbot)
    assert len(seen) == count  # nothing goes to and fro


def test_an_image_that_is_chosen_in_the_dock_is_selected(dock: Any, qtbot: Any) -> None:
    first, second = image(dock, qtbot, "first"), image(dock, qtbot, "second")
    result = labels_of(dock, first, "mine")
    click(dock, qtbot, second)
    choice = dock.image_step.choice
    choice.setCurrentIndex(choice.findText("first"))
    choice.activated.emit(choice.currentIndex())  # what a hand at the list does
    settle(qtbot)
    assert dock.desk.layer is first
    assert dock.viewer.layers.selection.active is result.layer


def test_a_run_of_another_kind_is_what_is_worked_on_then(dock: Any, qtbot: Any) -> None:
    one = image(dock, qtbot, "one")
    run(dock, qtbot)
    found = dock.desk.result
    other = labels_of(dock, one, "areas")
    other.segmentation = replace(other.segmentation, task=Task.PANOPTIC)
    click(dock, qtbot, other.layer)
    assert dock.desk.result is other
    run(dock, qtbot)
    settle(qtbot)
    assert dock.desk.result.layer is found.layer
    assert dock.viewer.layers.selection.active is found.layer
