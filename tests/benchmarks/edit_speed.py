"""How long the correction tools and their undoing take, beside the plain way of doing the same.

    python tests/benchmarks/edit_speed.py [--repeats 7]

Layers of 2048 x 2048 and 64 x 1024 x 1024 voxels with thousands of objects and one large one; an object of 360,000 voxels in
64 x 512 x 512 for split and merge. An undo step is timed as a whole (`layer.undo()`: voxels, table, and napari's slicing for
the redraw) and without that slicing. The plain way is numpy on the whole array (a copy of the layer for undo, `numpy.where`
for merge, scikit-image's watershed on the object's box for split). Wall times are medians, processor times are the least of
all repeats: on a busy machine only the latter say what the code costs. Writes docs/benchmarks/edit_speed.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.viewer.edits import Editor

OUT = Path(__file__).parents[2] / "docs" / "benchmarks" / "edit_speed.json"


class Times:
    """Wall and processor times of one thing, repeated."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def take(self, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        out = work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return out

    def ms(self) -> dict[str, float]:
        return {
            "wall_median_ms": round(1000 * float(np.median(self.wall)), 1),
            "cpu_least_ms": round(1000 * min(self.cpu), 1),
        }


def grid(shape: tuple[int, ...], cell: int, depth: int) -> np.ndarray:
    """Blocks in a grid, one number each, and a large one in the corner."""
    labels = np.zeros(shape, np.int32)
    number = 1
    for y in range(0, shape[-2] - cell + 1, cell):
        for x in range(0, shape[-1] - cell + 1, cell):
            for z in range(0, shape[0], depth) if len(shape) == 3 else [None]:
                number += 1
                where = (slice(y + 2, y + cell - 2), slice(x + 2, x + cell - 2))
                labels[where if z is None else (slice(z + 1, z + depth - 1), *where)] = number
    large = tuple(slice(0, n // 4) for n in shape[-2:])
    labels[large if len(shape) == 2 else (slice(8, 40), *large)] = 1
    return labels


def layer_of(labels: np.ndarray) -> Labels:
    numbers = [n for n in np.unique(labels).tolist() if n]
    n = len(numbers)
    features = {
        "index": [0, *numbers],
        "label": [0, *numbers],
        "class": ["background", *["cell"] * n],
        "area (px)": [np.nan, *[1.0] * n],
        "score": [np.nan, *[0.9] * n],
        "status": ["", *["predicted"] * n],
    }
    return Labels(labels, features=features)


def time_undo(labels: np.ndarray, repeats: int) -> dict[str, Any]:
    """Undo and redo of each kind of step."""
    layer = layer_of(labels)
    found = Times()
    boxes = found.take(lambda: ObjectBoxes(labels))
    editor = Editor(layer, usual_class="cell")
    editor.take_boxes(boxes, editor.version)
    pair = [n for n in boxes if n != 1][:2]
    kinds: dict[str, Callable[[], Any]] = {
        "merge two": lambda: editor.merge(pair),
        "delete the large one": lambda: editor.delete([1]),
        "grow the large one": lambda: editor.grow(1, distance=1),
        "accept": lambda: editor.accept([1]),
        "brush stroke": lambda: layer.paint((*(n // 2 for n in labels.shape),), 1),
    }
    redraw, copied = Times(), Times()
    for _ in range(repeats):
        redraw.take(layer.refresh)
        copied.take(labels.copy)
    out: dict[str, Any] = {
        "objects": len(boxes),
        "voxels of the large one": boxes.size(1),
        "boxes of all objects, once": found.ms(),
        "slicing for the redraw": redraw.ms(),
        "plain: a copy of the layer": copied.ms(),
    }
    for name, edit in kinds.items():
        undo, redo, do = Times(), Times(), Times()
        do.take(edit)
        for _ in range(repeats):
            undo.take(layer.undo)
            redo.take(layer.redo)
        layer.undo()
        before = max(0.0, min(undo.cpu) - min(redraw.cpu))
        out[name] = {
            "edit": do.ms(),
            "undo": undo.ms(),
            "redo": redo.ms(),
            "undo before the redraw, cpu ms": round(1000 * before, 1),
        }
    return out


def balls(radius: int) -> tuple[np.ndarray, int]:
    """Two balls that overlap, as one object, and a third beside them, in 64 x 512 x 512."""
    labels = np.zeros((64, 512, 512), np.int32)
    z, y, x = np.ogrid[:64, :512, :512]
    for number, middle in ((3, 180), (3, 180 + int(1.5 * radius)), (7, 460)):
        inside = ((z - 32) / 28) ** 2 + ((y - 250) / radius) ** 2 + ((x - middle) / radius) ** 2 <= 1
        labels[inside & (labels == 0)] = number
    return labels, 180 + int(0.75 * radius)


def time_split(repeats: int, radius: int) -> dict[str, Any]:
    """Split and merge of one object."""
    labels, neck = balls(radius)
    layer = layer_of(labels)
    editor = Editor(layer)
    size = editor.boxes.size(3)
    image = np.where(labels > 0, 100, 10).astype(np.float32)
    image[:, :, neck - 2 : neck + 3] *= 0.8
    line = np.array([[0.0, neck], [511.0, neck]])
    seeds = np.array([[32, 250, 180], [32, 250, 180 + int(1.5 * radius)]])
    kinds: dict[str, Callable[[], Any]] = {
        "split by a line": lambda: editor.split_cut(3, line, (1, 2)),
        "split by two points, shape": lambda: editor.split_seeds(3, seeds),
        "split by two points, image": lambda: editor.split_seeds(3, seeds, image),
        "merge": lambda: editor.merge([3, 7]),
    }
    plain_seeds, plain_merge = Times(), Times()
    for _ in range(max(2, repeats // 3)):
        plain_seeds.take(lambda: _plain_split(labels, editor.boxes.box(3), seeds))
        plain_merge.take(lambda: np.where(labels == 7, 3, labels))
    out: dict[str, Any] = {"voxels": size}
    for name, edit in kinds.items():
        times = Times()
        for _ in range(repeats):
            times.take(edit)
            layer.undo()
        plain = plain_merge if name == "merge" else plain_seeds if "points, shape" in name else None
        out[name] = times.ms()
        if plain is not None:
            out[name]["plain"] = plain.ms()
            out[name]["plain over ours, cpu"] = round(min(plain.cpu) / min(times.cpu), 1)
    return out


def _plain_split(labels: np.ndarray, box: Any, seeds: np.ndarray) -> np.ndarray:
    mask = labels[box] == 3
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple((seeds - [s.start for s in box]).T)] = [1, 2]
    return np.asarray(watershed(-ndi.distance_transform_edt(mask), markers, mask=mask))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    result = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "repeats": repeats,
        "undo, 2048 x 2048": time_undo(grid((2048, 2048), 32, 1), repeats),
        "undo, 64 x 1024 x 1024": time_undo(grid((64, 1024, 1024), 32, 16), repeats),
        "64 x 512 x 512, object of 360,000 voxels": time_split(repeats, 40),
        "64 x 512 x 512, object of 1,800,000 voxels": time_split(repeats, 90),
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
