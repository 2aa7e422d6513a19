"""One label array and a table; the classes of the voxels follow from both."""

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ObjectTable, Sample, Segmentation, Task

CLASSES = ClassTable.named(["cell", "tissue"])


def of(task, labels, table):
    return Segmentation(task, np.asarray(labels), table, CLASSES, "YX", (1.0, 1.0))


def test_semantic_labels_are_the_classes():
    labels = [[0, 1], [2, 2]]
    assert of(Task.SEMANTIC, labels, ObjectTable.of(labels)).semantic().tolist() == labels


def test_objects_turn_into_their_classes_by_the_table():
    labels = [[0, 7], [9, 7]]
    table = ObjectTable(np.array([7, 9]), np.array([2, 1]), np.ones(2, np.float32), ("predicted",) * 2)
    assert of(Task.PANOPTIC, labels, table).semantic().tolist() == [[0, 2], [1, 2]]


def test_a_result_without_objects_is_all_background():
    labels = np.zeros((2, 2), int)
    assert not of(Task.INSTANCE, labels, ObjectTable.of(labels)).semantic().any()


def test_a_table_of_labels_leaves_out_the_background_and_is_sorted():
    table = ObjectTable.of(np.array([[5, 0], [2, 5]]), class_id=2, status="accepted")
    assert (table.label.tolist(), table.class_id.tolist(), table.status) == ([2, 5], [2, 2], ("accepted", "accepted"))
    assert np.isnan(table.score).all()


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match=r"differ in length.*\[1, 2\]"):
        ObjectTable(np.array([1, 2]), np.array([1]), np.zeros(2, np.float32), ("predicted",) * 2)


@pytest.mark.parametrize("axes", ["ZYX", "CX"])
def test_axes_that_do_not_fit_the_labels_are_refused(axes):
    with pytest.raises(InputError, match="axes do not fit"):
        Segmentation(Task.SEMANTIC, np.zeros((2, 2), int), ObjectTable.of([0]), CLASSES, axes, (1.0,))


@pytest.mark.parametrize("word", ["classes", "instances", "known", "shape_known"])
def test_a_sample_refuses_labels_of_another_shape(word):
    arrays = {"classes": np.zeros((4, 4), int), word: np.zeros((4, 5), int)}
    with pytest.raises(InputError, match="differ in shape"):
        Sample(Image(np.zeros((4, 4)), "YX"), **arrays)


def test_large_object_numbers_with_gaps_need_no_table_of_that_length():
    labels = np.array([[0, 2**40, 7], [7, 0, 2**40]], np.int64)
    objects = ObjectTable(np.array([7, 2**40, 2**41]), np.array([1, 2, 1]), np.ones(3, np.float32), ("predicted",) * 3)
    classes = ClassTable.named(["a", "b"])
    found = Segmentation(Task.INSTANCE, labels, objects, classes, "YX", (1.0, 1.0)).semantic()
    assert found.tolist() == [[0, 2, 1], [1, 0, 2]]
