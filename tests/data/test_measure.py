"""Measurements agree with scikit-image object by object, and with solids whose size is known."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from skimage.measure import regionprops_table

from napari_segplugin.core import ClassTable, InputError, ObjectTable
from napari_segplugin.data.crofton import boundary_size, directions
from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.table import Column, MeasureTable, TableView, bins, density
from napari_segplugin.io import load_sample

SAME = {"axis_major": "axis_major_length", "axis_minor": "axis_minor_length"}
STATISTICS = {f"{k} dapi": f"intensity_{k}" for k in ("mean", "std", "min", "max")}


def reference(labels, image, spacing, more=()) -> dict[str, np.ndarray]:
    names = ["label", "num_pixels", "area", "centroid", "bbox", *SAME.values(), *STATISTICS.values(), *more]
    return regionprops_table(labels, image, properties=names, spacing=spacing)


@pytest.mark.parametrize("name", ["nuclei2d", "nuclei3d"])
def test_real_objects_as_scikit_image_measures_them(name) -> None:
    sample = load_sample(name)
    labels, image = np.asarray(sample.truth), np.asarray(sample.image.array)
    spacing = (2.0, 0.5, 0.7)[-labels.ndim :]
    table = measure_objects(labels, spacing=spacing, unit="um", channels={"dapi": image})
    expected = reference(labels, image, spacing)
    size = "area" if labels.ndim == 2 else "volume"
    pairs = {"label": "label", "voxels": "num_pixels", size: "area", **SAME, **STATISTICS}
    pairs |= {f"centroid_{a}": f"centroid-{i}" for i, a in enumerate("zyx"[-labels.ndim :])}
    for ours, theirs in pairs.items():
        np.testing.assert_allclose(table[ours].values, expected[theirs], rtol=1e-9, atol=1e-7, err_msg=ours)
    boxes = np.stack([expected[f"bbox-{i}"] for i in range(2 * labels.ndim)], axis=1)
    assert np.array_equal(table.boxes.reshape(len(table), -1), boxes)


def test_perimeter_is_the_crofton_perimeter_of_scikit_image() -> None:
    labels = np.asarray(load_sample("nuclei2d").truth)
    expected = regionprops_table(labels, properties=["perimeter_crofton"], spacing=(0.3, 0.3))
    table = measure_objects(labels, spacing=(0.3, 0.3))
    np.testing.assert_allclose(table["perimeter"].values, expected["perimeter_crofton"])


@settings(max_examples=40, deadline=None)
@given(
    nst.arrays(np.uint8, nst.array_shapes(min_dims=2, max_dims=3, max_side=7), elements=st.sampled_from([0, 3, 200]))
)
def test_any_labels(labels: np.ndarray) -> None:
    image = np.arange(labels.size, dtype=np.float32).reshape(labels.shape) - 5
    table = measure_objects(labels, channels={"dapi": image})
    for i, number in enumerate(np.unique(labels[labels > 0])):
        inside = image[labels == number]
        row = {c.name: c.values[i] for c in table}
        assert row["label"] == number
        assert row["voxels"] == inside.size
        found = [row[f"{k} dapi"] for k in ("mean", "std", "min", "max")]
        np.testing.assert_allclose(found, [inside.mean(), inside.std(), inside.min(), inside.max()], atol=1e-4)
        where = np.argwhere(labels == number)
        assert np.array_equal(table.boxes[i], [where.min(axis=0), where.max(axis=0) + 1])
        assert row["at_border"] == bool(((where == 0) | (where == np.array(labels.shape) - 1)).any())


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 1.0), (0.2, 0.7)])
def test_perimeter_of_a_disk_of_pixels_that_are_not_square(spacing) -> None:
    y, x = (np.arange(401) - 200)[:, None] * spacing[0], (np.arange(401) - 200)[None] * spacing[1]
    disk = np.hypot(y, x) <= 40 * min(spacing)
    assert boundary_size(disk.astype(int), 1, spacing)[0] == pytest.approx(2 * np.pi * 40 * min(spacing), rel=0.03)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)])
def test_surface_of_a_ball_of_voxels_that_are_not_cubes(spacing) -> None:
    grids = np.meshgrid(*[(np.arange(61) - 30) * s for s in spacing], indexing="ij")
    ball = sum(g**2 for g in grids) <= 25**2
    assert boundary_size(ball.astype(int), 1, spacing)[0] == pytest.approx(4 * np.pi * 25**2, rel=0.03)


def test_weights_of_cubes_are_those_of_the_paper() -> None:
    steps, weights = directions((1, 1, 1))
    length = np.linalg.norm(steps, axis=1)
    share = weights * length / 2
    expected = {1: 0.04577789120476, 2: 0.03698062787608, 3: 0.03519563978232}
    for step, found in zip(steps, share, strict=True):
        assert found == pytest.approx(2 * expected[int(np.abs(step).sum())], rel=1e-6)
    assert share.sum() == pytest.approx(1)


def test_a_row_by_hand() -> None:
    labels = np.zeros((4, 6), np.uint16)
    labels[1, 1:5] = 9
    table = measure_objects(labels, spacing=(2.0, 0.5), unit="um")
    row = {c.title: c.values[0] for c in table}
    assert row["pixels"] == 4
    assert row["area (µm²)"] == 4.0
    assert (row["centroid y (µm)"], row["centroid x (µm)"]) == (2.0, 1.25)
    # four points 0.5 apart: variance 0.25 · (16 - 1) / 12
    assert row["major axis (µm)"] == pytest.approx(4 * np.sqrt(0.25 * 15 / 12))
    assert (row["minor axis (µm)"], row["elongation"], row["at border"]) == (0.0, 1.0, False)


def test_balls_are_round_and_rods_are_long() -> None:
    labels = np.zeros((31, 31, 60), int)
    grid = np.indices((31, 31, 31)) - 15
    labels[:, :, :31][(grid**2).sum(axis=0) <= 14**2] = 1
    labels[14:17, 14:17, 34:58] = 2
    table = measure_objects(labels)
    ball, rod = table["sphericity"].values
    assert ball == pytest.approx(1, abs=0.02)
    assert rod < 0.75
    assert table["elongation"].values.tolist() == [pytest.approx(0, abs=0.01), pytest.approx(0.88, abs=0.02)]


def test_time_points_are_measured_apart() -> None:
    labels = np.zeros((3, 4, 5), int)
    labels[0, 0, :2], labels[2, 1, :3] = 4, 4
    image = np.arange(60.0).reshape(3, 4, 5)
    table = measure_objects(labels, axes="TYX", channels={"a": image}, tracks={4: 1})
    assert table["frame"].values.tolist() == [0, 2]
    assert table["voxels"].values.tolist() == [2, 3]
    assert table["mean a"].values.tolist() == [0.5, 46.0]
    assert table["track"].values.tolist() == [1, 1]


def test_class_score_and_status_come_from_the_table() -> None:
    objects = ObjectTable(
        np.array([7, 2]), np.array([2, 1]), np.array([0.5, np.nan], np.float32), ("accepted", "predicted")
    )
    table = measure_objects([[2, 7, 9]], objects=objects, classes=ClassTable.named(["a", "b"]))
    assert table["class"].values.tolist() == ["a", "b", ""]
    assert table["status"].values.tolist() == ["predicted", "accepted", ""]
    np.testing.assert_array_equal(table["score"].values, [np.nan, 0.5, np.nan])
    without = measure_objects([[2]], objects=ObjectTable.of(np.array([2])), classes=ClassTable.named(["a"]))
    assert "score" not in without


def test_no_object_is_an_empty_table() -> None:
    table = measure_objects(np.zeros((4, 4), int), channels={"a": np.zeros((4, 4))})
    assert len(table) == 0
    assert table.to_csv().splitlines()[-1].startswith("label,pixels,")


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        ([[0.5]], {}, "whole numbers"),
        ([[-1]], {}, "whole numbers from 0 up"),
        ([[1]], {"axes": "XY"}, "axes do not fit"),
        ([[1]], {"spacing": (1, 1, 1)}, "pixel size"),
        ([[1]], {"spacing": (1, 0)}, "pixel size"),
        ([[1]], {"channels": {"dapi": [[1, 2]]}}, "'dapi' does not fit"),
    ],
)
def test_what_cannot_be_measured(labels, options, words) -> None:
    with pytest.raises(InputError, match=words):
        measure_objects(labels, **options)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.fixture
def table() -> MeasureTable:
    return MeasureTable(
        (
            Column("label", "label", np.array([1, 2, 3, 5]), "Number."),
            Column("area", "area (µm²)", np.array([4.0, 1.0, np.nan, 4.0]), "How large.", "µm²"),
            Column("class", "class", np.array(["b", "a", "b", "c"], object), "Which."),
        ),
        np.zeros((4, 2, 2), int),
    )


def test_csv_names_what_every_column_is(table) -> None:
    text = table.to_csv(np.array([3, 2]), about="cells.tif")
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments == ["# cells.tif", "# label: Number.", "# area (µm²): How large.", "# class: Which."]
    rows = list(csv.DictReader(io.StringIO(text.split("\n", 4)[-1])))
    assert [r["label"] for r in rows] == ["5", "3"]
    assert [r["area (µm²)"] for r in rows] == ["4", ""]


def test_no_text_of_a_table_is_a_formula() -> None:
    columns = (
        Column("class", "class", np.array(["=1+1", "@x"], object), "Which\n=1+1"),
        Column("drift", "-drift", np.array([-1.5, -2.0]), "How far."),
    )
    text = MeasureTable(columns, np.zeros((2, 2, 2), int)).to_csv(about="x\n=2+2")
    assert text.splitlines()[3:] == ["class,'-drift", "'=1+1,-1.5", "'@x,-2"]
    assert [line[:2] for line in text.splitlines()[:3]] == ["# "] * 3


def test_sorting_keeps_equal_values_in_order_and_undefined_ones_last(table) -> None:
    view = TableView(table)
    view.sort("area")
    assert view.rows.tolist() == [1, 0, 3, 2]
    view.sort("area", descending=True)
    assert view.rows.tolist() == [0, 3, 1, 2]
    view.sort("class")
    assert view.rows.tolist() == [1, 0, 2, 3]


def test_ranges_and_brush_narrow_the_rows_together(table) -> None:
    view = TableView(table)
    view.keep("area", 2, 9)
    assert view.rows.tolist() == [0, 3]
    view.brush(np.array([3, 1]))
    assert view.rows.tolist() == [3]
    assert (view.find(5), view.find(1)) == (0, None)
    view.brush(None)
    view.forget()
    assert view.rows.tolist() == [0, 1, 2, 3]


def test_an_object_is_found_in_its_time_point() -> None:
    columns = (Column("label", "label", np.array([4, 4]), ""), Column("frame", "frame", np.array([0, 2]), ""))
    view = TableView(MeasureTable(columns, np.zeros((2, 2, 2))))
    assert [view.find(4), view.find(4, 2), view.find(4, 1)] == [0, 1, None]


def test_an_unknown_column_is_named(table) -> None:
    with pytest.raises(InputError, match="no column named 'x'"):
        table["x"]


def test_histogram_and_density_count_everything_once(table) -> None:
    counts, edges = bins(table["area"].values, 3)
    assert (counts.tolist(), edges.tolist()) == ([1, 0, 2], [1, 2, 3, 4])
    assert bins(np.array([np.nan]))[0].sum() == 0
    grid = density(np.array([0.0, 1, 1]), np.array([0.0, 1, 0]), ((0, 1), (0, 1)), (2, 2))
    assert grid.tolist() == [[0, 1], [1, 1]]
    assert Column("a", "a", np.array([np.nan]), "").limits == (0, 1)
