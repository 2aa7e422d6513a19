"""What is measured of all objects at once, against values worked out by hand and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops_table

from napari_segplugin.data.missed import missed
from napari_segplugin.data.outline_jumps import outline_planes
from napari_segplugin.data.signs import Scene, joined, measured, renumbered


def blobs(seed: int = 0, shape: tuple[int, ...] = (90, 110)) -> np.ndarray:
    """Irregular objects with gaps in their numbers, some touching, some at the border."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int64)
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    for number in (3, 4, 9, 12, 40, 41):
        middle, radii = [rng.uniform(0, n) for n in shape], rng.uniform(4, 14, len(shape))
        labels[sum(((g - m) / r) ** 2 for g, m, r in zip(grids, middle, radii, strict=True)) <= 1] = number
    return labels


def test_size_and_axes_are_those_of_scikit_image() -> None:
    labels = blobs()
    found = measured(Scene.of(labels))
    table = regionprops_table(labels, properties=("label", "area", "axis_major_length", "axis_minor_length"))
    assert found.number.tolist() == table["label"].tolist()
    np.testing.assert_array_equal(found.size, table["area"])
    # scikit-image takes a pixel for a point; one of width 1 has a variance of 1/12
    long, short = (np.sqrt((table[f"axis_{k}_length"] / 4) ** 2 + 1 / 12) for k in ("major", "minor"))
    np.testing.assert_allclose(found.length, long / short, rtol=1e-9)
    np.testing.assert_allclose(found.fill, table["area"] / (4 * np.pi * long * short), rtol=1e-9)


def test_voxels_that_are_no_cubes_count_by_their_size() -> None:
    labels = np.zeros((9, 30, 30), np.int32)
    z, y, x = np.ogrid[:9, :30, :30]
    labels[(3 * (z - 4)) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= 100] = 1
    found = measured(Scene.of(labels, None, (3.0, 1.0, 1.0)))
    assert found.length[0] == pytest.approx(1, abs=0.06)
    assert found.fill[0] == pytest.approx(1, abs=0.03)
    assert found.size[0] == (labels > 0).sum() * 3
    assert measured(Scene.of(labels)).length[0] > 2


def test_a_turned_volume_has_the_same_measures() -> None:
    labels = blobs(1, (24, 40, 32))
    image = np.random.default_rng(0).normal(100, 3, labels.shape) + 50 * (labels > 0)
    one = measured(Scene.of(labels, image, (2.0, 1.0, 0.5)))
    other = measured(Scene.of(labels.transpose(2, 0, 1), image.transpose(2, 0, 1), (0.5, 2.0, 1.0)))
    for name in ("size", "fill", "length", "contact", "partner", "cut", "contrast", "spill", "hollow"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, err_msg=name)


def test_a_neck_and_a_contact_by_hand() -> None:
    labels = np.zeros((40, 90), np.int32)
    y, x = np.ogrid[:40, :90]
    for middle in (15, 31):
        labels[(y - 20) ** 2 + (x - middle) ** 2 <= 81] = 1
    labels[15:25, 60:70], labels[15:25, 70:75] = 2, 3
    found = measured(Scene.of(labels))
    spread = np.cov(np.argwhere(labels == 1).T, ddof=0) + np.eye(2) / 12
    assert found.fill[0] == pytest.approx((labels == 1).sum() / (4 * np.pi * np.sqrt(np.linalg.det(spread))))
    assert found.fill[0] < 0.95
    # a rectangle: a b / (4 pi sqrt(a² / 12 · b² / 12)) = 3 / pi
    assert found.fill[1] == pytest.approx(3 / np.pi)
    assert found.partner.tolist() == [0, 3, 2]
    # ten pixel sides, over the root of the area of the smaller one
    assert found.contact.tolist() == pytest.approx([0, 10 / np.sqrt(50), 10 / np.sqrt(50)])


def test_the_longest_contact_counts() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:10], labels[5:7, 10:12], labels[8:15, 10:15] = 1, 2, 3
    found = measured(Scene.of(labels))
    assert found.partner.tolist()[0] == int(np.array([2, 3])[np.argmax([2 / 2, 7 / np.sqrt(35)])])
    assert found.contact[0] == pytest.approx(max(2 / 2, 7 / np.sqrt(35)))


def test_what_the_border_cuts_and_an_axis_of_one() -> None:
    labels = np.zeros((1, 12, 12), np.int32)
    labels[0, 0:3, 5:8], labels[0, 6:9, 6:9] = 1, 2
    found = measured(Scene.of(labels))
    assert found.cut.tolist() == [True, False]
    np.testing.assert_allclose(found.fill, measured(Scene.of(labels[0])).fill)


@pytest.mark.parametrize("sign", [1, -1])
def test_light_by_hand(sign: int) -> None:
    labels = np.zeros((60, 60), np.int32)
    image = np.full((60, 60), 100.0)
    labels[10:20, 10:20] = 1
    image[10:20, 10:20] += 50 * sign
    labels[10:20, 30:40] = 2  # goes on beyond its outline
    image[10:20, 30:50] += 50 * sign
    labels[35:45, 10:20] = 3  # the lower half is background
    image[35:40, 10:20] += 50 * sign
    image[50, 50] = np.nan
    found = measured(Scene.of(labels, image))
    assert found.contrast[0] == pytest.approx(50, abs=1)
    assert found.spill[0] < 0.05 < 0.15 < found.spill[1]
    assert found.hollow[0] < 0.05
    assert found.hollow[2] == pytest.approx(0.5, abs=0.1)


def test_without_an_image_and_without_objects() -> None:
    labels = np.zeros((8, 8), np.int32)
    assert len(measured(Scene.of(labels)).number) == 0
    assert len(measured(Scene.of(labels, np.ones((8, 8)))).number) == 0
    labels[2:5, 2:5] = 7
    found = measured(Scene.of(labels))
    assert np.isnan(found.contrast).all()
    assert np.isfinite(measured(Scene.of(labels, np.full((8, 8), np.nan))).contrast).all()
    both = joined([found, found])
    assert both.number.tolist() == [7, 7]


def test_numbers_that_are_huge_or_negative() -> None:
    labels = np.array([[0, 2**40, 5], [-3, 0, 5]])
    numbers = np.unique(labels[labels != 0])
    assert renumbered(labels, numbers).tolist() == [[0, 3, 2], [1, 0, 2]]


def field(gone: int = 5, sign: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Twelve discs of which the labels lack one, and one that is half outside the image."""
    labels, image = np.zeros((40, 250), np.int32), np.random.default_rng(0).normal(100, 2, (40, 250))
    y, x = np.ogrid[:40, :250]
    for i in range(12):
        disc = (y - 20) ** 2 + (x - 20 * i) ** 2 <= 36
        image[disc] += 60 * sign
        labels[disc] = 0 if i in (0, gone) else i
    return labels, image


@pytest.mark.parametrize("sign", [1, -1])
def test_the_one_that_was_missed(sign: int) -> None:
    labels, image = field(sign=sign)
    scene = Scene.of(labels, image)
    (place,) = missed(scene, measured(scene))
    assert all(s.start <= m < s.stop for s, m in zip(place, (20, 100), strict=True))


def test_nothing_is_missed_without_an_image_among_a_few_or_beside_an_object() -> None:
    labels, image = field()
    assert missed(Scene.of(labels), measured(Scene.of(labels))) == []
    few = Scene.of(np.where(labels < 5, labels, 0), image)
    assert missed(few, measured(few)) == []
    full = field(gone=-1)
    grown = Scene.of(full[0], full[1])
    assert missed(grown, measured(grown)) == []
    half = full[0].copy()
    half[:, 100:][half[:, 100:] == 5] = 0
    beside = Scene.of(half, full[1])
    assert missed(beside, measured(beside)) == []
    # hardly brighter than the ground, too large, too small
    for change in (5, 0):
        picture = image.copy()
        picture[14:27, 94:107] = 100 + change
        scene = Scene.of(labels, picture)
        assert missed(scene, measured(scene)) == []
    picture = image.copy()
    picture[19:21, 94:107] = 160
    picture[14:19, 94:107] = picture[21:27, 94:107] = 100
    scene = Scene.of(labels, picture)
    assert missed(scene, measured(scene)) == []


def test_planes_that_do_not_fit() -> None:
    area = np.zeros((12, 30, 30), bool)
    for z in range(2, 10):
        area[z, 8 : 20 + z // 4, 8:20] = True
    assert outline_planes(area).odd.max() < 0.05
    area[5] = np.roll(area[5], 6, 1)
    area[7] = False
    found = outline_planes(area)
    assert found.z.tolist() == list(range(2, 10))
    assert set(found.z[np.argsort(-found.odd)[:2]].tolist()) == {5, 7}
    assert found.odd[5] == pytest.approx(1, abs=0.05)
    assert found.size[5] == 0
    assert found.other[found.z.tolist().index(5)] in (4, 6)


def test_one_plane_and_none() -> None:
    area = np.zeros((5, 4, 4), bool)
    assert len(outline_planes(area).z) == 0
    area[2] = True
    found = outline_planes(area)
    assert (found.z.tolist(), found.odd.tolist(), found.jump.tolist()) == ([2], [0], [0])
