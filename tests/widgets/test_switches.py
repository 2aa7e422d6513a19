"""Nothing is lost by looking for something else, or at another image: strokes, classes, colors, the chosen model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import restore, wait_idle
from fake_engine import FakeEngine, blobs, spec
from napari.layers import Labels
from test_correct import new_dock

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, Kind, ModelBundle, Task
from napari_segplugin.viewer.corrections import CLASSES, OBJECTS, paints_on
from napari_segplugin.widgets.step_method import SCRATCH

pytestmark = pytest.mark.qt


def add_image(dock: Any, qtbot: Any, data: np.ndarray, **more: Any) -> Any:
    """Open an image and choose it."""
    layer = dock.viewer.add_image(data, **more)
    qtbot.waitUntil(lambda: dock.image_step.choice.count() == sum(hasattr(a, "rgb") for a in dock.viewer.layers))
    dock.image_step.choose(layer)
    assert dock.image_step.layer is layer
    return layer


def show(dock: Any, task: Task) -> None:
    step = dock.method_step
    step.task_choice.setCurrentIndex(step.task_choice.findData(task))


def choose(dock: Any, key: object) -> None:
    box = dock.method_step.weights_choice
    box.setCurrentIndex(next(i for i in range(box.count()) if box.itemData(i) == key))


def model(dock: Any) -> object:
    return dock.method_step.weights_choice.currentData()


def classes(dock: Any) -> list[tuple[str, str]]:
    return [(c.name, c.color) for c in dock.desk.choice().spec.classes]


def settle(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)


def stroke(layer: Labels, value: int, row: int) -> None:
    at = tuple(np.full(8, 0) for _ in range(layer.ndim - 2))
    layer.data_setitem((*at, np.full(8, row), np.arange(8)), value)


def road_and_building(dock: Any) -> list[tuple[str, str]]:
    """Classes from scratch with names and colors of one's own."""
    show(dock, Task.SEMANTIC)
    choose(dock, SCRATCH)
    editor = dock.method_step.classes
    editor.add_class()
    editor._replace(1, name="road", color="#112233")
    editor._replace(2, name="building", color="#445566")
    return classes(dock)


ALL = (Task.INSTANCE, Task.PANOPTIC, Task.SEMANTIC)


@pytest.mark.parametrize("ndim", [2, 3])
def test_classes_and_strokes_are_as_they_were_after_every_switch(
    dock: Any, engine: FakeEngine, qtbot: Any, ndim: int
) -> None:
    shape = (4, 40, 50)[3 - ndim :]
    image = add_image(dock, qtbot, blobs(shape), axis_labels=("z", "y", "x")[3 - ndim :], name="street")
    mine = road_and_building(dock)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    for value, row in ((1, 2), (2, 6), (BACKGROUND_PAINT, 10)):
        stroke(strokes, value, row)
    settle(dock, qtbot)
    kept, shade = strokes.data.copy(), strokes.get_color(2).copy()
    qtbot.waitUntil(lambda: len(dock.paint.counts) == 3, timeout=3000)
    for task in (Task.INSTANCE, Task.PANOPTIC):
        show(dock, task)
        settle(dock, qtbot)
        assert dock.paint.layer is not strokes
        dock.improve_step.layer_button.click()  # the objects are painted beside the strokes
        objects = dock.paint.layer
        assert paints_on(objects) == OBJECTS
        assert not strokes.visible
        show(dock, Task.SEMANTIC)
        settle(dock, qtbot)
        assert dock.paint.layer is strokes
        assert strokes.visible
        assert not objects.visible
        assert np.array_equal(strokes.data, kept)
        np.testing.assert_array_equal(strokes.get_color(2), shade)
        assert model(dock) == SCRATCH
        assert classes(dock) == mine
    other = add_image(dock, qtbot, blobs(shape, 1), axis_labels=("z", "y", "x")[3 - ndim :], name="other")
    settle(dock, qtbot)
    assert dock.image_step.layer is other
    assert dock.paint.layer is None
    show(dock, Task.INSTANCE)
    dock.image_step.choose(image)
    settle(dock, qtbot)
    assert dock.desk.task is Task.SEMANTIC  # this image was looked at for classes
    assert dock.paint.layer is strokes
    assert model(dock) == SCRATCH
    assert classes(dock) == mine
    assert np.array_equal(strokes.data, kept)


def test_objects_and_areas_are_as_they_were_too(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="axons")
    show(dock, Task.PANOPTIC)
    editor = dock.method_step.classes
    editor._replace(1, name="axon", color="#aa0000")
    editor._replace(2, name="myelin", color="#00aa00")
    mine = classes(dock)
    dock.improve_step.layer_button.click()
    objects = dock.paint.layer
    stroke(objects, objects.selected_label, 3)
    dock.paint.pick(BACKGROUND_PAINT - 2)
    stroke(objects, objects.selected_label, 8)
    kept, table = objects.data.copy(), objects.features.copy()
    for task in (Task.SEMANTIC, Task.INSTANCE, Task.PANOPTIC):
        show(dock, task)
        settle(dock, qtbot)
    assert classes(dock) == mine
    assert dock.paint.layer is objects
    assert np.array_equal(objects.data, kept)
    assert objects.features.equals(table)
    learnt = dock.paint.copy()
    assert {learnt.painted_class[n] for n in (1, BACKGROUND_PAINT - 2)} == {1, 2}


def test_the_chosen_model_of_each_task_is_chosen_again(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.shelf["cells_2d"] = spec(2, classes=ClassTable.named(["cell"]))
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    assert model(dock) == ("shipped", "nuclei_2d")
    choose(dock, ("shipped", "cells_2d"))
    dock.method_step.classes._replace(1, name="lymphocyte", color="#123456")
    show(dock, Task.SEMANTIC)
    assert model(dock) == ("shipped", "axons")
    choose(dock, SCRATCH)
    show(dock, Task.INSTANCE)
    assert model(dock) == ("shipped", "cells_2d")
    assert classes(dock)[1] == ("lymphocyte", "#123456")
    show(dock, Task.SEMANTIC)
    assert model(dock) == SCRATCH


def test_from_scratch_does_not_stick_to_the_next_image(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    first = add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="first")
    choose(dock, SCRATCH)
    second = add_image(dock, qtbot, blobs((40, 50), 1), axis_labels=("y", "x"), name="second")
    assert model(dock) == ("shipped", "nuclei_2d")
    assert dock.result_step.run_button.isEnabled()
    dock.image_step.choose(first)
    assert model(dock) == SCRATCH
    dock.image_step.choose(second)
    assert model(dock) == ("shipped", "nuclei_2d")


def test_a_run_from_scratch_and_its_model_do_not_stick_to_an_image_of_another_kind(
    dock: Any, engine: FakeEngine, qtbot: Any
) -> None:
    engine.shelf = {n: s for n, s in engine.shelf.items() if n != "histology"}
    add_image(dock, qtbot, np.zeros((30, 40, 3), np.uint8), rgb=True, axis_labels=("y", "x"), name="slide")
    assert model(dock) == ("shipped", "nuclei_2d") or model(dock) == SCRATCH
    choose(dock, SCRATCH)
    show(dock, Task.SEMANTIC)
    choose(dock, SCRATCH)
    trained = ModelBundle("tissue", dock.desk.choice().spec, {"w": np.zeros(1, np.float32)})
    dock.session.add(trained)
    settle(dock, qtbot)
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="gray")
    assert model(dock) not in (SCRATCH, None)
    assert dock.result_step.run_button.isEnabled()
    assert not dock.desk.choice().scratch


def test_of_the_models_that_fit_the_one_that_fits_best_is_preselected(
    dock: Any, engine: FakeEngine, qtbot: Any
) -> None:
    """A model of the image's own dimensions and channels comes before one that needs planes or fewer channels."""
    engine.shelf = {"gray": spec(2), "color": spec(2, channels=3), "volume": spec(3)}
    add_image(dock, qtbot, np.zeros((30, 40, 3), np.uint8), rgb=True, axis_labels=("y", "x"), name="slide")
    assert model(dock) == ("shipped", "color")
    add_image(dock, qtbot, blobs((4, 40, 50)), axis_labels=("z", "y", "x"), name="stack")
    assert model(dock) == ("shipped", "volume")
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="plane")
    assert model(dock) == ("shipped", "gray")


def test_both_kinds_of_strokes_are_kept_for_another_day(
    dock: Any, engine: FakeEngine, qtbot: Any, tmp_path: Path
) -> None:
    pixels = blobs((40, 50))
    add_image(dock, qtbot, pixels, axis_labels=("y", "x"), name="cells")
    mine = road_and_building(dock)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    stroke(strokes, 2, 4)
    show(dock, Task.INSTANCE)
    dock.improve_step.layer_button.click()
    objects = dock.paint.layer
    stroke(objects, 1, 9)
    stroke(objects, 2, 14)
    show(dock, Task.SEMANTIC)
    stroke(strokes, 1, 20)
    settle(dock, qtbot)
    dock.journal.close()
    later = new_dock(engine, tmp_path)
    add_image(later, qtbot, pixels, axis_labels=("y", "x"), name="the same")
    qtbot.waitUntil(lambda: "were kept" in str(later.messages.text.text()), timeout=5000)
    restore(later, qtbot)
    settle(later, qtbot)
    found = {paints_on(a): a for a in later.desk.work.paints.values()}
    assert np.array_equal(found[CLASSES].data, strokes.data)
    assert np.array_equal(found[OBJECTS].data, objects.data)
    assert later.desk.task is Task.SEMANTIC  # they were painted last
    assert model(later) == SCRATCH
    assert [name for name, _ in classes(later)] == [name for name, _ in mine]
    found[OBJECTS].undo()
    assert not (found[OBJECTS].data == 2).any()
    stroke(found[CLASSES], 2, 30)
    settle(later, qtbot)
    later.journal.close()
    third = new_dock(engine, tmp_path)
    add_image(third, qtbot, pixels, axis_labels=("y", "x"), name="the same")
    qtbot.waitUntil(lambda: "were kept" in str(third.messages.text.text()), timeout=5000)
    restore(third, qtbot)
    settle(third, qtbot)
    again = {paints_on(a): a for a in third.desk.work.paints.values()}
    assert np.array_equal(again[CLASSES].data, found[CLASSES].data)
    assert np.array_equal(again[OBJECTS].data, found[OBJECTS].data)
    for one in (later, third):
        wait_idle(qtbot, one)


def test_strokes_of_one_class_are_never_taken_for_another(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    """Two models may number the same classes otherwise: what was painted as axon does not become myelin."""
    engine.shelf["sheaths"] = spec(2, task=Task.SEMANTIC, classes=ClassTable.named(["myelin", "axon"], Kind.STUFF))
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="nerve")
    show(dock, Task.SEMANTIC)
    choose(dock, ("shipped", "axons"))
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    stroke(strokes, 1, 3)
    stroke(strokes, 2, 9)
    qtbot.waitUntil(lambda: {1, 2} <= set(dock.paint.counts), timeout=3000)
    assert dock.paint.copy().paint.max() == 2
    choose(dock, ("shipped", "sheaths"))
    settle(dock, qtbot)
    with pytest.raises(InputError, match="painted for the class “axon”; “myelin” is number 1 here"):
        dock.paint.copy()
    dock.train.start()
    assert "painted for the class “axon”" in dock.messages.message
    assert dock.jobs.owner is None
    choose(dock, ("shipped", "axons"))
    settle(dock, qtbot)
    assert set(np.unique(dock.paint.copy().paint)) == {0, 1, 2}
