"""Results come in the format of their image where nobody says another one."""

import importlib.util
import shutil
from pathlib import Path

import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.io import read_segmentation
from napari_segplugin.io.like_input import ending_like

SERIES = Path(__file__).parents[1] / "data" / "dicom_series"
AFFINE = np.array([[-2.0, 0, 0, 30], [0, 1, 0.2, -5], [0, -0.2, 3, 8], [0, 0, 0, 1]])


@pytest.fixture
def recipe(files):
    """A threshold, as a file."""
    from napari_segplugin.core import ClassicalRecipe
    from napari_segplugin.io import save_recipe

    save_recipe(ClassicalRecipe("threshold", {"method": "otsu"}), files.folder / "otsu.json")
    return files.folder / "otsu.json"


def series(folder):
    """Three neighbouring slices, without an ending as scanners name them."""
    (folder / "series").mkdir()
    for new, old in (("a", "17166"), ("b", "17136"), ("c", "17196")):
        shutil.copy(SERIES / f"{old}.dcm", folder / "series" / new)


def outputs(got):
    assert got.code == 0, got.err
    return [Path(r["outputs"][0]).name for r in got.json["results"]]


def test_predict_answers_in_the_format_of_its_input(run, files, make_bundle):
    image = files.scene()[0]
    volume = np.stack([image] * 3)
    nibabel.save(nibabel.Nifti1Image(volume.T, AFFINE), files.folder / "a.nii.gz")
    imageio.imwrite(files.folder / "b.png", image)
    tifffile.imwrite(files.folder / "c.ome.tif", volume, metadata={"axes": "ZYX"})
    np.save(files.folder / "d.npy", image)
    group = zarr.open_group(files.folder / "e.ome.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=image)
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    names = ["a.nii.gz", "b.png", "c.ome.tif", "d.npy", "e.ome.zarr"]
    got = run("predict", *(files.folder / n for n in names), "--model", make_bundle("semantic"), "--json")
    assert outputs(got) == [n.replace(".", "_labels.", 1) for n in names]
    there = nibabel.load(files.folder / "a_labels.nii.gz")
    np.testing.assert_allclose(there.affine, AFFINE, atol=1e-5)
    assert read_segmentation(files.folder / "e_labels.ome.zarr").spacing == (0.5, 0.5)
    said = run("predict", files.folder / "b.png", "--model", make_bundle("semantic"), "--format", "tif", "--json")
    assert outputs(said) == ["b_labels.tif"]


def test_a_series_becomes_a_dicom_segmentation(run, files, recipe, monkeypatch):
    highdicom = pytest.importorskip("highdicom")
    series(files.folder)
    got = run("run", recipe, files.folder / "series", "--output", files.folder, "--json")
    assert outputs(got) == ["series_labels.seg.dcm"]
    made = highdicom.seg.segread(files.folder / "series_labels.seg.dcm")
    assert made.number_of_segments >= 1
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "highdicom" else find(name))
    got = run("run", recipe, files.folder / "series", "--output", files.folder / "without", "--json")
    assert outputs(got) == ["series_labels.nii.gz"]
    assert "napari-segplugin[dicomseg]" in got.json["results"][0]["notes"][0]


def test_what_does_not_fit_in_a_dicom_segmentation_is_nifti(run, files, recipe, monkeypatch):
    """Nothing found: a DICOM segmentation has at least one segment."""
    pytest.importorskip("highdicom")
    from napari_segplugin.engine.batch import order

    def nothing(image, *_, **__):
        yield from ()
        labels = np.zeros(image.spatial_shape, np.uint8)
        return Segmentation(
            Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "ZYX", image.canonical_spacing, "mm"
        )

    monkeypatch.setattr(order, "segment", nothing)
    series(files.folder)
    got = run("run", recipe, files.folder / "series", "--output", files.folder, "--json")
    assert outputs(got) == ["series_labels.nii.gz"]
    assert any("'series_labels.nii.gz' is written instead" in n for n in got.json["results"][0]["notes"])
    assert not (files.folder / "series_labels.seg.dcm").exists()


def test_more_objects_than_a_png_holds_are_a_tiff(tmp_path):
    from napari_segplugin.cli.commands import ResultPath, write_result
    from napari_segplugin.core import InputError
    from napari_segplugin.engine.predict import to_file

    labels = np.array([[1, 70000]], np.int32)
    found = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["a"]), "YX", (1.0, 1.0), "pixel"
    )
    said = []
    files = write_result(found, ResultPath(tmp_path / "a.png", ".tif"), said.append)
    assert files[0].name == "a.tif"
    assert tifffile.imread(files[0]).tolist() == labels.tolist()
    assert "A PNG holds only labels up to 65535. 'a.tif' is written instead." in said[0].text
    with pytest.raises(InputError, match="65535"):
        write_result(found, ResultPath(tmp_path / "b.png"), said.append)
    # the same where a prediction goes straight into a file
    from napari_segplugin.core import drain
    from napari_segplugin.core.disk.commit import commit

    seen = []
    with commit(tmp_path / "c.png", "c") as stage:
        drain(to_file._write(stage, found, tmp_path / "c.png", ".tif"), seen.append)
    assert sorted(p.name for p in tmp_path.glob("c*")) == ["c.objects.csv", "c.recipe.json", "c.tif"]


@pytest.mark.parametrize(
    ("name", "extension", "otherwise"),
    [
        ("a.nii", ".nii", ""),
        ("A.NII.GZ", ".nii.gz", ""),
        ("a.tiff", ".tif", ""),
        ("a.ome.tiff", ".ome.tiff", ""),
        ("a.jpg", ".png", ".tif"),
        ("a.npy", ".npy", ""),
        ("nothing", ".tif", ""),
        ("a.coco.json", ".coco.json", ""),
    ],
)
def test_endings(name, extension, otherwise):
    found = ending_like(name)
    assert (found.extension, found.otherwise) == (extension, otherwise)


def test_two_formats_of_one_name_would_share_a_recipe(run, files, make_bundle):
    image = files.scene()[0]
    imageio.imwrite(files.folder / "a.png", image)
    got = run("predict", files.write("a.tif", image), files.folder / "a.png", "--model", make_bundle())
    assert got.code == 2
    assert "written to one file" in got.err


def test_tracks_come_in_the_format_of_the_labels(run, files):
    pytest.importorskip("laptrack")
    labels = np.zeros((3, 1, 20, 20), np.uint16)
    for t in range(3):
        labels[t, 0, 2 + t : 8 + t, 2:8] = t + 1
    nibabel.save(nibabel.Nifti1Image(labels.T, AFFINE), files.folder / "film.nii.gz")
    got = run("track", files.folder / "film.nii.gz", "--json")
    assert outputs(got) == ["film_tracks.nii.gz"]
    assert nibabel.load(files.folder / "film_tracks.nii.gz").shape == (20, 20, 1, 3)
