"""Crops, surfaces and histograms of the chosen object, from the Measure panel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Surface

pytestmark = pytest.mark.qt
# oblique and mirrored, so that a sign or an axis that is taken for another shows
AFFINE = np.array([[1, 0.2, 0, 3], [-0.2, -1, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1.0]])


def ball() -> np.ndarray:
    labels = np.zeros((16, 20, 24), np.uint16)
    where = np.linalg.norm((np.indices(labels.shape).T - [7, 9, 12]).T, axis=0)
    labels[where <= 5] = 4
    labels[0, 0, 0] = 9
    return labels


def place() -> dict[str, Any]:
    units, names = ("mm",) * 3, ("z", "y", "x")
    return {
        "scale": (2.0, 1.0, 0.5),
        "translate": (1.0, 2.0, 3.0),
        "affine": AFFINE,
        "units": units,
        "axis_labels": names,
    }


@pytest.fixture
def viewer() -> Any:
    viewer = ViewerModel()
    labels = ball()
    image = np.random.default_rng(0).integers(-500, 500, labels.shape).astype(np.int16)
    viewer.add_image(image, name="ct", metadata={"segplugin": {"value_unit": "HU"}}, **place())
    features = {
        "index": [0, 4, 9],
        "label": [0, 4, 9],
        "class": ["background", "liver", "spleen"],
        "score": [0, 0.5, 0.5],
        "status": ["", "accepted", "accepted"],
    }
    viewer.add_labels(labels, name="organs", features=features, **place())
    return viewer


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Any:
    from napari_segplugin.widgets.measure_panel import MeasurePanel

    made = MeasurePanel(viewer)
    qtbot.addWidget(made)
    qtbot.waitUntil(lambda: made.view is not None, timeout=20000)
    yield made
    qtbot.waitUntil(lambda: not made.background.busy, timeout=20000)
    made._let_go()
    for timer in (made._layers_timer, made._kept_timer, made.flyer._timer):
        timer.stop()


def layer_of(viewer: Any, kind: type, count: int) -> Any:
    found = [a for a in viewer.layers if isinstance(a, kind)]
    return found[-1] if len(found) == count else None


def test_a_crop_lies_where_it_was(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.table.selectRow(0)
    panel.roi.margin.setValue(2)
    panel.roi.crop_button.click()
    qtbot.waitUntil(lambda: layer_of(viewer, Labels, 2) is not None, timeout=20000)
    image, labels = layer_of(viewer, Image, 2), layer_of(viewer, Labels, 2)
    assert image.name == "ct 4"
    assert image.data.shape == labels.data.shape == (15, 15, 15)
    assert np.array_equal(image.data, viewer.layers["ct"].data[0:15, 2:17, 5:20])
    assert np.array_equal(labels.data, ball()[0:15, 2:17, 5:20])
    for layer in (image, labels):
        for voxel in ((0, 0, 0), (3, 4, 5)):
            there = np.add(voxel, (0, 2, 5))
            np.testing.assert_allclose(layer.data_to_world(voxel), viewer.layers["ct"].data_to_world(there))
    assert panel.layer.name == "organs", "the table stays with its layer"


def test_a_crop_remembers_the_patient() -> None:
    from napari_segplugin import Image as Picture
    from napari_segplugin import crop
    from napari_segplugin.core import Place
    from napari_segplugin.viewer.layers import layer_to_image
    from napari_segplugin.viewer.roi import layers_of_crop

    whole, names = Place.from_lps(np.diag([0.5, 1.0, 2.0, 1.0])), ("z", "y", "x")
    about = {"place": whole.to_json(), "scene": np.eye(4).tolist()}
    layer = Image(ball(), scale=(2.0, 1.0, 0.5), units=("mm",) * 3, axis_labels=names, metadata={"segplugin": about})
    picture: Picture = layer_to_image(layer)
    [piece] = crop(picture, box=(slice(1, 4), slice(2, 5), slice(3, 8)))
    [made] = layers_of_crop(piece, layer)
    found = Place.from_json(made.metadata["segplugin"]["place"])
    np.testing.assert_allclose(found.matrix, whole.at({"Z": 1, "Y": 2, "X": 3}).matrix)
    assert (found.frame, made.metadata["segplugin"]["scene"]) == ("patient", about["scene"])


def test_a_mask_in_hounsfield_is_air(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.table.selectRow(0)
    panel.roi.margin.setValue(0)
    panel.roi.mask_check.setChecked(True)
    panel.roi.crop_button.click()
    qtbot.waitUntil(lambda: layer_of(viewer, Image, 2) is not None, timeout=20000)
    piece = layer_of(viewer, Image, 2).data
    inside = ball()[2:13, 4:15, 7:18] == 4
    assert set(piece[~inside].tolist()) == {-1024}
    assert np.array_equal(piece[inside], viewer.layers["ct"].data[2:13, 4:15, 7:18][inside])


def test_a_surface_lies_around_its_object(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.table.selectRow(0)
    panel.roi.surface_button.click()
    qtbot.waitUntil(lambda: layer_of(viewer, Surface, 1) is not None, timeout=20000)
    made, labels = layer_of(viewer, Surface, 1), viewer.layers["organs"]
    vertices, faces, _ = made.data
    away = np.linalg.norm(vertices - [7, 9, 12], axis=1)
    assert 4.4 < away.min() <= away.max() < 6.1
    np.testing.assert_allclose(made.data_to_world((7, 9, 12)), labels.data_to_world((7, 9, 12)))
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    outwards = np.einsum("ij,ij->i", np.cross(b - a, c - a), a - [7, 9, 12])
    assert (outwards > 0).mean() > 0.99
    np.testing.assert_allclose(made.colormap.colors[0], labels.get_color(4), atol=1e-6)


def test_the_histogram_of_the_chosen_object(panel: Any, viewer: Any, qtbot: Any) -> None:
    assert not panel.view.table.histograms, "it is not counted while nobody looks"
    panel.roi.head.setChecked(True)
    qtbot.waitUntil(lambda: bool(panel.view and panel.view.table.histograms), timeout=20000)
    panel.table.selectRow(0)
    assert not panel.roi.chart.isHidden()
    assert f"{int((ball() == 4).sum())} voxels" in panel.roi.chart.accessibleDescription()
    assert panel.roi.channel.currentText() == "ct (HU)"


def test_rows_of_classes(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.by_choice.setCurrentIndex(panel.by_choice.findData("class"))
    qtbot.waitUntil(lambda: panel.view is not None and "objects" in panel.view.table, timeout=20000)
    assert panel.view.table["class"].values.tolist() == ["liver", "spleen"]
    assert panel.count.text() == "2 classes"
    assert panel.filter.isHidden(), "numbers of classes are not those of objects"
    panel.table.selectRow(0)
    panel.roi.margin.setValue(0)
    panel.roi.crop_button.click()
    qtbot.waitUntil(lambda: layer_of(viewer, Image, 2) is not None, timeout=20000)
    assert layer_of(viewer, Image, 2).data.shape == (11, 11, 11)
    panel.by_choice.setCurrentIndex(0)
    qtbot.waitUntil(lambda: panel.view is not None and "objects" not in panel.view.table, timeout=20000)
    assert not panel.filter.isHidden()


def test_what_has_no_surface_is_a_sentence() -> None:
    from napari_segplugin.core import InputError
    from napari_segplugin.viewer.roi import surface_layer

    with pytest.raises(InputError, match="needs a volume"):
        surface_layer(Labels(np.ones((4, 4), int)), np.array([1]), "1")
    with pytest.raises(InputError, match="nothing to make a surface of"):
        surface_layer(Labels(np.ones((4, 4, 4), int)), np.array([3]), "3")
