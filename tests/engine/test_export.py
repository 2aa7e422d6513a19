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
