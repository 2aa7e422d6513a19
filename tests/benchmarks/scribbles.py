"""From one person's strokes on one slice, Dice on that slice: random forest, network, with and without the regulariser.

    python tests/benchmarks/scribbles.py DATA/scribbles_medical --steps 280 850

A binary task a file (BTCV, HipXRay, OCTA500, SCD), strokes of three people each. The network is a narrow U-Net that starts
from random weights for every set of strokes; its budget is counted in optimiser steps, so that the numbers do not depend
on what else the computer does (`--seconds` counts time instead): one core makes about 280 in 10 s and 850 in 30 s. "Touched"
keeps the pieces of a mask that a stroke of the class touches, "near strokes" prefers places near a stroke of the class
(:mod:`napari_segplugin.data.strokes`); both together are `one_thing=True` of the instant answer. "And forest" averages the
probabilities of both. Each set of strokes that is done is written down at once, and a second run goes on from there. Writes
docs/benchmarks/scribbles.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import (
    BACKGROUND_PAINT,
    AugmentSpec,
    ClassTable,
    Image,
    Kind,
    ModelSpec,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.data.strokes import near_strokes, touched_pieces
from napari_segplugin.engine.instant import PixelForest
from napari_segplugin.engine.network import load
from napari_segplugin.engine.train.examples import prepare_sample
from napari_segplugin.engine.train.heldout import read_maps
from napari_segplugin.engine.train.train import Recipe, new_bundle, train_prepared

CLASSES = ClassTable.named(["target"], Kind.STUFF)
WIDTHS = (8, 16, 32, 64)


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|)."""
    return float(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))


def strokes_of(scribble: np.ndarray) -> np.ndarray:
    """Positive and negative strokes (2, Y, X) as a corrections layer holds them."""
    paint = np.zeros(scribble.shape[1:], np.uint16)
    paint[scribble[0]] = 1
    paint[scribble[1]] = BACKGROUND_PAINT
    return paint


def forest_maps(sample: Sample) -> np.ndarray:
    """Class probabilities of the instant answer."""
    whole = tuple(slice(0, n) for n in sample.classes.shape)
    return PixelForest(sample.image).fit(sample, 2).probabilities(whole)


def network_maps(sample: Sample, limit: dict[str, Any], regulariser: float) -> np.ndarray:
    """Class probabilities of a small network from random weights."""
    from dataclasses import replace

    bundle = new_bundle(ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES, {"widths": WIDTHS}), name="scratch")
    spec = TrainSpec(**limit, learning_rate=5e-3, batch=2, patch=(128, 128), regulariser=regulariser, device="cpu")
    prepared = prepare_sample(sample, bundle)
    recipe = Recipe(AugmentSpec(scale=1.25), average=0.95)
    result = drain(train_prepared([prepared], bundle, spec, recipe=recipe))
    bundle = replace(bundle, weights=result.state)
    return read_maps(load(bundle).eval(), prepared.image.numpy(), bundle.spec)


def cell(file: Path, person: int, limits: dict[str, dict[str, Any]], weight: float) -> dict[str, float]:
    """Every method on one person's strokes."""
    with np.load(file) as arrays:
        image, truth = Image(arrays["image"], "YX", name=file.stem), arrays["truth"]
        paint = strokes_of(arrays[f"scribble_{person}"])
    sample = to_sample(image, Corrections(paint), Task.SEMANTIC, CLASSES)
    maps = {"forest": forest_maps(sample)}
    for name, limit in limits.items():
        maps[f"network {name}"] = network_maps(sample, limit, 0.0)
        maps[f"network {name}, regulariser"] = network_maps(sample, limit, weight)
    maps |= {f"{name} and forest": (m + maps["forest"]) / 2 for name, m in list(maps.items())[1:]}
    spacing = image.canonical_spacing
    masks = {name: m.argmax(0) == 1 for name, m in maps.items()}
    masks |= {f"{name}, near strokes": near_strokes(m, paint, spacing).argmax(0) == 1 for name, m in maps.items()}
    found = {name: dice(mask, truth) for name, mask in masks.items()}
    found |= {f"{n}, touched": dice(touched_pieces(m.astype(int), paint) == 1, truth) for n, m in masks.items()}
    return {name: round(value, 4) for name, value in found.items()}


def table(cells: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Means of each method by task, and over all sets of strokes."""
    out: dict[str, Any] = {}
    for method in sorted({m for row in cells.values() for m in row}):
        tasks: dict[str, list[float]] = {}
        for key, row in cells.items():
            if method in row:
                tasks.setdefault(key.split("_")[0], []).append(row[method])
        every = [v for values in tasks.values() for v in values]
        out[method] = {"mean": round(float(np.mean(every)), 4), "sets": len(every)}
        out[method] |= {task: round(float(np.mean(v)), 4) for task, v in sorted(tasks.items())}
    return out


def main() -> None:
    """Go through files and people, write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, nargs="*", default=[280, 850])
    parser.add_argument("--seconds", type=float, nargs="*", default=[])
    parser.add_argument("--regulariser", type=float, default=0.1)
    parser.add_argument("--most", type=float, default=1e9, help="begin no set of strokes after so many seconds")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/scribbles.json"))
    args = parser.parse_args()
    limits = {f"{n} steps": {"steps": n, "seconds": 0.0} for n in args.steps}
    limits |= {f"{s:g} s": {"seconds": s} for s in args.seconds}
    cells = json.loads(args.write.read_text())["sets of strokes"] if args.write.exists() else {}
    files = sorted(args.folder.glob("*.npz"))
    start = time.monotonic()
    # each third of the way has every file once and people in turn, so that a part of the run is a fair sample
    for person, file in ((int(i + r) % 3, f) for r in range(3) for i, f in enumerate(files)):
        key = f"{file.stem} {person}"
        wanted = {n: limit for n, limit in limits.items() if f"network {n}" not in cells.get(key, {})}
        if ("forest, near strokes" in cells.get(key, {}) and not wanted) or time.monotonic() - start > args.most:
            continue
        cells[key] = {**cells.get(key, {}), **cell(file, person, wanted, args.regulariser)}
        every = {m for row in cells.values() for m in row}
        record = {
            "definition": "Dice on the slice that was painted on; mean over sets of strokes (a file and a person)",
            "network": f"U-Net, widths {WIDTHS}, patches 128 x 128, 2 a step, learning rate 5e-3",
            "weight of the regulariser": args.regulariser,
            "cores": os.cpu_count(),
            "table": table(cells),
            "table of the sets that every method has seen": table({k: v for k, v in cells.items() if set(v) == every}),
            "sets of strokes": cells,
        }
        args.write.parent.mkdir(parents=True, exist_ok=True)
        args.write.write_text(json.dumps(record, indent=1) + "\n")
        print(key, cells[key], flush=True)
    print(json.dumps(table(cells), indent=1))


if __name__ == "__main__":
    main()
