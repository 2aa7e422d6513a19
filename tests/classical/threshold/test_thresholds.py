"""Thresholds: by hand, and against scikit-image on the same values."""

import numpy as np
import pytest
from skimage import filters

from napari_segplugin.classical import TECHNIQUES, measure, run_technique
from napari_segplugin.classical.threshold.local_threshold import median, window_moments
from napari_segplugin.classical.threshold.threshold import find_threshold, histogram, multi_otsu_thresholds
from napari_segplugin.core import InputError
from napari_segplugin.io import load_sample

METHODS = ("otsu", "li", "triangle", "yen", "isodata", "minimum", "mean")


@pytest.fixture(scope="module")
def nuclei():
    return np.asarray(load_sample("nuclei2d").image.array)


def two_peaks(dtype=np.uint8):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(60, 12, 6000), rng.normal(170, 15, 4000)])
    return values.clip(0, 255).astype(dtype).reshape(100, 100)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_values_are_those_of_scikit_image(method, dtype):
    image = two_peaks(dtype)
    assert find_threshold(image.ravel(), method) == pytest.approx(
        getattr(filters, f"threshold_{method}")(image), rel=1e-6
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_what_lies_above_the_value(method):
    image = two_peaks()
    want = image > getattr(filters, f"threshold_{method}")(image)
    assert np.array_equal(run_technique("threshold", image[None], method=method), want)
    assert np.array_equal(run_technique("threshold", image[None], method=method, objects="dark"), ~want)


def test_by_hand():
    image = np.array([[[0, 10, 20], [30, 40, 50], [60, 70, 80]]], np.uint8)
    assert run_technique("threshold", image, method="mean").tolist() == [[0, 0, 0], [0, 0, 1], [1, 1, 1]]
    assert run_technique("threshold", image, method="manual", value=65).tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 1]]
    # counted from the darkest voxel: half of 40 is 20
    assert run_technique("threshold", image, method="mean", factor=0.5).sum() == 6


def test_square_roots_find_dim_objects_beside_a_bright_one():
    image = np.full((1, 30, 30), 4, np.uint8)
    image[0, 2:10, 2:10], image[0, 15:20, 15:20] = 60, 250
    dim = (5, 5)
    assert run_technique("threshold", image, method="otsu")[dim] == 0
    assert run_technique("threshold", image, method="root_otsu")[dim] == 1


def test_minimum_says_that_there_are_no_two_peaks():
    with pytest.raises(InputError, match="two peaks"):
        run_technique("threshold", np.arange(100, dtype=np.uint8).reshape(1, 10, 10), method="minimum")


def test_large_whole_numbers_need_no_table_of_all_of_them():
    image = two_peaks(np.int64) * 10_000_000
    assert find_threshold(image.ravel(), "otsu") / 1e7 == pytest.approx(filters.threshold_otsu(two_peaks()), abs=2)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_several_values_are_those_of_scikit_image(classes, dtype, nuclei):
    image = nuclei.astype(dtype)
    found = multi_otsu_thresholds(*histogram(image.ravel()), classes)
    assert found == pytest.approx(filters.threshold_multiotsu(image, classes), rel=1e-4)


def test_classes_are_numbered_from_dark_to_bright():
    image = np.repeat([10, 20, 100, 110, 200, 210], 6).reshape(1, 6, 6).astype(np.uint8)
    assert np.unique(run_technique("multi_otsu", image, classes=3)[::2], axis=1).ravel().tolist() == [0, 1, 2]


def test_more_classes_than_values_are_refused():
    image = np.array([[[0, 1, 0], [1, 0, 1], [0, 0, 1]]], np.uint8)
    with pytest.raises(InputError, match="More classes requested than the image has distinct values"):
        run_technique("multi_otsu", image, classes=3)


@pytest.mark.parametrize("method", ["gaussian", "mean", "median"])
def test_local_windows_are_those_of_scikit_image(method, nuclei):
    image = nuclei[:60, :60].astype(np.float32) if method != "median" else nuclei[:60, :60]
    spread = float(image.max()) - float(image.min())
    want = image > filters.threshold_local(image, 21, method, mode="nearest", offset=-0.02 * spread)
    got = run_technique("local_threshold", image[None], method=method, window=21, contrast=0.02)
    assert (got != want).mean() < 1e-3


@pytest.mark.parametrize(("method", "objects"), [("niblack", "dark"), ("niblack", "bright"), ("sauvola", "dark")])
def test_niblack_and_sauvola_are_those_of_scikit_image(method, objects, nuclei):
    image = nuclei[:80, :80].astype(np.float32)
    inner = (slice(12, -12),) * 2  # scikit-image mirrors the border, we repeat it
    half = (image.max() - image.min()) / 2
    if method == "sauvola":
        want = image < filters.threshold_sauvola(image, 15, 0.2, r=half)
    elif objects == "dark":
        want = image < filters.threshold_niblack(image, 15, 0.2)
    else:
        want = image > filters.threshold_niblack(image, 15, -0.2)
    got = run_technique("local_threshold", image[None], method=method, window=15, objects=objects)
    assert (got[inner] != want[inner]).mean() < 2e-3


def test_bright_sauvola_is_dark_sauvola_of_the_image_turned_around(nuclei):
    image = nuclei[:60, :60]
    turned = image.max() - image.astype(int) + image.min()
    bright = run_technique("local_threshold", image[None], method="sauvola", window=31)
    # the rule counts from black, which both have at their least value here
    low = turned - turned.min()
    assert np.array_equal(
        bright, run_technique("local_threshold", low[None], method="sauvola", window=31, objects="dark")
    )


def test_uneven_light_does_no_harm_to_a_local_threshold():
    ramp = np.tile(np.linspace(0, 150, 90), (60, 1))
    spots = np.zeros((60, 90), bool)
    spots[20:30, 10:20] = spots[20:30, 70:80] = True
    image = (ramp + 60 * spots).astype(np.float32)[None]
    local = run_technique("local_threshold", image, window=41, contrast=0.1)
    assert (local.astype(bool) & spots).sum() > 0.9 * spots.sum()
    assert (local.astype(bool) & ~spots)[:, 5:-5].sum() == 0
    assert (run_technique("threshold", image).astype(bool) & ~spots).sum() > 500


def test_a_floor_for_the_whole_image_takes_out_what_is_bright_only_beside_its_neighbours():
    image = np.zeros((1, 60, 60), np.float32)
    image[0, 10:20, 10:20], image[0, 40:50, 40:50] = 100, 8
    assert run_technique("local_threshold", image, window=31, contrast=0.03)[45, 45] == 1
    assert run_technique("local_threshold", image, window=31, contrast=0.03, floor="otsu")[45, 45] == 0


def test_a_window_is_as_wide_in_space_along_every_axis():
    image = np.zeros((1, 9, 41, 41), np.float32)
    image[0, 4, 20, 20] = 1
    got = window_moments(image[0], (3, 7, 7))[0] > 0
    row = TECHNIQUES["local_threshold"]
    assert [s.stop - s.start for s in np.ma.notmasked_contiguous(np.ma.masked_equal(got.any((1, 2)), False))] == [3]
    settings = {p.name: p.default for p in row.parameters} | {"window": 21}
    from napari_segplugin.classical import halo_of

    assert halo_of(row, settings, (2.0, 1.0, 1.0)) == (8, 15, 15)


def test_moments_are_those_of_each_window():
    rng = np.random.default_rng(0)
    image = rng.random((12, 13))
    mean, deviation = window_moments(image, (3, 5))
    part = image[4:7, 5:10]
    assert mean[5, 7] == pytest.approx(part.mean())
    assert deviation[5, 7] == pytest.approx(part.std())


def test_the_median_of_other_values_is_found_to_a_level():
    rng = np.random.default_rng(0)
    image = rng.random((30, 31)).astype(np.float32)
    found = median(image, (5, 5), (0.0, 255.0))
    from scipy import ndimage

    assert np.abs(found - ndimage.median_filter(image, 5, mode="nearest")).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("objects", ["bright", "dark"])
def test_hysteresis_keeps_weak_pieces_with_a_strong_voxel(objects):
    line = np.array([0, 0, 60, 60, 100, 60, 0, 60, 60, 0, 0, 0])
    image = np.tile(line, (4, 1)).astype(np.uint8)
    image = image if objects == "bright" else 100 - image
    value = 90 if objects == "bright" else 10
    got = run_technique("hysteresis", image[None], method="manual", value=value, weak=0.5, objects=objects)
    assert got[0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_hysteresis_is_that_of_scikit_image(nuclei):
    strong = filters.threshold_otsu(nuclei)
    low = nuclei.min() + 0.6 * (strong - float(nuclei.min()))
    want = filters.apply_hysteresis_threshold(nuclei, low, strong)
    assert np.array_equal(run_technique("hysteresis", nuclei[None]), want)


def test_what_was_measured_is_there_for_the_histogram(nuclei):
    row = TECHNIQUES["threshold"]
    found = measure(row, nuclei[None], (1.0, 1.0), dict(row.options))
    assert found["threshold"] == filters.threshold_otsu(nuclei)
    assert (found["low"], found["high"]) == (nuclei.min(), nuclei.max())
