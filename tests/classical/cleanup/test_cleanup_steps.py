"""Clean-up steps on arrays written by hand."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure, morphology

from napari_segplugin.classical import run_cleanup
from napari_segplugin.classical.cleanup.split import join_shallow
from napari_segplugin.classical.cleanup.steps import ball
from napari_segplugin.core import InputError


def rows(*lines):
    return np.array([[int(c) for c in line] for line in lines], np.int32)


def text(labels):
    return ["".join(str(v) for v in row) for row in labels]


def test_small_pieces_of_a_mask_go():
    mask = rows("1100010", "1100000", "0000111")
    assert text(run_cleanup("remove_small", mask, size=3)) == ["1100000", "1100000", "0000111"]
    assert text(run_cleanup("remove_small", mask, size=4)) == ["1100000", "1100000", "0000000"]


def test_the_size_of_an_object_is_that_of_all_its_pieces_and_of_a_class_that_of_one():
    labels = rows("1010", "0000", "2222")
    assert run_cleanup("remove_small", labels, size=2, objects=True).max(initial=0) == 2
    assert (run_cleanup("remove_small", labels, size=2, objects=True) == labels).all()
    assert text(run_cleanup("remove_small", labels, size=2)) == ["0000", "0000", "2222"]


def test_small_may_mean_small_beside_the_others():
    labels = rows("1111022220", "1111022220", "0000000003")
    assert text(run_cleanup("remove_small", labels, size=0, share=0.5, objects=True))[2] == "0000000000"
    assert (run_cleanup("remove_small", labels, size=0, objects=True) == labels).all()


def test_the_largest_of_each_class_stay():
    labels = rows("110100", "000000", "222022")
    assert text(run_cleanup("keep_largest", labels)) == ["110000", "000000", "222000"]
    assert text(run_cleanup("keep_largest", labels, objects=True)) == ["000000", "000000", "222022"]
    assert (run_cleanup("keep_largest", labels, count=2) == labels).all()


def test_holes_are_filled_with_what_encloses_them():
    labels = rows("11110222", "10010202", "11110222")
    assert text(run_cleanup("fill_holes", labels)) == ["11110222", "11110222", "11110222"]
    assert text(run_cleanup("fill_holes", labels, size=1)) == ["11110222", "10010222", "11110222"]


def test_a_hole_between_two_objects_and_a_bay_stay():
    labels = rows("1122", "1002", "1122", "1000", "1110")
    assert (run_cleanup("fill_holes", labels, objects=True) == labels).all()


def test_holes_of_a_mask_are_those_of_scipy():
    mask = ndimage.gaussian_filter(np.random.default_rng(0).random((60, 60)), 1.5) > 0.5
    assert np.array_equal(run_cleanup("fill_holes", mask), ndimage.binary_fill_holes(mask))


def test_a_tunnel_is_a_hole_plane_by_plane_only():
    tube = np.ones((3, 5, 5), np.int32)
    tube[:, 2, 2] = 0
    assert not run_cleanup("fill_holes", tube)[1, 2, 2]
    assert run_cleanup("fill_holes", tube, planes=True).all()


@pytest.mark.parametrize(("step", "want"), [("open", morphology.opening), ("close", morphology.closing)])
@pytest.mark.parametrize("radius", [1, 3, 14])
def test_open_and_close_are_those_of_scikit_image(step, want, radius):
    mask = np.zeros((90, 90), bool)
    noise = ndimage.gaussian_filter(np.random.default_rng(1).random((50, 50)), 2) > 0.5
    mask[20:70, 20:70] = noise  # away from the border, where conventions differ
    assert np.array_equal(run_cleanup(step, mask, radius=radius).astype(bool), want(mask, ball(radius, (1.0, 1.0))))


def test_closing_takes_nothing_from_another_object():
    labels = rows("1110222", "1110222", "1110222")
    done = run_cleanup("close", labels, radius=2, objects=True)
    assert set(np.unique(done[:, 3])) <= {0, 1, 2}
    assert (done[labels > 0] == labels[labels > 0]).all()


def test_opening_cuts_a_bridge():
    mask = rows("1110000111", "1111111111", "1110000111")
    assert text(run_cleanup("open", mask, radius=1.5))[1] in ("1110000111",)


def test_a_ball_is_round_in_space():
    assert ball(4, (2.0, 1.0, 1.0)).shape == (5, 9, 9)
    assert ball(1.5, (1.0, 1.0)).sum() == 9


def test_smoothing_takes_a_spike_and_keeps_the_rest():
    mask = np.zeros((30, 30), np.int32)
    mask[8:22, 8:22] = 1
    mask[14, 22:27] = 1
    done = run_cleanup("smooth", mask, radius=2)
    assert not done[14, 24:].any()
    assert done[10:20, 10:20].all()
    assert (run_cleanup("smooth", mask, radius=0) == mask).all()


def test_what_the_border_cuts_goes():
    labels = rows("1100000", "1102200", "0002200", "0000003")
    assert text(run_cleanup("clear_border", labels)) == ["0000000", "0002200", "0002200", "0000000"]
    assert not run_cleanup("clear_border", labels, margin=1).any()


def test_the_ends_of_a_stack_are_border_when_asked():
    stack = np.zeros((3, 6, 6), np.int32)
    stack[0, 2:4, 2:4] = 1
    assert run_cleanup("clear_border", stack).any()
    assert not run_cleanup("clear_border", stack, ends=True).any()


def test_pieces_get_numbers_of_their_own():
    labels = rows("1102", "0020", "1000")
    assert text(run_cleanup("label", labels)) == ["1103", "0040", "2000"]
    assert run_cleanup("label", labels, diagonal=True).max() == 3
    again = run_cleanup("label", labels, objects=True)
    assert measure.label(labels, connectivity=1, background=0).max() == again.max()


def two_discs(distance=18, radius=11, shape=(40, 60)):
    y, x = np.indices(shape)
    return ((y - 20) ** 2 + (x - 20) ** 2 <= radius**2) | ((y - 20) ** 2 + (x - 20 - distance) ** 2 <= radius**2)


def test_touching_discs_come_apart_at_the_neck():
    mask = two_discs()
    done = run_cleanup("split_touching", mask)
    assert done.max() == 2
    assert np.array_equal(done > 0, mask)
    cut = np.flatnonzero(np.diff(done[20, 12:48]))
    assert cut.size == 1
    assert abs(int(cut[0]) + 12 - 28.5) <= 1.5


def test_one_disc_and_a_bar_stay_whole():
    assert run_cleanup("split_touching", two_discs(0)).max() == 1
    bar = np.zeros((20, 60), np.int32)
    bar[6:13, 5:55] = 1
    assert run_cleanup("split_touching", bar).max() == 1


@pytest.mark.parametrize("settings", [{"depth": 20.0}, {"share": 0.9}])
def test_deep_necks_only(settings):
    assert run_cleanup("split_touching", two_discs(), **settings).max() == 1


def test_objects_are_split_by_themselves():
    labels = two_discs().astype(np.int32)
    labels[:, 45:] *= 3
    done = run_cleanup("split_touching", labels, objects=True)
    assert done[20, 20] != done[20, 38]
    assert len(set(np.unique(done[labels == 3])) & set(np.unique(done[labels == 1]))) == 0


def test_a_ball_in_flat_voxels_is_one_object():
    grid = np.indices((11, 31, 31))
    z, y, x = (g - c for g, c in zip(grid, (5, 15, 15), strict=True))
    mask = (3 * z) ** 2 + y**2 + x**2 <= 12**2
    assert run_cleanup("split_touching", mask, spacing=(3.0, 1.0, 1.0)).max() == 1


def test_a_dark_line_splits_where_the_shape_does_not():
    mask = np.zeros((24, 44), np.int32)
    mask[4:20, 4:40] = 1
    image = np.full((1, 24, 44), 100, np.float32)
    image[:, :, 21:23] = 20
    assert run_cleanup("split_touching", mask, image=image).max() == 1
    assert run_cleanup("split_touching", mask, image=image, brightness=1.0).max() == 2
    with pytest.raises(InputError, match="Splitting by brightness needs the image"):
        run_cleanup("split_touching", mask, brightness=1.0)


def test_valleys_are_joined_from_the_highest():
    tops = np.array([0, 10.0, 9.0, 8.0])
    pairs, saddles = np.array([[1, 2], [2, 3]]), np.array([8.5, 3.0])
    assert join_shallow(tops, pairs, saddles, 1.0, 0.0).tolist() == [0, 1, 1, 3]
    assert join_shallow(tops, pairs, saddles, 0.0, 0.0).tolist() == [0, 1, 2, 3]
    assert join_shallow(tops, pairs, saddles, 0.0, 0.7).tolist() == [0, 1, 1, 1]


def test_tightening_cuts_each_object_at_its_own_half_height():
    profile = np.array([0, 0, 30, 70, 100, 70, 30, 0, 0, 3, 7, 10, 7, 3, 0, 0], np.float32)
    image = np.tile(profile, (3, 1))[None]
    labels = np.tile((profile > 0).astype(np.int32), (3, 1))
    done = run_cleanup("tighten", labels, image=image, smooth=0, top=1)
    assert text(done)[0] == "0001110000111000"
    dark = run_cleanup("tighten", labels, image=100 - image, smooth=0, top=1)
    assert np.array_equal(dark, done)


def test_tightening_needs_the_image_and_one_that_fits():
    labels = rows("010", "111", "010")
    with pytest.raises(InputError, match="Tightening needs the image"):
        run_cleanup("tighten", labels)
    with pytest.raises(InputError, match="do not fit the image"):
        run_cleanup("tighten", labels, image=np.zeros((1, 4, 4)))
