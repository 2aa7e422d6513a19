"""COCO instances: one JSON file with the outline of every object.

Objects without holes are polygons along the edges of their pixels, objects with holes are run-length codes; both give
back the mask exactly with pycocotools. Each plane of a stack is one image of the file; an object in several planes has
one annotation in each, with the same ``object_id``. The format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from napari_segplugin.core import InputError, Kind, Segmentation, Task, check_axes
from napari_segplugin.core.types import Json, JsonDict, json_object
from napari_segplugin.io.boundary import read_json
from napari_segplugin.io.files import Format, Found, LabelsToWrite
from napari_segplugin.io.memory import check_size
from napari_segplugin.io.objects import (
    CROWD,
    CocoFile,
    CocoObjects,
    Described,
    ObjectEntry,
    RunLengths,
    add_row,
    class_table,
    describe,
    plane_stem,
    planes,
    table_of,
)
from napari_segplugin.io.outlines import Polygon, fill_rings, outlines

ONE_PICTURE = "one image, or the planes of one stack as this program writes them"


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write one annotation for each object and plane."""
    rows = describe(labels)
    images: list[JsonDict] = []
    annotations: list[JsonDict] = []
    for number, (at, plane) in enumerate(planes(labels), 1):
        images.append(image_entry(labels, number, at, plane))
        for label, parts in itertools.groupby(outlines(plane), key=lambda p: p.label):
            entry = _annotation(list(parts), rows[label], plane)
            annotations.append({"id": len(annotations) + 1, "image_id": number, **entry})
    about = {"info": file_info(labels), "images": images, "annotations": annotations, "categories": categories(labels)}
    path.write_text(json.dumps(about), encoding="utf-8")


def file_info(labels: LabelsToWrite) -> JsonDict:
    """Where the labels come from, and what is needed to put the planes together again."""
    return {
        "description": labels.name,
        "contributor": "napari-segplugin",
        "axes": labels.axes,
        "shape": [int(n) for n in labels.array.shape],
        "spacing": dict(labels.spacing),
        "unit": labels.unit,
        "task": str(labels.segmentation.task) if labels.segmentation else str(Task.INSTANCE),
    }


def image_entry(labels: LabelsToWrite, number: int, at: Mapping[str, int], plane: np.ndarray) -> JsonDict:
    """One plane as an image of the file."""
    name = labels.stem
    if labels.segmentation is not None and not at:
        source = str(json_object(labels.segmentation.recipe.get("input")).get("source", ""))
        name = Path(source).name or name
    place = {axis.lower(): n for axis, n in at.items()}
    size = {"width": int(plane.shape[1]), "height": int(plane.shape[0])}
    return {"id": number, "file_name": plane_stem(name, at), **size, **place}


def categories(labels: LabelsToWrite) -> list[JsonDict]:
    """The classes but the background."""
    classes = labels.segmentation.classes.classes[1:] if labels.segmentation else ()
    return [{"id": c.id, "name": c.name, "supercategory": str(c.kind)} for c in classes]


def extent(box: np.ndarray) -> list[int]:
    """Corners x, y as COCO's box: x, y, width, height."""
    low, high = box.min(axis=0), box.max(axis=0)
    return [int(n) for n in (*low, *(high - low))]


def _annotation(parts: list[Polygon], about: Described, plane: np.ndarray) -> JsonDict:
    box = extent(np.concatenate([p.exterior for p in parts]))
    if any(p.holes for p in parts):
        shape: Json = _run_lengths(plane, about.label, box)
    else:
        shape = [p.exterior.ravel().tolist() for p in parts]
    entry = {"category_id": about.kind.id, "segmentation": shape, "area": sum(p.area for p in parts), "bbox": box}
    score = {} if np.isnan(about.score) else {"score": round(about.score, 6)}
    measured = {"measurements": dict(about.measurements)} if about.measurements else {}
    return {**entry, "iscrowd": int(about.status == CROWD), "object_id": about.label, **score, **measured}


def _run_lengths(plane: np.ndarray, label: int, box: list[int]) -> JsonDict:
    """The mask as COCO's compressed run lengths, column by column, beginning with a run of zeros."""
    height, width = (int(n) for n in plane.shape)
    x, y, w, h = box
    columns, rows = np.nonzero(np.equal(plane[y : y + h, x : x + w].T, label))
    at = (columns + x) * height + rows + y
    first = np.append(True, np.diff(at) > 1)
    starts, stops = at[first], at[np.append(first[1:], True)] + 1
    ends = np.stack([starts, stops], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], ends, [height * width]]))
    return {"size": [height, width], "counts": _compress(counts.tolist())}


def _compress(counts: list[int]) -> str:
    """Run lengths as text: from the fourth on the difference to the one two before, in groups of five bits."""
    text = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group, value = value & 31, value >> 5
            more = value != (-1 if group & 16 else 0)
            text.append(chr((group | (32 if more else 0)) + 48))
    return "".join(text)


def _expand(text: str) -> list[int]:
    """The run lengths of a compressed text."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        group = ord(letter) - 48
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts


def read(path: Path) -> Found:
    """Read the objects as labels; where they overlap, the later one is above."""
    about = read_json(path, CocoObjects)
    labels, _ = _paint(about, path)
    return as_found(labels, about, path)


def as_found(labels: np.ndarray, about: CocoFile, path: Path) -> Found:
    """Stacked planes as the file says, or one plane; anything else cannot be put together."""
    info = about.get("info") or {}
    shape = tuple(info.get("shape", ()))
    if "axes" in info and math.prod(shape) == labels.size:
        check_axes(info["axes"], len(shape))
        return Found(labels.reshape(shape), info["axes"], "", info.get("spacing", {}), info.get("unit", "pixel"))
    if len(labels) != 1:
        raise InputError(
            f"'{path.name}' holds several images and does not say how they belong together.",
            got=f"{len(labels)} images",
            accepted=ONE_PICTURE,
            hint="Split it into one file per image.",
        )
    return Found(labels[0], "YX")


def read_segmentation(path: Path) -> Segmentation:
    """Read objects with their classes and scores."""
    about = read_json(path, CocoObjects)
    labels, rows = _paint(about, path)
    for entry in about.get("categories", []):
        entry.setdefault("isthing", entry.get("supercategory") != str(Kind.STUFF))
    return as_segmentation(as_found(labels, about, path), about, rows, path)


def as_segmentation(found: Found, about: CocoFile, rows: Mapping[int, ObjectEntry], path: Path) -> Segmentation:
    """Labels, categories and rows (label to category, score and status) as a segmentation."""
    classes, numbers = class_table(about.get("categories", []))
    unknown = sorted({c for c, *_ in rows.values()} - set(numbers))
    if unknown:
        raise InputError(
            f"'{path.name}' uses categories that it does not define.",
            got=", ".join(map(str, unknown[:5])),
            accepted=", ".join(map(str, numbers)) or "none",
            hint="Add them to the list of categories in the file.",
        )
    table = table_of(
        {n: (numbers[c], score, status) for n, (c, score, status) in rows.items()}, np.asarray(found.array)
    )
    spacing = tuple(float(found.spacing.get(a, 1.0)) for a in found.axes if a in "ZYX")
    task = Task((about.get("info") or {}).get("task", Task.INSTANCE))
    return Segmentation(task, found.array, table, classes, found.axes, spacing, found.unit, path.name)


def _paint(about: CocoObjects, path: Path) -> tuple[np.ndarray, dict[int, ObjectEntry]]:
    """The planes (image, Y, X), and the category, score and status of each label."""
    images = {entry["id"]: i for i, entry in enumerate(about["images"])}
    sizes = {(int(e["height"]), int(e["width"])) for e in about["images"]}
    if len(sizes) != 1:
        raise InputError(
            "The images of this COCO file differ in size, or there are no images.",
            got=f"{len(images)} images, sizes {sorted(sizes)}",
            accepted=ONE_PICTURE,
            hint="Split it into one file per image.",
        )
    shape = sizes.pop()
    check_size(path, (len(images), *shape), "i4")
    entries = about["annotations"]
    highest = max((int(e.get("object_id", i)) for i, e in enumerate(entries, 1)), default=0)
    labels = np.zeros((len(images), *shape), np.int32 if highest < 2**31 else np.int64)
    rows: dict[int, ObjectEntry] = {}
    for i, entry in enumerate(entries, 1):
        number = int(entry.get("object_id", i))
        labels[images[entry["image_id"]]][_mask(entry["segmentation"], shape)] = number
        add_row(rows, number, entry)
    return labels, rows


def _mask(shape_of: list[list[float]] | RunLengths, shape: tuple[int, int]) -> np.ndarray:
    if isinstance(shape_of, list):
        rings = [np.array(ring, float).reshape(-1, 2) for ring in shape_of]
        return np.asarray(np.logical_or.reduce([fill_rings([ring], shape) for ring in rings]))
    counts = shape_of["counts"]
    counts = _expand(counts) if isinstance(counts, str) else counts
    if min(counts, default=0) < 0 or sum(counts) != shape[0] * shape[1]:
        raise InputError(
            "A mask of the COCO file is not of the size of its image.",
            got=f"run lengths of {sum(counts)} pixels in an image of {shape[0]} × {shape[1]}",
        )
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return np.asarray(values.reshape(shape[::-1]).T)


FORMAT = Format(read=read, write=write, read_segmentation=read_segmentation)
