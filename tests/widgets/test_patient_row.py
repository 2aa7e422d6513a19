"""A scan in the real window: seen as a radiologist expects, painted on exactly, in every plane and whatever its file says."""

import numpy as np
import pytest
from hands import Hands

from napari_segplugin.core import Image, Place
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.layers import image_to_layer, layer_to_image
from napari_segplugin.widgets.patient_row import WINDOWS, hounsfield

LAS = np.array([[-2.0, 0, 0, 30], [0, 2, 0, -50], [0, 0, 3, 700], [0, 0, 0, 1]])
SAGITTAL = np.array([[0, 0, 3.0, -40], [2, 0, 0, -50], [0, -2, 0, 600], [0, 0, 0, 1]])
TILTED = np.array([[-1.94, 0.3, 0.3, 30], [0.3, 1.9, -0.7, -50], [0.2, 0.5, 2.9, 700], [0, 0, 0, 1]])
SHEARED = np.array([[-2.0, 0, 0, 30], [0, 2, 0.9, -50], [0, 0, 3, 700], [0, 0, 0, 1]])


def open_scan(dock, qtbot, affine, **metadata):
    rng = np.random.default_rng(0)
    array = rng.integers(-1000, 1000, (20, 30, 40)).astype(np.int16)
    image = Image(array, "ZYX", unit="mm", name="scan", place=Place.from_ras(affine), metadata=metadata)
    data, options, _ = image_to_layer(image)
    layer = dock.viewer.add_image(data, **options)
    qtbot.waitUntil(lambda: dock.image_step.layer is layer)
    return layer


@pytest.mark.qt
@pytest.mark.parametrize("affine", [LAS, SAGITTAL, TILTED, SHEARED], ids=["mirrored", "sagittal", "tilted", "sheared"])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)], ids=["axial", "frontal", "side"])
@pytest.mark.parametrize("view", ["patient", "file"])
def test_the_voxel_under_the_brush_is_the_one_that_is_painted(dock, qtbot, affine, order, view) -> None:
    viewer = dock.viewer
    viewer.window._qt_window.resize(1280, 720)
    viewer.window._qt_window.show()
    layer = open_scan(dock, qtbot, affine)
    labels = viewer.add_labels(
        np.zeros(layer.data.shape, np.uint8), scale=layer.scale, affine=layer.affine, axis_labels=layer.axis_labels
    )
    if view == "file":
        dock.image_step.patient.direction.setCurrentIndex(1)
    viewer.dims.order = order
    voxel = tuple(n // 3 for n in layer.data.shape)
    viewer.dims.set_point(range(3), layer.data_to_world(voxel))
    viewer.reset_view()
    qtbot.wait(50)
    shown = layer._slice.image.raw if hasattr(layer._slice.image, "raw") else None
    if shown is not None:
        plane = np.moveaxis(np.asarray(layer.data), order[0], 0)[voxel[order[0]]]
        np.testing.assert_array_equal(shown, plane.transpose() if order[1] > order[2] else plane)
    labels.brush_size, labels.mode, labels.selected_label = 1, "paint", 1
    hands = Hands(viewer, qtbot)
    hands.click(labels, voxel)
    assert np.argwhere(labels.data).tolist() == [list(voxel)]
    assert layer_to_image(layer).place.orientation == Place.from_ras(affine).orientation
    hands.picture(f"patient_{view}_{order[0]}")


@pytest.mark.qt
def test_the_choices_of_a_scan(dock, qtbot) -> None:
    row = dock.image_step.patient
    assert row.isHidden()
    layer = open_scan(dock, qtbot, LAS, value_unit="HU", window=[-100.0, 300.0])
    assert not row.isHidden()
    assert tuple(layer.contrast_limits) == (-100, 300)
    titles = [row.brightness.itemText(i) for i in range(row.brightness.count())]
    assert titles == ["As it is", "As the file says", *WINDOWS]
    assert row.brightness.currentText() == "As the file says"
    row.brightness.setCurrentText("Lung")
    assert tuple(layer.contrast_limits) == WINDOWS["Lung"]
    row.brightness.setCurrentText("As the file says")
    assert tuple(layer.contrast_limits) == (-100, 300)
    letters = compass_of(dock.viewer).letters
    assert letters == ("R", "L", "A", "P")
    row.direction.setCurrentIndex(1)
    assert compass_of(dock.viewer).letters == ("R", "L", "P", "A")
    row.direction.setCurrentIndex(0)
    assert compass_of(dock.viewer).letters == letters
    dock.viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: dock.image_step.layer is None)
    assert row.isHidden()
    assert compass_of(dock.viewer).letters == ("", "", "", "")


def test_what_has_hounsfield_units() -> None:
    from napari.layers import Image as ImageLayer

    air = np.full((4, 8, 8), -1000, np.int16)
    assert hounsfield(ImageLayer(air))
    assert not hounsfield(ImageLayer(np.abs(air)))
    assert not hounsfield(ImageLayer(air, metadata={"segplugin": {"value_unit": "SUV"}}))
    assert not hounsfield(ImageLayer(air, metadata={"segplugin": {"dicom_Modality": "MR"}}))
    assert hounsfield(ImageLayer(np.abs(air), metadata={"segplugin": {"dicom_Modality": "CT"}}))


@pytest.mark.qt
def test_what_lies_over_a_region_stays_there_when_the_voxels_get_another_size(dock, qtbot) -> None:
    from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
    from napari_segplugin.viewer.layers import segmentation_to_layer
    from napari_segplugin.viewer.results import Result

    layer = open_scan(dock, qtbot, LAS)
    labels = np.ones((4, 5, 6), np.uint8)
    image = dock.image_step.image()
    seg = Segmentation(
        Task.INSTANCE,
        labels,
        ObjectTable.of(labels),
        ClassTable.named(["a"]),
        "ZYX",
        image.spacing,
        "mm",
        "part",
        {"origin": [3, 4, 5], "input": {"place": image.place.to_json()}},
    )
    over = dock.viewer.add_layer(segmentation_to_layer(seg, layer, "ZYX"))
    result = Result(layer, "ZYX", over, seg, "part")
    dock.desk.add(result)
    assert over.data_to_world((0, 0, 0)) == pytest.approx(layer.data_to_world((3, 4, 5)))
    layer.scale = [4.0, 2.0, 2.0]
    dock.image_step.moved.emit()
    assert over.data_to_world((1, 1, 1)) == pytest.approx(layer.data_to_world((4, 5, 6)))
    now = result.current()
    assert now.spacing == (4.0, 2.0, 2.0)
    np.testing.assert_allclose(now.place.matrix @ [0, 0, 0, 1], dock.image_step.image().place.matrix @ [3, 4, 5, 1])
