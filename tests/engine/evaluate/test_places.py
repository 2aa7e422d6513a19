"""Files of one image that differ in the size, unit, order and direction of their voxels."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
import tifffile

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    Image,
    InputError,
    Kind,
    ObjectTable,
    Place,
    Segmentation,
    Task,
    drain,
)
from napari_segplugin.engine.alignment import align
from napari_segplugin.engine.evaluate.compare import compare
from napari_segplugin.engine.evaluate.compare_files import evaluate_files
from napari_segplugin.engine.evaluate.evaluate import evaluate
from napari_segplugin.io import write_segmentation

AFFINE = np.array([[2.0, 0, 0, -10], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
ANGLE = np.deg2rad(20)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
OBLIQUE = AFFINE.copy()
OBLIQUE[:3, :3] = TURN @ AFFINE[:3, :3]


def box(shift=0):
    """(x, y, z) labels without any symmetry: a box, and one voxel of class 2 in a corner."""
    labels = np.zeros((12, 10, 8), np.uint8)
    labels[1 + shift : 5 + shift, 2:5, 1:4] = 1
    labels[0, 9, 7] = 2
    return labels


def as_stored(labels, affine, codes):
    """The same voxels of the patient, in the order of other axes: independent of this package."""
    image = nibabel.Nifti1Image(labels, affine)
    image.header.set_xyzt_units("mm")
    now = nibabel.io_orientation(affine)
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turned = image.as_reoriented(nibabel.orientations.ornt_transform(now, wanted))
    turned.set_sform(turned.affine, code=1)
    turned.set_qform(turned.affine, code=1)
    return turned


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("codes", ["LPS", "RAS", "PIL", "ASR"])
def test_nifti_files_are_compared_in_the_patient(tmp_path, affine, codes):
    nibabel.save(as_stored(box(1), affine, "RAS"), tmp_path / "a.nii.gz")
    nibabel.save(as_stored(box(), affine, codes), tmp_path / "b.nii.gz")
    report = drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", task="semantic"))
    assert report.value("Dice", "class 2") == 1
    assert report.value("Dice", "class 1") == pytest.approx(0.75)
    assert report.value("Hausdorff distance", "class 1") == pytest.approx(2.0)  # one voxel of 2 mm along x
    assert any("were turned" in n for n in report.notes) == (codes != "RAS")
    back = drain(evaluate_files(tmp_path / "b.nii.gz", tmp_path / "a.nii.gz", task="semantic"))
    assert back.value("Hausdorff distance", "class 1") == pytest.approx(2.0)


def test_other_grids_are_refused_and_a_typed_size_compares_all_the_same(tmp_path):
    nibabel.save(as_stored(box(), AFFINE, "RAS"), tmp_path / "a.nii.gz")
    moved = AFFINE.copy()
    moved[0, 3] += 2
    nibabel.save(as_stored(box(), moved, "RAS"), tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match="do not lie in the same voxels"):
        drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", task="instance"))
    report = drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", task="semantic", spacing=(1, 1, 5)))
    assert report.value("Dice", "class 1") == 1
    nibabel.save(as_stored(box()[:, :, ::2].copy(), AFFINE @ np.diag([1, 1, 2, 1]), "RAS"), tmp_path / "c.nii.gz")
    with pytest.raises(InputError, match="Resample"):
        drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "c.nii.gz", task="semantic"))


def test_a_typed_size_still_turns_what_is_mirrored(tmp_path):
    nibabel.save(as_stored(box(1), AFFINE, "RAS"), tmp_path / "a.nii.gz")
    nibabel.save(as_stored(box(), AFFINE, "LAS"), tmp_path / "b.nii.gz")
    files = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    report = drain(evaluate_files(*files, task="semantic", spacing=(1, 1, 5), unit="um"))
    row = next(r for r in report.rows if (r.title, r.class_name) == ("Hausdorff distance", "class 1"))
    assert (row.value, row.unit) == (5.0, "um")


def tiff(path, labels, spacing, unit):
    z, y, x = spacing
    tifffile.imwrite(
        path, labels, imagej=True, resolution=(1 / x, 1 / y), metadata={"axes": "ZYX", "spacing": z, "unit": unit}
    )


def two_balls(shift):
    labels = np.zeros((16, 12, 12), np.uint8)
    labels[2 + shift : 8 + shift, 3:9, 3:9] = 1
    return labels


def test_sizes_and_units_come_from_the_files(tmp_path):
    tiff(tmp_path / "a.tif", two_balls(3), (2, 0.5, 0.5), "um")
    tiff(tmp_path / "b.tif", two_balls(0), (2000, 500, 500), "nm")
    report = drain(evaluate_files(tmp_path / "a.tif", tmp_path / "b.tif", task="semantic"))
    row = next(r for r in report.rows if (r.title, r.class_name) == ("Hausdorff distance", "class 1"))
    assert (row.value, row.unit) == (pytest.approx(6.0), "um")
    assert next(r for r in report.rows if r.title == "NSD").definition.count("2 um") == 1  # the longest edge


def test_a_file_without_a_size_takes_that_of_the_other_and_says_so(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", two_balls(3))
    tiff(tmp_path / "b.tif", two_balls(0), (2, 0.5, 0.5), "um")
    report = drain(evaluate_files(tmp_path / "a.tif", tmp_path / "b.tif", task="semantic"))
    assert report.value("Hausdorff distance", "class 1") == pytest.approx(6.0)
    assert any("'a' gives no voxel size" in n for n in report.notes)


def test_different_sizes_are_an_error_for_distances_and_a_note_otherwise(tmp_path):
    tiff(tmp_path / "a.tif", two_balls(0), (2, 0.5, 0.5), "um")
    tiff(tmp_path / "b.tif", two_balls(0), (1, 0.5, 0.5), "um")
    with pytest.raises(InputError, match="differ in voxel size"):
        drain(evaluate_files(tmp_path / "a.tif", tmp_path / "b.tif", task="semantic"))
    report = drain(evaluate_files(tmp_path / "a.tif", tmp_path / "b.tif", task="instance"))
    assert any("differ in voxel size" in n for n in report.notes)


def test_nifti_against_tiff_says_that_a_side_is_not_known(tmp_path):
    nibabel.save(as_stored(box(1), AFFINE, "RAS"), tmp_path / "a.nii.gz")
    tiff(tmp_path / "b.tif", box().T.copy(), (4, 3, 2), "mm")
    report = drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "b.tif", task="semantic"))
    assert report.value("Hausdorff distance", "class 1") == pytest.approx(2.0)
    assert any("'b' does not say where it lies in the patient" in n for n in report.notes)


def test_layers_and_masks_of_what_is_known_are_turned_too():
    matrix = np.diag([4.0, 3, 2, 1])
    mirrored = matrix.copy()
    mirrored[2] = [0, 0, -2, 22]
    labels = box().T.copy()
    size = (4.0, 3.0, 2.0)
    one = Image(labels, "ZYX", size, "mm", place=Place(matrix, "patient"))
    other = Image(labels[..., ::-1], "ZYX", size, "mm", place=Place(mirrored, "patient"))
    known = np.ones(labels.shape, bool)
    known[..., 0] = False  # of the truth: the last columns of the result
    report = evaluate(one, other, task="semantic", known=known)
    assert report.value("Dice", "class 1") == 1
    rows = ObjectTable.of(labels)
    table = ClassTable.named(["one", "two"])
    result = Segmentation(Task.INSTANCE, labels, rows, table, "ZYX", size, "mm", place=one.place)
    truth = Segmentation(Task.INSTANCE, labels[..., ::-1], rows, table, "ZYX", size, "mm", place=other.place)
    found = drain(compare(result, truth))
    assert found.report.value("F1@0.5") == 1
    assert (found.overlay[labels > 0] == 1).all()
    order = align(one, other).order
    assert (order.apply(known, "ZYX") == known[..., ::-1]).all()


def test_positions_on_a_stage_that_differ_are_a_note_and_in_a_patient_an_error():
    labels = box().T.copy()
    size = (4.0, 3.0, 2.0)
    for frame in ("", "patient", "map"):
        one, other = (
            Image(
                labels, "ZYX", size, "um", name=n, place=Place.of_spacing(dict(zip("ZYX", size, strict=True)), {"Y": y})
            )
            for n, y in (("a", 0.0), ("b", 500.0))
        )
        one, other = (replace(i, place=replace(i.place, frame=frame)) for i in (one, other))
        if not frame:
            found = align(one, other)
            assert not found.order
            assert any("'a' and 'b' say different positions" in n for n in found.notes)
            continue
        with pytest.raises(InputError, match="do not lie in the same voxels"):
            align(one, other)


def test_planes_of_other_directions_are_not_one():
    plane = np.ones((5, 5), np.uint8)
    flat = Place(np.diag([1.0, 1, 1, 1]), "patient")
    upright = Place(np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "patient")
    one, other = (Image(plane, "YX", unit="mm", place=p) for p in (flat, upright))
    with pytest.raises(InputError, match="do not lie in the same pixels"):
        align(one, other)
    assert not align(one, other, sized=True).order


def test_distances_between_axes_that_are_not_at_right_angles_are_said_to_be_approximate(tmp_path):
    tilted = AFFINE.copy()
    tilted[1, 2] = 1.5
    nibabel.save(nibabel.Nifti1Image(box(), tilted), tmp_path / "a.nii.gz")
    report = drain(evaluate_files(tmp_path / "a.nii.gz", tmp_path / "a.nii.gz", task="semantic"))
    assert report.value("Dice", "class 1") == 1
    assert any("not at right angles" in n for n in report.notes)


def test_a_stage_and_a_patient_are_not_one_space():
    labels = box().T.copy()
    size = (4.0, 3.0, 2.0)
    one = Image(labels, "ZYX", size, "mm", place=Place(np.diag([4.0, 3, 2, 1]), "patient"))
    other = Image(labels, "ZYX", size, "mm", place=Place(np.diag([4.0, 3, 2, 1])))
    assert any("different spaces" in n for n in align(one, other).notes)


def scene():
    """Objects 1 and 2 of classes 1 and 2, and the sky, class 3, which has no objects."""
    labels, kinds = np.zeros((20, 20), np.uint16), np.zeros((20, 20), np.uint8)
    labels[12:16, 2:6], labels[12:16, 10:15] = 1, 2
    kinds[labels == 1], kinds[labels == 2], kinds[:8] = 1, 2, 3
    kinds[12, 2] = 2  # one voxel at the edge: an object is of the class that most of it has
    return labels, kinds


def classes():
    return ClassTable(
        (
            *ClassTable.named(["car", "tree"]).classes,
            ClassInfo(3, "sky", "#00aaff", Kind.STUFF),
        )
    )


@pytest.mark.parametrize("layout", ["folder", "masks", "flat"])
def test_panoptic_truth_has_its_classes_in_a_folder(tmp_path, layout):
    labels, kinds = scene()
    truth = tmp_path / "truth"
    masks = truth if layout == "flat" else truth / "masks"
    for folder in {truth, masks, truth / "classes"}:
        folder.mkdir(parents=True, exist_ok=True)
    if layout == "folder":
        (truth / "images").mkdir()
        tifffile.imwrite(truth / "images" / "a.tif", kinds)
    tifffile.imwrite(masks / "a_labels.tif", labels)
    tifffile.imwrite(truth / "classes" / "a.tif", kinds)
    (tmp_path / "found").mkdir()
    whole = labels.copy()
    whole[:8] = 7
    table = ObjectTable(np.array([1, 2, 7]), np.array([1, 2, 3]), np.full(3, np.nan, np.float32), ("predicted",) * 3)
    write_segmentation(
        Segmentation(Task.PANOPTIC, whole, table, classes(), "YX", (1.0, 1.0)), tmp_path / "found" / "a.tif"
    )
    report = drain(evaluate_files(tmp_path / "found", masks if layout == "masks" else truth))
    for name in ("car", "tree", "sky"):
        assert report.value("PQ, mean over images", name) == 1


def test_panoptic_labels_without_classes_are_refused(tmp_path):
    labels, kinds = scene()
    tifffile.imwrite(tmp_path / "a.tif", labels)
    with pytest.raises(InputError, match="which class each object"):
        drain(evaluate_files(tmp_path / "a.tif", tmp_path / "a.tif", task="panoptic"))
    one = drain(
        evaluate_files(tmp_path / "a.tif", tmp_path / "a.tif", task="panoptic", classes=ClassTable.named(["car"]))
    )
    assert one.value("PQ", "car") == 1
    (tmp_path / "classes").mkdir()
    tifffile.imwrite(tmp_path / "classes" / "a.tif", kinds[:5])
    with pytest.raises(InputError, match="do not fit its labels"):
        drain(evaluate_files(tmp_path / "a.tif", tmp_path / "a.tif", task="panoptic"))
    (tmp_path / "classes" / "a.tif").rename(tmp_path / "classes" / "b.tif")
    with pytest.raises(InputError, match="no counterpart in classes/"):
        drain(evaluate_files(tmp_path / "a.tif", tmp_path / "a.tif", task="panoptic"))
