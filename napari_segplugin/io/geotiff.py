"""What a TIFF says of the map that it lies on: GeoTIFF's keys and GDAL's tags.

Pixels are read and written by :mod:`napari_segplugin.io.tiff`. The keys of the reference travel as they are, so that labels
lie on the same map whether or not rasterio is installed; it is needed for references without an EPSG number. The format:
https://docs.ogc.org/is/19-008r4/19-008r4.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, cast
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_segplugin.core import InputError, Place
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.files import Found, LabelsToWrite
from napari_segplugin.io.maps import DEGREES, DISTORTED, areal_scale, on_map, rasterio_of, system, to_world, unit_of

Tag: TypeAlias = tuple[int, int, int, object, bool]
"""Code, data type, count, value, and whether it is written once: as tifffile takes tags."""
_SCALE, _TIE, _MATRIX, _KEYS, _DOUBLES, _TEXTS, _ABOUT, _NODATA = 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113
_KIND, _MASK, _TURN = 254, 4, 274
_DOUBLE, _SHORT, _ASCII = 12, 3, 2  # data types of TIFF
_MODEL, _RASTER, _GEOGRAPHIC, _PROJECTED, _LENGTHS = 1024, 1025, 2048, 3072, 3076  # keys of GeoTIFF
_POINT, _AREA = 2, 1
_USER = 32767  # "defined by the other keys"
_LENGTH_UNITS = {9001: "m", 9002: "foot", 9003: "survey_foot"}
_WORLD_FILES = (".tfw", ".tifw", ".wld")


def with_map(found: Found, path: Path, *, inverted: bool = False) -> Found:
    """What was read of a TIFF, together with the map that it lies on, its nodata and the names of its bands.

    Parameters
    ----------
    found : Found
    path : Path
    inverted : bool
        Whole numbers of a file that stores white as 0 were turned round: so is the value of pixels without data.

    Returns
    -------
    Found
        As it came where the file says nothing of a map.
    """
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        tags = {
            tag.code: tag.value for tag in page.tags if tag.code in (_SCALE, _TIE, _MATRIX, *range(_KEYS, _TEXTS + 1))
        }
        mask, turned = _has_mask(tif), page.tags.valueof(_TURN, default=1) not in (0, 1)
        nodata, about = page.tags.get(_NODATA), page.tags.get(_ABOUT)
        metadata: JsonDict = dict(found.metadata)
        metadata |= _nodata("" if nodata is None else str(nodata.value), _top(page) if inverted else None)
        metadata |= bands_of("" if about is None else str(about.value))
    notes = [str(n) for n in cast("Sequence[Json]", metadata.get("notes") or ())]
    if mask:
        notes.append(f"'{path.name}' has a mask of pixels without data, which is not used: they count as data.")
    try:
        matrix = _matrix(tags, notes, path)
    except (ValueError, TypeError, IndexError):
        matrix = None
        notes.append(f"What '{path.name}' says of its position on the map is damaged, so it is not used.")
    if turned and matrix is not None:
        # programs for maps do not turn such images, so what the file says is of the picture before it was turned
        matrix = None
        notes.append(f"'{path.name}' is stored turned or mirrored, so its position on the map is not used.")
    if matrix is None:
        return replace(found, metadata={**metadata, **({"notes": list(notes)} if notes else {})})
    keys = _numbers(tags)
    reference = _reference(keys, path)
    if not reference and _KEYS in tags:
        notes.append(
            f"The coordinate reference system of '{path.name}' has no EPSG number. GeoTIFF results keep it; to use it elsewhere, "
            f'run: pip install "napari-segplugin[geo]"'
        )
    elif not reference:
        notes.append(f"'{path.name}' says where it lies, but not in which coordinate reference system.")
    unit = _unit(keys, reference)
    if unit == DEGREES:
        notes.append(
            f"'{path.name}' is in degrees, so lengths and areas in tables are not in meters. GeoPackage gives m²."
        )
    try:
        place = Place(matrix, "map", reference)
    except InputError:
        notes.append(f"The position of '{path.name}' on the map is not valid, so it is not used.")
        return replace(found, metadata={**metadata, "notes": list(notes)})
    notes += _distortion(path, place)
    if _KEYS in tags:
        metadata["geotiff"] = {str(code): _plain(tags[code]) for code in (_KEYS, _DOUBLES, _TEXTS) if code in tags}
    if notes:
        metadata["notes"] = list(notes)
    spacing = dict(zip("ZYX", place.spacing, strict=True))
    return replace(
        found,
        spacing={**found.spacing, "Y": spacing["Y"], "X": spacing["X"]},
        unit=unit,
        metadata=metadata,
        place=place,
    )


def _has_mask(tif: tifffile.TiffFile) -> bool:
    """Whether the page after the image says of its pixels which have data; GDAL writes it there."""
    try:
        second = tif.pages[1]
        return isinstance(second, tifffile.TiffPage) and bool(int(second.tags.valueof(_KIND, default=0)) & _MASK)
    except (IndexError, TypeError, ValueError):
        return False


def _distortion(path: Path, place: Place) -> list[str]:
    """A note where the map makes areas larger or smaller than they are on the ground."""
    scale = areal_scale(place.reference, *to_world(place, np.zeros((1, 2)))[0].tolist())
    if scale is None or abs(scale - 1) < DISTORTED:
        return []
    return [
        f"On the map of '{path.name}' areas are {scale:.3g} times as large as on the ground, so lengths and areas in tables are, "
        f"too. GeoPackage and GeoJSON give those on the ground."
    ]


def _plain(value: object) -> Json:
    return value if isinstance(value, str) else list(cast("Sequence[float]", np.atleast_1d(np.asarray(value)).tolist()))


def _top(page: tifffile.TiffPage) -> int | None:
    """What a value and its opposite add up to, in whole numbers of a file that stores white as 0; None of others."""
    if page.photometric != 0 or page.dtype is None or page.dtype.kind not in "ui":
        return None
    return 2 ** int(page.bitspersample) - 1 if page.dtype.kind == "u" else -1


def _nodata(text: str, top: int | None = None) -> JsonDict:
    """GDAL's value that stands where there is no data, as a number; "nan" is a text, because JSON has no such number."""
    text = text.strip().strip("\0").strip()
    try:
        value = float(text)
    except ValueError:
        return {}
    if not np.isfinite(value):
        return {"nodata": text}
    return {"nodata": value if top is None else top - value}


def bands_of(xml: str) -> JsonDict:
    """Names of bands and what they show, from GDAL's description of them; empty where nothing is named.

    Examples
    --------
    >>> bands_of('<GDALMetadata><Item name="DESCRIPTION" sample="1" role="description">nir</Item></GDALMetadata>')
    {'bands': ['', 'nir']}
    """
    try:
        items = list(ElementTree.fromstring(xml.strip().strip("\0")).iter("Item")) if xml.strip() else []
    except ElementTree.ParseError:
        return {}
    found: JsonDict = {}
    for key, role in (("bands", "description"), ("band_colors", "colorinterp")):
        named = {int(i.get("sample", "0")): (i.text or "").strip() for i in items if i.get("role") == role}
        if named and max(named) < 2**16:
            found[key] = [named.get(n, "") for n in range(max(named) + 1)]
    return found


def _matrix(tags: dict[int, object], notes: list[str], path: Path) -> np.ndarray | None:
    """(4, 4) from the middle of pixels (z, y, x) to the map; None where the file does not say it."""
    ties = np.atleast_1d(np.asarray(tags.get(_TIE, ()), float))
    edge = np.eye(3)  # x, y of corners to the map
    if _SCALE in tags and ties.size >= 6:
        sx, sy = np.asarray(tags[_SCALE], float)[:2]
        i, j, _, x, y = ties[:5]
        edge = np.array([[sx, 0, x - i * sx], [0, -sy, y + j * sy], [0, 0, 1]])
    elif _MATRIX in tags:
        full = np.asarray(tags[_MATRIX], float).reshape(4, 4)
        edge = full[np.ix_([0, 1, 3], [0, 1, 3])]
    else:
        if ties.size > 6:
            notes.append(
                f"'{path.name}' has control points but no grid, so it is not placed on the map. Warp it first (gdalwarp)."
            )
            return None
        return _world_file(path, notes)
    # of a file of points the coordinates are those of the middle of a pixel
    shift = 0.0 if _numbers(tags).get(_RASTER) == _POINT else 0.5
    return _lifted(edge @ np.array([[1, 0, shift], [0, 1, shift], [0, 0, 1.0]]))


def _world_file(path: Path, notes: list[str]) -> np.ndarray | None:
    """From the six numbers of a world file beside the image, which stand for the middle of pixels."""
    file = next((beside for e in _WORLD_FILES if (beside := path.with_suffix(e)).is_file()), None)
    if file is None:
        return None
    try:
        a, d, b, e, c, f = (float(n.replace(",", ".")) for n in file.read_text(encoding="ascii").split())
    except ValueError:
        notes.append(f"'{file.name}' is not a world file of six numbers, so it is not used.")
        return None
    return _lifted(np.array([[a, b, c], [d, e, f], [0, 0, 1]]))


def _lifted(flat: np.ndarray) -> np.ndarray:
    """(3, 3) of x, y as (4, 4) of z, y, x."""
    matrix = np.eye(4)
    matrix[np.ix_([2, 1, 3], [2, 1, 3])] = flat
    return matrix


def _numbers(tags: dict[int, object]) -> dict[int, int]:
    """The keys whose value is a number."""
    keys = np.atleast_1d(np.asarray(tags.get(_KEYS, ()), int))
    rows = keys[4 : 4 * (len(keys) // 4)].reshape(-1, 4)
    return {int(key): int(value) for key, where, _, value in rows.tolist() if where == 0}


def _reference(keys: dict[int, int], path: Path) -> str:
    """EPSG's number; of other references the WKT, where rasterio is installed."""
    code = keys.get(_GEOGRAPHIC if keys.get(_MODEL) == 2 else _PROJECTED, 0)
    if 0 < code < _USER:
        return f"EPSG:{code}"
    if not keys:
        return ""
    try:
        import rasterio
    except ImportError:
        return ""
    with rasterio.open(path) as source:
        return str(source.crs.to_string()) if source.crs else ""


def _unit(keys: dict[int, int], reference: str) -> str:
    if keys.get(_MODEL) == 2:
        return DEGREES
    if keys.get(_LENGTHS) in _LENGTH_UNITS:
        return _LENGTH_UNITS[keys[_LENGTHS]]
    return unit_of(reference) or ("m" if keys.get(_MODEL) == 1 else "pixel")


def tags_of(labels: LabelsToWrite) -> list[Tag]:
    """The tags that put labels on the map of their image; none where that lies on none.

    Parameters
    ----------
    labels : LabelsToWrite

    Returns
    -------
    list of tuple
        As ``extratags`` of tifffile. Where the image has a value for pixels without data, that of the labels is 0.
    """
    place = labels.place
    if place is None or not on_map(place):
        return []
    about = json_object(json_object(labels.segmentation.recipe.get("input")) if labels.segmentation else {})
    flat = place.matrix[np.ix_([2, 1, 3], [2, 1, 3])] @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    (a, b, x), (d, e, y), _ = flat.tolist()
    if b == d == 0 and a > 0 > e:
        found: list[Tag] = [_doubles(_SCALE, [a, -e, 0.0]), _doubles(_TIE, [0.0, 0.0, 0.0, x, y, 0.0])]
    else:
        found = [_doubles(_MATRIX, [a, b, 0.0, x, d, e, 0.0, y, *[0.0] * 7, 1.0])]
    found += _key_tags(json_object(about.get("geotiff")), place.reference)
    if "nodata" in about:
        found.append((_NODATA, _ASCII, 2, "0", True))
    return found


def _doubles(code: int, values: Sequence[float]) -> Tag:
    return code, _DOUBLE, len(values), tuple(values), True


def _key_tags(kept: object, reference: str) -> list[Tag]:
    """The keys that the image had, or those of a reference."""
    about = json_object(cast("Json", kept))
    keys = [int(n) for n in cast("Sequence[int]", about.get(str(_KEYS)) or ())]
    doubles = [float(n) for n in cast("Sequence[float]", about.get(str(_DOUBLES)) or ())]
    texts = str(about.get(str(_TEXTS), ""))
    if not keys or _code(keys) not in (reference, ""):
        keys, doubles, texts = _made_keys(reference)
    for at in range(4, len(keys) - 3, 4):
        if keys[at] == _RASTER:
            keys[at + 3] = _AREA
    found: list[Tag] = [(_KEYS, _SHORT, len(keys), tuple(keys), True)]
    if doubles:
        found.append(_doubles(_DOUBLES, doubles))
    if texts:
        found.append((_TEXTS, _ASCII, len(texts) + 1, texts, True))
    return found


def _code(keys: Sequence[int]) -> str:
    numbers = _numbers({_KEYS: keys})
    code = numbers.get(_GEOGRAPHIC if numbers.get(_MODEL) == 2 else _PROJECTED, 0)
    return f"EPSG:{code}" if 0 < code < _USER else ""


def _made_keys(reference: str) -> tuple[list[int], list[float], str]:
    """Keys of a reference that came without them: of EPSG's numbers by themselves, of others by rasterio.

    Raises
    ------
    MissingExtraError
        If it is no EPSG number, and rasterio is not installed.
    """
    if not reference:
        return [1, 1, 0, 1, _RASTER, 0, 1, _AREA], [], ""
    known = re.fullmatch(r"EPSG:(\d{1,5})", reference, re.IGNORECASE)
    if known:
        code, found = int(known[1]), system(reference)
        # the numbers of EPSG from 4000 on that have four digits are those of longitude and latitude
        degrees = found.is_geographic if found is not None else 4000 <= code < 5000
        model, key = (2, _GEOGRAPHIC) if degrees else (1, _PROJECTED)
        return [1, 1, 0, 3, _MODEL, 0, 1, model, _RASTER, 0, 1, _AREA, key, 0, 1, code], [], ""
    return _keys_by_rasterio(reference)


def _keys_by_rasterio(reference: str) -> tuple[list[int], list[float], str]:
    rasterio = rasterio_of("write this coordinate reference system as GeoTIFF")
    with rasterio.MemoryFile() as memory:
        shape = {"width": 1, "height": 1, "count": 1, "dtype": "uint8"}
        with memory.open(
            driver="GTiff", crs=reference, transform=rasterio.Affine(1, 0, 0, 0, -1, 9), **shape
        ) as target:
            target.write(np.zeros((1, 1, 1), np.uint8))
        memory.seek(0)
        with tifffile.TiffFile(memory) as tif:
            tags = {tag.code: tag.value for tag in tif.pages.first.tags}
    keys = [int(n) for n in tags[_KEYS]]
    return keys, [float(n) for n in np.atleast_1d(tags.get(_DOUBLES, ()))], str(tags.get(_TEXTS, ""))


__all__ = ["bands_of", "tags_of", "with_map"]
