"""Centres and offsets: what the maps are, by hand; and what the decoder does where the maps are not perfect."""

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, Image, Sample
from napari_segplugin.metrics import contingency
from napari_segplugin.tasks import get_task
from napari_segplugin.tasks.centre_offset import centre_maps, find_centres

CELLS = ClassTable.named(["cell"])
CODEC = get_task("instance", "centre_offset")


def maps_of(labels, spacing=(1.0, 1.0)):
    inside = (labels > 0).astype(np.float32)
    return np.concatenate([[1 - inside], [inside], centre_maps(labels, spacing)]).astype(np.float32)


def read(maps, **params):
    return CODEC.decode(maps, CELLS, {"min_size": 1, **params})[0]


def same(labels, found):
    pairs = contingency(labels, found)
    return len(pairs.truth_ids) == len(pairs.prediction_ids) and bool((pairs.iou == 1).all())


def test_every_voxel_points_to_its_centre():
    labels = np.zeros((20, 30), int)
    labels[3:8, 4:13] = 7
    labels[10:19, 20:23] = 2
    maps = centre_maps(labels, (1.0, 1.0))
    for number, centre in ((7, (5, 8)), (2, (14, 21))):
        y, x = np.nonzero(labels == number)
        assert np.array_equal(y + maps[1, y, x], np.full(len(y), centre[0]))
        assert np.array_equal(x + maps[2, y, x], np.full(len(x), centre[1]))
        assert maps[0][centre] == 1
    assert not maps[1:, labels == 0].any()
    assert np.count_nonzero(maps[0] == 1) == 2


def test_the_gaussian_grows_with_the_object_and_is_one_voxel_at_least():
    labels = np.zeros((60, 80), int)
    yy, xx = np.indices(labels.shape)
    labels[(yy - 30) ** 2 + (xx - 30) ** 2 <= 20**2] = 1
    labels[30, 70] = 2
    heat = centre_maps(labels, (1.0, 1.0))[0]
    radius = np.sqrt((labels == 1).sum() / np.pi)
    assert heat[30, 35] == pytest.approx(np.exp(-0.5 * (5 / (0.25 * radius)) ** 2), abs=1e-6)
    assert heat[31, 70] == pytest.approx(np.exp(-0.5), abs=1e-6)


def test_the_gaussian_is_physical():
    labels = np.zeros((21, 41, 41), int)
    labels[2:19, 4:37, 4:37] = 1
    heat = centre_maps(labels, (2.0, 1.0, 1.0))[0]
    assert heat[10 + 2, 20, 20] == pytest.approx(heat[10, 20 + 4, 20], abs=1e-6)


def test_a_centre_outside_its_object_moves_to_the_nearest_voxel_of_it():
    ring = np.zeros((31, 31), int)
    yy, xx = np.indices(ring.shape)
    far = (yy - 15) ** 2 + (xx - 15) ** 2
    ring[(far <= 14**2) & (far >= 10**2)] = 1
    ring[far <= 5**2] = 2
    maps = centre_maps(ring, (1.0, 1.0))
    (at,) = np.argwhere((maps[0] == 1) & (ring == 1))
    assert (at - 15) @ (at - 15) == far[ring == 1].min()
    assert same(ring, read(maps_of(ring)))


def test_the_nearest_voxel_is_nearest_by_physical_distance():
    labels = np.ones((5, 5), int)
    labels[1:4, 1:4] = 0  # the mass centre is the middle of a hole
    maps = centre_maps(labels, (3.0, 1.0))
    (at,) = np.argwhere((maps[0] == 1) & (labels == 1))
    assert at[0] == 2  # two voxels to the side, not two thick planes up


def test_offsets_are_in_voxels_whatever_the_spacing():
    labels = np.zeros((3, 9, 9), int)
    labels[:, 2:7, 2:7] = 1
    fine, coarse = (centre_maps(labels, s)[1:] for s in ((1.0, 1.0, 1.0), (9.0, 0.1, 0.1)))
    assert np.array_equal(fine, coarse)


def test_objects_are_told_apart_by_where_they_point_alone():
    """Nothing but the vectors parts these: one foreground without a gap."""
    labels = np.zeros((24, 60), int)
    labels[4:20, 4:24], labels[4:20, 24:31], labels[4:20, 31:56] = 1, 2, 3
    assert same(labels, read(maps_of(labels)))


@pytest.mark.parametrize("noise", [0.5, 1.5])
def test_noisy_vectors_do_not_matter_much(noise):
    labels = np.zeros((40, 80), int)
    labels[5:35, 5:40], labels[5:35, 40:75] = 1, 2
    maps = maps_of(labels)
    maps[3:] += np.random.default_rng(0).normal(0, noise, maps[3:].shape)
    pairs = contingency(labels, read(maps))
    assert len(pairs.prediction_ids) == 2
    assert np.sort(pairs.iou)[-2:].min() > 0.98


def test_an_object_whose_centre_is_missed_does_not_flow_into_its_neighbour():
    labels = np.zeros((30, 70), int)
    labels[5:25, 5:25], labels[5:25, 25:45], labels[5:25, 45:65] = 1, 2, 3
    maps = maps_of(labels)
    maps[2, :, 25:45] = 0
    found = read(maps)
    assert same(np.where(labels == 2, 0, labels), found)
    joined = read(maps, reach=100.0)
    assert np.array_equal(joined > 0, labels > 0), "without the limit it would"


def test_a_flat_top_is_one_centre():
    labels = np.zeros((30, 30), int)
    labels[5:25, 5:25] = 1
    maps = maps_of(labels)
    maps[2] = np.minimum(maps[2], 0.7)
    assert same(labels, read(maps))


def test_a_hot_place_that_points_elsewhere_is_no_centre():
    labels = np.zeros((40, 40), int)
    labels[5:35, 5:35] = 1
    maps = maps_of(labels)
    maps[2, 10, 10] = 1.0
    assert same(labels, read(maps))
    maps[3:, 8:13, 8:13] = 0
    assert len(find_centres(maps, CELLS, CODEC.defaults())) == 2


def test_a_constant_heatmap_gives_few_centres_and_no_complaint():
    maps = np.full((5, 50, 50), 0.9, np.float32)
    centres = find_centres(maps, CELLS, {**CODEC.defaults(), "window": 7})
    assert 0 < len(centres) <= (50 / 4) ** 2
    gaps = np.abs(centres[:, None] - centres[None]).max(-1)[~np.eye(len(centres), dtype=bool)]
    assert len(gaps) == 0 or gaps.min() > 3


def test_a_window_can_differ_between_the_axes():
    """Flat discs in neighbouring planes of a volume with thick planes."""
    labels = np.zeros((8, 30, 30), int)
    labels[2:4, 5:25, 5:25], labels[4:6, 5:25, 5:25] = 1, 2
    maps = maps_of(labels, (10.0, 1.0, 1.0))
    assert same(labels, read(maps, window=[1, 7, 7]))
    assert len(np.unique(read(maps, window=7))) == 2


def test_lines_one_voxel_wide_side_by_side_become_one():
    """What the module says cannot be told apart: both centres lie in one window."""
    labels = np.zeros((12, 40), int)
    labels[5, 4:36], labels[6, 4:36] = 1, 2
    found = read(maps_of(labels))
    assert len(np.unique(found)) == 2
    assert np.array_equal(found > 0, labels > 0)
    apart = np.zeros((20, 40), int)
    apart[5, 4:36], apart[11, 4:36] = 1, 2
    assert same(apart, read(maps_of(apart)))


def test_the_window_follows_the_small_objects_of_the_training():
    labels = np.zeros((8, 60, 60), int)
    for number, (y, x) in enumerate([(10, 10), (10, 40), (40, 10), (40, 40)], 1):
        labels[2:6, y : y + 12, x : x + 12] = number
    image = Image(np.zeros(labels.shape, np.uint8), "ZYX", spacing=(3.0, 1.0, 1.0))
    half = int((0.75 * 4 * 12 * 12 * 3 / np.pi) ** (1 / 3))
    assert CODEC.fit([Sample(image, labels > 0, labels)]) == {"window": [2 * (half // 3) + 1, *[2 * half + 1] * 2]}
    assert CODEC.fit([Sample(image, labels > 0, 0 * labels)]) == {}


def test_the_window_parts_long_objects_that_lie_side_by_side():
    labels = np.zeros((60, 60), int)
    for number in range(1, 10):
        labels[10:50, 6 * number : 6 * number + 4] = number
    image = Image(np.zeros(labels.shape, np.uint8), "YX")
    fitted = CODEC.fit([Sample(image, labels > 0, labels)])
    assert fitted == {"window": [9, 9]}  # six voxels apart, by the root of two
    assert same(labels, read(maps_of(labels), **fitted))


def test_unknown_shapes_give_no_map_weight():
    labels = np.zeros((10, 10), int)
    labels[2:8, 2:8] = 1
    shape_known = np.ones((10, 10), bool)
    shape_known[:, :5] = False
    sample = Sample(Image(np.zeros((10, 10), np.uint8), "YX"), labels, labels, None, shape_known)
    targets = CODEC.encode(sample, CELLS)
    assert not targets.maps_weight[:, :5].any()
    assert (targets.maps_weight[:, 5:] > 0).all()
    assert (targets.weight > 0).all()
