"""Layers to images and results to layers: axes, transforms, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.core import ClassTable, Image, InputError, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.geometry import placement, to_canonical, to_layer_order, visible_region
from napari_segplugin.viewer.layers import (
    axes_choices,
    axes_of_layer,
    features_of,
    image_to_layer,
    layer_to_image,
    segmentation_to_layer,
    segmentation_to_layers,
)
from napari_segplugin.viewer.results import Result, table_for, whole_image


def segmentation(labels: Any, axes: str = "YX", task: Task = Task.INSTANCE, **more: Any) -> Segmentation:
    labels = np.asarray(labels)
    spacing = more.pop("spacing", (1.0,) * sum(a in "ZYX" for a in axes))
    return Segmentation(task, labels, ObjectTable.of(labels), ClassTable.named(["cell"]), axes, spacing, **more)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_a_layer_becomes_an_image_without_a_copy(dtype: Any) -> None:
    array = np.zeros((4, 5), dtype)
    image = layer_to_image(ImageLayer(array, scale=(2, 3), units=("um", "um"), name="a"))
    assert image.array is array
    assert (image.axes, image.spacing, image.unit, image.name) == ("YX", (2.0, 3.0), "um", "a")


def test_named_axes_are_certain_and_unnamed_ones_are_a_question() -> None:
    named = ImageLayer(np.zeros((3, 8, 9)), axis_labels=("t", "y", "x"))
    assert axes_of_layer(named) == ("TYX", "")
    axes, doubt = axes_of_layer(ImageLayer(np.zeros((3, 8, 9))))
    assert axes == "ZYX"
    assert doubt


def test_rgb_is_a_channel_axis() -> None:
    layer = ImageLayer(np.zeros((8, 9, 3), np.uint8), rgb=True)
    assert axes_of_layer(layer) == ("YXC", "")
    assert layer_to_image(layer).n_channels == 3
    assert axes_choices((8, 9, 3), rgb=True) == ("YXC",)


def test_of_a_pyramid_the_finest_level_counts() -> None:
    layer = ImageLayer([np.zeros((64, 64)), np.zeros((32, 32))], multiscale=True)
    assert layer_to_image(layer, "YX").spatial_shape == (64, 64)


def test_wrong_axes_are_refused_with_a_sentence() -> None:
    with pytest.raises(InputError, match="does not fit the array"):
        layer_to_image(ImageLayer(np.zeros((3, 4, 5))), "YX")


@pytest.mark.parametrize("axes", ["YX", "XY", "ZYX", "XYZ", "CZYX", "ZCYX", "TZYX", "TCZYX", "CTZYX"])
def test_every_voxel_of_the_labels_lies_on_its_voxel_of_the_image(axes: str) -> None:
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    n = len(axes)
    rng = np.random.default_rng(0)
    image = ImageLayer(
        np.zeros([sizes[a] for a in axes]), scale=rng.uniform(0.5, 2, n), translate=rng.uniform(-5, 5, n)
    )
    kept = [a for a in "TZYX" if a in axes]
    canonical = np.arange(np.prod([sizes[a] for a in kept])).reshape([sizes[a] for a in kept])
    labels = Labels(to_layer_order(canonical, axes), **placement(image, axes))
    np.testing.assert_array_equal(to_canonical(labels.data, axes), canonical)
    for _ in range(5):
        index = {a: int(rng.integers(sizes[a])) for a in axes}
        world = image.data_to_world([index[a] for a in axes])
        found = np.round(labels.world_to_data(world[-labels.ndim :])).astype(int)
        assert labels.data[tuple(found)] == canonical[tuple(index[a] for a in kept)]


def test_rotation_shear_and_affine_are_taken_over() -> None:
    affine = np.array([[1, 0, 0, 2], [0, 0.9, 0.1, 1], [0, -0.1, 1.1, 3], [0, 0, 0, 1.0]])
    image = ImageLayer(np.zeros((3, 6, 7)), scale=(3, 1, 2), rotate=(0, 0, 30), shear=(0, 0, 0.2), affine=affine)
    labels = Labels(np.zeros((3, 6, 7), int), **placement(image, "ZYX"))
    point = (1, 2, 3)
    np.testing.assert_allclose(labels.data_to_world(point), image.data_to_world(point))


def test_a_region_lies_where_it_was_cut_out() -> None:
    image = ImageLayer(np.zeros((6, 7)), scale=(2, 3), translate=(10, 20), rotate=25)
    labels = Labels(np.zeros((2, 2), int), **placement(image, "YX", (3, 4)))
    np.testing.assert_allclose(labels.data_to_world((1, 1)), image.data_to_world((4, 5)))


def test_the_table_has_sizes_in_physical_units() -> None:
    labels = np.zeros((2, 3, 4), int)
    labels[0, 0, :2] = 7
    table = features_of(segmentation(labels, "ZYX", spacing=(2.0, 0.5, 0.5), unit="um"))
    assert table["index"] == [0, 7]
    assert table["volume (µm³)"][1] == pytest.approx(2 * 0.5)
    assert table["class"] == ["background", "cell"]


def test_semantic_layers_have_class_colours_and_a_recipe() -> None:
    tissue = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    labels = np.array([[0, 1], [2, 2]])
    table = ObjectTable(np.array([1, 2]), np.array([1, 2]), np.full(2, np.nan, np.float32), ("predicted",) * 2)
    result = Segmentation(Task.SEMANTIC, labels, table, tissue, "YX", (1.0, 1.0), recipe={"model": "m"})
    data, kwargs, kind = segmentation_to_layers(result, ImageLayer(np.zeros((2, 2))))[0]
    assert kind == "labels"
    assert kwargs["metadata"]["recipe"] == {"model": "m"}
    layer = Labels(data, **kwargs)
    np.testing.assert_allclose(layer.get_color(2)[:3], np.array([0x56, 0xB4, 0xE9]) / 255, atol=0.01)


def test_a_result_of_another_image_is_refused() -> None:
    with pytest.raises(InputError, match="does not fit the image layer"):
        segmentation_to_layer(segmentation(np.zeros((2, 2), int)), ImageLayer(np.zeros((3, 2, 2))), "ZYX")


def test_channels_of_a_file_move_to_the_front() -> None:
    image = Image(np.zeros((4, 2, 5, 6)), "ZCYX", (2.0, 0.5, 0.5), "um")
    array, kwargs, _ = image_to_layer(image)
    assert array.shape == (2, 4, 5, 6)
    assert kwargs["scale"] == (1.0, 2.0, 0.5, 0.5)
    assert kwargs["axis_labels"] == ("c", "z", "y", "x")


def test_a_doubt_of_the_file_stays_a_question() -> None:
    image = Image(np.zeros((4, 5, 6)), "ZYX", metadata={"axes_doubt": "Depth or time?"})
    array, kwargs, _ = image_to_layer(image)
    assert axes_of_layer(ImageLayer(array, **kwargs))[1]


def test_two_regions_join_without_sharing_numbers() -> None:
    first = segmentation([[1, 1], [0, 2]], recipe={"origin": [0, 0]})
    whole = whole_image(first, (2, 5))
    again = whole_image(segmentation([[1], [1]], recipe={"origin": [0, 4]}), (2, 5), whole)
    assert again.labels.tolist() == [[1, 1, 0, 0, 3], [0, 2, 0, 0, 3]]
    assert again.objects.label.tolist() == [1, 2, 3]
    assert "origin" not in again.recipe


def test_a_region_that_covers_an_object_takes_its_row_away() -> None:
    whole = whole_image(segmentation([[1, 0], [0, 2]], recipe={"origin": [0, 0]}), (2, 2))
    again = whole_image(segmentation([[0, 1]], recipe={"origin": [1, 0]}), (2, 2), whole)
    assert again.objects.label.tolist() == [1, 3]


def test_a_region_of_one_time_point_leaves_the_others() -> None:
    part = segmentation([[1, 1]], recipe={"origin": [1, 0]})
    whole = whole_image(part, (3, 2, 2), frame=2)
    assert whole.axes == "TYX"
    assert whole.labels[2].tolist() == [[0, 0], [1, 1]]
    assert not whole.labels[:2].any()


def test_what_was_added_by_hand_is_marked() -> None:
    base = segmentation([[1, 0], [0, 0]])
    table = table_for(np.array([[0, 5], [1, 0]]), base)
    assert table.label.tolist() == [1, 5]
    assert table.status == ("predicted", "corrected")


def test_edits_are_noticed() -> None:
    base = segmentation([[1, 0], [0, 0]])
    image = ImageLayer(np.zeros((2, 2)))
    layer = segmentation_to_layer(segmentation(base.labels.copy()), image, "YX")
    result = Result(image, "YX", layer, base)
    assert not result.edited
    layer.data_setitem((np.array([1]), np.array([1])), 4)
    assert result.edited
    assert result.current().objects.label.tolist() == [1, 4]
    assert base.labels[1, 1] == 0


def test_the_visible_region_is_clipped_to_the_image() -> None:
    layer = ImageLayer(np.zeros((4, 10, 12)))
    region = visible_region(layer, "ZYX", np.array([[2, -5, 3.2], [2, 30, 7.1]]))
    assert region == (slice(2, 3), slice(0, 10), slice(3, 9))
