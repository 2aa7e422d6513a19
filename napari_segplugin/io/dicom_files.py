"""Finding DICOM: files of any name in a folder and those below it, with or without preamble."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from napari_segplugin.core import InputError, MissingExtraError
from napari_segplugin.io.dicom_codecs import add_decoders
from napari_segplugin.io.memory import check_size

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_FILES = 100_000
"""Files that are looked at below a folder: more is a whole disk that somebody chose by mistake."""
_STARTS = (b"\x02\x00", b"\x08\x00")  # groups that a file without preamble begins with
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_DIRECTORY = "1.2.840.10008.1.3.10"


def pydicom_module() -> ModuleType:
    """The package pydicom, with our decoders.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError("pydicom", "read DICOM files") from error
    _add_decoders_once()
    return pydicom


@cache
def _add_decoders_once() -> None:
    import pydicom

    add_decoders(pydicom)


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does: with a preamble and "DICM", or with a first element as old programs wrote it.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "IM0001"
    >>> _ = place.write_bytes(bytes(128) + b"DICM")
    >>> looks_like_dicom(place)
    True
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or _element_first(start)


def _element_first(start: bytes) -> bool:
    """Whether the bytes are an element of group 2 or 8: tag, then a kind of two letters, or a length that is even and short."""
    if len(start) < 16 or start[:2] not in _STARTS or start[3] != 0:
        return False
    if start[4] in _LETTERS and start[5] in _LETTERS:
        return True
    length = int.from_bytes(start[4:8], "little")
    return length % 2 == 0 and length <= 128


def kind_of(path: Path) -> str:
    """What a DICOM file holds, by its class and modality: "seg", "rtstruct", "directory", or "image" for all others."""
    pydicom = pydicom_module()
    tags = ["SOPClassUID", "Modality"]
    try:
        check_deflated(pydicom, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags)
    except Exception:  # noqa: BLE001 (whoever reads the file says what is wrong with it)
        return "image"
    stated = str(data.file_meta.get("MediaStorageSOPClassUID", "")) if hasattr(data, "file_meta") else ""
    classes, modality = {str(data.get("SOPClassUID", "")), stated}, str(data.get("Modality", ""))
    if classes.intersection(_SEGMENTATION) or modality == "SEG":
        return "seg"
    if _STRUCTURES in classes or modality == "RTSTRUCT":
        return "rtstruct"
    return "directory" if _DIRECTORY in classes else "image"


def files_below(path: Path) -> Iterator[Path]:
    """The files of a folder, then those of the folders in it, each by name; links to folders are not followed.

    Raises
    ------
    InputError
        If there are more than :data:`MOST_FILES`.
    """
    seen = 0
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(n for n in inner if not n.startswith("."))
        for name in sorted(names):
            file = Path(folder, name)
            if not file.is_file():
                continue
            seen += 1
            if seen > MOST_FILES:
                raise InputError(
                    f"'{path.name}' contains too many files to search for DICOM images.",
                    got=f"more than {MOST_FILES}",
                    hint="Choose the folder of one study or series.",
                )
            yield file


def read_header(file: Path, *, pixels: bool = False) -> Dataset | None:
    """A data set without its pixels (or with them); None where the file is not DICOM.

    Files without preamble are read too; where they do not say how they are encoded, that is found out and added.
    """
    pydicom = pydicom_module()
    if not looks_like_dicom(file):
        return None
    check_deflated(pydicom, file)
    data: Dataset = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels)
    if not len(data):
        return None
    if "TransferSyntaxUID" not in getattr(data, "file_meta", ()):
        _add_syntax(pydicom, data)
    return data


def _add_syntax(pydicom: ModuleType, data: Dataset) -> None:
    implicit, little = data.original_encoding
    uid = pydicom.uid
    plain = uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
    if not hasattr(data, "file_meta"):
        data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = plain if little else uid.ExplicitVRBigEndian


def check_deflated(pydicom: ModuleType, file: Path) -> None:
    """A deflated data set is unpacked whole when it is opened: see first how much that is.

    Raises
    ------
    InputError
        If a small file holds very much.
    OutOfMemoryError
        If it is larger than memory.
    """
    with file.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            return
    about = pydicom.filereader.read_file_meta_info(file)
    if about.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    size, unpack = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with file.open("rb") as stream:
        stream.seek(132 + 12 + int(about.get("FileMetaInformationGroupLength", 0)))
        packed = stream.read(2**20)
        while packed and not unpack.eof:
            size += len(unpack.decompress(packed, 2**24))
            check_size(file, (size,), "u1", stored=file.stat().st_size)
            packed = unpack.unconsumed_tail or stream.read(2**20)


__all__ = [
    "MOST_FILES",
    "check_deflated",
    "files_below",
    "kind_of",
    "looks_like_dicom",
    "pydicom_module",
    "read_header",
]
