"""Whatever a reader raises is one sentence, whoever wrote it; files that change meanwhile and sizes that do not fit, too."""

from __future__ import annotations

import gzip
import json
import logging
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_segplugin.core import InputError, OutOfMemoryError, SegPluginError
from napari_segplugin.io import (
    FORMATS,
    memory,
    npy,
    read_image,
    read_labels,
    read_segmentation,
    tiff,
    write_segmentation,
)
from napari_segplugin.io.boundary import guarded, reading
from napari_segplugin.io.files import Format, Found, check_readable
from napari_segplugin.io.row import FormatRow

nibabel = pytest.importorskip("nibabel")


class Odd(Exception):
    """Of a library that nobody here has heard of."""


def raiser(error: BaseException):
    def read(path):
        raise error

    return read


FAKE = Format()
"""What the row of another package names in these tests."""


@pytest.fixture
def fake_row(monkeypatch):
    """A row as another package offers it, for files ``.fake``."""
    monkeypatch.setitem(
        FORMATS._rows, "fake", FormatRow("fake", "Fake format", f"{__name__}:FAKE", extensions=(".fake",))
    )

    def use(**functions):
        monkeypatch.setattr("napari_segplugin.core.registry.load_target", lambda target: Format(**functions))

    return use


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("x"), struct.error("x"), zlib.error("x"), TypeError("x"), IndexError("x"), RecursionError("x")),
        *(UnicodeDecodeError("utf-8", b"", 0, 1, "x"), KeyError("x"), AssertionError("x"), Odd("x"), OSError("x")),
        *(StopIteration("x"), NotImplementedError("x"), ImportError("x")),
    ],
    ids=lambda e: type(e).__name__,
)
def test_what_the_reader_of_another_package_raises_is_a_sentence_with_its_cause(tmp_path, fake_row, error, caplog):
    path = tmp_path / "a.fake"
    path.write_text("x")
    fake_row(read=raiser(error), read_segmentation=raiser(error), write=lambda labels, place: raiser(error)(place))
    caplog.set_level(logging.DEBUG, logger="napari_segplugin")
    for read in (read_image, read_labels, read_segmentation):
        with pytest.raises(InputError, match=r"^'a\.fake' cannot be read as Fake format") as caught:
            read(path)
        assert caught.value.__cause__ is error
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), InputError("Ours.")], ids=repr)
def test_what_is_no_fault_of_the_file_passes(tmp_path, fake_row, error):
    (tmp_path / "a.fake").write_text("x")
    fake_row(read=raiser(error))
    with pytest.raises(type(error)) as caught:
        read_image(tmp_path / "a.fake")
    assert caught.value is error


def test_the_writer_of_another_package_stands_behind_it_too(tmp_path, fake_row, make_segmentation):
    def write(labels, path):
        path.write_text("half")
        raise Odd("x")

    fake_row(write=write)
    with pytest.raises(InputError, match="cannot be written"):
        write_segmentation(make_segmentation(np.ones((4, 4), int), "YX"), tmp_path / "a.fake")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("found", [None, "text", Found(np.zeros((4, 4)), "YX", spacing={"Y": "wide"})], ids=str)
def test_what_makes_no_sense_is_refused(tmp_path, fake_row, found):
    (tmp_path / "a.fake").write_text("x")
    fake_row(read=lambda path: found)
    with pytest.raises(InputError, match=r"'a\.fake' cannot be read as Fake format"):
        read_image(tmp_path / "a.fake")


def test_every_row_of_the_registry_stands_behind_it():
    for row in FORMATS:
        functions = [f for f in vars(row.load()).values() if callable(f)]
        assert functions
        assert all(hasattr(f, "__wrapped__") for f in functions), row.name
    assert guarded(Format(), "x") == Format()


def test_memory_that_is_exhausted_is_told_as_such(tmp_path):
    with pytest.raises(OutOfMemoryError, match="does not fit into memory"), reading(tmp_path / "a", "TIFF"):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


# files that change


def lazily(monkeypatch, path: Path):
    monkeypatch.setattr(tiff, "IN_MEMORY", 10)
    monkeypatch.setattr(npy, "IN_MEMORY", 10)
    monkeypatch.setattr("napari_segplugin.io.nifti.IN_MEMORY", 10)
    return read_image(path, axes="ZYX")


def make(path: Path) -> Path:
    values = np.arange(4 * 32 * 32, dtype=np.uint16).reshape(4, 32, 32)
    if path.suffix == ".tif":
        tifffile.imwrite(path, values, photometric="minisblack", compression="zlib")
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".nii":
        nibabel.save(nibabel.Nifti1Image(values.T, np.eye(4)), path)
    else:
        zarr.create_array(str(path), shape=values.shape, chunks=(1, 32, 32), dtype="u2")[...] = values
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.nii", "a.zarr"])
@pytest.mark.parametrize("how", ["cut", "written", "replaced", "gone"])
def test_a_file_that_changes_while_it_is_in_use_is_not_mixed(tmp_path, monkeypatch, name, how):
    path = make(tmp_path / name)
    image = lazily(monkeypatch, path)
    assert image.array[0].sum() == np.arange(1024).sum()
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    for file in files:
        data = file.read_bytes()
        if how == "cut":
            os.truncate(file, len(data) // 2)
        elif how == "written":
            file.write_bytes(data[:-4] + b"abcd")
            os.utime(file, ns=(1, 1))
        elif how == "replaced":
            (tmp_path / "new").write_bytes(data)
            os.replace(tmp_path / "new", file)
        else:
            file.unlink()
    with pytest.raises(InputError, match=rf"'{name}' was changed, replaced or removed by another program"):
        image.array[3]


def test_a_file_that_changes_while_it_is_read_is_told_as_such(tmp_path, fake_row):
    path = tmp_path / "a.fake"
    path.write_text("x")

    def read(place):
        place.write_text("longer")
        raise ValueError("half a header")

    fake_row(read=read)
    with pytest.raises(InputError, match="was changed"):
        read_image(path)


# sizes


def test_more_than_memory_is_said_before_it_is_taken(tmp_path, monkeypatch):
    path = make(tmp_path / "a.zarr")
    image = read_image(path, axes="ZYX")
    monkeypatch.setattr(memory, "free_host_memory", lambda: 5000)
    assert image.array[0].shape == (32, 32)
    with pytest.raises(OutOfMemoryError, match=r"'a\.zarr' does not fit into memory. It needs 1 MB"):
        np.asarray(image.array)
    with pytest.raises(OutOfMemoryError):
        read_labels(path)


@pytest.mark.parametrize("shape", [(10**7, 10**7), (10**6, 10**6, 10**6)])
def test_a_zarr_of_any_size_opens_at_once(tmp_path, shape):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=shape, chunks=(64,) * len(shape), dtype="u1")
    image = read_image(tmp_path / "a.zarr")
    assert image.array.shape == shape
    assert image.array[(slice(0, 3),) * len(shape)].sum() == 0
    with pytest.raises(OutOfMemoryError):
        read_labels(tmp_path / "a.zarr")


def test_a_chunk_larger_than_memory_is_a_sentence(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(64, 64), chunks=(64, 64), dtype="u1")
    about = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())
    about["chunk_grid"]["configuration"]["chunk_shape"] = [10**9, 10**6]
    (tmp_path / "a.zarr" / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(OutOfMemoryError, match="does not fit into memory"):
        read_image(tmp_path / "a.zarr")


def packed_nifti(path: Path, side: int = 30_000) -> Path:
    header = nibabel.Nifti1Header()
    header.set_data_shape((side, side, 2))
    header.set_data_dtype("u1")
    path.write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    return path


def test_a_small_file_that_says_it_is_large_is_refused_unless_it_is_allowed(tmp_path, monkeypatch):
    path = packed_nifti(tmp_path / "a.nii.gz")
    monkeypatch.setattr(memory, "free_host_memory", lambda: 2**40)
    with pytest.raises(InputError, match=r"'a\.nii\.gz' says that it has very much data.*SEGPLUGIN_ALLOW_LARGE=1"):
        read_image(path)
    monkeypatch.setenv("SEGPLUGIN_ALLOW_LARGE", "1")
    with pytest.raises(InputError, match="cannot be read as NIfTI"):  # it was opened: what it says is not there
        read_image(path)


def test_a_tiff_that_says_it_is_larger_than_its_strips_is_damaged(tmp_path):
    for packing in ("zlib", None):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), compression=packing)
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tif:
            for name in ("ImageWidth", "ImageLength"):
                tif.pages[0].tags[name].overwrite(10**5)
        with pytest.raises(SegPluginError, match=r"'a\.tif'"):
            read_image(tmp_path / "a.tif")


def test_a_deflated_dicom_is_measured_before_it_is_unpacked(tmp_path, monkeypatch):
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.dcmread(next((Path(__file__).parents[1] / "data" / "dicom_series").glob("*.dcm")))
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True, implicit_vr=False, little_endian=True)
    assert read_image(tmp_path / "a.dcm").array.shape == (data.Rows, data.Columns)
    data.PixelData = data.PixelData * 3
    data.save_as(tmp_path / "b.dcm", enforce_file_format=True, implicit_vr=False, little_endian=True)
    with pytest.raises(InputError, match=r"'b\.dcm' cannot be read as DICOM.*its pixels are 3 frames, and it says 1"):
        read_image(tmp_path / "b.dcm")
    data.PixelData = bytes(2**26)
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True, implicit_vr=False, little_endian=True)
    monkeypatch.setattr(memory, "_LARGE", 2**20)
    with pytest.raises(InputError, match=r"'a\.dcm' says that it has very much data"):
        read_image(tmp_path / "a.dcm")


def test_a_large_valid_file_stays_on_disk(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    with path.open("wb") as stream:  # 4 GB that take none on the disk
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "|u1", "fortran_order": False, "shape": (4, 32768, 32768)}
        )
        stream.truncate(stream.tell() + 4 * 32768**2)
    monkeypatch.setattr(memory, "free_host_memory", lambda: 2**30)
    image = read_image(path, axes="ZYX")
    assert image.array[3, 5:8, 7].tolist() == [0, 0, 0]


# what lies outside


@pytest.mark.parametrize("kind", ["chunk", "level", "path"])
def test_a_zarr_reads_nothing_outside_its_folder(tmp_path, kind):
    outside = tmp_path / "outside.zarr"
    zarr.create_array(str(outside), shape=(8, 8), chunks=(8, 8), dtype="u1", zarr_format=2)[...] = 7
    folder = tmp_path / "a.zarr"
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    group.create_array("0", shape=(8, 8), chunks=(8, 8), dtype="u1")[...] = 1
    group.attrs["multiscales"] = [{"datasets": [{"path": "../outside.zarr" if kind == "path" else "0"}]}]
    if kind == "chunk":
        (folder / "0" / "0.0").unlink()
        (folder / "0" / "0.0").symlink_to(outside / "0.0")
    elif kind == "level":
        for file in (folder / "0").iterdir():
            file.unlink()
        (folder / "0").rmdir()
        (folder / "0").symlink_to(outside)
    with pytest.raises(InputError, match=r"a\.zarr|zarr\.json"):
        np.asarray(read_image(folder).array)


def test_a_zarr_that_is_itself_a_link_opens(tmp_path):
    make(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").symlink_to(tmp_path / "a.zarr")
    assert read_image(tmp_path / "b.zarr", axes="ZYX").array[0, 0, 5] == 5


@pytest.mark.parametrize("name", ["é" * 300, "a/" * 3000, "a\0b", ".segplugin-0123456789abcdef/" + "x" * 300])
def test_a_name_that_no_disk_takes_is_a_sentence(tmp_path, name):
    with pytest.raises(InputError):
        check_readable(tmp_path / name)
