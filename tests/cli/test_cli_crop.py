"""`segplugin crop`: pieces in the format of their image, with their labels, where they lay."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

from napari_segplugin.io import read_segmentation

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 1, 0.2, -5], [0, -0.2, 3, 8], [0, 0, 0, 1]])


@pytest.fixture
def head(files):
    """A volume with two objects, and labels of it whose first axis runs the other way."""
    rng = np.random.default_rng(1)
    values = rng.integers(-500, 500, (10, 12, 6)).astype(np.int16)
    labels = np.zeros(values.shape, np.uint8)
    labels[1:4, 2:6, 1:3], labels[7:9, 8:10, 4] = 1, 2
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), files.folder / "head.nii.gz")
    back = AFFINE @ np.array([[-1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(labels[::-1], back), files.folder / "organs.nii.gz")
    return files.folder / "head.nii.gz", files.folder / "organs.nii.gz", values, labels


def test_a_piece_for_each_object(run, head, files):
    image, organs, values, labels = head
    got = run("crop", image, organs, "--margin", "1", "--json")
    assert got.code == 0, got.err
    assert [r["name"] for r in got.json["results"]] == ["1", "2"]
    assert got.json["results"][0]["box"] == [[0, 4], [1, 7], [0, 5]]
    piece = nibabel.load(files.folder / "head_1.nii.gz")
    assert np.array_equal(np.asarray(piece.dataobj), values[0:5, 1:7, 0:4])
    np.testing.assert_allclose(piece.affine @ [0, 0, 0, 1], AFFINE @ [0, 1, 0, 1], atol=1e-4)
    found = nibabel.load(files.folder / "head_1_labels.nii.gz")
    assert np.array_equal(np.asarray(found.dataobj), labels[0:5, 1:7, 0:4])
    np.testing.assert_allclose(found.affine, piece.affine, atol=1e-4)
    assert any("were turned" in n for n in got.json["notes"])


def test_a_masked_class_and_a_box(run, head, files):
    image, organs, values, _ = head
    got = run("crop", image, organs, "--object", "2", "--mask", "--outside", "-1000", "--output", files.folder / "out")
    assert got.code == 0, got.err
    piece = np.asarray(nibabel.load(files.folder / "out" / "head_2.nii.gz").dataobj)
    assert np.array_equal(piece, values[7:9, 8:10, 4:5])
    got = run("crop", image, "--box", "1:3,0:4,2:9", "--format", "tif", "--json")
    assert [Path(f).name for f in got.json["results"][0]["outputs"]] == ["head_box.tif"]
    assert np.array_equal(tifffile.imread(files.folder / "head_box.tif"), values[2:9, 0:4, 1:3].T)
    assert any("holds no directions" in n for n in got.json["notes"])


def test_a_typed_size_holds_for_image_and_labels(run, head, files):
    image, organs, *_ = head
    got = run("crop", image, organs, "--object", "2", "--spacing", "1,1,1", "--unit", "um", "--margin", "1um", "--json")
    assert got.code == 0, got.err
    assert got.json["results"][0]["box"] == [[3, 6], [7, 11], [6, 10]]
    there = nibabel.load(files.folder / "head_2.nii.gz")
    np.testing.assert_allclose(there.header.get_zooms(), 0.001, rtol=1e-5)
    assert (np.asarray(nibabel.load(files.folder / "head_2_labels.nii.gz").dataobj) == 2).sum() == 4
    out = files.folder / "a.csv"
    got = run("measure", organs, "--image", image, "--spacing", "1,1,1", "--unit", "um", "--output", out)
    assert got.code == 0, got.err
    rows = [r.split(",") for r in out.read_text().splitlines() if not r.startswith("#")]
    assert float(rows[1][rows[0].index("mean head")]) == pytest.approx(head[2][1:4, 2:6, 1:3].mean(), rel=1e-5)


def test_classes_by_name(run, files, make_bundle):
    image, objects = files.scene()
    picture, labels = files.write("a.tif", image), files.write("a_labels.tif", (objects > 0).astype(np.uint8))
    got = run("crop", picture, labels, "--task", "semantic", "--class", "class 1", "--json")
    assert got.code == 0, got.err
    assert [Path(f).name for f in got.json["results"][0]["outputs"][:2]] == ["a_class 1.tif", "a_class 1_labels.tif"]
    assert read_segmentation(files.folder / "a_class 1_labels.tif").labels.shape == (28, 40)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{image}"], "Labels are needed"),
        (["{image}", "{labels}", "--object", "77"], "There is no object '77'"),
        (["{image}", "{labels}", "--margin", "wide"], "margin is not valid"),
        (["{image}", "--box", "1:2"], "box does not fit"),
        (["missing.tif", "{labels}"], "no such file"),
    ],
)
def test_what_cannot_be_cut_is_a_sentence(run, files, arguments, words):
    image, objects = files.scene()
    names = {"image": files.write("a.tif", image), "labels": files.write("a_labels.tif", objects)}
    got = run("crop", *[a.format(**names) for a in arguments])
    assert (got.code, words in got.err) == (2, True), got.err


def test_two_pieces_of_one_name(run, files):
    from napari_segplugin.cli.crops import _check_names
    from napari_segplugin.core import InputError

    with pytest.raises(InputError, match="Two pieces"):
        _check_names(["a", "b", "a"])


def test_an_extension_that_is_a_path_is_a_sentence(run, files):
    labels = files.write("labels.tif", files.scene()[1])
    got = run("export", labels, "--to", str(files.folder / "x"))
    assert got.code == 2
    assert "cannot be written" in got.err or "folder does not exist" in got.err
