"""Outlines are exact: the mask comes back, rings are simple, holes belong to their object."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from scipy import ndimage

from napari_segplugin.io.outlines import fill_rings, outlines


def test_a_square_with_a_hole_by_hand() -> None:
    labels = np.zeros((5, 5), int)
    labels[1:4, 1:4] = 7
    labels[2, 2] = 0
    (polygon,) = outlines(labels)
    assert polygon.label == 7
    assert polygon.exterior.tolist() == [[1, 1], [4, 1], [4, 4], [1, 4]]
    assert sorted(polygon.holes[0].tolist()) == [[2, 2], [2, 3], [3, 2], [3, 3]]
    assert polygon.area == 8


def test_pixels_that_touch_at_a_corner_are_two_polygons() -> None:
    assert [p.exterior.tolist()[0] for p in outlines(np.array([[4, 0], [0, 4]]))] == [[0, 0], [1, 1]]


def test_a_ring_closed_at_a_corner_has_a_hole_and_no_point_twice() -> None:
    labels = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    (polygon,) = outlines(labels)
    assert len(polygon.holes) == 1
    assert len(np.unique(polygon.exterior, axis=0)) == len(polygon.exterior)


def test_no_object_no_polygon() -> None:
    assert outlines(np.zeros((3, 4), int)) == []


@settings(max_examples=60, deadline=None)
@given(nst.arrays(np.int64, nst.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3)))
def test_the_mask_comes_back(labels: np.ndarray) -> None:
    labels = labels * 70000
    back = np.zeros_like(labels)
    for polygon in outlines(labels):
        inside = fill_rings(polygon.rings, labels.shape)
        assert not back[inside].any()
        assert polygon.area == inside.sum()
        assert ndimage.label(inside)[1] == 1
        for ring in polygon.rings:
            assert len(np.unique(ring, axis=0)) == len(ring)
            steps = np.abs(np.diff(np.vstack([ring, ring[:1]]), axis=0))
            assert (steps.min(axis=1) == 0).all(), "rings run along the edges of pixels"
            assert (steps.max(axis=1) > 0).all()
        back[inside] = polygon.label
    assert np.array_equal(back, labels)
