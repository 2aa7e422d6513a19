"""Outlines without stairs: valid, within the tolerance, and the borders of neighbors stay together."""

import numpy as np
import pytest
import shapely
from scipy import ndimage

from napari_segplugin.io.outlines import outlines
from napari_segplugin.io.simplify import pieces_of


def classes(seed, shape=(150, 170), count=4, width=5.0):
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    return ndimage.gaussian_filter(noise, (0, width, width)).argmax(0)


def disk(radius):
    y, x = np.mgrid[-radius - 2 : radius + 3, -radius - 2 : radius + 3]
    return (y**2 + x**2 <= radius**2).astype(int)


def shapes_of(labels, tolerance=0.5, smallest=0.0):
    return [shapely.Polygon(p.shape.exterior, p.shape.holes) for p in pieces_of(labels, tolerance, smallest)]


CASES = {
    "smooth": classes(0),
    "fine": classes(1, width=1.0),
    "noise": np.random.default_rng(2).integers(0, 4, (60, 70)),
    "crosswise": np.indices((9, 9)).sum(0) % 2 + 1,
    "crosswise on background": np.indices((9, 9)).sum(0) % 2,
    "islands": classes(3) * (np.random.default_rng(3).random((150, 170)) > 0.02),
    "lines": np.eye(40, dtype=int) + 2 * np.eye(40, k=1, dtype=int),
    "single pixels": np.pad(np.arange(1, 5).reshape(2, 2), 1),
}


# faults of others: rings that cross themselves (https://github.com/digitalpathologybern/hover_next_inference/issues/26), and gaps
# between neighbors (https://github.com/geopandas/geopandas/issues/2402)
@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", CASES)
def test_polygons_are_valid_and_neighbors_stay_together(name, tolerance):
    labels = CASES[name]
    found, exact = shapes_of(labels, tolerance), shapes_of(labels, 0)
    assert len(found) == len(exact) > 0
    assert shapely.is_valid(found).all()
    # neither overlaps nor gaps: pieces that fill the plane still fill it
    if tolerance <= 1 or (labels > 0).all():
        overlap = sum(p.area for p in found) - shapely.union_all(found).area
        assert overlap <= 0.002 * sum(p.area for p in exact)
    if (labels > 0).all():
        corner = 4 * 0.5 + 1e-6  # half a pixel at each corner of the plane
        assert shapely.union_all(found).area >= labels.size - corner


@pytest.mark.parametrize("tolerance", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("name", CASES)
def test_no_outline_leaves_its_pixels_by_more_than_the_tolerance(name, tolerance):
    for new, old in zip(shapes_of(CASES[name], tolerance), shapes_of(CASES[name], 0), strict=True):
        assert new.exterior.hausdorff_distance(old.exterior) <= tolerance + 0.5 + 1e-9


def test_nothing_is_lost_without_a_tolerance():
    for piece, polygon in zip(pieces_of(CASES["islands"]), outlines(CASES["islands"]), strict=True):
        assert piece.pixels == polygon.area
        np.testing.assert_array_equal(piece.shape.exterior, polygon.exterior)
        assert len(piece.shape.holes) == len(polygon.holes)


@pytest.mark.parametrize("name", ["smooth", "fine", "islands"])
def test_holes_are_kept_and_areas_count_pixels(name):
    found = pieces_of(CASES[name], 0.5)
    exact = outlines(CASES[name])
    assert [len(p.shape.holes) for p in found] == [len(p.holes) for p in exact]
    assert [p.pixels for p in found] == [p.area for p in exact]
    assert sum(p.pixels for p in found) == np.count_nonzero(CASES[name])


@pytest.mark.parametrize("angle", [0, 5, 17, 30, 45, 60, 88])
def test_a_slope_is_a_line_and_a_right_angle_stays_one(angle):
    """A rectangle of 60 × 20 pixels at any angle: few corners, and the right area."""
    y, x = np.mgrid[-50:50, -50:50] + 0.5
    a = np.radians(angle)
    along, across = np.cos(a) * x + np.sin(a) * y, np.cos(a) * y - np.sin(a) * x
    labels = ((np.abs(along) < 30) & (np.abs(across) < 10)).astype(int)
    (piece,) = pieces_of(labels, 0.5)
    shape = shapely.Polygon(piece.shape.exterior)
    assert len(piece.shape.exterior) <= 14
    if angle == 0:
        assert len(piece.shape.exterior) == 4
        assert shape.area == piece.pixels
    assert shape.area == pytest.approx(piece.pixels, rel=0.025)


def test_a_circle_keeps_area_and_middle():
    (piece,) = pieces_of(disk(40), 0.5)
    shape = shapely.Polygon(piece.shape.exterior)
    assert len(piece.shape.exterior) < len(outlines(disk(40))[0].exterior) / 3
    assert shape.area == pytest.approx(piece.pixels, rel=0.01)
    assert shape.centroid.distance(shapely.Point(42.5, 42.5)) < 0.3


def test_small_parts_are_left_out():
    labels = np.zeros((20, 20), int)
    labels[1:3, 1:3] = labels[5:9, 5:9] = 1
    labels[12:15, 12:16] = 2
    assert [(p.label, p.pixels) for p in pieces_of(labels, 0.5, 5)] == [(1, 16), (2, 12)]
    assert [p.pixels for p in pieces_of(labels, 0, 16)] == [16]
    assert pieces_of(labels, 0.5, 17) == []
    assert pieces_of(np.zeros((4, 4), int), 0.5) == []
