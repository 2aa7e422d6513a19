"""DICOM as clinics have it: study folders, files of any name, several series, copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_maker import CT, headless, image, plane, series
from pydicom.data import get_testdata_file

from napari_segplugin.core import InputError
from napari_segplugin.io import read_image
from napari_segplugin.io.dicom import series_in
from napari_segplugin.io.dicom_files import kind_of, looks_like_dicom
from napari_segplugin.io.formats import series_in as any_series_in


@pytest.fixture
def study(tmp_path) -> Path:
    """Two series, one of them deep, and what else lies on a disc of a hospital."""
    folder = tmp_path / "study"
    series(folder / "A", [0, 2, 4], SeriesDescription="soft", StudyDate="20240102")
    series(folder / "B" / "c" / "d", [0, 2], SeriesInstanceUID="1.2.3.5", SeriesDescription="bone", ending=".DCM")
    (folder / "viewer.exe").write_bytes(b"MZ")
    return folder


def test_a_study_lists_its_series_with_numbers(study) -> None:
    first, second = series_in(study)
    assert (first.number, first.uid, first.count, first.size) == (1, "1.2.3.4", 3, (6, 8))
    assert first.title == "CT 'soft' (3 images of 6 × 8)"
    assert (second.modality, second.description, second.study) == ("CT", "bone", "")
    assert first.study == "20240102"
    with pytest.raises(InputError, match=r"2 DICOM series.*1: CT 'soft' \(3 images.*2: CT 'bone' \(2 images") as caught:
        read_image(study)
    assert caught.value.setting == "series"


@pytest.mark.parametrize("wanted", [2, "2", "1.2.3.5"])
def test_one_of_several_series_is_opened(study, wanted) -> None:
    found = read_image(study, series=wanted)
    assert found.metadata["dicom_SeriesInstanceUID"] == found.metadata["dicom_series"] == "1.2.3.5"
    assert found.array.shape == (2, 6, 8)
    assert found.name == "study bone"


def test_a_series_that_is_not_there(study, tmp_path) -> None:
    with pytest.raises(InputError, match=r"no such DICOM series.*'7'.*1: CT 'soft'"):
        read_image(study, series=7)
    np.save(tmp_path / "a.npy", plane())
    with pytest.raises(InputError, match="does not hold several series"):
        read_image(tmp_path / "a.npy", series=1)


def test_a_folder_with_images_is_not_searched_deeper(study) -> None:
    series(study, [0, 2, 4, 6], SeriesInstanceUID="1.2.3.6")
    assert read_image(study).array.shape[0] == 4
    assert len(series_in(study)) == 3
    assert [s.uid for s in any_series_in(study)] == ["1.2.3.6", "1.2.3.4", "1.2.3.5"]
    assert list(any_series_in(study / "A")) == []


def test_a_directory_file_stands_for_its_folder() -> None:
    path = Path(get_testdata_file("DICOMDIR"))
    assert kind_of(path) == "directory"
    assert len(series_in(path)) == len(series_in(path.parent)) > 5
    assert read_image(path, series=1).array.shape == (5, 16, 16)


def test_files_without_preamble_and_ending(tmp_path) -> None:
    folder = series(tmp_path / "old", [4, 0, 2])
    whole = read_image(folder)
    for file in folder.iterdir():
        headless(file)
        assert looks_like_dicom(file)
        assert file.read_bytes()[128:132] != b"DICM"
    found = read_image(folder)
    assert np.array_equal(found.array, whole.array)
    assert np.array_equal(found.array[:, 0, 0], [100, 200, 0])
    assert np.allclose(found.place.matrix, whole.place.matrix)
    assert read_image(next(folder.iterdir())).axes == "YX"


@pytest.mark.parametrize("text", [b"", b"hello, this is a text of more than sixteen bytes", b"\x08\x00 only so" * 3])
def test_other_files_are_not_taken_for_dicom(tmp_path, text) -> None:
    (tmp_path / "a").write_bytes(text)
    assert not looks_like_dicom(tmp_path / "a")
    assert not looks_like_dicom(tmp_path / "gone")


def test_a_localizer_in_the_series_is_one_of_its_own(tmp_path) -> None:
    folder = series(tmp_path / "a", [0, 2, 4])
    image(folder / "scout", plane(9), ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    assert [(s.uid, s.count) for s in series_in(folder)] == [("1.2.3.4", 3), ("1.2.3.4#2", 1)]
    assert ", part 2 " in series_in(folder)[1].title
    assert read_image(folder, series=1).array.shape == (3, 6, 8)
    assert read_image(folder, series="1.2.3.4#2").array[0, 0] == 900


def test_echoes_in_one_place_are_images_of_their_own(tmp_path) -> None:
    folder = series(tmp_path / "a", [0, 2], Modality="MR", EchoTime=5)
    series(folder, [0, 2], Modality="MR", EchoTime=10, ending="second")
    first, second = series_in(folder)
    assert ("echo time 5" in first.title, "echo time 10" in second.title) == (True, True)
    assert read_image(folder, series=2).axes == "ZYX"


def test_acquisitions_that_overlap_at_one_slice_are_not_mixed(tmp_path) -> None:
    folder = series(tmp_path / "a", [0, 2, 4, 6], AcquisitionNumber=1)
    series(folder, [6, 8, 10], AcquisitionNumber=2, ending="second")
    assert [s.count for s in series_in(folder)] == [4, 3]
    assert read_image(folder, series=2).place.lps()[2, 3] == pytest.approx(11)


def test_copies_of_a_file_are_left_out_and_said(tmp_path) -> None:
    folder = series(tmp_path / "a", [0, 2, 4])
    shutil.copy(folder / "IM0007", folder / "copy of IM0007")
    found = read_image(folder)
    assert found.array.shape[0] == 3
    assert any("1 image there was a copy" in note for note in found.metadata["notes"])


def test_films_in_one_series_are_separate_images(tmp_path) -> None:
    for name, value in (("a", 1), ("b", 2)):
        film = np.stack([plane(value), plane(value + 1)]).astype(np.uint16)
        image(tmp_path / "us" / name, film, Modality="US", FrameTime=40, FrameIncrementPointer=0x00181063)
    assert [s.count for s in series_in(tmp_path / "us")] == [2, 2]


def test_series_without_any_uid_are_one(tmp_path) -> None:
    folder = series(tmp_path / "a", [0, 2, 4], SeriesInstanceUID="", SOPInstanceUID="", StudyInstanceUID="")
    assert read_image(folder).array.shape == (3, 6, 8)


def test_nothing_to_list(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="contains no DICOM image, nor do the folders in it"):
        series_in(tmp_path)


def test_too_many_files_are_not_searched(study, monkeypatch) -> None:
    monkeypatch.setattr("napari_segplugin.io.dicom_files.MOST_FILES", 3)
    with pytest.raises(InputError, match=r"too many files.*more than 3.*one study"):
        series_in(study)


def test_a_whole_slide_is_no_stack(tmp_path) -> None:
    tiles = np.stack([plane(i) for i in range(3)])
    path = image(tmp_path / "a.dcm", tiles, kind="1.2.840.10008.5.1.4.1.1.77.1.6", Modality="SM", PixelSpacing=None)
    with pytest.raises(InputError, match=r"whole slide.*3 tiles"):
        read_image(path)


@pytest.mark.parametrize(
    ("kind", "modality", "expected"),
    [
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG", "seg"),
        ("1.2.840.10008.5.1.4.1.1.66.7", "", "seg"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "", "rtstruct"),
        ("", "RTSTRUCT", "rtstruct"),
        (CT, "CT", "image"),
    ],
)
def test_what_a_file_holds_is_said_by_its_content(tmp_path, kind, modality, expected) -> None:
    path = image(tmp_path / "a.dcm", plane(), Modality=modality, SOPClassUID=kind or None)
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPClassUID = kind or CT
    data.save_as(path)
    assert kind_of(path) == expected


def test_what_cannot_be_read_is_left_to_who_reads_it(tmp_path) -> None:
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM\x02\x00")
    assert kind_of(tmp_path / "a.dcm") == "image"


@pytest.mark.parametrize(("frames", "words"), [(2**30, "very much data"), (10**8, "very many frames")])
def test_frames_that_no_file_of_this_size_holds(tmp_path, frames, words) -> None:
    path = image(tmp_path / "a.dcm", np.zeros((1, 1), np.uint8), NumberOfFrames=frames)
    with pytest.raises(InputError, match=words):
        read_image(path)
