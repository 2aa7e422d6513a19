"""An image is read in one order whatever the order of its array, and refuses what cannot be segmented."""

import itertools

import numpy as np
import pytest

from napari_segplugin.core import Image, InputError, check_axes, guess_axes

FULL = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


def numbered(axes):
    """An array whose value at (t, c, z, y, x) is that index as digits, in the order `axes`."""
    grids = np.indices([FULL[a] for a in axes])
    return sum(grids[i] * 10 ** "XYZCT".index(a) for i, a in enumerate(axes))


@pytest.mark.parametrize("axes", ["".join(p) for p in itertools.permutations("CZYX")])
def test_reading_gives_channel_depth_row_column_from_any_order(axes):
    image = Image(numbered(axes), axes)
    assert np.array_equal(image.read(), numbered("CZYX"))


def test_reading_a_region_of_a_frame_equals_cutting_the_whole():
    image = Image(numbered("XTZCY"), "XTZCY")
    region = (slice(1, 3), slice(0, 2), slice(2, 6))
    assert np.array_equal(image.read(region, frame=1), numbered("TCZYX")[1][(slice(None), *region)])


def test_a_missing_channel_axis_reads_as_one_channel():
    assert Image(np.zeros((4, 5)), "YX").read().shape == (1, 4, 5)


def test_canonical_spacing_follows_z_y_x_and_not_the_array():
    image = Image(np.zeros((6, 5, 4)), "XYZ", spacing=(0.1, 0.2, 3.0))
    assert image.canonical_spacing == (3.0, 0.2, 0.1)
    assert image.spatial_shape == (4, 5, 6)


def test_a_plane_drops_depth_from_axes_and_spacing():
    plane = Image(numbered("YZX"), "YZX", spacing=(0.2, 3.0, 0.1)).plane(2)
    assert (plane.axes, plane.spacing, plane.ndim) == ("YX", (0.2, 0.1), 2)
    assert np.array_equal(plane.array, numbered("YZX")[:, 2])


def test_a_frame_drops_time_and_keeps_the_rest():
    frame = Image(numbered("ZTYX"), "ZTYX", spacing=(3, 1, 1)).frame(1)
    assert (frame.axes, frame.n_frames) == ("ZYX", 1)
    assert np.array_equal(frame.array, numbered("ZTYX")[:, 1])


def test_an_image_without_the_axis_is_its_own_frame_and_plane():
    image = Image(np.zeros((4, 5)), "YX")
    assert image.frame(0) is image
    assert image.plane(0) is image


def test_the_description_names_sizes_voxel_and_dtype():
    text = Image(np.zeros((3, 4, 5), np.uint8), "ZYX", spacing=(2, 0.5, 0.5), unit="um").describe()
    assert text == "Z 3 × Y 4 × X 5 · voxel size 2 × 0.5 × 0.5 um · uint8"


@pytest.mark.parametrize(
    ("array", "axes", "spacing", "words"),
    [
        (np.zeros((0, 4)), "YX", (), "is empty"),
        (np.zeros((4, 4), complex), "YX", (), "complex128"),
        (np.zeros((4, 4)), "YX", (1.0,), "pixel size"),
        (np.zeros((4, 4)), "YX", (1.0, 0.0), "pixel size"),
        (np.zeros((4, 4)), "YX", (1.0, float("nan")), "pixel size"),
        (np.zeros((4, 4)), "ZYX", (), "for an array of 2 dimensions"),
    ],
)
def test_what_cannot_be_an_image_is_refused_with_the_reason(array, axes, spacing, words):
    with pytest.raises(InputError, match=words):
        Image(array, axes, spacing)


@pytest.mark.parametrize(
    ("axes", "ndim", "words"),
    [("YQ", 2, "'YQ'"), ("YYX", 3, "at most once"), ("YX", 3, "3 dimensions"), ("ZX", 2, "an axis Y and an axis X")],
)
def test_axes_that_make_no_sense_are_refused(axes, ndim, words):
    with pytest.raises(InputError, match=words):
        check_axes(axes, ndim)


@pytest.mark.parametrize(
    ("shape", "rgb", "axes", "doubtful"),
    [
        ((20, 30), False, "YX", False),
        ((20, 30, 3), True, "YXC", False),
        ((9, 20, 30, 3), True, "ZYXC", False),
        ((2, 9, 20, 30, 3), True, "TZYXC", False),
        ((20, 30, 3), False, "YXC", False),
        ((20, 30, 40), False, "ZYX", True),
        ((20, 30, 40, 3), False, "ZYXC", True),
        ((3, 20, 30, 40), False, "CZYX", True),
        ((20, 3, 30, 40), False, "ZCYX", True),
        ((20, 20, 30, 40), False, "TZYX", True),
        ((2, 3, 20, 30, 40), False, "TCZYX", True),
    ],
)
def test_guessed_axes_fit_and_doubt_is_a_question(shape, rgb, axes, doubtful):
    guess, doubt = guess_axes(shape, rgb)
    assert guess == axes
    assert doubt.endswith("?") is doubtful
    check_axes(guess, len(shape))


@pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 4, 5, 6)])
def test_too_few_or_too_many_dimensions_cannot_be_guessed(shape):
    with pytest.raises(InputError, match=f"{len(shape)} dimensions"):
        guess_axes(shape)


def test_a_colour_image_has_three_dimensions():
    with pytest.raises(InputError, match="colour"):
        guess_axes((9, 11), rgb=True)
