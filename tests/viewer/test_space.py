"""Layers of a patient: every voxel is shown where it lies, whatever the axes of its file, and is written there again."""

from itertools import permutations, product

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, ObjectTable, Place, Segmentation, Task
from napari_segplugin.viewer.layers import image_to_layer, layer_to_image, opened_labels, segmentation_to_layer
from napari_segplugin.viewer.space import as_stored, check_one_space, letters, look, place_of_layer, scene_of, straight
from napari_segplugin.viewer.writers import labels_to_segmentation

nibabel = pytest.importorskip("nibabel")
napari_layers = pytest.importorskip("napari.layers")
from napari.components import ViewerModel  # noqa: E402

OBLIQUE = np.array([[-0.48, 0.1, 0.05, 90], [0.1, 0.39, 0.1, -126], [0.02, -0.1, 2.0, -72], [0, 0, 0, 1]])
SHEARED = np.array([[0.5, 0, 0, 3], [0, 0.5, 0.7, 4], [0, 0, 2.0, 5], [0, 0, 0, 1]])
SHAPE = (3, 4, 5)


def every_order():
    for order in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            matrix = np.eye(4)
            matrix[:3, :3] = (np.eye(3) * signs)[list(order)] * [0.5, 0.7, 3.0]
            matrix[:3, 3] = [11, -7, 5]
            yield matrix


def volume(affine, **more):
    array = np.arange(60, dtype=np.uint16).reshape(SHAPE)
    return Image(array, "ZYX", unit="mm", name="scan", place=Place.from_ras(affine), **more)


def layer_of(data):
    array, options, kind = data
    return {"image": napari_layers.Image, "labels": napari_layers.Labels}[kind](array, **options)


def result(image):
    labels = np.asarray(image.array).astype(np.int32)
    return Segmentation(
        Task.INSTANCE,
        labels,
        ObjectTable.of(labels),
        ClassTable.named(["a"]),
        image.axes,
        image.spacing,
        image.unit,
        "result",
        {"input": {"place": image.place.to_json()}},
    )


def shown_points(layer):
    """Where each value of a layer is shown, axes z, y, x."""
    return {int(v): layer.data_to_world(i) for i, v in np.ndenumerate(np.asarray(layer.data))}


def patient_points(affine):
    """Where each value of a volume lies, from NIfTI's own affine: up, back, left."""
    found = {}
    for (z, y, x), v in np.ndenumerate(np.arange(60).reshape(SHAPE)):
        right, front, up, _ = affine @ [x, y, z, 1]
        found[int(v)] = (up, -front, -right)
    return found


@pytest.mark.parametrize("affine", list(every_order()))
def test_every_voxel_is_shown_where_it_lies(affine) -> None:
    image = volume(affine)
    layer = layer_of(image_to_layer(image))
    right = patient_points(affine)
    shown = shown_points(layer)
    assert all(shown[v] == pytest.approx(right[v]) for v in right)
    # napari slices along the axes of the array: these must be those of the patient
    linear = np.asarray(layer.affine.affine_matrix)[:3, :3]
    assert np.array_equal(np.abs(linear) > 0, np.eye(3, dtype=bool))
    back = layer_to_image(layer)
    np.testing.assert_allclose(back.place.matrix, image.place.matrix, atol=1e-9)
    np.testing.assert_array_equal(back.read()[0], image.read()[0])


@pytest.mark.parametrize("affine", [*list(every_order())[::7], OBLIQUE, SHEARED])
def test_a_result_lies_over_its_image_and_is_written_in_its_place(affine, tmp_path) -> None:
    from napari_segplugin.io import write_segmentation

    image = volume(affine)
    layer = layer_of(image_to_layer(image))
    seg = result(image)
    over = segmentation_to_layer(seg, layer, "".join(layer.axis_labels).upper())
    opened = layer_of(opened_labels(seg))
    for labels in (over, opened):
        assert shown_points(labels).keys() == shown_points(layer).keys()
        assert all(shown_points(labels)[v] == pytest.approx(p) for v, p in shown_points(layer).items())
        array, attributes, _ = labels.as_layer_data_tuple()
        write_segmentation(labels_to_segmentation(array, attributes), tmp_path / "a.nii.gz")
        file = nibabel.load(tmp_path / "a.nii.gz")
        np.testing.assert_allclose(file.affine, affine, atol=1e-5)
        np.testing.assert_array_equal(np.asarray(file.dataobj), seg.labels.transpose())
        assert nibabel.aff2axcodes(file.affine) == nibabel.aff2axcodes(affine)


@pytest.mark.parametrize("affine", [OBLIQUE, SHEARED])
def test_a_tilted_volume_is_shown_along_its_own_planes(affine) -> None:
    image = volume(affine)
    layer = layer_of(image_to_layer(image))
    scene = scene_of(layer)
    linear = np.asarray(layer.affine.affine_matrix)[:3, :3]
    assert np.array_equal(np.abs(linear) > 0, np.eye(3, dtype=bool))
    back = np.linalg.inv(scene)
    right = patient_points(affine)
    assert all((back @ [*p, 1])[:3] == pytest.approx(right[v]) for v, p in shown_points(layer).items())
    np.testing.assert_allclose(scene, straight(image.place))


def test_all_layers_go_on_lying_over_each_other_in_another_scene() -> None:
    viewer = ViewerModel()
    image = volume(np.diag([-0.5, 0.7, 3, 1.0]))
    layer = viewer.add_layer(layer_of(image_to_layer(image)))
    over = viewer.add_layer(segmentation_to_layer(result(image), layer, "ZYX"))
    other = viewer.add_layer(layer_of(image_to_layer(volume(list(every_order())[29]))))
    painted = viewer.add_labels(np.ones(SHAPE, int), scale=layer.scale, affine=layer.affine)
    before = [place_of_layer(a, "".join(a.axis_labels).upper()).matrix for a in (layer, over, other)]
    look(viewer, as_stored(image.place))
    assert shown_points(layer)[0] == pytest.approx((0, 0, 0))
    assert shown_points(layer)[59] == pytest.approx((6, 2.1, 2.0))
    assert shown_points(over) == shown_points(layer)
    assert painted.data_to_world((1, 2, 3)) == layer.data_to_world((1, 2, 3))
    after = [place_of_layer(a, "".join(a.axis_labels).upper()).matrix for a in (layer, over, other)]
    np.testing.assert_allclose(after, before, atol=1e-9)
    # what was painted knows nothing, and lies in the space of the others all the same
    look(viewer, np.eye(4))
    assert all(
        shown_points(layer)[v] == pytest.approx(p) for v, p in patient_points(np.diag([-0.5, 0.7, 3, 1])).items()
    )


def test_a_layer_that_was_moved_or_resized_by_hand_lies_there() -> None:
    image = volume(np.diag([-0.5, 0.7, 3, 1.0]))
    layer = layer_of(image_to_layer(image))
    layer.scale = [3.0, 0.7, 0.6]
    assert layer_to_image(layer).place.spacing == (3.0, 0.7, 0.6)
    assert layer_to_image(layer).place.orientation == image.place.orientation
    layer.scale = [3.0, 0.7, 0.5]
    layer.translate = [3.0, 0, 0]
    moved = layer_to_image(layer).place.matrix
    np.testing.assert_allclose(moved, image.place.at({"Z": 1}).matrix)


def test_a_stage_keeps_its_origin_and_a_plain_image_has_no_place() -> None:
    stage = Image(np.zeros(SHAPE), "ZYX", unit="um", place=Place.of_spacing({"Z": 2.0}, {"Z": 100, "X": -5}))
    layer = layer_of(image_to_layer(stage))
    assert layer.translate.tolist() == [100, 0, -5]
    np.testing.assert_array_equal(layer_to_image(layer).affine, stage.affine)
    flat = Image(np.zeros((4, 5)), "YX", unit="um", place=Place.of_spacing({"Y": 2.0}, {"Y": 7, "Z": 30}))
    layer = layer_of(image_to_layer(flat))
    assert layer.translate.tolist() == [7, 0]
    np.testing.assert_array_equal(layer_to_image(layer).affine, flat.affine)
    assert layer_to_image(napari_layers.Image(np.zeros(SHAPE), scale=(3, 1, 1))).place is None
    moved = napari_layers.Image(np.zeros(SHAPE), scale=(3, 1, 1), translate=(9, 0, 0))
    assert layer_to_image(moved).place.matrix[0, 3] == 9


def test_a_plane_of_a_patient_is_shown_as_it_is_and_keeps_its_place() -> None:
    plane = volume(list(every_order())[29]).plane(1)
    layer = layer_of(image_to_layer(plane))
    assert layer.affine.affine_matrix.tolist() == np.eye(3).tolist()
    np.testing.assert_allclose(layer_to_image(layer).place.matrix, plane.place.matrix)


def test_the_letters_follow_the_view() -> None:
    place = Place.from_ras(np.diag([-1.0, -1, 1, 1]))
    axial = letters(place, np.eye(4), (1, 2), (False, False))
    assert axial == ("R", "L", "A", "P")
    assert letters(place, np.eye(4), (0, 2), (True, False)) == ("R", "L", "S", "I")  # frontal
    assert letters(place, np.eye(4), (0, 1), (True, False)) == ("A", "P", "S", "I")  # from the side
    stored = as_stored(Place.from_ras(np.diag([1.0, 1, 1, 1])))
    assert letters(place, stored, (1, 2), (False, False)) == ("L", "R", "P", "A")
    assert letters(None, None, (1, 2), (False, False)) == ("", "", "", "")
    tilted = letters(place, straight(Place.from_ras(OBLIQUE)), (1, 2), (False, False))
    assert [t[0] for t in tilted] == ["R", "L", "A", "P"]
    assert len(tilted[0]) == 2


def test_layers_of_different_examinations_are_said() -> None:
    first, second = (
        layer_of(image_to_layer(Image(np.zeros(SHAPE), "ZYX", place=Place.from_ras(np.eye(4), r))))
        for r in ("1.2", "1.3")
    )
    assert "different frames of reference" in check_one_space(first, second)
    assert check_one_space(first, first) == ""
