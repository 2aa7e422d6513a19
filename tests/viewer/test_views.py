"""Three layers of one result: one array, three colourings, always in step."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from napari_segplugin.core import ClassInfo, ClassTable, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.layers import segmentation_to_layer
from napari_segplugin.viewer.views import LinkedViews, classes_of_labels, semantic_map, view_colors

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#00000000", Kind.STUFF),
        ClassInfo(1, "cell", "#e69f00"),
        ClassInfo(2, "vessel", "#56b4e9"),
        ClassInfo(3, "tissue", "#009e73", Kind.STUFF),
    )
)


@pytest.fixture
def linked():
    labels = np.zeros((20, 20), np.int32)
    labels[2:6, 2:6], labels[8:12, 2:6], labels[2:6, 12:16], labels[15:] = 1, 2, 3, 4
    table = ObjectTable(np.arange(1, 5), np.array([1, 1, 2, 3]), np.ones(4, np.float32), ("predicted",) * 4)
    found = Segmentation(Task.PANOPTIC, labels, table, CLASSES, "YX", (1.0, 1.0), "pixel", "x", {})
    viewer = ViewerModel()
    image = viewer.add_layer(ImageLayer(np.zeros((20, 20)), scale=(0.5, 0.5)))
    layer = viewer.add_layer(segmentation_to_layer(found, image, "YX"))
    return LinkedViews(viewer, layer, CLASSES)


def color(view, label):
    return tuple(np.round(view.colormap.map(label), 2)[:3])


def test_the_views_share_one_array_and_lie_where_the_result_lies(linked):
    semantic, panoptic = linked.show("semantic"), linked.show("panoptic")
    assert semantic.data is panoptic.data is linked.layer.data
    assert np.allclose(semantic.scale, linked.layer.scale)
    assert color(semantic, 1) == color(semantic, 2) != color(semantic, 3)
    assert color(panoptic, 1) != color(panoptic, 2)
    assert color(panoptic, 4) == color(semantic, 4)  # stuff has one shade


@pytest.mark.parametrize("painted", ["layer", "semantic"])
def test_what_is_painted_in_one_shows_in_the_others_and_undo_too(linked, painted):
    semantic = linked.show("semantic")
    layer = linked.layer if painted == "layer" else semantic
    other = semantic if painted == "layer" else linked.layer
    drawn = []
    other.events.set_data.connect(lambda _=None: drawn.append(True))
    layer.data_setitem((np.array([0]), np.array([0])), 2)
    assert other.data[0, 0] == 2
    assert drawn
    drawn.clear()
    layer.undo()
    assert other.data[0, 0] == 0
    assert drawn


def test_another_class_in_the_table_is_another_colour(linked):
    semantic = linked.show("semantic")
    features = linked.layer.features.copy()
    features.loc[features["label"] == 1, "class"] = "vessel"
    linked.layer.features = features
    assert color(semantic, 1) == color(semantic, 3)


def test_a_new_object_has_the_colour_of_the_first_thing(linked):
    semantic = linked.show("semantic")
    linked.layer.selected_label = 77
    linked.layer.data_setitem((np.array([19]), np.array([0])), 77)
    assert color(semantic, 77) == color(semantic, 1)


def test_other_data_in_the_result_goes_to_the_views(linked):
    semantic = linked.show("semantic")
    linked.layer.data = np.ones((20, 20), np.int32)
    assert semantic.data is linked.layer.data


def test_views_come_and_go(linked):
    linked.show("semantic")
    assert linked.show("semantic") is linked.views["semantic"]
    linked.show("panoptic")
    assert len(linked.viewer.layers) == 4
    linked.show("semantic", False)
    assert len(linked.viewer.layers) == 3
    linked.show("instance", False)
    assert not linked.layer.visible
    linked.let_go()
    assert [type(a).__name__ for a in linked.viewer.layers] == ["Image", "Labels"]


def test_colours_of_a_large_table_are_made_quickly_and_unknown_classes_are_grey():
    colors = view_colors(dict.fromkeys(range(1, 20001), 1), CLASSES, "panoptic")
    assert len(colors) == 20000
    assert len(set(colors.values())) == 7
    assert view_colors({5: 99}, CLASSES, "semantic") == {5: "#9a9a9a"}


def test_a_table_without_classes_says_nothing():
    assert classes_of_labels(None, CLASSES) == {}


def test_labels_as_classes():
    labels = np.array([[0, 1, 9], [4, 3, 2]])
    assert semantic_map(labels, {1: 1, 2: 1, 3: 2, 4: 3}).tolist() == [[0, 1, 0], [3, 2, 1]]
