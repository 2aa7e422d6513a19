"""What a TIFF says of sizes, place, time and channels, whichever program wrote it."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import tifffile

from napari_segplugin.core import InputError, Place
from napari_segplugin.core.types import JsonDict, json_object
from napari_segplugin.io.tiff_headers import HEADERS, Reader, Said, number, per_pixel, seconds, tag_unit, tags_of
from napari_segplugin.io.units import in_metres, one_unit, short_unit

PLACE = "napari-segplugin place"
"""Name under which our own files say where their labels lie, where that is more than a shift."""
_OBLONG = 20  # a pixel that is as many times longer than wide hardly is one


@dataclass
class Sizes:
    """The same, checked: positive sizes in one unit, and a note on each that was not."""

    spacing: dict[str, float]
    unit: str
    place: Place | None
    metadata: JsonDict
    notes: list[str]


def sizes_of(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, name: str) -> Sizes:
    """Voxel size, unit, place, frame interval and channel names of a series.

    Parameters
    ----------
    tif : TiffFile
    series : TiffPageSeries
    name : str
        Of the file, for the notes.
    """
    said = next((found for reader in _READERS if (found := reader(tif, series)) is not None), Said())
    notes = list(said.notes)
    sizes: dict[str, float] = {}
    lengths = dict(zip(series.axes.upper(), series.shape, strict=True))
    for axis, given in said.sizes.items():
        size = number(given)
        if size:
            sizes[axis] = abs(size)
        if axis in lengths and (not size or size < 0):
            taken = f"{abs(size):g} is used" if size else "it is taken as 1"
            notes.append(f"'{name}' gives the size {given} along {axis}, which is not a positive number; {taken}.")
    spacing, unit = one_unit(sizes, {a: u for a, u in said.units.items() if a in sizes})
    if unit == "pixel" and len({short_unit(u) for a, u in said.units.items() if a in sizes}) > 1:
        notes.append(f"'{name}' gives sizes in units that cannot be brought to one ({dict(said.units)}).")
    missing = [a for a in "ZYX" if lengths.get(a, 1) > 1 and a not in said.sizes]
    if missing and spacing and unit != "pixel":
        notes.append(f"'{name}' gives no size along {' and '.join(missing)}; it is taken as 1 {unit}.")
    x, y = spacing.get("X", 1.0), spacing.get("Y", 1.0)
    if not 1 / _OBLONG < x / y < _OBLONG:
        notes.append(
            f"The pixels of '{name}' are {y:g} {unit} high and {x:g} {unit} wide; one of the two may have another unit."
        )
    metadata: JsonDict = {}
    interval = number(said.interval)
    if interval and interval > 0:
        metadata["frame_interval"] = interval
    if said.names:
        metadata["channel_names"] = list(said.names)
    return Sizes(spacing, unit, _place(said, spacing, unit), metadata, notes)


def _place(said: Said, spacing: Mapping[str, float], unit: str) -> Place | None:
    """Our own note of it, or a shift in a unit of length."""
    if said.place:
        return said.place
    metres = in_metres(unit)
    start: dict[str, float] = {}
    for axis, given in said.start.items():
        value, own = number(given), in_metres(said.start_units.get(axis, ""))
        if value and own and metres:
            start[axis] = float(f"{value * (own / metres):.12g}")
    return Place.of_spacing(spacing, start) if start else None


def _own_place(text: object) -> Place | None:
    """The place that our own writer noted; None for anything else."""
    try:
        return Place.from_json(json_object(json.loads(str(text))))
    except (ValueError, TypeError, InputError):
        return None


def ome_root(tif: tifffile.TiffFile) -> ElementTree.Element | None:
    """The OME-XML of a file, None where there is none or it is damaged."""
    try:
        return ElementTree.fromstring(tif.ome_metadata) if tif.is_ome and tif.ome_metadata else None
    except ElementTree.ParseError:
        return None


def tag_of(element: ElementTree.Element) -> str:
    """Name of an element without its namespace."""
    return re.sub(r"^\{.*\}", "", element.tag)


def _number_of(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> int:
    return next((i for i, other in enumerate(tif.series) if other is series), 0)


def _ome(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    root = ome_root(tif)
    if root is None or series.kind != "ome":
        return None
    images = [e for e in root if tag_of(e) == "Image"]
    several = [e for e in images if e.get("Name") == series.name] if len(images) != len(tif.series) else []
    own = _number_of(tif, series)
    at = own if not several and own < len(images) else 0
    pixels = next((e for e in (several or images)[at].iter() if tag_of(e) == "Pixels"), None) if images else None
    if pixels is None:
        return None
    said = Said()
    for axis in "ZYX":
        if f"PhysicalSize{axis}" in pixels.attrib:
            said.sizes[axis] = pixels.get(f"PhysicalSize{axis}")
            said.units[axis] = pixels.get(f"PhysicalSize{axis}Unit", "µm")  # the schema's default
    said.interval = seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    channels = [e for e in pixels if tag_of(e) == "Channel"]
    if any(c.get("Name") for c in channels):
        said.names = [c.get("Name") or f"channel {i + 1}" for i, c in enumerate(channels)]
    _ome_planes(pixels, said)
    for element in root.iter():
        if tag_of(element) == "M" and element.get("K") == PLACE:
            said.place = _own_place(element.text)
    return said


def _ome_planes(pixels: ElementTree.Element, said: Said) -> None:
    """Position of the first plane, and what the others tell of depth and time where the sizes do not."""
    planes = [e for e in pixels if tag_of(e) == "Plane"]
    first = next((e for e in planes if {e.get(f"The{a}", "0") for a in "ZCT"} == {"0"}), None)
    if first is None:
        return
    for axis in "ZYX":
        if f"Position{axis}" in first.attrib:
            said.start[axis] = first.get(f"Position{axis}")
            said.start_units[axis] = first.get(f"Position{axis}Unit", "reference frame")
    unit = said.start_units.get("Z", "")
    if "Z" not in said.sizes and in_metres(unit) and (step := _step(planes, "Z", "PositionZ")):
        said.sizes["Z"], said.units["Z"] = abs(step), unit
        said.notes.append(f"The size along Z, {abs(step):g} {unit}, is the distance of the planes on the microscope.")
    if said.interval is None and (step := _step(planes, "T", "DeltaT")):
        said.interval = seconds(step, first.get("DeltaTUnit", "s"))


def _step(planes: Sequence[ElementTree.Element], axis: str, key: str) -> float | None:
    """Even distance between the planes along an axis (within 10 %), None where there is none."""
    others = [f"The{a}" for a in "ZCT" if a != axis]
    row = {e.get(f"The{axis}"): number(e.get(key)) for e in planes if all(e.get(o, "0") == "0" for o in others)}
    values = [row.get(str(i)) for i in range(len(row))]
    known = [v for v in values if v is not None]
    if len(known) < 2 or len(known) != len(values):
        return None
    mean = (known[-1] - known[0]) / (len(known) - 1)
    even = all(abs(b - a - mean) <= 0.1 * abs(mean) for a, b in itertools.pairwise(known))
    return float(f"{mean:.9g}") if mean and even else None


def _imagej(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    """As ImageJ reads it: the description names the units, the tags give pixels a unit."""
    about = tif.imagej_metadata if tif.is_imagej else None
    if about is None:
        return None
    page = series.keyframe
    said = Said()
    unit = str(about.get("unit", ""))
    if short_unit(unit) == "pixel":
        said = tags_of(page)
        if not said.sizes and tag_unit(page) == "":
            said = Said(dict(per_pixel(page)), dict.fromkeys("YX", ""))
        unit = said.units.get("X", "")
    else:
        # a habit of old ImageJ, which it undoes when it reads: resolution by the centimetre beside "um"
        factor = 1e4 if short_unit(unit) == "um" and tag_unit(page) == "cm" else 1.0
        said.sizes = {a: float(f"{s * factor:.12g}") for a, s in per_pixel(page).items()}
        said.units = {"Y": str(about.get("yunit", unit)), "X": unit}
    if "spacing" in about and "Z" in series.axes:
        said.sizes["Z"], said.units["Z"] = about["spacing"], str(about.get("zunit", unit))
    said.interval = seconds(about.get("finterval"), str(about.get("tunit", "s"))) or None
    if not said.interval and (rate := number(about.get("fps"))) and "T" in series.axes:
        said.interval = float(f"{1 / rate:.9g}")
    for axis in "ZYX":
        origin, size = number(about.get(f"{axis.lower()}origin")), number(said.sizes.get(axis))
        if origin and size:
            said.start[axis], said.start_units[axis] = -origin * abs(size), said.units.get(axis, unit)
    found = re.search(rf"{PLACE} = (\{{.*\}})", str(about.get("Info", "")))
    said.place = _own_place(found[1]) if found else None
    said.names = _slice_labels(about.get("Labels"), series)
    return said


def _slice_labels(labels: object, series: tifffile.TiffPageSeries) -> list[str]:
    """Labels of the slices, where each channel is one."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    channels = sizes.get("C", 0)
    single = channels > 1 and math.prod(n for a, n in sizes.items() if a not in "CYXS") == 1
    there = isinstance(labels, list | tuple) and len(labels) == channels
    return [str(text).split("\n")[0] for text in labels] if single and there else []  # type: ignore[attr-defined]


def _shaped(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    """tifffile's own JSON: the tags where they name a unit, its words otherwise."""
    if not tif.shaped_metadata:
        return None
    rows = tif.shaped_metadata
    own = _number_of(tif, series)
    about = json_object(rows[own] if own < len(rows) else rows[0])
    said = tags_of(series.keyframe)
    unit = str(about.get("unit", ""))
    if not said.sizes and (tag_unit(series.keyframe) == "" or short_unit(unit) != "pixel"):
        said = Said(dict(per_pixel(series.keyframe)), dict.fromkeys("YX", unit))
    for axis in "ZYX":  # keys that people borrow from OME
        if number(about.get(f"PhysicalSize{axis}")):
            said.sizes[axis] = about[f"PhysicalSize{axis}"]
            said.units[axis] = str(about.get(f"PhysicalSize{axis}Unit") or "µm")
    if "spacing" in about and "Z" not in said.sizes:
        said.sizes["Z"], said.units["Z"] = about["spacing"], unit or said.units.get("X", "")
    said.interval = seconds(about.get("TimeIncrement"), str(about.get("TimeIncrementUnit", "s")))
    said.interval = said.interval or about.get("finterval")
    names = json_object(about.get("Channel")).get("Name")
    said.names = [str(n) for n in names] if isinstance(names, list) else []
    return said


def _plain(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Said | None:
    return tags_of(series.keyframe)


_READERS: tuple[Reader, ...] = (_ome, *HEADERS, _imagej, _shaped, _plain)

__all__ = ["PLACE", "Sizes", "ome_root", "sizes_of", "tag_of"]
