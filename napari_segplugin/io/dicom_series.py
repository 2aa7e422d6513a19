"""Which DICOM series a folder contains, and what each of them is."""

from __future__ import annotations

import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.dicom_files import files_below, kind_of, read_header
from napari_segplugin.io.dicom_frames import Frame, as_number, count_of, frames_of, value_of
from napari_segplugin.io.files import as_path, check_readable
from napari_segplugin.io.memory import check_size, too_large

if TYPE_CHECKING:
    from pydicom import Dataset

_NOT_IMAGES = {"SEG", "SR", "RTSTRUCT", "RTPLAN", "RTRECORD", "PR", "KO", "REG", "DOC", "ANN", "FID", "PLAN"}
_TURN = 2e-3
"""By how much the directions of two slices of one stack may differ: files round them."""
_KINDS = ("EffectiveEchoTime", "EchoTime", "EchoNumbers", "StackID", "ConvolutionKernel", "ComplexImageComponent")
"""What tells apart images that lie in the same place and are not points in time."""


@dataclass(frozen=True)
class SeriesInfo:
    """A series of images, as it stands in a list to choose from.

    Parameters
    ----------
    number : int
        In this list, from 1.
    uid : str
        SeriesInstanceUID; "#2", "#3" … behind it where one series contains several stacks, such as a localizer of its own.
    title : str
        What a person reads: modality, description, number of images and their size.
    modality, description : str
    count : int
        Images.
    size : tuple of int
        Rows and columns.
    study : str
        Date and description of the study.
    """

    number: int
    uid: str
    title: str
    modality: str
    description: str
    count: int
    size: tuple[int, int]
    study: str = ""


@dataclass(frozen=True, eq=False)
class Series:
    """The frames of a series, in no particular order.

    Parameters
    ----------
    uid : str
        As of :class:`SeriesInfo`.
    frames : list of Frame
    copies : int
        Frames that were there twice and were left out.
    """

    uid: str
    frames: list[Frame]
    copies: int = 0


def series_in(path: str | os.PathLike[str]) -> list[SeriesInfo]:
    """The series of images in a folder, the folders below it, or one file.

    Parameters
    ----------
    path : path
        A folder of any depth (a study, a disc of a hospital), its file DICOMDIR, or one DICOM file.

    Returns
    -------
    list of SeriesInfo
        The largest first.

    Raises
    ------
    InputError
        If there is no such folder, or no DICOM image in it.
    MissingExtraError
        If pydicom is not installed.

    Examples
    --------
    >>> series_in("/nowhere")
    Traceback (most recent call last):
    napari_segplugin.core.errors.InputError: There is no such file or folder. Got '/nowhere'. Check the spelling.
    """
    place = as_path(path)
    check_readable(place)
    with reading(place, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, skipped = find_series(place, deep=True)
        if not found:
            raise no_images(place, skipped)
        return listed(found)


def find_series(path: Path, *, deep: bool = False) -> tuple[list[Series], list[str]]:
    """The series, the largest first, and the names of files that are none.

    Parameters
    ----------
    path : Path
        A file, or a folder. Folders below are looked at where the folder itself contains no image.
    deep : bool
        Look into the folders below in any case.

    Raises
    ------
    InputError
        If there are too many files.
    """
    folder = path if path.is_dir() else path.parent if kind_of(path) == "directory" else None
    files = files_below(folder) if folder else iter([path])
    images: list[tuple[Path, Dataset]] = []
    skipped = []
    for file in files:
        if not deep and images and file.parent != folder and images[0][0].parent == folder:
            break  # the folder itself comes first
        data = read_header(file)
        if data is None or "Rows" not in data or str(data.get("Modality", "")) in _NOT_IMAGES:
            skipped.append(file.name)
        else:
            check_declared(file, data)
            images.append((file, data))
    return _grouped(images), skipped


def check_declared(file: Path, data: Dataset) -> None:
    """Refuse a file that says it holds more than it can, before anything is made of its frames.

    Raises
    ------
    InputError
        If a small file says that it holds very much.
    OutOfMemoryError
        If it is larger than the memory that is free.
    """
    frames = count_of(data)
    if frames == 1:
        return  # all files of a series are looked at together
    size = file.stat().st_size
    counts = (as_number(data.get(n)) or 1 for n in ("Rows", "Columns", "SamplesPerPixel"))
    values = math.prod(int(n) for n in counts) * max(1, int(as_number(data.get("BitsAllocated")) or 16) // 8)
    check_size(file, (2 * frames * values,), "u1", stored=2 * size)
    if frames > _FRAMES_A_BYTE * size:
        raise too_large(file, f"{frames} frames in a file of {size} bytes", "very many frames")


_FRAMES_A_BYTE = 4  # of one pixel each, in files that are packed as a whole


def listed(found: Sequence[Series]) -> list[SeriesInfo]:
    """What a person reads of each series."""
    rows = []
    for number, series in enumerate(found, 1):
        first = series.frames[0].data
        size = (int(first.Rows), int(first.Columns))
        modality = str(first.get("Modality", "") or "?")
        name = str(first.get("SeriesDescription", "") or "").strip()
        name = name or f"number {first.get('SeriesNumber') or '?'}"
        study = " ".join(str(first.get(n, "") or "") for n in ("StudyDate", "StudyDescription")).strip()
        count = len(series.frames)
        words = f"{count} image{'s' if count > 1 else ''}"
        more = _what_tells_apart(series, found)
        title = f"{modality} '{name}'{more} ({words} of {size[0]} × {size[1]})"
        rows.append(SeriesInfo(number, series.uid, title, modality, name, count, size, study))
    return rows


def _what_tells_apart(series: Series, found: Sequence[Series]) -> str:
    """What differs from other series of the same name, for its title."""
    first = series.frames[0]
    names = ("Modality", "SeriesDescription", "SeriesNumber")
    alike = [s.frames[0] for s in found if all(s.frames[0].data.get(n) == first.data.get(n) for n in names)]
    if len(alike) == 1:
        return ""
    for name, word in (("EchoTime", "echo time "), ("StudyDate", ""), ("SeriesTime", ""), ("ImageType", "")):
        values = [str(f.value(name) or "") for f in alike]
        if len(set(values)) == len(values):
            return f", {word}{str(first.value(name) or '').strip('[]')}"
    return f", part {series.uid.rpartition('#')[2]}" if "#" in series.uid else ""


def chosen(found: Sequence[Series], wanted: str, path: Path) -> Series:
    """The series that a person wants: by its number in the list, or its UID; the only one where nothing is wanted.

    Raises
    ------
    InputError
        If there are several and none is wanted, or there is none like it.
    """
    rows = listed(found)
    lines = "; ".join(f"{r.number}: {r.title}" for r in rows[:12]) + (" …" if len(rows) > 12 else "")
    if not wanted:
        if len(found) == 1:
            return found[0]
        raise InputError(
            f"The folder '{path.name}' contains {len(found)} DICOM series.",
            got=lines,
            hint="State the number or the UID of one of them, or open the folder that contains one series alone.",
            setting="series",
        )
    for row, series in zip(rows, found, strict=True):
        if wanted in (row.uid, str(row.number)):
            return series
    raise InputError(
        f"'{path.name}' contains no such DICOM series.", got=f"'{wanted}'", accepted=lines, setting="series"
    )


def no_images(path: Path, skipped: Sequence[str]) -> InputError:
    """What is said where there is no image."""
    if not path.is_dir():
        return InputError(
            f"'{path.name}' contains no DICOM image.",
            got="damaged data, or a segmentation or report",
            hint="Choose the folder of the series.",
        )
    hint = "Open one file in it instead" if skipped else "Choose a folder with a DICOM series or an OME-Zarr"
    return InputError(
        f"The folder '{path.name}' contains no DICOM image, nor do the folders in it.",
        got=f"{len(skipped)} other files",
        hint=hint,
    )


def _grouped(images: Sequence[tuple[Path, Dataset]]) -> list[Series]:
    """Frames by series; one series that contains stacks of several sizes or directions is several."""
    by_uid: dict[str, list[list[Frame]]] = {}
    for file, data in images:
        for frame in frames_of(file, data):
            stacks = by_uid.setdefault(_series_uid(data), [])
            stack = next((s for s in stacks if _together(s[0], frame)), None)
            if stack is None:
                stacks.append([frame])
            else:
                stack.append(frame)
    found = []
    for uid, stacks in by_uid.items():
        whole = [Series("", *_without_copies(stack)) for stack in stacks]
        parts = [Series("", p, s.copies) for s in whole for p in _by_kind(s.frames)]
        parts.sort(key=lambda s: -len(s.frames))
        found += [Series(f"{uid}#{i}" if i > 1 else uid, s.frames, s.copies) for i, s in enumerate(parts, 1)]
    return sorted(found, key=lambda s: -len(s.frames) * int(s.frames[0].data.Rows) * int(s.frames[0].data.Columns))


def _series_uid(data: Dataset) -> str:
    """The UID; of series whose UIDs were removed what else tells them apart."""
    found = str(data.get("SeriesInstanceUID", "") or "")
    return found or f"{data.get('Modality', '')}.{data.get('SeriesNumber') or ''}"


def _together(first: Frame, frame: Frame) -> bool:
    """Whether two frames can be planes of one stack."""
    a, b = first.data, frame.data
    if a is not b:
        if any(a.get(n) != b.get(n) for n in ("Rows", "Columns", "SamplesPerPixel")):
            return False
        loose = first.position is None or frame.position is None
        if loose and (first.number or frame.number or count_of(a) > 1):
            return False  # several films are several images
    sizes = [np.asarray(f.value("PixelSpacing") or (), float) for f in (first, frame)]
    if sizes[0].shape != sizes[1].shape or not np.allclose(sizes[0], sizes[1], rtol=1e-3):
        return False
    if first.direction is None or frame.direction is None:
        return first.direction is frame.direction
    return bool(np.abs(first.direction - frame.direction).max() <= _TURN)


def _without_copies(frames: list[Frame]) -> tuple[list[Frame], int]:
    """The frames without those of files that are there twice."""
    seen: dict[object, Frame] = {}
    for i, frame in enumerate(frames):
        uid = str(frame.data.get("SOPInstanceUID", "") or "")
        at = tuple(frame.position.round(4)) if frame.position is not None else ()
        key = (uid, at, frame.number, str(frame.data.get("InstanceNumber", ""))) if uid else i
        seen.setdefault(key, frame)
    return list(seen.values()), len(frames) - len(seen)


def _by_kind(frames: list[Frame]) -> list[list[Frame]]:
    """Echoes, magnitude and phase, reconstructions … that share one series and one place, each by itself."""
    parts = [frames]
    for sort in (_kind_of_image, *(_by_value(name) for name in _KINDS)):
        parts = [inner for part in parts for inner in _split(part, sort)]
    return [inner for part in parts for inner in _acquisitions(part)]


def _acquisitions(frames: list[Frame]) -> list[list[Frame]]:
    """Stacks that were taken one after the other and overlap at their ends, each by itself."""
    spots = _spots(frames)
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(str(frame.number_of("AcquisitionNumber")), []).append(frame)
    places = {frozenset(_spots(g)) for g in groups.values()}
    apart = len(places) == len(groups) > 1 and all(_most_at_once(g) == 1 < len(g) for g in groups.values())
    return list(groups.values()) if apart and len(set(spots.values())) > 1 else [frames]


def _split(frames: list[Frame], sort: Callable[[Frame], str]) -> list[list[Frame]]:
    """By a value, where planes lie in the same place and all of its groups are alike."""
    if not _most_at_once(frames) > 1:
        return [frames]
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(sort(frame), []).append(frame)
    places = {frozenset(_spots(g)) for g in groups.values()}
    if len(groups) == 1 or len(places) > 1 or len(groups) > _MOST_KINDS:
        return [frames]
    return list(groups.values())


_MOST_KINDS = 16


def _spots(frames: Sequence[Frame]) -> Counter[float]:
    return Counter(round(f.height, 2) for f in frames if f.position is not None)


def _most_at_once(frames: Sequence[Frame]) -> int:
    return max(_spots(frames).values(), default=0)


def _kind_of_image(frame: Frame) -> str:
    return str(value_of(frame.data, "FrameType", frame.number) or frame.data.get("ImageType", ""))


def _by_value(name: str) -> Callable[[Frame], str]:
    return lambda frame: str(frame.value(name))


__all__ = ["Series", "SeriesInfo", "check_declared", "chosen", "find_series", "listed", "no_images", "series_in"]
