"""Shapes over an image become outlines in its pixels."""

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_segplugin.core import InputError
from napari_segplugin.data.drawn import inside
from napari_segplugin.viewer.outlines import outlines_of

BOX = np.array([(4.6, 5.6), (4.6, 20.4), (15.4, 20.4), (15.4, 5.6)])


def on(plane, corners=BOX):
    return np.column_stack([np.full(len(corners), plane), corners])


@pytest.mark.parametrize("kind", ["rectangle", "polygon", "ellipse"])
def test_the_inside_is_that_which_napari_fills(kind):
    shapes = Shapes([BOX], shape_type=kind)
    found = inside(outlines_of(shapes, Image(np.zeros((30, 30))), "YX"), (slice(0, 30), slice(0, 30)))
    filled = shapes.to_masks((30, 30))[0]
    assert filled.any()
    # napari draws an ellipse as a polygon of its own
    assert (found != filled).sum() <= (0 if kind != "ellipse" else 4)


def test_a_turned_ellipse_stays_turned():
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    corners = (BOX - BOX.mean(0)) @ turn.T + [20, 20]
    shapes = Shapes([corners], shape_type="ellipse")
    found = inside(outlines_of(shapes, Image(np.zeros((40, 40))), "YX"), (slice(0, 40), slice(0, 40)))
    assert (found != shapes.to_masks((40, 40))[0]).sum() <= 4


def test_shapes_in_a_volume_know_their_planes():
    image = Image(np.zeros((9, 30, 30)))
    found = outlines_of(Shapes([on(2), on(6.4)], shape_type="polygon"), image, "ZYX")
    assert [o.planes for o in found] == [(2, 3), (6, 7)]
    np.testing.assert_allclose(found[0].points, BOX)


def test_a_flat_shape_on_a_volume_goes_through_all_planes():
    assert outlines_of(Shapes([BOX]), Image(np.zeros((9, 30, 30))), "ZYX")[0].planes is None


def test_the_time_does_not_matter_and_axes_may_lie_in_any_order():
    film = Image(np.zeros((5, 30, 30)))
    assert outlines_of(Shapes([on(3)]), film, "TYX")[0].planes is None
    found = outlines_of(Shapes([BOX[:, ::-1]]), Image(np.zeros((30, 30))), "XY")[0]
    np.testing.assert_allclose(found.points, BOX)
    channels = Image(np.zeros((2, 9, 30, 30)))
    assert outlines_of(Shapes([np.column_stack([np.zeros(4), on(4)])]), channels, "CZYX")[0].planes == (4, 5)


@pytest.mark.parametrize("kind", ["line", "path"])
def test_what_encloses_nothing_is_a_sentence(kind):
    with pytest.raises(InputError, match="encloses nothing"):
        outlines_of(Shapes([BOX[:2]], shape_type=kind), Image(np.zeros((30, 30))), "YX")


def test_nothing_drawn_and_another_view_are_sentences():
    with pytest.raises(InputError, match="No region is drawn"):
        outlines_of(Shapes(ndim=2), Image(np.zeros((30, 30))), "YX")
    sideways = np.array([(1, 10, 4), (1, 10, 20), (7, 10, 20), (7, 10, 4)], float)
    with pytest.raises(InputError, match="another view"):
        outlines_of(Shapes([sideways], shape_type="polygon"), Image(np.zeros((9, 30, 30))), "ZYX")
