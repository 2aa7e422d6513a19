"""Bands as colors."""

import numpy as np
import pytest

from napari_segplugin.core import Image, InputError
from napari_segplugin.data.composite import band_names, composite, usual_bands


def bands(dtype, axes="CYX", low=3, high=90):
    array = np.stack([np.linspace(low, high, 40 * 50).reshape(40, 50) * (i + 1) for i in range(4)]).astype(dtype)
    return np.moveaxis(array, 0, axes.index("C"))


@pytest.mark.parametrize("axes", ["CYX", "YXC"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_each_band_is_stretched_on_its_own(dtype, axes):
    found = composite(Image(bands(dtype, axes), axes), (3, 1, 0))
    assert (found.dtype, found.shape) == (np.uint8, (3, 40, 50))
    assert found.reshape(3, -1).min(axis=1).tolist() == [0, 0, 0]
    assert found.reshape(3, -1).max(axis=1).tolist() == [255, 255, 255]
    assert abs(found[0].astype(int) - found[2]).max() <= 4  # the same ramp, four times as bright


def test_bytes_are_shown_as_they_are_and_true_is_white():
    array = bands(np.uint8, high=60)
    np.testing.assert_array_equal(composite(Image(array, "CYX"), (3, 0, 1)), array[[3, 0, 1]])
    assert composite(Image(array > 50, "CYX"), (0, 1, 2)).max() == 255


def test_a_volume_has_colors_in_each_plane():
    array = np.repeat(bands(np.uint16)[:, None], 3, axis=1)
    assert composite(Image(array, "CZYX"), (0, 1, 2)).shape == (3, 3, 40, 50)


@pytest.mark.parametrize(("dtype", "nodata"), [(np.uint8, 0), (np.float32, -9999)])
def test_no_data_is_black_and_does_not_set_the_contrast(dtype, nodata):
    array = bands(dtype, high=60)
    want = composite(Image(array[:, :, 25:], "CYX"), (0, 1, 2))
    array[:, :, :25] = nodata
    found = composite(Image(array, "CYX", metadata={"nodata": nodata}), (0, 1, 2))
    assert not found[:, :, :25].any()
    np.testing.assert_array_equal(found[:, :, 25:], want)


def test_bands_have_names_and_usual_colors():
    image = Image(bands(np.uint8), "CYX", metadata={"bands": ["blue", "green", "red"]})
    assert band_names(image) == ("blue", "green", "red", "band 4")
    assert usual_bands(image) == (2, 1, 0)
    assert usual_bands(Image(np.zeros((2, 4, 5)), "CYX")) == (0, 1, 1)
    assert band_names(Image(np.zeros((4, 5)), "YX", metadata={"bands": "red"})) == ("band 1",)


@pytest.mark.parametrize("wrong", [(0, 1), (0, 1, 4), (0, -1, 2), (0, 1, 2, 3)])
def test_bands_that_are_not_there(wrong):
    with pytest.raises(InputError, match="from 0 to 3"):
        composite(Image(bands(np.uint8), "CYX"), wrong)
