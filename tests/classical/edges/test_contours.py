import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import morphological_chan_vese

from napari_segplugin.classical import run_technique
from napari_segplugin.classical.edges.active_contours import chan_vese, chan_vese_box, geodesic_contour
from napari_segplugin.core import InputError
from napari_segplugin.io.samples import load_sample


def ball(shape, radius, inside=200.0, outside=50.0, noise=5.0):
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))
    truth = (grid**2).sum(0) <= radius**2
    image = np.where(truth, inside, outside) + np.random.default_rng(0).normal(0, noise, shape)
    return image[None].astype(np.float32), truth


def overlap(a, b):
    a, b = np.asarray(a) > 0, np.asarray(b) > 0
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def ones(image):
    return (1.0,) * (image.ndim - 1)


SHAPES = [(50, 60), (22, 24, 26)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("start", ["threshold", "checkerboard"])
def test_chan_vese_finds_what_is_even_bright_or_dark(shape, start):
    image, truth = ball(shape, 8, noise=40 if start == "threshold" else 10)
    assert overlap(chan_vese(image, spacing=ones(image), start=start), truth) > 0.93
    assert overlap(chan_vese(-image, spacing=ones(image), start=start, objects="dark"), truth) > 0.93
    assert overlap(chan_vese(image, spacing=ones(image), start=start, objects="dark"), ~truth) > 0.93


def test_chan_vese_is_scikit_images_until_it_stands_still():
    image = np.asarray(load_sample("nuclei2d").image.array).astype(np.float32)
    box = (slice(40, 200), slice(60, 220))
    first = np.zeros(image.shape, np.int8)
    first[box] = 1
    plain = morphological_chan_vese(image, 10, first, smoothing=2, lambda1=1, lambda2=2)
    ours = chan_vese_box(image[None], spacing=(1, 1), box=box, iterations=10, smoothing=2, outside=2)
    assert np.array_equal(ours, plain)
    long = [chan_vese(image[None], spacing=(1, 1), iterations=n) for n in (400, 1000)]
    assert np.array_equal(*long)


def test_smoothing_takes_single_pixels_away_and_weights_shift_the_outline():
    image, _ = ball((50, 60), 15, noise=0)
    image[0, 5, 5] = 200
    assert chan_vese(image, spacing=(1, 1), smoothing=0)[5, 5] == 1
    assert chan_vese(image, spacing=(1, 1), smoothing=1)[5, 5] == 0
    blurred = ndimage.gaussian_filter(image, (0, 4, 4))
    sizes = [chan_vese(blurred, spacing=(1, 1), inside=w, smoothing=0).sum() for w in (0.2, 1, 5)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


@pytest.mark.parametrize("inside", [200.0, 10.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_from_a_box_the_object_may_be_bright_or_dark(shape, inside):
    image, truth = ball(shape, 8, inside, 100)
    box = tuple(slice(n // 2 - 6, n // 2 + 6) for n in shape)
    assert overlap(chan_vese_box(image, spacing=ones(image), box=box), truth) > 0.93


@pytest.mark.parametrize("inside", [200.0, 10.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_geodesic_contour_shrinks_onto_an_object_and_grows_to_its_outline(shape, inside):
    image, truth = ball(shape, 8, inside, 100)
    around = tuple(slice(n // 2 - 11, n // 2 + 11) for n in shape)
    within = tuple(slice(n // 2 - 4, n // 2 + 4) for n in shape)
    assert overlap(geodesic_contour(image, spacing=ones(image), box=around), truth) > 0.9
    assert overlap(geodesic_contour(image, spacing=ones(image), box=within, balloon=1), truth) > 0.9


def test_a_contour_that_grows_beyond_the_surroundings_of_its_box_is_followed():
    image, truth = ball((110, 120), 45)
    box = (slice(50, 60), slice(55, 65))
    assert overlap(geodesic_contour(image, spacing=(1, 1), box=box, balloon=1), truth) > 0.95
    # few iterations get a few pixels far
    near = geodesic_contour(image, spacing=(1, 1), box=box, balloon=1, iterations=4)
    assert 100 < near.sum() < 700


def test_slopes_of_the_geodesic_contour_are_physical():
    image, truth = ball((16, 40, 40), 8)
    # slices of a ball that is cut ten times as fine along Z
    fine = np.repeat(image, 5, axis=1)
    box = (slice(5, 75), slice(7, 33), slice(7, 33))
    found = geodesic_contour(fine, spacing=(0.2, 1.0, 1.0), box=box, smooth=1)
    assert overlap(found, np.repeat(truth, 5, axis=0)) > 0.85


def test_a_nucleus_in_a_real_image():
    sample = load_sample("nuclei2d")
    image, truth = np.asarray(sample.image.array)[None].astype(np.float32), sample.truth
    part = ndimage.find_objects(truth)[0]
    box = tuple(slice(max(0, s.start - 3), s.stop + 3) for s in part)
    assert overlap(geodesic_contour(image, spacing=(1, 1), box=box), truth == 1) > 0.85
    assert overlap(chan_vese(image, spacing=(1, 1)), truth) > 0.85


def test_the_same_image_gives_the_same_outline_whatever_ran_before():
    image, _ = ball((40, 41), 9, noise=40)
    first = chan_vese(image, spacing=(1, 1), iterations=7)
    geodesic_contour(image, spacing=(1, 1), box=(slice(5, 30), slice(5, 30)), iterations=3)
    assert np.array_equal(chan_vese(image, spacing=(1, 1), iterations=7), first)


def test_a_plane_and_a_volume_of_one_slice_give_the_same():
    image, _ = ball((40, 41), 9, noise=40)
    box = (slice(6, 34), slice(6, 34))
    calls = [
        (chan_vese, {}, {}),
        (chan_vese_box, {"box": box}, {"box": (slice(0, 1), *box)}),
        (geodesic_contour, {"box": box}, {"box": (slice(0, 1), *box)}),
    ]
    for technique, plane, volume in calls:
        expected = technique(image, spacing=(1.0, 1.0), **plane)
        assert expected.any()
        assert np.array_equal(technique(image[:, None], spacing=(3.0, 1.0, 1.0), **volume)[0], expected)


def test_constant_and_tiny_images_have_an_answer():
    flat, box = np.full((1, 6, 7), 3, np.float32), (slice(1, 5), slice(1, 5))
    assert chan_vese(flat, spacing=(1, 1)).shape == (6, 7)
    assert geodesic_contour(flat, spacing=(1, 1), box=box).sum() == 0
    tiny = np.array([[[1, 9], [1, 9]]], np.float32)
    assert chan_vese(tiny, spacing=(1, 1), smoothing=0).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("name", ["chan_vese_box", "geodesic_contour"])
def test_no_box_is_an_error(name):
    with pytest.raises(InputError, match="needs a box"):
        run_technique(name, np.arange(25.0).reshape(1, 5, 5))
