"""A file that grows by one record with every finished edit, and can be read up to the last whole record. No Qt, no torch.

A record is a magic word, two lengths, a checksum, a JSON header and packed voxels. Whatever happens to the program, the
records that were written are there; half a record at the end is left out. Voxels are kept as runs of equal value, so that
filling an object of a million voxels takes a few kilobytes.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.io.files import close_to_others, private_file, private_folder

_MAGIC = b"SGJ1"
_HEAD = struct.Struct("<4sIII")
MOST_WAITING = 256 * 2**20
"""Bytes of records that wait in memory while the file cannot be written."""


class Record(NamedTuple):
    """One record: what is said, and the packed voxels that go with it."""

    header: dict[str, Any]
    payload: bytes

    def pack(self) -> bytes:
        """The bytes of the record."""
        head = json.dumps(self.header, separators=(",", ":")).encode()
        check = zlib.crc32(self.payload, zlib.crc32(head))
        return _HEAD.pack(_MAGIC, len(head), len(self.payload), check) + head + self.payload


def read_records(path: str | Path) -> tuple[list[Record], int]:
    """The whole records of a file and where the last of them ends.

    Parameters
    ----------
    path : path

    Returns
    -------
    records : list of Record
        Empty where there is no file, or it is none of ours.
    end : int
        Bytes that are good.

    Raises
    ------
    InputError
        If the file is there and cannot be opened.
    """
    close_to_others(Path(path))
    try:
        data = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return [], 0
    except OSError as error:
        raise InputError(
            "The saved work for this image cannot be read.",
            got=f"{error.strerror or error}: {path}",
            hint="Check the permissions of the session folder",
        ) from error
    records, at = [], 0
    while at + _HEAD.size <= len(data):
        magic, head, body, check = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        end = start + head + body
        if magic != _MAGIC or end > len(data) or zlib.crc32(data[start:end]) != check:
            break
        records.append(Record(json.loads(data[start : start + head]), data[start + head : end]))
        at = end
    return records, at


class Journal:
    """Writes records, each at once. What cannot be written waits in memory and is tried again with the next one.

    Parameters
    ----------
    on_trouble : callable, optional
        Told once, with an :class:`~napari_segplugin.core.InputError`, when the file cannot be written.
    """

    def __init__(self, on_trouble: Callable[[InputError], object] | None = None) -> None:
        self._on_trouble = on_trouble
        self._waiting: list[bytes] = []
        self._file: FileIO | None = None
        self._path: Path | None = None
        self._end: int | None = None
        self._closed = False
        self.trouble: InputError | None = None

    @property
    def path(self) -> Path | None:
        """The file; None while it is not known yet."""
        return self._path

    @property
    def begun(self) -> bool:
        """Whether anything was recorded."""
        return self._file is not None or bool(self._waiting)

    def open(self, path: str | Path, end: int | None = None) -> None:
        """Say where to write; nothing is made before there is something to write.

        Parameters
        ----------
        path : path
        end : int, optional
            Go on with the file after this many bytes. Without it the file that is there is set aside (``.old``).
        """
        self._path, self._end = Path(path), end
        self._flush()

    def append(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Write a record; nothing after :meth:`close`."""
        if self._closed:
            return
        self._waiting.append(Record(header, payload).pack())
        while sum(map(len, self._waiting)) > MOST_WAITING and len(self._waiting) > 1:
            self._waiting.pop(0)
        self._flush()

    def sync(self) -> None:
        """Ask the system to bring what was written to the disk; slow on some disks, so call it in a worker."""
        file = self._file
        try:
            if file is not None:
                os.fsync(file.fileno())
        except (OSError, ValueError):
            pass  # closed meanwhile, or a file system that knows no such thing

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
        self._file, self._closed = None, True

    def _flush(self) -> None:
        if self._path is None or not self._waiting:
            return
        try:
            if self._file is None:
                self._file = self._begin(self._path)
            while self._waiting:
                self._write(self._file, self._waiting[0])
                self._waiting.pop(0)
        except OSError as error:
            self._tell(error)
            return
        self.trouble = None

    def _begin(self, path: Path) -> FileIO:
        # what is in it are edits of images of people, perhaps
        private_folder(path.parent)
        close_to_others(path)
        if self._end is None and path.exists():
            os.replace(path, path.with_suffix(path.suffix + ".old"))
        private_file(path)
        file = open(path, "ab", buffering=0)  # noqa: SIM115 - stays open for the session
        if self._end is not None:
            file.truncate(self._end)
        self._end = file.seek(0, os.SEEK_END)
        return file

    def _write(self, file: FileIO, data: bytes) -> None:
        """Write all of it or nothing."""
        start = self._end or 0
        written = 0
        try:
            while written < len(data):
                written += file.write(data[written:])
        except OSError:
            if written:
                file.truncate(start)
            raise
        self._end = start + len(data)

    def _tell(self, error: OSError) -> None:
        told = self.trouble is not None
        self.trouble = InputError(
            "Your edits could not be saved in the session folder; everything else keeps working.",
            got=f"{error.strerror or error} in {self._path.parent if self._path else 'the session folder'}",
            hint="Free some disk space, or choose another session folder in Preferences, Plugins",
        )
        if not told and self._on_trouble is not None:
            self._on_trouble(self.trouble)


# --- voxels as runs -------------------------------------------------------------------------------------------------


def pack_voxels(flat: np.ndarray, values: np.ndarray | int) -> tuple[dict[str, int], bytes]:
    """Pack values of voxels.

    Parameters
    ----------
    flat : (N,) ndarray of int64
        Voxels counted in C order, ascending, none twice.
    values : int or (N,) ndarray of int

    Returns
    -------
    about : dict
        What :func:`unpack_voxels` has to know.
    payload : bytes

    Examples
    --------
    >>> about, payload = pack_voxels(np.array([2, 3, 4, 9]), np.array([7, 7, 8, 8]))
    >>> [v.tolist() for v in unpack_voxels(about, payload)]
    [[2, 3, 4, 9], [7, 7, 8, 8]]
    """
    flat = np.asarray(flat, np.int64)
    array = np.broadcast_to(np.asarray(values), flat.shape)
    fresh = np.ones(len(flat), bool)
    fresh[1:] = (np.diff(flat) != 1) | (array[1:] != array[:-1])
    at = np.flatnonzero(fresh)
    return pack_runs(flat[at], np.diff(at, append=len(flat)), array[at])


def pack_runs(first: np.ndarray, length: np.ndarray, value: np.ndarray) -> tuple[dict[str, int], bytes]:
    """Pack runs of equal value; see :func:`napari_segplugin.data.boxes.runs`."""
    parts = (first.astype("<i8"), length.astype("<i8"), value.astype("<i8"))
    # differences are small and alike, which packs well
    first_steps = np.diff(parts[0], prepend=0)
    payload = zlib.compress(b"".join(p.tobytes() for p in (first_steps, *parts[1:])), 1)
    return {"runs": len(first)}, payload


def unpack_voxels(about: Mapping[str, int], payload: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Voxels in C order, and their values."""
    steps, length, value = np.frombuffer(zlib.decompress(payload), "<i8").reshape(3, about["runs"])
    first = np.cumsum(steps)
    total = int(length.sum())
    before = np.cumsum(length) - length
    flat = np.repeat(first - before, length) + np.arange(total)
    return flat, np.repeat(value, length)


__all__ = ["Journal", "Record", "pack_runs", "pack_voxels", "read_records", "unpack_voxels"]
