import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import h_maxima
from skimage.segmentation import watershed as plain_watershed

from napari_segplugin.classical import run_technique, seeds_from_points
from napari_segplugin.classical.regions.watershed import watershed, watershed_markers
from napari_segplugin.core import BACKGROUND_PAINT, InputError
from napari_segplugin.io.samples import load_sample


def balls(centres, radius, shape, spacing):
    grid = np.stack(np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"))
    inside = [((grid - np.reshape(c, (-1, *(1,) * len(shape)))) ** 2).sum(0) <= radius**2 for c in centres]
    return np.any(inside, axis=0)[None].astype(np.float32)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 0.5), (2.0, 0.5)])
def test_two_balls_that_touch_come_apart_at_their_neck(spacing):
    centres = [(20.0, 14.0), (20.0, 28.0)]
    image = balls(centres, 8.5, (int(41 / spacing[0]), int(43 / spacing[1])), spacing)
    labels = watershed(image, spacing=spacing, smooth=0)
    assert labels.max() == 2
    assert ((labels > 0) == (image[0] > 0)).all()
    columns = np.arange(labels.shape[1]) * spacing[1]
    assert (np.unique(labels[:, columns < 20.5]).tolist(), np.unique(labels[:, columns > 21.5]).tolist()) in (
        ([0, 1], [0, 2]),
        ([0, 2], [0, 1]),
    )


def test_distances_are_physical():
    # in voxels the thick slices hide the neck along Z
    spacing = (5.0, 1.0, 1.0)
    image = balls([(15, 15, 15), (35, 15, 15)], 12, (11, 31, 31), spacing)
    assert watershed(image, spacing=spacing, smooth=0, depth=2).max() == 2
    assert watershed(image, spacing=(1.0, 1.0, 1.0), smooth=0, depth=2).max() == 1


@pytest.mark.parametrize("depth", [0.6, 1.3])
def test_markers_are_the_h_maxima(depth):
    image = np.asarray(load_sample("nuclei2d").image.array).astype(np.float32)
    smooth = ndimage.gaussian_filter(image, 1.0, mode="nearest")
    mask = smooth > threshold_otsu(smooth)
    distance = ndimage.distance_transform_edt(mask)
    markers, count = ndimage.label(h_maxima(distance, depth), np.ones((3, 3)))
    labels = watershed(image[None], spacing=(1.0, 1.0), depth=depth)
    assert count > 30
    assert abs(labels.max() - count) <= 1
    assert ((labels > 0) == mask).mean() > 0.999
    expected = plain_watershed(-distance, markers, mask=mask)
    pairs = np.unique(np.stack([labels[mask], expected[mask]]), axis=1, return_counts=True)[1]
    assert np.sort(pairs)[-count:].sum() > 0.99 * mask.sum()


def test_a_depth_of_zero_parts_at_every_peak_and_a_large_one_at_none():
    image = np.asarray(load_sample("nuclei2d").image.array).astype(np.float32)[None]
    counts = [watershed(image, spacing=(1.0, 1.0), depth=d).max() for d in (0, 0.75, 2, 100)]
    smooth = ndimage.gaussian_filter(image[0], 1.0, mode="nearest")
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == ndimage.label(smooth > threshold_otsu(smooth))[1]


def test_bright_spots_come_apart_at_the_valley_and_dark_ones_alike():
    profile = np.array([0, 5, 9, 6, 5, 6, 8, 5, 0], np.float32)
    image = np.minimum.outer(profile, profile)[None]
    settings = {"landscape": "intensity", "foreground": "mean", "smooth": 0, "spacing": (1.0, 1.0)}
    bright = watershed(image, **settings)
    assert bright.max() == 4
    assert np.array_equal(watershed(9 - image, objects="dark", **settings), bright)
    # the lower peaks rise by 2 and 3 of 9 over the valleys at 6
    assert watershed(image, contrast=0.5, **settings).max() == 1


def test_floods_of_the_gradient_meet_on_outlines():
    image = np.zeros((1, 20, 30), np.float32)
    image[0, :, 12:] = 100
    labels = watershed(image, spacing=(1.0, 1.0), landscape="gradient", foreground="everything", smooth=0)
    assert labels.max() == 2
    assert (labels[:, :11] == labels[0, 0]).all()
    assert (labels[:, 13:] == labels[0, 29]).all()


def test_markers_by_hand():
    image = np.array([[[0, 0, 0, 5, 5, 5, 5, 9, 9]]], np.float32)
    seeds = np.array([[7, 0, 0, 0, 3, 0, 0, 0, BACKGROUND_PAINT]])
    labels = watershed_markers(image, spacing=(1, 1), seeds=seeds, smooth=0)
    assert labels.tolist() == [[7, 7, 7, 3, 3, 3, 3, 0, 0]]


def test_the_foreground_bounds_the_flood_and_pieces_without_a_marker_stay_background():
    image = np.array([[[9, 9, 0, 9, 9, 0, 0]]], np.float32)
    seeds = np.array([[4, 0, 0, 0, 0, 0, 5]])
    labels = watershed_markers(image, spacing=(1, 1), seeds=seeds, foreground="otsu", smooth=0)
    assert labels.tolist() == [[4, 4, 0, 0, 0, 0, 5]]


def test_compactness_makes_regions_even():
    rng = np.random.default_rng(0)
    image = rng.random((1, 40, 40)).astype(np.float32)
    seeds = np.zeros((40, 40), int)
    seeds[20, 10], seeds[20, 30] = 1, 2
    free = watershed_markers(image, spacing=(1, 1), seeds=seeds)
    compact = watershed_markers(image, spacing=(1, 1), seeds=seeds, compactness=10)
    halves = np.where(np.arange(40) < 20, 1, 2)[None].repeat(40, 0)
    assert (compact == halves).mean() > max(0.97, (free == halves).mean())
    automatic = watershed(image, spacing=(1, 1), landscape="intensity", foreground="everything", compactness=10)
    sizes = np.bincount(automatic.ravel())[1:]
    plain = watershed(image, spacing=(1, 1), landscape="intensity", foreground="everything")
    assert plain.max() == automatic.max()
    assert sizes.std() < np.bincount(plain.ravel())[1:].std()


def test_edges_of_colour_are_seen_where_the_luminance_is_even():
    image = np.zeros((3, 9, 14), np.float32)
    image[0, :, :7] = 200
    image[1, :, 7:] = 200 * 0.2125 / 0.7154
    seeds = np.zeros((9, 14), int)
    seeds[4, 1], seeds[4, 10] = 1, 2
    labels = watershed_markers(image, spacing=(1, 1), seeds=seeds, smooth=0)
    assert (labels[:, :6] == 1).all()
    assert (labels[:, 8:] == 2).all()


@pytest.mark.parametrize("landscape", ["distance", "gradient", "intensity"])
def test_a_plane_and_a_volume_of_one_slice_give_the_same(landscape):
    sample = load_sample("nuclei2d")
    image = np.asarray(sample.image.array)[None].astype(np.float32)
    plane = watershed(image, spacing=(1.0, 1.0), landscape=landscape)
    assert plane.max() > 20
    assert np.array_equal(watershed(image[:, None], spacing=(5.0, 1.0, 1.0), landscape=landscape)[0], plane)
    seeds = seeds_from_points(np.argwhere(sample.truth > 0)[::500], image.shape[1:])
    settings = {"landscape": landscape, "foreground": "otsu"}
    plane = watershed_markers(image, spacing=(1.0, 1.0), seeds=seeds, **settings)
    volume = watershed_markers(image[:, None], spacing=(5.0, 1.0, 1.0), seeds=seeds[None], **settings)
    assert np.array_equal(volume[0], plane)


def test_nuclei_in_3d_are_counted():
    sample = load_sample("nuclei3d")
    image = np.asarray(sample.image.array).astype(np.float32)[None]
    labels = watershed(image, spacing=sample.image.spacing, smooth=1.5, depth=1.5)
    assert 0.75 < labels.max() / len(np.unique(sample.truth[sample.truth > 0])) < 1.35


@pytest.mark.parametrize("landscape", ["gradient", "intensity"])
def test_constant_and_tiny_images_have_an_answer(landscape):
    settings = {"spacing": (1, 1), "landscape": landscape, "foreground": "everything"}
    assert (watershed(np.full((3, 5, 4), 7, np.float32), **settings) == 1).all()
    assert watershed(np.array([[[1, 9]]], np.float32), **settings).shape == (1, 2)
    seeds = np.array([[1, 2]])
    assert watershed_markers(np.array([[[1, 9]]], np.float32), seeds=seeds, **settings).tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["watershed", "watershed_markers"])
def test_a_distance_to_nothing_is_an_error(name):
    image = np.arange(16.0).reshape(1, 4, 4)
    seeds = np.ones((4, 4), int)
    with pytest.raises(InputError, match="everything is foreground"):
        run_technique(name, image, seeds=seeds, landscape="distance", foreground="everything")
