"""The boundary between us and the libraries that read files: whatever they raise becomes one sentence.

The registry of formats puts every reader and writer behind it, also those of other packages; so none can forget it.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_segplugin.core import InputError, OutOfMemoryError, Segmentation, SegPluginError, is_out_of_memory
from napari_segplugin.core.schema import parse_json
from napari_segplugin.io.files import (
    ZARR_FILES,
    Format,
    Found,
    LabelsToWrite,
    OneOfSeveral,
    first_line,
    is_zarr,
    writing,
)
from napari_segplugin.io.memory import check_size

T = TypeVar("T")
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """The boundary: whatever a library raises while it reads `path` becomes one sentence.

    Readers of formats and LazyArray stand behind it already; it is for what is read beside them. Our own errors pass. What
    was raised is the cause of the sentence, and is logged for who looks for a fault in the program.

    Parameters
    ----------
    path : Path
        A file, or a folder of files that are read together.
    kind : str
        What it is read as, for the sentence.

    Raises
    ------
    InputError
        If the file is damaged, may not be read, or another program changes it meanwhile.
    OutOfMemoryError
        If it does not fit in memory.

    Examples
    --------
    >>> with reading(Path("cells.tif"), "TIFF"):
    ...     raise KeyError("axes")
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: 'cells.tif' cannot be read as TIFF; it is damaged, incomplete or another kind
    of file. Got "'axes'". Copy it again from its source, or save it again in the program that made it.
    """
    stamps = Stamps.of(path)
    try:
        yield
    except SegPluginError:
        raise
    except Exception as error:
        _LOG.debug("%s could not be read as %s", path, kind, exc_info=True)
        stamps.check(path)
        raise _read_error(path, kind, error) from error
    stamps.check(path)


def _read_error(path: Path, kind: str, error: Exception) -> SegPluginError:
    """The sentence for what was raised while reading."""
    if isinstance(error, PermissionError):
        return InputError(
            f"You have no permission to read '{path.name}'.",
            got="no permission",
            hint="Ask the owner of the file, or copy it to your own folder.",
        )
    if is_out_of_memory(error):
        return OutOfMemoryError(
            f"'{path.name}' does not fit into memory ({first_line(error)}). Open only a part of it, or close other images."
        )
    return InputError(
        f"'{path.name}' cannot be read as {kind}; it is damaged, incomplete or another kind of file.",
        got=f'"{first_line(error)}"',
        hint="Copy it again from its source, or save it again in the program that made it.",
    )


_MOST_SEEN = 2000
"""Files of a folder that are looked at; a zarr has its own few, which say where a change shows."""


class Stamps:
    """How files looked when they were opened, so that nobody mixes them with what another program makes of them later.

    Parameters
    ----------
    files : sequence of Path
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)
        self._looked = self._look()

    @classmethod
    def of(cls, path: Path) -> Stamps:
        """A file; of a folder its files, of a zarr what describes it."""
        if not path.is_dir():
            return cls((path,))
        if is_zarr(path):
            return cls([path / name for name in ZARR_FILES])
        try:
            with os.scandir(path) as entries:
                inner = itertools.islice((Path(e.path) for e in entries if e.is_file()), _MOST_SEEN)
                return cls(list(inner))
        except OSError:
            return cls(())

    def _look(self) -> list[tuple[int, int, int] | None]:
        found: list[tuple[int, int, int] | None] = []
        for file in self._files:
            try:
                about = file.stat()
            except (OSError, ValueError):
                found.append(None)
            else:
                found.append((about.st_size, about.st_mtime_ns, about.st_ino))
        return found

    def check(self, path: Path) -> None:
        """Raise if one of them is another now.

        Raises
        ------
        InputError
            If size, time or identity of a file differ, it is gone, or it came.
        """
        if self._look() != self._looked:
            raise InputError(
                f"'{path.name}' was changed, replaced or removed by another program while it was in use.",
                got="a mix of the old and the new file",
                hint="Wait until the other program has finished, then open it again.",
            )


def guarded(found: Format, kind: str) -> Format:
    """A format whose functions stand behind the boundary, whoever wrote them: see :func:`reading` and :func:`writing`."""
    return replace(
        found,
        read=_guarded_reader(found.read, kind),
        read_labels=_guarded_reader(found.read_labels, kind),
        read_segmentation=_guarded_reader(found.read_segmentation, kind),
        write=_guarded_writer(found.write),
        series=_guarded_list(found.series, kind),
        read_series=_guarded_series(found.read_series, kind),
    )


def _guarded_reader(function: Callable[[Path], T] | None, kind: str) -> Callable[[Path], T] | None:
    if function is None:
        return None

    @functools.wraps(function)
    def read(path: Path) -> T:
        with reading(path, kind):
            found = function(path)
            if isinstance(found, Found):
                _check_found(found)
            elif not isinstance(found, Segmentation):
                raise TypeError(f"the reader gave {type(found).__name__}")
        return found

    return read


def _guarded_series(function: Callable[[Path, str], Found] | None, kind: str) -> Callable[[Path, str], Found] | None:
    if function is None:
        return None

    @functools.wraps(function)
    def read(path: Path, series: str) -> Found:
        with reading(path, kind):
            found = function(path, series)
            _check_found(found)
        return found

    return read


def _guarded_list(
    function: Callable[[Path], Sequence[OneOfSeveral]] | None, kind: str
) -> Callable[[Path], Sequence[OneOfSeveral]] | None:
    if function is None:
        return None

    @functools.wraps(function)
    def listing(path: Path) -> Sequence[OneOfSeveral]:
        with reading(path, kind):
            return list(function(path))

    return listing


def _check_found(found: Found) -> None:
    """What the reader of another package gives is used by us, so that its faults would look like ours."""
    for letter, size in found.spacing.items():
        if not math.isfinite(size):
            raise ValueError(f"size {size} along {letter}")
    if len(found.axes) != len(tuple(found.array.shape)):
        raise ValueError(f"axes {found.axes} for shape {tuple(found.array.shape)}")
    np.dtype(found.array.dtype)


def _guarded_writer(
    function: Callable[[LabelsToWrite, Path], None] | None,
) -> Callable[[LabelsToWrite, Path], None] | None:
    if function is None:
        return None

    @functools.wraps(function)
    def write(labels: LabelsToWrite, path: Path) -> None:
        with writing(path):
            function(labels, path)

    return write


def read_json(path: Path, kind: type[T], accepted: str = "", *, noun: str = "") -> T:
    """A JSON file, checked against a kind before anything of it is used; see :func:`napari_segplugin.core.schema.checked_json`.

    Parameters
    ----------
    path : Path
    kind : type
    accepted : str, optional
        For the sentence.
    noun : str, optional
        What a person calls such a file; comes before its name.

    Raises
    ------
    InputError
        If it cannot be read, is no JSON, or is not of this kind.
    OutOfMemoryError
        If it is larger than memory allows.
    """
    with reading(path, "JSON"):
        check_size(path, (_TIMES_JSON * path.stat().st_size,), "u1")
        return parse_json(path.read_bytes(), kind, f"{noun} '{path.name}'".strip(), accepted)


_TIMES_JSON = 8
"""How many times larger the objects of Python are than the text, at the most of what is common: polygons as in COCO take 4.8."""

__all__ = ["Stamps", "guarded", "read_json", "reading"]
