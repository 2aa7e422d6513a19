"""A semantic result and its objects: two arrays, always in step."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segplugin.core import ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.component_views import ComponentViews
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.writers import labels_to_segmentation

CLASSES = ClassTable.named(["axon", "myelin"], Kind.STUFF)


def result(labels: np.ndarray) -> ComponentViews:
    table = ObjectTable(np.array([1, 2]), np.array([1, 2]), np.ones(2, np.float32), ("predicted",) * 2)
    found = Segmentation(Task.SEMANTIC, labels, table, CLASSES, "YX", (1.0, 1.0))
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(labels.shape), scale=(0.5, 0.5))
    return ComponentViews(viewer, viewer.add_layer(segmentation_to_layer(found, image, "YX")), CLASSES, "YX")


@pytest.fixture
def linked():
    labels = np.zeros((12, 20), np.uint16)
    labels[1:4, 1:4], labels[1:4, 8:11], labels[6:10, 1:11] = 1, 1, 2
    return result(labels)


def color(view, label):
    return tuple(np.round(view.colormap.map(label), 2)[:3])


def in_step(linked):
    view = linked.views["instance"]
    np.testing.assert_array_equal(linked._class_of[view.data], linked.layer.data)


def test_objects_are_pieces_in_shades_of_their_class(linked):
    view = linked.show("instance")
    assert [view.data[2, 2], view.data[2, 9], view.data[7, 5]] == [1, 2, 3]
    assert len({color(view, n) for n in (1, 2, 3)}) == 3
    assert view.features["class"].tolist() == ["background", "axon", "axon", "myelin"]
    np.testing.assert_allclose(view.scale, (0.5, 0.5))
    panoptic = linked.show("panoptic")
    assert panoptic.data is view.data
    assert color(panoptic, 1) == color(panoptic, 2)  # areas are not counted


def test_what_is_painted_on_classes_shows_in_the_objects_and_undo_too(linked):
    view = linked.show("instance")
    linked.layer.data_setitem((np.full(4, 2), np.arange(4, 8)), 1)  # joins the two axons
    assert view.data[2, 9] == view.data[2, 2] == 1
    in_step(linked)
    linked.layer.undo()
    assert [view.data[2, 2], view.data[2, 5]] == [1, 0]
    assert view.data[2, 9] not in (0, 1)
    in_step(linked)
    linked.layer.redo()
    assert view.data[2, 9] == 1


def test_what_is_painted_on_objects_shows_in_the_classes_and_undo_too(linked):
    view = linked.show("instance")
    before = linked.layer.data.copy()
    view.selected_label = 3
    view.paint((2, 9), 3)  # myelin over an axon
    in_step(linked)
    assert linked.layer.data[2, 9] == 2
    view.data_setitem((np.array([0]), np.array([19])), 0)
    view.undo()
    view.undo()
    np.testing.assert_array_equal(linked.layer.data, before)
    view.redo()
    assert linked.layer.data[2, 9] == 2


def test_a_new_number_on_the_objects_is_of_the_class_in_the_brush_of_the_result(linked):
    view = linked.show("instance")
    linked.layer.selected_label = 2
    view.data_setitem((np.array([11, 11]), np.array([18, 19])), 9)
    assert linked.layer.data[11, 19] == 2
    assert view.features["class"].tolist()[-1] == "myelin"
    in_step(linked)


def test_other_data_of_another_shape_and_back(linked):
    view = linked.show("instance")
    linked.layer.data = np.ones((5, 5), np.uint16)
    assert view.data.tolist() == np.ones((5, 5), int).tolist()
    in_step(linked)


def test_a_stale_answer_is_thrown_away(linked):
    waiting = []
    linked._later = lambda work, done: waiting.append((work, done))
    view = linked.show("instance")
    linked.layer.data_setitem((np.array([0]), np.array([19])), 1)
    (first, take_first), (second, take_second) = waiting
    take_second(second())
    now = view.data.copy()
    take_first(first())
    np.testing.assert_array_equal(view.data, now)
    in_step(linked)


def test_views_are_taken_away_and_followed_no_longer(linked):
    view = linked.show("instance")
    linked.let_go()
    assert [a.name for a in linked.viewer.layers] == ["Image", linked.layer.name]
    linked.layer.data_setitem((np.array([0]), np.array([19])), 1)
    assert view.data[0, 19] == 0


def test_objects_are_measured_as_objects_of_their_classes(linked):
    view = linked.show("instance")
    data, attributes, _ = view.as_layer_data_tuple()
    found = labels_to_segmentation(data, attributes)
    assert found.task is Task.INSTANCE
    assert found.objects.class_id.tolist() == [1, 1, 2]
    assert found.classes.thing_ids == (1, 2)
