"""Edges: slopes by hand, Canny against scikit-image, contours of known shapes."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import feature

from napari_segplugin.classical import run_technique
from napari_segplugin.classical.edges.contours import fill_contours
from napari_segplugin.classical.edges.edges import gradient, linked, thinned
from napari_segplugin.classical.shared.smoothing import gaussian
from napari_segplugin.io import load_sample

ONE = (1.0, 1.0)


def disc(shape=(60, 64), at=(28, 30), radius=15):
    grid = np.indices(shape)
    return sum((g - c) ** 2 for g, c in zip(grid, at, strict=True)) <= radius**2


@pytest.mark.parametrize("operator", ["sobel", "scharr", "prewitt"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slope_of_a_ramp_is_its_step(operator, axis):
    ramp = np.moveaxis(np.broadcast_to(np.arange(7.0, dtype=np.float32) * 3, (7, 7, 7)), -1, axis)
    slopes, magnitude = gradient(np.ascontiguousarray(ramp), operator, (1.0, 1.0, 1.0))
    assert magnitude[3, 3, 3] == pytest.approx(3)
    assert slopes[axis][3, 3, 3] == pytest.approx(3)


def test_a_slope_is_taken_in_space():
    ramp = np.broadcast_to(np.arange(7.0, dtype=np.float32)[:, None, None], (7, 7, 7))
    # planes lie four voxel lengths apart, so the image rises by a quarter a voxel length
    assert gradient(np.ascontiguousarray(ramp), "sobel", (2.0, 0.5, 0.5))[1][3, 3, 3] == pytest.approx(0.25)


def test_operators_are_those_of_scipy():
    image = np.random.default_rng(0).random((20, 21)).astype(np.float32)
    slopes, _ = gradient(image, "sobel", ONE)
    assert slopes[0] == pytest.approx(ndimage.sobel(image, 0, mode="nearest") / 8, abs=1e-6)
    assert slopes[1] == pytest.approx(ndimage.sobel(image, 1, mode="nearest") / 8, abs=1e-6)


def test_thin_linked_edges_are_those_of_canny():
    image = np.asarray(load_sample("nuclei2d").image.array, np.float32)
    values = gaussian(image, 2, ONE)
    slopes, magnitude = gradient(values, "sobel", ONE)
    strong = float(np.quantile(magnitude, 0.9))
    ours = linked(thinned(slopes, magnitude, 0.5 * strong, ONE), magnitude, strong)
    theirs = feature.canny(image, 2, 8 * 0.5 * strong, 8 * strong, mode="nearest")
    assert (ours & theirs).sum() > 0.93 * max(ours.sum(), theirs.sum())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("canny", {}),
        ("gradient", {}),
        ("gradient", {"operator": "scharr", "thin": False}),
        ("zero_crossings", {}),
    ],
)
@pytest.mark.parametrize("fill", ["bright", "enclosed"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_bright_ball_is_found(name, settings, fill, ndim):
    truth = disc() if ndim == 2 else disc((30, 34, 36), (14, 16, 17), 9)
    image = (100 * truth + np.random.default_rng(0).normal(0, 2, truth.shape)).astype(np.float32)[None]
    found = run_technique(name, image, fill=fill, **settings).astype(bool)
    assert (found & truth).sum() / (found | truth).sum() > 0.97


def test_a_line_is_one_voxel_wide():
    image = np.zeros((1, 20, 40), np.float32)
    image[..., 20:] = 50
    line = run_technique("canny", image, fill="none")
    assert (line[5:-5].sum(axis=1) == 1).all()
    assert np.flatnonzero(line[10]).item() in (19, 20)


def test_dark_objects_and_those_at_the_border():
    image = np.full((1, 40, 40), 200, np.float32)
    image[0, 10:30, :12] = 50
    dark = run_technique("canny", image, fill="dark").astype(bool)
    assert dark[20, 3]
    assert not dark[20, 30]
    bright = run_technique("canny", image, fill="bright").astype(bool)
    assert bright[20, 30]
    assert not bright[20, 3]
    assert not run_technique("canny", image, fill="enclosed").any()  # it is open at the border


def test_a_gap_in_a_contour_is_closed():
    ring = disc((40, 40), (20, 20), 12) & ~disc((40, 40), (20, 20), 10.6)
    ring[20, 30:33] = False
    flat = np.zeros(ring.shape, np.float32)
    assert not fill_contours(ring, flat, ONE, 0, "enclosed").any()
    assert fill_contours(ring, flat, ONE, 4, "enclosed")[20, 20] == 1


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_gap_as_long_as_it_may_be_is_closed_in_a_straight_line(length):
    frame = np.zeros((24, 30), bool)
    frame[[4, 19], 4:26] = frame[4:20, [4, 25]] = True
    frame[4, 12 : 12 + length] = False
    flat = np.zeros(frame.shape, np.float32)
    found = fill_contours(frame, flat, ONE, 4, "enclosed")
    assert found[10, 15] == 1
    assert found[5:19, 5:25].sum() >= 14 * 20 - length
    assert not found[:3].any()


def test_what_is_smaller_than_a_gap_stays_a_part():
    ring = disc((20, 20), (10, 10), 3) & ~disc((20, 20), (10, 10), 1)
    assert fill_contours(ring, np.zeros(ring.shape, np.float32), ONE, 8, "enclosed")[10, 10] == 1


def test_no_edges_give_no_regions():
    flat = np.zeros((8, 8), np.float32)
    assert not fill_contours(flat > 0, flat, ONE, 2, "bright").any()
