"""What the numbers of a TIFF mean: intensities, colours, inks, transparency, calibrated values; and which way is up."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tifffile

from napari_segplugin.core.types import JsonDict
from napari_segplugin.io.colours import (
    alpha_like,
    from_lab,
    from_ycbcr,
    grey_in_colours,
    grey_note,
    turned_note,
    upright,
)
from napari_segplugin.io.tiff_headers import number

Arrays = Any  # a NumPy array, or a dask array with the same methods
Step = Callable[[Arrays], Arrays]
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3}  # samples of RGB, inks, YCbCr and two kinds of CIELab
_APERIO_YCBCR = 33003  # JPEG 2000 of these colors, whatever the other tag says
_STORED_YCBCR = {1, 5, 8, 32773, 32946, _APERIO_YCBCR, 34925, 50000}  # compressions that leave colours as they are
_LOOKED = 256  # pixels along a side of the windows in which a large image is looked at
_CURVES = {1: 3, 2: 4, 3: 5}  # ImageJ's polynomials and how many coefficients they have; 0 is a straight line
_PLAIN = {20, 21}  # ImageJ's numbers for "none" and for an optical density that only its display shows


@dataclass
class Meaning:
    """Steps from the stored numbers to what they mean, the axes after them, and what to say of it.

    Parameters
    ----------
    letters : str
        tifffile's axes.
    steps : list of callable
        On arrays with the axes of the step before.
    metadata : dict
    notes : list of str
    turned : bool
        Whether Y and X have changed places.
    """

    letters: str
    steps: list[Step] = field(default_factory=list)
    metadata: JsonDict = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    turned: bool = False

    def of(self, array: Arrays) -> Arrays:
        """The array that is meant."""
        for step in self.steps:
            array = step(array)
        return array


def meaning_of(
    array: Arrays, letters: str, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str, labels: bool
) -> tuple[Meaning, np.ndarray]:
    """How the numbers of a page are to be read.

    Parameters
    ----------
    array : NumPy or zarr array
        Looked at where the tags leave a doubt; of a zarr array a few windows.
    letters : str
        Axes of the array, in tifffile's letters.
    page : TiffPage
    imagej : mapping, optional
        What ImageJ wrote.
    name : str
        Of the file, for the notes.
    labels : bool
        The numbers are labels: they stay as they are stored.

    Returns
    -------
    meaning : Meaning
    seen : ndarray
        What was looked at, with its meaning: the whole array, if it is in memory.
    """
    found = Meaning(letters)
    seen = _windows(array, letters, looked=bool(page.extrasamples) and not labels)
    parts = (_turn, _grey) if labels else (_turn, _intensities, _colours, _extras, _calibration, _grey)
    for part in parts:
        before = len(found.steps)
        if part is not _grey or isinstance(array, np.ndarray):
            part(found, seen, page, imagej, name)
        for step in found.steps[before:]:
            seen = step(seen)
    sizes = dict(zip(letters, array.shape, strict=True))
    if "S" in found.letters:
        sizes["S"] = seen.shape[found.letters.index("S")]
    before = len(found.steps)
    _without_single(found, sizes)
    return found, found.steps[before](seen) if isinstance(array, np.ndarray) and found.steps[before:] else seen


def _changed(array: Arrays, function: Callable[[np.ndarray], np.ndarray], axis: int, length: int) -> Arrays:
    """Each piece of an array, `axis` whole and last, through a function that makes that axis `length` long."""
    if isinstance(array, np.ndarray):  # rows by rows: fractions on the way take eight times the room
        turned = np.moveaxis(array, axis, -1)
        made = np.empty((*turned.shape[:-1], length), array.dtype)
        for row in range(len(turned)):
            made[row] = function(turned[row])
        return np.moveaxis(made, -1, axis)
    import dask.array

    moved = dask.array.moveaxis(array, axis, -1).rechunk({array.ndim - 1: -1})
    made = moved.map_blocks(function, dtype=array.dtype, chunks=(*moved.chunks[:-1], (length,)))
    return dask.array.moveaxis(made, -1, axis)


def _windows(array: Arrays, letters: str, *, looked: bool) -> np.ndarray:
    """The array itself, or of one on disk its corners and middle, in the middle of the other axes, beside each other."""
    if isinstance(array, np.ndarray):
        return array
    if not looked:  # its kind and its colours are enough
        return np.zeros([n if a == "S" else 1 for a, n in zip(letters, array.shape, strict=True)], array.dtype)
    y, x = letters.index("Y"), letters.index("X")
    places = [(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)]
    parts = []
    for row, column in places:
        index: list[slice] = []
        for axis, length in enumerate(array.shape):
            share = row if axis == y else column if axis == x else 1
            if letters[axis] == "S":
                index.append(slice(None))
                continue
            wanted = min(_LOOKED if axis in (y, x) else 1, length)
            start = (length - wanted) * share // 2
            index.append(slice(start, start + wanted))
        parts.append(np.asarray(array[tuple(index)]))
    return np.concatenate(parts, axis=y)


def _turn(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """The tag Orientation says at which side of the scene the first row and the first column lie."""
    tag = page.tags.get("Orientation")
    value = int(tag.value) if tag is not None and isinstance(tag.value, int) else 1
    if value not in range(2, 9):
        return
    y, x = found.letters.index("Y"), found.letters.index("X")
    found.steps.append(lambda array: upright(array, value, y, x))
    found.turned = value > 4
    found.notes.append(turned_note(name, value))


def _intensities(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """White stored as 0, and palettes."""
    if page.photometric == 3 and page.colormap is not None:
        _palette(found, seen, np.asarray(page.colormap), imagej is not None, name)
    if page.photometric != 0 or "PhotometricInterpretation" not in page.tags:
        return
    top = _top(page, seen)
    if seen.dtype.kind == "f":
        found.notes.append(
            f"'{name}' says that its smallest value is white; values with fractions are left as they are."
        )
        return
    found.steps.append(lambda array: ~array if array.dtype.kind == "b" else (top - array).astype(array.dtype))
    found.notes.append(f"'{name}' stores white as 0; its values are inverted, so that bright is large.")


def _top(page: tifffile.TiffPage, seen: np.ndarray) -> Any:
    """Largest value that the pixels can have; minus 1 for signed ones, whose complement that makes."""
    if seen.dtype.kind == "b":
        return True
    if seen.dtype.kind == "f":
        return 1.0
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 8 * seen.dtype.itemsize
    return (
        seen.dtype.type(-1) if seen.dtype.kind == "i" else seen.dtype.type(2 ** min(bits, 8 * seen.dtype.itemsize) - 1)
    )


def _palette(found: Meaning, seen: np.ndarray, colors: np.ndarray, imagej: bool, name: str) -> None:
    """Colours of a palette; where it is a colour map of intensities, as microscopes use, the intensities themselves."""
    table = colors.T.astype(float)
    table = table / 257 if table.max() > 255 else table  # some programs wrote 8 bits
    grey = bool((table == table[:, :1]).all())
    bright = table @ (0.299, 0.587, 0.114)
    steps = np.diff(table, axis=0)
    smooth = len(table) > 1 and bool(np.abs(steps).max() <= 255 / 8 and (np.diff(bright) >= 0).all())
    if not grey and (imagej or smooth):
        found.notes.append(f"'{name}' shows its values through a color map; the values themselves are used.")
        return
    rounded = np.rint(table).astype(np.uint8)
    if grey:
        if not np.array_equal(rounded[:, 0], np.arange(len(rounded))):
            found.steps.append(lambda array: _by_block(array, lambda piece: rounded[piece, 0]))
            found.notes.append(f"'{name}' has a palette of grays; its gray values are used.")
        return
    found.steps.append(lambda array: _by_block(array, lambda piece: rounded[piece], new=3))
    found.letters += "S"
    found.notes.append(f"'{name}' has a palette; its colors are used as red, green and blue.")


def _by_block(array: Arrays, function: Callable[[np.ndarray], np.ndarray], new: int = 0) -> Arrays:
    """Each piece of an array through a function that may add a last axis of length `new`."""
    if isinstance(array, np.ndarray):
        return function(array)
    if not new:
        return array.map_blocks(function, dtype=np.uint8)
    return array.map_blocks(function, dtype=np.uint8, chunks=(*array.chunks, (new,)), new_axis=array.ndim)


def _colours(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """Inks, YCbCr and CIELab become red, green and blue; further samples stay behind them."""
    kind = 6 if page.compression == _APERIO_YCBCR else int(page.photometric)
    n = _COLOURS.get(kind, 0)
    at = found.letters.find("S")
    if at < 0 or not n or seen.shape[at] < n or seen.dtype.kind not in "u":
        return
    top = float(_top(page, seen))
    ink_set = page.tags.get("InkSet")
    function: Callable[[np.ndarray], np.ndarray] | None = None
    title = ""
    if kind == 5 and (ink_set is None or ink_set.value == 1):
        function, title = (lambda c: (top - c[..., :3]) * (top - c[..., 3:4]) / top), "inks (CMYK)"
    elif kind == 6 and int(page.compression) in _STORED_YCBCR:
        function, title = from_ycbcr(page, top), "brightness and two color differences (YCbCr)"
    elif kind in (8, 9):
        function, title = (lambda c: from_lab(c, top, signed=kind == 8)), "CIELab"
    if function is None:
        return
    change = function

    def convert(piece: np.ndarray) -> np.ndarray:
        made = np.clip(np.rint(change(piece[..., :n].astype(float))), 0, top).astype(piece.dtype)
        return np.concatenate([made, piece[..., n:]], axis=-1)

    length = seen.shape[at] - n + 3
    found.steps.append(lambda array: _changed(array, convert, at, length))
    found.metadata["color_mode"] = {5: "CMYK", 6: "YCbCr"}.get(kind, "LAB")
    found.notes.append(f"'{name}' stores its colors as {title}; they are converted to red, green and blue.")


def _extras(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """Names of the colours, and what is behind them: transparency goes, a band of data stays."""
    at = found.letters.find("S")
    if at < 0:
        return
    kind, total = int(page.photometric), seen.shape[at]
    inks = kind == 5 and "color_mode" not in found.metadata
    colour = 3 if kind in _COLOURS and not inks and total >= 3 else 0 if inks else 3 if kind == 3 else 1
    kinds = [int(k) for k in page.extrasamples]
    names = ["red", "green", "blue"] if colour == 3 else []
    drop: list[int] = []
    for sample in range(colour, total):
        marked = kinds[sample - colour] if sample - colour < len(kinds) else 0
        band = np.take(seen, sample, axis=at)
        if marked not in (1, 2):
            if colour == 3:
                found.notes.append(f"'{name}' does not say what its band {sample + 1} is; it is kept as a channel.")
        elif alpha_like(band, np.take(seen, range(colour), axis=at), at, associated=marked == 1):
            drop.append(sample)
            if (band != band.flat[0]).any():
                found.notes.append(f"Band {sample + 1} of '{name}' is transparency, which is not used.")
        else:
            found.notes.append(
                f"Band {sample + 1} of '{name}' is marked as transparency, but its values look like data, so it is kept as a channel."
            )
    keep = [i for i in range(total) if i not in drop]
    if names:
        found.metadata["channel_names"] = [names[i] if i < 3 else f"band {i + 1}" for i in keep]
    if drop:
        found.metadata["alpha"] = "dropped"
        found.steps.append(lambda array: array[(slice(None),) * at + (keep,)])


def _calibration(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """ImageJ's calibration: signed 16 bits are stored with 32768 added, densities by a straight line or a curve."""
    about, dtype = imagej or {}, seen.dtype
    kind = number(about.get("cf"))
    if kind is None or int(kind) in _PLAIN or dtype.itemsize > 2 or dtype.kind != "u" or "S" in found.letters:
        return
    if int(kind) not in {0, *_CURVES}:
        found.notes.append(f"ImageJ calibrated the values of '{name}' by a curve ({int(kind)}) that is not applied.")
        return
    c = [number(about.get(f"c{i}")) or 0.0 for i in range(_CURVES.get(int(kind), 2))]
    if c == [0.0, 1.0] or not any(c[1:]):
        return
    whole = len(c) == 2 and all(v == math.floor(v) for v in c)
    ends = (c[0], c[0] + c[1] * np.iinfo(dtype).max)
    kinds = [t for t in (np.int16, np.int32) if np.iinfo(t).min <= min(ends) and max(ends) <= np.iinfo(t).max]
    target = np.dtype(kinds[0]) if whole and kinds else np.dtype(np.float32)
    coefficients = np.array(c)

    def calibrated(array: Arrays) -> Arrays:
        value = array.astype(np.int64 if whole else np.float64)
        made = sum((value**i * (int(k) if whole else k) for i, k in enumerate(coefficients.tolist()) if k), 0)
        return made.astype(target)

    found.steps.append(calibrated)
    unit = str(about.get("vunit", "")).strip()
    if unit and unit.lower() != "gray value":
        found.metadata["value_unit"] = unit
    terms = " + ".join([f"{c[0]:g}", *(f"{k:g} · value" + (f"^{i}" if i > 1 else "") for i, k in enumerate(c[1:], 1))])
    found.notes.append(f"ImageJ calibrated the values of '{name}'; they are read as {terms}.")


def _grey(
    found: Meaning, seen: np.ndarray, page: tifffile.TiffPage, imagej: Mapping[str, object] | None, name: str
) -> None:
    """Grey that is stored as red, green and blue is one channel."""
    at = found.letters.find("S")
    if at >= 0 and seen.shape[at] == 3 and grey_in_colours(seen, at):
        found.steps.append(lambda array: array[(slice(None),) * at + (slice(0, 1),)])
        found.metadata.pop("channel_names", None)
        found.metadata["grey_as_colours"] = True
        found.notes.append(grey_note(name))


def _without_single(found: Meaning, sizes: Mapping[str, int]) -> None:
    """Drop axes of length 1 that nobody named."""
    gone = [i for i, a in enumerate(found.letters) if sizes[a] == 1 and a not in "YX"]
    if gone:
        index = tuple(0 if i in gone else slice(None) for i in range(len(found.letters)))
        found.letters = "".join(a for i, a in enumerate(found.letters) if i not in gone)
        found.steps.append(lambda array: array[index])


__all__ = ["Meaning", "meaning_of"]
