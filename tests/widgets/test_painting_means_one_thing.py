"""A painted object is in the result at once, exported with it, and an example to learn from; its class with it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from fake_engine import FakeEngine, spec
from napari.layers import Labels
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from wrapt import ObjectProxy

from napari_segplugin.core import BACKGROUND_PAINT, ClassInfo, ClassTable, Kind, Task
from napari_segplugin.data.corrections import to_sample
from napari_segplugin.widgets.paint_class import NEW_OBJECT

pytestmark = pytest.mark.qt

DEPTHS = pytest.mark.parametrize("depth", [0, 5], ids=["2D", "3D"])


def squares(depth: int = 0) -> np.ndarray:
    image = np.zeros((60, 80), np.uint8)
    for row in (5, 25, 45):
        image[row : row + 10, 5:15] = 200
        image[row : row + 10, 30:40] = 200
    return np.stack([image] * depth) if depth else image


def mixed() -> ClassTable:
    two = ClassTable.named(["cell", "debris"])
    return ClassTable((*two, ClassInfo(3, "tissue", "#56b4e9", Kind.STUFF)))


@pytest.fixture
def opened(dock: Any, engine: FakeEngine, qtbot: Any) -> Any:
    """Opens an image, with models of several classes for planes and volumes."""
    two = ClassTable.named(["cell", "debris"])
    engine.shelf = {"two_2d": spec(2, classes=two), "two_3d": spec(3, classes=two)}
    engine.shelf |= {f"both_{n}d": spec(n, task=Task.PANOPTIC, classes=mixed()) for n in (2, 3)}

    def open_it(depth: int, task: Task = Task.INSTANCE) -> Any:
        add_image(dock, qtbot, squares(depth), axis_labels=("z", "y", "x")[not depth :], name="cells")
        dock.method_step.look_for(task)
        if depth:
            dock.viewer.dims.set_current_step(0, 2)
        return dock

    return open_it


def settle(dock: Any, qtbot: Any) -> None:
    dock.paint._count()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    dock.refresh()


def found(dock: Any, qtbot: Any) -> Labels:
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    return dock.edits.target.layer


def draw(dock: Any, layer: Labels, *points: Sequence[float]) -> None:
    """A stroke of the brush in the plane on the screen: press at the first voxel, move over the others, release."""
    plane = () if layer.ndim == 2 else (int(dock.viewer.dims.current_step[0]),)
    voxels = [(*plane, *p) for p in points]
    for i, (kind, voxel) in enumerate(
        [("press", voxels[0]), *(("move", v) for v in voxels[1:]), ("release", voxels[-1])]
    ):
        event = SimpleNamespace(
            type=f"mouse_{kind}",
            button=1,
            pos=np.array([8.0 * voxel[-1], 8.0 * voxel[-2]]),
            position=tuple(layer.data_to_world(voxel)),
            modifiers=(),
            is_dragging=i > 0,
            view_direction=None,
            up_direction=None,
            dims_displayed=list(dock.viewer.dims.displayed),
            dims_point=list(dock.viewer.dims.point),
        )
        call = {"press": mouse_press_callbacks, "move": mouse_move_callbacks, "release": mouse_release_callbacks}[kind]
        call(layer, ObjectProxy(event) if kind == "press" else event)


def pick(dock: Any, name: str) -> None:
    """Choose the class of what is painted next, on the strokes."""
    dock.paint.classes.row.show_class(name)
    dock.paint.classes.row.chosen.emit(name)


def at(layer: Labels, y: int, x: int, z: int = 2) -> int:
    return int(layer.data[(z, y, x)[3 - layer.ndim :]])


def learnt(dock: Any, engine: FakeEngine, qtbot: Any) -> Any:
    """What a training gets, as the network sees it: class and object of each voxel, and where they are known."""
    run(dock, qtbot, dock.train.start)
    image, marks, bundle, _ = next(args for name, args in reversed(engine.calls) if name == "finetune")
    return to_sample(image, marks, bundle.spec.task, bundle.spec.classes)


def status(dock: Any, number: int) -> str:
    return str(dock.edits.target.editor.rows.get(number)["status"])


# --- before there is a result -----------------------------------------------------------------------------------------


@DEPTHS
def test_each_stroke_of_its_own_is_an_object_of_its_own(opened: Any, qtbot: Any, depth: int) -> None:
    dock = opened(depth)
    dock.improve_step.layer_button.click()
    layer = dock.paint.layer
    layer.brush_size = 3
    for y in (20, 30, 40, 50):
        draw(dock, layer, (y, 60), (y, 66))
    assert len({at(layer, y, 62) for y in (20, 30, 40, 50)}) == 4
    draw(dock, layer, (30, 64), (30, 72))  # it starts on an object
    assert at(layer, 30, 71) == at(layer, 30, 61)
    if depth:
        draw(dock, layer, (50, 62), (50, 66))
        dock.viewer.dims.set_current_step(0, 3)
        draw(dock, layer, (50, 62), (50, 66))  # over the one that was painted last: the same, in another plane
        assert at(layer, 50, 64, 3) == at(layer, 50, 64, 2)
        draw(dock, layer, (20, 62), (20, 66))  # over another one
        assert at(layer, 20, 64, 3) not in (0, at(layer, 50, 64), at(layer, 20, 64, 2))


@DEPTHS
def test_what_was_painted_before_the_result_is_in_it_with_its_class(
    opened: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    dock = opened(depth)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    strokes.brush_size = 5
    pick(dock, "debris")
    draw(dock, strokes, (20, 60), (20, 70))
    pick(dock, "cell")
    draw(dock, strokes, (50, 60), (50, 70))
    dock.paint.pick(BACKGROUND_PAINT)
    draw(dock, strokes, (30, 10), (30, 10))  # not an object: in the middle of one that the model will find
    settle(dock, qtbot)
    layer = found(dock, qtbot)
    settle(dock, qtbot)
    first, second = at(layer, 20, 65), at(layer, 50, 65)
    rows = dock.edits.target.editor.rows
    assert [(rows.get(n)["class"], rows.get(n)["status"]) for n in (first, second)] == [
        ("debris", "corrected"),
        ("cell", "corrected"),
    ]
    assert at(layer, 30, 10) == 0
    saved = dock.desk.result.current()
    kinds = dict(zip(saved.objects.label.tolist(), saved.objects.class_id.tolist(), strict=True))
    assert (kinds[first], kinds[second]) == (2, 1)
    assert set(np.unique(strokes.data)) == {0, BACKGROUND_PAINT}  # what is in the result is nowhere else
    sample = learnt(dock, engine, qtbot)
    where = ((2,) if depth else ()) + (20, 65)
    assert sample.known[where]
    assert sample.classes[where] == 2
    assert sample.instances[where] > 0
    layer.undo()  # one step
    assert at(layer, 20, 65) == 0
    assert at(layer, 30, 10) > 0


# --- where there is one -----------------------------------------------------------------------------------------------


@DEPTHS
def test_new_object_paints_on_the_result(opened: Any, engine: FakeEngine, qtbot: Any, depth: int) -> None:
    dock = opened(depth)
    layer = found(dock, qtbot)
    layers = list(dock.viewer.layers)
    dock.improve_step.layer_button.click()
    assert dock.viewer.layers.selection.active is layer
    assert str(layer.mode) == "paint"
    assert list(dock.viewer.layers) == layers  # no layer of its own
    layer.brush_size = 5
    pick_on_result(dock, "debris")
    draw(dock, layer, (20, 60), (20, 70))
    draw(dock, layer, (50, 60), (50, 70))
    first, second = at(layer, 20, 65), at(layer, 50, 65)
    assert len({first, second, 0}) == 3
    rows = dock.edits.target.editor.rows
    assert rows.get(first)["class"] == rows.get(second)["class"] == "debris"
    assert first in dock.desk.result.current().objects.label
    settle(dock, qtbot)
    dock.guide.tell()
    assert dock.improve_step.plan.title.text() == "Learns from 2 objects"
    sample = learnt(dock, engine, qtbot)
    for y in (20, 50):
        where = ((2,) if depth else ()) + (y, 65)
        assert sample.known[where]
        assert (sample.classes[where], bool(sample.instances[where])) == (2, True)
    if depth:
        dock.viewer.dims.set_current_step(0, 3)
        draw(dock, layer, (50, 62), (50, 66))
        assert at(layer, 50, 64, 3) == second
        draw(dock, layer, (10, 10), (10, 12))
        assert at(layer, 10, 11, 3) == at(layer, 10, 11, 2)


def pick_on_result(dock: Any, name: str) -> None:
    panel = dock.edits.panel
    panel.new_classes.setCurrentIndex(panel.new_classes.findData(name))
    panel.new_class_asked.emit(name)


def test_strokes_painted_by_hand_beside_a_result_come_into_it(opened: Any, qtbot: Any) -> None:
    dock = opened(0)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    layer = found(dock, qtbot)
    dock.viewer.layers.selection.active = strokes
    strokes.mode, strokes.brush_size = "paint", 5
    draw(dock, strokes, (20, 60), (20, 70))
    settle(dock, qtbot)
    assert status(dock, at(layer, 20, 65)) == "corrected"
    assert dock.viewer.layers.selection.active is layer  # and it goes on there, with its undo
    assert str(layer.mode) == "paint"
    layer.undo()
    assert at(layer, 20, 65) == 0


@DEPTHS
def test_not_an_object_takes_it_out_of_the_result_and_is_learnt(
    opened: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    dock = opened(depth)
    layer = found(dock, qtbot)
    dock.paint.pick(BACKGROUND_PAINT)
    strokes = dock.paint.layer
    strokes.brush_size = 5
    draw(dock, strokes, (30, 10), (30, 10))
    draw(dock, strokes, (20, 60), (20, 60))  # where there was none before
    settle(dock, qtbot)
    assert at(layer, 30, 10) == 0
    assert dock.viewer.layers.selection.active is strokes
    sample = learnt(dock, engine, qtbot)
    for y, x in ((30, 10), (20, 60)):
        where = ((2,) if depth else ()) + (y, x)
        assert (bool(sample.known[where]), int(sample.classes[where])) == (True, 0)


@DEPTHS
def test_objects_and_areas_have_their_classes_and_background_is_one(
    opened: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    dock = opened(depth, Task.PANOPTIC)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    strokes.brush_size = 5
    pick(dock, "debris")
    dock.paint.pick(NEW_OBJECT)
    draw(dock, strokes, (20, 60), (20, 70))
    dock.paint.pick(BACKGROUND_PAINT - 3)
    draw(dock, strokes, (40, 60), (40, 70))
    draw(dock, strokes, (50, 60), (50, 70))
    settle(dock, qtbot)
    layer = found(dock, qtbot)
    settle(dock, qtbot)
    rows = dock.edits.target.editor.rows
    area = at(layer, 40, 65)
    assert at(layer, 50, 65) == area  # an area is one
    assert rows.get(area)["class"] == "tissue"
    assert rows.get(at(layer, 20, 65))["class"] == "debris"
    panel = dock.edits.panel
    offered = [panel.new_classes.itemData(i) for i in range(panel.new_classes.count())]
    assert offered == ["", "cell", "debris", "tissue", "background"]
    dock.paint.pick(BACKGROUND_PAINT - 3)  # with a result: on that
    assert panel.new_class == "tissue"
    layer.brush_size = 5
    draw(dock, layer, (56, 60), (56, 70))
    assert at(layer, 56, 65) == area
    pick_on_result(dock, "background")
    dock.edits.act("paint")
    draw(dock, layer, (30, 35), (30, 35))
    assert at(layer, 30, 35) == 0
    sample = learnt(dock, engine, qtbot)
    where = lambda y, x: ((2,) if depth else ()) + (y, x)  # noqa: E731
    assert [int(sample.classes[where(y, x)]) for y, x in ((20, 65), (40, 65), (56, 65), (30, 35))] == [2, 3, 3, 0]
    assert all(sample.known[where(y, x)] for y, x in ((20, 65), (40, 65), (56, 65), (30, 35)))


# --- every correction is an example -----------------------------------------------------------------------------------


@DEPTHS
@pytest.mark.parametrize("tool", ["erase", "shrink", "split", "class", "tidy"])
def test_what_counts_as_corrected_is_learnt_as_a_whole(
    opened: Any, engine: FakeEngine, qtbot: Any, depth: int, tool: str
) -> None:
    dock = opened(depth)
    layer = found(dock, qtbot)
    editor = dock.edits.target.editor
    number = at(layer, 30, 10)
    if tool == "erase":
        dock.edits.choose(dock.edits.target, number)
        dock.edits.act("erase")
        layer.brush_size = 3
        draw(dock, layer, (26, 6), (26, 8))
    elif tool == "shrink":
        editor.shrink(number, distance=1.0)
    elif tool == "split":
        row = (2.0,) if depth else ()
        line = np.array([(*row, 30.0, 0.0), (*row, 30.0, 20.0)])
        axes = (1, 2) if depth else (0, 1)
        editor.split_cut(number, line[:, list(axes)], axes)
    elif tool == "class":
        editor.set_class([number], "debris")
    else:
        hole = tuple(np.array([i]) for i in (((2,) if depth else ()) + (30, 10)))
        layer.data_setitem(hole, 0)
        editor.fill_holes(number)
        editor.tidy(number, width=1.0)
    left = int(layer.data[((2,) if depth else ()) + (28, 10)])
    assert status(dock, left) == "corrected"
    sample = learnt(dock, engine, qtbot)
    whole = np.asarray(layer.data) == left
    assert sample.known[whole].all()
    assert (sample.classes[whole] == (2 if tool == "class" else 1)).all()
    assert len(np.unique(sample.instances[whole])) == 1
    assert sample.instances[whole].all()


def test_what_another_object_was_painted_over_is_no_example(opened: Any, engine: FakeEngine, qtbot: Any) -> None:
    dock = opened(0)
    layer = found(dock, qtbot)
    under, painted = at(layer, 30, 35), 0
    dock.edits.act("paint")
    layer.brush_size = 5
    draw(dock, layer, (30, 50), (30, 36))  # it starts beside it and covers a part of it
    painted = at(layer, 30, 45)
    assert status(dock, painted) == "corrected"
    assert status(dock, under) == "predicted"
    sample = learnt(dock, engine, qtbot)
    assert sample.known[30, 45]
    assert not sample.known[26, 31]


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def classes(opened: Any, engine: FakeEngine) -> Any:
    tissue = ClassTable.named(["axon", "myelin", "vessel"], Kind.STUFF)
    engine.shelf |= {f"tissue_{n}d": spec(n, task=Task.SEMANTIC, classes=tissue) for n in (2, 3)}
    return lambda depth: opened(depth, Task.SEMANTIC)


@DEPTHS
def test_strokes_of_classes_are_in_the_map_whichever_came_first(
    classes: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    dock = classes(depth)
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    strokes.brush_size = 3
    dock.paint.pick(2)
    draw(dock, strokes, (20, 60), (20, 70))
    dock.paint.pick(BACKGROUND_PAINT)
    draw(dock, strokes, (30, 6), (30, 12))
    run(dock, qtbot)
    layer = dock.desk.result.layer
    settle(dock, qtbot)
    assert (at(layer, 20, 65), at(layer, 30, 9), at(layer, 30, 14)) == (2, 0, 1)
    dock.viewer.layers.selection.active = strokes
    dock.paint.pick(3)
    draw(dock, strokes, (50, 60), (50, 70))
    assert at(layer, 50, 65) == 3  # at once
    saved = dock.desk.result.current()
    assert set(saved.objects.class_id.tolist()) == {1, 2, 3}
    sample = learnt(dock, engine, qtbot)
    where = lambda y, x: ((2,) if depth else ()) + (y, x)  # noqa: E731
    assert [int(sample.classes[where(y, x)]) for y, x in ((20, 65), (30, 9), (50, 65))] == [2, 0, 3]
    assert all(sample.known[where(y, x)] for y, x in ((20, 65), (30, 9), (50, 65)))
    assert not sample.known[where(30, 35)]
    strokes.undo()
    assert at(layer, 50, 65) == 0
    strokes.redo()
    assert at(layer, 50, 65) == 3
    strokes.mode = "erase"
    draw(dock, strokes, (30, 6), (30, 12))
    assert at(layer, 30, 9) == 1  # what the model said is back
    before = layer.data.copy()
    dock.desk.layer.data[..., 45:55, 5:15] = 0
    run(dock, qtbot)
    settle(dock, qtbot)
    assert (at(layer, 20, 65), at(layer, 50, 65), at(layer, 50, 10)) == (2, 3, 0)
    dock.messages.findChild(object, "undo_run").click()  # one step, strokes and all
    assert np.array_equal(layer.data, before)


def test_a_class_that_is_added_later_comes_into_the_map_too(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    dock.method_step.look_for(Task.SEMANTIC)
    run(dock, qtbot)
    layer = dock.desk.result.layer
    step = dock.method_step
    step.weights_choice.setCurrentIndex(step.weights_choice.count() - 1)  # from scratch
    step.classes._replace(1, name="axon")
    step.classes.add_class()
    step.classes._replace(2, name="crack", color="#123456")
    dock.improve_step.layer_button.click()
    strokes = dock.paint.layer
    strokes.brush_size = 3
    settle(dock, qtbot)
    dock.paint.pick(2)
    draw(dock, strokes, (20, 60), (20, 70))
    names = [c.name for c in dock.desk.result.current().classes]
    assert names == ["background", "axon", "myelin", "crack"]
    assert at(layer, 20, 65) == 3
    np.testing.assert_allclose(layer.get_color(3)[:3], np.array([0x12, 0x34, 0x56]) / 255, atol=0.01)
