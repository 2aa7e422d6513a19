"""Label TIFF: ImageJ's flavour, or OME-TIFF."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from napari_segplugin.core import Place
from napari_segplugin.core.types import JsonDict, json_object
from napari_segplugin.io.files import LabelsToWrite
from napari_segplugin.io.geotiff import tags_of
from napari_segplugin.io.tiff_headers import number
from napari_segplugin.io.tiff_sizes import PLACE
from napari_segplugin.io.units import ome_unit

_IMAGEJ_LIMIT = 2 * 2**30  # ImageJ's own TIFF has no 64-bit offsets
_OME = (".ome.tif", ".ome.tiff")


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write a label TIFF plane by plane, with sizes, unit, place and frame interval.

    OME-TIFF where the name says so, and where the labels are too large for ImageJ's flavour (16 bits, 2 GB).
    """
    shape = tuple(int(n) for n in labels.array.shape)
    size = int(np.prod(shape, dtype=np.int64)) * labels.dtype.itemsize
    # An X of 1 would be taken for a colour sample in ImageJ's flavour.
    fiji = (
        labels.dtype.itemsize <= 2 and size < _IMAGEJ_LIMIT and shape[-1] > 1 and not path.name.lower().endswith(_OME)
    )
    x, y = labels.spacing.get("X", 1.0), labels.spacing.get("Y", 1.0)
    large = size > _IMAGEJ_LIMIT
    with tifffile.TiffWriter(path, imagej=fiji, ome=not fiji, bigtiff=large and not fiji) as tif:
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


def _interval(labels: LabelsToWrite) -> float | None:
    """Seconds between two frames, which the recipe knows of its image."""
    recipe = labels.segmentation.recipe if labels.segmentation and "T" in labels.axes else {}
    seconds = number(json_object(recipe.get("input")).get("frame_interval"))
    return seconds if seconds and seconds > 0 else None


def _start(labels: LabelsToWrite) -> dict[str, float]:
    """Where the first voxel lies, if that is all that is to be said of the place; nothing for 0."""
    if labels.place is None or not _shift_only(labels.place):
        return {}
    return {a: float(n) for a, n in zip("ZYX", labels.place.matrix[:3, 3], strict=True) if n}


def _shift_only(place: Place) -> bool:
    return not place.frame and bool(np.allclose(place.matrix[:3, :3], np.diag(place.spacing), rtol=1e-6, atol=0))


def _noted(labels: LabelsToWrite) -> str:
    """A place that the format has no words for: turned, mirrored, in a patient, on a map."""
    return json.dumps(labels.place.to_json()) if labels.place and not _shift_only(labels.place) else ""


def _imagej_metadata(labels: LabelsToWrite) -> JsonDict:
    about: JsonDict = {"axes": labels.axes, "unit": labels.unit, "mode": "grayscale"}
    if "Z" in labels.axes:
        about["spacing"] = labels.spacing.get("Z", 1.0)
    if seconds := _interval(labels):
        about |= {"finterval": seconds, "tunit": "s"}
    for axis, start in _start(labels).items():  # ImageJ counts the origin in voxels
        about[f"{axis.lower()}origin"] = -start / labels.spacing.get(axis, 1.0)
    if noted := _noted(labels):
        about["Info"] = f"{PLACE} = {noted}\n"
    return about


def _ome_metadata(labels: LabelsToWrite) -> JsonDict:
    about: JsonDict = {"axes": labels.axes, "Name": labels.name}
    unit = ome_unit(labels.unit)
    for axis in "ZYX":
        if axis in labels.axes:
            about[f"PhysicalSize{axis}"] = labels.spacing.get(axis, 1.0)
            about[f"PhysicalSize{axis}Unit"] = unit
    if seconds := _interval(labels):
        about |= {"TimeIncrement": seconds, "TimeIncrementUnit": "s"}
    start = _start(labels)
    if start:
        lengths = dict(zip(labels.axes, labels.array.shape, strict=True))
        planes = math.prod(int(n) for a, n in lengths.items() if a in "TZ")
        depth = int(lengths.get("Z", 1))
        about["Plane"] = _positions(start, planes, depth, labels.spacing.get("Z", 1.0), unit)
    if noted := _noted(labels):
        about["MapAnnotation"] = {"Namespace": "napari-segplugin", PLACE: noted}
    return about


def _positions(start: dict[str, float], planes: int, depth: int, step: float, unit: str) -> JsonDict:
    """Where each plane lies; depth runs faster than time."""
    found: JsonDict = {}
    for axis in "XYZ":
        first = start.get(axis, 0.0)
        places = [first + (i % depth) * step if axis == "Z" else first for i in range(planes)]
        found[f"Position{axis}"] = [float(f"{p:.12g}") for p in places]
        found[f"Position{axis}Unit"] = [unit] * planes
    return found


__all__ = ["write"]
