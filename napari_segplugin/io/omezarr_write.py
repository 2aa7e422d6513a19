"""Labels as OME-Zarr 0.4 or 0.5: a pyramid written piece by piece, with classes, objects and place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import zarr
from zarr.storage import LocalStore

from napari_segplugin.core import Task
from napari_segplugin.core.types import JsonDict, json_object
from napari_segplugin.io.files import LabelsToWrite
from napari_segplugin.io.units import long_unit
from napari_segplugin.io.writing import recipe_of

OWN = "segplugin"
"""Under which key of a group stands what OME-Zarr has no word for: task, classes, how the result was made."""
COARSEST = 256
"""A further level is written until no side of a plane or volume is longer."""
_MOST_LISTED = 50_000  # objects in the attributes of a result that has a table beside it
_AT_ONCE = 2**21  # voxels that are written at once; of the level before, up to eight times as many are read
ZarrFormat = Literal[2, 3]


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write the labels as OME-Zarr 0.4, chunk by chunk."""
    write_group(labels, path)


def write_group(labels: LabelsToWrite, path: Path, zarr_format: ZarrFormat = 2, image: str = "") -> None:
    """Write the labels as a group of OME-Zarr: a pyramid and what its labels are.

    Parameters
    ----------
    labels : LabelsToWrite
    path : Path
    zarr_format : {2, 3}
        2 is OME-Zarr 0.4, 3 is 0.5.
    image : str
        Where the image is, as seen from the group; empty for labels that stand by themselves.
    """
    group = zarr.open_group(LocalStore(path), mode="w", zarr_format=zarr_format)
    spacing = {a: labels.spacing.get(a, 1.0) for a in labels.axes if a in "ZYX"}
    factors = level_factors(tuple(int(n) for n in labels.array.shape), labels.axes, spacing)
    for number, factor in enumerate(factors):
        before = labels.array if not number else group[str(number - 1)]
        previous = factors[max(number - 1, 0)]
        step = tuple(f // p for f, p in zip(factor, previous, strict=True))
        _write_level(group, str(number), before, step, labels, zarr_format)
    version = "0.4" if zarr_format == 2 else "0.5"
    ome: JsonDict = {"multiscales": [_multiscales(labels, factors, version)]}
    ome["image-label"] = _image_label(labels, version, image)
    own = {OWN: dict(recipe_of(labels.segmentation, labels.stem))} if labels.segmentation else {}
    group.attrs.update({**ome, **own} if zarr_format == 2 else {"ome": {"version": version, **ome}, **own})


def level_factors(shape: tuple[int, ...], axes: str, spacing: Mapping[str, float]) -> list[tuple[int, ...]]:
    """How many voxels of the image are one of each level, along each axis.

    The shorter edges of a voxel are doubled first, so that a coarse level has voxels of nearly equal edges.

    Parameters
    ----------
    shape : tuple of int
    axes : str
    spacing : mapping of axis letter to float

    Examples
    --------
    >>> level_factors((40, 600, 600), "ZYX", {"Z": 2.0, "Y": 0.5, "X": 0.5})
    [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
    """
    factors = [(1,) * len(axes)]
    while True:
        now = factors[-1]
        sides = {a: math.ceil(n / f) for a, n, f in zip(axes, shape, now, strict=True) if a in "ZYX"}
        if max(sides.values()) <= COARSEST:
            return factors
        edges = {a: spacing[a] * f for a, f in zip(axes, now, strict=True) if a in sides and sides[a] > 1}
        short = {a for a in edges if edges[a] < 2 * min(edges.values()) * (1 - 1e-6)}
        factors.append(tuple(f * 2 if a in short else f for a, f in zip(axes, now, strict=True)))


def _write_level(
    group: zarr.Group,
    name: str,
    before: object,
    step: tuple[int, ...],
    labels: LabelsToWrite,
    zarr_format: ZarrFormat,
) -> None:
    """One level: every n-th voxel of the one before, so that no label is there that was not there before."""
    source: zarr.Array = before  # type: ignore[assignment]
    shape = tuple(math.ceil(int(n) / s) for n, s in zip(source.shape, step, strict=True))
    chunks = tuple(_chunk(axis, n) for axis, n in zip(labels.axes, shape, strict=True))
    target = group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=labels.dtype,
        fill_value=0,
        chunk_key_encoding={"name": "v2" if zarr_format == 2 else "default", "separator": "/"},
        dimension_names=tuple(a.lower() for a in labels.axes) if zarr_format == 3 else None,
    )
    every = tuple(slice(None, None, s) for s in step)
    for box in _boxes(shape, _piece(shape, chunks)):
        wide = tuple(slice(b.start * s, (b.stop - 1) * s + 1) for b, s in zip(box, step, strict=True))
        target[box] = np.asarray(source[wide])[every].astype(labels.dtype)


def _chunk(axis: str, length: int) -> int:
    return min(length, {"T": 1, "Z": 32}.get(axis, 256))


def _piece(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    """As many whole chunks as are written at once: one by one, thousands of small ones take seconds."""
    size = list(chunks)
    for i in reversed(range(len(shape))):
        room = max(1, _AT_ONCE // math.prod(size))
        size[i] = min(room, math.ceil(shape[i] / chunks[i])) * chunks[i]
    return tuple(size)


def _boxes(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    steps = [[slice(i, min(i + c, n)) for i in range(0, n, c)] for n, c in zip(shape, chunks, strict=True)]
    return itertools.product(*steps)


def _multiscales(labels: LabelsToWrite, factors: list[tuple[int, ...]], version: str) -> JsonDict:
    axes: list[JsonDict] = []
    interval = _interval(labels)
    for letter in labels.axes:
        axis: JsonDict = {"name": letter.lower(), "type": "time" if letter == "T" else "space"}
        unit = "second" if letter == "T" and interval else long_unit(labels.unit) if letter != "T" else None
        if unit:
            axis["unit"] = unit
        axes.append(axis)
    sizes, starts = _scale(labels, interval)
    levels: list[JsonDict] = []
    for number, factor in enumerate(factors):
        steps: list[JsonDict] = [{"type": "scale", "scale": [s * f for s, f in zip(sizes, factor, strict=True)]}]
        if any(starts):  # the first voxel of each level is the first of the finest, so that all start in one place
            steps.append({"type": "translation", "translation": list(starts)})
        levels.append({"path": str(number), "coordinateTransformations": steps})
    found: JsonDict = {"name": labels.name, "axes": axes, "datasets": levels, "type": "nearest"}
    return {"version": "0.4", **found} if version == "0.4" else found


def _interval(labels: LabelsToWrite) -> float:
    """Seconds between time points, as the image said it; 0 where nothing does."""
    recipe = labels.segmentation.recipe if labels.segmentation else {}
    found = json_object(recipe.get("input")).get("frame_interval")
    return float(found) if isinstance(found, int | float) and found > 0 else 0.0


def _scale(labels: LabelsToWrite, interval: float) -> tuple[list[float], list[float]]:
    """Size and start along each axis.

    OME-Zarr has neither oblique nor exchanged axes: labels that lie so keep their sizes here, and their place among our own
    words.
    """
    sizes = {"T": interval or 1.0, **{a: labels.spacing.get(a, 1.0) for a in "ZYX"}}
    starts = {a: labels.origin.get(a, 0) * sizes[a] for a in "ZYX"}  # labels of a region lie where the region lay
    if labels.place is not None:
        matrix = labels.place.matrix
        steps = np.diag(matrix)[:3]
        straight = bool(
            np.allclose(matrix[:3, :3], np.diag(steps), rtol=0, atol=1e-6 * float(np.abs(matrix[:3, :3]).max()))
        )
        starts = {a: float(matrix[i, 3]) if straight else 0.0 for i, a in enumerate("ZYX")}
        if straight:
            sizes |= {a: float(np.copysign(sizes[a], steps[i])) for i, a in enumerate("ZYX")}
    return [sizes[a] for a in labels.axes], [starts.get(a, 0.0) for a in labels.axes]


def _image_label(labels: LabelsToWrite, version: str, image: str) -> JsonDict:
    """What each label is, in the words of OME-Zarr."""
    about: JsonDict = {"version": version}
    found = labels.segmentation
    if found is not None:
        names = {c.id: c.name for c in found.classes}
        if found.task is Task.SEMANTIC:
            about["colors"] = [{"label-value": c.id, "rgba": _rgba(c.color)} for c in found.classes if c.id]
        table = found.objects
        if len(table) and (image or len(table) <= _MOST_LISTED):
            columns = (table.label.tolist(), table.class_id.tolist(), table.score.tolist(), table.status)
            about["properties"] = [_row(n, names.get(c, ""), s, t) for n, c, s, t in zip(*columns, strict=True)]
    if image:
        about["source"] = {"image": image}
    return about


def _row(label: int, name: str, score: float, status: str) -> JsonDict:
    row: JsonDict = {"label-value": label, "class": name, "status": status}
    return row if math.isnan(score) else {**row, "score": round(score, 4)}


def _rgba(color: str) -> list[int]:
    """(R, G, B, A) from 0 to 255 of a colour such as "#e03131"."""
    digits = color.lstrip("#")[:6]
    return [*(int(digits[i : i + 2], 16) for i in (0, 2, 4)), 255]


__all__ = ["COARSEST", "OWN", "ZarrFormat", "level_factors", "write", "write_group"]
