"""Images that napari's own reader opened, and files of which the dock has to ask what to open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.io import is_result, read_image, read_segmentation, write_segmentation
from napari_segplugin.widgets import file_control
from napari_segplugin.widgets.source_control import place_as_file, same_array, untouched

pytestmark = pytest.mark.qt


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """An OME-TIFF with depth before channels."""
    path = tmp_path / "zc.ome.tif"
    size = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 1.5}
    units = {f"{k}Unit": "µm" for k in size}
    array = np.arange(5 * 2 * 16 * 12, dtype=np.uint16).reshape(5, 2, 16, 12)
    tifffile.imwrite(path, array, ome=True, metadata={"axes": "ZCYX", **size, **units})
    return path


@pytest.fixture
def reading(dock: Any) -> Any:
    """A dock that reads real files."""
    dock.engine.read_image, dock.engine.is_result = read_image, is_result
    return dock


def test_what_napari_opened_gets_axes_and_sizes_from_its_file(reading: Any, qtbot: Any, stack: Path) -> None:
    (layer,) = reading.viewer.open(str(stack))  # by napari's own reader
    qtbot.waitUntil(lambda: layer.axis_labels == ("z", "c", "y", "x"), timeout=5000)
    np.testing.assert_allclose(layer.scale, (1.5, 1, 0.25, 0.2))
    assert [str(u) for u in layer.units] == ["micrometer", "pixel", "micrometer", "micrometer"]
    assert (reading.image_step.axes, reading.image_step.ready) == ("ZCYX", True)
    assert reading.image_step.image().spacing == (1.5, 0.25, 0.2)


def test_a_layer_that_somebody_changed_is_left_alone(stack: Path) -> None:
    image = read_image(stack)
    assert untouched(ImageLayer(image.array))
    for changed in ({"scale": (2, 1, 1, 1)}, {"axis_labels": tuple("tczy")}, {"translate": (0, 0, 0, 4)}):
        assert not untouched(ImageLayer(np.zeros((5, 2, 16, 12)), **changed))


def test_a_layer_with_another_array_is_left_alone(stack: Path) -> None:
    image = read_image(stack)
    assert same_array(ImageLayer(np.zeros((5, 2, 16, 12), np.uint16)), image)
    assert not same_array(ImageLayer(np.zeros((5, 2, 16, 12), np.uint8)), image)
    assert not same_array(ImageLayer(np.zeros((2, 5, 16, 12), np.uint16)), image)


def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 16, 12)))
    layer = ImageLayer(np.zeros((5, 16, 12)))
    assert not place_as_file(layer, read_image(tmp_path / "a.npy"))
    assert untouched(layer)


def plate(path: Path) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    zarr.open_group(path / "A", mode="a", zarr_format=2)
    well = zarr.open_group(path / "A" / "1", mode="a", zarr_format=2)
    well.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    for field in ("0", "1"):
        inner = zarr.open_group(path / "A" / "1" / field, mode="a", zarr_format=2)
        inner.create_array("0", shape=(16, 12 + int(field)), dtype="u1")
        inner.attrs["multiscales"] = [{"axes": ["y", "x"], "datasets": [{"path": "0"}], "version": "0.3"}]


def test_open_asks_which_field_of_a_plate(
    reading: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate(tmp_path / "p.zarr")
    asked: list[Any] = []
    monkeypatch.setattr(file_control, "choose", lambda title, rows, parent: asked.append((title, rows)))
    reading.files.open_image(str(tmp_path / "p.zarr"))
    qtbot.waitUntil(lambda: bool(asked) and not reading.background.busy, timeout=5000)
    assert "2 images" in asked[0][0]
    assert reading.image_step.layer is None  # cancelled
    monkeypatch.setattr(file_control, "choose", lambda title, rows, parent: 1)
    reading.files.open_image(str(tmp_path / "p.zarr"))
    qtbot.waitUntil(lambda: reading.image_step.layer is not None, timeout=5000)
    assert (reading.image_step.layer.name, reading.image_step.layer.data.shape) == ("p A/1/1", (16, 13))


def test_a_result_is_opened_corrected_and_saved_again(reading: Any, qtbot: Any, tmp_path: Path) -> None:
    labels = np.zeros((16, 12), np.uint8)
    labels[2:6, 2:6], labels[9:13, 4:9] = 1, 2
    table = ObjectTable(
        np.array([1, 2]), np.array([2, 1]), np.array([0.5, 0.25], np.float32), ("accepted", "predicted")
    )
    classes = ClassTable.named(["nucleus", "debris"])
    given = Segmentation(Task.INSTANCE, labels, table, classes, "YX", (0.5, 0.5), "um", recipe={"model": "mine"})
    write_segmentation(given, tmp_path / "r.ome.zarr")
    reading.viewer.add_image(np.zeros((16, 12)), axis_labels=("y", "x"), scale=(0.5, 0.5), units=("um", "um"))
    reading.files.open_image(str(tmp_path / "r.ome.zarr"))
    qtbot.waitUntil(lambda: len(reading.viewer.layers) == 2, timeout=5000)
    layer = reading.viewer.layers[1]
    assert isinstance(layer, Labels)
    reading.viewer.layers.selection.active = layer
    qtbot.waitUntil(lambda: not reading.edits.panel.adopt.isHidden(), timeout=3000)
    reading.edits.panel.adopt.click()
    result = reading.desk.result_of(reading.image_step.layer)
    assert result is not None
    layer.data[2:6, 2:6] = 0
    current = result.current()
    assert (current.objects.label.tolist(), current.objects.status) == ([2], ("predicted",))
    assert [c.name for c in current.classes] == ["background", "nucleus", "debris"]
    write_segmentation(current, tmp_path / "again.tif")
    again = read_segmentation(tmp_path / "again.tif")
    assert (again.spacing, again.objects.class_id.tolist()) == ((0.5, 0.5), [1])
