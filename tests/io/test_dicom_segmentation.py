"""DICOM segmentations lie over their series; read back by highdicom and pydicom."""

from __future__ import annotations

import builtins
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_segplugin.core import ClassTable, InputError, Kind, MissingExtraError, ObjectTable, Segmentation, Task
from napari_segplugin.io import read_image, write_segmentation

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
