"""From five strokes a class on one micrograph to all others: fine-tuning against a random forest, same strokes.

    python tests/benchmarks/axon_strokes.py DATA/axon_sem

Strokes are drawn by a seeded random walk inside each class, three pixels wide. The network starts from scratch. The
forest is scikit-image's trainable segmentation (multiscale intensity, edges, texture; 100 trees). Mean Dice of axon and
myelin over all other images. Writes docs/benchmarks/axon_strokes.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage as ndi
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, Image, Kind, ModelSpec, Task, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.engine.train.train import new_bundle

CLASSES = ClassTable.named(["axon", "myelin"], Kind.STUFF)


def strokes(labels: np.ndarray, count: int, seed: int, length: int = 40) -> np.ndarray:
    """`count` strokes a class, as a corrections layer holds them."""
    rng = np.random.default_rng(seed)
    paint = np.zeros(labels.shape, np.uint16)
    for c in range(3):
        depth = ndi.distance_transform_edt(labels == c)
        places = np.argwhere(depth >= 2.5)
        done = 0
        while done < count:
            path = walk(depth, places[rng.integers(len(places))], rng.uniform(0, 2 * np.pi), length)
            if len(path) < 8:
                continue
            for y, x in path:
                box = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
                paint[box][labels[box] == c] = BACKGROUND_PAINT if c == 0 else c
            done += 1
    return paint


def walk(depth: np.ndarray, start: np.ndarray, angle: float, length: int) -> list[tuple[int, int]]:
    """A path of two-pixel steps that turns away from the outline of the class."""
    y, x = int(start[0]), int(start[1])
    path = []
    for _ in range(length):
        path.append((y, x))
        for turn in (0, 0.4, -0.4, 0.8, -0.8, 1.2, -1.2):
            ny, nx = round(y + 2 * np.sin(angle + turn)), round(x + 2 * np.cos(angle + turn))
            if 0 <= ny < depth.shape[0] and 0 <= nx < depth.shape[1] and depth[ny, nx] >= 2:
                y, x, angle = ny, nx, angle + turn
                break
        else:
            break
    return path


def dice(labels: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice of axon and myelin."""
    return float(
        np.mean([2 * ((labels == c) & (truth == c)).sum() / ((labels == c).sum() + (truth == c).sum()) for c in (1, 2)])
    )


def features(image: np.ndarray) -> np.ndarray:
    """scikit-image's features for trainable segmentation."""
    return np.asarray(multiscale_basic_features(image, sigma_min=1, sigma_max=16))


def main() -> None:
    """Run both on each training image in turn, write the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, nargs="+", default=[5, 15, 30, 60])
    parser.add_argument("--strokes", type=int, default=5)
    parser.add_argument("--on", type=int, nargs="+", default=[0], help="images that are painted on, one run each")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/axon_strokes.json"))
    args = parser.parse_args()
    files = sorted((args.folder / "images").glob("*.tif"))
    data = [(tifffile.imread(f), tifffile.imread(args.folder / "labels" / f.name)) for f in files]
    forest, forest_seconds, curve = [], [], {s: [] for s in args.seconds}
    for on in args.on:
        image, labels = data[on]
        paint = strokes(labels, args.strokes, seed=on)
        others = [d for i, d in enumerate(data) if i != on]
        start = time.monotonic()
        known = paint > 0
        target = np.where(paint == BACKGROUND_PAINT, 0, paint)[known]
        model = RandomForestClassifier(100, n_jobs=-1, random_state=0).fit(features(image)[known], target)
        forest_seconds.append(time.monotonic() - start)
        guess = [
            model.predict(f.reshape(-1, f.shape[-1])).reshape(f.shape[:2]) for f in (features(x) for x, _ in others)
        ]
        forest.append(np.mean([dice(g, t) for g, (_, t) in zip(guess, others, strict=True)]))
        for seconds in args.seconds:
            bundle = new_bundle(ModelSpec("unet", 2, 1, Task.SEMANTIC, CLASSES), name="scratch")
            tuned = drain(finetune(Image(image, "YX"), Corrections(paint), bundle, TrainSpec(seconds=seconds)))
            results = [np.asarray(drain(predict(Image(x, "YX"), tuned.bundle)).labels) for x, _ in others]
            curve[seconds].append(np.mean([dice(r, t) for r, (_, t) in zip(results, others, strict=True)]))
            print(
                on,
                seconds,
                tuned.bundle.history[-1]["steps"],
                round(float(curve[seconds][-1]), 3),
                "forest",
                round(float(forest[-1]), 3),
            )
    record = {
        "definition": "Dice of axon and of myelin, averaged; mean over all images but the painted one",
        "painted images": [files[i].stem for i in args.on],
        "strokes a class": args.strokes,
        "cores": os.cpu_count(),
        "random forest": {
            "Dice": round(float(np.mean(forest)), 4),
            "seconds": round(float(np.mean(forest_seconds)), 1),
        },
        "U-Net from scratch, by seconds": {str(s): round(float(np.mean(v)), 4) for s, v in curve.items()},
    }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
