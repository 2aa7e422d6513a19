"""Clusters and superpixels: known mixtures, references, classes in order."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from napari_segplugin.classical import TECHNIQUES, measure, run_technique
from napari_segplugin.classical.colour.clusters import quantised
from napari_segplugin.classical.regions.superpixels import merged, touching
from napari_segplugin.core import InputError


def patches(seed=0):
    """Four patches of colours, (3, 40, 40), and which is which, from dark to bright."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((40, 40), int)
    truth[:20, 20:], truth[20:, :20], truth[20:, 20:] = 1, 2, 3
    colours = np.array([[20, 20, 30], [150, 30, 30], [40, 160, 70], [220, 220, 200]])
    image = colours[truth] + rng.normal(0, 8, (40, 40, 3))
    return np.moveaxis(image, -1, 0).clip(0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("name", ["kmeans", "gaussian_mixture"])
@pytest.mark.parametrize("space", ["channels", "lab"])
def test_colours_are_told_apart_and_numbered_from_dark_to_bright(name, space):
    image, truth = patches()
    got = run_technique(name, image, classes=4, space=space, background="darkest")
    assert (got == truth).mean() > 0.99


@pytest.mark.parametrize("fit", ["part", "all", "batches"])
def test_centres_are_those_of_scikit_learn(fit):
    image, _ = patches()
    row = TECHNIQUES["kmeans"]
    found = measure(row, image, (1.0, 1.0), dict(row.options) | {"classes": 4, "fit": fit})
    values = image.reshape(3, -1).T.astype(float)
    want = KMeans(4, n_init=4, random_state=1).fit((values - values.mean(0)) / values.std(0)).cluster_centers_
    order = [np.argsort(c.sum(axis=1)) for c in (np.asarray(found["centres"]), want)]
    assert np.asarray(found["centres"])[order[0]] == pytest.approx(
        want[order[1]], abs=0.05 if fit == "batches" else 1e-3
    )


def test_a_mixture_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(100, 30, 600), rng.normal(105, 3, 1000)
    image = np.concatenate([wide, narrow]).reshape(1, 40, 40)
    got = run_technique("gaussian_mixture", image, classes=2, background="none")
    values = (image.ravel()[:, None] - image.mean()) / image.std()
    want = GaussianMixture(2, n_init=2, reg_covar=1e-4, random_state=0, max_iter=200).fit_predict(values)
    assert max((got.ravel() == want + 1).mean(), (got.ravel() == 2 - want).mean()) > 0.98


def test_mean_shift_finds_how_many_there_are():
    image, truth = patches()
    got = run_technique("mean_shift", image, width=0.15, background="darkest")
    assert len(np.unique(got)) == 4
    assert (got == truth).mean() > 0.99


@pytest.mark.parametrize(("background", "zero"), [("darkest", 0), ("brightest", 3), ("none", None), ("largest", 2)])
def test_the_background_is_the_class_that_was_chosen(background, zero):
    image, truth = patches()
    image[:, :, 18:20][:, :20] = image[:, 20:40, :2]  # class 2 is the largest now
    truth[:20, 18:20] = 2
    got = run_technique("kmeans", image, classes=4, background=background)
    assert sorted(np.unique(got)) == ([1, 2, 3, 4] if zero is None else [0, 1, 2, 3])
    if zero is not None:
        assert (got[truth == zero] == 0).mean() > 0.99


def test_position_keeps_neighbours_together():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (1, 40, 80))
    image[:, :, 40:] += 1
    alone = run_technique("kmeans", image, classes=2)
    together = run_technique("kmeans", image, classes=2, position=5)
    changes = [np.abs(np.diff(labels, axis=1)).sum() for labels in (alone, together)]
    assert changes[1] < 0.2 * changes[0]


def test_more_classes_than_colours_are_refused():
    image = np.zeros((3, 10, 10), np.uint8)
    image[:, 5:] = 200
    for name in ("kmeans", "gaussian_mixture"):
        with pytest.raises(InputError, match="More classes requested than the image has distinct colours"):
            run_technique(name, image, classes=3)


def test_lab_needs_three_channels():
    with pytest.raises(InputError, match="red, green and blue"):
        run_technique("kmeans", np.random.default_rng(0).random((2, 9, 9)), space="lab")


@pytest.mark.parametrize("classes", [6, 8, 10])
@pytest.mark.parametrize("space", ["channels", "lab"])
def test_the_quantised_image_has_so_many_colours_and_each_is_a_mean(classes, space):
    image = np.random.default_rng(0).integers(0, 255, (3, 30, 30)).astype(np.uint8)
    done = quantised(image, classes, space=space)
    assert done.dtype == image.dtype
    colours, of = np.unique(done.reshape(3, -1).T, axis=0, return_inverse=True)
    assert len(colours) == classes
    first = image.reshape(3, -1).T[of.ravel() == 0].mean(axis=0)
    assert np.abs(first - colours[0]).max() <= 1


def test_pairs_that_share_a_face():
    assert touching(np.array([[1, 1, 2], [3, 3, 2]])).tolist() == [[1, 2], [1, 3], [2, 3]]


def test_neighbours_of_like_colour_merge_and_others_do_not():
    values = np.repeat([10.0, 11.0, 50.0, 90.0], 4)
    image = np.tile(values, (4, 1)).astype(np.float32)[None]
    parts = np.tile(np.repeat([1, 2, 3, 4], 4), (4, 1))
    assert merged(parts, image, 0).max() == 4
    done = merged(parts, image, 0.05)
    assert done.max() == 3
    assert done[0, 0] == done[0, 7] != done[0, 8]


@pytest.mark.parametrize("name", ["slic", "felzenszwalb", "quickshift"])
def test_patches_keep_to_edges_and_cover_the_image(name):
    image, truth = patches()
    labels = run_technique(name, image, merge=0)
    assert labels.min() == 1
    assert sorted(np.unique(labels)) == list(range(1, labels.max() + 1))
    pure = sum(np.bincount(truth[labels == i]).max() for i in range(1, labels.max() + 1))
    assert pure / truth.size > 0.97
    assert run_technique(name, image, merge=0.15).max() < max(labels.max(), 5)


def test_the_background_of_a_stained_slide_is_found_without_a_word():
    rng = np.random.default_rng(2)
    truth = np.zeros((60, 60), bool)
    truth[10:20, 10:20] = truth[30:42, 35:45] = True
    slide = np.where(truth, np.array([90, 50, 130])[:, None, None], np.array([235, 200, 220])[:, None, None])
    image = (slide + rng.normal(0, 5, slide.shape)).clip(0, 255).astype(np.uint8)
    for picture in (image, 255 - image):
        assert ((run_technique("kmeans", picture, classes=2) > 0) == truth).mean() > 0.99
