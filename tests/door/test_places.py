"""Faults that other programs had with sizes, directions and places: the right numbers through this one."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

import napari_segplugin as seg

HEAD = np.array([[0.7031, 0, 0, -90], [0, 0.7031, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1.0]])


def ball(shape, spacing, centre, radius):
    where = np.indices(shape).T * spacing
    return (radius >= np.linalg.norm(where - centre, axis=-1).T).astype(np.uint8)


@pytest.mark.parametrize("count", [(60, 60, 60), (60, 60, 30), (20, 60, 40)])
def test_one_pair_of_balls_has_one_distance_however_it_is_sampled(count) -> None:
    spacing = tuple(2 / (n - 1) for n in count)
    one, other = (ball(count, spacing, (1, 1, x), 0.5) for x in (0.9, 1.1))
    report = seg.evaluate(one, other, task="semantic", spacing=spacing, unit="mm", progress=False)
    edges = [np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing for m in (one == 1, other == 1)]
    wanted = max(directed_hausdorff(*edges)[0], directed_hausdorff(*edges[::-1])[0])
    assert report.value("Hausdorff distance", "class 1") == pytest.approx(wanted, abs=1e-6)
    assert wanted == pytest.approx(0.2, abs=max(spacing))


def test_a_volume_is_not_the_number_of_voxels(tmp_path) -> None:
    labels = np.zeros((20, 20, 8), np.uint8)
    labels[5:10, 4:12, 2:6] = 1
    nibabel.save(nibabel.Nifti1Image(labels, HEAD), tmp_path / "a.nii.gz")
    table = seg.measure(tmp_path / "a.nii.gz")
    assert table["volume"].values[0] == pytest.approx(160 * 0.7031**2 * 4)
    assert table["volume_ml"].values[0] == pytest.approx(160 * 0.7031**2 * 4 / 1000)


def test_an_object_at_the_edge_keeps_its_volume_and_says_that_it_is_there() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[:2] = 1
    table = seg.measure(labels, spacing=(1, 1, 1), unit="mm")
    assert (table["volume"].values[0], table["at_border"].values[0]) == (60, True)


def test_centres_count_from_the_first_voxel_of_the_image_in_the_unit_of_each_axis() -> None:
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[6:9, 2:5, 8:11] = 1
    table = seg.measure(labels, spacing=(2, 1, 0.5))
    assert [table[f"centroid_{a}"].values[0] for a in "zyx"] == [14, 3, 4.5]


def test_axes_of_an_ellipsoid_in_3d_with_voxels_that_are_not_cubes() -> None:
    spacing = np.array([1.0, 0.5, 0.25])
    where = (np.indices((40, 60, 80)).T * spacing - [20, 15, 10]) / [12, 8, 4]
    table = seg.measure((np.linalg.norm(where, axis=-1).T <= 1).astype(np.uint8), spacing=tuple(spacing))
    found = [table[f"axis_{n}"].values[0] for n in ("major", "middle", "minor")]
    assert found == pytest.approx([24, 16, 8], rel=0.02)


def test_the_affine_of_a_crop_of_a_crop_is_that_of_the_crop(tmp_path) -> None:
    affine = np.array([[-0.7, 0.1, 0, 3], [0.1, 0.7, 0.3, 4], [0, 0.2, 4, 5], [0, 0, 0, 1]])
    values = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "a.nii.gz")
    [first] = seg.crop(tmp_path / "a.nii.gz", box=(slice(1, 10), slice(2, 9), slice(1, 8)))
    seg.write_image(first.image, tmp_path / "b.nii.gz")
    [second] = seg.crop(tmp_path / "b.nii.gz", box=(slice(2, 5), slice(1, 4), slice(3, 7)))
    seg.write_image(second.image, tmp_path / "c.nii.gz")
    there = nibabel.load(tmp_path / "c.nii.gz")
    assert np.array_equal(np.asarray(there.dataobj), values[4:8, 3:6, 3:6])
    np.testing.assert_allclose(there.affine @ [0, 0, 0, 1], affine @ [4, 3, 3, 1], atol=1e-5)
    np.testing.assert_allclose(there.affine[:3, :3], affine[:3, :3], atol=1e-6)


def test_a_box_of_labels_in_another_orientation_cuts_the_same_part_of_the_patient(tmp_path) -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 99, (12, 14, 9)).astype(np.int16), np.zeros((12, 14, 9), np.uint8)
    labels[2:5, 3:9, 1:3] = 1
    image = nibabel.Nifti1Image(values, HEAD)
    nibabel.save(image, tmp_path / "ct.nii.gz")
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(HEAD), nibabel.orientations.axcodes2ornt(("P", "S", "L"))
    )
    nibabel.save(nibabel.Nifti1Image(labels, HEAD).as_reoriented(turn), tmp_path / "organ.nii.gz")
    [piece] = seg.crop(tmp_path / "ct.nii.gz", tmp_path / "organ.nii.gz")
    assert np.array_equal(piece.image.array, values[2:5, 3:9, 1:3].T)
    table = seg.measure(tmp_path / "organ.nii.gz", tmp_path / "ct.nii.gz")
    assert table["mean ct"].values[0] == pytest.approx(values[labels == 1].mean())


def test_grids_that_differ_by_rounding_are_one(tmp_path) -> None:
    labels = np.zeros((60, 60, 20), np.uint8)
    labels[20:30, 20:30, 5:9] = 1
    other = HEAD.copy()
    other[0, 0] += 2e-6
    other[:3, 3] += 1e-4
    for name, affine in (("a", HEAD), ("b", other)):
        nibabel.save(nibabel.Nifti1Image(labels, affine), tmp_path / f"{name}.nii.gz")
    report = seg.evaluate(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", task="semantic", progress=False)
    assert (report.value("Hausdorff distance", "class 1"), report.notes) == (0, ())


def test_labels_and_image_of_different_sizes_are_told_apart() -> None:
    labels = np.ones((4, 4), np.uint8)
    image = seg.Image(np.ones((4, 4)), "YX", (0.5, 0.5), "um", name="dapi")
    found = seg.measure(
        seg.Segmentation(
            seg.Task.INSTANCE,
            labels,
            seg.ObjectTable.of(labels),
            seg.ClassTable.named(["a"]),
            "YX",
            (1.0, 1.0),
            "um",
            "cells",
        ),
        image,
    )
    assert any("'cells' and 'dapi' differ in pixel size" in n for n in found.notes)


def test_a_size_that_is_given_wins_over_that_of_the_other_file(tmp_path) -> None:
    labels = np.zeros((20, 20, 8), np.uint8)
    labels[5:10, 4:12, 2:6] = 1
    for name in "ab":
        nibabel.save(nibabel.Nifti1Image(labels, HEAD), tmp_path / f"{name}.nii.gz")
    table = seg.measure(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", spacing=(2, 1, 1))
    assert table["volume"].values[0] == pytest.approx(320)
    [piece] = seg.crop(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", spacing=(2, 1, 1), margin="2mm")
    assert piece.region == (slice(1, 7), slice(2, 14), slice(3, 12))
    assert piece.segmentation.spacing == (2, 1, 1)


@pytest.mark.parametrize("spacing", [0.5, "0.5", ((1, 2),)])
def test_a_size_that_is_no_list_is_a_sentence(spacing) -> None:
    labels = np.ones((4, 5), np.uint8)
    for call in (
        lambda: seg.measure(labels, spacing=spacing),
        lambda: seg.evaluate(labels, labels, task="semantic", spacing=spacing, progress=False),
        lambda: seg.crop(labels, labels, spacing=spacing),
    ):
        with pytest.raises(seg.InputError, match="a number for each spatial axis"):
            call()
