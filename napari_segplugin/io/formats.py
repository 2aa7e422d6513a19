"""The table of file formats, and reading by it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import Image, InputError, Note, Registry, Segmentation
from napari_segplugin.io.beside import inside
from napari_segplugin.io.dicom_files import kind_of, looks_like_dicom
from napari_segplugin.io.evened import evened
from napari_segplugin.io.files import Found, OneOfSeveral, as_path, check_readable, is_zarr
from napari_segplugin.io.row import FormatRow
from napari_segplugin.io.units import short_unit

FORMATS = Registry("file format", FormatRow, group="napari_segplugin.formats")
"""All file formats; of two that claim an extension, the first has it."""


def _row(name: str, title: str, extensions: tuple[str, ...], target: str = "", **rest: Any) -> None:
    functions = f"napari_segplugin.io.{target or f'{name}:FORMAT'}"
    FORMATS.add(FormatRow(name, title, functions, extensions=extensions, **rest))


_row("tiff", "TIFF, OME-TIFF, ImageJ TIFF", (".tif", ".tiff"), kind="TIFF")
_row(
    "slides",
    "TIFF of microscopes and slide scanners",
    (".lsm", ".stk", ".svs", ".ndpi", ".qptiff", ".scn", ".btf", ".tf8"),
    target="tiff:SLIDES",
    writes=False,
    kind="TIFF",
)
_row(
    "raster",
    "PNG and JPEG",
    (".png", ".jpg", ".jpeg"),
    choices=(("PNG, one plane", ".png"),),
    kind="PNG or JPEG",
    needs="plane",
    most=2**16 - 1,
)
_row(
    "photos",
    "Photos: BMP, WebP, JPEG 2000, GIF, MPO",
    (".bmp", ".webp", ".jp2", ".j2k", ".jpx", ".gif", ".mpo", ".jfif"),
    target="raster:PHOTOS",
    writes=False,
    kind="a picture",
)
_row(
    "video",
    "Video",
    (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg"),
    writes=False,
    extra="video",
    kind="video",
)
_row("omezarr", "OME-Zarr", (".zarr",), folder=True, choices=(("OME-Zarr", ".ome.zarr"),))
_row("nifti", "NIfTI", (".nii.gz", ".nii"), extra="medical")
_row(
    "dicom", "DICOM file or series folder", (".dcm", ".dicom"), writes=False, folder=True, extra="medical", kind="DICOM"
)
_row("npy", "NumPy array", (".npy",))
_row("coco", "COCO instances", (".coco.json",), kind="COCO")
_row("panoptic", "COCO panoptic, JSON and PNG", (".panoptic.json",), kind="COCO panoptic", most=2**24 - 1)
_row("geojson", "GeoJSON (maps, QuPath)", (".geojson",), reads=False)
_row("geopackage", "GeoPackage", (".gpkg",), reads=False, extra="geo", module="pyogrio")
_row("imagej", "ImageJ ROIs", (".roi.zip",), reads=False, extra="rois", module="roifile", objects=True)
_row(
    "dicomseg",
    "DICOM segmentation",
    (".seg.dcm",),
    extra="dicomseg",
    needs="dicom",
    module="highdicom",
    objects=True,
)
_row("rtstruct", "DICOM structure set", (".rtstruct.dcm",), writes=False)
_MESHES = (".stl", ".ply", ".obj")
_row(
    "mesh",
    "Surface mesh",
    (*_MESHES, *(f"{e}.zip" for e in _MESHES)),
    reads=False,
    choices=(
        *((f"Surfaces of all objects, {e[1:].upper()}", e) for e in _MESHES),
        *((f"Surfaces, one {e[1:].upper()} per object", f"{e}.zip") for e in _MESHES),
    ),
    needs="volume",
    objects=True,
)


def extension_of(path: Path) -> str:
    """The known extension of a name in lower case (".nii.gz" counts as one), or its last suffix.

    Examples
    --------
    >>> extension_of(Path("brain.v2.NII.GZ"))
    '.nii.gz'
    """
    name = path.name.lower()
    known = sorted((e for row in FORMATS for e in row.extensions), key=len, reverse=True)
    return next((e for e in known if name.endswith(e)), path.suffix.lower())


def stem_of(path: Path) -> str:
    """The name without its known extension (and without ".ome" before it).

    Examples
    --------
    >>> stem_of(Path("a.b.ome.tif"))
    'a.b'
    """
    stem = path.name[: len(path.name) - len(extension_of(path))]
    return stem[:-4] if stem.lower().endswith(".ome") and len(stem) > 4 else stem


def title_in_zarr(path: Path) -> str:
    """What an image inside a zarr is called: the zarr and the path in it; empty for anything else.

    Examples
    --------
    >>> title_in_zarr(Path("plate.ome.zarr/A/1/0")), title_in_zarr(Path("cells.ome.zarr"))
    ('plate A/1/0', '')
    """
    root = next((p for p in path.parents if p.suffix.lower() == ".zarr"), None)
    return "" if root is None else f"{stem_of(root)} {path.relative_to(root).as_posix().removeprefix('labels/')}"


def with_extension(path: Path, extension: str) -> Path:
    """The name with another extension instead of the known one that it has.

    Examples
    --------
    >>> with_extension(Path("a.b.ome.tif"), ".roi.zip").name
    'a.b.roi.zip'
    """
    known = any(extension_of(path) in row.extensions for row in FORMATS)
    return path.with_name((stem_of(path) if known else path.name) + extension)


def accepted(use: str = "reads") -> str:
    """The extensions that can be read (or written: ``"writes"``), as a list for a sentence."""
    return ", ".join(e for row in FORMATS if getattr(row, use) for e in row.extensions)


def format_of(path: Path) -> FormatRow:
    """The row that reads an existing file or folder.

    Raises
    ------
    InputError
        If the extension is not known, or a folder holds neither a zarr nor a DICOM series.
    """
    if path.is_dir():
        return FORMATS["omezarr" if is_zarr(path) else "dicom"]
    extension = extension_of(path)
    for row in FORMATS:
        if extension in row.extensions and row.name != "omezarr":
            return _by_content(path) if row.name in _DICOM.values() else row
    if looks_like_dicom(path):
        return _by_content(path)
    if kind := coco_kind(path):
        return FORMATS[kind]
    raise InputError(
        f"'{path.name}' is a kind of file that cannot be read.",
        got=f"extension '{extension}'" if extension else "no extension",
        accepted=accepted() + ", a folder with a DICOM series",
        hint="Save it as TIFF in the program that made it.",
    )


def coco_kind(path: Path) -> str:
    """Which COCO format a file ``.json`` of any name is: "coco", "panoptic", or "" for anything else.

    Other programs call their files ``panoptic_val2017.json`` or ``_annotations.json``; what they hold tells.
    """
    try:
        if path.suffix.lower() != ".json" or not path.stat().st_size:
            return ""
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text.find(b'"annotations"') < 0 or text.find(b'"images"') < 0:
                return ""
            return "panoptic" if text.find(b'"segments_info"') >= 0 else "coco"
    except OSError:
        return ""


_DICOM = {"seg": "dicomseg", "rtstruct": "rtstruct", "image": "dicom"}
"""Rows of DICOM by what the file holds: its name says nothing."""


def _by_content(path: Path) -> FormatRow:
    return FORMATS[_DICOM.get(kind_of(path), "dicom")]


def read_image(
    path: str | os.PathLike[str],
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    field: str = "",
    series: str | int | None = None,
    resample: bool = False,
) -> Image:
    """Read an image with its axes, voxel size and unit.

    Parameters
    ----------
    path : path
        A file of one of the :data:`FORMATS`, an OME-Zarr folder, or a folder with a DICOM series or a whole study.
    axes : str, optional
        Order of the axes, from "TCZYX"; wins over what the file says.
    spacing : sequence of float, optional
        Voxel size along the spatial axes, in the order of the axes; wins over what the file says.
    unit : str, optional
        Unit of the voxel size; wins over what the file says.
    field : str, optional
        Which image of an OME-Zarr plate, well or converted file, as its path inside: "A/1/0".
    series : str or int, optional
        Which of several DICOM series: its number in the list of :func:`~napari_segplugin.io.dicom.series_in`, or its UID.
    resample : bool
        Put DICOM slices that are not evenly spaced onto an even grid, linear between neighbors.

    Returns
    -------
    Image
        Large TIFF files and OME-Zarr stay on disk and are read piece by piece. ``metadata["axes_doubt"]`` holds a
        question where the file does not name its axes, and is empty otherwise.

    Raises
    ------
    InputError
        If the path is missing, may not be read, is damaged or of an unknown kind, the axes do not fit, or it holds several
        DICOM series and none is chosen.
    MissingExtraError
        If NIfTI or DICOM is read without the extra "medical".

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stack.npy"
    >>> np.save(path, np.zeros((3, 8, 9), np.uint8))
    >>> read_image(path, axes="ZYX", spacing=(2, 1, 1), unit="um").describe()
    'Z 3 × Y 8 × X 9 · voxel size 2 × 1 × 1 um · uint8'
    """
    place = as_path(path)
    place = inside(place, field, place / "zarr.json") if field else place
    check_readable(place)
    row = format_of(place)
    found = row.load().read
    if found is None:
        raise InputError(f"{row.title} can be written but not read.", accepted=accepted())
    if series is not None:
        inner = row.load().read_series
        if inner is None:
            raise InputError(f"'{place.name}' does not hold several series.", got=f"series {series}", accepted="DICOM")
        read = inner(place, str(series))
    else:
        read = found(place)
    image = _as_image(evened(read) if resample else read, place, axes, spacing, unit)
    title = str(read.metadata.get("dicom_SeriesDescription", "")) if series is not None else ""
    return replace(image, name=f"{image.name} {title}") if title else image


def series_in(path: str | os.PathLike[str]) -> Sequence[OneOfSeveral]:
    """The images from which one can be chosen under a path; empty where it holds one, or its format names none.

    Parameters
    ----------
    path : path

    Returns
    -------
    sequence
        Each with its `number` from 1, its `uid` and its `title`.

    Raises
    ------
    InputError
        If the path is missing, may not be read, or is damaged or of an unknown kind.
    """
    place = as_path(path)
    check_readable(place)
    listing = format_of(place).load().series
    found = listing(place) if listing else ()
    return found if len(found) > 1 else ()


def notes_of(image: Image | Segmentation) -> list[Note]:
    """What a file did not say, or said in a way that had to be decided, as sentences for a person.

    Examples
    --------
    >>> unsure = {"axes_doubt": "Is the first axis depth Z or time T?", "notes": ["It has no voxel size."]}
    >>> [note.text for note in notes_of(Image(np.zeros((2, 3, 4)), "ZYX", name="a", metadata=unsure))]
    ["'a': Is the first axis depth Z or time T? Taken as ZYX.", 'It has no voxel size.']
    """
    about = image.recipe if isinstance(image, Segmentation) else image.metadata
    doubt = str(about.get("axes_doubt", ""))
    found = [Note(f"'{image.name}': {doubt} Taken as {image.axes}.", setting="axes")] if doubt else []
    said = about.get("notes")
    return [*found, *(Note(str(text)) for text in (said if isinstance(said, list | tuple) else ()))]


def _as_image(found: Found, path: Path, axes: str | None, spacing: Sequence[float] | None, unit: str | None) -> Image:
    """Put the person's own words over what the file says."""
    order = axes.strip().upper() if axes else found.axes
    sizes = tuple(spacing) if spacing is not None else tuple(found.spacing.get(a, 1.0) for a in order if a in "ZYX")
    return Image(
        found.array,
        order,
        spacing=sizes,
        unit=short_unit(unit) if unit is not None else found.unit,
        name=title_in_zarr(path) or stem_of(path) or path.name,
        source=str(path),
        metadata={**found.metadata, "axes_doubt": "" if axes else found.doubt},
        place=found.place,
    )


def read_labels(path: str | os.PathLike[str]) -> tuple[np.ndarray, str]:
    """Read a label image: whole numbers, none negative, no colours.

    Parameters
    ----------
    path : path
        Any format that :func:`read_image` reads. Of a PNG with a palette, the palette's indices are the labels.

    Returns
    -------
    labels : ndarray of int
        Whole numbers that were stored as floats become int32 or int64, bool becomes uint8.
    axes : str
        Without C.

    Raises
    ------
    InputError
        If the file cannot be read, or holds colours, several channels, fractions or negative numbers.
    """
    return checked_labels(labels_image(path), as_path(path).name)


def labels_image(path: str | os.PathLike[str]) -> Image:
    """A label file as an image, before its values are checked; raises like :func:`read_labels`."""
    place = as_path(path)
    check_readable(place)
    functions = format_of(place).load()
    reader = functions.read_labels or functions.read
    if reader is None:
        raise InputError(f"'{place.name}' can be written but not read.", accepted=accepted())
    return _as_image(reader(place), place, None, None, None)


def checked_labels(image: Image, name: str) -> tuple[np.ndarray, str]:
    """The whole numbers of a label file and their axes, without channels; raises like :func:`read_labels`."""
    axes = image.axes
    array = np.asarray(image.array)
    if "C" in axes and image.metadata["axes_doubt"] and array.ndim == 4:
        axes = "TZYX"  # labels have no channels, so a guess that names them is wrong
    if "C" in axes and image.n_channels == 1:
        array, axes = array.take(0, axis=axes.index("C")), axes.replace("C", "")
    if "C" in axes:
        raise InputError(
            f"'{name}' has colours or channels, so it is not a label image.",
            got=f"{image.n_channels} channels, axes '{axes}'",
            accepted="one whole number per pixel",
            hint="Save the labels as TIFF of 8 or 16 bits with one channel.",
        )
    return _whole_numbers(array, name), axes


def _whole_numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2.0**62)
        if not whole.all():
            raise InputError(
                f"'{name}' has values that are not whole numbers, so it is not a label image.",
                got=f"for example {array[~whole][0]:g}",
                hint="Choose the label image, not the intensities or probabilities.",
            )
        array = array.astype(np.int32 if np.abs(array).max(initial=0) < 2**31 else np.int64)
    if array.dtype.kind == "i" and array.min(initial=0) < 0:
        raise InputError(
            f"'{name}' has negative values, so it is not a label image.",
            got=f"smallest value {array.min()}",
            accepted="0 for background, 1, 2 … for classes or objects",
        )
    result: Any = array
    return np.asarray(result)
