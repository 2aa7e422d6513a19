"""Three annotated slices a volume against fully annotated volumes: a 3D U-Net on five hippocampi, with the same time.

    python tests/benchmarks/sparse_slices.py DATA/hippocampus3d_mri --seconds 180

The first five volumes by name train, the last twelve test. "Varied" slices are one across each axis, at a place that differs
from volume to volume: in the middle of the organ, at a fifth, at four fifths, just before it, just beyond it. "Crossed"
slices are one across each axis through the middle of the organ, as in Çiçek et al. 2016 (arXiv 1606.06650); "parallel" ones
lie across the last axis, at a quarter, the middle and three quarters of the organ, "spread" ones at its middle and just
beyond both ends, where nothing of it is left. Everything else is unknown, not background.
Writes docs/benchmarks/sparse_slices.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_segplugin.core import ClassTable, Kind, ModelSpec, Sample, Task, TileSpec, TrainSpec, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import read_image, read_labels

WAYS = ["varied", "crossed", "spread", "parallel"]
CLASSES = ClassTable.named(["anterior", "posterior"], Kind.STUFF)


def volumes(folder: Path) -> list[Sample]:
    """Every volume with its labels."""
    found = []
    for file in sorted((folder / "images").glob("*.nii.gz")):
        labels, _ = read_labels(folder / "labels" / file.name)
        found.append(Sample(read_image(file), np.asarray(labels).astype(np.int64)))
    return found


SHARES = (0.5, 0.2, 0.8, -0.1, 1.1)
"""Places of the varied slices, from one end of the organ (0) to the other (1)."""


def three_slices(sample: Sample, way: str, number: int) -> Sample:
    """The same with three known planes; `number` of the volume says which, where that varies."""
    places = np.argwhere(sample.classes > 0)
    known = np.zeros(sample.classes.shape, bool)
    if way == "varied":
        for axis, (low, high) in enumerate(zip(places.min(0), places.max(0), strict=True)):
            place = round(low + SHARES[(number + 2 * axis) % len(SHARES)] * (high - low))
            known[(slice(None),) * axis + (min(max(place, 0), known.shape[axis] - 1),)] = True
    elif way == "spread":
        low, high = places[:, 2].min(), places[:, 2].max()
        known[..., [max(0, low - 1), round(np.median(places[:, 2])), min(known.shape[2] - 1, high + 1)]] = True
    elif way == "parallel":
        known[..., np.quantile(places[:, 2], (0.25, 0.5, 0.75), method="nearest")] = True
    else:
        for axis, middle in enumerate(np.median(places, axis=0).astype(int)):
            known[(slice(None),) * axis + (middle,)] = True
    return replace(sample, classes=np.where(known, sample.classes, 0), known=known)


def dice(sample: Sample, labels: np.ndarray) -> list[float]:
    """2 |A and B| / (|A| + |B|) of each class."""
    return [
        float(2 * ((labels == c) & (sample.classes == c)).sum() / ((labels == c).sum() + (sample.classes == c).sum()))
        for c in (1, 2)
    ]


def one(learn: list[Sample], test: list[Sample], seconds: float, steps: int, seed: int) -> dict[str, float]:
    """Train from scratch and judge."""
    bundle = new_bundle(ModelSpec("unet", 3, 1, Task.SEMANTIC, CLASSES), name="sparse", seed=seed)
    bundle = drain(train(learn, bundle, TrainSpec(seconds=0 if steps else seconds, steps=steps, seed=seed)))
    tiles = TileSpec(precision="float32")
    rows = [dice(s, np.asarray(drain(predict(s.image, bundle, tiles=tiles)).labels)) for s in test]
    anterior, posterior = np.mean(rows, 0)
    return {
        "Dice": round(float(np.mean(rows)), 4),
        "Dice anterior": round(float(anterior), 4),
        "Dice posterior": round(float(posterior), 4),
        "known voxels": round(float(np.mean([1.0 if s.known is None else s.known.mean() for s in learn])), 4),
        "steps": bundle.history[-1]["steps"],
        "seconds": bundle.history[-1]["seconds"],
    }


def main() -> None:
    """Train both ways, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--steps", type=int, default=0, help="steps in place of seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/sparse_slices.json"))
    args = parser.parse_args()
    samples = volumes(args.folder)
    learn, test = samples[:5], samples[-12:]
    full = one(learn, test, args.seconds, args.steps, args.seed)
    record: dict[str, object] = {
        "definition": "Dice a volume and class, mean over the 12 test volumes and both classes",
        "fully annotated": full,
        "cores": torch.get_num_threads(),
        "seed": args.seed,
    }
    for way in args.ways:
        sparse = one([three_slices(s, way, i) for i, s in enumerate(learn)], test, args.seconds, args.steps, args.seed)
        record[f"three {way} slices"] = sparse | {"share of the full Dice": round(sparse["Dice"] / full["Dice"], 4)}
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
