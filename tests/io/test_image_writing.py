"""Images that are written, read back by the libraries of their formats."""

from __future__ import annotations

import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
import tifffile
import zarr

from napari_segplugin.core import Image, InputError, Place
from napari_segplugin.io import read_image
from napari_segplugin.io.image_writing import lost_by, write_image

AFFINES = {
    "straight": [[2.0, 0, 0, -10], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]],
    "mirrored": [[-2.0, 0, 0, 90], [0, 3, 0, 5], [0, 0, -4, 70], [0, 0, 0, 1]],
    "oblique": [[1.9, -0.6, 0, -10], [0.6, 1.9, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]],
    "sheared": [[2.0, 0.5, 0, -10], [0, 3, 0.7, 5], [0, 0, 4, 7], [0, 0, 0, 1]],
}


def volume(dtype="int16"):
    return (np.arange(3 * 4 * 5).reshape(3, 4, 5) - 30).astype(dtype)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("axes", ["ZYX", "XYZ"])
def test_nifti_keeps_the_affine(tmp_path, affine, axes) -> None:
    array = volume() if axes == "ZYX" else volume().T
    write_image(Image(array, axes, unit="mm", place=Place.from_ras(affine)), tmp_path / "a.nii.gz")
    there = nibabel.load(tmp_path / "a.nii.gz")
    assert np.array_equal(np.asarray(there.dataobj), volume().T)
    np.testing.assert_allclose(there.affine, affine, atol=1e-5)
    assert there.header["sform_code"] == 1
    qform, code = there.get_qform(coded=True)
    assert code == 0 or np.allclose(qform, affine, atol=1e-4)
    back = read_image(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(back.place.ras(), affine, atol=1e-5)
    assert back.unit == "mm"


def test_nifti_keeps_its_header_and_its_second_affine(tmp_path) -> None:
    made = nibabel.Nifti1Image(volume().T, np.array(AFFINES["straight"]))
    other = np.array(AFFINES["straight"])
    other[:3, 3] = [1, 2, 3]
    made.set_sform(AFFINES["straight"], code=4)
    made.set_qform(other, code=1)
    made.header["descrip"] = b"T1 of a head"
    nibabel.save(made, tmp_path / "a.nii")
    write_image(read_image(tmp_path / "a.nii"), tmp_path / "b.nii.gz")
    there = nibabel.load(tmp_path / "b.nii.gz")
    qform, code = there.get_qform(coded=True)
    np.testing.assert_allclose(qform, other, atol=1e-5)
    assert (code, there.header["sform_code"], bytes(there.header["descrip"].item())[:12]) == (1, 4, b"T1 of a head")


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.tif", "a.ome.zarr", "a.npy"])
def test_values_of_every_type_are_kept(tmp_path, dtype, name) -> None:
    write_image(Image(volume(dtype), "ZYX"), tmp_path / name)
    axes = "ZYX" if name.endswith("npy") else None
    found = np.asarray(read_image(tmp_path / name, axes=axes).array)
    assert np.array_equal(found.astype(float), volume(dtype).astype(float))


def test_micrometres_are_millimetres_in_nifti_and_no_patient_is_made_up(tmp_path) -> None:
    write_image(Image(volume(), "ZYX", (2000, 500, 250), "um"), tmp_path / "a.nii.gz")
    there = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(there.header.get_zooms(), (0.25, 0.5, 2))
    assert read_image(tmp_path / "a.nii.gz").place.frame == ""


@pytest.mark.parametrize(
    ("axes", "shape"), [("CZYX", (2, 3, 4, 5)), ("TZYX", (2, 3, 4, 5)), ("TCYX", (2, 3, 4, 5)), ("YXC", (6, 7, 3))]
)
@pytest.mark.parametrize("name", ["a.nii.gz", "a.tif", "a.ome.zarr"])
def test_channels_and_time(tmp_path, axes, shape, name) -> None:
    image = Image(np.arange(np.prod(shape)).reshape(shape).astype(np.uint8), axes, name="a")
    write_image(image, tmp_path / name)
    back = read_image(tmp_path / name)
    letters = "".join(a for a in "TCZYX" if a in axes)
    assert set(back.axes) - {"Z"} == set(axes) - {"Z"}
    for t in range(image.n_frames):
        found = back.read(None, t)
        assert np.array_equal(found.reshape(image.read(None, t).shape), image.read(None, t)), letters


def test_tiff_says_where_its_planes_are(tmp_path) -> None:
    place = Place.of_spacing({"Z": 2.0, "Y": 0.5, "X": 0.25}, {"Z": 10.0, "Y": 3.0, "X": 4.0})
    values = np.stack([volume("uint16"), volume("uint16") + 1])
    write_image(Image(values, "CZYX", unit="um", place=place), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        about = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tif.series[0].axes == "ZCYX"
        assert np.array_equal(tif.asarray(), values.transpose(1, 0, 2, 3))
    assert (about["PhysicalSizeZ"], about["PhysicalSizeY"], about["PhysicalSizeXUnit"]) == (2.0, 0.5, "µm")
    for plane in about["Plane"]:
        assert plane["PositionZ"] == 10 + 2 * plane["TheZ"]
        assert (plane["PositionY"], plane["PositionX"], plane["PositionXUnit"]) == (3, 4, "µm")
    assert len(about["Plane"]) == 6


def test_colours_stay_colours(tmp_path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (6, 7, 3), np.uint8)
    for name in ("a.tif", "a.png"):
        write_image(Image(photo, "YXC"), tmp_path / name)
        assert np.array_equal(imageio.imread(tmp_path / name), photo)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages[0].photometric == 2


def test_ome_zarr_has_scale_and_translation(tmp_path) -> None:
    models = pytest.importorskip("ome_zarr_models.v04.image")
    place = Place.of_spacing({"Z": 2.0, "Y": 0.5, "X": 0.25}, {"Z": 10.0, "X": 4.0})
    write_image(Image(volume(), "ZYX", unit="um", place=place), tmp_path / "a.ome.zarr")
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    [scales] = models.ImageAttrs.model_validate(dict(group.attrs)).multiscales
    scale, shift = scales.datasets[0].coordinateTransformations
    assert (scale.scale, shift.translation) == ([2.0, 0.5, 0.25], [10.0, 0.0, 4.0])
    assert [a.unit for a in scales.axes] == ["micrometer"] * 3


def test_what_a_format_does_not_hold_is_said() -> None:
    turned = Image(volume(), "ZYX", unit="mm", place=Place.from_ras(AFFINES["mirrored"]))
    flat = Image(volume(), "ZYX", unit="um", place=Place.of_spacing({"Z": 2.0}))
    world = Image(volume()[0], "YX", unit="m", place=Place(np.eye(4), "map", "EPSG:2056"))
    assert "holds no directions" in lost_by(turned, "a.tif")
    assert "holds no directions" in lost_by(turned, "a.ome.zarr")
    assert lost_by(turned, "a.nii.gz") == lost_by(flat, "a.tif") == ""
    assert "on the map" in lost_by(world, "a.tif")
    assert "no voxel size" in lost_by(flat, "a.npy")


def test_what_cannot_be_written(tmp_path) -> None:
    image = Image(volume(), "ZYX")
    for name, words in (
        ("a.docx", "cannot be written to"),
        ("a.png", "one grey plane"),
        ("no/a.tif", "folder does not exist"),
    ):
        with pytest.raises(InputError, match=words):
            write_image(image, tmp_path / name)
    (tmp_path / "b.ome.zarr").mkdir()
    (tmp_path / "b.ome.zarr" / "thesis.txt").write_text("my data")
    with pytest.raises(InputError, match="existing folder"):
        write_image(image, tmp_path / "b.ome.zarr")
    with pytest.raises(InputError, match="32 bits"):
        write_image(Image(np.array([[2**40, 1]]), "YX"), tmp_path / "c.tif")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.ome.zarr"]
    write_image(image, tmp_path / "a.ome.zarr")
    write_image(Image(volume()[:2], "ZYX"), tmp_path / "a.ome.zarr")
    assert read_image(tmp_path / "a.ome.zarr").array.shape == (2, 4, 5)
