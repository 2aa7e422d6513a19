"""A semantic result and its objects: two arrays, always in step, and one layer that shows either."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segplugin.core import ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.views import ResultView
from napari_segplugin.viewer.writers import labels_to_segmentation

CLASSES = ClassTable.named(["axon", "myelin"], Kind.STUFF)
ORANGE, BLUE = (0.9, 0.62, 0.0), (0.34, 0.71, 0.91)


def result(labels: np.ndarray, later: object = None) -> ResultView:
    table = ObjectTable(np.array([1, 2]), np.array([1, 2]), np.ones(2, np.float32), ("predicted",) * 2)
    axes = "ZYX"[3 - labels.ndim :]
    found = Segmentation(Task.SEMANTIC, labels, table, CLASSES, axes, (1.0,) * labels.ndim)
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(labels.shape), scale=(0.5,) * labels.ndim)
    layer = viewer.add_layer(segmentation_to_layer(found, image, axes))
    how = {} if later is None else {"later": later}
    return ResultView(viewer, layer, CLASSES, Task.SEMANTIC, axes, **how)


@pytest.fixture
def view() -> ResultView:
    labels = np.zeros((12, 20), np.uint8)
    labels[1:4, 1:4], labels[1:4, 8:11], labels[6:10, 1:11] = 1, 1, 2
    return result(labels)


def seen(view: ResultView, *at: int) -> tuple[float, ...]:
    """The color of a pixel as napari's own textures have it."""
    image = view.layer._slice.image
    table = view.layer.colormap._get_mapping_from_cache(image.raw.dtype)
    return tuple(np.asarray(table[image.view[at]], float).round(2)[:3])


def in_step(view: ResultView) -> None:
    np.testing.assert_array_equal(view.pieces.class_of[view.pieces.objects.data], view.layer.data)


def test_the_layer_shows_pieces_and_stays_a_layer_of_classes(view: ResultView) -> None:
    assert view.kind == "semantic"
    assert (seen(view, 2, 2), seen(view, 7, 5)) == (ORANGE, BLUE)
    data, before = view.layer.data, view.layer.data.copy()
    view.show("instance")
    assert len({seen(view, 2, 2), seen(view, 2, 9), seen(view, 7, 5)}) == 3
    assert view.layer.data is data
    np.testing.assert_array_equal(data, before)
    assert len(view.viewer.layers) == 2
    assert tuple(np.asarray(view.layer.get_color(1), float).round(2)[:3]) == ORANGE  # the brush is of a class
    assert seen(view, 0, 0) == (0, 0, 0)
    view.show("panoptic")
    assert seen(view, 2, 2) == seen(view, 2, 9) == ORANGE  # areas are not counted
    view.show("semantic")
    assert (seen(view, 2, 2), seen(view, 7, 5)) == (ORANGE, BLUE)
    assert view.pieces is None
    assert "_raw_to_displayed" not in vars(view.layer)


def test_pieces_of_things_are_in_shades_of_their_class(view: ResultView) -> None:
    things = ClassTable.named(["axon", "myelin"], Kind.THING)
    found = ResultView(view.viewer, view.layer, things, Task.SEMANTIC, "YX")
    found.show("panoptic")
    assert seen(found, 2, 2) != seen(found, 2, 9)


def test_what_is_painted_is_in_the_color_of_its_class_until_it_is_numbered() -> None:
    waiting: list[tuple[object, object]] = []
    labels = np.zeros((12, 20), np.uint8)
    labels[1:4, 1:4], labels[1:4, 8:11] = 1, 1
    view = result(labels, later=lambda work, done: waiting.append((work, done)))
    view.show("instance")

    def work_off() -> None:
        while waiting:
            work, done = waiting.pop(0)
            done(work())

    work_off()
    apart = seen(view, 2, 9)
    view.layer.data_setitem((np.full(4, 2), np.arange(4, 8)), 1)
    view.layer.data_setitem((np.array([8]), np.array([8])), 2)
    view.layer.refresh()
    assert seen(view, 2, 5) == ORANGE
    assert seen(view, 8, 8) == BLUE
    work_off()
    assert seen(view, 2, 5) == seen(view, 2, 2) == seen(view, 2, 9) != apart
    in_step(view)


def test_planes_and_turned_axes_of_a_volume() -> None:
    labels = np.zeros((4, 10, 12), np.uint8)
    labels[1, 1:4, 1:4], labels[1, 1:4, 8:11], labels[3, 6:9, 2:5] = 1, 1, 1
    view = result(labels)
    view.show("instance")
    numbers = view.pieces.objects.data
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)):
        view.viewer.dims.order = order
        for step in range(labels.shape[order[0]]):
            view.viewer.dims.set_current_step(order[0], step)
            plane = np.take(numbers.transpose(order), step, 0)
            colors = {n: {seen(view, *at) for at in np.argwhere(plane == n).tolist()} for n in np.unique(plane)}
            assert all(len(c) == 1 for c in colors.values())
            assert len({next(iter(c)) for c in colors.values()}) == len(colors)
    view.viewer.dims.ndisplay = 3
    assert view.layer._slice.image.view.shape == tuple(np.array(labels.shape)[list(view.viewer.dims.displayed)])
    assert len(np.unique(view.layer._slice.image.view)) == 4


def test_outlines_are_those_of_the_pieces(view: ResultView) -> None:
    view.show("instance")
    view.layer.contour = 1
    assert seen(view, 2, 2) == (0, 0, 0)
    assert seen(view, 1, 1) != seen(view, 1, 8)


def test_what_is_painted_on_classes_shows_in_the_objects_and_undo_too(view: ResultView) -> None:
    view.show("instance")
    objects = view.pieces.objects
    view.layer.data_setitem((np.full(4, 2), np.arange(4, 8)), 1)  # joins the two axons
    assert objects.data[2, 9] == objects.data[2, 2] == 1
    in_step(view)
    view.layer.undo()
    assert [objects.data[2, 2], objects.data[2, 5]] == [1, 0]
    assert objects.data[2, 9] not in (0, 1)
    in_step(view)
    view.layer.redo()
    assert objects.data[2, 9] == 1


def test_what_is_changed_in_the_objects_shows_in_the_classes_and_undo_too(view: ResultView) -> None:
    view.show("instance")
    objects, before = view.viewer.add_layer(view.pieces.objects), view.layer.data.copy()
    objects.selected_label = 3
    with objects.block_history():  # as a person does, whose stroke ends when it is painted
        objects.paint((2, 9), 3)  # myelin over an axon
    in_step(view)
    assert view.layer.data[2, 9] == 2
    assert seen(view, 2, 9) == seen(view, 7, 5)
    objects.data_setitem((np.array([0]), np.array([19])), 0)
    objects.undo()
    objects.undo()
    np.testing.assert_array_equal(view.layer.data, before)
    objects.redo()
    assert view.layer.data[2, 9] == 2


def test_a_new_number_in_the_objects_is_of_the_class_in_the_brush_of_the_result(view: ResultView) -> None:
    view.show("instance")
    view.layer.selected_label = 2
    view.viewer.add_layer(view.pieces.objects).data_setitem((np.array([11, 11]), np.array([18, 19])), 9)
    assert view.layer.data[11, 19] == 2
    assert view.pieces.objects.features["class"].tolist()[-1] == "myelin"
    in_step(view)


def test_other_data_of_another_shape(view: ResultView) -> None:
    view.show("instance")
    view.layer.data = np.ones((5, 5), np.uint8)
    assert view.pieces.objects.data.tolist() == np.ones((5, 5), int).tolist()
    in_step(view)
    assert seen(view, 2, 2) != (0, 0, 0)


def test_a_stale_answer_is_thrown_away(view: ResultView) -> None:
    waiting: list[tuple[object, object]] = []
    view.show("instance")
    view.pieces._later = lambda work, done: waiting.append((work, done))
    view.layer.data_setitem((np.array([0]), np.array([19])), 1)
    view.layer.data_setitem((np.array([0]), np.array([18])), 1)
    (first, take_first), (second, take_second) = waiting
    take_second(second())
    now = view.pieces.objects.data.copy()
    take_first(first())
    np.testing.assert_array_equal(view.pieces.objects.data, now)
    in_step(view)


def test_let_go_is_a_plain_layer_of_classes(view: ResultView) -> None:
    view.show("instance")
    objects = view.pieces.objects
    view.let_go()
    assert (seen(view, 2, 2), seen(view, 7, 5)) == (ORANGE, BLUE)
    view.layer.data_setitem((np.array([0]), np.array([19])), 1)
    assert objects.data[0, 19] == 0


def test_objects_are_measured_as_objects_of_their_classes(view: ResultView) -> None:
    view.show("instance")
    data, attributes, _ = view.pieces.objects.as_layer_data_tuple()
    found = labels_to_segmentation(data, attributes)
    assert found.task is Task.INSTANCE
    assert found.objects.class_id.tolist() == [1, 1, 2]
    assert found.classes.thing_ids == (1, 2)
    np.testing.assert_allclose(view.pieces.objects.scale, (0.5, 0.5))
