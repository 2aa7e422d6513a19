"""Pictures of a result: outlines where labels change, any image, no crash on what is not a number."""

import numpy as np
import pytest

from napari_segplugin.viewer.pictures import OUTLINE, outlined, plane_of


def test_outlines_lie_on_the_objects_and_part_those_that_touch():
    labels = np.zeros((6, 8), int)
    labels[1:5, 1:4], labels[1:5, 4:7] = 1, 2
    drawn = (outlined(np.zeros((1, 6, 8)), labels) == OUTLINE).all(-1)
    wanted = labels > 0
    wanted[2:4, 2] = wanted[2:4, 5] = False
    assert np.array_equal(drawn, wanted)


def test_gray_becomes_gray_and_colour_stays_colour():
    gray = outlined(np.linspace(0, 1, 12).reshape(1, 3, 4), np.zeros((3, 4), int))
    assert gray[0, 0].tolist() == [0, 0, 0]
    assert gray[-1, -1].tolist() == [255, 255, 255]
    colour = np.zeros((3, 4, 4))
    colour[1] = 1
    assert outlined(colour, np.zeros((4, 4), int))[0, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize("image", [np.full((1, 3, 3), np.nan), np.ones((2, 3, 3)), np.full((1, 3, 3), np.inf)])
def test_constant_and_broken_images_give_a_picture(image):
    assert outlined(image, np.ones((3, 3), int)).shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("shape", "plane"), [((4, 5), (4, 5)), ((3, 4, 5), (4, 5)), ((4, 1, 5), (4, 5)), ((1, 4, 1), (1, 4))]
)
def test_a_volume_shows_one_plane(shape, plane):
    assert plane_of(np.zeros(shape)).shape == plane
