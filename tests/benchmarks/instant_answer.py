"""How long after a stroke the random forest answers while somebody paints: first and later strokes, 2D and 3D.

    python tests/benchmarks/instant_answer.py [--strokes 12]

The shipped micrograph of axons, mirrored side by side to 2048², and the shipped volume of nuclei to 64 × 512 × 512, of which
one plane is seen. Strokes of 20 voxels are set one after the other, each class in turn; after each one what is seen is
answered by the call that the dock makes (`Engine.instant_now`), which looks at a part of the voxels and says so; 4096² at the
resolution at which it is seen. The seconds
from the stroke to the labels: wall, and those of the processor. The features of what is seen are computed ahead, from the
first stroke on, while the other classes are painted. Writes docs/benchmarks/instant_answer.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, Kind, Task
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.door import window
from napari_segplugin.io import load_sample

CASES = {
    "2D": ("axon_sem", (2048, 2048), ("axon", "myelin")),
    "2D, pooled": ("axon_sem", (4096, 4096), ("axon", "myelin")),
    "3D": ("nuclei3d", (64, 512, 512), ("nucleus",)),
}


def filled(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Mirrored side by side."""
    array = array[tuple(slice(0, n) for n in shape)]
    return np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)], mode="symmetric")


def answers(name: str, strokes: int) -> tuple[list[dict[str, float]], float]:
    """Seconds after each stroke, and what was computed ahead."""
    sample, shape, names = CASES[name]
    found = load_sample(sample)
    truth = filled(np.asarray(found.truth), shape)
    truth = truth if len(names) > 1 else (truth > 0).astype(np.int64)
    image = Image(filled(np.asarray(found.image.array), shape), "ZYX"[-len(shape) :])
    classes = ClassTable.named(names, Kind.STUFF)
    plane = int((truth > 0).reshape(len(truth), -1).sum(1).argmax()) if len(shape) == 3 else None
    region = (
        tuple(slice(0, n) for n in shape) if plane is None else (slice(plane, plane + 1), slice(0, 512), slice(0, 512))
    )
    paint, rng = np.zeros(shape, np.uint16), np.random.default_rng(0)
    forest = window.pixel_forest(image)
    ahead = time.perf_counter()
    forest.warm(region)
    ahead = time.perf_counter() - ahead
    rows = []
    for k in range(strokes):
        wanted = k % (len(names) + 1)
        flat = truth if plane is None else truth[plane]
        y, x = rng.choice(np.argwhere(flat == wanted))
        part = (*(() if plane is None else (plane,)), slice(y, y + 2), slice(x, x + 10))
        paint[part][truth[part] == wanted] = wanted or BACKGROUND_PAINT
        if k < len(names) + 1:
            continue  # every class once before the first answer
        wall, own = time.perf_counter(), time.process_time()
        copied = Corrections(paint.copy())
        window.instant_now(image, copied, Task.SEMANTIC, classes, region=region, forest=forest)
        rows.append({"wall": time.perf_counter() - wall, "processor": time.process_time() - own})
    return rows, ahead


def main() -> None:
    """Paint, answer, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=12)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/instant_answer.json"))
    args = parser.parse_args()
    record: dict[str, Any] = {"cores": os.cpu_count(), "load average": round(os.getloadavg()[0], 1)}
    answers("2D", 6)  # the first call loads the libraries
    for name, (_, shape, _) in CASES.items():
        rows, ahead = answers(name, args.strokes)
        record[name] = {
            "image": list(shape),
            "features, ahead of the first answer": round(ahead, 2),
            "first stroke": {k: round(v, 2) for k, v in rows[0].items()},
            "later strokes, median": {k: round(median(r[k] for r in rows[1:]), 2) for k in rows[0]},
            "later strokes, slowest": {k: round(max(r[k] for r in rows[1:]), 2) for k in rows[0]},
        }
        print(name, record[name], flush=True)
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
