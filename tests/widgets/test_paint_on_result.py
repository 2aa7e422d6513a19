"""Painting means one thing: it is in the result at once, on an object it adds to it, elsewhere it makes a new one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from test_correct import message, mouse, squares

from napari_segplugin.core import ClassTable, Kind, Task
from napari_segplugin.core.classes import ClassInfo

pytestmark = pytest.mark.qt


@pytest.fixture
def found(dock: Any, qtbot: Any) -> Any:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    return dock


def free(layer: Any) -> tuple[int, int]:
    """A voxel with nothing for some way around it."""
    taken = np.pad(layer.data > 0, 6)
    for y, x in np.argwhere(layer.data == 0):
        if not taken[y : y + 13, x : x + 13].any():
            return int(y), int(x)
    raise AssertionError("there is no room")


def test_a_stroke_on_an_object_adds_to_it_and_elsewhere_makes_a_new_one(found: Any) -> None:
    dock, layer = found, found.edits.target.layer
    layer.brush_size = 3
    number = int(layer.data[layer.data > 0][0])
    start = np.argwhere(layer.data == number)[0]
    before = int((layer.data == number).sum())
    numbers = set(np.unique(layer.data))
    dock.edits.act("paint")
    assert dock.edits.panel.buttons["paint"].isChecked()
    mouse(dock, [start, start - (1, 0)])
    assert int((layer.data == number).sum()) > before
    assert set(np.unique(layer.data)) == numbers
    spot = free(layer)
    mouse(dock, [spot, spot])
    new = int(layer.data[spot])
    assert new not in numbers
    row = dock.edits.target.editor.rows.get(new)
    assert (row["class"], row["status"]) == ("nucleus", "corrected")
    assert new in dock.desk.result.current().objects.label  # exported with it
    layer.undo()
    assert layer.data[spot] == 0


def test_the_eraser_takes_from_the_chosen_object_only(found: Any, qtbot: Any) -> None:
    dock, layer = found, found.edits.target.layer
    dock.edits.act("erase")
    assert "No object is selected" in message(dock)
    numbers = [int(n) for n in np.unique(layer.data) if n]
    dock.edits.choose(dock.edits.target, numbers[0])
    dock.edits.act("erase")
    layer.brush_size = 200
    others = {n: int((layer.data == n).sum()) for n in numbers[1:]}
    spot = np.argwhere(layer.data == numbers[0])[0]
    mouse(dock, [spot, spot])
    assert not (layer.data == numbers[0]).any()
    assert others == {n: int((layer.data == n).sum()) for n in numbers[1:]}
    dock.edits.act("select")
    assert not layer.preserve_labels
    assert str(layer.mode) == "pan_zoom"


def test_fix_stays_with_its_object_wherever_the_stroke_begins(found: Any) -> None:
    dock, layer = found, found.edits.target.layer
    number = int(layer.data[layer.data > 0][0])
    dock.edits.choose(dock.edits.target, number)
    dock.edits.act("fix")
    spot = free(layer)
    mouse(dock, [spot, spot])
    assert layer.data[spot] == number


def test_strokes_of_an_area_belong_to_the_area(dock: Any, engine: Any, qtbot: Any) -> None:
    red = ClassTable.named(["axon"])
    both = ClassTable((*red, ClassInfo(2, "myelin", red[1].color, Kind.STUFF)))
    engine.shelf["both"] = type(engine.shelf["nuclei_2d"])("unet", 2, 1, Task.PANOPTIC, both)
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    dock.method_step.task_choice.setCurrentIndex(dock.method_step.task_choice.findData(Task.PANOPTIC))
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    panel, layer = dock.edits.panel, dock.edits.target.layer
    panel.new_classes.setCurrentIndex(panel.new_classes.findData("myelin"))
    panel.new_class_asked.emit("myelin")
    dock.edits.act("paint")
    first = free(layer)
    mouse(dock, [first, first])
    number = int(layer.data[first])
    assert dock.edits.target.editor.rows.get(number)["class"] == "myelin"
    on_object = np.argwhere((layer.data > 0) & (layer.data != number))[0]
    mouse(dock, [on_object, on_object])
    assert layer.data[tuple(on_object)] == number
