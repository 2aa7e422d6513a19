"""Patches show what is known, rare classes as often as common ones, and never claim to know what lies outside."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_segplugin.core import AugmentSpec, InputError  # noqa: E402
from napari_segplugin.data.sampling import PatchSampler, prepare  # noqa: E402


def scene(shape=(40, 60), maps=1):
    """A small known square of class 1 in an image that is known only along its left half."""
    classes = np.zeros(shape, int)
    classes[..., 5:9, 5:9] = 1
    weight = np.zeros(shape)
    weight[..., :30] = 1
    image = np.stack([classes.astype(np.float32), np.indices(shape)[-1] / 60])
    return prepare(image, classes, weight, np.repeat(classes[None], maps, 0) * 0.5, weight, (1.0,) * len(shape))


@pytest.mark.parametrize(("shape", "patch"), [((40, 60), (16, 16)), ((12, 40, 60), (8, 16, 16)), ((40, 60), (64, 64))])
@pytest.mark.parametrize("maps", [0, 1])
def test_a_batch_has_the_shapes_that_the_loop_reads(shape, patch, maps):
    batch = PatchSampler([scene(shape, maps)], patch, AugmentSpec()).draw(3)
    assert batch.image.shape == (3, 2, *patch)
    assert batch.classes.shape == batch.weight.shape == batch.maps_weight.shape == (3, *patch)
    assert batch.maps.shape == (3, maps, *patch)
    assert batch.classes.dtype == torch.int64
    assert set(batch.weight.unique().tolist()) <= {0.0, 1.0}


def test_without_augmentation_image_and_labels_agree_voxel_by_voxel():
    batch = PatchSampler([scene()], (16, 16)).draw(20)
    assert ((batch.image[:, 0] > 0.5) == (batch.classes == 1)).float().mean() > 0.98
    assert torch.allclose(batch.maps[:, 0], batch.image[:, 0] / 2, atol=1e-4)


def test_every_patch_shows_something_known():
    batch = PatchSampler([scene()], (16, 16), AugmentSpec(), seed=1).draw(60)
    assert (batch.weight.sum((1, 2)) > 0).all()


def test_a_rare_class_is_seen_about_as_often_as_chance_over_classes_says():
    batch = PatchSampler([scene()], (8, 8), seed=2).draw(120)
    share = float((batch.classes == 1).flatten(1).any(1).float().mean())
    assert share > 0.3  # 16 of 1200 known voxels are of class 1


def test_beyond_the_image_nothing_is_known():
    small = prepare(
        np.zeros((1, 4, 4)), np.zeros((4, 4)), np.ones((4, 4)), np.zeros((0, 4, 4)), np.ones((4, 4)), (1, 1)
    )
    batch = PatchSampler([small], (16, 16)).draw(4)
    assert (batch.weight.sum((1, 2)) <= 16).all()


def test_the_same_seed_draws_the_same_patches():
    first, again, other = (PatchSampler([scene()], (8, 8), AugmentSpec(), seed=s).draw(4).image for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_without_anything_known_are_passed_over():
    empty = prepare(
        np.full((1, 9, 9), 7.0), np.zeros((9, 9)), np.zeros((9, 9)), np.zeros((0, 9, 9)), np.zeros((9, 9)), (1, 1)
    )
    known = prepare(
        np.zeros((1, 9, 9)), np.zeros((9, 9)), np.ones((9, 9)), np.zeros((0, 9, 9)), np.ones((9, 9)), (1, 1)
    )
    assert not PatchSampler([empty, known], (4, 4)).draw(10).image.any()
    with pytest.raises(InputError, match="nothing is labelled"):
        PatchSampler([empty], (4, 4))


def test_vectors_turn_with_the_patch():
    """Offsets to a fixed place, in a turned, mirrored and zoomed patch, still point to where that place has gone."""
    shape, place = (40, 40), np.array([18.0, 23.0])
    grid = np.indices(shape).astype(np.float32)
    offsets = place[:, None, None] - grid
    beacon = np.exp(-((grid - place[:, None, None]) ** 2).sum(0) / 18).astype(np.float32)
    ones = np.ones(shape)
    sample = prepare(beacon[None], ones, ones, offsets, ones, (1.0, 1.0), ones, (0, 1))
    sampler = PatchSampler([sample], (32, 32), AugmentSpec(scale=1.4, contrast=0, noise=0), seed=3)
    seen = 0
    for _ in range(12):
        batch = sampler.draw(1)
        image, maps, weight = batch.image[0, 0].numpy(), batch.maps[0].numpy(), batch.weight[0].numpy()
        at = np.array(np.unravel_index(image.argmax(), image.shape))
        if image.max() < 0.98 or at.min() < 3 or at.max() > 28:
            continue
        seen += 1
        pointed = np.indices((32, 32)) + maps
        inside = weight > 0
        assert np.abs(pointed[:, inside] - at[:, None]).max() < 1.6
    assert seen >= 3


def test_object_numbers_come_along_exactly():
    labels = np.zeros((24, 24), int)
    labels[2:10, 2:10], labels[12:20, 5:18] = 70000, 70001
    ones = np.ones(labels.shape)
    sample = prepare(labels[None].astype(np.float32), labels > 0, ones, np.zeros((0, 24, 24)), ones, (1.0, 1.0), labels)
    batch = PatchSampler([sample], (16, 16), AugmentSpec(scale=1.3, contrast=0, noise=0), seed=1).draw(6)
    assert set(np.unique(batch.instances)) == {0, 70000, 70001}
    assert bool(((batch.instances > 0) == (batch.classes > 0)).all())


def test_an_elastic_patch_bends_image_and_labels_alike():
    grid = np.indices((64, 64))
    stripes = (grid[1] // 4 % 2).astype(int)
    ones = np.ones(stripes.shape)
    sample = prepare(stripes[None].astype(np.float32), stripes, ones, np.zeros((0, 64, 64)), ones, (1.0, 1.0))
    plain = AugmentSpec(rotate=False, flip=False, scale=1, contrast=0, noise=0, elastic=6.0)
    batch = PatchSampler([sample], (48, 48), plain, seed=0).draw(4)
    agree = ((batch.image[:, 0] > 0.5) == (batch.classes == 1))[batch.weight > 0].float().mean()
    assert float(agree) > 0.97
    columns = batch.classes.float().std(1)[batch.weight.min(1).values > 0]
    assert float(columns.max()) > 0.3  # straight stripes are no longer straight


def test_balance_shows_a_rare_class_as_often_as_a_common_one():
    classes = np.zeros((60, 60), int)
    classes[5:8, 5:8] = 1
    ones = np.ones(classes.shape)
    sample = prepare(classes[None].astype(np.float32), classes, ones, np.zeros((0, 60, 60)), ones, (1.0, 1.0))
    batch = PatchSampler([sample], (16, 16), seed=0, balance=True).draw(200)
    assert 0.4 < float((batch.classes == 1).flatten(1).any(1).float().mean()) < 0.62
