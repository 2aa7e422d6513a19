"""A second run on classes, on both, on labels from elsewhere, on volumes: one layer an image and task, one undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, restore, run, wait_idle
from fake_engine import FakeEngine, spec
from napari.layers import Labels
from test_correct import new_dock

from napari_segplugin.core import ClassInfo, ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.places import PLANE
from napari_segplugin.viewer.results import show_result
from napari_segplugin.widgets.found_control import _shares

pytestmark = pytest.mark.qt


def squares(depth: int = 0) -> np.ndarray:
    image = np.zeros((60, 80), np.uint8)
    for row in (5, 25, 45):
        for column in (5, 30, 55):
            image[row : row + 10, column : column + 10] = 200
    return np.stack([image] * depth) if depth else image


def show(dock: Any, task: Task, model: str = "") -> None:
    step = dock.method_step
    step.task_choice.setCurrentIndex(step.task_choice.findData(task))
    if model:
        choice = step.weights_choice
        choice.setCurrentIndex(next(i for i in range(choice.count()) if choice.itemData(i) == ("shipped", model)))


def settle(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)


def results_of(dock: Any) -> list[Labels]:
    """Layers of labels that are in the list."""
    return [a for a in dock.viewer.layers if isinstance(a, Labels) and " · " in str(a.name)]


def text(dock: Any) -> str:
    return str(dock.messages.text.text())


def undo(dock: Any) -> None:
    dock.messages.findChild(object, "undo_run").click()


def paint(layer: Labels, value: int, *spans: slice) -> int:
    """Paint as the brush does, on the undo list; how many voxels changed."""
    where = np.nonzero(np.ones(layer.data[spans].shape, bool))
    at = tuple(w + (s.start or 0) for w, s in zip(where, spans, strict=True))
    changed = int((layer.data[at] != value).sum())
    layer.data_setitem(at, value)
    return changed


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 4])
def test_painted_voxels_of_classes_stay_and_the_rest_is_new(
    dock: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    engine.shelf["axons_3d"] = spec(3, task=Task.SEMANTIC, classes=engine.shelf["axons"].classes)
    image = add_image(dock, qtbot, squares(depth), axis_labels=("z", "y", "x")[not depth :], name="cells")
    show(dock, Task.SEMANTIC, "axons_3d" if depth else "axons")
    run(dock, qtbot)
    result = dock.desk.result
    layer, plane = result.layer, (slice(2, 3),) * bool(depth)
    n = paint(layer, 2, *plane, slice(20, 24), slice(10, 20))  # a class that the model did not find
    n += paint(layer, 0, *plane, slice(5, 15), slice(5, 9))  # erased
    before, table = layer.data.copy(), layer.features.copy()
    image.data[..., 45:55, 55:65] = 0  # the image of another day
    image.data[..., 18:23, 70:78] = 220
    run(dock, qtbot)
    assert results_of(dock) == [layer]
    assert dock.desk.results == [result]
    after, here = layer.data.copy(), (2,) if depth else ()
    assert (after[(*here, slice(20, 24), slice(10, 20))] == 2).all()
    assert not after[(*here, slice(5, 15), slice(5, 9))].any()
    assert after[..., 20, 74].all()
    assert not after[..., 45:55, 55:65].any()
    assert (after != (image.data > image.data.mean())).sum() == n
    word = "voxels" if depth else "pixels"
    assert f"Your {n} painted {word} kept, everything else replaced." in text(dock)
    saved = result.current()
    assert np.array_equal(saved.labels, after)
    assert set(layer.features["label"]) == {0, 1, 2}
    assert saved.recipe["kept_voxels"] == n
    undo(dock)
    assert np.array_equal(layer.data, before)
    assert layer.features.equals(table)
    assert "kept_voxels" not in result.current().recipe
    layer.redo()
    assert np.array_equal(layer.data, after)
    assert result.current().recipe["kept_voxels"] == n


def test_a_third_run_keeps_what_was_painted_before_the_second_even_where_the_model_agrees(
    dock: Any, engine: FakeEngine, qtbot: Any
) -> None:
    image = add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    show(dock, Task.SEMANTIC)
    run(dock, qtbot)
    layer = dock.desk.result.layer
    paint(layer, 1, slice(18, 22), slice(70, 78))
    image.data[18:22, 70:78] = 220  # now the model says the same
    run(dock, qtbot)
    image.data[18:22, 70:78] = 0  # and now no more
    run(dock, qtbot)
    assert results_of(dock) == [layer]
    assert (layer.data[18:22, 70:78] == 1).all()
    assert "Your 32 painted pixels kept" in text(dock)
    run(dock, qtbot, dock.train.start)  # what was painted is an example, and nothing else is
    learnt = next(args[1] for name, args in engine.calls if name == "finetune")
    assert learnt.changed[18:22, 70:78].all()
    assert learnt.changed.sum() == 32


def test_another_model_with_other_classes_uses_the_layer_too(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    engine.shelf["street"] = spec(2, task=Task.SEMANTIC, classes=ClassTable.named(["road", "axon"], Kind.STUFF))
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    show(dock, Task.SEMANTIC, "axons")
    run(dock, qtbot)
    result = dock.desk.result
    layer = result.layer
    paint(layer, 1, slice(0, 3), slice(0, 80))  # axon
    paint(layer, 2, slice(58, 60), slice(0, 80))  # myelin, which the other model has not
    show(dock, Task.SEMANTIC, "street")
    run(dock, qtbot)
    assert results_of(dock) == [layer]
    assert [c.name for c in result.segmentation.classes] == ["background", "road", "axon", "myelin"]
    assert (layer.data[:3] == 2).all()
    assert (layer.data[58:] == 3).all()
    assert layer.data[30, 10] == 1
    colors = [c.color for c in result.segmentation.classes]
    red = int(colors[3][1:3], 16) / 255
    assert layer.get_color(3)[0] == pytest.approx(red, abs=0.01)
    undo(dock)
    assert [c.name for c in result.segmentation.classes] == ["background", "axon", "myelin"]
    assert (layer.data[:3] == 1).all()


def test_undo_of_a_run_works_after_the_classes_were_shown_as_objects(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    show(dock, Task.SEMANTIC)
    run(dock, qtbot)
    result = dock.desk.result
    paint(result.layer, 2, slice(0, 3), slice(0, 80))
    run(dock, qtbot)
    dock.views.show("instance")
    settle(dock, qtbot)
    dock.views.show("semantic")
    settle(dock, qtbot)
    result.layer.undo()
    assert "kept_voxels" not in result.segmentation.recipe


def test_a_run_on_one_plane_leaves_the_others_as_they_are(dock: Any, engine: FakeEngine, qtbot: Any) -> None:
    image = add_image(dock, qtbot, squares(4), axis_labels=("z", "y", "x"), name="cells")
    engine.shelf["axons_3d"] = spec(3, task=Task.SEMANTIC, classes=engine.shelf["axons"].classes)
    show(dock, Task.SEMANTIC, "axons_3d")
    run(dock, qtbot)
    layer = dock.desk.result.layer
    paint(layer, 2, slice(1, 2), slice(0, 3), slice(0, 80))
    before = layer.data.copy()
    image.data[:, 45:55, 55:65] = 0
    dock.result_step.scope_choice.setCurrentIndex(dock.result_step.scope_choice.findData(PLANE))
    dock.viewer.dims.set_current_step(0, 2)
    run(dock, qtbot)
    assert results_of(dock) == [layer]
    assert not layer.data[2, 45:55, 55:65].any()
    assert np.array_equal(layer.data[[0, 1, 3]], before[[0, 1, 3]])


# --- tasks beside each other ------------------------------------------------------------------------------------------


def test_each_task_has_one_layer_however_often_it_is_run(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    settle(dock, qtbot)
    objects = dock.desk.result.layer
    dock.edits.target.editor.accept([1])
    show(dock, Task.SEMANTIC)
    run(dock, qtbot)
    classes = dock.desk.result.layer
    assert classes is not objects
    paint(classes, 2, slice(0, 3), slice(0, 80))
    for task, layer in ((Task.INSTANCE, objects), (Task.SEMANTIC, classes), (Task.INSTANCE, objects)):
        show(dock, task)
        run(dock, qtbot)
        settle(dock, qtbot)
        assert dock.desk.result.layer is layer  # what was run last is what Save, Measure and Correct mean
    assert results_of(dock) == [objects, classes]
    assert objects.features["status"][1] == "accepted"
    assert (classes.data[:3] == 2).all()


# --- both -------------------------------------------------------------------------------------------------------------


def both() -> ClassTable:
    axon = ClassTable.named(["axon"])
    return ClassTable((*axon, ClassInfo(2, "myelin", "#56b4e9", Kind.STUFF)))


@pytest.fixture
def with_both(dock: Any, engine: FakeEngine, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model that finds the squares as axons, and the band below them as myelin."""
    from dataclasses import replace

    engine.shelf["both"] = spec(2, task=Task.PANOPTIC, classes=both())
    usual = engine.predict

    def predict(image: Any, *args: Any, **kwargs: Any) -> Any:
        found = yield from usual(image, *args, **kwargs)
        labels = np.array(found.labels)
        band = int(labels[30, 30:40].max()) and labels.max() + 1
        labels[56:] = band
        objects = type(found.objects).of(labels)
        kinds = np.where(objects.label == band, 2, 1)
        return replace(found, labels=labels, objects=replace(objects, class_id=kinds))

    monkeypatch.setattr(engine, "predict", predict)
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    show(dock, Task.PANOPTIC)
    run(dock, qtbot)
    settle(dock, qtbot)
    return dock


def test_of_an_area_only_what_was_painted_stays(with_both: Any, qtbot: Any) -> None:
    dock = with_both
    result, editor = dock.desk.result, dock.edits.target.editor
    layer = result.layer
    area = int(layer.data[58, 0])
    assert editor.rows.get(area)["class"] == "myelin"
    paint(layer, area, slice(0, 3), slice(0, 20))
    editor.accept([1])
    before = layer.data.copy()
    dock.desk.layer.data[45:55, 55:65] = 0
    run(dock, qtbot)
    settle(dock, qtbot)
    assert results_of(dock) == [layer]
    assert (layer.data[:3, :20] == area).all()
    assert (layer.data[56:] == area).all()  # one area, one number
    assert not layer.data[45:55, 55:65].any()
    assert (layer.data == 1).sum() == (before == 1).sum()
    row = editor.rows.get(area)
    assert (row["class"], row["status"]) == ("myelin", "corrected")
    assert "8 axons replaced, your 1 and 60 painted pixels kept." in text(dock)
    assert result.current().objects.class_id[result.current().objects.label == area] == [2]
    undo(dock)
    assert np.array_equal(layer.data, before)


def test_an_area_that_nobody_painted_is_replaced_as_a_whole(with_both: Any, qtbot: Any) -> None:
    dock = with_both
    layer, editor = dock.desk.result.layer, dock.edits.target.editor
    area = int(layer.data[58, 0])
    paint(layer, 0, slice(56, 58), slice(0, 10))  # erased: background, which stays
    editor.accept([1])
    run(dock, qtbot)
    settle(dock, qtbot)
    assert not layer.data[56:58, :10].any()
    assert (layer.data[58:] == area).all()


# --- what was corrected is still learnt from --------------------------------------------------------------------------


def test_what_was_corrected_before_a_run_is_an_example_after_it_and_nothing_else(
    dock: Any, engine: FakeEngine, qtbot: Any
) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    settle(dock, qtbot)
    editor, layer = dock.edits.target.editor, dock.desk.result.layer
    editor.grow(2, distance=2.0)
    editor.delete([3])
    paint(layer, 20, slice(18, 22), slice(70, 78))
    changed = dock.paint.copy().changed
    run(dock, qtbot)
    settle(dock, qtbot)
    assert results_of(dock) == [layer]
    assert not layer.data[5:15, 55:65].any()  # deleted: it does not come back
    assert np.array_equal(dock.paint.copy().changed, changed)
    run(dock, qtbot, dock.train.start)
    learnt = next(args[1] for name, args in engine.calls if name == "finetune")
    assert np.array_equal(learnt.changed, changed)


# --- labels from elsewhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 4])
def test_labels_from_elsewhere_keep_what_was_accepted_corrected_and_painted(
    dock: Any, engine: FakeEngine, qtbot: Any, depth: int
) -> None:
    add_image(dock, qtbot, squares(depth), axis_labels=("z", "y", "x")[not depth :], name="cells")
    if depth:
        show(dock, Task.INSTANCE, "nuclei_3d")
    masks = np.zeros((60, 80), np.uint16)
    masks[4:16, 4:16], masks[24:36, 4:16], masks[0:3, 70:80] = 1, 2, 3
    layer = dock.viewer.add_labels(np.stack([masks] * depth) if depth else masks, name="by hand")
    dock.guide.refresh()
    dock.result_step.masks.correct.click()
    settle(dock, qtbot)
    assert dock.desk.result.layer is layer
    editor = dock.edits.target.editor
    editor.accept([1])
    editor.grow(2, distance=1.0)
    before = layer.data.copy()
    run(dock, qtbot)
    settle(dock, qtbot)
    assert [a for a in dock.viewer.layers if isinstance(a, Labels) and "outline" not in str(a.name)] == [layer]
    for n in (1, 2):
        assert np.array_equal(layer.data == n, before == n)
    assert not layer.data[..., 0:3, 70:80].any()
    assert len(set(np.unique(layer.data)) - {0, 1, 2}) == 7  # of the nine squares those in other places
    assert "1 nucleus replaced, your 2 kept." in text(dock)
    assert set(layer.features["class"][1:]) == {"nucleus"}
    undo(dock)
    assert np.array_equal(layer.data, before)


def test_labels_from_elsewhere_that_nobody_checked_can_be_had_back(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, squares(), axis_labels=("y", "x"), name="cells")
    masks = np.zeros((60, 80), np.uint16)
    masks[0:3, 70:80], masks[30:40, 0:3] = 1, 2
    layer = dock.viewer.add_labels(masks, name="by hand")
    dock.guide.refresh()
    dock.result_step.masks.correct.click()
    settle(dock, qtbot)
    run(dock, qtbot)
    settle(dock, qtbot)
    assert dock.desk.result.layer is layer
    assert "2 nuclei replaced; none of them was accepted or corrected." in text(dock)
    undo(dock)
    assert layer.data.sum() == masks.sum() == 30 + 60


# --- after a crash ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken_back", [False, True])
def test_what_is_restored_knows_what_a_person_did_and_what_a_run_did(
    dock: Any, engine: FakeEngine, qtbot: Any, tmp_path: Path, taken_back: bool
) -> None:
    pixels = squares()
    image = add_image(dock, qtbot, pixels.copy(), axis_labels=("y", "x"), name="cells")
    run(dock, qtbot)
    settle(dock, qtbot)
    editor, layer = dock.edits.target.editor, dock.desk.result.layer
    editor.grow(2, distance=2.0)
    editor.accept([1])
    image.data[45:55, 55:65] = 0
    run(dock, qtbot)
    settle(dock, qtbot)
    if taken_back:
        undo(dock)
    changed, left, status = dock.paint.copy().changed, layer.data.copy(), status_of(layer)
    dock.journal.close()
    later = new_dock(engine, tmp_path)
    again = add_image(later, qtbot, pixels, axis_labels=("y", "x"), name="the same again")
    qtbot.waitUntil(lambda: "were kept" in text(later), timeout=5000)
    restore(later, qtbot)
    settle(later, qtbot)
    result = later.desk.result
    assert result.image_layer is again
    assert np.array_equal(result.layer.data, left)
    assert status_of(result.layer) == status
    assert np.array_equal(later.paint.copy().changed, changed)
    if not taken_back:  # a run cannot be taken back on another day: nothing stale is written
        result.layer.undo()
        assert np.array_equal(result.layer.data, left)
    wait_idle(qtbot, later)


def status_of(layer: Labels) -> dict[int, str]:
    table = layer.features
    return {int(n): str(s) for n, s in zip(table["label"], table["status"], strict=True) if n}


def test_the_share_of_a_class_does_not_depend_on_the_time_between_frames(dock: Any, qtbot: Any) -> None:
    """A film of one frame every 30 s: what fills a quarter of each frame is a quarter of the film."""
    film = np.zeros((3, 8, 8), np.uint8)
    image = dock.viewer.add_image(film, axis_labels=("t", "y", "x"), scale=(30.0, 0.5, 0.5), name="film")
    labels = np.zeros(film.shape, np.int32)
    labels[:, :4, :4] = 1
    classes = ClassTable.named(["tissue"], Kind.STUFF)
    table = ObjectTable(np.array([1]), np.array([1]), np.array([1.0], np.float32), ("predicted",))
    found = Segmentation(Task.SEMANTIC, labels, table, classes, "TYX", (0.5, 0.5), "um")
    assert [share for _, _, share in _shares(show_result(dock.viewer, found, image, "TYX"))] == ["25.0%"]
