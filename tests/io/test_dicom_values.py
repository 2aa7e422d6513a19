"""What the numbers in DICOM pixels mean: units, inverted and colored images, windows."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_maker import enhanced, image, item, plane, series
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut, convert_color_space, pixel_array

from napari_segplugin.io import read_image
from napari_segplugin.io.dicom_values import stored_range


def own(name: str) -> str:
    return str(get_testdata_file(name))


def notes(found):
    return " ".join(found.metadata.get("notes", ()))


def test_units_of_each_frame(tmp_path) -> None:
    path = enhanced(
        tmp_path / "a.dcm",
        np.stack([plane(i) for i in range(3)]),
        [0, 2, 4],
        own=lambda i: {
            "PixelValueTransformationSequence": [item(RescaleSlope=i + 0.5, RescaleIntercept=-i, RescaleType="US")]
        },
        Modality="MR",
    )
    found = read_image(path)
    assert found.array.dtype == np.float32
    for i in range(3):
        assert np.allclose(found.array[i], plane(i) * (i + 0.5) - i)
    assert "value_unit" not in found.metadata


def test_units_of_all_frames(tmp_path) -> None:
    shared = [("PixelValueTransformationSequence", [item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")])]
    found = read_image(enhanced(tmp_path / "a.dcm", np.stack([plane(i) for i in range(3)]), [0, 2, 4], shared=shared))
    assert found.array.dtype == np.int16
    assert found.array[0, 0, 0] == -1024
    assert found.metadata["value_unit"] == "HU"


def test_slopes_that_differ_from_slice_to_slice(tmp_path) -> None:
    """A first slice in whole numbers does not cut the fractions of the next ones."""
    series(tmp_path, [0, 2], Modality="PT", Units="BQML", RescaleSlope=1)
    image(
        tmp_path / "third",
        plane(3),
        Modality="PT",
        Units="BQML",
        RescaleSlope=1.5,
        RescaleIntercept=0,
        ImagePositionPatient=[-10, -20, 9],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )
    found = read_image(tmp_path)
    assert np.allclose(found.array[2], plane(3) * 1.5)
    assert found.metadata["value_unit"] == "Bq/ml"


def test_a_modality_table(tmp_path) -> None:
    table = item(LUTDescriptor=[4, 0, 16], ModalityLUTType="OD")
    table.add_new("LUTData", "OW", np.array([7, 8, 9, 500], "<u2").tobytes())
    pixels = np.array([[0, 1], [3, 9]], np.uint16)
    found = read_image(image(tmp_path / "a.dcm", pixels, Modality="CR", ModalityLUTSequence=[table]))
    assert np.asarray(found.array).tolist() == [[7, 8], [500, 500]]


@pytest.mark.parametrize(("bits", "signed", "most"), [(12, 0, 4095), (16, 0, 65535), (12, 1, -1)])
def test_low_is_bright_is_inverted(tmp_path, bits, signed, most) -> None:
    pixels = plane(3).astype(np.int16 if signed else np.uint16)
    more = {"BitsStored": bits, "HighBit": bits - 1, "Modality": "DX", "WindowCenter": 300, "WindowWidth": 101}
    found = read_image(image(tmp_path / "a.dcm", pixels, PhotometricInterpretation="MONOCHROME1", **more))
    assert np.array_equal(found.array, most - pixels.astype(int))
    assert "MONOCHROME1" in notes(found)
    assert "inverted" in notes(found)
    low, high = found.metadata["window"]
    assert (low, high) == pytest.approx((most - 349.5, most - 249.5))


def test_calibrated_values_are_not_inverted(tmp_path) -> None:
    found = read_image(series(tmp_path, [0, 2], PhotometricInterpretation="MONOCHROME1", RescaleIntercept=-1024))
    assert found.array[0, 0, 0] == -1024
    assert "values are unchanged" in notes(found)


def test_real_numbers_as_they_are_with_their_unit(tmp_path) -> None:
    mapping = item(
        RealWorldValueSlope=1.0,
        RealWorldValueIntercept=0.0,
        LUTLabel="ADC",
        MeasurementUnitsCodeSequence=[item(CodeValue="mm2/s")],
    )
    pixels = plane(1).astype(np.float32) + 0.25
    found = read_image(image(tmp_path / "a.dcm", pixels, Modality="MR", RealWorldValueMappingSequence=[mapping]))
    assert np.array_equal(found.array, pixels)
    assert (found.metadata["value_unit"], notes(found)) == ("mm2/s", "")


def test_another_mapping_is_named_and_not_applied(tmp_path) -> None:
    mapping = item(RealWorldValueSlope=0.5, RealWorldValueIntercept=2.0, LUTLabel="T1")
    mapping.MeasurementUnitsCodeSequence = [item(CodeValue="ms")]
    found = read_image(image(tmp_path / "a.dcm", plane(), Modality="MR", RealWorldValueMappingSequence=[mapping]))
    assert np.array_equal(found.array, plane())
    assert "T1 in ms: stored value × 0.5 + 2. This was not applied" in notes(found)
    assert found.metadata["real_world"] == {"name": "T1", "unit": "ms", "slope": 0.5, "intercept": 2.0}


@pytest.mark.parametrize(
    ("values", "window"),
    [
        ({"WindowCenter": [40, 300], "WindowWidth": [301, 1500]}, [-110.5, 189.5]),
        ({"WindowCenter": 40, "WindowWidth": 300, "VOILUTFunction": "LINEAR_EXACT"}, [-110, 190]),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
    ],
)
def test_the_first_window(tmp_path, values, window) -> None:
    assert read_image(series(tmp_path, [0, 2], **values)).metadata.get("window") == window


def test_a_window_in_functional_groups(tmp_path) -> None:
    shared = [("FrameVOILUTSequence", [item(WindowCenter=100, WindowWidth=51)])]
    found = read_image(enhanced(tmp_path / "a.dcm", np.stack([plane()] * 2), [0, 2], shared=shared))
    assert found.metadata["window"] == [74.5, 124.5]


@pytest.mark.parametrize(("padding", "value"), [(0, -1024), (5, -1019), (3000, None)])
def test_padding_is_noted_where_it_occurs(tmp_path, padding, value) -> None:
    found = read_image(series(tmp_path, [0, 2], PixelPaddingValue=padding, RescaleIntercept=-1024))
    assert found.metadata.get("padding") == value
    assert (f"The value {value} marks pixels outside" in notes(found)) == (value is not None)


def test_padding_without_its_sign(tmp_path) -> None:
    pixels = plane()
    pixels[0, 0] = -2000
    found = read_image(image(tmp_path / "a.dcm", pixels, PixelPaddingValue=-2000, RescaleIntercept=0, RescaleSlope=1))
    assert found.metadata["padding"] == -2000


def test_uptake_is_offered_where_it_can_be_computed(tmp_path) -> None:
    drug = item(RadionuclideTotalDose=3e8, RadionuclideHalfLife=6586, RadiopharmaceuticalStartTime="110000")
    about = {"Modality": "PT", "Units": "BQML", "PatientWeight": 70, "SeriesTime": "120000.0"}
    about |= {"DecayCorrection": "START", "RadiopharmaceuticalInformationSequence": [drug]}
    found = read_image(series(tmp_path / "a", [0, 2], **about))
    assert found.metadata["suv_per_value"] == pytest.approx(70000 / (3e8 * 0.5 ** (3600 / 6586)))
    assert found.metadata["value_unit"] == "Bq/ml"
    assert "multiply by 0.0003408" in notes(found)
    unknown = read_image(series(tmp_path / "b", [0, 2], **(about | {"DecayCorrection": "NONE"})))
    assert "suv_per_value" not in unknown.metadata


def test_ct_without_calibration_says_so(tmp_path) -> None:
    found = read_image(series(tmp_path, [0, 2], RescaleIntercept=None, RescaleSlope=None))
    assert "value_unit" not in found.metadata
    assert "how its values become Hounsfield units" in notes(found)


def test_palette_and_luminance_become_red_green_blue() -> None:
    data = pydicom.dcmread(own("examples_palette.dcm"))
    found = read_image(own("examples_palette.dcm"))
    expected = apply_color_lut(data.pixel_array, data)
    assert (found.axes, found.array.dtype) == ("YXC", np.uint8)
    assert np.array_equal(found.array, expected >> 8 if expected.dtype == np.uint16 else expected)
    raw = pixel_array(own("SC_ybr_full_422_uncompressed.dcm"), raw=True)
    found = read_image(own("SC_ybr_full_422_uncompressed.dcm"))
    assert np.array_equal(found.array, convert_color_space(raw, "YBR_FULL", "RGB"))


def test_overlays_in_the_pixels_are_cut_off(tmp_path) -> None:
    pixels = plane(3).astype(np.uint16)
    drawn = pixels.copy()
    drawn[2] |= 1 << 12
    path = image(tmp_path / "a.dcm", drawn, BitsStored=12, HighBit=11, Modality="CR")
    data = pydicom.dcmread(path)
    data.add_new(0x60000100, "US", 16)
    data.add_new(0x60000102, "US", 12)
    data.save_as(path)
    assert np.array_equal(read_image(path).array, pixels)


def test_a_file_without_pixels_is_damaged(tmp_path) -> None:
    path = image(tmp_path / "a.dcm", plane(), PixelData=None)
    with pytest.raises(ValueError, match="cannot be read as DICOM"):
        read_image(path)


def test_the_range_of_what_is_stored() -> None:
    assert stored_range(item(BitsStored=12, PixelRepresentation=1)) == (-2048, 2047)
