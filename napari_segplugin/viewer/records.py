"""Records of finished edits: how they are written down, and read again up to the last whole one. No Qt, no torch.

A record is a magic word, two lengths, a checksum, a JSON header and packed voxels. Half a record at the end is left out, and so
is a damaged one in the middle. Voxels are kept as runs of equal value, so that filling an object of a million voxels takes a
few kilobytes.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from napari_segplugin.core import InputError
from napari_segplugin.io.files import close_to_others

_MAGIC = b"SGJ1"
_FAMILY = b"SGJ"
_HEAD = struct.Struct("<4sIII")


class Record(NamedTuple):
    """One record: what is said, and the packed voxels that go with it."""

    header: dict[str, Any]
    payload: bytes

    def pack(self) -> bytes:
        """The bytes of the record."""
        head = json.dumps(self.header, separators=(",", ":")).encode()
        check = zlib.crc32(self.payload, zlib.crc32(head))
        return _HEAD.pack(_MAGIC, len(head), len(self.payload), check) + head + self.payload


class Contents(NamedTuple):
    """What a journal holds.

    Parameters
    ----------
    records : list of Record
        The whole records, in order.
    end : int
        Where the last whole record ends.
    gaps : tuple of int
        Numbers of the records that do not follow the one before: what lay between is damaged.
    """

    records: list[Record]
    end: int
    gaps: tuple[int, ...]


def read_contents(path: str | Path) -> Contents:
    """The whole records of a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    Contents
        Empty where there is no file.

    Raises
    ------
    InputError
        If the file is there and cannot be opened, or no record of this version is in it.
    """
    close_to_others(Path(path))
    try:
        data = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Contents([], 0, ())
    except OSError as error:
        raise InputError(
            "The saved work for this image cannot be read.",
            got=f"{error.strerror or error}: {path}",
            hint="Check the permissions of the session folder",
        ) from error
    records: list[Record] = []
    gaps: list[int] = []
    last = 0
    for start, end, record in _records(data):
        if start != last:
            gaps.append(len(records))
        records.append(record)
        last = end
    if not records and data[: len(_MAGIC)] != _MAGIC[: len(data)]:
        known = data.startswith(_FAMILY)
        raise InputError(
            "The saved work for this image was written by another version of this plugin."
            if known
            else "The saved work for this image is damaged.",
            got=f"{path}; it is left as it is",
            hint="Open it with the version that wrote it" if known else "Restore the file from a backup, or delete it",
        )
    return Contents(records, last, tuple(gaps))


def _records(data: bytes) -> Iterator[tuple[int, int, Record]]:
    """The whole records with their places."""
    at = 0
    while at + _HEAD.size <= len(data):
        magic, head, body, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        end = start + head + body
        whole = magic == _MAGIC and end <= len(data) and zlib.crc32(data[start:end]) == check
        record = _record(data[start : start + head], data[start + head : end]) if whole else None
        if record is not None:
            yield at, end, record
            at = end
        else:
            found = data.find(_MAGIC, at + 1)
            at = found if found >= 0 else len(data)


def _record(head: bytes, payload: bytes) -> Record | None:
    try:
        header = json.loads(head)
    except ValueError:
        return None
    return Record(header, payload) if isinstance(header, dict) else None


def read_records(path: str | Path) -> tuple[list[Record], int]:
    """The whole records of a file and where the last of them ends; see :func:`read_contents`."""
    records, end, _ = read_contents(path)
    return records, end


def read_headers(path: Path) -> Iterator[dict[str, Any]]:
    """The headers of the records up to the first that is damaged, without reading the voxels.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while len(fixed := file.read(_HEAD.size)) == _HEAD.size:
            magic, head, body, _ = _HEAD.unpack(fixed)
            if magic != _MAGIC or file.tell() + head + body > size:
                return
            record = _record(file.read(head), b"")
            if record is None:
                return
            yield record.header
            file.seek(body, os.SEEK_CUR)


__all__ = [
    "Contents",
    "Record",
    "read_contents",
    "read_headers",
    "read_records",
]
