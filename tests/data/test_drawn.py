"""Drawn regions: which pixels lie inside, which boxes are looked at, and what cannot be drawn."""

import numpy as np
import pytest

from napari_segplugin.core import InputError
from napari_segplugin.data.drawn import Outline, box_of, boxes_around, centres_inside, inside, through_planes

SQUARE = np.array([(2, 2), (2, 8), (8, 8), (8, 2)], float)


def test_the_inside_is_that_of_another_program():
    """Shapely decides for the middle of each pixel; none lies on the line."""
    shapely = pytest.importorskip("shapely")
    corners = np.array([(1.3, 2.2), (3.7, 17.4), (11.6, 9.1), (17.2, 16.3), (14.4, 1.8)])
    there = Outline(corners).mask((slice(0, 20), slice(0, 20)))
    middles = np.argwhere(np.ones((20, 20), bool))
    expected = shapely.contains_xy(shapely.Polygon(corners), *middles.T)
    np.testing.assert_array_equal(there.ravel(), expected)


def test_a_window_sees_its_part_of_the_inside():
    outlines = [Outline(SQUARE), Outline(SQUARE + np.array([6, 9]))]
    whole = inside(outlines, (slice(0, 20), slice(0, 20)))
    assert whole.sum() == 98
    np.testing.assert_array_equal(inside(outlines, (slice(5, 12), slice(4, 19))), whole[5:12, 4:19])


def test_what_lies_beyond_the_image_is_cut_off():
    assert box_of(Outline(SQUARE - 5), (20, 20), (3, 3)) == (slice(0, 7), slice(0, 7))
    assert box_of(Outline(SQUARE + 30), (20, 20)) is None
    assert inside([Outline(SQUARE - 5)], (slice(0, 20), slice(0, 20))).sum() == 16


def test_boxes_that_overlap_by_their_margins_become_one():
    outlines = [Outline(SQUARE), Outline(SQUARE + np.array([0, 9])), Outline(SQUARE + np.array([0, 40]))]
    assert len(boxes_around(outlines, (20, 60))) == 3
    assert boxes_around(outlines, (20, 60), (2, 2)) == [(slice(0, 11), slice(0, 20)), (slice(0, 11), slice(40, 51))]


def test_a_chain_of_boxes_becomes_one_in_any_order():
    outlines = [Outline(SQUARE + np.array([0, shift])) for shift in (0, 12, 6)]
    assert boxes_around(outlines, (20, 60)) == [(slice(2, 9), slice(2, 21))]


def test_outlines_over_each_other_go_through_the_planes_between():
    drawn = [Outline(SQUARE, (2, 3)), Outline(SQUARE + 3, (6, 7)), Outline(SQUARE + 30, (4, 5))]
    assert [o.planes for o in through_planes(drawn)] == [(2, 7), (2, 7), (4, 5)]
    found = inside(through_planes(drawn), (slice(0, 9), slice(0, 40), slice(0, 40)))
    assert np.flatnonzero(found[:, 3, 3]).tolist() == [2, 3, 4, 5, 6]
    assert np.flatnonzero(found[:, 35, 35]).tolist() == [4]


def test_an_outline_without_planes_goes_through_all():
    found = inside([Outline(SQUARE)], (slice(0, 3), slice(0, 10), slice(0, 10)))
    assert found.sum() == 3 * 49
    assert [o.planes for o in through_planes([Outline(SQUARE), Outline(SQUARE + 1, (2, 3))])] == [None, None]


def test_centres_of_time_points_are_looked_for_in_the_same_mask():
    labels = np.zeros((2, 10, 10), int)
    labels[0, 1:3, 1:3], labels[1, 1:3, 7:9] = 5, 9
    assert centres_inside(labels, np.array([5, 9]), np.arange(10)[None].repeat(10, 0) < 5).tolist() == [True, False]


def test_outlines_come_back_from_json():
    one = Outline(SQUARE + 0.25, (3, 5))
    two = Outline.from_json(one.to_json())
    np.testing.assert_array_equal(two.points, one.points)
    assert two.planes == (3, 5)


@pytest.mark.parametrize(
    "points",
    [[(0, 0), (1, 1)], [(0, 0), (0, 5), (0, 9)], [(0, 0), (np.nan, 5), (5, 9)], [(0, 0, 0)] * 4, np.zeros((0, 2))],
)
def test_what_encloses_nothing_is_a_sentence(points):
    with pytest.raises(InputError, match=r"encloses nothing.*Draw|encloses nothing.*draw"):
        Outline(np.array(points, float))


def test_planes_that_are_none_are_a_sentence():
    with pytest.raises(InputError, match="planes of a drawn region"):
        Outline(SQUARE, (4, 4))


@pytest.mark.parametrize("said", [None, 3, {"points": "here"}, {"points": [[1, 2]] * 3, "planes": [1]}, {}])
def test_json_of_something_else_is_a_sentence(said):
    with pytest.raises(InputError, match=r"not understood|encloses nothing"):
        Outline.from_json(said)


def test_regions_outside_of_the_image_are_a_sentence():
    with pytest.raises(InputError, match=r"No drawn region lies in the image.*20 × 20"):
        boxes_around([Outline(SQUARE + 30)], (20, 20))
