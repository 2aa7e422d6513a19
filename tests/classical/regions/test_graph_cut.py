from itertools import product

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import coffee

import napari_segplugin.classical.regions.graph_cut as module
from napari_segplugin.classical import run_technique
from napari_segplugin.classical.regions.graph_cut import graph_cut
from napari_segplugin.core import InputError
from napari_segplugin.io.samples import load_sample


def ball(shape, radius, inside=200.0, outside=50.0, noise=10.0, steps=None):
    steps = np.ones(len(shape)) if steps is None else np.asarray(steps)
    grid = np.stack(
        np.meshgrid(*(s * (np.arange(n) - (n - 1) / 2) for n, s in zip(shape, steps, strict=True)), indexing="ij")
    )
    truth = (grid**2).sum(0) <= radius**2
    image = np.where(truth, inside, outside) + np.random.default_rng(0).normal(0, noise, shape)
    return image[None].astype(np.float32), truth


def overlap(a, b):
    a, b = np.asarray(a) > 0, np.asarray(b) > 0
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def around(truth, margin=3):
    part = ndimage.find_objects(truth.astype(np.uint8))[0]
    return tuple(
        slice(max(0, s.start - margin), min(n, s.stop + margin)) for s, n in zip(part, truth.shape, strict=True)
    )


def energy(inside, values, ratio, steps, smoothness):
    """What a cut costs, by loops over voxels and pairs."""
    total = ratio[~inside].sum()
    squares, pairs = [], []
    for here in np.ndindex(inside.shape):
        for step in product((-1, 0, 1), repeat=inside.ndim):
            there = tuple(np.add(here, step))
            if step <= (0,) * inside.ndim or any(not 0 <= t < n for t, n in zip(there, inside.shape, strict=True)):
                continue
            squares.append(((values[(slice(None), *here)] - values[(slice(None), *there)]) ** 2).sum())
            pairs.append((inside[here] != inside[there], np.sqrt(((np.array(step) * steps) ** 2).sum())))
    mean = np.mean(squares)
    for square, (cut, length) in zip(squares, pairs, strict=True):
        total += cut * smoothness / length * np.exp(-square / (2 * mean))
    return total


def test_the_cut_is_the_cheapest_of_all():
    rng = np.random.default_rng(3)
    for _ in range(5):
        values, ratio = rng.random((1, 3, 3)), rng.normal(0, 2, (3, 3))
        steps = (2.0, 1.0)
        everywhere = np.ones((3, 3), bool)
        found = module._minimum_cut(values, ratio, everywhere, ~everywhere, steps, 1.5)
        costs = [
            energy(np.array(bits, bool).reshape(3, 3), values, ratio, steps, 1.5) for bits in product((0, 1), repeat=9)
        ]
        assert energy(found, values, ratio, steps, 1.5) == pytest.approx(min(costs), abs=0.02)


def test_voxels_that_are_known_hold_their_neighbours():
    values, ratio = np.zeros((1, 1, 5)), np.zeros((1, 5))
    unknown, inside = np.array([[0, 1, 1, 1, 0]], bool), np.array([[1, 0, 0, 0, 0]], bool)
    ratio[0, 1:4] = 0.1, 0.1, -0.1
    # one link has to be cut, and what the voxels prefer says which
    assert module._minimum_cut(values, ratio, unknown, inside, (1, 1), 5.0).tolist() == [
        [True, True, True, False, False]
    ]


@pytest.mark.parametrize("inside", [200.0, 10.0])
@pytest.mark.parametrize("shape", [(60, 64), (22, 34, 36)])
def test_an_object_is_cut_out_of_its_box(shape, inside):
    image, truth = ball(shape, 9, inside, 100)
    found = graph_cut(image, spacing=(1.0,) * len(shape), box=around(truth))
    assert overlap(found, truth) > 0.97


def test_colours_are_learned_and_nothing_outside_of_the_box_is_found():
    image = np.moveaxis(coffee()[::2, ::2], -1, 0).astype(np.float32)
    box = (slice(5, 193), slice(35, 245))
    for colour in ("channels", "lab"):
        found = graph_cut(image, spacing=(1, 1), box=box, colour=colour)
        outside = found.copy()
        outside[box] = 0
        assert not outside.any()
        saucer = found[25:180, 55:230].mean()
        assert saucer > 0.8
        assert found[5:20, 35:70].mean() < 0.1


def test_smoothness_takes_speckles_away():
    image, truth = ball((60, 64), 14, 140, 60, noise=35)
    rough, smooth = (graph_cut(image, spacing=(1, 1), box=around(truth), smoothness=s, smooth=0) for s in (0, 50))
    assert overlap(smooth, truth) > max(0.95, overlap(rough, truth))
    assert ndimage.label(smooth)[1] < ndimage.label(rough)[1]


def test_an_object_does_not_vanish_because_its_outline_is_dear():
    image, truth = ball((40, 44), 4)
    found = graph_cut(image, spacing=(1, 1), box=around(truth), smoothness=1000)
    assert overlap(found, truth) > 0.9


def test_a_large_box_is_cut_from_coarse_to_fine(monkeypatch):
    image, truth = ball((90, 100), 30, noise=30)
    whole = graph_cut(image, spacing=(1, 1), box=around(truth))
    monkeypatch.setattr(module, "COARSE", 300)
    fine = graph_cut(image, spacing=(1, 1), box=around(truth))
    assert overlap(fine, truth) > 0.97
    assert overlap(fine, whole) > 0.98


def test_thick_slices_are_kept_until_planes_are_as_coarse(monkeypatch):
    steps = (4.0, 1.0, 1.0)
    image, truth = ball((11, 50, 50), 16, steps=steps)
    monkeypatch.setattr(module, "COARSE", 2000)
    assert overlap(graph_cut(image, spacing=steps, box=around(truth, 1)), truth) > 0.93


def test_a_nucleus_in_3d():
    sample = load_sample("nuclei3d")
    image, truth = np.asarray(sample.image.array)[None].astype(np.float32), sample.truth == 1
    assert overlap(graph_cut(image, spacing=sample.image.spacing, box=around(truth)), truth) > 0.75


def test_a_plane_and_a_volume_of_one_slice_give_the_same():
    image, truth = ball((40, 44), 9, noise=40)
    box = around(truth)
    plane = graph_cut(image, spacing=(1.0, 1.0), box=box)
    assert plane.any()
    volume = graph_cut(image[:, None], spacing=(3.0, 1.0, 1.0), box=(slice(0, 1), *box))
    assert np.array_equal(volume[0], plane)


def test_constant_and_tiny_images_have_an_answer():
    box = (slice(1, 3), slice(1, 3))
    assert graph_cut(np.full((1, 6, 7), 3, np.float32), spacing=(1, 1), box=box).shape == (6, 7)
    image = np.full((3, 4, 4), 10, np.float32)
    image[:, 1:3, 1:3] = 200
    assert graph_cut(image, spacing=(1, 1), box=box, smooth=0).sum() == 4


def test_a_box_around_everything_and_no_box_are_errors():
    image = np.arange(64.0).reshape(1, 8, 8)
    with pytest.raises(InputError, match="covers the whole image"):
        run_technique("graph_cut", image, box=(slice(0, 8), slice(None, None)))
    with pytest.raises(InputError, match="needs a box"):
        run_technique("graph_cut", image)
