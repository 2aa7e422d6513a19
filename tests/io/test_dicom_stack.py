"""Slices, frames and points in time of DICOM: their order, their distances and where they lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dicom_maker import AXIAL, enhanced, image, item, plane, series

from napari_segplugin.core import InputError
from napari_segplugin.io import read_image

NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"


def world(found, z, y=0, x=0):
    """Where a voxel lies: to the left, the back and the head."""
    return (found.place.lps() @ [x, y, z, 1])[:3]


def firsts(found):
    """The first pixel of each plane, which tells the planes apart."""
    return (np.asarray(found.array)[..., 0, 0] / 100).ravel().tolist()


def notes(found):
    return " ".join(found.metadata.get("notes", ()))


@pytest.mark.parametrize("heights", [[0, 2, 4], [4, 2, 0], [2, 4, 0]])
def test_slices_lie_where_they_say(tmp_path, heights) -> None:
    found = read_image(series(tmp_path, heights))
    assert found.spacing == (2.0, 0.5, 0.75)
    assert (found.place.frame, found.place.reference, found.place.orientation) == ("patient", "1.2.9", "SPL")
    for z, value in enumerate(firsts(found)):
        assert np.allclose(world(found, z), [-10, -20, 5 + heights[int(value)]])
    assert np.allclose(world(found, 0, y=1, x=1) - world(found, 0), [0.75, 0.5, 0])
    assert notes(found) == ""


def test_an_oblique_series_is_exact(tmp_path) -> None:
    a, b = math.radians(20), math.radians(35)
    row = np.array([math.cos(b), math.sin(b), 0])
    column = np.array([-math.sin(b) * math.cos(a), math.cos(b) * math.cos(a), math.sin(a)])
    normal = np.cross(row, column)
    found = read_image(series(tmp_path, [0, 3, 6], direction=[*row, *column], way=normal))
    assert np.allclose(world(found, 2, y=3, x=4), np.array([-10, -20, 5]) + 6 * normal + 1.5 * column + 3 * row)
    assert found.spacing[0] == pytest.approx(3)


def test_gantry_tilt_is_a_shear_and_said(tmp_path) -> None:
    t = math.radians(20)
    direction = [1, 0, 0, 0, math.cos(t), -math.sin(t)]
    found = read_image(series(tmp_path, [0, 3, 6, 9, 12], direction=direction))
    assert np.allclose(world(found, 4), [-10, -20, 17])
    assert found.place.voxel_volume == pytest.approx(3 * 0.5 * 0.75 * math.cos(t))
    assert "tilted by 20° (gantry tilt)" in notes(found)


def test_slices_that_are_shifted_sideways_are_said(tmp_path) -> None:
    series(tmp_path, [0, 2, 6, 8])
    image(
        tmp_path / "odd", plane(7), ImagePositionPatient=[-7, -20, 9], ImageOrientationPatient=AXIAL, RescaleIntercept=0
    )
    assert "shifted sideways by up to 3 mm" in notes(read_image(tmp_path))


def test_a_missing_slice_is_named_and_resampled_on_wish(tmp_path) -> None:
    folder = series(tmp_path, [0, 2, 4, 8, 10])
    found = read_image(folder)
    assert found.spacing[0] == 2
    assert "usual distance is 2 mm, but from 9 to 13 mm it is not" in notes(found)
    assert "right from 5 to 9 mm; other slices are shown up to 2 mm" in notes(found)
    even = read_image(folder, resample=True)
    assert firsts(even) == [0, 1, 2, 2.5, 3, 4]
    assert even.array.dtype == found.array.dtype
    assert np.allclose(world(even, 5), [-10, -20, 15])
    assert "resampled to 6 even ones" in notes(even)
    assert "evenly spaced:" not in notes(even)


def test_the_longest_even_part_is_where_it_is(tmp_path) -> None:
    found = read_image(series(tmp_path, [0, 1, 3, 8, 13, 18]))
    assert found.spacing[0] == 5
    for z in (2, 3, 4, 5):
        assert world(found, z)[2] == pytest.approx([5, 6, 8, 13, 18, 23][z])
    even = read_image(tmp_path, resample=True)
    assert world(even, 0)[2] == pytest.approx(5)
    assert firsts(even) == pytest.approx([0, 2.4, 3.4, 4.4])


def test_even_slices_are_left_as_they_are(tmp_path) -> None:
    found = read_image(series(tmp_path, [0, 2.01, 4, 6.02]), resample=True)
    assert firsts(found) == [0, 1, 2, 3]


def test_thickness_is_not_the_distance(tmp_path) -> None:
    assert read_image(series(tmp_path, [0, 2], SliceThickness=5, SpacingBetweenSlices=9)).spacing[0] == 2


def test_one_slice_lies_in_the_patient_too(tmp_path) -> None:
    found = read_image(next(series(tmp_path, [3]).iterdir()))
    assert (found.axes, found.spacing) == ("YX", (0.5, 0.75))
    assert np.allclose(world(found, 0, y=2), [-10, -19, 8])
    assert found.place.spacing[0] == 5


# frames of one file


def test_frames_are_sorted_by_their_positions(tmp_path) -> None:
    path = enhanced(tmp_path / "a.dcm", np.stack([plane(i) for i in range(4)]), [6, 2, 4, 0])
    found = read_image(path)
    assert (found.axes, found.metadata["axes_doubt"]) == ("ZYX", "")
    assert firsts(found) == [3, 1, 2, 0]
    assert np.allclose(world(found, 3), [-10, -20, 6])
    assert found.spacing == (2.0, 0.5, 0.75)


def test_dimensions_of_frames_are_time(tmp_path) -> None:
    tags = (0x00209056, 0x00209057, 0x00209128)
    frames = [(t, z) for z in range(3) for t in range(2)]
    path = enhanced(
        tmp_path / "a.dcm",
        np.stack([plane(10 * t + z) for t, z in frames]),
        [2 * z for _, z in frames],
        own=lambda i: {"FrameContentSequence": [item(DimensionIndexValues=[1, frames[i][1] + 1, frames[i][0] + 1])]},
        DimensionIndexSequence=[item(DimensionIndexPointer=t) for t in tags],
    )
    found = read_image(path)
    assert (found.axes, found.array.shape) == ("TZYX", (2, 3, 6, 8))
    assert firsts(found) == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize("spacing", [3.0, -3.0])
def test_the_sign_of_the_spacing_is_the_way_of_the_stack(tmp_path, spacing) -> None:
    more = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": AXIAL, "SliceThickness": 5}
    found = read_image(
        image(tmp_path / "a.dcm", np.stack([plane(i) for i in range(4)]), SpacingBetweenSlices=spacing, **more)
    )
    assert firsts(found) == [0, 1, 2, 3]
    assert found.spacing[0] == 3
    assert np.allclose(world(found, 3), [0, 0, 3 * spacing])


def test_frames_with_a_thickness_alone_are_asked_about(tmp_path) -> None:
    more = {"ImagePositionPatient": [0, 0, 0], "ImageOrientationPatient": AXIAL, "SliceThickness": 5}
    found = read_image(image(tmp_path / "a.dcm", np.stack([plane(i) for i in range(4)]), **more))
    assert "depth Z or time T" in found.metadata["axes_doubt"]
    assert "their thickness is used" in notes(found)
    assert found.spacing[0] == 5


def test_a_dose_has_its_offsets_and_its_scale(tmp_path) -> None:
    more = {"ImagePositionPatient": [0, 0, 7], "ImageOrientationPatient": AXIAL, "Modality": "RTDOSE"}
    more |= {"GridFrameOffsetVector": [0, 2.5, 5], "DoseGridScaling": 0.01, "DoseUnits": "GY"}
    found = read_image(image(tmp_path / "a.dcm", np.stack([plane(i) for i in range(3)]).astype(np.uint16), **more))
    assert (found.spacing[0], found.metadata["value_unit"]) == (2.5, "Gy")
    assert np.asarray(found.array)[2, 0, 0] == pytest.approx(2.0)
    assert world(found, 2)[2] == pytest.approx(12)


def test_gated_nuclear_medicine_is_time_and_depth(tmp_path) -> None:
    frames = np.stack([plane(i) for i in range(6)]).astype(np.uint16)
    path = image(
        tmp_path / "a.dcm",
        frames,
        kind=NUCLEAR,
        Modality="NM",
        SpacingBetweenSlices=-4,
        FrameIncrementPointer=[0x00540060, 0x00540080],
        RRIntervalVector=[1, 1, 1, 2, 2, 2],
        SliceVector=[1, 2, 3, 1, 2, 3],
        DetectorInformationSequence=[item(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=AXIAL)],
    )
    found = read_image(path)
    assert (found.axes, found.array.shape[:2]) == ("TZYX", (2, 3))
    assert firsts(found) == [0, 1, 2, 3, 4, 5]
    assert np.allclose(world(found, 2), [1, 2, 3 - 8])


def test_a_film_is_time_with_its_interval_and_its_pixel_size(tmp_path) -> None:
    region = item(PhysicalDeltaX=0.02, PhysicalDeltaY=-0.03, PhysicalUnitsXDirection=3, PhysicalUnitsYDirection=3)
    path = image(
        tmp_path / "a.dcm",
        np.stack([plane(i) for i in range(3)]).astype(np.uint16),
        Modality="US",
        PixelSpacing=None,
        FrameTime=40,
        FrameIncrementPointer=0x00181063,
        SequenceOfUltrasoundRegions=[region],
    )
    found = read_image(path)
    assert (found.axes, found.unit, found.metadata["axes_doubt"]) == ("TYX", "mm", "")
    assert found.spacing == pytest.approx((0.3, 0.2))
    assert found.metadata["frame_interval"] == 0.04


# time


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        (lambda t, z: {"TemporalPositionIdentifier": t + 1, "TemporalResolution": 1500}, 1.5),
        (lambda t, z: {"TriggerTime": 50 * t}, 0.05),
        (lambda t, z: {"AcquisitionNumber": t + 1, "AcquisitionDateTime": f"2024010112000{2 * t}.5"}, 2.0),
        (lambda t, z: {"AcquisitionDate": "20240101", "AcquisitionTime": f"12000{3 * t}"}, 3.0),
        (lambda t, z: {"TriggerTime": 50 * t + 7 * z}, 0.05),  # every slice with a trigger of its own
    ],
)
def test_volumes_in_one_place_are_points_in_time(tmp_path, values, interval) -> None:
    for t in (2, 0, 1):
        for z in (1, 0):
            spot = {"ImagePositionPatient": [0, 0, 2 * z], "ImageOrientationPatient": AXIAL, "InstanceNumber": 1}
            image(tmp_path / f"{t}{z}", plane(10 * t + z), RescaleIntercept=0, **(spot | values(t, z)))
    found = read_image(tmp_path)
    assert (found.axes, found.array.shape) == ("TZYX", (3, 2, 6, 8))
    assert firsts(found) == [0, 1, 10, 11, 20, 21]
    assert found.metadata["frame_interval"] == pytest.approx(interval)
    assert found.spacing[0] == 2
    assert notes(found) == ""


def test_b_values_stand_on_the_same_axis_and_are_named(tmp_path) -> None:
    for b in (0, 1000):
        series(tmp_path, [0, 2], Modality="MR", DiffusionBValue=b, ending=f"b{b}", RescaleIntercept=None)
    found = read_image(tmp_path)
    assert found.axes == "TZYX"
    assert "strength of diffusion" in notes(found)


def test_numbers_alone_are_an_order_with_a_note(tmp_path) -> None:
    for t in (0, 1):
        for z in (0, 1):
            spot = {"ImagePositionPatient": [0, 0, 2 * z], "ImageOrientationPatient": AXIAL}
            image(tmp_path / f"{t}{z}", plane(10 * t + z), InstanceNumber=2 * t + z, RescaleIntercept=0, **spot)
    found = read_image(tmp_path)
    assert firsts(found) == [0, 1, 10, 11]
    assert "Nothing but the numbers" in notes(found)


def test_volumes_that_were_cut_short_are_left_out_and_named(tmp_path) -> None:
    for t in range(3):
        series(tmp_path, [0, 2, 4] if t < 2 else [0], TemporalPositionIdentifier=t + 1, ending=f"t{t}")
    found = read_image(tmp_path)
    assert found.array.shape[:2] == (2, 3)
    assert "left out: number 3 (1 of 3 slices)" in notes(found)


def test_slices_in_one_place_that_nothing_tells_apart(tmp_path) -> None:
    series(tmp_path, [0, 2, 2])
    with pytest.raises(InputError, match=r"same position.*7 mm \(2 slices\); 2 positions in all.*Remove the copies"):
        read_image(tmp_path)


# without positions


def test_pictures_without_positions_are_asked_about(tmp_path) -> None:
    folder = series(tmp_path, [0, 1, 2], Modality="CR", PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.1])
    for file in folder.iterdir():
        change(file, ImagePositionPatient=None, ImageOrientationPatient=None, SliceThickness=None)
    found = read_image(folder)
    assert "depth Z or time T" in found.metadata["axes_doubt"]
    assert found.spacing == (1.0, 0.2, 0.1)
    assert "at the detector" in notes(found)
    assert "gives no distance between slices" in notes(found)
    assert "do not say where they lie" in notes(found)
    assert found.place is None


def test_slice_locations_give_the_distance(tmp_path) -> None:
    folder = series(tmp_path, [0, 1, 2])
    for i, file in enumerate(sorted(folder.iterdir())):
        change(file, ImagePositionPatient=None, SliceLocation=4.0 * i, InstanceNumber=i)
    assert read_image(folder).spacing[0] == 4


def test_pixels_that_are_not_square_without_a_size(tmp_path) -> None:
    found = read_image(image(tmp_path / "a.dcm", plane(), PixelSpacing=None, PixelAspectRatio=[2, 1], Modality="US"))
    assert (found.spacing, found.unit) == ((2.0, 1.0), "pixel")
    assert "no pixel size" in notes(found)


def test_a_negative_pixel_size_is_said(tmp_path) -> None:
    found = read_image(series(tmp_path, [0, 2], PixelSpacing=[-0.5, 0.75]))
    assert found.spacing == (2.0, 0.5, 0.75)
    assert "pixel size is negative" in notes(found)


def test_a_mosaic_is_named(tmp_path) -> None:
    found = read_image(image(tmp_path / "a.dcm", plane(), Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]))
    assert "mosaic of all slices" in notes(found)


def change(path, **values) -> None:
    import pydicom

    data = pydicom.dcmread(path)
    for name, value in values.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)
