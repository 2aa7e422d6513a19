"""Labels of a patient through every door into every format: where nibabel and trimesh find them, they were."""

import io

import numpy as np
import pytest

import napari_segplugin as seg
from napari_segplugin.cli import main
from napari_segplugin.core import ClassTable, ObjectTable, Place, Segmentation, Task
from napari_segplugin.io import read_segmentation

nibabel = pytest.importorskip("nibabel")
affines = pytest.importorskip("nibabel.affines")
trimesh = pytest.importorskip("trimesh")

AFFINES = {
    "mirrored": np.array([[-0.5, 0, 0, 90], [0, 0.4, 0, -126], [0, 0, 2.0, -72], [0, 0, 0, 1.0]]),
    "oblique": np.array([[-0.48, 0.1, 0.05, 90], [0.1, 0.39, 0.1, -126], [0.02, -0.1, 2.0, -72], [0, 0, 0, 1]]),
    "sheared": np.array([[0.5, 0, 0, 3], [0, 0.5, 0.7, 4], [0, 0, 2.0, 5], [0, 0, 0, 1]]),
    "sagittal": np.array([[0, 0, 3.0, -40], [0.7, 0, 0, -50], [0, -0.9, 0, 60], [0, 0, 0, 1]]),
}
LABELS = np.zeros((9, 12, 14), np.uint16)
LABELS[2:6, 3:9, 4:12] = 3
LABELS[2:4, 3:5, 4:6] = 0  # not its own mirror image
ENDINGS = (".nii.gz", ".stl", ".ome.zarr", ".ome.tif", ".tif", ".npy")


def right_points(affine):
    """Where each labelled voxel lies: to the right, the front and the head, in millimetres."""
    return affines.apply_affine(affine, np.argwhere(LABELS.transpose()))


def check(path, affine) -> None:
    """Find the labels with programs that know nothing of this one, or of its places."""
    points = right_points(affine)
    if path.name.endswith(".nii.gz"):
        file = nibabel.load(path)
        assert int(file.header["sform_code"]) > 0
        found = affines.apply_affine(file.affine, np.argwhere(np.asarray(file.dataobj)))
        order = np.lexsort(np.round(found, 3).T)
        np.testing.assert_allclose(found[order], points[np.lexsort(np.round(points, 3).T)], atol=1e-3)
        assert set(np.unique(np.asarray(file.dataobj))) == {0, 3}
    elif path.suffix == ".stl":
        mesh = trimesh.load(io.BytesIO(path.read_bytes()), file_type="stl")
        assert b"SPACE=LPS" in path.read_bytes()[:80]
        half = np.linalg.norm(affine[:3, :3], axis=0).max() / 2
        np.testing.assert_allclose(mesh.center_mass * [-1, -1, 1], points.mean(axis=0), atol=half / 2)
        np.testing.assert_allclose(mesh.bounds[:, 2], [points[:, 2].min(), points[:, 2].max()], atol=2 * half)
    else:
        back = read_segmentation(path)
        assert back.place is not None
        assert back.place.frame == "patient"
        matrix = back.place.ras()
        array = np.asarray(back.labels).transpose([back.axes.index(a) for a in "XYZ"])
        found = affines.apply_affine(matrix, np.argwhere(array))
        np.testing.assert_allclose(found.mean(axis=0), points.mean(axis=0), atol=1e-3)
        np.testing.assert_allclose(matrix, affine, atol=1e-4)


def result(affine):
    place = Place.from_ras(affine)
    return Segmentation(
        Task.INSTANCE,
        LABELS,
        ObjectTable.of(LABELS),
        ClassTable.named(["organ"]),
        "ZYX",
        place.spacing,
        "mm",
        "organ",
        {},
        place,
    )


def foreign(folder, affine):
    """A file of another program."""
    path = folder / "LAB.nii.gz"
    nibabel.save(nibabel.Nifti1Image(LABELS.transpose(), affine), path)
    return path


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", AFFINES)
def test_from_python(tmp_path, name, ending) -> None:
    affine = AFFINES[name]
    seg.write_segmentation(result(affine), tmp_path / f"a{ending}")
    check(tmp_path / f"a{ending}", affine)
    seg.write_segmentation(seg.read_segmentation(foreign(tmp_path, affine)), tmp_path / f"b{ending}")
    check(tmp_path / f"b{ending}", affine)


@pytest.mark.parametrize("ending", [".nii.gz", ".stl", ".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize("name", AFFINES)
def test_from_the_command_line(tmp_path, name, ending, capsys) -> None:
    affine = AFFINES[name]
    code = main(
        ["export", str(foreign(tmp_path, affine)), "--to", ending, "--output", str(tmp_path / "out"), "--quiet"]
    )
    assert code == 0, capsys.readouterr().err
    check(tmp_path / "out" / f"LAB{ending}", affine)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", AFFINES)
def test_from_a_layer(tmp_path, name, ending) -> None:
    """What File > Save and `layer.save` call, for a file that was opened and for a result."""
    layers = pytest.importorskip("napari.layers")
    from napari_segplugin.viewer.layers import opened_labels
    from napari_segplugin.viewer.writers import write_labels

    affine = AFFINES[name]
    for number, found in enumerate((seg.read_segmentation(foreign(tmp_path, affine)), result(affine))):
        array, options, _ = opened_labels(found)
        data, attributes, _ = layers.Labels(array, **options).as_layer_data_tuple()
        write_labels(str(tmp_path / f"{number}{ending}"), data, attributes)
        check(tmp_path / f"{number}{ending}", affine)


@pytest.mark.parametrize("name", AFFINES)
def test_a_prediction_in_the_format_of_its_input(tmp_path, name) -> None:
    affine = AFFINES[name]
    image = np.where(LABELS.transpose() > 0, 1000, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "scan.nii.gz")
    found = seg.segment(tmp_path / "scan.nii.gz", "threshold", progress=False)
    seg.write_segmentation(found, tmp_path / "found.nii.gz")
    file = nibabel.load(tmp_path / "found.nii.gz")
    np.testing.assert_allclose(file.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(file.dataobj) > 0, image > 0)
    header = nibabel.load(tmp_path / "scan.nii.gz").header
    assert [int(file.header[c]) for c in ("qform_code", "sform_code")] == [
        int(header[c]) for c in ("qform_code", "sform_code")
    ]
