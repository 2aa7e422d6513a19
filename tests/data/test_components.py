"""Connected pieces of classes as objects, and the numbers that they keep."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_segplugin.core import ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.data.components import as_objects, components

small = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.integers(0, 2))


def test_corners_touch_and_time_points_do_not():
    both = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 0]]])
    assert components(both)[0].max() == 1
    objects, class_of = components(both, "TYX")
    assert objects.tolist() == [[[1, 0], [0, 1]], [[2, 0], [0, 0]]]
    assert class_of.tolist() == [0, 1, 1]


@settings(max_examples=60, deadline=None)
@given(small)
def test_every_piece_is_one_number_of_one_class(classes):
    objects, class_of = components(classes)
    np.testing.assert_array_equal(class_of[objects], classes)
    pieces = sum(ndimage.label(classes == c, np.ones((3,) * classes.ndim))[1] for c in (1, 2))
    assert len(np.unique(objects[objects > 0])) == pieces


@settings(max_examples=60, deadline=None)
@given(small, st.data())
def test_numbers_stay_where_nothing_changed(classes, data):
    first, _ = components(classes)
    again, class_of = components(classes, before=first)
    np.testing.assert_array_equal(again, first)
    other = classes.copy()
    other.flat[data.draw(st.integers(0, classes.size - 1))] = data.draw(st.integers(0, 2))
    after, class_of = components(other, before=first)
    np.testing.assert_array_equal(class_of[after], other)
    assert len(np.unique(after)) == len(np.unique(components(other)[0]))


def test_the_larger_part_keeps_the_number_and_the_other_gets_a_new_one():
    before, _ = components(np.array([[1, 1, 1, 1, 1, 0, 2]]))
    after, class_of = components(np.array([[1, 1, 1, 0, 1, 0, 2]]), before=before)
    assert after.tolist() == [[1, 1, 1, 0, 3, 0, 2]]
    assert class_of.tolist() == [0, 1, 2, 1]


def test_a_semantic_result_becomes_objects_with_the_score_of_their_class():
    labels = np.array([[1, 0, 1, 2]], np.uint16)
    table = ObjectTable(np.array([1, 2]), np.array([1, 2]), np.array([0.5, 0.75], np.float32), ("predicted",) * 2)
    classes = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    found = as_objects(Segmentation(Task.SEMANTIC, labels, table, classes, "YX", (1.0, 1.0)))
    assert found.task is Task.INSTANCE
    assert found.labels.tolist() == [[1, 0, 2, 3]]
    assert found.objects.class_id.tolist() == [1, 1, 2]
    assert found.objects.score.tolist() == [0.5, 0.5, 0.75]
    assert found.classes.thing_ids == (1, 2)
    assert as_objects(found) is found
