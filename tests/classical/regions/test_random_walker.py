import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import random_walker as plain_walk

import napari_segplugin.classical.regions.random_walker as module
from napari_segplugin.classical import run_technique
from napari_segplugin.classical.regions.random_walker import random_walker
from napari_segplugin.core import BACKGROUND_PAINT, InputError
from napari_segplugin.io.samples import load_sample


def halves(shape, at, values=(60.0, 200.0), noise=15.0):
    """Two halves along X, and a stroke in each."""
    image = np.where(np.arange(shape[-1]) < at, *values) + np.random.default_rng(0).normal(0, noise, shape)
    seeds = np.zeros(shape, int)
    middle = tuple(n // 2 for n in shape[:-1])
    seeds[(*middle, 2)], seeds[(*middle, shape[-1] - 3)] = 4, 9
    return image[None].astype(np.float32), seeds


@pytest.mark.parametrize("solver", ["fast", "cg_j", "bf"])
@pytest.mark.parametrize("shape", [(20, 31), (6, 12, 21)])
def test_strokes_meet_on_the_edge(shape, solver):
    image, seeds = halves(shape, 8)
    beta = 100.0 if solver == "cg_j" else 2000.0
    labels = random_walker(image, spacing=(1.0,) * len(shape), seeds=seeds, solver=solver, beta=beta)
    assert (labels[..., :8] == 4).all()
    assert (labels[..., 8:] == 9).all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 1.0, 1.0)])
def test_it_is_what_scikit_image_finds(spacing):
    sample = load_sample("nuclei3d")
    part = ndimage.find_objects(sample.truth)[0]
    image, truth = np.asarray(sample.image.array)[part].astype(np.float32), sample.truth[part]
    seeds = np.where(
        ndimage.binary_erosion(truth == 1, iterations=2), 1, 2 * (ndimage.distance_transform_edt(truth == 0) > 1)
    )
    ours = random_walker(image[None], spacing=spacing, seeds=seeds, solver="bf", beta=900)
    plain = plain_walk(image.astype(float) / image.std(), seeds, 900, "bf", spacing=spacing)
    assert (ours == plain).mean() > 0.999
    assert 2 * ((ours == 1) & (truth == 1)).sum() / ((ours == 1).sum() + (truth == 1).sum()) > 0.75


def test_without_contrast_strokes_meet_halfway_in_space():
    image = np.full((1, 5, 5, 13), 3, np.float32)
    seeds = np.zeros((5, 5, 13), int)
    seeds[:, :, 0], seeds[:, :, 12] = 1, 2
    labels = random_walker(image, spacing=(1, 1, 1), seeds=seeds)
    assert (labels[..., :6] == 1).all()
    assert (labels[..., 7:] == 2).all()


def test_differences_count_less_between_voxels_that_lie_farther_apart():
    # one edge along Z and one along X, of the same height; the stroke in the corner belongs to both other sides alike
    image = np.zeros((1, 10, 10, 10), np.float32)
    image[0, 5:] += 100
    image[0, :, :, 5:] += 100
    seeds = np.zeros((10, 10, 10), int)
    seeds[1, :, 1], seeds[1, :, 8], seeds[8, :, 1] = 1, 2, 3
    sides = {}
    for spacing in ((1, 1, 1), (20, 1, 1), (1, 1, 20)):
        labels = random_walker(image, spacing=spacing, seeds=seeds, beta=20)
        sides[spacing] = [int((labels == k).sum()) for k in (2, 3)]
    assert abs(sides[1, 1, 1][0] - sides[1, 1, 1][1]) < 100
    # edges across thick slices hardly count: the stroke on the far side of the other edge keeps the last corner
    assert sides[20, 1, 1][0] > 1.3 * sides[20, 1, 1][1]
    assert sides[1, 1, 20][1] > 1.3 * sides[1, 1, 20][0]


def test_painted_background_holds_the_others_back():
    image, seeds = halves((12, 21), 8)
    seeds[seeds == 9] = BACKGROUND_PAINT
    labels = random_walker(image, spacing=(1, 1), seeds=seeds)
    assert (labels[:, :8] == 4).all()
    assert (labels[:, 8:] == 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_fast_way_is_close_to_the_exact_one(monkeypatch, ndim):
    monkeypatch.setattr(module, "COARSE", {2: 3000, 3: 20000})
    sample = load_sample("nuclei2d" if ndim == 2 else "nuclei3d")
    image, truth = np.asarray(sample.image.array)[None].astype(np.float32), sample.truth
    part = (slice(90, 190), slice(90, 201)) if ndim == 2 else (slice(10, 35), slice(30, 80), slice(30, 81))
    image, truth = image[(slice(None), *part)], truth[part]
    seeds = np.where(ndimage.binary_erosion(truth > 0, iterations=2), truth, 0).astype(int)
    seeds[ndimage.distance_transform_edt(truth == 0) > 4] = BACKGROUND_PAINT
    spacing = sample.image.spacing
    fast, exact = (random_walker(image, spacing=spacing, seeds=seeds, solver=s, smooth=1) for s in ("fast", "cg_j"))
    assert len(np.unique(exact)) > 4
    assert (fast == exact).mean() > 0.97
    marked = (seeds > 0) & (seeds != BACKGROUND_PAINT)
    assert (fast[marked] == seeds[marked]).all()


def test_strokes_that_low_resolution_would_lose_are_kept(monkeypatch):
    monkeypatch.setattr(module, "COARSE", {2: 50, 3: 50})
    image = np.zeros((1, 32, 32), np.float32)
    image[0, 16:] = 1
    seeds = np.zeros((32, 32), int)
    seeds[4, 4], seeds[4, 5], seeds[28, 28] = 1, 2, 3
    labels = random_walker(image, spacing=(1, 1), seeds=seeds)
    assert set(np.unique(labels)) == {1, 2, 3}
    assert (labels[16:] == 3).all()


def test_colours_are_told_apart():
    image = np.zeros((3, 16, 24), np.float32)
    image[0, :, :10], image[1, :, 10:] = 200, 119  # red and green of the same luminance
    seeds = np.zeros((16, 24), int)
    seeds[8, 2], seeds[8, 20] = 1, 2
    for colour in ("channels", "lab"):
        labels = random_walker(image, spacing=(1, 1), seeds=seeds, colour=colour)
        assert (labels == np.where(np.arange(24) < 10, 1, 2)).all()


def test_a_plane_and_a_volume_of_one_slice_give_the_same():
    image, seeds = halves((20, 31), 8, noise=60)
    plane = random_walker(image, spacing=(1.0, 1.0), seeds=seeds)
    assert np.array_equal(random_walker(image[:, None], spacing=(3.0, 1.0, 1.0), seeds=seeds[None])[0], plane)


def test_everything_painted_and_tiny_images_have_an_answer():
    image = np.array([[[1, 9, 9]]], np.float32)
    assert random_walker(image, spacing=(1, 1), seeds=np.array([[5, 6, 6]])).tolist() == [[5, 6, 6]]
    assert random_walker(image, spacing=(1, 1), seeds=np.array([[5, 0, 6]])).tolist() == [[5, 6, 6]]


def test_one_kind_of_stroke_is_an_error():
    image, seeds = halves((20, 31), 8)
    with pytest.raises(InputError, match="at least two classes"):
        run_technique("random_walker", image, seeds=np.where(seeds == 4, 4, 0))


def test_an_image_larger_than_memory_should_hold_is_an_error(monkeypatch):
    monkeypatch.setattr(module, "MOST", 100)
    image, seeds = halves((20, 31), 8)
    with pytest.raises(InputError, match="too large"):
        run_technique("random_walker", image, seeds=seeds)
