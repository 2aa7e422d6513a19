"""TIFF, OME-TIFF and ImageJ TIFF, through tifffile."""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import tifffile
import zarr

from napari_segplugin.core import InputError, guess_axes
from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.beside import inside
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.files import IN_MEMORY, Format, Found, native
from napari_segplugin.io.geotiff import with_map
from napari_segplugin.io.lazy import LazyArray
from napari_segplugin.io.tiff_sizes import ome_root, sizes_of, tag_of
from napari_segplugin.io.tiff_values import Meaning, meaning_of
from napari_segplugin.io.tiff_writing import write

_KIND = "TIFF"
# tifffile logs these and goes on with the pages that it found: a cut stack would pass as a single plane.
_LOST = re.compile(r"page offset|tag list|reshape|corrupt|TiffTag (25[4-9]|2[67]\d|28[0-3]|32[2-5]) ")
_BESIDE = ("Thumbnail", "Label", "Macro")  # what tifffile calls the pictures that come with every slide
_LISTED = 8  # names in a sentence
_PIECE = 2048  # pixels along a side of what is read at once where numbers are changed on the way


def read(path: Path) -> Found:
    """Read the full-resolution image of a TIFF, with what its numbers mean.

    Axes, voxel size, unit, place and time come from OME-XML, from ImageJ's description, tifffile's, or the header of a
    microscope or scanner; a plain TIFF gives its resolution only where it is finer than 10 µm (a coarser one was meant for a
    printer). White stored as 0 is inverted, palettes, inks and other colour spaces become red, green and blue, calibrated
    values are calibrated; ``metadata["notes"]`` says what was done. Above about 256 MB the pixels stay on disk.
    """
    return _open(path, labels=False)


def read_labels(path: Path) -> Found:
    """As :func:`read`, with the numbers as they are stored: indices of a palette are labels."""
    return _open(path, labels=True)


def _open(path: Path, labels: bool) -> Found:
    with _complaints() as complaints:
        tif = tifffile.TiffFile(path)
        try:
            found = _read(tif, path, labels)
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


def _read(tif: tifffile.TiffFile, path: Path, labels: bool) -> Found:
    """The chosen series with its meaning and its sizes."""
    _check_companions(tif, path)
    notes = _rename(tif, path)
    series = _choose(tif, path, notes)
    letters = series.axes.upper()
    _check_compression(series, path)
    _check_parts(tif, series, path, notes)
    large = series.size * series.dtype.itemsize > IN_MEMORY
    array = _whole(series, path) if not large else _on_disk(series)
    meaning, seen = meaning_of(array, letters, series.keyframe, tif.imagej_metadata, path.name, labels)
    sizes = sizes_of(tif, series, path.name)
    about: JsonDict = {"tiff_kind": series.kind, "tiff_axes": letters, **sizes.metadata, **meaning.metadata}
    if len(series.levels) > 1:
        about["pyramid"] = len(series.levels)
    made = _lazy(tif, series, 0, meaning, path) if large else native(np.ascontiguousarray(seen))
    if isinstance(made, LazyArray):
        made.levels = tuple(_lazy(tif, series, i, meaning, path) for i in range(1, len(series.levels)))
    else:
        tif.close()
    axes, doubt = _name_axes(meaning.letters, tuple(made.shape))
    names = about.get("channel_names")
    if not isinstance(names, list) or "C" not in axes or len(names) != made.shape[axes.index("C")]:
        about.pop("channel_names", None)
    notes += [*sizes.notes, *meaning.notes]
    if notes:
        about["notes"] = list(notes)
    spacing = _swapped(sizes.spacing) if meaning.turned else sizes.spacing
    return Found(made, axes, doubt, spacing, sizes.unit, about, None if meaning.turned else sizes.place)


def _swapped(spacing: Mapping[str, float]) -> dict[str, float]:
    return {{"Y": "X", "X": "Y"}.get(a, a): s for a, s in spacing.items()}


def _whole(series: tifffile.TiffPageSeries, path: Path) -> np.ndarray:
    """The stored numbers; colours of which the differences are stored more coarsely are unpacked by libtiff."""
    page = series.keyframe
    if page.photometric == 6 and page.compression not in (6, 7) and page.is_subsampled:
        with path.open("rb") as stream:
            data = stream.read()
        pages = [
            imagecodecs.tiff_decode(data, index=p.index, asrgb=True)[..., :3] for p in series.pages if p is not None
        ]
        page.photometric = tifffile.PHOTOMETRIC.RGB
        return np.stack(pages).reshape(series.shape)
    _check_pieces(series)
    return np.asarray(series.asarray(level=0))


def _on_disk(series: tifffile.TiffPageSeries) -> zarr.Array:
    """The full image, of which pieces can be looked at."""
    _check_pieces(series)
    return zarr.open_array(series.aszarr(level=0), mode="r")


def _lazy(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, level: int, meaning: Meaning, path: Path
) -> LazyArray:
    """A level that stays on disk; pieces of it are given their meaning as they are read."""
    store = series.aszarr(level=level)
    array = zarr.open_array(store, mode="r")
    if not meaning.steps:
        return LazyArray(array, path, _KIND, keep=(tif, store))
    import dask.array

    sides = zip(series.axes.upper(), array.chunks, array.shape, strict=True)
    chunks = tuple(
        c * max(1, min(n, _PIECE) // c) if a in "YX" else c for a, c, n in sides
    )  # whole tiles, several at once
    return LazyArray(meaning.of(dask.array.from_array(array, chunks=chunks)), path, _KIND, keep=(tif, store))


def levels(path: Path) -> list[LazyArray]:
    """The levels of a pyramid, the full image first, with the axes and the meaning that :func:`read` gives the image.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of LazyArray
        One where there is no pyramid.

    Raises
    ------
    InputError
        As :func:`read`.
    """
    with reading(path, _KIND), _complaints():
        tif = tifffile.TiffFile(path)
        try:
            series = _choose(tif, path, [])
            large = series.size * series.dtype.itemsize > IN_MEMORY
            array = _on_disk(series) if large else _whole(series, path)
            meaning, _ = meaning_of(
                array, series.axes.upper(), series.keyframe, tif.imagej_metadata, path.name, labels=False
            )
            return [_lazy(tif, series, i, meaning, path) for i in range(len(series.levels))]
        except BaseException:
            tif.close()
            raise


def _choose(tif: tifffile.TiffFile, path: Path, notes: list[str]) -> tifffile.TiffPageSeries:
    """The full-resolution image: not its reduced copy, its mask, the label or the overview of the slide."""
    there = [s for s in tif.series if s.shape and 0 not in s.shape]
    if not there:
        raise InputError(
            f"'{path.name}' contains no image.", got="a TIFF without pages", hint="Copy the file again from its source."
        )
    full = [s for s in there if not s.keyframe.is_reduced and not s.keyframe.is_mask] or there
    chosen = next((s for s in full if s.name == "Baseline"), full[0])
    if chosen.kind == "scn":
        chosen = max(full, key=_plane)  # the first is an overview of the slide
    elif chosen.kind in ("generic", "uniform"):
        chosen = max((s for s in full if s is chosen or _same_scene(chosen, s)), key=_plane)
    shown = [s for s in there if s is chosen or s.name not in _BESIDE]
    if len(shown) > 1:
        at = next(i for i, s in enumerate(shown, 1) if s is chosen)
        titles = [f"{i} ({_title(s)})" for i, s in enumerate(shown, 1)]
        listed = ", ".join(titles[:_LISTED]) + (" …" if len(titles) > _LISTED else "")
        notes.append(f"'{path.name}' contains {len(shown)} images: {listed}. Number {at} is opened.")
    return chosen


def _title(series: tifffile.TiffPageSeries) -> str:
    shape = " × ".join(str(n) for n in series.shape)
    return f"'{series.name}', {shape}" if series.name else shape


def _plane(series: tifffile.TiffPageSeries) -> int:
    return int(series.keyframe.imagewidth * series.keyframe.imagelength)


def _same_scene(small: tifffile.TiffPageSeries, large: tifffile.TiffPageSeries) -> bool:
    """Whether one may be a thumbnail of the other: less than half as large, of the same proportions and kind."""
    a, b = small.keyframe, large.keyframe
    same = a.dtype == b.dtype and a.samplesperpixel == b.samplesperpixel and len(small.shape) == len(large.shape)
    factor = b.imagewidth / a.imagewidth
    return bool(same and factor >= 2 and abs(b.imagelength / a.imagelength / factor - 1) < 0.02 + 1 / a.imagelength)


def _rename(tif: tifffile.TiffFile, path: Path) -> list[str]:
    """Let OME-XML that names one file, which this once was, or none, speak of this file; say where a part names its whole."""
    root = ome_root(tif)
    if root is None:
        return [f"The OME-XML of '{path.name}' is damaged; its axes and sizes are not known."] if tif.is_ome else []
    for element in root:
        if tag_of(element) == "BinaryOnly":
            whole = element.get("MetadataFile", "another file")
            return [f"'{path.name}' is one part of an image that '{whole}' describes; this part alone is opened."]
    parts = [e for e in root.iter() if tag_of(e) == "UUID"]
    names = {e.get("FileName", "") for e in parts}
    gone = len(names) == 1 and (names == {""} or not (path.parent / next(iter(names))).exists())
    if gone and len({e.text for e in parts}) == 1 and len(tif.pages) >= len(parts):
        for element in root.iter():
            for child in [c for c in element if tag_of(c) == "UUID"]:
                element.remove(child)
        tif.pages.first.description = ElementTree.tostring(root, encoding="unicode")
    return []


def _check_parts(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path, notes: list[str]) -> None:
    """Planes that are missing would be read as zeros: their files are named.

    Raises
    ------
    InputError
        If files with other planes of the image are missing.
    """
    lost = sum(page is None for page in series.pages)
    if not lost:
        return
    root = ome_root(tif)
    named = {e.get("FileName", "") for e in root.iter() if tag_of(e) == "UUID"} if root is not None else set()
    missing = sorted(n for n in named - {""} if not (path.parent / n).exists())
    if missing:
        raise InputError(
            f"'{path.name}' is one part of an image, and {len(missing)} of its files are missing.",
            got=", ".join(missing[:_LISTED])
            + (" …" if len(missing) > _LISTED else "")
            + f" not in '{path.parent.name}'",
            hint="Copy all parts into one folder, or save this part alone as a TIFF of its own.",
        )
    notes.append(f"{lost} of {len(series.pages)} planes are missing in '{path.name}'; they are 0.")


def _check_companions(tif: tifffile.TiffFile, path: Path) -> None:
    """Planes may lie in other files, which OME-XML or an index names: only those beside the file are opened."""
    names: set[str] = set()
    root = ome_root(tif)
    if root is not None:
        for element in root.iter():
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


def read_on_map(path: Path) -> Found:
    """As :func:`read`, together with the map that the image lies on."""
    found = read(path)
    with _complaints():
        return with_map(found, path, inverted=True)


def read_labels_on_map(path: Path) -> Found:
    """As :func:`read_labels`, together with the map that the labels lie on."""
    found = read_labels(path)
    with _complaints():
        return with_map(found, path)


FORMAT = Format(read=read_on_map, write=write, read_labels=read_labels_on_map)
SLIDES = Format(read=read, read_labels=read_labels)
"""The same, for what microscopes and slide scanners call their TIFF."""
