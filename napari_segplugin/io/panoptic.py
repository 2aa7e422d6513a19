"""COCO panoptic: one JSON file, and beside it a folder with one PNG a plane whose colours are the segments' numbers.

The number of a segment is red + 256 · green + 65536 · blue; 0 is void. The layout is the one that panopticapi expects
by itself: ``NAME.panoptic.json`` and the folder ``NAME.panoptic``. The format: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from scipy import ndimage

from napari_segplugin.core import InputError, Kind, Segmentation
from napari_segplugin.core.types import JsonDict
from napari_segplugin.core.words import plain_name
from napari_segplugin.io.beside import inside
from napari_segplugin.io.boundary import read_json
from napari_segplugin.io.coco import ONE_PICTURE, as_found, as_segmentation, categories, file_info, image_entry
from napari_segplugin.io.files import Format, Found, LabelsToWrite
from napari_segplugin.io.objects import CROWD, CocoPanoptic, Described, ObjectEntry, add_row, describe, planes, rgb
from napari_segplugin.io.raster import bounded

_MOST = 2**24


def write(labels: LabelsToWrite, path: Path) -> None:
    """Write the JSON file to `path` and the PNGs into the folder beside it.

    Raises
    ------
    InputError
        If a label does not fit in three bytes.
    """
    folder = _folder(path)
    folder.mkdir()
    rows = describe(labels)
    images, annotations = [], []
    for number, (at, plane) in enumerate(planes(labels), 1):
        if int(plane.max(initial=0)) >= _MOST:
            raise InputError(
                "A COCO panoptic PNG holds only labels below 16777216.",
                got=int(plane.max()),
                hint="Renumber the objects from 1.",
            )
        entry = image_entry(labels, number, at, plane)
        name = f"{plain_name(Path(str(entry['file_name'])).stem)}.png"
        imageio.imwrite(folder / name, _as_colors(plane), plugin="pillow", extension=".png")
        images.append(entry)
        annotations.append({"image_id": number, "file_name": name, "segments_info": _segments(plane, rows)})
    about = {"info": file_info(labels), "images": images, "annotations": annotations}
    path.write_text(json.dumps({**about, "categories": _categories(labels)}), encoding="utf-8")


def _folder(path: Path) -> Path:
    """The folder with the PNGs: the name without ".json", as panopticapi has it."""
    return path.with_name(path.name[: -len(".json")])


def _as_colors(plane: np.ndarray) -> np.ndarray:
    value = plane.astype(np.uint32)
    return np.stack([value & 255, (value >> 8) & 255, (value >> 16) & 255], axis=-1).astype(np.uint8)


def _categories(labels: LabelsToWrite) -> list[JsonDict]:
    classes = labels.segmentation.classes.classes[1:] if labels.segmentation else ()
    more: list[JsonDict] = [{"isthing": int(c.kind is Kind.THING), "color": list(rgb(c.color))} for c in classes]
    return [{**one, **other} for one, other in zip(categories(labels), more, strict=True)]


def _segments(plane: np.ndarray, rows: Mapping[int, Described]) -> list[JsonDict]:
    present, at, counts = np.unique(plane, return_inverse=True, return_counts=True)
    boxes = ndimage.find_objects(at.reshape(plane.shape) + (0 if present[0] == 0 else 1))
    keep = present != 0
    out = []
    for label, count, box in zip(present[keep].tolist(), counts[keep].tolist(), boxes, strict=True):
        y, x = box
        about = rows[label]
        entry = {"id": label, "category_id": about.kind.id, "area": count}
        entry["iscrowd"] = int(about.status == CROWD)
        entry["bbox"] = [x.start, y.start, x.stop - x.start, y.stop - y.start]
        out.append(entry if np.isnan(about.score) else {**entry, "score": round(about.score, 6)})
    return out


def _load(path: Path) -> tuple[np.ndarray, CocoPanoptic, dict[int, ObjectEntry]]:
    about = read_json(path, CocoPanoptic)
    stack: list[np.ndarray] = []
    rows: dict[int, ObjectEntry] = {}
    for entry in about["annotations"]:
        picture = inside(_folder(path), entry["file_name"], path)
        colors = np.asarray(imageio.imread(picture, plugin="pillow", mode="RGB"), np.int32)
        stack.append(colors @ np.array([1, 256, 65536], np.int32))
        for segment in entry["segments_info"]:
            add_row(rows, int(segment["id"]), segment)
    if len({plane.shape for plane in stack}) != 1:
        raise InputError(
            f"The images of '{path.name}' differ in size, or there are no images.",
            got=f"{len(stack)} images, sizes {sorted({plane.shape for plane in stack})}",
            accepted=ONE_PICTURE,
            hint="Split it into one file per image.",
        )
    return np.stack(stack), about, rows


def read(path: Path) -> Found:
    """Read the numbers of the segments."""
    with bounded(path):
        labels, about, _ = _load(path)
    return as_found(labels, about, path)


def read_segmentation(path: Path) -> Segmentation:
    """Read the segments with their classes, things and stuff."""
    with bounded(path):
        labels, about, rows = _load(path)
    there = set(np.unique(labels).tolist())
    lost = sorted(there - {0, *rows})
    if lost:
        raise InputError(
            f"The PNG files of '{path.name}' contain segments that the file does not describe.",
            got=", ".join(map(str, lost[:5])),
            accepted="the numbers in segments_info, and 0 for background",
            hint="Export the JSON and the PNG files together again: each colour needs an entry in segments_info.",
        )
    drawn = {int(s["id"]) for e in about["annotations"] for s in e["segments_info"] if s.get("area", 1)}
    unseen = sorted(drawn - there)
    if unseen:
        raise InputError(
            f"'{path.name}' describes segments that its PNG files do not contain.",
            got=", ".join(map(str, unseen[:5])),
            accepted="a colour in the PNG for each entry of segments_info",
            hint="Export the JSON and the PNG files together again: these do not belong together.",
        )
    about["info"] = {"task": "panoptic", **(about.get("info") or {})}
    return as_segmentation(as_found(labels, about, path), about, rows, path)


FORMAT = Format(read=read, write=write, read_segmentation=read_segmentation, beside=".panoptic")
