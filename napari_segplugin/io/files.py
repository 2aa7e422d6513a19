"""What all formats share: checks before reading, writing that leaves nothing half done."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from napari_segplugin.core import InputError, OutOfMemoryError, Place, Segmentation, SegPluginError, is_out_of_memory
from napari_segplugin.core.disk.commit import commit, settle
from napari_segplugin.core.disk.unfinished import check_finished
from napari_segplugin.core.types import Array, Json

IN_MEMORY = 256 * 2**20
"""Bytes up to which an image is read into memory at once; larger ones stay on disk where the format allows."""

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""What lies in the folder of a zarr."""

IN_ZARR = "labels"
"""The group in an OME-Zarr image below which its labels are."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader found in a file, before the person's own axes, voxel size and unit are put on it.

    Parameters
    ----------
    array : array-like
        NumPy or lazy array, axes `axes`.
    axes : str
    doubt : str
        Question about the axes, empty where the file names them.
    spacing : mapping of axis letter to float
        What the file says; letters that are missing count 1.
    unit : str
    metadata : mapping
        Under "notes", sentences for the person about what was not as it should be.
    place : Place, optional
        Where the voxels lie, in `unit`, for the axes Z, Y, X by their letters.
    """

    array: Array
    axes: str
    doubt: str = ""
    spacing: Mapping[str, float] = field(default_factory=dict)
    unit: str = "pixel"
    metadata: Mapping[str, Json] = field(default_factory=dict)
    place: Place | None = None


@dataclass(frozen=True)
class Drawing:
    """How polygons and surfaces are drawn around labels.

    Parameters
    ----------
    simplify : float, optional
        Pixels by which an outline may leave that of its pixels; by default 0.5 on a map, and otherwise 0: the edges of the
        pixels, from which the labels come back unchanged.
    smallest : float
        Parts of fewer pixels are left out.
    pieces : bool, optional
        Each connected piece of an area is a feature of its own; by default on a map only. An object is always one.
    voxel_space : bool
        Surfaces (.stl, .ply, .obj) of an image that lies in no patient are refused, because left and right are not known
        there; True draws them in the coordinates of the image.

    Raises
    ------
    InputError
        If a number is negative or not finite.
    """

    simplify: float | None = None
    smallest: float = 0.0
    pieces: bool | None = None
    voxel_space: bool = False

    def __post_init__(self) -> None:
        for word, value in (("tolerance of outlines", self.simplify), ("smallest area", self.smallest)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"The {word} is not valid.", got=value, accepted="a number of pixels from 0")


@dataclass(frozen=True, eq=False)
class LabelsToWrite:
    """Labels on their way into a file: checked, axes in canonical order, with the dtype chosen.

    Parameters
    ----------
    array : array-like of int, axes `axes`
        NumPy or zarr array; a writer takes it piece by piece or whole.
    dtype : dtype
        Smallest of uint8, uint16, uint32 that holds every label.
    axes : str
    spacing : mapping of axis letter to float
    unit : str
    name : str
    place : Place, optional
        Where they lie, in `unit`; None where nothing says so.
    origin : mapping of axis letter to int
        First voxel of the labels in the image that they were made from; letters that are missing count 0.
    segmentation : Segmentation, optional
        What the labels belong to: task, classes, table of objects and recipe, for formats that hold more than labels.
    stem : str
        Name of the final file without its extension, for formats that name files inside.
    columns : mapping of str to (N,) ndarray
        Measurements to write beside each object, in the order of the table of objects.
    drawing : Drawing
        For formats of polygons and surfaces.
    """

    array: Array
    dtype: np.dtype
    axes: str
    spacing: Mapping[str, float]
    unit: str = "pixel"
    name: str = "segmentation"
    place: Place | None = None
    origin: Mapping[str, int] = field(default_factory=dict)
    segmentation: Segmentation | None = None
    stem: str = "segmentation"
    columns: Mapping[str, Sequence[float] | np.ndarray] = field(default_factory=dict)
    drawing: Drawing = Drawing()


class OneOfSeveral(Protocol):
    """One of several images under one path, as it stands in a list to choose from."""

    @property
    def number(self) -> int:
        """From 1."""

    @property
    def uid(self) -> str:
        """What names it for good."""

    @property
    def title(self) -> str:
        """What a person reads."""


@dataclass(frozen=True)
class Format:
    """The functions of one file format.

    Parameters
    ----------
    read : callable, optional
        ``(path) -> Found``
    write : callable, optional
        ``(labels, path) -> None``
    read_labels : callable, optional
        ``(path) -> Found``, where labels are read differently from images.
    read_segmentation : callable, optional
        ``(path) -> Segmentation``, where the file itself names classes and objects.
    beside : str
        Ending of a folder that the writer makes beside the file; empty where one file holds everything.
    series : callable, optional
        ``(path) -> list``, where one path may hold several images: each with its `number` from 1, `uid` and `title`.
    read_series : callable, optional
        ``(path, series) -> Found``: one of them, by its number or UID as text; "" where there is one only.
    """

    read: Callable[[Path], Found] | None = None
    write: Callable[[LabelsToWrite, Path], None] | None = None
    read_labels: Callable[[Path], Found] | None = None
    read_segmentation: Callable[[Path], Segmentation] | None = None
    beside: str = ""
    series: Callable[[Path], Sequence[OneOfSeveral]] | None = None
    read_series: Callable[[Path, str], Found] | None = None


def as_path(path: str | os.PathLike[str]) -> Path:
    """A path from what a person typed: quotes around it (Windows' "copy as path") and ``~`` are understood.

    Examples
    --------
    >>> as_path('"cells.tif"').name
    'cells.tif'
    """
    text = os.fspath(path)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    with contextlib.suppress(RuntimeError):  # "~name" of nobody on this computer is a name like any other
        return Path(text).expanduser() if text.startswith("~") else Path(text)
    return Path(text)


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is such a file or folder; what cannot be a name on this computer is none."""
    try:
        return as_path(path).exists()
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def check_readable(path: Path) -> None:
    """Raise unless the path is there, may be read and is not an empty file.

    Raises
    ------
    InputError
        If there is no such file or folder, it may not be read, the file is empty, or what writes it has not finished.
    """
    try:
        settle(path)
        check_finished(path)
        if path.is_dir():
            with os.scandir(path) as entries:
                next(entries, None)
            return
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.read(1)
    except SegPluginError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        hint = "Check the spelling"
        if "\\" in str(path) and os.sep != "\\":
            hint = "Backslashes separate folders only on Windows; use / here"
        raise InputError("There is no such file or folder.", got=f"'{path}'", hint=hint) from None
    except PermissionError:
        raise InputError(
            f"You have no permission to read '{path.name}'.",
            got="no permission",
            hint="Ask the owner of the file, or copy it to your own folder.",
        ) from None
    except (OSError, ValueError) as error:  # a name that is too long, a null byte in it, a disk that went away
        raise InputError("The path cannot be opened.", got=f"'{path}', {first_line(error)}") from None
    if size == 0:
        raise InputError(
            f"The file '{path.name}' is empty.", got="0 bytes", hint="Copy the file again from its source."
        )


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr: by its name, or by what lies in it."""
    return path.is_dir() and (path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in ZARR_FILES))


def in_image(path: Path) -> bool:
    """Whether a path is that of labels in the zarr of their image, such as ``cells.zarr/labels/nuclei``.

    Examples
    --------
    >>> in_image(Path("no.zarr/labels/nuclei"))
    False
    """
    return path.parent.name == IN_ZARR and is_zarr(path.parent.parent)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, shortened, for use inside a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system raises while `path` is written into one sentence.

    Raises
    ------
    InputError
        If the folder is missing or may not be written to, the disk is full, or writing fails otherwise.
    """
    try:
        yield
    except SegPluginError:
        raise
    except OSError as error:
        raise _write_error(path, error) from error
    except Exception as error:
        _LOG.debug("%s could not be written", path, exc_info=True)
        if is_out_of_memory(error):
            raise OutOfMemoryError(f"The memory is full; '{path.name}' was not written. Close other images.") from error
        raise InputError(f"'{path.name}' cannot be written.", got=f'"{first_line(error)}"') from error


def _write_error(path: Path, error: OSError) -> InputError:
    """The sentence for an OSError while writing."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"The disk is full; '{path.name}' was not written.", hint="Free some space or choose another folder."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(
            f"You have no permission to write '{path.name}' there.",
            got=f"folder '{path.parent}' without write permission",
            hint="Choose another folder.",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(
            "The folder does not exist.", got=f"'{path.parent}'", hint="Create the folder first, or choose another one."
        )
    return InputError(f"'{path.name}' cannot be written.", got=f'"{first_line(error)}"')


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file, whole or not at all.

    Raises
    ------
    InputError
        If the folder is missing or may not be written to, or the disk is full.
    """
    place = as_path(path)
    with writing(place), commit(place) as stage:
        stage.path(place).write_text(text, encoding="utf-8")
    return place


def fingerprint(path: Path) -> dict[str, int | str]:
    """Size and checksum of a file, or of all files in a folder with their names.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = place.write_bytes(b"labels")
    >>> fingerprint(place)
    {'bytes': 6, 'crc32': 'b5d10211'}
    """
    size = crc = 0
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if file != path:
            crc = zlib.crc32(file.relative_to(path).as_posix().encode("utf-8", "surrogatepass"), crc)
        with file.open("rb") as stream:
            while part := stream.read(2**20):
                size, crc = size + len(part), zlib.crc32(part, crc)
    return {"bytes": size, "crc32": f"{crc:08x}"}


def private_folder(path: Path) -> None:
    """Make a folder that its owner alone may enter, or close one that is there; Windows keeps its own rights.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _close(path, 0o700)


def private_file(path: Path) -> None:
    """Let the owner alone read and write a file, which is made where there is none.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    _close(path, 0o600)


def close_to_others(path: Path) -> None:
    """Let the owner alone read and write a file that may be there; what belongs to somebody else stays as it is."""
    _close(path, 0o600)


def _close(path: Path, mode: int) -> None:
    # another owner's, a share or a memory card that knows no rights: the work is worth more than the mode
    if os.name == "posix":
        with contextlib.suppress(OSError):
            path.chmod(mode)


def native(array: np.ndarray) -> np.ndarray:
    """The array in the byte order of this machine (torch and numba take no other)."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
