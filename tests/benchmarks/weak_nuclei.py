"""Twenty boxes, twenty points, twenty painted nuclei on one image: AP on other images for each.

    python tests/benchmarks/weak_nuclei.py DATA/nuclei2d_fluo --steps 300

The same twenty nuclei are boxed, clicked (at the voxel farthest from the outline, moved by up to a fifth of the depth) or
painted whole, drawn by seed; five images that have enough, spread over the names, are marked in turn. A narrow U-Net starts
from random weights each time. Twenty nuclei have an empty area beside them in all cases: the corner of the image without
nuclei that is largest. "Guessed masks alone" leaves out the terms that look into boxes. Beside AP: how well the guessed masks
agree with the truth. Writes docs/benchmarks/weak_nuclei.json.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage as ndi

from napari_segplugin.core import ClassTable, Image, ModelSpec, Task, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections, to_sample
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train import objective as terms
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.metrics import measure

CLASSES = ClassTable.named(["nucleus"])


def chosen(truth: np.ndarray, count: int, seed: int) -> list[int]:
    """Numbers of nuclei that are whole and no crumbs."""
    found = [
        n
        for n, box in enumerate(ndi.find_objects(truth), 1)
        if box
        and (truth[box] == n).sum() > 60
        and all(s.start > 0 and s.stop < m for s, m in zip(box, truth.shape, strict=True))
    ]
    return [int(n) for n in np.random.default_rng(seed).permutation(found)[:count]]


def click(mask: np.ndarray, corner: list[int], rng: np.random.Generator) -> np.ndarray:
    """A click in a nucleus, not quite in its middle."""
    depth = ndi.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    middle = np.array(np.unravel_index(depth.argmax(), depth.shape))
    return middle + rng.uniform(-0.2, 0.2, 2) * depth.max() + corner


def empty_area(truth: np.ndarray) -> np.ndarray:
    """The largest square without a nucleus, as a mask."""
    room = ndi.distance_transform_cdt(np.pad(truth == 0, 1), metric="chessboard")[1:-1, 1:-1]
    y, x = np.unravel_index(room.argmax(), room.shape)
    half = int(room.max()) - 2
    area = np.zeros(truth.shape, bool)
    area[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = True
    return area


def supervision(truth: np.ndarray, numbers: list[int], seed: int) -> dict[str, Corrections]:
    """The same nuclei marked in three ways."""
    rng = np.random.default_rng(seed)
    boxes = {n: ndi.find_objects((truth == n).astype(int))[0] for n in numbers}
    blank, paint = np.zeros(truth.shape, np.uint16), np.zeros(truth.shape, np.uint16)
    for number in numbers:
        paint[truth == number] = number
    points = [click(truth[b] == n, [s.start for s in b], rng) for n, b in boxes.items()]
    nothing = empty_area(truth)
    return {
        "painted": Corrections(paint, nothing=nothing),
        "boxes": Corrections(blank, boxes=list(boxes.values()), nothing=nothing),
        "points": Corrections(blank, points=np.array(points), nothing=nothing),
    }


def agreement(image: Image, marks: Corrections, truth: np.ndarray, numbers: list[int]) -> float:
    """Mean IoU of the marked nuclei with the best object of the training sample."""
    objects = to_sample(image, marks, Task.INSTANCE, CLASSES).instances
    if objects is None:
        return 0.0
    found = []
    for number in numbers:
        mask = truth == number
        here = np.bincount(objects[mask])
        best = int(here[1:].argmax()) + 1 if len(here) > 1 else 0
        found.append((mask & (objects == best)).sum() / (mask | (objects == best)).sum() if best else 0.0)
    return float(np.mean(found))


def main() -> None:
    """Mark, train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--images", type=int, default=5, help="images that are marked, each by itself")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--every", type=int, default=4, help="judge on every so-manieth image")
    parser.add_argument("--regulariser", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/weak_nuclei.json"))
    args = parser.parse_args()
    files = sorted((args.folder / "images").glob("*.tif"))
    truths = {f: tifffile.imread(args.folder / "labels" / f.name).astype(int) for f in files}
    able = [f for f in files if len(chosen(truths[f], args.count, args.seed)) == args.count]
    marked = able[:: max(1, len(able) // args.images)][: args.images]
    record: dict[str, Any] = {
        "definition": "TP / (TP + FP + FN) at IoU >= 0.5 and 0.75 per image, mean over the images and the marked ones",
        "marked images, each by itself": [f.stem for f in marked],
        "nuclei marked": args.count,
        "test images": len([f for f in files if f not in marked][:: args.every]),
        "optimiser steps": args.steps,
        "network": "U-Net from random weights, widths 8 16 32 64, patches 128 x 128, 2 a step",
        "cores": os.cpu_count(),
        "seed": args.seed,
    }
    weights = terms.BOX_WEIGHTS
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, CLASSES, {"widths": (8, 16, 32, 64)})
    training = TrainSpec(
        seconds=0,
        steps=args.steps,
        batch=2,
        patch=(128, 128),
        learning_rate=5e-3,
        regulariser=args.regulariser,
        seed=args.seed,
        validate_every=1e6,
        device="cpu",
    )
    others = [f for f in files if f not in marked][:: args.every]
    found: dict[str, list[list[float]]] = {}
    for first in marked:
        numbers = chosen(truths[first], args.count, args.seed)
        image = Image(tifffile.imread(first), "YX", name=first.stem)
        ways = supervision(truths[first], numbers, args.seed)
        for name, marks in (*ways.items(), ("boxes, guessed masks alone", ways["boxes"])):
            terms.BOX_WEIGHTS = dict.fromkeys(weights, 0.0) if "alone" in name else weights
            bundle = drain(finetune(image, marks, new_bundle(spec, name="scratch", seed=args.seed), training)).bundle
            rows = []
            for file in others:
                labels = np.asarray(drain(predict(Image(tifffile.imread(file), "YX"), bundle)).labels)
                rows.append([measure("ap", truths[file], labels, threshold=t).value for t in (0.5, 0.75)])
            guessed = agreement(image, marks, truths[first], numbers)
            found.setdefault(name, []).append([*np.nanmean(rows, 0), guessed])
            middle = np.mean(found[name], 0)
            words = ("AP@0.5", "AP@0.75", "IoU of the training masks with the truth")
            record[name] = {word: round(float(v), 4) for word, v in zip(words, middle, strict=True)}
            print(first.stem, name, record[name], flush=True)
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
