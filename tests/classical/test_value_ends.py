"""The range of values by which settings are measured: a few wrong voxels do not move it, few objects do not get lost."""

import numpy as np
import pytest
from classical_scenes import marks, scene

from napari_segplugin.classical import TECHNIQUES, run_technique
from napari_segplugin.classical.shared.colour import value_ends
from napari_segplugin.io import load_sample

BY_RANGE = ("split_merge", "region_growing", "felzenszwalb", "quickshift")


@pytest.mark.parametrize("name", BY_RANGE)
def test_a_hot_pixel_changes_nothing_elsewhere(name):
    row = TECHNIQUES[name]
    image, truth = scene()
    clean = run_technique(name, image, **marks(row, truth))
    hot = image.copy()
    hot[0, 20, 44] = 60000
    labels = run_technique(name, hot, **marks(row, truth))
    for number in (1, 2):  # each object is told from its surroundings as before
        inside = truth == number
        most = np.bincount(labels[inside]).argmax()
        before = np.bincount(clean[inside]).argmax()
        assert ((labels == most) == (clean == before)).mean() > 0.97


def test_few_objects_in_a_large_field_are_in_the_range():
    rng = np.random.default_rng(0)
    field = rng.normal(100, 5, (1, 800, 800)).astype(np.float32)
    field[0, 100:115, 100:115] = 600
    dark = 1000 - field
    field[0, 7, 9] = dark[0, 7, 9] = 60000
    field[0, 50:54, 50:54] = 30000  # a speck of 16 pixels
    low, high = value_ends(field)
    assert 80 < low < 95
    assert high == pytest.approx(600, abs=25)
    low, high = value_ends(dark)
    assert low == pytest.approx(400, abs=25)
    assert high < 930


def test_split_and_merge_parts_an_embryo_at_its_defaults():
    sample = load_sample("nuclei3d")
    image, truth = np.asarray(sample.image.array)[None], sample.truth > 0
    labels = run_technique("split_merge", image, spacing=sample.image.spacing)
    size = np.bincount(labels.ravel())
    nuclei = (np.bincount(labels.ravel(), truth.ravel()) / np.maximum(size, 1))[labels] > 0.5
    assert labels.max() > 20
    assert 2 * (nuclei & truth).sum() / (nuclei.sum() + truth.sum()) > 0.2
