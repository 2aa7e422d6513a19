"""NIfTI and DICOM keep space and units."""

from __future__ import annotations

import builtins
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import InputError, MissingExtraError, Place
from napari_segplugin.io import read_image, write_segmentation

FIXTURES = Path(__file__).parent.parent / "data"
AFFINE = np.array([[-0.5, 0, 0, 90], [0, 0.4, 0.1, -126], [0, -0.1, 2.0, -72], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("package", ["nibabel", "pydicom"])
def test_missing_package_is_named(tmp_path, monkeypatch, package) -> None:
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    path = tmp_path / ("a.nii" if package == "nibabel" else "a.dcm")
    path.write_bytes(b"x" * 400)
    with pytest.raises(MissingExtraError, match=rf"'{package}' is needed to read .*Run: pip install {package}$"):
        read_image(path)


# NIfTI


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64", ">i2"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ", "A.Nii"])
def test_nifti_is_turned_to_zyx(tmp_path, rng, dtype, name) -> None:
    nibabel = pytest.importorskip("nibabel")
    array = rng.integers(0, 99, (4, 5, 6)).astype(dtype)
    image = nibabel.Nifti1Image(array, AFFINE, dtype=np.dtype(dtype))
    nibabel.save(image, tmp_path / name.lower())
    (tmp_path / name.lower()).rename(tmp_path / name)
    found = read_image(tmp_path / name)
    assert np.array_equal(found.array, array.transpose())
    assert found.array.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.axes == "ZYX"
    assert found.spacing == pytest.approx(tuple(np.linalg.norm(AFFINE[:3, i]) for i in (2, 1, 0)))
    assert found.unit == "mm"
    assert np.allclose(found.place.ras(), AFFINE)
    assert found.place.orientation == "SAL"


@pytest.mark.parametrize(
    ("shape", "axes", "doubted"),
    [
        ((4, 5), "YX", False),
        ((4, 5, 6, 3), "TZYX", True),
        ((4, 5, 6, 1), "ZYX", False),
        ((4, 5, 6, 1, 3), "CZYX", False),
        ((4, 5, 6, 2, 3), "CTZYX", False),
    ],
)
def test_nifti_of_other_dimensions(tmp_path, shape, axes, doubted) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), np.eye(4)), tmp_path / "a.nii")
    found = read_image(tmp_path / "a.nii")
    assert found.axes == axes
    assert bool(found.metadata["axes_doubt"]) == doubted


def test_nifti_units_scaling_colours(tmp_path, rng) -> None:
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.full((4, 5, 6), 10, np.int16), np.eye(4))
    image.header.set_xyzt_units("micron")
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "a.nii")
    found = read_image(tmp_path / "a.nii")
    assert (found.unit, found.array.dtype) == ("um", np.float32)
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 7
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "rgb.nii")
    found = read_image(tmp_path / "rgb.nii")
    assert found.axes == "CZYX"
    assert found.read()[:, 0, 0, 0].tolist() == [0, 7, 0]


def test_nifti_of_complex_numbers(tmp_path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.complex64), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="complex64"):
        read_image(tmp_path / "a.nii")


def test_nifti_result_lies_where_its_image_lay(tmp_path, make_segmentation) -> None:
    nibabel = pytest.importorskip("nibabel")
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3] = 1
    recipe = {"input": {"metadata": {"nifti_affine": AFFINE.tolist()}}, "origin": [10, 20, 30]}
    spacing = Place.from_ras(AFFINE).spacing
    write_segmentation(make_segmentation(labels, spacing=spacing, unit="mm", recipe=recipe), tmp_path / "a.nii.gz")
    back = nibabel.load(tmp_path / "a.nii.gz")
    (voxel,) = np.argwhere(np.asarray(back.dataobj))
    in_region = back.affine @ [*voxel, 1]
    in_image = AFFINE @ [30 + 3, 20 + 2, 10 + 1, 1]
    assert np.allclose(in_region, in_image, atol=1e-4)


@pytest.mark.parametrize("affine", [[[1, 2], [3, 4]], [[float("nan")] * 4] * 4])
def test_recipe_with_a_broken_affine(make_segmentation, affine) -> None:
    with pytest.raises(InputError, match="affine"):
        make_segmentation(np.ones((3, 4, 5), int), recipe={"nifti_affine": affine})


def two_forms(path):
    """A scan whose qform (code 1) and sform (code 2) lie 12 mm apart, with texts in its header."""
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(5, 4, 3), AFFINE)
    image.set_sform(AFFINE, code=2)
    other = AFFINE.copy()
    other[:3, 3] += [12, -3, 1]
    image.set_qform(other, code=1)
    image.header["descrip"], image.header["aux_file"], image.header["intent_name"] = b"series 3", b"a.par", b"t1"
    nibabel.save(image, path)
    return nibabel.load(path)


def test_a_result_has_both_forms_the_codes_and_the_texts_of_its_image(tmp_path, make_segmentation) -> None:
    nibabel = pytest.importorskip("nibabel")
    from napari_segplugin.engine.provenance import about_input

    before = two_forms(tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    for start in ([], [1, 2, 3]):
        recipe = {"input": about_input(image), "origin": start} if start else {"input": about_input(image)}
        labels = np.ones((3, 4, 5) if not start else (2, 2, 2), np.uint8)
        seg = make_segmentation(labels, spacing=image.spacing, unit="mm", recipe=recipe)
        write_segmentation(seg, tmp_path / "b.nii.gz")
        after = nibabel.load(tmp_path / "b.nii.gz")
        for code in ("qform_code", "sform_code"):
            assert int(after.header[code]) == int(before.header[code])
        moved = np.eye(4)
        moved[:3, 3] = start[::-1] or [0, 0, 0]
        np.testing.assert_allclose(after.get_sform(), before.get_sform() @ moved, atol=1e-4)
        np.testing.assert_allclose(after.get_qform(), before.get_qform() @ moved, atol=1e-4)
        for text in ("descrip", "aux_file", "intent_name"):
            assert after.header[text].item() == before.header[text].item()


def test_what_a_header_contradicts_or_does_not_say_is_told(tmp_path, make_segmentation) -> None:
    nibabel = pytest.importorskip("nibabel")
    from napari_segplugin.io.formats import notes_of

    nowhere = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), None)
    nowhere.header.set_zooms((0.5, 0.4, 2.0))
    nibabel.save(nowhere, tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    assert image.place is None
    assert image.spacing == pytest.approx((2.0, 0.4, 0.5))
    assert any("left and right are not known" in note.text for note in notes_of(image))
    torn = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), np.diag([1.0, 1, 1, 1]))
    torn.set_sform(np.diag([1.0, 1, 2, 1]), code=1)
    torn.header["pixdim"][1:4] = [1, 1, 3]
    nibabel.save(torn, tmp_path / "b.nii")
    assert any("gives two voxel sizes" in note.text for note in notes_of(read_image(tmp_path / "b.nii")))
    flat = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), np.eye(4))
    nibabel.save(flat, tmp_path / "c.nii")
    data = bytearray((tmp_path / "c.nii").read_bytes())
    data[312:328] = bytes(16)  # srow_z: all voxels lie in one plane
    (tmp_path / "c.nii").write_bytes(data)
    broken = read_image(tmp_path / "c.nii")
    assert broken.place is None
    assert any("not valid" in note.text for note in notes_of(broken))
    # labels of a microscope: the size is kept, and nobody is told that they lie in a patient
    write_segmentation(make_segmentation(np.ones((3, 4, 5), int), spacing=(2.0, 0.5, 0.25)), tmp_path / "d.nii.gz")
    back = read_image(tmp_path / "d.nii.gz")
    assert back.spacing == pytest.approx((0.002, 0.0005, 0.00025))
    assert back.place.frame == ""


# DICOM


@pytest.fixture
def series(tmp_path) -> Path:
    """Three neighbouring slices of a real CT, named so that names do not sort them."""
    pytest.importorskip("pydicom")
    folder = tmp_path / "ct"
    folder.mkdir()
    for new, old in (("a", "17166"), ("b.dcm", "17136"), ("c", "17196")):
        shutil.copy(FIXTURES / "dicom_series" / f"{old}.dcm", folder / new)
    return folder


def edit(path: Path, **values) -> None:
    import pydicom

    data = pydicom.dcmread(path)
    for name, value in values.items():
        setattr(data, name, value)
    data.save_as(path)


def test_series_is_sorted_and_in_hounsfield_units(series) -> None:
    import pydicom

    image = read_image(series)
    assert (image.axes, image.unit, image.array.dtype) == ("ZYX", "mm", np.int16)
    assert image.spacing == pytest.approx((1.25, 0.488281, 0.488281))
    for z, name in enumerate(("b.dcm", "a", "c")):
        data = pydicom.dcmread(series / name)
        assert np.array_equal(image.array[z], data.pixel_array.astype(int) - 1024)
        assert image.metadata["dicom_SOPInstanceUIDs"][z] == data.SOPInstanceUID
    assert image.metadata["dicom_SeriesInstanceUID"] == data.SeriesInstanceUID
    assert np.allclose(image.place.ras()[:3, 3], [125.0, 128.100006, 103.019997])


def test_order_follows_the_normal_not_the_z_axis(series) -> None:
    sagittal = [0, 1, 0, 0, 0, -1]  # normal along -x
    for name, x in (("a", 2.5), ("b.dcm", 5.0), ("c", 0.0)):
        edit(series / name, ImageOrientationPatient=sagittal, ImagePositionPatient=[x, 0, 0])
    order = read_image(series).metadata["dicom_SOPInstanceUIDs"]
    import pydicom

    assert order == [str(pydicom.dcmread(series / n).SOPInstanceUID) for n in ("b.dcm", "a", "c")]


def test_real_series_with_a_hole_is_exact_beside_it_and_says_so() -> None:
    pydicom = pytest.importorskip("pydicom")
    image = read_image(FIXTURES / "dicom_series")
    (note,) = image.metadata["notes"]
    assert re.search(r"Slices are missing.*1\.25 mm.*-99\.48 to 103\.02.*right from 103\.02 to 105\.52 mm", note)
    assert image.spacing[0] == 1.25
    for z, name in ((1, "17136"), (3, "17196")):
        position = pydicom.dcmread(FIXTURES / "dicom_series" / f"{name}.dcm").ImagePositionPatient
        assert np.allclose(image.place.lps() @ [0, 0, z, 1], [*position, 1])


def test_other_files_are_skipped_and_named(series) -> None:
    (series / "notes.txt").write_text("hello")
    shutil.copy(FIXTURES / "dicom_seg.dcm", series / "seg.dcm")
    image = read_image(series)
    assert image.array.shape[0] == 3
    assert image.metadata["dicom_skipped"] == ["notes.txt", "seg.dcm"]


def test_mixed_series_are_listed(series) -> None:
    edit(series / "a", SeriesInstanceUID="1.2.3", SeriesDescription="scout")
    with pytest.raises(InputError, match=r"2 DICOM series.*CT 'scout' \(1 image of 16 × 16\)"):
        read_image(series)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ImagePositionPatient": [-125, -128.1, 103.019997]}, "same position"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, r"2 DICOM series.*1: .*2 images.*2: .*1 image of"),
        ({"PixelSpacing": [1, 1]}, "2 DICOM series"),
        ({"Rows": 8}, r"2 DICOM series.*8 × 16"),
        ({"NumberOfFrames": 2}, "same position"),
    ],
)
def test_slices_that_do_not_belong_together(series, change, words) -> None:
    edit(series / "a", **change)
    with pytest.raises(InputError, match=words):
        read_image(series)


def test_series_without_positions_goes_by_number(series) -> None:
    for name in ("a", "b.dcm", "c"):
        edit(series / name, ImagePositionPatient=None)
    image = read_image(series)
    assert image.spacing[0] == 1.25
    assert image.place is None


def test_single_file_and_fractional_slope(series) -> None:
    edit(series / "c", RescaleSlope=0.5)
    image = read_image(series / "c")
    assert (image.axes, image.array.dtype) == ("YX", np.float32)


@pytest.mark.parametrize(("frames", "axes", "samples"), [(3, "ZYX", 1), (1, "YXC", 3)])
def test_frames_and_colours(series, frames, axes, samples) -> None:
    import pydicom

    data = pydicom.dcmread(series / "a")
    data.PixelData = bytes(16 * 16 * frames * samples)
    data.NumberOfFrames, data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = (
        frames,
        samples,
        8,
        8,
        7,
    )
    data.PhotometricInterpretation, data.PlanarConfiguration, data.PixelRepresentation = (
        "RGB" if samples > 1 else "MONOCHROME2",
        0,
        0,
    )
    data.save_as(series / "a")
    image = read_image(series / "a")
    assert image.axes == axes
    assert bool(image.metadata["axes_doubt"]) == (frames > 1)


def test_compression_without_decoder_names_the_package(series, monkeypatch) -> None:
    import pydicom

    data = pydicom.dcmread(series / "a")
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    monkeypatch.setattr(pydicom, "dcmread", lambda *_a, **_k: data)
    monkeypatch.setattr(type(pydicom.pixels.get_decoder(pydicom.uid.JPEGLSLossless)), "is_available", False)
    with pytest.raises(InputError, match="pylibjpeg"):
        read_image(series / "a")


def test_folders_without_images(tmp_path) -> None:
    pytest.importorskip("pydicom")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"contains no DICOM image.*0 other files"):
        read_image(tmp_path / "empty")
    with pytest.raises(InputError, match="nor do the folders in it"):
        read_image(tmp_path)
    (tmp_path / "empty" / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="Open one file in it"):
        read_image(tmp_path / "empty")


def test_segmentation_is_no_image() -> None:
    pytest.importorskip("pydicom")
    with pytest.raises(InputError, match="segmentation or report"):
        read_image(FIXTURES / "dicom_seg.dcm")


def test_cut_slices_are_refused(series) -> None:
    data = (series / "a").read_bytes()
    for cut in (3400, 3700, len(data) - 8):
        (series / "a").write_bytes(data[:cut])
        with pytest.raises(InputError, match="cannot be read as DICOM"):
            read_image(series)
    rng = np.random.default_rng(2)
    for _ in range(25):
        broken = bytearray(data)
        for at in rng.integers(0, 600, 5):
            broken[at] = rng.integers(0, 256)
        (series / "a").write_bytes(bytes(broken))
        try:
            image = read_image(series)
        except InputError:
            continue
        assert image.array.ndim == 3
