"""Images and labels become samples; what does not fit is named."""

import numpy as np
import pytest

from napari_segplugin.core import ClassInfo, ClassTable, Image, InputError, Kind, Task
from napari_segplugin.engine.train.samples import make_sample, planes_of

CLASSES = ClassTable.named(["axon", "myelin"], Kind.STUFF)
MIXED = ClassTable((*ClassTable.named(["cell"]), ClassInfo(2, "tissue", "#999999", Kind.STUFF)))
IMAGE = Image(np.zeros((3, 8, 9)), "ZYX", name="stack")


def test_semantic_labels_become_classes_and_ignored_ones_unknown():
    labels = np.zeros((3, 8, 9), np.uint8)
    labels[0, 0, :3] = (1, 2, 255)
    sample = make_sample(IMAGE, labels, Task.SEMANTIC, CLASSES, ignore=255)
    assert sample.instances is None
    assert sample.known.sum() == labels.size - 1
    assert sample.classes.max() == 2


def test_objects_get_the_only_class_or_the_class_that_is_given():
    things = ClassTable.named(["a", "b"])
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[0, 0, 0], labels[0, 0, 5] = 7, 300
    assert make_sample(IMAGE, labels, Task.INSTANCE, ClassTable.named(["a"])).classes.max() == 1
    sample = make_sample(IMAGE, labels, Task.PANOPTIC, things, kinds=(labels > 0) * 2, ignore=0)
    assert sample.classes[0, 0, 0] == 2
    assert sample.known.sum() == 2


@pytest.mark.parametrize("task", [Task.INSTANCE, Task.PANOPTIC])
def test_objects_without_a_class_are_refused_where_there_are_several(task):
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[0, 0, 0] = 7
    for table in (ClassTable.named(["a", "b"]), MIXED):
        with pytest.raises(InputError, match=r"their classes are not given.*2 \((b|tissue)\).*folder classes/"):
            make_sample(IMAGE, labels, task, table)
    assert make_sample(IMAGE, 0 * labels, task, ClassTable.named(["a", "b"])).classes.max() == 0


def test_a_numbered_region_of_an_area_is_no_object():
    labels = np.zeros((3, 8, 9), np.uint16)
    labels[0], labels[1] = 1, 2
    sample = make_sample(IMAGE, labels, Task.PANOPTIC, MIXED, kinds=labels)
    assert np.array_equal(sample.instances > 0, labels == 1)
    assert np.array_equal(sample.classes, labels)


def test_values_that_are_no_class_are_listed_with_the_classes():
    labels = np.full((3, 8, 9), 7)
    with pytest.raises(
        InputError, match=r"values that are not classes. Got 7. Accepted: 0 background, 1 axon, 2 myelin"
    ):
        make_sample(IMAGE, labels, Task.SEMANTIC, CLASSES)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"'stack' do not fit.*\(8, 9\) for an image of \(3, 8, 9\)"):
        make_sample(IMAGE, np.zeros((8, 9), int), Task.SEMANTIC, CLASSES)


def test_a_time_series_is_refused():
    with pytest.raises(InputError, match="time series"):
        make_sample(Image(np.zeros((3, 8, 9)), "TYX"), np.zeros((8, 9), int), Task.SEMANTIC, CLASSES)


def test_planes_of_a_volume_are_samples_of_their_own():
    labels = np.random.default_rng(0).integers(0, 3, (3, 8, 9))
    planes = planes_of(make_sample(IMAGE, labels, Task.SEMANTIC, CLASSES))
    assert len(planes) == 3
    assert all(np.array_equal(p.classes, labels[z]) and p.image.ndim == 2 for z, p in enumerate(planes))
    assert planes_of(planes[0]) == [planes[0]]
