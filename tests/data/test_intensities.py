"""Numbers of intensities beside NumPy's, with values that are not numbers, of every dtype."""

import numpy as np
import pytest
import tifffile

from napari_segplugin.data.intensities import PERCENTILES, InsideValues
from napari_segplugin.data.measure import measure_objects

TYPES = ["bool", "uint8", "int16", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_every_number_is_that_of_numpy(dtype) -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 5, (9, 11)) * 3
    image = (rng.normal(0, 60, labels.shape) + (300 if dtype.startswith("u") else 0)).astype(dtype)
    image[0] = image[1]  # equal values
    table = measure_objects(labels, channels={"ct": image})
    for row, number in enumerate(table["label"].values):
        inside = image[labels == number].astype(float)
        wanted = {"mean": inside.mean(), "std": inside.std(), "min": inside.min(), "max": inside.max()}
        wanted |= {f"p{p}": np.percentile(inside, p) for p in PERCENTILES if p != 50} | {"median": np.median(inside)}
        for name, value in wanted.items():
            assert table[f"{name} ct"].values[row] == pytest.approx(value, rel=1e-5, abs=1e-4), name


def test_very_large_whole_numbers_stay_exact() -> None:
    image = np.array([[2**63 - 1, -(2**63), 5, 2**62]], np.int64)
    inside = InsideValues(image, np.array([[1, 1, 2, 2]]), 2)
    assert inside.percentile(100).tolist() == [2**63 - 1, 2**62]
    assert inside.percentile(0).tolist() == [-(2**63), 5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_not_numbers_are_left_out_and_empty_no_other_object(dtype, recwarn) -> None:
    labels = np.array([[1, 1, 1, 2, 2, 3, 0]])
    image = np.array([[7, np.nan, 9, 7, 7, np.inf, np.nan]], dtype)
    table = measure_objects(labels, channels={"a": image})
    for name, values in {
        "mean a": [8, 7, np.nan],
        "std a": [1, 0, np.nan],
        "min a": [7, 7, np.nan],
        "max a": [9, 7, np.nan],
        "median a": [8, 7, np.nan],
    }.items():
        np.testing.assert_array_equal(table[name].values, values)
    nothing = measure_objects(labels, channels={"a": np.full(labels.shape, np.nan, dtype)})
    assert np.isnan(nothing["p95 a"].values).all()
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_a_histogram_counts_each_value_once_in_ranges_of_equal_width() -> None:
    rng = np.random.default_rng(0)
    labels, ct = rng.integers(0, 3, (20, 30)), rng.integers(-1024, 1500, (20, 30)).astype(np.int16)
    found = InsideValues(ct, labels, 2).histogram(50)
    for number in (1, 2):
        inside = ct[labels == number]
        wanted, _ = np.histogram(inside, found.edges)
        assert found.counts[number - 1].tolist() == wanted.tolist()
        assert found.counts[number - 1].sum() == len(inside)
    assert set(np.diff(found.edges)) == {np.diff(found.edges)[0]}
    assert np.array_equal(found.edges, np.round(found.edges)), "whole numbers lie in whole ranges"
    flat = InsideValues(np.full((2, 2), 0.5), np.ones((2, 2), int), 1).histogram(4)
    assert flat.counts.sum() == 4
    assert InsideValues(np.zeros((2, 2)), np.zeros((2, 2), int), 0).histogram(4).counts.shape == (0, 4)


def test_volume_and_shape_where_axes_are_not_at_right_angles() -> None:
    """A tilted gantry: each plane is shifted along y, so that the object is a sheared box."""
    edges = np.array([[2.0, 0, 0], [1.0, 0.5, 0], [0, 0, 0.5]])  # columns: along z, y, x
    size = tuple(np.linalg.norm(edges, axis=0))
    labels = np.zeros((14, 24, 24), np.uint8)
    labels[2:12, 2:22, 2:22] = 1
    row = measure_objects(labels, spacing=size, edges=edges, unit="mm")
    assert row["volume"].values[0] == pytest.approx(4000 * 2.0 * 0.5 * 0.5)
    points = np.argwhere(labels) @ edges.T
    longest = np.linalg.eigvalsh(np.cov(points.T, bias=True))[-1]
    assert row["axis_major"].values[0] == pytest.approx(np.sqrt(20 * longest))
    where = np.moveaxis(np.indices((40, 90, 60)), 0, -1) @ edges.T
    ball = np.linalg.norm(where - where.reshape(-1, 3).mean(axis=0), axis=-1) <= 8
    row = measure_objects(ball.astype(np.uint8), spacing=size, edges=edges, unit="mm")
    assert row["surface"].values[0] == pytest.approx(4 * np.pi * 8**2, rel=0.03)
    assert row["volume"].values[0] == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.02)
    assert row["sphericity"].values[0] == pytest.approx(1, rel=0.03)
    assert row["axis_minor"].values[0] == pytest.approx(16, rel=0.02)
    # with the lengths of the edges alone all of these are wrong
    assert measure_objects(ball.astype(np.uint8), spacing=size)["volume"].values[0] > 1.1 * 4 / 3 * np.pi * 8**3
    square = measure_objects(labels, spacing=(2.0, 0.5, 0.5))
    again = measure_objects(labels, spacing=(2.0, 0.5, 0.5), edges=np.diag([2.0, 0.5, 0.5]))
    assert all(np.array_equal(a.values, b.values) for a, b in zip(square, again, strict=True))


def test_case_of_a_pixel_that_is_not_a_number(tmp_path) -> None:
    labels, image = np.zeros((20, 20), np.uint16), np.full((20, 20), 7, np.float32)
    labels[2:12, 2:12], labels[14:18, 14:18] = 1, 2
    image[5, 5] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", image)
    table = measure_objects(labels, channels={"image": tifffile.imread(tmp_path / "a.tif")})
    for name in ("mean", "min", "max", "median"):
        assert table[f"{name} image"].values.tolist() == [7, 7]
