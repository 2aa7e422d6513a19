"""What every technique and every clean-up step does with an image that has no value in places, for every row of the registries."""

import warnings

import numpy as np
import pytest
from classical_scenes import marks, scene
from scipy import ndimage

from napari_segplugin.classical import CLEANUPS, REACH, TECHNIQUES, run_cleanup, run_technique
from napari_segplugin.classical.filling import filled, middle
from napari_segplugin.core import ClassicalRecipe, CleanupStep, Image, InputError, drain
from napari_segplugin.engine.classical.preview import preview, shrink
from napari_segplugin.engine.classical.segment import segment
from napari_segplugin.io import load_recipe, load_sample

ROWS, STEPS = list(TECHNIQUES), list(CLEANUPS)
NDIMS = [(row, ndim) for row in ROWS for ndim in row.ndim]


SMALLER = {"slic": {"size": 6}}
"""Patches that fit into the objects of the scene."""


def name_of(value):
    return getattr(value, "name", getattr(value, "__name__", str(value)))


def pixel(truth):
    gap = np.zeros(truth.shape, bool)
    gap[tuple(n // 2 for n in truth.shape)] = True
    return gap


def rows(truth):
    gap = np.zeros(truth.shape, bool)
    gap[..., 27:32, :] = truth.ndim == 2
    gap[..., 18:21, :] |= truth.ndim == 3
    return gap


def frame(truth):
    gap = np.ones(truth.shape, bool)
    gap[..., 2:-2, 2:-2] = False
    return gap


def scattered(truth):
    return np.random.default_rng(1).random(truth.shape) < 0.01


def core(truth):
    return ndimage.binary_erosion(truth == 2, iterations=3)


GAPS = [pixel, rows, frame, scattered, core]


def foreground(labels, clean, truth):
    """What is found; where a technique cuts the whole image into parts, those that lie mostly in objects."""
    if clean.min() == 0:
        return labels > 0
    inside = np.bincount(labels.ravel(), (truth > 0).ravel()) / np.maximum(np.bincount(labels.ravel()), 1)
    return inside[labels] > 0.5


@pytest.mark.parametrize("gap", GAPS, ids=name_of)
@pytest.mark.parametrize(("row", "ndim"), NDIMS, ids=name_of)
def test_labels_beside_a_gap_are_those_of_the_clean_image(row, ndim, gap):
    image, truth = scene(ndim, channels=3 if row.colour else 1)
    given, lost = marks(row, truth) | SMALLER.get(row.name, {}), gap(truth)
    if gap is frame and "seeds" in given:  # a person paints where there is something to see
        given["seeds"] = np.roll(given["seeds"], (2, 2), (-2, -1))
    clean = run_technique(row.name, image, **given)
    holed = image.copy()
    holed[:, lost] = np.random.default_rng(0).choice(
        [np.nan, np.inf, -np.inf], (len(image), lost.sum()), p=[0.8, 0.1, 0.1]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = run_technique(row.name, holed, **given)
    assert not labels[lost].any()
    far = ~ndimage.binary_dilation(lost, iterations=3 if gap is frame else 1) if gap is not scattered else ~lost
    same = foreground(labels, clean, truth)[far] == foreground(clean, clean, truth)[far]
    assert same.mean() > 0.97


@pytest.mark.parametrize("row", STEPS, ids=name_of)
@pytest.mark.parametrize("gap", GAPS, ids=name_of)
def test_steps_after_a_technique_do_not_see_the_gap(row, gap):
    image, truth = scene()
    lost = gap(truth)
    recipe = ClassicalRecipe("threshold", cleanup=(CleanupStep(row.name),))
    clean = drain(segment(Image(image[0], "YX"), recipe)).labels
    holed = np.where(lost, np.float32(np.nan), image[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = drain(segment(Image(holed, "YX"), recipe)).labels
    assert not labels[lost].any()
    far = ~ndimage.binary_dilation(lost, iterations=2)
    assert ((labels > 0)[far] == (clean > 0)[far]).mean() > 0.97
    shown = preview(Image(holed, "YX"), recipe, budget=60)
    assert np.array_equal(shown.labels > 0, labels > 0)


@pytest.mark.parametrize("row", [r for r in STEPS if r.image], ids=name_of)
def test_a_step_with_an_image_reads_around_a_gap(row):
    image, truth = scene()
    holed = image.copy()
    holed[:, 12, 12] = np.nan
    assert (
        (run_cleanup(row.name, truth, image=holed) > 0) == (run_cleanup(row.name, truth, image=image) > 0)
    ).mean() > 0.99


@pytest.mark.parametrize("row", [r for r in ROWS if r.scope != "whole"], ids=name_of)
def test_tiles_are_the_whole_beside_gaps(row, monkeypatch):
    rng = np.random.default_rng(3)
    image = ndimage.gaussian_filter(rng.random((150, 170)), 3).astype(np.float32)
    image[rng.random(image.shape) < 0.02] = np.nan
    image[60:90, 70:110] = np.nan
    recipe = ClassicalRecipe(row.name, {"window": 15} if any(p.name == "window" for p in row.parameters) else {})
    whole = drain(segment(Image(image, "YX"), recipe)).labels
    monkeypatch.setattr("napari_segplugin.engine.classical.segment.TILE", 4000)
    assert np.array_equal(drain(segment(Image(image, "YX"), recipe)).labels, whole)
    assert not whole[60:90, 70:110].any()


def test_pixels_that_a_file_calls_empty_are_a_gap():
    image, _ = scene()
    lost = np.zeros(image.shape[1:], bool)
    lost[:, :5] = True
    values = np.where(lost, 0, image[0].clip(1, 255)).astype(np.uint8)
    labels = drain(
        segment(Image(values, "YX", metadata={"nodata": 0}), ClassicalRecipe("threshold", {"objects": "dark"}))
    ).labels
    assert not labels[lost].any()
    assert labels[~lost].any()


def test_the_shipped_recipe_finds_nuclei_beside_rows_without_values():
    nuclei = np.asarray(load_sample("nuclei2d").image.array)
    recipe = load_recipe("nuclei2d")
    clean = drain(segment(Image(nuclei, "YX"), recipe)).labels
    holed = nuclei.astype(np.float32)
    holed[120:128] = np.nan
    labels = drain(segment(Image(holed, "YX"), recipe)).labels
    far = np.ones(nuclei.shape, bool)
    far[110:138] = False
    assert not labels[120:128].any()
    assert ((labels > 0)[far] == (clean > 0)[far]).mean() > 0.995


def test_a_frame_or_plane_without_values_is_empty_and_said():
    image, _ = scene()
    series = np.stack([image[0], np.full_like(image[0], np.nan), image[0]])
    notes = []
    job = segment(Image(series, "TYX"), ClassicalRecipe("threshold"))
    try:
        while True:
            notes.append(str(next(job)))
    except StopIteration as done:
        labels = done.value.labels
    assert labels[0].any()
    assert not labels[1].any()
    assert np.array_equal(labels[0], labels[2])
    assert any("Frame 2" in n and "no numbers" in n for n in notes)
    with pytest.raises(InputError, match="no numbers"):
        drain(segment(Image(np.full_like(series, np.nan), "TYX"), ClassicalRecipe("threshold")))
    volume, _ = scene(3)
    volume[0, 4] = np.nan
    found = drain(segment(Image(volume[0], "ZYX"), ClassicalRecipe("threshold"))).labels
    assert found[3].any()
    assert not found[4].any()


def test_a_gap_is_filled_from_around_it_and_no_farther_than_said():
    image = np.zeros((1, 3, 40), np.float32)
    image[0, :, 20:] = np.nan
    image[0, :, :20] = 5
    known = np.isfinite(image[0])
    out = filled(image, known, np.array([1.0]), (1, 1))
    assert (out[0, :, 20 : 20 + REACH] == 5).all()
    assert (out[0, :, 20 + REACH :] == 1).all()
    assert middle(image, known).tolist() == [5]


def test_a_small_picture_leaves_out_what_is_no_number():
    block = np.array([[[1, np.nan, np.nan, np.nan], [3, 5, np.nan, np.nan]]], np.float32)
    assert np.array_equal(shrink(block, 2), [[[3, np.nan]]], equal_nan=True)
