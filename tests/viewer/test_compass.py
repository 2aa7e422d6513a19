"""Letters that follow the view, heads at the top, and the order of the file on wish; real CT with its labels."""

import numpy as np
import pytest

from napari_segplugin.core import Image, Place
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.layers import image_to_layer, layer_to_image
from napari_segplugin.viewer.space import scene_of

napari_layers = pytest.importorskip("napari.layers")
from napari.components import ViewerModel  # noqa: E402

OBLIQUE = np.array([[-0.48, 0.1, 0.05, 90], [0.1, 0.39, 0.1, -126], [0.02, -0.1, 2.0, -72], [0, 0, 0, 1]])
LAS = np.diag([-0.5, 0.7, 3.0, 1.0])


def scan(affine=LAS):
    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    data, options, _ = image_to_layer(Image(array, "ZYX", unit="mm", name="scan", place=Place.from_ras(affine)))
    return napari_layers.Image(data, **options)


def up(viewer):
    camera = getattr(viewer, "scene", viewer).camera
    return str(camera.orientation2d[0])


def test_letters_follow_the_planes_and_the_head_is_at_the_top() -> None:
    viewer = ViewerModel()
    compass = compass_of(viewer)
    assert compass.letters == ("", "", "", "")
    viewer.add_layer(scan())
    assert compass.letters == ("R", "L", "A", "P")
    assert up(viewer) == "down"
    viewer.dims.order = (1, 0, 2)
    assert compass.letters == ("R", "L", "S", "I")
    assert up(viewer) == "up"
    viewer.dims.order = (2, 0, 1)
    assert compass.letters == ("A", "P", "S", "I")
    viewer.dims.ndisplay = 3
    assert compass.letters == ("", "", "", "")
    viewer.dims.ndisplay = 2
    viewer.layers.clear()
    assert compass.letters == ("", "", "", "")
    assert up(viewer) == "down"
    assert compass_of(viewer) is compass


def test_without_a_patient_there_are_no_letters_and_nothing_is_turned() -> None:
    viewer = ViewerModel()
    compass = compass_of(viewer)
    viewer.add_image(np.zeros((3, 4, 5)))
    viewer.dims.order = (1, 0, 2)
    assert compass.letters == ("", "", "", "")
    assert up(viewer) == "down"


@pytest.mark.parametrize(
    ("affine", "letters"),
    [(LAS, ("R", "L", "P", "A")), (np.eye(4), ("L", "R", "P", "A")), (np.diag([1.0, -1, -1, 1]), ("L", "R", "A", "P"))],
)
def test_in_the_order_of_the_file_the_letters_say_how_it_lies(affine, letters) -> None:
    viewer = ViewerModel()
    layer = viewer.add_layer(scan(affine))
    place = layer_to_image(layer).place.matrix
    compass = compass_of(viewer)
    compass.see(layer, "file")
    assert compass.letters == letters
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), 0, atol=1e-9)
    np.testing.assert_allclose(layer_to_image(layer).place.matrix, place, atol=1e-9)
    compass.see(layer, "patient")
    assert compass.letters == ("R", "L", "A", "P")
    np.testing.assert_allclose(layer_to_image(layer).place.matrix, place, atol=1e-9)


def test_the_planes_of_the_file_are_what_is_seen_in_its_order() -> None:
    sagittal = np.array([[0, 0, 3.0, 5], [0.7, 0, 0, -3], [0, -0.5, 0, 8], [0, 0, 0, 1]])
    viewer = ViewerModel()
    layer = viewer.add_layer(scan(sagittal))
    assert np.asarray(layer.data).shape == (4, 5, 3)  # along z, y, x of the patient
    compass = compass_of(viewer)
    compass.see(layer, "file")
    assert tuple(viewer.dims.order) == (2, 0, 1)
    viewer.dims.set_point(2, 3.0)
    slice_ = np.asarray(layer._slice.image.raw)
    np.testing.assert_array_equal(slice_, np.arange(60).reshape(3, 4, 5)[1])


def test_a_tilted_scan_over_a_straight_one_is_seen_along_its_planes_on_wish() -> None:
    viewer = ViewerModel()
    compass = compass_of(viewer)
    straight, tilted = viewer.add_layer(scan()), viewer.add_layer(scan(OBLIQUE))
    np.testing.assert_array_equal(scene_of(tilted), np.eye(4))
    places = [layer_to_image(a).place.matrix for a in (straight, tilted)]
    compass.see(tilted, "patient")
    linear = np.asarray(tilted.affine.affine_matrix)[:3, :3]
    assert np.array_equal(linear != 0, np.eye(3, dtype=bool))
    np.testing.assert_allclose([layer_to_image(a).place.matrix for a in (straight, tilted)], places, atol=1e-6)
    assert scene_of(straight).tolist() == scene_of(tilted).tolist()
