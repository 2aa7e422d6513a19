"""DICOM images through pydicom: one file, or a series in a folder of any depth."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.dicom_files import pydicom_module, read_header
from napari_segplugin.io.dicom_frames import Frame, count_of
from napari_segplugin.io.dicom_series import Series, SeriesInfo, chosen, find_series, no_images, series_in
from napari_segplugin.io.dicom_stack import Stack, arranged
from napari_segplugin.io.dicom_values import about_values, in_units, stored
from napari_segplugin.io.files import Format, Found
from napari_segplugin.io.memory import check_size

if TYPE_CHECKING:
    from pydicom import Dataset

_NAMES = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality", "SeriesDescription")
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def read(path: Path, series: str = "") -> Found:
    """Read a series: slices sorted along their normal, points in time one after the other, values in their units.

    Parameters
    ----------
    path : Path
        A file, or a folder; the folders in it are searched where it contains no image itself.
    series : str
        Number or UID of one of several series, as :func:`series_in` lists them.

    Returns
    -------
    Found
        ``metadata["notes"]`` says what is in doubt: slices that are missing or tilted, values that were inverted, ….

    Raises
    ------
    InputError
        If there is no image, there are several series, or slices are doubled.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom_module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about every value that breaks the standard's letter
        found, skipped = _chosen(path, series)
        _check_pixels([f.data for f in found.frames if f.number == 0], path)
        _check_kind(found.frames[0], path)
        stack = arranged(found.frames, path.name)
        return _found(found, stack, skipped)


def read_slices(path: Path, series: str = "") -> tuple[list[Dataset], Stack]:
    """The data sets of one series with their pixels, each once, and the frames in the order of :func:`read`."""
    pydicom_module()
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = _chosen(path, series)
        stack = arranged(found.frames, path.name)
        files = dict.fromkeys(f.file for f in stack.frames)
        return [data for file in files if (data := read_header(file, pixels=True)) is not None], stack


def _chosen(path: Path, wanted: str) -> tuple[Series, list[str]]:
    found, skipped = find_series(path, deep=bool(wanted))
    if not found:
        raise no_images(path, skipped)
    return chosen(found, wanted, path), skipped


def _check_pixels(images: Sequence[Dataset], path: Path) -> None:
    """What all images say that they hold, before one of them is unpacked."""
    values = 0
    for data in images:
        counts = (data.get(n, 1) or 1 for n in ("Rows", "Columns", "SamplesPerPixel"))
        values += math.prod(int(n) for n in counts) * count_of(data) * max(1, int(data.get("BitsAllocated", 16)) // 8)
    files = [Path(str(data.filename)) for data in images]
    # twice: once as they are stored, once in the units of the modality
    check_size(path, (2 * values,), "u1", stored=2 * sum(f.stat().st_size for f in files))


def _check_kind(frame: Frame, path: Path) -> None:
    """The frames of a whole slide are its tiles, which is not a stack."""
    if str(frame.data.get("SOPClassUID", "")) == _WHOLE_SLIDE and count_of(frame.data) > 1:
        raise InputError(
            f"'{path.name}' is a whole slide that is stored in tiles, which cannot be opened as DICOM.",
            got=f"{count_of(frame.data)} tiles",
            hint="Convert it to OME-TIFF or OME-Zarr, for example with bfconvert of Bio-Formats.",
        )


def _found(series: Series, stack: Stack, skipped: Sequence[str]) -> Found:
    planes = _planes(stack.frames)
    colour = planes[0].ndim == 3
    array = np.stack(planes)
    about, notes = about_values(stack.frames, array)
    lead = [n for n, letter in zip(stack.shape, "TZ", strict=True) if letter in stack.axes]
    array = array.reshape([*lead, *array.shape[1:]])
    notes = [*stack.notes, *notes]
    if series.copies:
        notes.append(
            f"Of {series.copies} image{'s' if series.copies > 1 else ''} there was a copy, which was left out."
        )
    if "MOSAIC" in [str(t) for t in stack.frames[0].data.get("ImageType") or ()]:
        notes.append(
            "Each image is a mosaic of all slices of a volume (Siemens). Convert it with dcm2niix to have the volume."
        )
    if len(notes):
        about["notes"] = list(notes)
    if stack.places:
        about["slice_places"] = list(stack.places)
    if stack.interval:
        about["frame_interval"] = stack.interval
    about |= _metadata(series, stack, skipped)
    return Found(
        array, stack.axes + "YX" + ("C" if colour else ""), stack.doubt, stack.spacing, stack.unit, about, stack.place
    )


def _planes(frames: Sequence[Frame]) -> list[np.ndarray]:
    """The values of all frames; a file is unpacked once."""
    by_file: dict[Path, list[int]] = {}
    for i, frame in enumerate(frames):
        by_file.setdefault(frame.file, []).append(i)
    planes: list[np.ndarray] = [np.zeros(0)] * len(frames)
    for file, numbers in by_file.items():
        data = read_header(file, pixels=True)
        if data is None:
            raise ValueError(f"'{file.name}' is no DICOM file any more")
        pixels = stored(data)
        for i in numbers:
            planes[i] = in_units(pixels[frames[i].number], frames[i])
    return planes


def _metadata(series: Series, stack: Stack, skipped: Sequence[str]) -> JsonDict:
    data = stack.frames[0].data
    about: JsonDict = {f"dicom_{n}": str(data[n].value) for n in _NAMES if n in data}
    if "PhotometricInterpretation" in data:
        about["dicom_PhotometricInterpretation"] = str(data.PhotometricInterpretation)
    if skipped:
        about["dicom_skipped"] = list(skipped)
    about["dicom_series"] = series.uid
    about["dicom_SOPInstanceUIDs"] = [str(f.data.get("SOPInstanceUID", "")) for f in stack.frames]
    return about


FORMAT = Format(read=read, read_series=read, series=series_in)

__all__ = ["FORMAT", "SeriesInfo", "read", "read_slices", "series_in"]
