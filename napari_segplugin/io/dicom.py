"""A folder with one DICOM series, or one DICOM file, through pydicom."""

from __future__ import annotations

import math
import warnings
import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.core import InputError, MissingExtraError, Place
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.dicom_codecs import add_decoders
from napari_segplugin.io.files import Format, Found, native
from napari_segplugin.io.memory import check_size

if TYPE_CHECKING:
    from pydicom import Dataset

_NOT_IMAGES = {"SEG", "SR", "RTSTRUCT", "RTDOSE", "RTPLAN", "PR", "KO", "REG", "DOC"}
_UNEVEN = 0.05  # share of the usual distance by which two slices may differ from it; scanners round positions


def _pydicom() -> ModuleType:
    try:
        import pydicom
    except ImportError as error:
        raise MissingExtraError("pydicom", "read DICOM files") from error
    add_decoders(pydicom)
    return pydicom


def read(path: Path) -> Found:
    """Read a series: slices sorted along their normal, stored values turned into units by slope and intercept.

    Raises
    ------
    InputError
        If there is no image, there are several series, slices are missing, doubled, or differ in size or direction.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom = _pydicom()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about every value that breaks the standard's letter
        slices, skipped = _images(pydicom, path)
        _one_series(slices, path)
        if len(slices) == 1:
            return _single(slices[0], skipped)
        return _stack(slices, skipped, path)


def read_slices(path: Path) -> list[Dataset]:
    """The data sets of one series, in the order of the planes that :func:`read` returns; raises like it."""
    pydicom = _pydicom()
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slices, _ = _images(pydicom, path)
        _one_series(slices, path)
        if len(slices) == 1:
            return slices
        _same_geometry(slices, path)
        return _sorted(slices, path)[0]


def _images(pydicom: ModuleType, path: Path) -> tuple[list[Dataset], list[str]]:
    """The image files and the names of the others."""
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    images, skipped = [], []
    for file in files:
        try:
            _check_deflated(pydicom, file)
            data = pydicom.dcmread(file)
        except pydicom.errors.InvalidDicomError:
            skipped.append(file.name)
            continue
        if "Rows" not in data or str(data.get("Modality", "")) in _NOT_IMAGES:
            skipped.append(file.name)
        else:
            images.append(data)
    if not images:
        _no_images(path, skipped)
    _check_pixels(images, path)
    return images, skipped


def _check_deflated(pydicom: ModuleType, file: Path) -> None:
    """A deflated data set is unpacked whole when it is opened: see first how much that is."""
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


def _check_pixels(images: Sequence[Dataset], path: Path) -> None:
    """What all images say that they hold, before one of them is unpacked."""
    values = 0
    for data in images:
        counts = (data.get(n, 1) or 1 for n in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames"))
        values += math.prod(int(n) for n in counts) * max(1, int(data.get("BitsAllocated", 16)) // 8)
    files = [Path(str(data.filename)) for data in images]
    # twice: once as they are stored, once in the units of the modality
    check_size(path, (2 * values,), "u1", stored=2 * sum(f.stat().st_size for f in files))


def _no_images(path: Path, skipped: list[str]) -> None:
    if not path.is_dir():
        raise InputError(
            f"'{path.name}' contains no DICOM image.",
            got="damaged data, or a segmentation or report",
            hint="Choose the folder of the series.",
        )
    folders = sorted(p.name for p in path.iterdir() if p.is_dir())
    hint = "Open one file in it instead" if skipped else "Choose a folder with a DICOM series or an OME-Zarr"
    if folders:
        hint = f"The series may be in one of its folders: {', '.join(folders[:5])}"
    raise InputError(f"The folder '{path.name}' contains no DICOM image.", got=f"{len(skipped)} other files", hint=hint)


def _one_series(slices: Sequence[Dataset], path: Path) -> None:
    groups: dict[str, list[Dataset]] = defaultdict(list)
    for data in slices:
        groups[str(data.get("SeriesInstanceUID", ""))].append(data)
    if len(groups) == 1:
        return
    texts = []
    for rows in groups.values():
        name = str(rows[0].get("SeriesDescription", "")) or f"number {rows[0].get('SeriesNumber', '?')}"
        texts.append(f"{rows[0].get('Modality', '?')} '{name}' ({len(rows)} files)")
    raise InputError(
        f"The folder '{path.name}' contains {len(groups)} DICOM series.",
        got="; ".join(sorted(texts)),
        hint="Put each series into its own folder.",
    )


def _values(data: Dataset) -> np.ndarray:
    """Pixels in the units of the modality (Hounsfield units for CT): int16 or int32 where exact, else float32."""
    _check_decoder(data)
    array = np.asarray(data.pixel_array)
    frames = array.shape[0] if array.ndim == (3 if int(data.get("SamplesPerPixel", 1) or 1) == 1 else 4) else 1
    if frames != int(data.get("NumberOfFrames", 1) or 1):  # pydicom takes what is too much for frames
        raise ValueError(f"its pixels are {frames} frames, and it says {data.get('NumberOfFrames', 1)}")
    slope, intercept = float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)
    if (slope, intercept) == (1.0, 0.0):
        return native(array)
    if slope.is_integer() and intercept.is_integer() and array.dtype.kind in "iu":
        whole = array.astype(np.int64) * int(slope) + int(intercept)
        small = whole.min() >= -(2**15) and whole.max() < 2**15
        return whole.astype(np.int16 if small else np.int32)
    return (array.astype(np.float64) * slope + intercept).astype(np.float32)


def _check_decoder(data: Dataset) -> None:
    """A compression without a decoder is a thing to install, not a damaged file."""
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_compressed:
        return
    try:
        available = _pydicom().pixels.get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            "The DICOM images are compressed in a way that needs another package.",
            got=syntax.name,
            hint='Run: pip install -U imagecodecs, or pip install "pylibjpeg[all]", or export the series without '
            "compression",
        )


def _pixel_spacing(data: Dataset) -> tuple[float, float]:
    """Distance between rows and between columns, mm; projection images have it at the detector only."""
    pair = _measures(data, "PixelSpacing") or data.get("ImagerPixelSpacing")
    return (float(pair[0]), float(pair[1])) if pair else (1.0, 1.0)


def _measures(data: Dataset, name: str) -> Any:
    """A value of the image, or of the functional groups that multi-frame images have instead."""
    if name in data:
        return data.get(name)
    for group in data.get("SharedFunctionalGroupsSequence", ()):
        for item in group.get("PixelMeasuresSequence", ()):
            if name in item:
                return item.get(name)
    return None


def _metadata(data: Dataset, skipped: list[str]) -> JsonDict:
    names = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality", "SeriesDescription")
    about: JsonDict = {f"dicom_{n}": str(data[n].value) for n in names if n in data}
    if "PhotometricInterpretation" in data:
        about["dicom_PhotometricInterpretation"] = str(data.PhotometricInterpretation)
    if skipped:
        about["dicom_skipped"] = list(skipped)
    return about


def _single(data: Dataset, skipped: list[str]) -> Found:
    """One file: a plane, or the frames of a multi-frame image."""
    array = _values(data)
    colour = int(data.get("SamplesPerPixel", 1)) > 1
    row, column = _pixel_spacing(data)
    spacing = {"Y": row, "X": column}
    thick = _measures(data, "SpacingBetweenSlices") or _measures(data, "SliceThickness")
    if thick and float(thick) > 0:
        spacing["Z"] = float(thick)
    frames = array.ndim == 4 if colour else array.ndim == 3
    axes = ("Z" if frames else "") + "YX" + ("C" if colour else "")
    doubt = f"Is the first axis (length {array.shape[0]}) depth Z or time T?" if frames else ""
    metadata: JsonDict = {**_metadata(data, skipped), "dicom_SOPInstanceUIDs": [str(data.get("SOPInstanceUID", ""))]}
    known = bool(_measures(data, "PixelSpacing") or data.get("ImagerPixelSpacing"))
    return Found(array, axes, doubt, spacing, "mm" if known else "pixel", metadata)


def _stack(slices: list[Dataset], skipped: list[str], path: Path) -> Found:
    _same_geometry(slices, path)
    slices, step, normal = _sorted(slices, path)
    planes = [_values(data) for data in slices]
    colour = planes[0].ndim == 3
    row, column = _pixel_spacing(slices[0])
    metadata: JsonDict = {
        **_metadata(slices[0], skipped),
        "dicom_SOPInstanceUIDs": [str(d.get("SOPInstanceUID", "")) for d in slices],
    }
    place = None if normal is None else _place(slices[0], normal * step, row, column)
    spacing = {"Z": step, "Y": row, "X": column}
    return Found(np.stack(planes), "ZYXC" if colour else "ZYX", "", spacing, "mm", metadata, place)


def _same_geometry(slices: Sequence[Dataset], path: Path) -> None:
    if any(int(d.get("NumberOfFrames", 1) or 1) > 1 for d in slices):
        raise InputError(
            f"The series in '{path.name}' consists of several multi-frame files.", hint="Open one of the files."
        )
    for name, word in (("Rows", "height"), ("Columns", "width"), ("PixelSpacing", "pixel size")):
        values = {str(d.get(name)) for d in slices}
        if len(values) > 1:
            raise InputError(f"The slices in '{path.name}' differ in {word}.", got=", ".join(sorted(values)))
    directions = [d.get("ImageOrientationPatient") for d in slices]
    if all(directions) and np.ptp(np.array(directions, float), axis=0).max() > 1e-3:
        raise InputError(
            f"The slices in '{path.name}' have different orientations.",
            got="for example a localizer or a reformatted slice among them",
            hint="Put the slices of each orientation into their own folder.",
        )


def _sorted(slices: list[Dataset], path: Path) -> tuple[list[Dataset], float, np.ndarray | None]:
    """The slices along their normal, their distance in mm, and the normal (None where positions are missing)."""
    if not all(d.get("ImagePositionPatient") and d.get("ImageOrientationPatient") for d in slices):
        ordered = sorted(slices, key=lambda d: int(d.get("InstanceNumber", 0) or 0))
        step = ordered[0].get("SpacingBetweenSlices") or ordered[0].get("SliceThickness") or 1.0
        return ordered, float(step), None
    direction = np.array(slices[0].ImageOrientationPatient, float)
    normal = np.cross(direction[:3], direction[3:])
    places = np.array([float(np.dot(np.array(d.ImagePositionPatient, float), normal)) for d in slices])
    order = np.argsort(places, kind="stable")
    step = _check_gaps(places[order], path)
    return [slices[i] for i in order], step, normal


def _check_gaps(places: np.ndarray, path: Path) -> float:
    gaps = np.diff(places)
    if gaps.min() < 1e-4:
        at = places[int(gaps.argmin())]
        raise InputError(
            f"Two slices in '{path.name}' are at the same position.",
            got=f"position {at:g} mm",
            hint="Remove the copies.",
        )
    # The median, because one missing slice doubles one gap; with two or three slices the smaller one is the step.
    usual = float(np.median(gaps)) if len(gaps) > 2 else float(gaps.min())
    wide = [i for i, gap in enumerate(gaps) if abs(gap - usual) > _UNEVEN * usual]
    if wide:
        spots = ", ".join(f"{places[i]:g} to {places[i + 1]:g}" for i in wide[:4])
        raise InputError(
            f"Slices are missing in '{path.name}', or they are not evenly spaced.",
            got=f"usual distance {usual:g} mm, but from {spots} mm",
            hint="Copy the whole series again, or resample it to evenly spaced slices.",
        )
    return float(f"{gaps.mean():.9g}")


def _place(first: Dataset, step: np.ndarray, row: float, column: float) -> Place:
    """Where the voxels lie, from the first slice and the way to the next."""
    direction = np.array(first.ImageOrientationPatient, float)
    affine = np.eye(4)
    affine[:3, 0] = direction[:3] * column
    affine[:3, 1] = direction[3:] * row
    affine[:3, 2] = step
    affine[:3, 3] = np.array(first.ImagePositionPatient, float)
    return Place.from_lps(affine, str(first.get("FrameOfReferenceUID", "")))


FORMAT = Format(read=read)
