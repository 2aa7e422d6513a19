"""Pixels without data: no range, no truth, no result."""

import numpy as np
import pytest

from napari_segplugin.core import (
    BACKGROUND_PAINT,
    ClassTable,
    Image,
    Kind,
    Normalisation,
    ObjectTable,
    Task,
    drain,
    without_nodata,
)
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.data.nodata import KnownArray, absent, clear_nodata, known_array, known_range
from napari_segplugin.data.normalise import apply, statistics
from napari_segplugin.engine.pooled import PooledArray, pooled_image
from napari_segplugin.engine.predict.resize import Resampled, resized
from napari_segplugin.engine.train.samples import make_sample


def ramp(nodata, dtype=np.float32, channels=1):
    array = np.broadcast_to(np.linspace(10, 200, 60 * 80).reshape(60, 80), (channels, 60, 80)).astype(dtype)
    array[:, :, :30] = nodata
    return array


@pytest.mark.parametrize(
    ("nodata", "dtype"), [(-9999, np.float32), (-9999, np.int16), (0, np.uint16), (65535, np.uint16)]
)
def test_the_range_of_intensities_is_that_of_the_data(nodata, dtype):
    array = ramp(nodata, dtype)
    image = Image(array, "CYX", metadata={"nodata": nodata})
    got, want = statistics(image), statistics(Image(array[:, :, 30:], "CYX"))
    np.testing.assert_allclose([got.low, got.high], [want.low, want.high])
    wrong = statistics(Image(array, "CYX"), Normalisation(rule="percentiles"))
    assert abs(wrong.low - want.low) + abs(wrong.high - want.high) > 5
    made = apply(image.read(), got)
    assert made.dtype == np.float32
    assert (made[:, :, :30] == 0).all()
    np.testing.assert_array_equal(made[:, :, 30:], apply(array[:, :, 30:], want))


# a fault of others: https://github.com/cogeotiff/rio-tiler/issues/579
def test_each_signed_band_has_its_own_nodata():
    array = ramp(-9999, np.int16, 2)
    array[1, :, 30:50] = -9999
    image = Image(array, "CYX", metadata={"nodata": -9999})
    assert np.isnan(image.read()[1, :, 30:50]).all()
    assert np.isfinite(image.read()[0, :, 30:]).all()
    np.testing.assert_array_equal(absent(image), np.arange(80) < np.full((60, 1), 30))
    assert statistics(image).low[1] > 10


def test_black_and_white_of_a_photo_are_colors():
    array = np.full((4, 5, 3), 120, np.uint8)
    array[0, 0], array[1, 1] = 255, (255, 10, 20)
    image = Image(array, "YXC", metadata={"nodata": 255})
    assert np.isnan(image.read()).sum() == 3
    assert image.read()[0, 1, 1] == 255
    assert absent(image).sum() == 1


def test_an_image_without_nodata_is_read_as_it_is():
    image = Image(np.zeros((4, 5), np.uint8), "YX")
    assert image.read().dtype == np.uint8
    assert known_array(image) is image.array
    assert absent(image) is None
    assert absent(Image(np.zeros((4, 5)), "YX")) is None
    for wrong in ("not a number at all", None, [1]):
        assert Image(np.zeros((4, 5)), "YX", metadata={"nodata": wrong}).nodata is None
    assert np.isnan(Image(np.zeros((4, 5)), "YX", metadata={"nodata": "nan"}).nodata)


def test_no_precision_is_lost_to_floats():
    large = np.array([[2**24 + 1, 7]], np.int32)
    assert without_nodata(large, 7.0).tolist()[0][0] == 2**24 + 1
    assert without_nodata(np.array([[5]], np.uint8), np.nan).tolist() == [[5.0]]


# a fault of others: https://github.com/jgrss/geowombat/issues/251
@pytest.mark.parametrize(
    "change", [lambda i: resized(i, 0.5, 2), lambda i: resized(i, 2, 2), lambda i: pooled_image(i, 2)]
)
def test_nodata_is_not_mixed_into_its_neighbors(change):
    image = Image(ramp(-9999)[0], "YX", metadata={"nodata": -9999})
    small = change(image).read()
    assert np.nanmin(small) >= 10
    share = np.isnan(small).mean()
    assert 30 / 80 <= share < 34 / 80


def test_the_range_to_show_is_that_of_the_data():
    array = ramp(-9999, np.int16, 2)
    array[1] = np.where(array[1] > 0, array[1] * 3, -9999)
    low, high = known_range(Image(array, "CYX", metadata={"nodata": -9999}))
    assert (low, high) == (array[array > 0].min(), array.max())
    assert known_range(Image(array, "CYX")) is None
    assert known_range(Image(np.full((4, 5), 7), "YX", metadata={"nodata": 7})) is None
    assert known_range(Image(np.array([[7, 8, 8]]), "YX", metadata={"nodata": 7})) is None


def test_a_band_read_alone_is_looked_at_alone():
    array = np.zeros((2, 3, 4), np.uint8)
    array[1] = 9
    known = KnownArray(array, "CYX", 0.0)
    assert np.isfinite(known[:, :, :]).all()
    assert np.isnan(known[0]).all()
    assert (known.shape, known.ndim, known.dtype) == ((2, 3, 4), 3, np.float32)


@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX"])
def test_labels_are_cleared_piece_by_piece(axes, monkeypatch):
    monkeypatch.setattr("napari_segplugin.data.nodata._PIECE", 50)
    shape = (2, 20, 30)[3 - len(axes) :]
    array = np.ones(shape, np.float32)
    array[..., :7, :] = -1
    image = Image(array, axes, metadata={"nodata": -1})
    region = tuple(slice(0, n) for n in image.spatial_shape)
    labels = np.broadcast_to(np.arange(1, 21)[:, None], shape).copy()
    assert clear_nodata(labels, image, region) == set(range(8, 21))
    np.testing.assert_array_equal(labels > 0, array > 0)


def test_labels_of_a_region_are_cleared_in_its_place():
    image = Image(np.array([[0, 0, 5, 0, 6]]), "YX", metadata={"nodata": 0})
    labels = np.array([[1, 2, 3]])
    assert clear_nodata(labels, image, (slice(0, 1), slice(2, 5))) == {1, 3}
    assert labels.tolist() == [[1, 0, 3]]


# a fault of others: https://github.com/torchgeo/torchgeo/pull/1400
@pytest.mark.parametrize("task", [Task.SEMANTIC, Task.INSTANCE])
def test_training_does_not_learn_background_where_there_is_no_data(task):
    image = Image(ramp(-9999)[0], "YX", metadata={"nodata": -9999})
    labels = np.zeros((60, 80), int)
    labels[10:20, 20:50] = 1
    sample = make_sample(image, labels, task, ClassTable.named(["roof"], Kind.THING))
    np.testing.assert_array_equal(sample.known, np.broadcast_to(np.arange(80) >= 30, (60, 80)))


def test_rows_of_objects_that_are_gone():
    table = ObjectTable.of(np.array([[1, 2, 5]]))
    assert table.only(None) is table
    assert table.only({5, 1}).label.tolist() == [1, 5]
    assert len(table.only(set()).status) == 0


@pytest.mark.parametrize("kind", ["classical", "network"])
def test_nothing_is_found_where_there_is_no_data(kind):
    import napari_segplugin as seg

    sample = seg.sample("nuclei2d").image
    array = sample.read()[0].astype(np.int32)
    array[:, :100] = 100_000  # brighter than any nucleus
    image = Image(array, "YX", spacing=sample.spacing, unit=sample.unit, metadata={"nodata": 100_000})
    if kind == "classical":
        from napari_segplugin.core import ClassicalRecipe
        from napari_segplugin.engine.classical.segment import segment

        found = drain(segment(image, ClassicalRecipe("threshold")), lambda _: None)
    else:
        found = seg.predict(image, "nuclei2d", progress=False)
        assert len(found.objects) > 10
        assert set(found.objects.label.tolist()) == set(np.unique(found.labels).tolist()) - {0}
    assert not found.labels[:, :100].any()
    assert found.labels[:, 100:].any()
    # the same as of the part with data, away from its edge
    assert (found.labels[:, 140:] > 0).mean() < 0.6


@pytest.mark.parametrize("objects", [True, False])
def test_a_clean_up_step_does_not_fill_what_has_no_data(objects):
    from napari_segplugin.core import ClassicalRecipe, CleanupStep
    from napari_segplugin.engine.classical.segment import segment

    array = np.full((40, 50), 10, np.uint16)
    array[5:25, 5:30] = array[5:9, 40:44] = 200
    array[10:15, 10:15] = array[5:9, 40:44] = 65535
    steps = (CleanupStep("fill_holes"), *([CleanupStep("label")] if objects else []))
    image = Image(array, "YX", metadata={"nodata": 65535})
    found = drain(segment(image, ClassicalRecipe("threshold", {}, steps)), lambda _: None)
    np.testing.assert_array_equal(found.labels > 0, array == 200)
    assert found.objects.label.tolist() == np.unique(found.labels[found.labels > 0]).tolist() == [1]
    assert found.task is (Task.INSTANCE if objects else Task.SEMANTIC)


def test_labels_are_cleared_where_no_band_is_a_number():
    array = np.ones((2, 4, 6), np.float32)
    array[:, :, :2], array[0, :, 4] = np.nan, np.nan
    image = Image(array, "CYX")
    labels = np.arange(1, 25).reshape(4, 6)
    left = clear_nodata(labels, image, (slice(0, 4), slice(0, 6)))
    assert (labels[:, :2] == 0).all()
    assert (labels[:, 2:] > 0).all()
    assert left == set(labels[labels > 0].tolist())
    clean = Image(np.ones((4, 6), np.float32), "YX")
    assert clear_nodata(labels, clean, (slice(0, 4), slice(0, 6))) is None


def test_strokes_teach_nothing_where_the_image_is_no_number():
    array = np.ones((6, 6), np.float32)
    array[0, :3] = np.nan
    paint = np.zeros((6, 6), np.uint16)
    paint[0], paint[5] = 1, BACKGROUND_PAINT
    classes = ClassTable.named(["cell"])
    sample = to_sample(Image(array, "YX"), Corrections(paint), Task.SEMANTIC, classes)
    assert sample.known[0].tolist() == [False] * 3 + [True] * 3
    made = make_sample(Image(array, "YX"), np.ones((6, 6), int), Task.SEMANTIC, classes)
    np.testing.assert_array_equal(made.known, np.isfinite(array))


def test_an_image_in_another_size_has_gaps_as_large_as_before():
    array = np.full((8, 8), 5.0, np.float32)
    array[2, 3] = np.nan
    twice = Resampled(array, {0: 16, 1: 16})[:, :]
    assert np.argwhere(np.isnan(twice)).tolist() == [[4, 6], [4, 7], [5, 6], [5, 7]]
    assert np.allclose(twice[np.isfinite(twice)], 5)
    array[:4] = np.nan
    twice = Resampled(array, {0: 16, 1: 16})[:, :]
    assert np.isnan(twice[:8]).all()
    assert np.allclose(twice[8:], 5)


def test_squares_are_averaged_over_what_has_a_value():
    array = np.array([[1, 4, 3, np.nan, 7, 7], [3, 5, 2, np.nan, np.nan, 7], [5, 6, 1, np.nan, 7, 7]])
    np.testing.assert_allclose(PooledArray(array, "YX", 3)[:, :], [[10 / 3, 7]], rtol=1e-6)
