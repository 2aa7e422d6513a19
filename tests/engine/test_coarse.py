"""The instant answer of a large part: pooled, the same classes, in its place."""

import numpy as np
import pytest

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, Kind, Sample, Task, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.engine import pooled as module
from napari_segplugin.engine.coarse import instant_coarse
from napari_segplugin.engine.instant import PixelForest
from napari_segplugin.engine.pooled import LARGE, PooledArray, pooled_corrections, pooled_image, pooled_part

CLASSES = ClassTable.named(["bright", "striped"], Kind.STUFF)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "XYZ", "CYX", "TYXC"])
def test_a_pooled_array_is_the_mean_of_squares_wherever_it_is_read(axes):
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 11, "X": 13}
    array = np.random.default_rng(0).normal(size=[sizes[a] for a in axes]).astype(np.float32)
    pooled = PooledArray(array, axes, 4)
    expected = array
    for i, a in enumerate(axes):
        if a in "YX":
            parts = np.array_split(expected, range(4, sizes[a], 4), axis=i)
            expected = np.concatenate([p.mean(i, keepdims=True) for p in parts], axis=i)
    assert pooled.shape == expected.shape
    whole = tuple(slice(None) for _ in axes)
    np.testing.assert_allclose(pooled[whole], expected, rtol=1e-5, atol=1e-6)
    part = tuple(slice(1, 3) if a in "YX" else 1 for a in axes)
    np.testing.assert_allclose(pooled[part], expected[part], rtol=1e-5, atol=1e-6)
    thin = tuple(slice(0, None, 2) if a in "YX" else slice(None) for a in axes)
    np.testing.assert_allclose(pooled[thin], expected[thin], rtol=1e-5, atol=1e-6)


def test_strokes_are_pooled_where_they_agree():
    paint = np.zeros((5, 7), np.uint16)
    paint[0, 0], paint[2, 2:4], paint[2, 4], paint[3, 5], paint[4, 6] = 1, 2, 1, 2, BACKGROUND_PAINT
    found = pooled_corrections(Corrections(paint), 2).paint
    assert found.tolist() == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, BACKGROUND_PAINT]]


def test_marks_and_edits_are_pooled_with_them():
    shape = (3, 20, 30)
    edited = np.zeros(shape, int)
    edited[:, 5:15, 5:15] = 1
    marks = Corrections(
        np.zeros(shape, np.uint16),
        reviewed=edited > 0,
        edited=edited,
        before=np.zeros(shape, int),
        points=np.array([[1.0, 12.0, 22.0]]),
        boxes=[(slice(1, 2), slice(5, 15), slice(0, 3))],
    )
    pooled = pooled_corrections(marks, 5)
    assert pooled.paint.shape == (3, 4, 6)
    assert pooled.changed.sum() == 3 * 2 * 2
    assert pooled.points.tolist() == [[1.0, 2.0, 4.0]]
    assert pooled.boxes == [(slice(1, 2), slice(1, 3), slice(0, 1))]


def test_a_large_part_is_answered_coarsely_in_its_place(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 10_000)
    monkeypatch.setattr(module, "LEFT", 6_000)
    rng = np.random.default_rng(0)
    truth = np.zeros((200, 240), int)
    truth[:, 80:160], truth[:, 160:] = 1, 2
    image = rng.normal(0, 0.1, truth.shape) + (truth == 1) + (truth == 2) * (np.indices(truth.shape)[0] // 8 % 2)
    picture = Image(image.astype(np.float32), "YX", spacing=(0.5, 0.5), name="bars")
    paint = np.zeros(truth.shape, np.uint16)
    for row in (slice(20, 30), slice(90, 110), slice(160, 170)):
        for c, column in enumerate((slice(10, 60), slice(90, 150), slice(170, 230))):
            paint[row, column] = BACKGROUND_PAINT if c == 0 else c
    forest = PixelForest(picture)
    region = (slice(10, 200), slice(0, 240))
    step, part = pooled_part(region)
    assert step == 3
    asked = {"region": region, "forest": forest, "most": 200_000}
    answer = drain(instant_coarse(picture, Corrections(paint), Task.SEMANTIC, CLASSES, **asked)).segmentation
    assert answer.recipe["pooled"] == step
    assert answer.recipe["origin"] == [s.start for s in part]
    assert answer.spacing == (1.5, 1.5)
    expected = truth[1::3, 1::3][part]
    assert (
        np.asarray(answer.labels) == expected
    ).mean() > 0.9  # a wide filter blurs the borders, and pooled it is three times as wide
    assert not forest._kept  # no feature of the full resolution was computed
    assert forest.pooled(step) is forest.pooled(step)
    small = {**asked, "region": (slice(0, 50), slice(50, 150))}
    full = drain(instant_coarse(picture, Corrections(paint), Task.SEMANTIC, CLASSES, **small)).segmentation
    assert full.labels.shape == (50, 100)
    assert "pooled" not in full.recipe


def test_warming_computes_what_will_be_asked_for(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 10_000)
    monkeypatch.setattr(module, "LEFT", 6_000)
    forest = PixelForest(Image(np.random.default_rng(0).normal(size=(200, 240)).astype(np.float32), "YX"))
    forest.warm((slice(None), slice(None)))
    assert not forest._kept
    assert forest.pooled(3)._kept
    forest.warm((slice(0, 50), slice(0, 50)))
    assert forest._kept


def test_a_pooled_image_says_how_large_its_voxels_are():
    image = pooled_image(Image(np.zeros((4, 10, 12)), "ZYX", spacing=(2.0, 0.5, 0.25)), 3)
    assert image.spacing == (2.0, 1.5, 0.75)
    assert image.spatial_shape == (4, 4, 4)


def test_a_plane_across_is_looked_at_so_coarsely_that_its_blocks_take_seconds() -> None:
    image = Image(np.zeros((400, 512, 512), np.uint8), "ZYX")
    forest = PixelForest(image)
    plane = (slice(7, 8), slice(0, 512), slice(0, 512))
    assert forest.coarse(plane) == (1, plane)
    step, part = forest.coarse((slice(0, 400), slice(200, 201), slice(0, 512)))
    assert step > 1
    assert part[0] == slice(0, 400)
    assert part[1] == slice(200 // step, -(-201 // step))
    rows = columns = -(-512 // step)
    assert 400 * rows * columns <= LARGE
    small = PixelForest(Image(np.zeros((12, 60, 70), np.uint8), "ZYX"))
    across = (slice(0, 12), slice(30, 31), slice(0, 70))
    assert small.coarse(across) == (1, across)


def test_a_stroke_across_costs_few_new_blocks() -> None:
    image = Image(np.random.default_rng(0).random((40, 24, 24)).astype(np.float32), "ZYX")
    forest = PixelForest(image)
    classes, known = np.zeros(image.array.shape, np.int64), np.zeros(image.array.shape, bool)
    classes[:, 10, 2:6], known[:, 10, 2:6], known[20, 2, :] = 1, True, True
    sample = Sample(image, classes, known=known)
    forest.fit(sample, 2, fresh=5)
    assert len(forest._kept) == 6, "five of the planes that the stroke crosses, and the one of the background"
    forest.fit(sample, 2, fresh=5)
    assert len(forest._kept) == 11
    forest.fit(sample, 2)
    assert len(forest._kept) == 40
