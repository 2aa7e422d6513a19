"""Objects of two classes in the dock: what is painted, marked, taken back, renamed and restored keeps its class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from dock_helpers import add_image, restore, run, wait_idle
from fake_engine import FakeEngine, blobs, spec

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, Task
from napari_segplugin.engine.session import Session
from napari_segplugin.viewer.corrections import area_value, check_paints
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.widgets.step_method import SCRATCH

pytestmark = pytest.mark.qt


def find(dock: Any, task: Task) -> None:
    dock.method_step.task_choice.setCurrentIndex(dock.method_step.task_choice.findData(task))
    at = next(
        i
        for i in range(dock.method_step.weights_choice.count())
        if dock.method_step.weights_choice.itemData(i) == SCRATCH
    )
    dock.method_step.weights_choice.setCurrentIndex(at)


def two_classes(dock: Any, task: Task = Task.INSTANCE) -> None:
    """From scratch: cells and debris; with a tissue where areas are looked for."""
    find(dock, task)
    editor = dock.method_step.classes
    names = ("cell", "debris")
    if task is Task.PANOPTIC:
        editor.set_table(panoptic_table(), kinds=True)
        editor.changed.emit()
        return
    editor.add_class()
    for i, name in enumerate(names, 1):
        editor.grid.item(i - 1, 1).setText(name)


def panoptic_table() -> ClassTable:
    from napari_segplugin.core import ClassInfo, Kind

    return ClassTable((*ClassTable.named(["cell", "debris"]), ClassInfo(3, "tissue", "#009e73", Kind.STUFF)))


def choose(dock: Any, name: str) -> None:
    """A person takes a class from the list."""
    row = dock.improve_step.paint_class
    at = row.choice.findData(name)
    row.choice.setCurrentIndex(at)
    row.choice.activated.emit(at)


def square(dock: Any, i: int, value: int = 0) -> int:
    """Paint a square with the brush as it is, or with a number."""
    layer = dock.paint.layer
    value = value or int(layer.selected_label)
    rows, columns = np.mgrid[2:6, 2 + 7 * i : 6 + 7 * i]
    layer.data_setitem((rows.ravel(), columns.ravel()), value)
    return value


def press(dock: Any, value: int) -> None:
    dock.improve_step.paints.findChild(object, f"paint_{value}").click()


def said(dock: Any) -> dict[int, int]:
    return dict(dock.paint.copy().painted_class)


@pytest.fixture
def two(with_image: Any) -> Any:
    two_classes(with_image)
    with_image.improve_step.layer_button.click()
    return with_image


def test_there_is_nothing_to_choose_where_there_is_one_class(with_image: Any) -> None:
    find(with_image, Task.INSTANCE)
    with_image.improve_step.layer_button.click()
    assert with_image.improve_step.paint_class.isHidden()
    square(with_image, 0)
    two_classes(with_image)
    assert not with_image.improve_step.paint_class.isHidden()
    assert said(with_image) == {1: 1}  # the class was renamed, and another one came beside it


def test_each_object_is_of_the_class_that_was_chosen(two: Any, engine: FakeEngine, qtbot: Any) -> None:
    assert square(two, 0) == 1
    choose(two, "debris")
    second = square(two, 1)
    press(two, -1)
    third = square(two, 2)
    assert len({1, second, third}) == 3
    assert said(two) == {1: 1, second: 2, third: 2}
    run(two, qtbot, two.train.start)
    sent = next(args for name, args in engine.calls if name == "finetune")[1]
    assert sent.painted_class == {1: 1, second: 2, third: 2}
    qtbot.waitUntil(lambda: "of these: 1 cell, 2 debris" in two.improve_step.counts.text(), timeout=5000)


def test_the_list_shows_the_class_of_the_object_in_the_brush(two: Any) -> None:
    square(two, 0)
    choose(two, "debris")
    square(two, 1)
    two.paint.layer.selected_label = 1
    assert two.improve_step.paint_class.name == "cell"
    two.paint.layer.selected_label = 2
    assert two.improve_step.paint_class.name == "debris"


def test_a_number_of_napari_s_own_gets_the_class_that_is_shown(two: Any) -> None:
    choose(two, "debris")
    two.paint.layer.selected_label = 40
    square(two, 0)
    assert said(two) == {40: 2}


def test_choosing_does_not_change_what_is_painted_but_offers_to(two: Any, qtbot: Any) -> None:
    square(two, 0)
    qtbot.waitUntil(lambda: 1 in two.paint.counts, timeout=5000)
    choose(two, "debris")
    assert said(two) == {1: 1}
    assert two.improve_step.paint_class.change.text() == "Object 1 too"
    assert not two.improve_step.paint_class.change.isHidden()
    two.improve_step.paint_class.change.click()
    assert two.improve_step.paint_class.change.isHidden()
    (number,) = np.unique(two.paint.layer.data)[1:]
    assert said(two)[int(number)] == 2
    two.paint.layer.undo()
    assert np.unique(two.paint.layer.data)[1:].tolist() == [1]
    assert said(two)[1] == 1
    press(two, BACKGROUND_PAINT)
    choose(two, "cell")
    assert two.improve_step.paints.findChild(object, "paint_-1").isChecked()
    square(two, 2)
    assert two.improve_step.paint_class.change.isHidden()  # the offer is over when painting goes on


def test_undo_and_redo_keep_the_class_whatever_is_chosen_between(two: Any) -> None:
    square(two, 0)
    two.paint.layer.undo()
    choose(two, "debris")
    two.paint.layer.redo()
    assert said(two)[1] == 1
    press(two, -1)
    second = square(two, 1)
    assert said(two) == {1: 1, second: 2}


def test_renamed_classes_keep_their_objects_and_removed_ones_are_asked_for(two: Any) -> None:
    square(two, 0)
    choose(two, "debris")
    second = square(two, 1)
    grid = two.method_step.classes.grid
    grid.item(1, 1).setText("dirt")
    assert said(two) == {1: 1, second: 2}
    two.method_step.classes.add_class()
    grid.setCurrentCell(0, 1)
    two.method_step.classes.remove_class()
    assert said(two) == {second: 1}  # what is now class 1 is dirt still
    qualms = two.paint.copy()
    assert 1 not in qualms.painted_class


def test_points_and_boxes_are_of_the_class_that_is_chosen_when_they_are_made(two: Any) -> None:
    two.paint.weak.add("points")
    points = two.paint.weak.layer("points")
    points.add([3, 3])
    choose(two, "debris")
    points.add([9, 9])
    two.paint.weak.add("boxes")
    two.paint.weak.layer("boxes").add_rectangles(np.array([[2, 3], [2, 9], [8, 9], [8, 3]]))
    copied = two.paint.copy()
    assert (copied.point_class, copied.box_class) == ((1, 2), (2,))
    two.method_step.classes.grid.item(1, 1).setText("dirt")
    points.add([12, 12])
    assert two.paint.copy().point_class == (1, 2, 2)
    points.features = points.features.assign(**{"class": ["cell", "stone", "dirt"]})
    with pytest.raises(InputError, match=r"points or boxes without a class.*Got 'stone'. Accepted: cell, dirt"):
        two.paint.copy()


def test_points_have_the_class_of_the_brush_where_classes_are_painted(with_image: Any) -> None:
    two_classes(with_image, Task.SEMANTIC)
    choose(with_image, "debris")
    with_image.paint.weak.add("points")
    with_image.paint.weak.layer("points").add([3, 3])
    with_image.improve_step.layer_button.click()
    assert with_image.paint.layer.selected_label == 2
    press(with_image, 1)
    with_image.paint.weak.add("points")
    with_image.paint.weak.layer("points").add([9, 9])
    assert with_image.paint.copy().point_class == (2, 1)


class TestAreas:
    @pytest.fixture
    def mixed(self, with_image: Any) -> Any:
        two_classes(with_image, Task.PANOPTIC)
        with_image.improve_step.layer_button.click()
        return with_image

    def test_an_area_is_painted_beside_objects(self, mixed: Any, qtbot: Any) -> None:
        choose(mixed, "debris")
        first = square(mixed, 0)
        press(mixed, area_value(3))
        square(mixed, 1)
        press(mixed, -1)
        second = square(mixed, 2)
        assert said(mixed) == {first: 2, second: 2, area_value(3): 3}
        qtbot.waitUntil(lambda: "tissue: 1 stroke" in mixed.improve_step.counts.text(), timeout=5000)
        assert "2 painted objects" in mixed.improve_step.counts.text()
        colors = mixed.paint.layer.colormap.color_dict
        np.testing.assert_allclose(colors[area_value(3)][:3], (0, 158 / 255, 115 / 255), atol=0.01)
        assert not any(np.allclose(colors[n], colors[area_value(3)]) for n in range(1, 40))

    def test_an_area_that_is_counted_now_is_refused(self, mixed: Any, qtbot: Any) -> None:
        press(mixed, area_value(3))
        square(mixed, 1)
        qtbot.waitUntil(lambda: bool(mixed.paint.counts), timeout=5000)
        mixed.method_step.classes.grid.cellWidget(2, 2).setCurrentIndex(0)
        with pytest.raises(InputError, match="“tissue” were painted as an area"):
            mixed.paint.copy()


def test_strokes_of_classes_are_not_taken_for_objects(with_image: Any) -> None:
    two_classes(with_image, Task.SEMANTIC)
    with_image.improve_step.layer_button.click()
    square(with_image, 0)
    strokes = with_image.paint.layer
    find(with_image, Task.INSTANCE)
    assert not with_image.paint.copy().paint.any()
    with_image.improve_step.layer_button.click()
    assert with_image.paint.layer is not strokes
    with pytest.raises(InputError, match="contains strokes of classes, but whole objects are needed"):
        check_paints(strokes, Task.INSTANCE)
    find(with_image, Task.SEMANTIC)
    assert with_image.paint.copy().paint.any()


# --- results ----------------------------------------------------------------------------------------------------------


def test_the_classes_of_a_result_are_found_by_name_in_the_model_that_learns(
    with_image: Any, engine: FakeEngine, qtbot: Any
) -> None:
    """Two models may number the same classes differently."""
    engine.shelf["one"] = spec(2, classes=ClassTable.named(["cell", "debris"]))
    engine.shelf["other"] = spec(2, classes=ClassTable.named(["debris", "cell"]))
    method = with_image.method_step
    method.prefer("one")
    run(with_image, qtbot)
    qtbot.waitUntil(lambda: with_image.edits.target is not None, timeout=5000)
    with_image.edits.target.editor.set_class([2], "debris")
    first = with_image.paint.copy().object_class
    assert (first[1], first[2]) == (1, 2)
    method.prefer("other")
    second = with_image.paint.copy().object_class
    assert (second[1], second[2]) == (2, 1)
    find(with_image, Task.INSTANCE)  # "object" alone: nothing has to be said
    assert with_image.paint.copy().object_class == {}


def test_classes_of_pixels_are_not_taken_for_objects(with_image: Any, qtbot: Any) -> None:
    with_image.method_step.prefer("axons")
    run(with_image, qtbot)
    assert with_image.paint.copy().edited is not None
    find(with_image, Task.INSTANCE)
    assert with_image.paint.copy().edited is None


def test_labels_from_elsewhere_are_asked_for_their_class(with_image: Any, qtbot: Any) -> None:
    two_classes(with_image)
    edits = with_image.edits

    def give(name: str, **more: Any) -> Any:
        array = np.zeros((40, 50), np.uint16)
        array[3:8, 3:8], array[20:25, 20:25] = 5, 9
        layer = with_image.viewer.add_labels(array, name=name, scale=(0.5, 0.5), **more)
        edits.show()
        edits.panel.adopt.click()
        return layer

    asked = give("mute", features={"index": [0, 5, 9], "stain": [0.0, 0.25, 0.5]})
    assert edits.target is None
    with_image.messages.findChild(object, "adopt_2").click()
    qtbot.waitUntil(lambda: edits.target is not None and edits.target.layer is asked, timeout=5000)
    assert asked.features["class"].tolist()[1:] == ["debris", "debris"]
    assert asked.features["stain"].tolist()[1:] == [0.25, 0.5]
    asked.data_setitem((np.array([8]), np.array([4])), 5)
    assert with_image.paint.copy().object_class == {5: 2, 9: 2}
    told = give("told", features={"index": [0, 5, 9], "label": [0, 5, 9], "class": ["", "debris", "cell"]})
    qtbot.waitUntil(lambda: edits.target is not None and edits.target.layer is told, timeout=5000)
    assert with_image.paint.copy().object_class == {5: 2, 9: 1}


# --- another day ------------------------------------------------------------------------------------------------------


def another_day(qtbot: Any, folder: Path, yesterday: Any) -> Any:
    yesterday.journal.close()
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = napari.Viewer(show=False)
    dock = SegmentationDock(viewer, engine=FakeEngine(), session=Session(folder / "session"))
    viewer.window.add_dock_widget(dock, name="Segmentation")
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"), name="again")
    qtbot.waitUntil(lambda: dock.messages.findChild(object, "restore_yes") is not None, timeout=5000)
    return dock


def paint_two(dock: Any, qtbot: Any) -> dict[int, int]:
    square(dock, 0)
    choose(dock, "debris")
    square(dock, 1)
    dock.paint.weak.add("points")
    dock.paint.weak.layer("points").add([20, 20])
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    return said(dock)


def test_kept_work_comes_back_with_its_classes(two: Any, qtbot: Any, tmp_path: Path) -> None:
    before = paint_two(two, qtbot)
    dock = another_day(qtbot, tmp_path, two)
    two_classes(dock)
    restore(dock, qtbot)
    assert said(dock) == before
    assert dock.paint.copy().point_class == (2,)
    third = another_day(qtbot, tmp_path, dock)
    two_classes(third)
    restore(third, qtbot)
    assert said(third) == before
    for d in (dock, third):
        wait_idle(qtbot, d)
        d.viewer.close()


def test_kept_objects_stay_apart_from_those_that_were_painted_meanwhile(two: Any, qtbot: Any, tmp_path: Path) -> None:
    paint_two(two, qtbot)
    dock = another_day(qtbot, tmp_path, two)
    offer = dock.messages.findChild(object, "restore_yes")
    two_classes(dock)
    dock.improve_step.layer_button.click()
    choose(dock, "debris")
    square(dock, 3)
    offer.click()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    paint, kinds = dock.paint.layer.data, said(dock)
    at = [int(paint[3, 3 + 7 * i]) for i in (0, 1, 3)]
    assert len(set(at)) == 3
    assert [kinds[n] for n in at] == [1, 2, 2]
    wait_idle(qtbot, dock)
    dock.viewer.close()


def test_objects_of_a_file_without_classes_are_not_given_the_one_that_is_chosen(
    two: Any, qtbot: Any, tmp_path: Path
) -> None:
    """As kept by an earlier version."""
    paint_two(two, qtbot)
    path = next((tmp_path / "session" / "journals").iterdir())
    two.journal.close()
    from napari_segplugin.viewer.records import read_records

    records, _ = read_records(path)
    path.unlink()
    old = Journal()
    old.open(path)
    for header, payload in records:
        if header["kind"] != "classes":
            old.append({k: v for k, v in header.items() if k not in ("paints", "class")}, payload)
    old.close()
    dock = another_day(qtbot, tmp_path, two)
    two_classes(dock)
    restore(dock, qtbot)
    qtbot.waitUntil(lambda: len(dock.paint.counts) == 2, timeout=5000)
    with pytest.raises(InputError, match="points or boxes without a class"):
        dock.paint.copy()
    dock.viewer.layers.remove(dock.paint.weak.layer("points"))
    assert said(dock) == {}
    square(dock, 0, 1)
    assert said(dock) == {}
    dock.paint.layer.selected_label = 1
    choose(dock, "debris")  # it has none yet, so it gets it
    assert said(dock) == {1: 2}
    wait_idle(qtbot, dock)
    dock.viewer.close()


def test_background_is_no_object(two: Any) -> None:
    press(two, BACKGROUND_PAINT)
    square(two, 0)
    assert said(two) == {}


def test_each_time_point_of_a_film_and_every_plane_of_a_volume_has_its_objects(dock: Any, qtbot: Any) -> None:
    add_image(dock, qtbot, blobs((3, 40, 50)), axis_labels=("t", "y", "x"), name="film")
    two_classes(dock)
    dock.improve_step.layer_button.click()
    layer = dock.paint.layer
    layer.data_setitem((np.array([0, 0]), np.array([3, 4]), np.array([5, 5])), layer.selected_label)
    choose(dock, "debris")
    layer.data_setitem((np.array([2, 2]), np.array([3, 4]), np.array([5, 5])), layer.selected_label)
    copied = dock.paint.copy()
    for frame, kind in ((0, 1), (2, 2)):
        one = copied.frame(frame)
        (number,) = np.unique(one.paint)[1:]
        assert one.painted_class[int(number)] == kind
    assert copied.frame(1).empty


def test_a_saved_corrections_layer_is_learnt_from_its_file_with_its_classes(two: Any, tmp_path: Path) -> None:
    """Saved by napari: the table beside it says the classes, and the command line and Python read it."""
    from napari_segplugin.door.inputs import as_corrections
    from napari_segplugin.viewer.writers import write_labels

    square(two, 0)
    choose(two, "debris")
    second = square(two, 1)
    data, attributes, _ = two.paint.layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "strokes.tif"), data, attributes)
    read = as_corrections(tmp_path / "strokes.tif", Task.INSTANCE, ClassTable.named(["debris", "cell"]))
    assert read.painted_class == {1: 2, second: 1}


@pytest.mark.parametrize("task", [Task.INSTANCE, Task.PANOPTIC])
def test_the_real_engine_learns_both_classes_from_the_dock(real: Any, qtbot: Any, task: Task) -> None:
    pytest.importorskip("torch")
    image = np.random.default_rng(0).normal(100, 5, (40, 50)).astype(np.float32)
    image[2:6, 2:6], image[2:6, 9:13] = 200, 20
    add_image(real, qtbot, image, axis_labels=("y", "x"), name="cells")
    two_classes(real, task)
    real.improve_step.layer_button.click()
    square(real, 0)
    choose(real, "debris")
    square(real, 1)
    if task is Task.PANOPTIC:
        press(real, area_value(3))
        square(real, 3)
    press(real, BACKGROUND_PAINT)
    square(real, 5)
    step = real.improve_step
    step.budget_spin.setValue(3)
    step.budget_unit.setCurrentIndex(step.budget_unit.findData("steps"))
    run(real, qtbot, real.train.start)
    assert real.train.new is not None, real.messages.text.text()
    learnt = np.unique(real.train.new.exemplars.array("labels")[:, 0]).tolist()
    assert learnt == [0, 1, 2] + [3] * (task is Task.PANOPTIC)
