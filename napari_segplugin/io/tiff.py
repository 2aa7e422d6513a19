"""TIFF, OME-TIFF and ImageJ TIFF, through tifffile."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile
import zarr

from napari_segplugin.core import InputError, guess_axes
from napari_segplugin.core.types import Array, JsonDict
from napari_segplugin.io.beside import inside
from napari_segplugin.io.files import IN_MEMORY, Format, Found, LabelsToWrite, native
from napari_segplugin.io.geotiff import tags_of, with_map
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.units import one_unit, short_unit

_KIND = "TIFF"
_IMAGEJ_LIMIT = 2 * 2**30  # ImageJ's own TIFF has no 64-bit offsets
# tifffile logs these and goes on with the pages that it found: a cut stack would pass as a single plane.
_LOST = re.compile(r"page offset|tag list|reshape|corrupt|TiffTag (25[4-9]|2[67]\d|28[0-3]|32[2-5]) ")
_COARSEST = 1e-5  # metres; a coarser pixel in a plain TIFF is the resolution of a print or a screen


def read(path: Path) -> Found:
    """Read the first (full-resolution) series of a TIFF.

    Axes, voxel size and unit come from OME-XML, from ImageJ's description or from tifffile's; a plain TIFF gives its
    resolution only where it is finer than 10 µm (a coarser one was meant for a printer). Above about 256 MB the pixels
    stay on disk.
    """
    with _complaints() as complaints:
        tif = tifffile.TiffFile(path)
        try:
            found = _read(tif, path)
            lost = [text for text in complaints if _LOST.search(text)]
            if lost:
                raise tifffile.TiffFileError(lost[0])
        except BaseException:
            tif.close()
            raise
    return found


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs as an error in this thread, kept off the console."""
    texts: list[str] = []
    here = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == here:
                texts.append(record.getMessage())

    collector, logger = Collector(logging.ERROR), logging.getLogger("tifffile")
    logger.addHandler(collector)
    try:
        yield texts
    finally:
        logger.removeHandler(collector)


def _read(tif: tifffile.TiffFile, path: Path) -> Found:
    _check_companions(tif, path)
    if not tif.series or not tif.series[0].shape or 0 in tif.series[0].shape:
        raise InputError(
            f"'{path.name}' contains no image.", got="a TIFF without pages", hint="Copy the file again from its source."
        )
    series = tif.series[0]
    letters = series.axes.upper()
    _check_compression(series, path)
    _check_pieces(series)
    metadata: JsonDict = {"tiff_kind": series.kind, "tiff_axes": letters}
    if len(tif.series) > 1:
        metadata["note"] = f"The file contains {len(tif.series)} images; this is the first."
    spacing, unit = _voxel(tif, series)
    if series.size * series.dtype.itemsize > IN_MEMORY:
        store = series.aszarr(level=0)
        array: Array = LazyArray(zarr.open_array(store, mode="r"), path, _KIND, keep=(tif, store))
    else:
        array = native(series.asarray(level=0))
        tif.close()
        array, letters, metadata = _without_extras(array, letters, series, metadata)
    axes, doubt = _name_axes(letters, array.shape)
    return Found(array, axes, doubt, spacing, unit, metadata)


def _check_companions(tif: tifffile.TiffFile, path: Path) -> None:
    """Planes may lie in other files, which OME-XML or an index names: only those beside the file are opened."""
    names: set[str] = set()
    if tif.is_ome and tif.ome_metadata:
        for element in ElementTree.fromstring(tif.ome_metadata).iter():
            if element.tag.endswith(("UUID", "BinaryOnly")):
                names |= {element.get("FileName", ""), element.get("MetadataFile", "")}
    index = path.with_name("NDTiff.index")
    if tif.is_ndtiff and index.is_file():
        names |= {row[1] for row in tifffile.read_ndtiff_index(index)}
    for name in sorted(names - {"", path.name}):
        inside(path.parent, name, path)


def _check_compression(series: tifffile.TiffPageSeries, path: Path) -> None:
    """A compression without a decoder is a thing to install, not a damaged file."""
    page = series.keyframe
    if page.is_tiled or page.compression != 1:
        try:
            decoder_missing = tifffile.TIFF.DECOMPRESSORS[page.compression] is None
        except KeyError:
            decoder_missing = True
        if decoder_missing:
            raise InputError(
                f"'{path.name}' is compressed in a way that cannot be read here.",
                got=f"compression {getattr(page.compression, 'name', page.compression)}",
                hint="Run: pip install -U imagecodecs, or save the file again with LZW or without compression",
            )


def _check_pieces(series: tifffile.TiffPageSeries) -> None:
    """A page has as many strips or tiles as its size needs: what is missing would be read as zeros.

    Raises
    ------
    tifffile.TiffFileError
        If it has not.
    """
    page = series.keyframe
    wanted, there = math.prod(page.chunked), len(page.dataoffsets)
    # some writers count the rows of a strip wrongly where nothing is packed: then the bytes are there all the same
    whole = page.compression == 1 and sum(page.databytecounts) >= page.nbytes
    if wanted != there and not whole:
        raise tifffile.TiffFileError(f"the page has {there} strips or tiles, and its size needs {wanted}")


def _without_extras(
    array: np.ndarray, letters: str, series: tifffile.TiffPageSeries, metadata: JsonDict
) -> tuple[np.ndarray, str, JsonDict]:
    """Drop an alpha channel and axes of length 1 that nobody named."""
    page = series.keyframe
    if "S" in letters and page.photometric == 2 and array.shape[letters.index("S")] == 4 and 2 in _extra(page):
        array = array.take(range(3), axis=letters.index("S"))
        metadata = {**metadata, "alpha": "dropped"}
    for at in reversed(range(len(letters))):
        if array.shape[at] == 1 and letters[at] not in "YX" and array.ndim > 2:
            array, letters = array.take(0, axis=at), letters[:at] + letters[at + 1 :]
    return array, letters, metadata


def _extra(page: tifffile.TiffPage) -> set[int]:
    """Kinds of the extra samples; associated alpha (1) counts as alpha (2)."""
    return {2 if int(kind) in (1, 2) else int(kind) for kind in page.extrasamples}


def _name_axes(letters: str, shape: tuple[int, ...]) -> tuple[str, str]:
    """Our axis letters; S (samples) is C, and Q or I (unnamed) are guessed and doubted."""
    if "S" in letters and "C" in letters:
        raise InputError(
            "The image has both channels and colour samples.",
            got=f"axes '{letters}', shape {tuple(shape)}",
            hint="Split the colours into channels in the program that made the file.",
        )
    named = letters.replace("S", "C")
    if set(named) <= set("TCZYX") and len(set(named)) == len(named):
        return named, ""
    if len(shape) == 3 and "C" in named:
        return named, ""
    colour = letters.endswith("S")
    if colour and len(shape) == 4:
        return "ZYXC", f"Is the first axis (length {shape[0]}) depth Z or time T?"
    return guess_axes(tuple(shape), rgb=colour)


def _voxel(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> tuple[dict[str, float], str]:
    """Voxel size by axis letter, and its unit."""
    if tif.is_ome and tif.ome_metadata:
        return _ome_voxel(tif.ome_metadata)
    x, y = _pixels_per_unit(series.keyframe)
    about = tif.imagej_metadata
    if about is None and tif.shaped_metadata:
        about = tif.shaped_metadata[0]
    if about is not None:
        unit = short_unit(str(about.get("unit", "")))
        sizes = {"Y": 1 / y, "X": 1 / x}
        if _positive(about.get("spacing")):
            sizes["Z"] = float(about["spacing"])
        return sizes, unit
    metres = {2: 0.0254, 3: 0.01}.get(int(series.keyframe.resolutionunit or 1))
    if metres is None or (x, y) == (1, 1) or not (metres / x < _COARSEST and metres / y < _COARSEST):
        return {}, "pixel"
    return {"Y": float(f"{metres / y * 1e6:.9g}"), "X": float(f"{metres / x * 1e6:.9g}")}, "um"


def _pixels_per_unit(page: tifffile.TiffPage) -> tuple[float, float]:
    """Resolution along X and Y, 1 where the tag is missing or senseless."""
    values = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        pair = tag.value if tag is not None else (1, 1)
        good = isinstance(pair, tuple) and len(pair) == 2 and pair[0] > 0 and pair[1] > 0
        values.append(pair[0] / pair[1] if good else 1.0)
    return values[0], values[1]


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and np.isfinite(value) and value > 0


def _ome_voxel(text: str) -> tuple[dict[str, float], str]:
    root = ElementTree.fromstring(text)
    pixels = next((e for e in root.iter() if re.sub(r"^\{.*\}", "", e.tag) == "Pixels"), None)
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    for axis in "ZYX":
        value = None if pixels is None else pixels.get(f"PhysicalSize{axis}")
        if pixels is None or value is None or not _positive(float(value)):
            continue
        sizes[axis] = float(value)
        units[axis] = pixels.get(f"PhysicalSize{axis}Unit", "µm")  # the schema's default
    return one_unit(sizes, units)


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write a label TIFF plane by plane: ImageJ's flavour up to 16 bits and 2 GB, OME-TIFF beyond."""
    shape = tuple(int(n) for n in labels.array.shape)
    size = int(np.prod(shape, dtype=np.int64)) * labels.dtype.itemsize
    # An X of 1 would be taken for a colour sample in ImageJ's flavour.
    fiji = labels.dtype.itemsize <= 2 and size < _IMAGEJ_LIMIT and shape[-1] > 1
    x, y = labels.spacing.get("X", 1.0), labels.spacing.get("Y", 1.0)
    large = size > _IMAGEJ_LIMIT
    with tifffile.TiffWriter(path, imagej=fiji, ome=None if fiji else True, bigtiff=large and not fiji) as tif:
        tif.write(
            _planes(labels),
            shape=shape,
            dtype=labels.dtype,
            compression="zlib",
            photometric="minisblack",
            resolution=(1 / x, 1 / y),
            resolutionunit="NONE",
            metadata=_imagej_metadata(labels) if fiji else _ome_metadata(labels),
            extratags=tags_of(labels),
        )


def _planes(labels: LabelsToWrite) -> Iterator[np.ndarray]:
    for index in np.ndindex(tuple(labels.array.shape[:-2])):
        yield np.ascontiguousarray(labels.array[index], dtype=labels.dtype)


def _imagej_metadata(labels: LabelsToWrite) -> JsonDict:
    about: JsonDict = {"axes": labels.axes, "unit": labels.unit, "mode": "grayscale"}
    if "Z" in labels.axes:
        about["spacing"] = labels.spacing.get("Z", 1.0)
    return about


def _ome_metadata(labels: LabelsToWrite) -> JsonDict:
    about: JsonDict = {"axes": labels.axes, "Name": labels.name}
    unit = {"um": "µm", "angstrom": "Å", "inch": "in", "survey_foot": "reference frame", "deg": "reference frame"}.get(
        labels.unit, labels.unit
    )
    for axis in "ZYX":
        if axis in labels.axes:
            about[f"PhysicalSize{axis}"] = labels.spacing.get(axis, 1.0)
            about[f"PhysicalSize{axis}Unit"] = unit
    return about


def read_on_map(path: Path) -> Found:
    """As :func:`read`, together with the map that the image lies on."""
    found = read(path)
    with _complaints():
        return with_map(found, path)


FORMAT = Format(read=read_on_map, write=write)
