"""The instant answer: right on clear strokes, the same by blocks and at once, quick to refuse."""

import subprocess
import sys

import numpy as np
import pytest

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, InputError, Kind, Task, drain
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.engine import forest as module
from napari_segplugin.engine.instant import PixelForest, instant
from napari_segplugin.io import load_sample

CLASSES = ClassTable.named(["bright", "striped"], Kind.STUFF)


def scene(shape=(96, 120), seed=0):
    """Dark noise, a bright half, and stripes as bright as noise on average; truth beside it."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape, int)
    truth[..., 40:80] = 1
    truth[..., 80:] = 2
    image = rng.normal(0, 0.1, shape) + (truth == 1)
    image += np.where(truth == 2, np.indices(shape)[-2] // 2 % 2 * 1.0, 0)
    return image.astype(np.float32), truth


def strokes(truth):
    paint = np.zeros(truth.shape, np.uint16)
    rows = [slice(8, 12), slice(40, 44), slice(80, 84)]
    for row in rows:
        for c, column in enumerate((slice(5, 30), slice(45, 75), slice(85, 115))):
            paint[..., row, column] = BACKGROUND_PAINT if c == 0 else c
    return paint


def test_strokes_become_the_classes_they_show():
    image, truth = scene()
    answer = drain(instant(Image(image, "YX"), Corrections(strokes(truth)), Task.SEMANTIC, CLASSES))
    assert (np.asarray(answer.segmentation.labels) == truth).mean() > 0.94  # a wide filter blurs the borders
    assert answer.quality["held-out Dice"] > 0.97
    assert "strokes that were kept aside" in answer.heldout
    assert answer.segmentation.recipe["method"].startswith("random forest")


def test_a_volume_works_too_and_a_region_is_a_part_of_the_whole():
    image, truth = scene((8, 96, 120))
    picture, marks = Image(image, "ZYX", spacing=(2.0, 1.0, 1.0)), Corrections(strokes(truth))
    whole = np.asarray(drain(instant(picture, marks, Task.SEMANTIC, CLASSES)).segmentation.labels)
    assert (whole == truth).mean() > 0.95
    region = (slice(3, 4), slice(10, 60), slice(30, 100))
    part = drain(instant(picture, marks, Task.SEMANTIC, CLASSES, region=region)).segmentation
    assert np.array_equal(part.labels, whole[region])
    assert part.recipe["origin"] == [3, 10, 30]


def test_features_by_blocks_are_those_of_the_whole_image(monkeypatch):
    image, truth = scene((150, 170))
    sample = to_sample(Image(image, "YX"), Corrections(strokes(truth)), Task.SEMANTIC, CLASSES)
    everything = (slice(0, 150), slice(0, 170))
    monkeypatch.setitem(module._BLOCK, 2, (400, 400))
    whole = PixelForest(sample.image).fit(sample, 3).probabilities(everything)
    monkeypatch.setitem(module._BLOCK, 2, (64, 48))
    blocks = PixelForest(sample.image).fit(sample, 3).probabilities(everything)
    assert (whole.argmax(0) == blocks.argmax(0)).mean() > 0.999
    assert np.abs(whole - blocks).mean() < 1e-3


def test_only_blocks_with_strokes_are_looked_at_to_learn(monkeypatch):
    monkeypatch.setitem(module._BLOCK, 2, (32, 32))
    image, truth = scene((96, 400))
    paint = np.zeros(truth.shape, np.uint16)
    paint[4:8, 4:20], paint[4:8, 44:60] = BACKGROUND_PAINT, 1
    sample = to_sample(Image(image, "YX"), Corrections(paint), Task.SEMANTIC, CLASSES)
    forest = PixelForest(sample.image).fit(sample, 3)
    assert sorted(forest._kept) == [(0, 0), (0, 1)]


def test_kept_features_stay_within_their_memory(monkeypatch):
    monkeypatch.setitem(module._BLOCK, 2, (32, 32))
    image, truth = scene((96, 120))
    sample = to_sample(Image(image, "YX"), Corrections(strokes(truth)), Task.SEMANTIC, CLASSES)
    forest = PixelForest(sample.image, memory=400_000).fit(sample, 3)
    forest.probabilities((slice(0, 96), slice(0, 120)))
    assert sum(f.nbytes for f in forest._kept.values()) <= 400_000


def test_a_coarse_answer_is_the_fine_one_on_its_grid(monkeypatch):
    monkeypatch.setitem(module._BLOCK, 2, (32, 25))
    image, truth = scene()
    sample = to_sample(Image(image, "YX"), Corrections(strokes(truth)), Task.SEMANTIC, CLASSES)
    forest = PixelForest(sample.image).fit(sample, 3)
    region = (slice(7, 90), slice(11, 103))
    fine, coarse = forest.probabilities(region), forest.probabilities(region, 3)
    assert coarse.shape == fine.shape
    assert np.array_equal(coarse[:, ::3, ::3], fine[:, ::3, ::3])
    assert np.array_equal(coarse[:, 1, 1], coarse[:, 0, 0])
    answer = drain(instant(sample.image, Corrections(strokes(truth)), Task.SEMANTIC, CLASSES, most=3000))
    assert answer.segmentation.recipe["step"] == 2
    assert (np.asarray(answer.segmentation.labels) == truth).mean() > 0.9


def test_real_nuclei_become_objects():
    sample = load_sample("nuclei2d")
    truth = np.asarray(sample.truth)
    paint = np.where(truth % 6 == 1, truth, 0).astype(np.uint16)
    paint[(truth == 0) & (np.random.default_rng(0).random(truth.shape) < 0.02)] = BACKGROUND_PAINT
    answer = drain(instant(sample.image, Corrections(paint), Task.INSTANCE, ClassTable.named(["nucleus"])))
    found = len(answer.segmentation.objects)
    assert 0.6 * truth.max() < found < 1.4 * len(np.unique(truth))
    foreground = np.asarray(answer.segmentation.labels) > 0
    assert 2 * (foreground & (truth > 0)).sum() / (foreground.sum() + (truth > 0).sum()) > 0.85


def test_one_thing_stays_where_it_was_painted():
    rng = np.random.default_rng(0)
    image, paint = rng.normal(0, 0.1, (60, 90)), np.zeros((60, 90), np.uint16)
    image[15:45, 10:35] += 1
    image[15:45, 60:85] += 1
    paint[28:31, 15:30], paint[5:8, 5:85] = 1, BACKGROUND_PAINT
    kinds = ClassTable.named(["organ"], Kind.STUFF)
    answers = [
        drain(instant(Image(image, "YX"), Corrections(paint), Task.SEMANTIC, kinds, one_thing=one))
        for one in (False, True)
    ]
    everywhere, one = (np.asarray(a.segmentation.labels) for a in answers)
    assert everywhere[20:40, 65:80].mean() > 0.9
    assert not one[:, 55:].any()
    assert one[20:40, 15:30].mean() > 0.9


def test_one_class_is_refused_with_advice():
    image, truth = scene()
    paint = np.where(strokes(truth) == 1, 1, 0).astype(np.uint16)
    with pytest.raises(InputError, match=r"at least two classes.*Also paint another class, or background"):
        drain(instant(Image(image, "YX"), Corrections(paint), Task.SEMANTIC, CLASSES))


def test_a_forest_that_has_learnt_nothing_says_so():
    with pytest.raises(InputError, match="has not learnt from any strokes"):
        PixelForest(Image(scene()[0], "YX")).probabilities((slice(0, 4), slice(0, 4)))


def test_it_needs_no_torch():
    code = "import napari_segplugin.engine.instant, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_volume_is_looked_at_plane_by_plane():
    image, _ = scene((5, 96, 120))
    volume = Image(image, "ZYX")
    found = PixelForest(volume)._features((3, 0, 0))
    alone = PixelForest(volume.plane(3))._features((0, 0))
    np.testing.assert_array_equal(found[0], alone)
    deep = PixelForest(volume, planes=False)._features((0, 0, 0))
    assert deep.shape[:3] == (5, 96, 96)
    assert deep.shape[3] != alone.shape[2]


def test_features_computed_ahead_are_those_that_are_used():
    image, _ = scene()
    forest = PixelForest(Image(image, "YX"))
    forest.warm((slice(None), slice(None)))
    kept = dict(forest._kept)
    assert set(kept) == {(0, 0)}
    sample = to_sample(forest.image, Corrections(strokes(scene()[1])), Task.SEMANTIC, CLASSES)
    forest.fit(sample, 3)
    assert forest._features((0, 0)) is kept[(0, 0)]
