"""Which objects lie side by side, and colors by which they are told apart."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from napari.utils.colormaps import label_colormap
from scipy import ndimage
from skimage.segmentation import watershed

from napari_segplugin.core import ClassTable
from napari_segplugin.core.classes import PALETTE
from napari_segplugin.data import touching as module
from napari_segplugin.data.hues import LEAST, differences, shades, told_apart
from napari_segplugin.data.touching import touching
from napari_segplugin.viewer.colors import class_scheme


def by_hand(labels: np.ndarray, still: tuple[int, ...] = (), gap: int = 1) -> set[tuple[int, int]]:
    """Every voxel against every voxel around it."""
    found = set()
    steps = [s for s in itertools.product((-1, 0, 1), repeat=labels.ndim) if any(s)]
    steps += [tuple(n * (a == b) for b in range(labels.ndim)) for a in range(labels.ndim) for n in range(2, gap + 2)]
    for at in zip(*np.nonzero(labels), strict=True):
        for step in steps:
            if any(step[a] for a in still):
                continue
            to = tuple(int(i) + s for i, s in zip(at, step, strict=True))
            if all(0 <= i < n for i, n in zip(to, labels.shape, strict=True)) and labels[to] not in (0, labels[at]):
                found.add(tuple(sorted((int(labels[at]), int(labels[to])))))
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(9, 11), (5, 6, 7), (1, 1), (3, 1, 8)])
def test_pairs_are_those_of_a_search_by_hand(
    monkeypatch: pytest.MonkeyPatch, dtype: type, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(sum(shape))
    labels = (rng.integers(0, 40, shape) * (rng.random(shape) < 0.4)).astype(dtype)
    for block, gap in ((10**6, 1), (1, 1), (13, 0), (13, 2)):
        monkeypatch.setattr(module, "BLOCK", block)
        assert set(map(tuple, touching(labels, gap=gap).tolist())) == by_hand(labels, gap=gap)


def test_numbers_that_are_large_and_time_along_which_nothing_touches() -> None:
    labels = np.array([[[5_000_000_000, 7]], [[3, 0]]])
    assert touching(labels, "TYX").tolist() == [[7, 5_000_000_000]]
    assert touching(labels).tolist() == [[3, 7], [3, 5_000_000_000], [7, 5_000_000_000]]


def cells(shape: tuple[int, ...], count: int, seed: int = 0) -> np.ndarray:
    """Cells without gaps, numbered at random."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(rng.integers(0, n, count) for n in shape)] = rng.permutation(count) + 1
    return watershed(ndimage.gaussian_filter(rng.random(shape), 1), seeds)


@pytest.mark.parametrize("shape", [(300, 300), (30, 60, 60)])
def test_neighbors_among_naparis_colors_and_all_others_stay(shape: tuple[int, ...]) -> None:
    labels = cells(shape, 400)
    colors = np.asarray(label_colormap(49, 0.5).colors)[1:, :3].astype(float)
    far, start = differences(colors), np.arange(labels.max() + 1) % 49
    pairs = touching(labels)
    assert (far[start[pairs[:, 0]], start[pairs[:, 1]]] < LEAST).any()  # so it is with napari alone
    found = told_apart(pairs, start, far, np.ones((1, 49), bool), np.zeros(len(start), int))
    assert far[found[pairs[:, 0]], found[pairs[:, 1]]].min() >= LEAST
    close = pairs[far[start[pairs[:, 0]], start[pairs[:, 1]]] < LEAST]
    untouched = np.setdiff1d(np.arange(len(start)), close)
    assert (found[untouched] == start[untouched]).mean() > 0.95
    again = told_apart(pairs, found, far, np.ones((1, 49), bool), np.zeros(len(start), int))
    assert (again == found).all()


def packed_cells(shape: tuple[int, ...], count: int, seed: int = 0) -> np.ndarray:
    """Cells around random points, each of which has as many neighbors as there can be: 14 on average in 3D."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(rng.integers(0, n, count) for n in shape)] = rng.permutation(count) + 1
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return seeds[tuple(nearest)]


@pytest.mark.parametrize("color", PALETTE[1:])
@pytest.mark.parametrize("make", [cells, packed_cells])
@pytest.mark.parametrize("shape", [(300, 300), (30, 60, 60)])
def test_neighbors_in_shades_of_one_class(color: str, shape: tuple[int, ...], make: Any) -> None:
    labels = make(shape, 400)
    pairs, found = touching(labels), shades([color])[0]
    far = differences(found)
    start = np.arange(labels.max() + 1) % len(found)
    assert (far[start[pairs[:, 0]], start[pairs[:, 1]]] < LEAST).any()
    chosen = told_apart(pairs, start, far, np.ones((1, len(found)), bool), np.zeros(len(start), int))
    assert far[chosen[pairs[:, 0]], chosen[pairs[:, 1]]].min() >= LEAST


@pytest.mark.parametrize("count", [2, 3, 4])
def test_neighbors_in_shades_of_several_classes_that_lie_among_each_other(count: int) -> None:
    labels = packed_cells((60, 80, 80), 400)
    pairs, classes = touching(labels), ClassTable.named([f"class {i}" for i in range(count)])
    group = np.random.default_rng(0).integers(1, count + 1, labels.max() + 1)
    scheme = class_scheme(group, classes)
    chosen = told_apart(pairs, scheme.start, scheme.far, scheme.allowed, scheme.group)
    assert scheme.allowed[scheme.group, chosen].all()
    assert scheme.far[chosen[pairs[:, 0]], chosen[pairs[:, 1]]].min() >= LEAST


def test_where_too_few_shades_differ_they_are_as_different_as_can_be() -> None:
    far = np.array([[0, 30, 12.0], [30, 0, 12], [12, 12, 0]])
    triangle = np.array([[0, 1], [0, 2], [1, 2]])
    found = told_apart(triangle, np.zeros(3, int), far, np.ones((1, 3), bool), np.zeros(3, int))
    assert sorted(found.tolist()) == [0, 1, 2]


def test_a_group_of_one_color_keeps_it_and_the_others_keep_away() -> None:
    colors = np.concatenate([[[0.9, 0.6, 0.0]], *shades(["#e69f00"])])
    far = differences(colors)
    allowed = np.ones((2, len(colors)), bool)
    allowed[0, 1:], allowed[1, 0] = False, False
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    found = told_apart(pairs, np.array([0, 1, 1]), far, allowed, np.array([0, 1, 1]))
    assert found[0] == 0
    assert far[found[pairs[:, 0]], found[pairs[:, 1]]].min() >= LEAST


def test_shades_keep_the_hue_of_their_class_and_stay_off_the_others() -> None:
    from skimage.color import rgb2lab

    def hue(rgb: np.ndarray) -> np.ndarray:
        lab = rgb2lab(rgb)
        return np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))

    names = PALETTE[1:5]
    found = shades(names)
    for i, mine in enumerate(found):
        assert (mine[0] * 255).round().tolist() == [int(names[i][k : k + 2], 16) for k in (1, 3, 5)]
        away = np.abs((hue(mine) - hue(mine[:1]) + 180) % 360 - 180)
        assert away.max() < 30
        for j, other in enumerate(found):
            if i != j:
                assert (np.abs((hue(mine) - hue(other[:1]) + 180) % 360 - 180) > away).all()
