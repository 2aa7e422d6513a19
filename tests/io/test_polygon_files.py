"""GeoJSON for QuPath and ImageJ ROIs, read back without our own code."""

from __future__ import annotations

import builtins
import json
import zipfile

import numpy as np
import pytest
from skimage.draw import polygon

from napari_segplugin.core import ClassTable, InputError, MissingExtraError, ObjectTable, Segmentation, Task
from napari_segplugin.io import read_labels, write_segmentation


@pytest.fixture
def seg() -> Segmentation:
    labels = np.zeros((2, 20, 30), np.int32)
    labels[:, 2:8, 3:11] = 2
    labels[:, 4:6, 5:8] = 0
    labels[1, 1:4, 20:24] = labels[1, 12, 12] = 300
    table = ObjectTable(
        np.array([2, 300]), np.array([1, 2]), np.array([0.5, np.nan], np.float32), ("accepted", "predicted")
    )
    classes = ClassTable.named(["Kern", "Zelle, groß"])
    return Segmentation(Task.INSTANCE, labels, table, classes, "ZYX", (2.0, 0.5, 0.5), "um")


def painted(rings, shape) -> np.ndarray:
    """Pixels whose centre is inside an odd number of rings, by scikit-image."""
    mask = np.zeros(shape, bool)
    for ring in rings:
        x, y = np.asarray(ring, float)[:, :2].T - 0.5
        mask[polygon(y, x, shape)] ^= True
    return mask


def test_geojson_gives_the_masks_back(tmp_path, seg) -> None:
    path, *_ = write_segmentation(seg, tmp_path / "a.geojson", columns={"area µm²": [11.0, np.nan]})
    features = json.loads(path.read_text())["features"]
    back = np.zeros_like(seg.labels)
    for f in features:
        shape = f["geometry"]
        parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        assert all(ring[0] == ring[-1] for part in parts for ring in part)
        number = int(f["properties"]["name"].split()[-1])
        for part in parts:
            back[shape["plane"]["z"]][painted(part, seg.labels.shape[1:])] = number
    assert np.array_equal(back, seg.labels)
    first, last = features[0]["properties"], features[-1]["properties"]
    assert first["classification"] == {"name": "Kern", "color": [230, 159, 0]}
    assert first["objectType"] == "detection"
    assert first["measurements"] == {"area µm²": 11.0, "score": 0.5}
    assert first["metadata"] == {"status": "accepted"}
    assert last["classification"]["name"] == "Zelle, groß"
    assert "measurements" not in last, "a number that is not defined is not written"
    assert len({f["id"] for f in features}) == len(features)


def test_geojson_of_a_region_lies_in_the_whole_image(tmp_path, make_segmentation) -> None:
    seg = make_segmentation(np.ones((2, 3), int), "YX", recipe={"origin": [100, 40]})
    path, *_ = write_segmentation(seg, tmp_path / "a.geojson")
    geometry = json.loads(path.read_text())["features"][0]["geometry"]
    assert geometry == {"type": "Polygon", "coordinates": [[[40, 100], [43, 100], [43, 102], [40, 102], [40, 100]]]}


def test_roifile_gives_the_masks_back(tmp_path, seg) -> None:
    roifile = pytest.importorskip("roifile")
    path, *_ = write_segmentation(seg, tmp_path / "a.roi.zip")
    back = np.zeros_like(seg.labels)
    rois = roifile.roiread(path)
    for roi in rois:
        rings = roi.coordinates(multi=True) if roi.composite else [roi.coordinates()]
        back[roi.position - 1][painted(rings, seg.labels.shape[1:])] = int(roi.name.split("-")[0])
    assert np.array_equal(back, seg.labels)
    assert [r.name for r in rois] == ["002-z0001-Kern", "002-z0002-Kern", "300-z0002-Zelle, groß"]
    assert [r.z_position for r in rois] == [1, 2, 2]
    assert rois[0].stroke_color == bytes((255, 230, 159, 0))
    assert rois[0].properties == {"score": 0.5}
    assert [r.group for r in rois] == [1, 1, 2]


def test_simple_rois_are_traced_with_their_box(tmp_path, make_segmentation) -> None:
    roifile = pytest.importorskip("roifile")
    labels = np.zeros((9, 11), int)
    labels[2:5, 3:9] = 1
    path, *_ = write_segmentation(make_segmentation(labels, "YX"), tmp_path / "a.roi.zip")
    (roi,) = roifile.roiread(path)
    assert roi.roitype == roifile.ROI_TYPE.TRACED
    assert (roi.left, roi.top, roi.right, roi.bottom) == (3, 2, 9, 5)
    assert roi.coordinates().tolist() == [[3, 2], [9, 2], [9, 5], [3, 5]]


def test_what_imagej_cannot_hold(tmp_path, make_segmentation) -> None:
    pytest.importorskip("roifile")
    with pytest.raises(InputError, match="no objects to write"):
        write_segmentation(make_segmentation(np.zeros((4, 4), int), "YX"), tmp_path / "a.roi.zip")
    with pytest.raises(InputError, match="32767 pixels"):
        write_segmentation(make_segmentation(np.ones((1, 32768), int), "YX"), tmp_path / "a.roi.zip")


def test_roifile_that_is_missing_is_named(tmp_path, seg, monkeypatch) -> None:
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "roifile":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"roifile.*\[rois\]"):
        write_segmentation(seg, tmp_path / "a.roi.zip")


def test_written_only_formats_say_so(tmp_path, seg) -> None:
    path, *_ = write_segmentation(seg, tmp_path / "a.geojson")
    with pytest.raises(InputError, match="can be written but not read"):
        read_labels(path)


def test_a_class_name_leads_no_entry_of_the_archive_out_of_its_folder(tmp_path) -> None:
    pytest.importorskip("roifile")
    labels = np.zeros((6, 7), np.int32)
    labels[1:3, 1:3] = 1
    classes = ClassTable.named(["/../../etc/passwd\\..\\x"])
    seg = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), classes, "YX", (1.0, 1.0))
    path, *_ = write_segmentation(seg, tmp_path / "a.roi.zip")
    (entry,) = zipfile.ZipFile(path).namelist()
    assert entry == "1-etc_passwd_.._x.roi"
