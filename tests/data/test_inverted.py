from __future__ import annotations

import numpy as np
import pytest

from napari_segplugin.core import Image, Normalisation
from napari_segplugin.data import normalise
from napari_segplugin.data.inverted import InvertedArray, inverted, inverted_rule


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_the_order_of_values_is_turned_and_the_distances_stay(dtype):
    values = np.array([[0, 1, 1, 0]]) if dtype == "bool" else np.array([[0, 3, 120, 7]])
    given = values.astype(dtype)
    found = InvertedArray(given)[:, :]
    assert found.dtype == given.dtype
    kept = (InvertedArray(found)[:, :], np.diff(found.astype(float)))
    np.testing.assert_array_equal(kept[0], given)
    np.testing.assert_array_equal(kept[1], -np.diff(given.astype(float)))


def test_the_extremes_of_a_type_do_not_wrap_round():
    given = np.array([[-(2**15), 0, 2**15 - 1]], np.int16)
    assert (np.diff(InvertedArray(given)[:, :].astype(int)) < 0).all()


def test_a_piece_is_the_piece_of_the_whole_and_nan_stays():
    array = np.random.default_rng(0).random((12, 15))
    array[3, 4] = np.nan
    view = InvertedArray(array)
    np.testing.assert_array_equal(view[2:7, 3], -array[2:7, 3])
    assert np.isnan(view[3, 4])


@pytest.mark.parametrize(
    ("array", "axes", "nodata"),
    [
        (np.array([[-9999.0, 9999.0, 5.0]]), "YX", -9999.0),
        (np.array([[0, 3, 9]], np.uint8), "YX", 0.0),
        (np.array([[[0, 0], [0, 9]]], np.uint8), "YXC", 0.0),
        (np.array([[np.nan, 3.0]], np.float32), "YX", float("nan")),
        (np.array([[-3.4e38, 3.0]], np.float32), "YX", float(np.float32(-3.4e38))),
    ],
)
def test_what_has_no_data_still_has_none_and_nothing_else_loses_its_value(array, axes, nodata):
    image = Image(array, axes, metadata={"nodata": nodata})
    before, after = image.read(), inverted(image).read()
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    there = ~np.isnan(before)
    np.testing.assert_allclose(after[there], -before[there].astype(float), atol=1e-6)


def test_a_plane_is_measured_on_its_inverted_volume():
    volume = Image(np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "ZYX")
    found = inverted(volume.plane(1))
    assert found.whole is not None
    np.testing.assert_array_equal(found.whole.read(), 255 - volume.read())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_fixed_values_are_turned_with_the_image(dtype):
    rule = Normalisation(rule="values", values=((10.0, 60.0),))
    image = Image(np.array([[10, 35, 60]], dtype), "YX")
    other, turned = inverted(image), inverted_rule(rule, np.dtype(dtype))
    seen = normalise.apply(other.read(), normalise.statistics(other, turned))
    np.testing.assert_allclose(seen, [[[1.0, 0.5, 0.0]]], atol=1e-6)
