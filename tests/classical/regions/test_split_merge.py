from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, stats
from skimage.color import rgb2lab

from napari_segplugin.classical.regions.split_merge import split_merge, split_tree
from napari_segplugin.classical.shared.blocks import enlarge, grid_shape, halve, voxel_counts
from napari_segplugin.io.samples import load_sample

SHAPES = [(1, 7, 9), (2, 8, 5), (3, 6, 6), (1, 4, 5, 3), (1, 1, 2), (1, 2, 1), (2, 1, 3, 4)]
images = st.sampled_from(SHAPES).flatmap(lambda s: arrays(np.float32, s, elements=st.integers(0, 6)))


def spread(values, test):
    """The number that a region (C, N) is judged by, from its voxels."""
    values = values.astype(float)
    if test == "range":
        return (values.max(1) - values.min(1)).max()
    variances = values.var(1)
    return np.sqrt(variances.max() if test == "std" else variances.sum())


def prepared(image, test):
    """Values and the limit for a threshold of 0.3."""
    if test == "colour" and len(image) == 3:
        white = 1.0 if image.max() <= 1 else 255.0
        return rgb2lab(image / np.float32(white), channel_axis=0) / 100, 0.3
    return image, 0.3 * (float(image.max() - image.min()) or 1.0)


def neighbours(labels):
    found = set()
    for axis in range(labels.ndim):
        a, b = (np.take(labels, range(*r), axis) for r in ((labels.shape[axis] - 1,), (1, labels.shape[axis])))
        found |= {(int(min(p)), int(max(p))) for p in zip(a.ravel(), b.ravel(), strict=True) if p[0] != p[1]}
    return found


@settings(max_examples=60, deadline=None)
@given(images, st.sampled_from(["std", "range", "colour"]), st.sampled_from([1, 2]))
def test_regions_satisfy_the_test_and_no_two_neighbours_could_merge(image, test, smallest):
    labels = split_merge(image, test=test, threshold=0.3, smallest_block=smallest, smallest_region=1)
    values, limit = prepared(image, test)
    names = np.unique(labels)
    assert labels.dtype == np.int32
    assert list(names) == list(range(1, len(names) + 1))
    for name in names:
        region = labels == name
        assert ndimage.label(region)[1] == 1
        box = ndimage.find_objects(region.astype(int))[0]
        smallest_block = all(
            s.start % smallest == 0 and s.stop == min(s.start + smallest, n)
            for s, n in zip(box, region.shape, strict=True)
        )
        assert smallest_block or spread(values[:, region], test) <= limit + 1e-6
    for a, b in neighbours(labels):
        assert spread(values[:, (labels == a) | (labels == b)], test) > limit - 1e-6


@settings(max_examples=30, deadline=None)
@given(images)
def test_neighbours_that_the_likelihood_ratio_does_not_tell_apart_are_one(image):
    labels = split_merge(image, test="statistical", threshold=0.1, significance=0.01, smallest_region=1)
    floor = (0.1 * (float(image.max() - image.min()) or 1.0)) ** 2

    def entropy(region):
        return region.shape[1] * np.log(region.astype(float).var(1) + floor).sum()

    for a, b in neighbours(labels):
        both = image[:, (labels == a) | (labels == b)]
        ratio = entropy(both) - entropy(image[:, labels == a]) - entropy(image[:, labels == b])
        assert ratio > stats.chi2.isf(0.01, 2 * len(image)) - 1e-6


def recursive(image, origin, size, test, smallest):
    """Blocks by recursion, straight from the definition."""
    block = image[(slice(None), *(slice(o, o + size) for o in origin))]
    if size <= smallest or spread(block.reshape(len(image), -1), test) <= prepared(image, test)[1]:
        return [(origin, block.shape[1:])]
    half = size // 2
    starts = [(o, o + half) if o + half < n else (o,) for o, n in zip(origin, image.shape[1:], strict=True)]
    return [block for corner in product(*starts) for block in recursive(image, corner, half, test, smallest)]


@settings(max_examples=40, deadline=None)
@given(images, st.sampled_from(["std", "range"]), st.sampled_from([1, 2, 4]))
def test_the_split_tree_is_that_of_the_recursion(image, test, smallest):
    top = (max(image.shape[1:]) - 1).bit_length()
    wanted = recursive(image, (0,) * (image.ndim - 1), 2**top, test, smallest)
    tree = split_tree(image, test=test, threshold=0.3, smallest_block=smallest)
    found = [(tuple(map(int, b["origin"])), tuple(map(int, b["size"]))) for b in tree]
    assert sorted(found) == sorted(wanted)


def test_levels_count_how_often_the_image_was_split():
    image = np.zeros((1, 8, 8), np.float32)
    image[0, 0, 0] = 1
    tree = split_tree(image, smallest_block=1, threshold=0.01)
    # three quarters, then three sixteenths, then four pixels
    assert [int((tree["level"] == k).sum()) for k in range(4)] == [0, 3, 3, 4]
    assert tree["size"].prod(1).sum() == 64


def test_quarters_that_are_alike_are_no_proof_that_they_are_even():
    tile = np.zeros((32, 32), np.float32)
    tile[8:20, 8:20] = 10
    image = np.tile(tile + np.random.default_rng(0).normal(0, 0.5, tile.shape), (4, 4))[None].astype(np.float32)
    squares = split_merge(image, test="statistical", threshold=0.02)
    assert squares.max() >= 17
    assert (squares[8:20, 8:20] != squares[0, 0]).all()


def test_two_squares_by_hand():
    image = np.zeros((1, 8, 8), np.float32)
    image[0, 1:4, 1:4] = 10
    image[0, 5:7, 4:8] = 4
    labels = split_merge(image, test="range", threshold=0.35, smallest_block=1, smallest_region=1)
    squares = np.zeros((8, 8), int)
    squares[1:4, 1:4], squares[5:7, 4:8] = 1, 2
    assert len(np.unique(labels)) == 3
    assert len(np.unique(labels * 3 + squares)) == 3
    # 4 and 0 lie 0.4 of the range apart
    assert split_merge(image, test="range", threshold=0.41, smallest_block=1, smallest_region=1).max() == 2


def test_the_most_similar_pair_merges_first():
    # 3 could join 0 or 5, not both, and is nearer to 5; blocks of twice the side hold 20 as well, so that all is split
    image = np.kron([[20, 0, 3, 20], [20, 20, 5, 20]], np.ones((8, 8)))[None].astype(np.float32)
    labels = split_merge(image, test="range", threshold=0.15, smallest_region=1)
    assert labels[0, 8] != labels[0, 16]
    assert labels[0, 16] == labels[8, 16]
    assert labels.max() == 4


def test_small_regions_join_the_neighbour_that_is_most_like_them():
    image = np.zeros((1, 8, 8), np.float32)
    image[0, :, 4:] = 10
    image[0, 2:4, :2] = 6
    kept = split_merge(image, threshold=0.01, smallest_region=4)
    gone = split_merge(image, threshold=0.01, smallest_region=5)
    assert (kept.max(), gone.max()) == (3, 2)
    assert gone[2, 0] == gone[0, 0]  # 6 touches 0 only
    # a region may not vanish where there is nothing to join
    assert split_merge(image, smallest_region=1000).max() == 1


@pytest.mark.parametrize("test", ["std", "range", "colour", "statistical"])
def test_a_plane_and_a_volume_of_one_slice_give_the_same(test):
    image = np.asarray(load_sample("nuclei2d").image.array)[None, 60:190, 60:201].astype(np.float32)
    plane = split_merge(image, test=test)
    assert plane.max() > 5
    assert np.array_equal(split_merge(image[:, None], test=test)[0], plane)


@pytest.mark.parametrize("test", ["std", "range", "colour", "statistical"])
def test_constant_and_tiny_images_are_one_region(test):
    assert (split_merge(np.full((3, 5, 7), 4, np.float32), test=test) == 1).all()
    assert split_merge(np.array([[[1, 9]]], np.float32), test=test, smallest_block=1).shape == (1, 2)
    assert split_tree(np.full((1, 5, 7), 4, np.float32), test=test)["size"].tolist() == [[5, 7]]


def test_small_differences_on_large_values_count():
    image = np.full((1, 64, 64), 60000, np.float32)
    image[0, :, 32:] += 1
    assert split_merge(image).max() == 2


def test_colours_are_told_apart_where_brightness_is_not():
    image = np.zeros((3, 16, 16), np.float32)
    image[0, :, :8], image[1, :, 8:] = 200, 119  # red and green of the same luminance
    assert split_merge(image, test="colour").max() == 2
    labels = split_merge(image, test="colour", threshold=2.0)
    assert labels.max() == 1


def test_nuclei_in_3d_lie_in_regions_of_their_own():
    sample = load_sample("nuclei3d")
    image, truth = np.asarray(sample.image.array), sample.truth
    labels = split_merge(image[None].astype(np.float32), test="range", threshold=0.2)
    counts = np.bincount(labels.ravel())
    inside = np.bincount(labels.ravel(), (truth > 0).ravel())
    foreground = (inside / np.maximum(counts, 1) > 0.5)[labels]
    overlap = 2 * (foreground & (truth > 0)).sum() / (foreground.sum() + (truth > 0).sum())
    assert overlap > 0.75


@pytest.mark.parametrize("shape", [(5,), (8, 1, 3), (2, 2)])
def test_blocks_go_down_as_they_went_up(shape):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    half = halve(values, np.add)
    assert half.shape == grid_shape(shape, 2)
    assert half.sum() == values.sum()
    assert np.array_equal(halve(np.ones(shape), np.add), voxel_counts(shape, 2))
    assert np.array_equal(halve(enlarge(half, shape), np.maximum), half)
