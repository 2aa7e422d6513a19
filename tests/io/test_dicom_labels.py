"""DICOM segmentations and structure sets as labels over their series."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_maker import AXIAL, image, item, plane, series
from pydicom.data import get_testdata_file

from napari_segplugin.core import InputError, Task
from napari_segplugin.io import read_image, read_labels, read_segmentation
from napari_segplugin.io.formats import format_of

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
FIXTURES = Path(__file__).parent.parent / "data"


@pytest.fixture
def tmp_path(tmp_path) -> Path:
    """A folder whose neighbors are no other test's."""
    folder = tmp_path / "patient" / "study"
    folder.mkdir(parents=True)
    return folder


def points(found, value):
    """Where the voxels of a label lie."""
    labels = np.asarray(found.labels)
    z, y, x = np.nonzero((labels if labels.ndim == 3 else labels[None]) == value)
    return {tuple(p.round(3)) for p in (found.place.lps() @ [x, y, z, np.ones(len(x))])[:3].T}


def said(found):
    return " ".join(found.recipe.get("notes", ()))


def segmentation(path, frames, segments, *, kind="BINARY", direction=AXIAL, spacing=(0.5, 0.75), **values):
    """A segmentation as other programs write it: frames of (number of the segment, position, mask)."""
    masks = np.stack([m for *_, m in frames]).astype(np.uint8)
    own = []
    for number, spot, _ in frames:
        group = item(PlanePositionSequence=[item(ImagePositionPatient=[float(s) for s in spot])])
        if number:
            group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=number)]
        own.append(group)
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[float(d) for d in direction])],
        PixelMeasuresSequence=[item(PixelSpacing=list(spacing), SliceThickness=2)],
    )
    about = {"Modality": "SEG", "SegmentationType": kind, "SeriesInstanceUID": "1.2.3.99", "PixelSpacing": None}
    about |= {"SegmentSequence": [item(SegmentNumber=i, **s) for i, s in enumerate(segments, 1)]}
    about |= {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}
    about |= {"ReferencedSeriesSequence": [item(SeriesInstanceUID="1.2.3.4")]}
    if kind == "BINARY":
        flat = np.packbits(masks.ravel(), bitorder="little").tobytes()
        about |= {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": flat + b"\0" * (len(flat) % 2)}
    return image(path, masks, kind=LABELMAP if kind == "LABELMAP" else SEG, **(about | values))


def blob(rows, columns, shape=(6, 8), value=1):
    mask = np.zeros(shape, int)
    mask[slice(*rows), slice(*columns)] = value
    return mask


TWO = [
    {"SegmentLabel": "liver", "RecommendedDisplayCIELabValue": [41661, 41167, 40792]},
    {"SegmentLabel": "vessel"},
]


def test_segments_lie_where_their_planes_say(tmp_path) -> None:
    """Planes without anything are not in the file, and the others are in no order."""
    frames = [(1, (-10, -20, 11), blob((0, 2), (0, 3))), (2, (-10, -20, 5), blob((4, 6), (1, 2)))]
    frames.append((1, (-10, -20, 7), blob((1, 2), (5, 8))))
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, TWO))
    assert (found.task, found.axes, found.labels.shape) == (Task.SEMANTIC, "ZYX", (4, 6, 8))
    assert [c.name for c in found.classes] == ["background", "liver", "vessel"]
    assert (-10 + 5 * 0.75, -19.5, 7) in points(found, 1)
    assert points(found, 2) == {(-9.25, -18.0, 5.0), (-9.25, -17.5, 5.0)}
    assert np.asarray(found.labels)[3, :2, :3].all()
    assert found.place.reference == "1.2.9"
    assert found.classes[1].color == "#dd8265"


@pytest.mark.parametrize("where", ["here", "below", "beside"])
def test_labels_have_the_grid_of_their_series_where_it_is_near(tmp_path, where) -> None:
    folder = tmp_path / "study" / "seg"
    home = {"here": folder, "below": folder / "ct", "beside": tmp_path / "study" / "ct"}[where]
    series(home, [0, 2, 4, 8])  # uneven: a grid of even planes would be wrong
    path = segmentation(folder / "a.dcm", [(1, (-10, -20, 13), blob((0, 2), (0, 3)))], TWO[:1])
    found = read_segmentation(path)
    opened = read_image(home)
    assert found.labels.shape == opened.array.shape
    assert np.flatnonzero(np.asarray(found.labels).any(axis=(1, 2))).tolist() == [3]
    assert np.allclose(found.place.matrix, opened.place.matrix)
    assert found.recipe["input"]["source"] == str(home)
    assert found.recipe["input"]["dicom_series"] == "1.2.3.4"


def test_a_segmentation_that_runs_the_other_way_is_turned_onto_its_series(tmp_path) -> None:
    opened = read_image(series(tmp_path, [0, 2, 4]))
    flipped = [-1, 0, 0, 0, -1, 0]
    corner = (-10 + 7 * 0.75, -20 + 5 * 0.5, 9)
    path = segmentation(tmp_path / "a.dcm", [(1, corner, blob((0, 2), (0, 3)))], TWO[:1], direction=flipped)
    found = read_segmentation(path)
    assert found.labels.shape == opened.array.shape
    assert np.array_equal(np.asarray(found.labels)[2], blob((4, 6), (5, 8)))


def test_a_segmentation_with_other_pixels_keeps_its_own(tmp_path) -> None:
    series(tmp_path, [0, 2, 4])
    path = segmentation(tmp_path / "a.dcm", [(1, (-10, -20, 9), blob((0, 2), (0, 3)))], TWO[:1], spacing=(0.4, 0.4))
    found = read_segmentation(path)
    assert found.spacing[1:] == (0.4, 0.4)
    assert "another grid than their series" in said(found)


def test_overlap_is_said_and_hides_nothing(tmp_path) -> None:
    spot = (-10, -20, 5)
    frames = [(1, spot, blob((2, 3), (2, 4))), (2, spot, blob((0, 6), (0, 8)))]
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, TWO))
    labels = np.asarray(found.labels)
    assert (labels == 1).sum() == 2
    assert (labels == 2).sum() == 46
    assert "vessel and liver (2 voxels)" in said(found)


def test_shares_count_from_a_half_on(tmp_path) -> None:
    mask = np.zeros((6, 8), int)
    mask[0, :4] = [0, 99, 100, 200]
    path = segmentation(
        tmp_path / "a.dcm", [(1, (-10, -20, 5), mask)], TWO[:1], kind="FRACTIONAL", MaximumFractionalValue=200
    )
    found = read_segmentation(path)
    assert np.asarray(found.labels)[0, :4].tolist() == [0, 0, 1, 1]
    assert "from 0.5 on" in said(found)


def test_a_label_map(tmp_path) -> None:
    frames = [(0, (-10, -20, 5 + 2 * z), blob((z, z + 2), (0, 3), value=z + 1)) for z in range(2)]
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, TWO, kind="LABELMAP"))
    assert found.labels.shape == (2, 6, 8)
    assert np.asarray(found.labels)[:, :3, 0].tolist() == [[1, 1, 0], [0, 2, 2]]


def test_counted_objects_are_objects_of_a_class(tmp_path) -> None:
    spot = (-10, -20, 5)
    cells = [{"SegmentLabel": f"cell {n}", "TrackingUID": f"1.2.{n}"} for n in (7, 300)]
    frames = [(1, spot, blob((0, 2), (0, 2))), (2, spot, blob((3, 5), (3, 5)))]
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, cells))
    assert found.task is Task.INSTANCE
    assert found.objects.label.tolist() == [7, 300]
    assert [c.name for c in found.classes] == ["background", "cell"]


def test_numbered_organs_are_classes(tmp_path) -> None:
    spot = (-10, -20, 5)
    ribs = [{"SegmentLabel": f"rib left {n}"} for n in (1, 2)]
    frames = [(1, spot, blob((0, 2), (0, 2))), (2, spot, blob((3, 5), (3, 5)))]
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, ribs))
    assert (found.task, len(found.classes)) == (Task.SEMANTIC, 3)


def test_names_that_stand_twice_or_are_missing(tmp_path) -> None:
    spot = (-10, -20, 5)
    kinds = [{"SegmentLabel": "a"}, {"SegmentLabel": "a"}, {"SegmentLabel": "background"}]
    kinds.append({"SegmentedPropertyTypeCodeSequence": [item(CodeMeaning="Kidney")]})
    frames = [(n, spot, blob((n, n + 1), (0, 2))) for n in (1, 2, 3, 4)]
    found = read_segmentation(segmentation(tmp_path / "a.dcm", frames, kinds))
    assert [c.name for c in found.classes][1:] == ["a 1", "a 2", "background of the file", "Kidney"]


def test_labels_of_an_image_that_lies_nowhere() -> None:
    """Of a projection there are no positions; the labels are a plane."""
    found = read_segmentation(FIXTURES / "dicom_seg.dcm")
    assert np.asarray(found.labels).any()
    labels, axes = read_labels(FIXTURES / "dicom_seg.dcm")
    assert (labels.shape, axes) == (found.labels.shape, found.axes)


def test_highdicom_agrees_about_a_real_file(tmp_path) -> None:
    highdicom = pytest.importorskip("highdicom")
    shutil.copy(FIXTURES / "dicom_seg.dcm", tmp_path / "a.dcm")
    volume = highdicom.seg.segread(tmp_path / "a.dcm").get_volume(combine_segments=True)
    where = np.concatenate([np.nonzero(volume.array == 1), np.ones((1, int((volume.array == 1).sum())))])
    expected = {tuple(p.round(3)) for p in (volume.affine @ where)[:3].T}
    assert points(read_segmentation(tmp_path / "a.dcm"), 1) == expected


def test_what_is_no_image_says_so(tmp_path) -> None:
    path = segmentation(tmp_path / "any name.dcm", [(1, (0, 0, 0), blob((0, 2), (0, 3)))], TWO[:1])
    assert format_of(path).name == "dicomseg"
    with pytest.raises(InputError, match=r"segmentation or report.*Open it as labels"):
        read_image(path)
    plain = image(tmp_path / "x.seg.dcm", plane())
    assert format_of(plain).name == "dicom"
    tiled = segmentation(tmp_path / "b.dcm", [(1, (0, 0, 0), blob((0, 2), (0, 3)))], TWO[:1], TotalPixelMatrixColumns=9)
    with pytest.raises(InputError, match="whole slide in tiles"):
        read_segmentation(tiled)


# structure sets


def circle(center, radius, z, count=200):
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    around = np.stack([np.cos(angles) * radius + center[0], np.sin(angles) * radius + center[1]], axis=1)
    return np.column_stack([around, np.full(count, float(z))])


def square(low, high, z):
    (x0, y0), (x1, y1) = low, high
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], float)


def structures(path, named, *, kind="CLOSED_PLANAR", first=1, refers="1.2.3.4"):
    """A structure set: contours by name."""
    rois, contours = [], []
    for i, (name, own) in enumerate(named.items(), first):
        rois.append(item(ROINumber=i, ROIName=name))
        drawn = [
            item(ContourGeometricType=kind, NumberOfContourPoints=len(c), ContourData=c.round(6).ravel().tolist())
            for c in own
        ]
        contours.append(item(ReferencedROINumber=i, ROIDisplayColor=[255, 16 * i, 0], ContourSequence=drawn))
    study = item(RTReferencedSeriesSequence=[item(SeriesInstanceUID=refers)])
    frame = item(FrameOfReferenceUID="1.2.9", RTReferencedStudySequence=[study])
    path.parent.mkdir(parents=True, exist_ok=True)
    data = item(
        SOPClassUID=STRUCTURES,
        SOPInstanceUID="1.2.3.77",
        Modality="RTSTRUCT",
        StructureSetROISequence=rois,
        ROIContourSequence=contours,
        ReferencedFrameOfReferenceSequence=[frame],
    )
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = STRUCTURES
    data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.77"
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def scan(tmp_path) -> Path:
    """Three slices of 6 × 8 pixels at (-10, -20, 5), 2 mm apart."""
    return series(tmp_path / "scan", [0, 2, 4])


def test_the_center_of_a_voxel_decides(scan) -> None:
    """The first pixel has its center, not its corner, at the position of the slice."""
    inside = square((-10 + 0.74, -20 + 0.49), (-10 + 2.26, -20 + 1.01), 7)
    found = read_segmentation(structures(scan / "rs.dcm", {"liver": [inside]}))
    assert points(found, 1) == {(-10 + 0.75 * x, -20 + 0.5 * y, 7.0) for x in (1, 2, 3) for y in (1, 2)}
    assert found.labels.shape == (3, 6, 8)
    assert (found.task, found.classes[1].name, found.classes[1].color) == (Task.SEMANTIC, "liver", "#ff1000")
    assert found.recipe["input"]["source"] == str(scan)
    assert said(found) == ""


def test_contours_in_contours_are_holes(scan) -> None:
    ring = [square((-11, -21), (-5, -17), 5), square((-9.3, -19.6), (-7, -18.4), 5)]
    island = square((-8.6, -19.1), (-8.4, -18.9), 5)
    found = read_segmentation(structures(scan / "rs.dcm", {"ring": [*ring, island]}))
    labels = np.asarray(found.labels)[0]
    assert labels[1, 1] == 0
    assert labels[0, 0] == 1
    assert labels[2, 2] == 1  # in the hole, and in the island


def test_a_contour_smaller_than_a_voxel_harms_nothing(scan) -> None:
    tiny = square((-8.02, -19.02), (-7.9, -18.9), 5)
    whole = square((-11, -21), (-3, -16), 5)
    found = read_segmentation(structures(scan / "rs.dcm", {"lung": [whole, tiny], "speck": [tiny]}))
    assert np.asarray(found.labels)[0].all()
    assert "without any filled voxel: speck" in said(found)


def test_contours_beyond_between_and_across_the_slices(scan) -> None:
    whole = ((-11, -21), (-3, -16))
    across = np.array([[-10, -20, 5], [-8, -20, 9], [-8, -18, 9]], float)
    named = {"a": [square(*whole, 5.7), square(*whole, 30), across]}
    found = read_segmentation(structures(scan / "rs.dcm", named))
    assert np.asarray(found.labels).any(axis=(1, 2)).tolist() == [True, False, False]
    for words in ("1 contours lie between", "1 contours lie beyond", "1 contours are not parallel"):
        assert words in said(found)


def test_structures_over_each_other_show_the_smaller_one(scan) -> None:
    body, organ = square((-11, -21), (-3, -16), 5), square((-9.3, -19.6), (-7, -18.4), 5)
    found = read_segmentation(structures(scan / "rs.dcm", {"organ": [organ], "body": [body]}, first=0))
    labels = np.asarray(found.labels)[0]
    assert (labels[1, 1], labels[0, 0]) == (1, 2)
    assert [c.name for c in found.classes][1:] == ["organ", "body"]
    assert "body and organ" in said(found)


def test_an_oblique_scan_has_its_structures(tmp_path) -> None:
    a = math.radians(25)
    row, column = np.array([1, 0, 0.0]), np.array([0, math.cos(a), math.sin(a)])
    normal = np.cross(row, column)
    folder = series(tmp_path, [0, 2, 4], direction=[*row, *column], way=normal)
    corner = np.array([-10, -20, 5]) + 2 * normal
    corners = [(0.7, 0.4), (2.3, 0.4), (2.3, 1.1), (0.7, 1.1)]
    contour = np.array([corner + x * row + y * column for x, y in corners])
    found = read_segmentation(structures(folder / "rs.dcm", {"rectum": [contour]}))
    assert np.argwhere(np.asarray(found.labels)).tolist() == [[1, y, x] for y in (1, 2) for x in (1, 2, 3)]


def test_without_the_series_a_grid_is_made_and_said(tmp_path) -> None:
    ball = [circle((3, -7), math.sqrt(100 - z * z), 2 * round(z / 2)) for z in range(-8, 9, 2)]
    found = read_segmentation(structures(tmp_path / "rs", {"ball": ball}))
    assert found.spacing == (2.0, 1.0, 1.0)
    volume = np.count_nonzero(found.labels) * 2.0
    expected = sum(math.pi * (100 - z * z) * 2 for z in range(-8, 9, 2))
    assert volume == pytest.approx(expected, rel=0.03)
    middle = np.mean(list(points(found, 1)), axis=0)
    assert np.allclose(middle, [3, -7, 0], atol=0.1)
    assert "was not found beside" in said(found)
    assert "source" not in found.recipe["input"]


def test_points_are_no_structures(tmp_path) -> None:
    with pytest.raises(InputError, match="no closed contours"):
        read_segmentation(structures(tmp_path / "a.dcm", {"x": [square((0, 0), (1, 1), 0)]}, kind="POINT"))
    path = structures(tmp_path / "b.dcm", {})
    with pytest.raises(InputError, match="no DICOM structure set with structures"):
        read_segmentation(path)
    with pytest.raises(InputError, match=r"structure set, which is no image"):
        read_image(path)


def test_a_real_structure_set() -> None:
    found = read_segmentation(get_testdata_file("rtstruct.dcm"))
    assert [c.name for c in found.classes][1:] == ["patient", "Isocenter 1", "Isocenter 2"]
    assert "2 POINT" in said(found)
    labels, axes = read_labels(get_testdata_file("rtstruct.dcm"))
    assert (axes, np.unique(labels).tolist()) == ("ZYX", [0, 1])
