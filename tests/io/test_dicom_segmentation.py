"""DICOM segmentations lie over their series; read back by highdicom and pydicom."""

from __future__ import annotations

import builtins
import shutil
from dataclasses import replace
from pathlib import Path

import dicom_maker
import numpy as np
import pytest

from napari_segplugin.core import ClassTable, InputError, Kind, MissingExtraError, ObjectTable, Segmentation, Task
from napari_segplugin.io import read_image, read_segmentation, write_segmentation

SERIES = Path(__file__).parent.parent / "data" / "dicom_series"


@pytest.fixture
def seg(tmp_path) -> Segmentation:
    """Two objects over three neighbouring slices of a real CT."""
    pytest.importorskip("highdicom")
    folder = tmp_path / "ct"
    folder.mkdir()
    for new, old in (("a", "17166"), ("b", "17136"), ("c", "17196")):
        shutil.copy(SERIES / f"{old}.dcm", folder / new)
    image = read_image(folder)
    labels = np.zeros(image.array.shape, np.int32)
    labels[0, 2:5, 3:9] = 4
    labels[1:, 6:12, 2:5] = 70000
    table = ObjectTable(np.array([4, 70000]), np.array([1, 2]), np.full(2, np.nan, np.float32), ("predicted",) * 2)
    recipe = {"input": {"source": str(folder)}}
    classes = ClassTable.named(["liver tumor", "kidney"])
    return Segmentation(Task.INSTANCE, labels, table, classes, "ZYX", image.spacing, "mm", "My result", recipe)


def test_highdicom_reads_the_same_voxels_at_the_same_place(tmp_path, seg) -> None:
    import highdicom
    import pydicom

    path, *_ = write_segmentation(seg, tmp_path / "a.seg.dcm")
    data = highdicom.seg.segread(path)
    source = pydicom.dcmread(tmp_path / "ct" / "b")
    for word in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientID"):
        assert data[word].value == source[word].value
    assert data.SeriesInstanceUID != source.SeriesInstanceUID
    assert (data.Modality, data.SegmentationType, data.ContentLabel) == ("SEG", "BINARY", "MY RESULT")
    volume = data.get_volume(combine_segments=True)
    affine = read_image(tmp_path / "ct").place.lps()
    for number, label in ((1, 4), (2, 70000)):
        there = {tuple(p.round(3)) for p in (volume.affine @ _homogeneous(volume.array == number))[:3].T}
        z, y, x = np.nonzero(seg.labels == label)
        here = {tuple(p.round(3)) for p in (affine @ [x, y, z, np.ones(len(x))])[:3].T}
        assert there == here


def _homogeneous(mask: np.ndarray) -> np.ndarray:
    return np.concatenate([np.nonzero(mask), np.ones((1, int(mask.sum())))])


def test_segments_have_names_codes_and_colours(tmp_path, seg) -> None:
    import highdicom

    path, *_ = write_segmentation(seg, tmp_path / "a.seg.dcm")
    first, second = highdicom.seg.segread(path).SegmentSequence
    assert (first.SegmentLabel, second.SegmentLabel) == ("liver tumor 4", "kidney 70000")
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tumor"
    assert first.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Morphologically Abnormal Structure"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    assert first.RecommendedDisplayCIELabValue != second.RecommendedDisplayCIELabValue


def test_a_semantic_result_has_a_segment_a_class(tmp_path, seg) -> None:
    import highdicom

    labels = np.where(seg.labels == 4, 1, np.where(seg.labels > 4, 2, 0))
    classes = ClassTable.named(["something", "livers"], Kind.STUFF)
    table = replace(ObjectTable.of(labels), class_id=np.array([1, 2]))
    found = replace(seg, task=Task.SEMANTIC, labels=labels, classes=classes, objects=table)
    path, *_ = write_segmentation(found, tmp_path / "a.seg.dcm")
    segments = highdicom.seg.segread(path).SegmentSequence
    assert [s.SegmentLabel for s in segments] == ["something", "livers"]
    assert [s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for s in segments] == ["Tissue", "Liver"]


def test_one_image_is_enough(tmp_path, seg) -> None:
    import highdicom

    recipe = {"input": {"source": str(tmp_path / "ct" / "b")}}
    flat = replace(seg, labels=seg.labels[0], axes="YX", spacing=seg.spacing[1:], recipe=recipe)
    path, *_ = write_segmentation(flat, tmp_path / "a.seg.dcm")
    assert highdicom.seg.segread(path).pixel_array.sum() == 18


@pytest.mark.parametrize(
    ("recipe", "words"),
    [({}, "without a record of their source"), ({"input": {"source": "/nowhere/ct"}}, "does not exist")],
)
def test_without_the_series_there_is_no_segmentation(tmp_path, seg, recipe, words) -> None:
    with pytest.raises(InputError, match=words):
        write_segmentation(replace(seg, recipe=recipe), tmp_path / "a.seg.dcm")


def written_over(folder: Path, labels, place=None, task=Task.INSTANCE, axes="ZYX", **resampled) -> Segmentation:
    """Labels that somebody painted over a series."""
    image = read_image(folder)
    about = {"source": str(folder), "dicom_series": image.metadata["dicom_series"]}
    about |= {"place": (place or image.place).to_json()} if place or image.place else {}
    about |= resampled
    spacing = (place or image.place).spacing if place or image.place else image.spacing
    names = ClassTable.named(["cell"])
    recipe = {"input": about}
    return Segmentation(task, labels, ObjectTable.of(labels), names, axes, spacing[-len(axes) :], "mm", "x", recipe)


def planes_of(path: Path) -> dict[tuple[float, ...], np.ndarray]:
    """The masks by where their planes lie, straight from the file."""
    import pydicom

    data = pydicom.dcmread(path)
    masks = np.atleast_3d(data.pixel_array.reshape(-1, data.Rows, data.Columns))
    spots = [g.PlanePositionSequence[0].ImagePositionPatient for g in data.PerFrameFunctionalGroupsSequence]
    return {tuple(round(float(n), 3) for n in s): m for s, m in zip(spots, masks, strict=True)}


def blob(shape=(3, 6, 8)) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[1, 2:4, 1:6] = 1
    labels[-1, 0, 0] = 1
    return labels


def test_an_anonymised_series_is_enough(tmp_path) -> None:
    pytest.importorskip("highdicom")
    import pydicom

    gone = dict.fromkeys(("PatientID", "SeriesNumber"))
    folder = dicom_maker.series(tmp_path / "ct", [0, 2, 4], StudyInstanceUID="", SeriesInstanceUID="", **gone)
    path, *_ = write_segmentation(written_over(folder, blob()), tmp_path / "a.seg.dcm")
    data = pydicom.dcmread(path)
    assert (data.PatientID, str(data.PatientName), data.StudyDate) == ("", "", "")
    assert data.StudyInstanceUID
    assert data.FrameOfReferenceUID == "1.2.9"
    found = planes_of(path)
    assert sorted(found) == [(-10, -20, 7), (-10, -20, 9)]
    assert np.array_equal(found[-10, -20, 7], blob()[1])


@pytest.mark.parametrize("turn", ["crop", "mirrored", "other axes"])
def test_labels_in_another_order_or_of_a_region_come_where_they_lie(tmp_path, turn) -> None:
    pytest.importorskip("highdicom")
    folder = dicom_maker.series(tmp_path / "ct", [0, 2, 4])
    place, labels = read_image(folder).place, blob()
    if turn == "crop":
        labels, place = labels[1:, 1:4, 1:], place.at({"Z": 1, "Y": 1, "X": 1})
        labels = np.ascontiguousarray(labels)
    elif turn == "mirrored":
        matrix = (
            place.matrix @ np.diag([1, 1, -1, 1]) @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -7], [0, 0, 0, 1]])
        )
        labels, place = labels[:, :, ::-1], replace(place, matrix=matrix)
    else:
        order = [2, 0, 1]
        labels, place = labels.transpose(order), replace(place, matrix=place.matrix[:, [*order, 3]])
    found = planes_of(write_segmentation(written_over(folder, labels, place), tmp_path / "a.seg.dcm")[0])
    expected = blob()
    if turn == "crop":
        expected[-1, 0, 0] = 0
    assert np.array_equal(found[-10, -20, 7], expected[1])
    assert ((-10, -20, 9) in found) == bool(expected[2].any())


def test_a_region_without_a_place_is_padded(tmp_path, seg) -> None:
    recipe = {**seg.recipe, "origin": [1, 6, 2]}
    part = replace(seg, labels=seg.labels[1:, 6:12, 2:5], recipe=recipe)
    found = planes_of(write_segmentation(part, tmp_path / "a.seg.dcm")[0])
    assert [int(m.sum()) for m in found.values()] == [18, 18]
    assert all(m[6:12, 2:5].all() for m in found.values())


@pytest.mark.parametrize("kind", ["tilted", "uneven", "frames", "enhanced", "volumes"])
def test_planes_lie_where_those_of_the_images_do(tmp_path, kind) -> None:
    pytest.importorskip("highdicom")
    heights = [0, 2, 7] if kind == "uneven" else [0, 2, 4]
    folder = tmp_path / "ct"
    if kind in ("frames", "enhanced"):
        folder.mkdir()
        frames = np.stack([dicom_maker.plane(i) for i in range(3)])
        spot = {"ImagePositionPatient": [-10, -20, 5], "ImageOrientationPatient": dicom_maker.AXIAL}
        if kind == "frames":
            dicom_maker.image(folder / "a.dcm", frames, SpacingBetweenSlices=2, **spot)
        else:
            dicom_maker.enhanced(folder / "a.dcm", frames[::-1], [9, 7, 5])
    elif kind == "volumes":
        for t in (0, 1):
            dicom_maker.series(folder, heights, TemporalPositionIdentifier=t, ending=f"t{t}")
    else:
        direction = [1, 0, 0, 0, 0.8, -0.6] if kind == "tilted" else dicom_maker.AXIAL
        dicom_maker.series(folder, heights, direction=direction)
    path, *_ = write_segmentation(written_over(folder, blob()), tmp_path / "a.seg.dcm")
    found = planes_of(path)
    assert sorted(found) == [(-10, -20, 5 + heights[1]), (-10, -20, 5 + heights[2])]
    assert np.array_equal(found[-10, -20, 5 + heights[1]], blob()[1])
    back = np.asarray(read_segmentation(path).labels)
    assert np.array_equal(back, blob())


def test_labels_of_resampled_slices_have_planes_of_their_own(tmp_path) -> None:
    pytest.importorskip("highdicom")
    folder = dicom_maker.series(tmp_path / "ct", [0, 2, 4, 8])
    even = read_image(folder, resample=True)
    labels = np.zeros(even.array.shape, np.uint8)
    labels[3, 2, 2:4] = 1
    assert even.metadata["dicom_resampled"] is True
    made = written_over(folder, labels, even.place, dicom_resampled=True)
    found = planes_of(write_segmentation(made, tmp_path / "a.seg.dcm")[0])
    assert sorted(found) == [(-10, -20, 11)]


def test_labels_of_another_patient_or_of_several_moments(tmp_path) -> None:
    pytest.importorskip("highdicom")
    folder = dicom_maker.series(tmp_path / "ct", [0, 2, 4])
    place = replace(read_image(folder).place, reference="9.9")
    with pytest.raises(InputError, match=r"another patient space.*9\.9.*1\.2\.9"):
        write_segmentation(written_over(folder, blob(), place), tmp_path / "a.seg.dcm")
    moments = written_over(folder, np.stack([blob()] * 2), axes="TZYX")
    with pytest.raises(InputError, match="one point in time"):
        write_segmentation(moments, tmp_path / "a.seg.dcm")
    far = read_image(folder).place.at({"X": 100})
    with pytest.raises(InputError, match="differ in shape"):
        write_segmentation(written_over(folder, blob(), far), tmp_path / "a.seg.dcm")


def test_one_series_of_a_study_is_written_over(tmp_path) -> None:
    pytest.importorskip("highdicom")
    dicom_maker.series(tmp_path / "ct" / "a", [0, 2])
    dicom_maker.series(tmp_path / "ct" / "b", [0, 2, 4, 6], SeriesInstanceUID="1.2.3.5", start=(0, 0, 0))
    image = read_image(tmp_path / "ct", series=2)
    labels = np.ones(image.array.shape, np.uint8)
    recipe = {"input": {"source": str(tmp_path / "ct"), "dicom_series": "1.2.3.4", "place": image.place.to_json()}}
    found = Segmentation(
        Task.INSTANCE, labels, ObjectTable.of(labels), ClassTable.named(["x"]), "ZYX", image.spacing, "mm", "x", recipe
    )
    assert sorted(planes_of(write_segmentation(found, tmp_path / "a.seg.dcm")[0])) == [(-10, -20, 5), (-10, -20, 7)]


def test_a_written_segmentation_opens_as_it_was(tmp_path, seg) -> None:
    path, *_ = write_segmentation(seg, tmp_path / "a.seg.dcm")
    found = read_segmentation(path)
    assert (found.task, found.axes) == (Task.INSTANCE, "ZYX")
    assert np.array_equal(found.labels, seg.labels)
    assert [c.name for c in found.classes] == [c.name for c in seg.classes]
    assert [c.color for c in found.classes][1:] == [c.color for c in seg.classes][1:]
    assert found.objects.class_id.tolist() == [1, 2]
    again, *_ = write_segmentation(found, tmp_path / "again.seg.dcm")
    assert np.array_equal(read_segmentation(again).labels, seg.labels)


def test_labels_that_do_not_fit(tmp_path, seg) -> None:
    with pytest.raises(InputError, match="differ in shape"):
        write_segmentation(replace(seg, labels=seg.labels[:2]), tmp_path / "a.seg.dcm")
    with pytest.raises(InputError, match="1 to 65535 segments"):
        write_segmentation(replace(seg, labels=seg.labels * 0), tmp_path / "a.seg.dcm")
    assert [p.name for p in tmp_path.iterdir()] == ["ct"]


def test_highdicom_that_is_missing_is_named(tmp_path, seg, monkeypatch) -> None:
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "highdicom":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"highdicom.*\[dicomseg\]"):
        write_segmentation(seg, tmp_path / "a.seg.dcm")
