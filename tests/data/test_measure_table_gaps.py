"""Measurements of objects in an image that has no value in places."""

import warnings

import numpy as np

from napari_segplugin.data.measure import measure_objects


def test_objects_are_measured_where_the_image_has_values():
    labels = np.zeros((12, 30), np.int32)
    labels[1:11, 1:11], labels[1:11, 12:18], labels[1:11, 20:29] = 1, 2, 3
    image = np.random.default_rng(0).normal(50, 9, labels.shape).astype(np.float32)
    image[5, 5], image[3, 3], image[labels == 3] = np.nan, np.inf, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = measure_objects(labels, channels={"a": image})
    for row, label in enumerate((1, 2)):
        values = image[(labels == label) & np.isfinite(image)].astype(float)
        expected = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
        expected |= {"median": np.median(values), "p95": np.percentile(values, 95)}
        for statistic, value in expected.items():
            np.testing.assert_allclose(table[f"{statistic} a"].values[row], value, rtol=1e-5)
    assert np.isnan([table[f"{s} a"].values[2] for s in ("mean", "std", "min", "max", "median")]).all()
    assert table["missing a"].values.tolist() == [2, 0, 90]
    assert table["voxels"].values.tolist() == [100, 60, 90]


def test_nothing_is_said_of_gaps_where_there_are_none():
    labels = np.ones((3, 4), np.int32)
    assert "missing a" not in measure_objects(labels, channels={"a": np.ones((3, 4))})


def test_a_series_says_how_many_are_missing_in_each_frame():
    labels = np.ones((2, 3, 4), np.int32)
    image = np.ones((2, 3, 4))
    image[1, 0, 0] = np.nan
    assert measure_objects(labels, axes="TYX", channels={"a": image})["missing a"].values.tolist() == [0, 1]
