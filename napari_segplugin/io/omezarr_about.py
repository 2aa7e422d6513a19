"""What the metadata of an OME-Zarr image says: axes, sizes, units, translation, time and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, NotRequired, Required, TypedDict, cast

import numpy as np
import zarr

from napari_segplugin.core import InputError, Place, guess_axes
from napari_segplugin.core.schema import Between, checked_json
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.units import one_unit

Number = Annotated[float, Between(-1e30, 1e30)]
_KINDS = {"time": "T", "channel": "C"}
_OLD = ("0.1", "0.2")
"""Versions in which an image has no names of axes, since they are always T, C, Z, Y, X."""
_SECONDS = {
    **dict.fromkeys(("second", "seconds", "s", "sec"), 1.0),
    **dict.fromkeys(("millisecond", "milliseconds", "ms"), 1e-3),
    **dict.fromkeys(("microsecond", "microseconds", "us", "µs"), 1e-6),
    **dict.fromkeys(("nanosecond", "nanoseconds", "ns"), 1e-9),
    **dict.fromkeys(("minute", "minutes", "min"), 60.0),
    **dict.fromkeys(("hour", "hours", "h"), 3600.0),
    **dict.fromkeys(("day", "days", "d"), 86400.0),
}


class Transform(TypedDict, total=False):
    """A coordinate transformation; what is read of it."""

    type: str
    scale: list[Number]
    translation: list[Number]


class Scaled(TypedDict, total=False):
    """What has a scale: a level, and the whole of them."""

    coordinateTransformations: list[Transform]


class LevelEntry(Scaled):
    """An array of a pyramid."""

    path: Required[str]


class AxisEntry(TypedDict):
    """An axis."""

    name: str
    type: NotRequired[object]
    unit: NotRequired[str | None]
    units: NotRequired[object]


class Multiscale(Scaled):
    """A pyramid."""

    name: NotRequired[object]
    version: NotRequired[object]
    axes: NotRequired[list[AxisEntry | str]]
    datasets: Required[Annotated[list[LevelEntry], Between(1, 1000)]]


class OmeAbout(TypedDict, total=False):
    """The attributes of a group."""

    multiscales: Annotated[list[Multiscale], Between(1, 1000)]


class OmeMeaning(NamedTuple):
    """What the numbers of an image mean, as :class:`~napari_segplugin.io.files.Found` wants it."""

    axes: str
    doubt: str
    spacing: dict[str, float]
    unit: str
    metadata: JsonDict
    place: Place | None


def about_group(group: zarr.Group, name: str) -> OmeAbout:
    """The attributes of a group, checked; version 0.5 puts them under "ome"."""
    attributes = dict(group.attrs)
    return checked_json(attributes.get("ome", attributes), OmeAbout, f"'{name}'")


def part(about: OmeAbout, key: str) -> Json:
    """What stands under a key of which the form is looked at by who asks; None where there is nothing."""
    return cast("Mapping[str, Json]", about).get(key)


def objects(found: Json) -> list[Mapping[str, Json]]:
    """The objects of a list; what is not one is left out."""
    listed = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    return [entry for entry in listed if isinstance(entry, Mapping)]


def meaning(scales: Multiscale, omero: Json, shape: tuple[int, ...], name: str) -> OmeMeaning:
    """The axes of an image, where its voxels lie, and how it is shown.

    Parameters
    ----------
    scales : Multiscale
    omero : JSON
        Names, colours and windows of the channels.
    shape : tuple of int
        Of the finest level.
    name : str
        Of the file, for notes.

    Raises
    ------
    InputError
        If a scale or translation has not one number for each axis.
    """
    entries: list[AxisEntry] = [
        a if isinstance(a, Mapping) else cast("AxisEntry", {"name": a}) for a in scales.get("axes", ())
    ]
    axes, doubt, named = _axes(entries, shape, str(scales.get("version", "")))
    metadata: JsonDict = {"ome_name": str(scales.get("name", "")), **_channels(omero, axes, shape)}
    notes: list[str] = []
    steps, starts = _along_axes(scales, len(shape), name, notes)
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    for i, letter in enumerate(axes if named else ""):
        unit = _unit(entries[i]) if entries else ""
        if letter in "ZYX" and steps is not None and steps[i]:
            sizes[letter], units[letter] = float(abs(steps[i])), unit
        elif letter in "ZYX":
            reason = "says no pixel size" if steps is None else "gives a pixel size of 0"
            notes.append(f"'{name}' {reason} along {letter}, so it is taken as 1.")
        elif letter == "T" and steps is not None and unit.lower() in _SECONDS and steps[i] > 0:
            metadata["frame_interval"] = float(f"{steps[i] * _SECONDS[unit.lower()]:.12g}")
    spacing, unit = one_unit(sizes, units)
    if unit == "pixel" and len(set(units.values())) > 1:
        notes.append(f"'{name}' gives its axes units that do not belong together, so its sizes have no unit.")
    place = _place(axes, steps, starts, sizes, spacing) if sizes and steps is not None else None
    if notes:
        metadata["notes"] = list(notes)
    return OmeMeaning(axes, doubt, spacing, unit, metadata, place)


def _unit(entry: AxisEntry) -> str:
    """The unit of an axis; some programs wrote it under "units"."""
    found = entry.get("unit") or entry.get("units") or ""
    return found if isinstance(found, str) else ""


def _axes(entries: Sequence[AxisEntry], shape: tuple[int, ...], version: str) -> tuple[str, str, bool]:
    """Axes, a question where they are not certain, and whether they are the file's own."""
    if not entries and version in _OLD and len(shape) == 5:
        return "TCZYX", "", True
    letters = "".join(str(entry["name"]).upper() for entry in entries)
    if len(letters) == len(shape) and set(letters) <= set("TCZYX") and len(set(letters)) == len(letters):
        return letters, "", True
    kinds = [_KINDS.get(str(entry.get("type")), "") for entry in entries]
    space = iter("ZYX"[-kinds.count("") :] if 2 <= kinds.count("") <= 3 else "")
    typed = [entry.get("type") in ("space", *_KINDS) for entry in entries]
    guessed = "".join(k or next(space, "") for k in kinds)
    if all(typed) and len(guessed) == len(shape) == len(set(guessed)):
        names = ", ".join(str(entry["name"]) for entry in entries)
        return guessed, f"The axes are called {names}. Are they {guessed}?", True
    return (*guess_axes(shape), False)


def _along_axes(scales: Multiscale, ndim: int, name: str, notes: list[str]) -> tuple[np.ndarray | None, np.ndarray]:
    """Step and start along each axis: the transformations of the level, then those of all levels; no step without a scale."""
    step, start, scaled = np.ones(ndim), np.zeros(ndim), False
    level = scales["datasets"][0]
    for one in (*level.get("coordinateTransformations", ()), *scales.get("coordinateTransformations", ())):
        kind = str(one.get("type", ""))
        values = one.get("scale") if kind == "scale" else one.get("translation") if kind == "translation" else None
        if kind == "identity":
            continue
        if values is None:
            notes.append(
                f"'{name}' is placed by a transformation ('{kind}') that is not understood, so it is left out: "
                f"sizes and position may be wrong."
            )
        elif len(values) != ndim:
            raise InputError(
                f"The metadata of '{name}' does not fit its array.",
                got=f"{kind} of {len(values)} numbers for {ndim} axes",
                hint="Write the file again in the program that made it.",
            )
        elif kind == "scale":
            step, start, scaled = step * values, start * values, True
        else:
            start = start + values
    return (step if scaled else None), start


def _place(
    axes: str, steps: np.ndarray, starts: np.ndarray, sizes: Mapping[str, float], spacing: Mapping[str, float]
) -> Place | None:
    """Where the voxels lie on the stage; None where the first lies at 0 and no axis runs backwards."""
    signed, origin = dict(spacing), dict[str, float]()
    for letter, step, start in zip(axes, steps, starts, strict=True):
        if letter in sizes:
            signed[letter] = float(np.copysign(spacing[letter], step))
            origin[letter] = float(f"{start * spacing[letter] / sizes[letter]:.12g}")
    if not any(origin.values()) and all(size > 0 for size in signed.values()):
        return None
    return Place.of_spacing(signed, origin)


def _channels(omero: Json, axes: str, shape: tuple[int, ...]) -> JsonDict:
    """Names, colours and windows of the channels, where the file has as many as the image."""
    found = objects(json_object(omero).get("channels"))
    count = shape[axes.index("C")] if "C" in axes else 1
    if not found or len(found) != count:
        return {}
    about: JsonDict = {}
    names = [str(c.get("label") or "") for c in found]
    colors = [str(c.get("color") or "") for c in found]
    windows = [_window(json_object(c.get("window"))) for c in found]
    if any(names):
        about["channel_names"] = list(names)
    if any(colors):
        about["channel_colors"] = [f"#{c}" if c and not c.startswith("#") else c for c in colors]
    if count == 1 and windows[0]:
        about["window"] = list(windows[0])
    elif any(windows):
        about["channel_windows"] = [list(w) for w in windows]
    return about


def _window(about: Mapping[str, Json]) -> tuple[float, ...]:
    """From which value to which a channel is shown; nothing where that is no range."""
    low, high = about.get("start"), about.get("end")
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return ()
    good = np.isfinite([low, high]).all() and low < high
    return (float(low), float(high)) if good else ()


__all__ = ["Multiscale", "OmeAbout", "OmeMeaning", "about_group", "meaning", "objects", "part"]
