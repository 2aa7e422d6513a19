from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr
from skimage.transform import resize

from napari_segplugin.core import ClassTable, Image, InputError, ModelSpec, Note, ObjectTable, Task, TileSpec, drain
from napari_segplugin.engine.predict.estimate import estimate
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.resize import (
    Resampled,
    advised_zoom,
    middle_width,
    places,
    resized,
    resized_region,
    still_there,
)
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
from napari_segplugin.metrics import measure

LOOSE = {"foreground": 0.3, "seed": 0.4, "smooth": 0.5, "min_size": 1}


def bundle_of(ndim=2, task=Task.INSTANCE):
    spec = ModelSpec("unet", ndim, 1, task, ClassTable.named(["cell"]), options={"widths": (4, 6)})
    return replace(new_bundle(spec, name="small", seed=1), decode={} if task is Task.SEMANTIC else LOOSE)


def noise(shape, axes, **more):
    return Image(np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8), axes, **more)


@pytest.mark.parametrize("sizes", [(61, 45), (20, 15), (15, 40)])
def test_resampling_equals_that_of_scikit_image_where_it_enlarges(sizes):
    array = np.random.default_rng(1).random((30, 22)).astype(np.float32)
    found = Resampled(array, {0: sizes[0], 1: sizes[1]})[:, :]
    assert found.shape == sizes
    if sizes[0] > 30 and sizes[1] > 22:
        np.testing.assert_allclose(found, resize(array, sizes, order=1, mode="edge", anti_aliasing=False), atol=1e-5)
    # a constant stays what it is, a ramp a ramp
    np.testing.assert_allclose(Resampled(np.full((30, 22), 7.0), {0: sizes[0], 1: sizes[1]})[:, :], 7.0, rtol=1e-6)


def test_a_piece_is_the_piece_of_the_whole():
    array = np.random.default_rng(1).random((2, 30, 22)).astype(np.float32)
    for sizes in ({1: 71, 2: 50}, {1: 9, 2: 8}):
        table = Resampled(array, sizes)
        whole = table[:, :, :]
        np.testing.assert_allclose(table[1, 3:8, 2:7], whole[1, 3:8, 2:7], atol=1e-6)


def test_a_resampled_axis_is_read_by_slices():
    with pytest.raises(InputError, match="slices"):
        Resampled(np.zeros((4, 4)), {1: 8})[0, 3]


@pytest.mark.parametrize("zoom", [-1.0, 0.1, 5.0])
def test_a_factor_out_of_range_is_refused(zoom):
    with pytest.raises(InputError, match=r"0\.25 to 4"):
        drain(predict(noise((20, 20), "YX"), bundle_of(), tiles=TileSpec(zoom=zoom), device="cpu"))


@pytest.mark.parametrize(
    ("axes", "shape", "ndim"),
    [("YX", (40, 33), 2), ("TYX", (2, 24, 26), 2), ("ZYX", (3, 30, 31), 2), ("ZYX", (8, 16, 18), 3)],
)
@pytest.mark.parametrize("zoom", [1.5, 0.5])
def test_labels_come_back_on_the_grid_of_the_image(axes, shape, ndim, zoom):
    image = noise(shape, axes, spacing=(2.0, 0.5, 0.5)[-len(axes.replace("T", "")) :], unit="um")
    found = drain(predict(image, bundle_of(ndim), tiles=TileSpec(zoom=zoom), device="cpu"))
    assert found.labels.shape == shape
    assert found.spacing == image.canonical_spacing
    assert found.recipe["zoom"] == zoom
    present = np.unique(found.labels)
    assert set(present[present > 0]) == set(found.objects.label.tolist())


def test_a_region_is_the_region_of_the_whole():
    image, tiles = noise((60, 70), "YX"), TileSpec(zoom=2.0, precision="float32")
    bundle = bundle_of(task=Task.SEMANTIC)
    whole = drain(predict(image, bundle, tiles=tiles, device="cpu"))
    part = drain(predict(image, bundle, tiles=tiles, device="cpu", region=(slice(11, 30), slice(5, 41))))
    assert np.array_equal(part.labels, whole.labels[11:30, 5:41])
    assert part.recipe["origin"] == [11, 5]


def test_a_zarr_holds_what_memory_would(tmp_path):
    image, tiles = noise((60, 70), "YX"), TileSpec(zoom=1.5, precision="float32")
    memory = drain(predict(image, bundle_of(), tiles=tiles, device="cpu"))
    disk = drain(predict(image, bundle_of(), tiles=tiles, device="cpu", output=tmp_path / "out.zarr"))
    stored = np.asarray(zarr.open(tmp_path / "out.zarr")[:])
    assert ((stored > 0) == (memory.labels > 0)).mean() > 0.99  # maps on disk are float16
    assert disk.labels.attrs["segplugin"]["zoom"] == 1.5
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_an_estimate_counts_the_larger_image():
    image, bundle = noise((700, 700), "YX"), bundle_of()
    once, twice = (estimate(image, bundle, device="cpu", tiles=TileSpec(zoom=z)) for z in (1.0, 2.0))
    assert 2 < twice.memory_bytes / once.memory_bytes < 6


def segmentation_of(labels, task=Task.INSTANCE):
    from napari_segplugin.core import Segmentation

    return Segmentation(task, labels, ObjectTable.of(labels), ClassTable.named(["cell"]), "YX", (1.0, 1.0))


def test_the_middle_width_is_that_of_the_disc_of_the_same_size():
    labels = np.zeros((40, 40), np.int32)
    y, x = np.mgrid[:40, :40]
    labels[(y - 10) ** 2 + (x - 10) ** 2 <= 25] = 1
    labels[30:33, 30:33] = 2
    expected = np.median(2 * np.sqrt(np.array([(labels == 1).sum(), 9]) / np.pi))
    assert middle_width(segmentation_of(labels), 2) == pytest.approx(expected)
    assert advised_zoom(segmentation_of(labels), 2)[0] == 2.0
    assert advised_zoom(segmentation_of(np.repeat(np.repeat(labels, 3, 0), 3, 1)), 2)[0] == 1.0
    assert advised_zoom(segmentation_of(np.zeros((5, 5), np.int32)), 2)[0] == 1.0


def test_places_of_a_resized_region_hit_the_middle():
    region, before, after = (slice(3, 8),), (10,), (20,)
    large = resized_region(region, before, after)
    assert (large[0].start, large[0].stop) == (6, 16)
    taps = places(region, large, before, after)[0]
    assert (taps.low + large[0].start).tolist() == [6, 8, 10, 12, 14]  # between the two halves of a voxel
    assert taps.share.tolist() == [0.5] * 5


def test_objects_that_fell_between_the_voxels_leave_the_table():
    table = ObjectTable.of(np.array([[1, 2, 3]]))
    assert still_there(table, np.array([[1, 3]]), 0).label.tolist() == [1, 3]


def test_small_nuclei_are_found_better_at_twice_the_size_and_the_person_is_told():
    sample = load_sample("nuclei2d")
    bundle = load_bundle(shipped_bundles()["nuclei2d"])
    # the shipped image made four times smaller: its nuclei become too small for the model
    small = Image(resized(sample.image, 0.25, 2).read()[0], "YX")
    at = [np.floor((np.arange(n) + 0.5) / 0.25).astype(int) for n in small.spatial_shape]
    truth = sample.truth[np.ix_(*(a.clip(0, n - 1) for a, n in zip(at, sample.truth.shape, strict=True)))]
    events: list[object] = []
    plain = drain(predict(small, bundle, device="cpu"), events.append)
    assert any(isinstance(e, Note) and e.setting == "zoom" for e in events)
    events.clear()
    found = drain(predict(small, bundle, device="cpu", tiles=TileSpec(zoom=0)), events.append)
    assert found.recipe["zoom"] == 2.0
    assert any(isinstance(e, Note) and "running again" in e.text for e in events)
    gain = measure("ap", truth, found.labels).value - measure("ap", truth, plain.labels).value
    assert gain > 0.1


def test_large_objects_are_looked_at_once():
    sample = load_sample("nuclei2d")
    bundle = load_bundle(shipped_bundles()["nuclei2d"])
    image = sample.image
    once = drain(predict(image, bundle, device="cpu"))
    auto = drain(predict(image, bundle, device="cpu", tiles=TileSpec(zoom=0)))
    assert auto.recipe["zoom"] == 1.0
    assert np.array_equal(once.labels, auto.labels)
