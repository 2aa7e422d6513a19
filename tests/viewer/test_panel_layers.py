"""What the panels need of the viewer, without Qt: layers that belong together, aims, labels as segmentations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.viewer import panels
from napari_segplugin.viewer.focus import aim_at, camera_of, flight
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.viewer.writers import labels_to_segmentation, write_labels


def result(task: Task = Task.INSTANCE) -> Labels:
    labels = np.zeros((4, 6), np.int32)
    labels[0, 0], labels[2, 2:5] = 3, 7
    kinds = np.array([3, 7]) if task is Task.SEMANTIC else np.array([2, 1])
    table = ObjectTable(np.array([3, 7]), kinds, np.array([0.5, np.nan], np.float32), ("accepted", "predicted"))
    classes = ClassTable.named([f"kind {i}" for i in range(1, 8)])
    seg = Segmentation(task, labels, table, classes, "YX", (0.5, 0.5), "um")
    return segmentation_to_layer(seg, Image(np.zeros((4, 6)), scale=(0.5, 0.5), units=("um", "um")), "YX")


@pytest.mark.parametrize("task", [Task.INSTANCE, Task.SEMANTIC])
def test_a_result_layer_keeps_classes_scores_and_status(task: Task) -> None:
    found = labels_to_segmentation(*panels.freeze(result(task)))
    assert (found.task, found.axes, found.spacing, found.unit) == (task, "YX", (0.5, 0.5), "um")
    assert [c.name for c in found.classes][1:3] == ["kind 1", "kind 2"]
    assert found.objects.class_id.tolist() == ([2, 1] if task is Task.INSTANCE else [3, 7])
    assert found.objects.status == ("accepted", "predicted")
    assert found.objects.score[0] == 0.5


def test_a_layer_of_another_program_names_its_classes_in_its_features() -> None:
    layer = Labels(np.array([[1, 2]]), features={"index": [0, 1, 2], "class": ["", "bone", "muscle"]})
    found = labels_to_segmentation(*panels.freeze(layer))
    assert [c.name for c in found.classes] == ["background", "bone", "muscle"]
    plain = labels_to_segmentation(*panels.freeze(Labels(np.zeros((2, 3, 4, 5), int))))
    assert (plain.axes, [c.name for c in plain.classes]) == ("TZYX", ["background", "object"])
    semantic = panels.with_task(panels.freeze(Labels(np.array([[1, 4]])))[1], Task.SEMANTIC)
    assert len(labels_to_segmentation(np.array([[1, 4]]), semantic).classes) == 5


def test_layers_are_written_with_what_they_say(tmp_path: Path) -> None:
    data, attributes = panels.freeze(result())
    written = write_labels(str(tmp_path / "n.geojson"), data, attributes)
    assert str(tmp_path / "n.geojson") in written
    features = json.loads((tmp_path / "n.geojson").read_text())["features"]
    assert [f["properties"]["classification"]["name"] for f in features] == ["kind 2", "kind 1"]
    assert features[0]["properties"]["measurements"]["score"] == 0.5
    assert features[0]["properties"]["metadata"] == {"status": "accepted"}


def test_tracks_come_from_the_features_table() -> None:
    layer = Labels(np.array([[1, 2]]), features={"index": [0, 1, 2], "track": [np.nan, 7, 7]})
    assert panels.tracks_of(layer.features) == {1: 7, 2: 7}
    assert panels.tracks_of(Labels(np.array([[1]])).features) == {}


def test_images_of_the_same_size_are_offered() -> None:
    viewer = ViewerModel()
    labels = viewer.add_labels(np.zeros((4, 30, 40), int))
    fits = [
        viewer.add_image(np.zeros((4, 30, 40))),
        viewer.add_image(np.zeros((4, 30, 40, 3), np.uint8), rgb=True),
        viewer.add_image(np.zeros((2, 4, 30, 40)), axis_labels=("c", "z", "y", "x")),
    ]
    viewer.add_image(np.zeros((30, 40)))
    viewer.add_image(np.zeros((2,) * 6))
    assert panels.images_over(viewer, labels) == fits


def test_result_and_truth_are_told_apart() -> None:
    truth, small = Labels(np.zeros((4, 4), int), name="truth"), Labels(np.zeros((2, 2), int), name="a")
    marked = Labels(np.zeros((2, 2), int), name="b", metadata={"segplugin": {"role": "truth"}})
    assert panels.guess_pair([truth, small, marked]) == (small, marked)
    assert panels.guess_pair([truth, small], small) == (small, truth)
    assert panels.guess_pair([truth]) == (truth, None)
    assert panels.guess_pair([]) == (None, None)
    assert panels.task_of(truth) is Task.INSTANCE


def test_hits_lie_over_labels_whose_axes_stand_in_another_order() -> None:
    layer = Labels(np.zeros((5, 4, 3), int), axis_labels=("x", "y", "z"), scale=(1, 2, 3))
    overlay = np.zeros((3, 4, 5), np.uint8)
    overlay[2, 1, 4] = 3
    made = panels.outcome_layer(layer, overlay)
    assert made.data[4, 1, 2] == 3
    np.testing.assert_allclose(made.scale, (1, 2, 3))
    assert made.axis_labels == layer.axis_labels


def test_an_aim_is_the_middle_of_the_object_in_the_world() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((9, 30, 40), int), scale=(3, 1, 0.5), translate=(10, 0, 0))
    aim = aim_at(viewer, layer, np.array([[2, 10, 20], [6, 14, 28]]))
    assert aim.point == pytest.approx((10 + 3 * 3, 11.5, 0.5 * 23.5))
    assert aim.center == pytest.approx((0, 14.5, 0.5 * 19.5))  # all of the layer is on the screen, and stays there
    camera_of(viewer).zoom *= 4
    aim = aim_at(viewer, layer, np.array([[2, 10, 20], [6, 14, 28]]))
    assert aim.center == pytest.approx((0, 11.5, 0.5 * 23.5))
    list(flight(viewer, aim, 0.01))
    assert viewer.dims.current_step[0] == 3
    assert tuple(camera_of(viewer).center) == pytest.approx(aim.center)
    viewer.dims.ndisplay = 3
    assert aim_at(viewer, layer, np.array([[2, 10, 20], [6, 14, 28]])).center == pytest.approx((20.5, 11.5, 11.75))


def test_an_aim_knows_the_time_point() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((5, 30, 40), int))
    aim = aim_at(viewer, layer, np.array([[0, 0], [10, 10]]), frame=3)
    list(flight(viewer, aim, 0))
    assert viewer.dims.current_step[0] == 3


def test_technical_layers_are_not_measured_but_the_objects_of_classes_are() -> None:
    viewer = ViewerModel()
    result = viewer.add_labels(np.ones((4, 5), int), name="result")
    pieces = Labels(np.ones((4, 5), int), name="pieces", metadata={"segplugin": {"pieces": True}})
    for layer in (Labels(np.ones((4, 5), int), name="preview"), pieces):
        add_hidden(viewer, layer)
    add_hidden(viewer, Image(np.ones((4, 5)), name="edges"))
    assert panels.labels_layers(viewer) == [result, pieces]
    assert panels.images_over(viewer, result) == []
