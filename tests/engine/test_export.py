"""Measuring and writing a result in one go; what places an image in space travels with the recipe."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, InputError, ObjectTable, Place, Segmentation, Task
from napari_segplugin.engine.export import channels_of, export, measure
from napari_segplugin.engine.provenance import about_input

AFFINE = [[-0.5, 0, 0, 90], [0, 0.4, 0.1, -126], [0, -0.1, 2.0, -72], [0, 0, 0, 1.0]]


def segmentation(labels, axes="YX", **more) -> Segmentation:
    labels = np.asarray(labels)
    size = (0.5,) * sum(a in "ZYX" for a in axes)
    classes = ClassTable.named(["cell"])
    return Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), classes, axes, size, "um", **more)


def test_channels_are_measured_wherever_their_axis_stands() -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    for order, moved in (("CYX", array), ("YXC", np.moveaxis(array, 0, -1))):
        found = channels_of(Image(moved, order, name="a"))
        assert list(found) == ["a 1", "a 2"]
        assert np.array_equal(found["a 2"], array[1])
    film = channels_of(Image(np.zeros((5, 2, 3, 4)), "TCYX", name="a"))
    assert film["a 1"].shape == (5, 3, 4)


def test_intensities_of_a_film_are_those_of_the_time_point() -> None:
    labels = np.ones((2, 3, 4), int)
    image = Image(np.stack([np.full((3, 4), 5), np.full((3, 4), 9)]), "TYX", name="dapi")
    assert measure(segmentation(labels, "TYX"), image)["mean dapi"].values.tolist() == [5, 9]


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(InputError, match="'dapi' has another size"):
        measure(segmentation([[1]]), Image(np.zeros((3, 3)), "YX", name="dapi"))


def test_the_table_holds_measurements_of_every_row(tmp_path) -> None:
    seg = segmentation([[1, 1, 0, 5]])
    gone = ObjectTable(np.array([1, 3, 5]), np.ones(3, int), np.full(3, np.nan, np.float32), ("rejected",) * 3)
    seg = Segmentation(seg.task, seg.labels, gone, seg.classes, seg.axes, seg.spacing, seg.unit)
    export(seg, tmp_path / "a.tif", Image(np.array([[1, 3, 0, 8]]), "YX", name="dapi"))
    rows = list(csv.DictReader((tmp_path / "a.objects.csv").open(encoding="utf-8")))
    assert [r["mean dapi"] for r in rows] == ["2", "nan", "8"]
    assert "area (\u00b5m\u00b2)" not in rows[0], "the size stands there already"


def test_films_and_empty_results_are_written_without_measurements(tmp_path) -> None:
    for name, labels, axes in (("film", np.ones((2, 3, 4), int), "TYX"), ("empty", np.zeros((3, 4), int), "YX")):
        export(segmentation(labels, axes), tmp_path / f"{name}.tif")
        head = (tmp_path / f"{name}.objects.csv").read_text(encoding="utf-8").splitlines()[0]
        assert "perimeter" not in head


def test_a_result_of_a_nifti_lies_where_its_image_lay(tmp_path) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = Image(np.zeros((3, 4, 5)), "ZYX", place=Place.from_ras(AFFINE))
    seg = segmentation(np.ones((3, 4, 5), int), "ZYX", recipe={"input": about_input(image)})
    seg = replace(seg, spacing=image.spacing, unit="mm", place=None)
    export(seg, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(nibabel.load(tmp_path / "a.nii.gz").affine, AFFINE, atol=1e-5)


def organs() -> tuple[Segmentation, Image]:
    """Two livers, one spleen; and a CT whose planes run the other way."""
    labels = np.zeros((4, 10, 10), np.uint16)
    labels[1:3, :5, :5], labels[1:3, 6:8, 6:8], labels[0, 9, 9] = 1, 2, 7
    table = ObjectTable(np.array([1, 2, 7]), np.array([1, 1, 2]), np.full(3, np.nan, np.float32), ("predicted",) * 3)
    down = Place([[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]], "patient")
    up = Place([[-3, 0, 0, 9], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]], "patient")
    classes = ClassTable.named(["liver", "spleen"])
    found = Segmentation(Task.INSTANCE, labels, table, classes, "ZYX", (3.0, 2.0, 2.0), "mm", place=down)
    values = np.where(labels == 7, 40, np.where(labels > 0, 60, -1000)).astype(np.int16)
    values[1, 0, 0] = 100
    ct = Image(values[::-1], "ZYX", (3.0, 2.0, 2.0), "mm", name="ct", metadata={"value_unit": "HU"}, place=up)
    return found, ct


def test_a_table_of_organs_in_millilitres_and_of_the_right_voxels() -> None:
    found, ct = organs()
    table = measure(found, ct, by="class", histogram=True)
    assert table["class"].values.tolist() == ["liver", "spleen"]
    assert table["objects"].values.tolist() == [2, 1]
    assert table["volume_ml"].values.tolist() == pytest.approx([58 * 12 / 1000, 0.012])
    assert table["volume_ml"].title == "volume (ml)"
    assert table["mean ct (HU)"].values.tolist() == pytest.approx([60 + 40 / 58, 40])
    assert table["median ct (HU)"].values.tolist() == [60, 40]
    assert table["max ct (HU)"].values.tolist() == [100, 40]
    assert any("were turned" in n for n in table.notes)
    assert "# Note: The axes of 'ct' were turned" in table.to_csv()
    lines = table.histogram_csv().splitlines()
    assert lines[0] == "label,class,channel,from,to,voxels"
    assert sum(int(line.split(",")[-1]) for line in lines[1:]) == 59
    assert next(line for line in lines if line.startswith("2,spleen,ct (HU),40,")).endswith(",1")


def test_objects_and_classes_of_a_time_series_have_a_row_each_time() -> None:
    labels = np.array([[[1, 1, 2]], [[0, 2, 2]]])
    image = Image(np.array([[[5, 5, 7]], [[0, 9, 9]]], np.uint8), "TYX", name="a")
    table = measure(segmentation(labels, "TYX"), image, histogram=True)
    assert table["frame"].values.tolist() == [0, 0, 1]
    assert table.histograms["a"].counts.sum(axis=1).tolist() == [2, 1, 2]
    kinds = measure(segmentation(labels, "TYX"), by="class")
    assert kinds["voxels"].values.tolist() == [3, 2]
    assert "objects" not in kinds


def test_labels_without_a_size_take_that_of_the_image() -> None:
    _, ct = organs()
    labels = np.zeros((4, 10, 10), np.uint8)
    labels[0, 0, :2] = 1
    plain = Segmentation(Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "ZYX", (1.0,) * 3)
    assert measure(plain, ct)["volume_ml"].values.tolist() == [0.024]


def test_a_tilted_volume_is_not_too_large_anywhere(tmp_path) -> None:
    tilt = Place([[2, 0, 0, 0], [1, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 1]], "patient")
    labels = np.ones((4, 5, 6), np.uint8)
    seg = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "ZYX", tilt.spacing, "mm", place=tilt
    )
    assert seg.voxel_size == pytest.approx(tilt.voxel_volume)
    assert measure(seg)["volume"].values[0] == pytest.approx(120 * 0.5)
    napari = pytest.importorskip("napari")
    from napari_segplugin.viewer.edits import Editor
    from napari_segplugin.viewer.layers import opened_labels

    array, options, _ = opened_labels(seg)
    layer = napari.layers.Labels(array, **options)
    assert Editor(layer, "ZYX").voxel == pytest.approx(0.5), "as objects are that were edited"
    export(seg, tmp_path / "a.npy")
    row = next(csv.DictReader((tmp_path / "a.objects.csv").open(encoding="utf-8")))
    assert float(row["size (mm^3)"]) == pytest.approx(60)


def test_what_cannot_have_a_row_or_a_histogram() -> None:
    found, ct = organs()
    with pytest.raises(InputError, match="Rows are objects or classes"):
        measure(found, by="organ")
    with pytest.raises(InputError, match="no histogram"):
        measure(found, ct).histogram_csv()
    moved = replace(ct, place=ct.place.at({"Z": 2}))
    with pytest.raises(InputError, match="do not lie in the same voxels"):
        measure(found, moved)
