"""Labels on another grid are where they were, as nibabel's own resampling says."""

from itertools import permutations, product

import numpy as np
import pytest

from napari_segplugin.core import InputError, Place
from napari_segplugin.data.regrid import onto, same_grid

OBLIQUE = np.array([[-1.9, 0.2, 0.3, 9], [0.2, 1.8, -0.4, -12], [0.1, 0.3, 2.4, -7], [0, 0, 0, 1.0]])


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    return (rng.random((4, 5, 6)) > 0.5) * np.arange(1, 121, dtype=np.uint16).reshape(4, 5, 6)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_same_voxels_in_every_order_and_direction(labels, order) -> None:
    nibabel = pytest.importorskip("nibabel")
    original = nibabel.Nifti1Image(labels.transpose(), OBLIQUE)
    for flips in product((1, -1), repeat=3):
        turned = original.as_reoriented(np.column_stack([order, flips]))
        array = np.asarray(turned.dataobj).transpose()
        found, note = onto(array, Place.from_ras(turned.affine), Place.from_ras(OBLIQUE), labels.shape)
        np.testing.assert_array_equal(found, labels)
        assert note == ""
        assert found.dtype == labels.dtype


def test_another_grid_takes_the_nearest_voxel(labels) -> None:
    processing = pytest.importorskip("nibabel.processing")
    nibabel = pytest.importorskip("nibabel")
    target = np.array([[1.1, 0, 0, -2], [0, 1.3, 0, -11], [0, 0, 0.9, -6], [0, 0, 0, 1.0]])
    shape = (9, 8, 7)
    found, note = onto(labels, Place.from_ras(OBLIQUE), Place.from_ras(target), shape)
    image = nibabel.Nifti1Image(labels.transpose(), OBLIQUE)
    right = processing.resample_from_to(image, (shape[::-1], target), order=0, mode="constant", cval=0)
    np.testing.assert_array_equal(found, np.asarray(right.dataobj).transpose())
    assert found.any()
    assert "nearest" in note


def test_a_region_keeps_its_place_and_what_lies_outside_is_said(labels) -> None:
    place = Place.from_ras(OBLIQUE)
    region = place.at({"Z": 1, "Y": 2, "X": 3})
    found, note = onto(labels[1:, 2:, 3:], region, place, labels.shape)
    np.testing.assert_array_equal(found[1:, 2:, 3:], labels[1:, 2:, 3:])
    assert not found[0].any()
    assert not note
    back, note = onto(labels, place, region, (3, 3, 3))
    np.testing.assert_array_equal(back, labels[1:, 2:, 3:])
    assert f"{np.count_nonzero(labels) - np.count_nonzero(back)} labelled voxels lie outside" in note


def test_labels_of_another_place_are_refused(labels) -> None:
    place = Place.from_ras(OBLIQUE)
    for away in (100, 100.3):
        with pytest.raises(InputError, match="do not lie in the image"):
            onto(labels, place.at({"X": away}), place, labels.shape)


def test_planes() -> None:
    plane = np.array([[0, 3, 0], [0, 0, 4]])
    down = Place(np.diag([1.0, -1, 1, 1])).at({"Y": -1})
    np.testing.assert_array_equal(onto(plane, down, Place(np.eye(4)), (2, 3))[0], plane[::-1])


def test_when_two_grids_are_one() -> None:
    place = Place.from_ras(OBLIQUE)
    rounded = Place.from_ras(np.round(OBLIQUE, 5))
    assert same_grid(place, rounded, (4, 5, 6))
    assert not same_grid(place, place.at({"Z": 0.1}), (4, 5, 6))
    assert not same_grid(place, place.resized({"X": place.spacing[2] * 1.01}), (4, 5, 600))
