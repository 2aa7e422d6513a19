"""What File > Open, a drop and ``layer.save`` do: images with their sizes, results as labels, errors as sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer
from npe2 import PluginManager, PluginManifest

from napari_segplugin import viewer as viewer_package
from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.io import is_result, read_segmentation, write_segmentation
from napari_segplugin.viewer import readers
from napari_segplugin.viewer.readers import get_reader
from napari_segplugin.viewer.results import adopt, classes_of_layer
from napari_segplugin.viewer.writers import NotSavedError, labels_to_segmentation


@pytest.fixture(autouse=True)
def nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dock of an earlier test would open a dialog, and wait."""
    monkeypatch.setattr(readers, "asking", [])


def layers(path: Path) -> list[Any]:
    """The layers that the reader of the manifest gives."""
    reader = get_reader(str(path))
    assert reader is not None
    return [Layer.create(*data) for data in reader(str(path))]


def saved(path: Path, task: Task = Task.INSTANCE, **more: Any) -> Segmentation:
    """A result with two classes, on disk."""
    labels = np.zeros((3, 24, 20), np.uint8)
    labels[:2, 2:6, 3:9], labels[1:, 12:20, 10:15] = 1, 2
    table = ObjectTable(
        np.array([1, 2]), np.array([2, 1]), np.array([0.5, np.nan], np.float32), ("accepted", "predicted")
    )
    if task is Task.SEMANTIC:
        table = ObjectTable(table.label, table.label, table.score, table.status)
    classes = ClassTable.named(["nucleus", "debris"])
    axes, spacing = ("YX", (0.5, 0.25)) if path.suffix == ".png" else ("ZYX", (2.0, 0.5, 0.25))
    found = Segmentation(task, labels[1] if axes == "YX" else labels, table, classes, axes, spacing, "um", **more)
    write_segmentation(found, path)
    return found


ENDINGS = pytest.mark.parametrize(
    "ending", [".tif", ".ome.tif", ".nii.gz", ".ome.zarr", ".npy", ".png", ".coco.json", ".panoptic.json"]
)


@ENDINGS
def test_a_saved_result_opens_as_a_result(tmp_path: Path, ending: str) -> None:
    given = saved(tmp_path / f"cells{ending}")
    (layer,) = layers(tmp_path / f"cells{ending}")
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(layer.data, given.labels)
    np.testing.assert_allclose(layer.scale, given.spacing, rtol=1e-5)
    assert layer.features["class"].tolist()[1:] == ["debris", "nucleus"]
    assert layer.features["status"].tolist()[1:] == ["accepted", "predicted"]
    assert layer.features["score"].tolist()[1] == 0.5
    again = labels_to_segmentation(layer.data, layer._get_state() | {"metadata": layer.metadata})
    assert (again.axes, again.unit) == (given.axes, given.unit)
    assert [c.name for c in again.classes] == [c.name for c in given.classes]


def test_an_image_is_never_taken_for_labels_by_its_looks(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[0, 1], [1, 2]], np.uint8))
    assert not is_result(tmp_path / "a.npy")
    (layer,) = layers(tmp_path / "a.npy")
    assert isinstance(layer, ImageLayer)


def test_an_image_that_took_the_place_of_labels_is_an_image(tmp_path: Path) -> None:
    saved(tmp_path / "cells.npy")
    np.save(tmp_path / "cells.npy", np.zeros((3, 24, 20), np.uint8))
    assert not is_result(tmp_path / "cells.npy")
    saved(tmp_path / "more.npy")
    (tmp_path / "more.recipe.json").write_text("{")
    assert not is_result(tmp_path / "more.npy")


def test_the_image_beside_its_labels_is_an_image(tmp_path: Path) -> None:
    saved(tmp_path / "cells.tif")
    np.save(tmp_path / "cells.npy", np.zeros((3, 24, 20), np.uint8))  # shares stem and recipe with the labels
    assert is_result(tmp_path / "cells.tif")
    assert not is_result(tmp_path / "cells.npy")


def test_a_reopened_result_is_adopted_as_it_was_saved(tmp_path: Path) -> None:
    given = saved(tmp_path / "cells.ome.zarr", Task.SEMANTIC, recipe={"model": "x", "origin": [0, 0, 0]})
    (layer,) = layers(tmp_path / "cells.ome.zarr")
    classes = classes_of_layer(layer)
    assert classes is not None
    image = ImageLayer(np.zeros((3, 24, 20)), scale=(2, 0.5, 0.25), units=("um",) * 3)
    found = adopt(layer, image, "ZYX", classes).current()
    assert (found.task, found.objects.status) == (Task.SEMANTIC, given.objects.status)
    assert classes_of_layer(Labels(np.zeros((4, 4), int))) is None


# --- OME-Zarr ----------------------------------------------------------------------------------------------------


def image(path: Path, levels: int = 1, side: int = 64) -> None:
    """An image "CYX" with a channel axis and several levels."""
    group = zarr.open_group(path, mode="a", zarr_format=2)
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "yx")]
    datasets = []
    for i in range(levels):
        array = group.create_array(str(i), shape=(2, side >> i, side >> i), dtype="u1", chunks=(1, 32, 32))
        array[...] = 7 + i
        steps = [{"type": "scale", "scale": [1, 0.5 * 2**i, 0.5 * 2**i]}]
        datasets.append({"path": str(i), "coordinateTransformations": steps})
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]


def test_a_pyramid_opens_as_one_with_its_labels(tmp_path: Path) -> None:
    image(tmp_path / "a.zarr", 3)
    labels = np.zeros((64, 64), np.uint8)
    labels[3:9, 3:9] = 1
    found = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["cell"]), "YX", (0.5, 0.5), "um"
    )
    write_segmentation(found, tmp_path / "a.zarr" / "labels" / "cells")
    shown, cells = layers(tmp_path / "a.zarr")
    assert isinstance(shown, ImageLayer)
    assert isinstance(cells, Labels)
    assert [level.shape for level in shown.data] == [(2, 64, 64), (2, 32, 32), (2, 16, 16)]
    np.testing.assert_allclose(shown.scale, (1, 0.5, 0.5))
    assert (cells.name, cells.visible, tuple(cells.scale)) == ("a · cells", True, (0.5, 0.5))
    write_segmentation(found, tmp_path / "a.zarr" / "labels" / "more")
    assert [layer.visible for layer in layers(tmp_path / "a.zarr")] == [True, False, False]


def test_levels_turn_with_the_finest(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    for i, side in enumerate((32, 16)):
        group.create_array(str(i), shape=(5, 2, side, side), dtype="u1")
    axes = [{"name": a, "type": "channel" if a == "c" else "space"} for a in "zcyx"]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}], "version": "0.4"}]
    (layer,) = layers(tmp_path / "a.zarr")
    assert [level.shape for level in layer.data] == [(2, 5, 32, 32), (2, 5, 16, 16)]


def test_a_large_pyramid_of_tiff_opens_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(64 * 96, dtype=np.uint16).reshape(64, 96)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as stream:
        about = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        stream.write(array, subifds=1, tile=(16, 16), metadata=about)
        stream.write(array[::2, ::2], subfiletype=1, tile=(16, 16))
    monkeypatch.setattr("napari_segplugin.io.tiff.IN_MEMORY", 100)
    (layer,) = layers(tmp_path / "a.ome.tif")
    assert [level.shape for level in layer.data] == [(64, 96), (32, 48)]
    np.testing.assert_array_equal(layer.data[1][...], array[::2, ::2])
    np.testing.assert_allclose(layer.scale, (0.5, 0.5))


def test_large_labels_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segplugin.io.files.IN_MEMORY", 100)
    saved(tmp_path / "cells.zarr", Task.SEMANTIC)
    (layer,) = layers(tmp_path / "cells.zarr")
    assert isinstance(layer, Labels)
    assert not isinstance(layer.data, np.ndarray)
    assert layer.metadata["segplugin"]["task"] == "semantic"
    assert read_segmentation(tmp_path / "cells.zarr").task is Task.SEMANTIC


def test_colors_that_a_zarr_gives_its_labels_are_shown(tmp_path: Path) -> None:
    image(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="a", zarr_format=2)
    group.attrs["image-label"] = {"colors": [{"label-value": 7, "rgba": [255, 0, 0, 255]}]}
    group.attrs["multiscales"] = [
        {"axes": ["y", "x"], "datasets": [{"path": "flat"}], "version": "0.3"},
    ]
    group.create_array("flat", shape=(8, 8), dtype="u1")[...] = 7
    (layer,) = layers(tmp_path / "a.zarr")
    np.testing.assert_allclose(layer.get_color(7), (1, 0, 0, 1))


def plate(path: Path) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    zarr.open_group(path / "A", mode="a", zarr_format=2)
    well = zarr.open_group(path / "A" / "1", mode="a", zarr_format=2)
    well.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    image(path / "A" / "1" / "0", side=64)
    image(path / "A" / "1" / "1", side=32)


def test_a_plate_is_asked_about_where_somebody_can_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate(tmp_path / "p.zarr")
    said: list[Any] = []
    monkeypatch.setattr(readers, "show_info", said.append)
    (layer,) = layers(tmp_path / "p.zarr")
    assert (layer.name, layer.data.shape) == ("p A/1/0", (2, 64, 64))
    assert "2 images; the first one (Well A1 · field 0) was opened" in said[0]
    monkeypatch.setattr(readers, "asking", [lambda title, rows: said.append((title, rows)) or 1])
    (layer,) = layers(tmp_path / "p.zarr")
    assert (layer.name, layer.data.shape) == ("p A/1/1", (2, 32, 32))
    assert said[-1] == (
        "“p.zarr” has 2 images. Which one do you want to open?",
        ["Well A1 · field 0", "Well A1 · field 1"],
    )


# --- which files -------------------------------------------------------------------------------------------------


def test_what_the_reader_takes(tmp_path: Path) -> None:
    for name in ("a.tif", "a.TIFF", "a.nii.gz", "A.DCM", "a.png", "a.npy"):
        assert get_reader(name) is not None, name
    assert get_reader("a.jpg") is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader(["a.tif", "b.tif"]) is None  # napari makes a stack of them


@pytest.mark.parametrize("name", ["IM0001", "IM0001.DCM", "1.2.840.113"])
def test_folders_of_dicom_files_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes").write_text("a note without an ending that is much longer than the mark of DICOM" * 3)
    assert get_reader(str(tmp_path)) is None
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = pydicom.uid.ExplicitVRLittleEndian, "1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = pydicom.dataset.FileDataset(str(tmp_path / name), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = "1.2", "1.2.3"
    (tmp_path / "study").mkdir()
    data.save_as(tmp_path / "study" / name)
    assert get_reader(str(tmp_path / "study")) is not None
    assert get_reader(str(tmp_path)) is not None


# --- saving by napari --------------------------------------------------------------------------------------------


@pytest.fixture
def saving(monkeypatch: pytest.MonkeyPatch) -> ViewerModel:
    """A viewer with this plugin alone."""
    manager = PluginManager()
    manager.register(PluginManifest.from_file(Path(viewer_package.__file__).parent.parent / "napari.yaml"))
    monkeypatch.setattr(PluginManager, "instance", classmethod(lambda cls: manager))
    return ViewerModel()


def test_an_error_of_ours_reaches_who_calls_layer_save(saving: ViewerModel, tmp_path: Path) -> None:
    layer = saving.add_labels(np.full((4, 5), -3))
    with pytest.raises(NotSavedError, match="whole numbers"):
        layer.save(str(tmp_path / "a.ome.tif"))
    layer.data = np.ones((4, 5), int)
    with pytest.raises(NotSavedError, match="The folder does not exist"):
        saving.layers.save(str(tmp_path / "nowhere" / "a.nii.gz"))
    assert saving.layers.save(str(tmp_path / "a.nii.gz"))[0] == str(tmp_path / "a.nii.gz")


def test_layer_save_into_the_zarr_of_the_image(saving: ViewerModel, tmp_path: Path) -> None:
    image(tmp_path / "a.zarr")
    layer = saving.add_labels(np.ones((64, 64), int), scale=(0.5, 0.5), units=("um", "um"))
    written = layer.save(str(tmp_path / "a.zarr" / "labels" / "mine"))
    assert written == [str(tmp_path / "a.zarr" / "labels" / "mine")]
    assert read_segmentation(written[0]).spacing == (0.5, 0.5)


def test_of_a_study_the_largest_series_is_opened_and_another_one_on_wish(tmp_path, monkeypatch) -> None:
    """A study folder as a clinic exports it: two series and a structured report, below folders with numbers."""
    source = sorted((Path(__file__).parent.parent / "data" / "dicom_series").glob("*.dcm"))
    for number, count in ((1, 2), (2, 3)):
        (tmp_path / "S0001" / str(number)).mkdir(parents=True)
        for i, file in enumerate(source[:count]):
            data = pydicom.dcmread(file)
            data.SeriesInstanceUID, data.SeriesDescription = f"1.2.{number}", f"series of {count}"
            data.save_as(tmp_path / "S0001" / str(number) / f"IM{i:04}")
    told = []
    monkeypatch.setattr(readers, "show_info", told.append)
    (layer,) = layers(tmp_path)
    assert layer.data.shape[0] == 3
    assert "has 2 images" in told[0]
    assert "series of 3" in told[0]
    asked = []
    monkeypatch.setattr(readers, "asking", [lambda title, rows: asked.append((title, rows)) or 1])
    (layer,) = layers(tmp_path)
    assert layer.data.shape[0] == 2
    assert [("series of 3" in r, "series of 2" in r) for r in asked[0][1]] == [(True, False), (False, True)]
