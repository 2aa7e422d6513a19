"""Labels on another grid are where they were, as nibabel's own resampling says."""

from itertools import permutations, product

import numpy as np
import pytest

from napari_segplugin.core import InputError, Place
from napari_segplugin.io.regrid import onto, same_grid

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


def test_files_of_one_patient_are_compared_where_they_lie(tmp_path, labels) -> None:
    """Training, corrections and seeds: labels that were saved in another direction come on the grid of their image."""
    import napari_segplugin as seg
    from napari_segplugin.core import Note, Task, drain
    from napari_segplugin.door.training import labelled
    from napari_segplugin.engine.train.folder import read_pairs
    from napari_segplugin.io import read_image
    from napari_segplugin.io.pairs import find_pairs, open_labels

    nibabel = pytest.importorskip("nibabel")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    scan = nibabel.Nifti1Image(labels.transpose().astype(np.int16), OBLIQUE)
    nibabel.save(scan, tmp_path / "images" / "a.nii.gz")
    turned = scan.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
    assert turned.shape != scan.shape
    nibabel.save(turned, tmp_path / "labels" / "a.nii.gz")
    image = read_image(tmp_path / "images" / "a.nii.gz")
    told = []
    np.testing.assert_array_equal(open_labels(tmp_path / "labels" / "a.nii.gz", image, told.append), labels)
    assert not told
    (pair,) = drain(read_pairs(find_pairs(tmp_path), Task.INSTANCE))
    np.testing.assert_array_equal(pair.labels, labels)
    (pair,) = drain(labelled([(image, str(tmp_path / "labels" / "a.nii.gz"))], Task.INSTANCE))
    np.testing.assert_array_equal(pair.labels, labels)
    # of other voxels: a note
    coarse = nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), OBLIQUE * [1.4, 1.4, 1.4, 1])
    nibabel.save(coarse, tmp_path / "labels" / "a.nii.gz")
    events = []
    drain(read_pairs(find_pairs(tmp_path), Task.INSTANCE), events.append)
    assert any("label of the nearest" in e.text for e in events if isinstance(e, Note))
    # of another patient, or of another place in this one
    nibabel.save(
        nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 500),
        tmp_path / "b.nii.gz",
    )
    with pytest.raises(InputError, match="do not lie in the image"):
        seg.segment(image, "watershed", seeds=tmp_path / "b.nii.gz")
