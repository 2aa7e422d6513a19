import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.segmentation import flood

from napari_segplugin.classical import run_technique, seeds_from_points
from napari_segplugin.classical.regions.region_growing import region_growing
from napari_segplugin.classical.shared.colour import value_range
from napari_segplugin.core import BACKGROUND_PAINT, InputError
from napari_segplugin.io.samples import load_sample

scenes = st.sampled_from([(1, 6, 7), (2, 5, 5), (1, 3, 4, 5)]).flatmap(
    lambda s: st.tuples(
        arrays(np.float32, s, elements=st.integers(0, 9)),
        arrays(np.int32, s[1:], elements=st.sampled_from([0] * 12 + [1, 2, 5])).filter(np.any),
    )
)


def grow(image, seeds, **settings):
    return region_growing(image, spacing=(1.0,) * seeds.ndim, seeds=seeds, **settings)


def beside(mask):
    return ndimage.binary_dilation(mask) & ~mask


@settings(max_examples=80, deadline=None)
@given(scenes, st.sampled_from(["seed", "mean"]))
def test_regions_hang_together_with_their_seeds_and_are_as_large_as_they_may_be(scene, compare):
    image, seeds = scene
    labels = grow(image, seeds, tolerance=0.3, compare=compare)
    limit = 0.3 * value_range(image)
    assert (labels[seeds > 0] == seeds[seeds > 0]).all()
    for name in np.unique(seeds[seeds > 0]):
        region, seed = labels == name, seeds == name
        pieces = ndimage.label(region)[0]
        assert set(np.unique(pieces[region])) == set(np.unique(pieces[seed]))
        mean = image[:, seed if compare == "seed" else region].mean(1)
        distance = np.sqrt(((image - mean.reshape(-1, *(1,) * seeds.ndim)) ** 2).sum(0))
        if compare == "seed":
            assert (distance[region & ~seed] <= limit + 1e-5).all()
        assert (distance[beside(region) & (labels == 0)] > limit - 1e-5).all()


@settings(max_examples=30, deadline=None)
@given(scenes)
def test_numbers_of_the_seeds_do_not_matter(scene):
    image, seeds = scene
    image = image + np.random.default_rng(0).random(image.shape, np.float32) / 9  # no ties
    other = np.array([0, 9, 4, 0, 0, 1])
    assert np.array_equal(other[grow(image, seeds, tolerance=0.4)], grow(image, other[seeds], tolerance=0.4))


def test_one_seed_is_what_flood_finds():
    image = np.asarray(load_sample("nuclei2d").image.array).astype(np.float32)
    at = tuple(int(i) for i in np.argwhere(image == image.max())[0])
    span = value_range(image[None])
    labels = grow(image[None], seeds_from_points(np.array([at]), image.shape, np.array([3])), tolerance=0.25)
    assert np.array_equal(labels, 3 * flood(image, at, tolerance=0.25 * span, connectivity=1))
    assert 20 < (labels == 3).sum() < image.size / 4


def test_a_ramp_by_hand():
    image = np.arange(11, dtype=np.float32)[None, None]
    seeds = np.zeros((1, 11), int)
    seeds[0, 0] = 1
    assert grow(image, seeds, tolerance=0.2).sum() == 3
    # means 0, 0.5, 1, 1.5: 3 is 2 away from 1, but 4 is 2.5 away from 1.5
    assert grow(image, seeds, tolerance=0.2, compare="mean").sum() == 4


def test_a_voxel_goes_to_the_seed_that_it_is_most_like():
    image = np.array([[[0, 4, 5, 6, 10]]], np.float32)
    seeds = np.array([[1, 0, 0, 0, 2]])
    assert grow(image, seeds, tolerance=0.6).tolist() == [[1, 1, 1, 2, 2]]
    # the first seed could reach everything, but the second is nearer to all the others
    image = np.array([[[5, 7, 8, 9, 10]]], np.float32)
    assert grow(image, seeds, tolerance=1.0).tolist() == [[1, 1, 2, 2, 2]]


def test_what_was_refused_is_asked_again_when_the_mean_has_moved():
    # 6 is too far from 2, and not from the mean after 5, 5, 5, 5 joined from the other side
    image = np.array([[[0, 10, 6, 2, 4, 5, 5, 5, 5]]], np.float32)
    seeds = np.array([[0, 0, 0, 1, 0, 0, 0, 0, 0]])
    assert grow(image, seeds, tolerance=0.3, compare="mean").tolist() == [[0, 0, 1, 1, 1, 1, 1, 1, 1]]
    assert grow(image, seeds, tolerance=0.3).tolist() == [[0, 0, 0, 1, 1, 1, 1, 1, 1]]


def test_painted_background_holds_the_others_back():
    image = np.zeros((1, 1, 7), np.float32)
    image[0, 0, 6] = 1
    seeds = np.array([[4, 0, 0, 0, 0, BACKGROUND_PAINT, 0]])
    assert grow(image, seeds, tolerance=0.1).tolist() == [[4, 4, 4, 0, 0, 0, 0]]


@pytest.mark.parametrize("compare", ["seed", "mean"])
def test_a_plane_and_a_volume_of_one_slice_give_the_same(compare):
    image = np.asarray(load_sample("nuclei2d").image.array)[None].astype(np.float32)
    seeds = seeds_from_points(np.argwhere(load_sample("nuclei2d").truth > 0)[::700], image.shape[1:])
    plane = grow(image, seeds, compare=compare)
    assert len(np.unique(plane)) > 4
    assert np.array_equal(grow(image[:, None], seeds[None], compare=compare)[0], plane)


def test_a_nucleus_in_3d_from_one_click():
    sample = load_sample("nuclei3d")
    image, truth = np.asarray(sample.image.array).astype(np.float32), sample.truth
    nucleus = truth == 1
    centre = np.argwhere(nucleus)[nucleus.sum() // 2]
    labels = grow(image[None], seeds_from_points(centre[None], image.shape), tolerance=0.1, smooth=1.0)
    assert 2 * (nucleus & (labels > 0)).sum() / (nucleus.sum() + (labels > 0).sum()) > 0.8


def test_colours_are_compared_in_cielab():
    image = np.zeros((3, 1, 12), np.float32)
    image[1], image[0, 0, 6:] = 255, 60  # green, and green with some red that is hardly seen
    image[:, 0, 10:] = 255
    seeds = np.zeros((1, 12), int)
    seeds[0, 0] = 1
    assert grow(image, seeds, tolerance=0.1).sum() == 6
    assert grow(image, seeds, tolerance=0.1, colour="lab").sum() == 10


def test_smoothing_is_as_wide_in_space_along_every_axis():
    image = np.random.default_rng(0).random((1, 9, 9, 9)).astype(np.float32)
    seeds = np.zeros((9, 9, 9), int)
    seeds[4, 4, 4] = 1
    image[:, :4], image[:, 5:] = 0, 0  # of another value, so that nothing grows through them
    image[0, 4, 0, 0], image[0, 4, 8, 8], image[0, 4, 4, 4] = 0, 1, 0.9
    thick = region_growing(image, spacing=(100.0, 1.0, 1.0), seeds=seeds, tolerance=0.1, smooth=1.0)
    plane = grow(image[:, 4], seeds[4], tolerance=0.1, smooth=1.0)
    assert 1 < plane.sum() < 81
    assert np.array_equal(thick[4], plane)  # slices a hundred times as far apart do not mix
    mixed = grow(image, seeds, tolerance=0.1, smooth=1.0)
    assert not np.array_equal(mixed[4], plane)


def test_constant_and_tiny_images_are_one_region():
    seeds = np.zeros((4, 5), int)
    seeds[1, 1], seeds[3, 4] = 1, 2
    assert (grow(np.full((3, 4, 5), 7, np.float32), seeds) > 0).all()
    assert grow(np.array([[[1, 9]]], np.float32), np.array([[1, 0]])).tolist() == [[1, 0]]


def test_no_seeds_and_seeds_outside_are_errors():
    image = np.arange(16.0).reshape(1, 4, 4)
    with pytest.raises(InputError, match="there are none"):
        run_technique("region_growing", image)
    with pytest.raises(InputError, match="there are none"):
        run_technique("region_growing", image, seeds=np.zeros((4, 4), int))
    with pytest.raises(InputError, match="outside"):
        seeds_from_points(np.array([[4.0, 1.0]]), (4, 4))
