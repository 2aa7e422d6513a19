"""Instances from eight annotated images: train from scratch within a time budget, score on all other images.

    python tests/benchmarks/nuclei_from_scratch.py DATA/nuclei2d_fluo --seconds 120

The first eight images by name train; AP = TP / (TP + FP + FN) per image, averaged over the others. Beside it, in the same
run: Otsu's threshold with a distance-transform watershed. Writes docs/benchmarks/nuclei_from_scratch.json.
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
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.segmentation import watershed

from napari_segplugin.core import ClassTable, Image, ModelSpec, Sample, Task, TileSpec, TrainSpec, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.metrics import measure

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def otsu_watershed(image: np.ndarray) -> np.ndarray:
    """The classical answer: smooth, Otsu, watershed on the distance transform."""
    smooth = gaussian(image.astype(float), 1)
    mask = smooth > threshold_otsu(smooth)
    distance = gaussian(ndi.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=5, labels=ndi.label(mask)[0])
    seeds = np.zeros(mask.shape, int)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, seeds, mask=mask))


def row(truth: np.ndarray, labels: np.ndarray) -> list[float]:
    """AP at each threshold."""
    return [measure("ap", truth, labels, threshold=t).value for t in THRESHOLDS]


def summary(rows: list[list[float]]) -> dict[str, float]:
    """Means over images."""
    table = np.array(rows)
    return {
        "AP@0.5": round(float(np.nanmean(table[:, 0])), 4),
        "mean AP 0.5:0.1:0.9": round(float(np.nanmean(table)), 4),
    }


def main() -> None:
    """Train, score, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/nuclei_from_scratch.json"))
    args = parser.parse_args()
    samples = []
    for file in sorted((args.folder / "images").glob("*.tif")):
        labels = tifffile.imread(args.folder / "labels" / file.name).astype(np.int64)
        samples.append(
            Sample(Image(tifffile.imread(file), "YX", name=file.stem), (labels > 0).astype(np.int64), labels)
        )
    learn, test = samples[:8], samples[8:]
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]))
    start = time.monotonic()
    bundle = drain(
        train(learn, new_bundle(spec, name="scratch", seed=args.seed), TrainSpec(seconds=args.seconds, seed=args.seed))
    )
    wall = time.monotonic() - start
    rows: dict[str, list[list[float]]] = {"U-Net from scratch": [], "the same, mirrored copies averaged": []}
    rows["Otsu and distance watershed"] = []
    for sample in test:
        plain = drain(predict(sample.image, bundle)).labels
        mirrored = drain(predict(sample.image, bundle, tiles=TileSpec(mirror=True))).labels
        for name, labels in zip(rows, (plain, mirrored, otsu_watershed(sample.image.read()[0])), strict=True):
            rows[name].append(row(sample.instances, np.asarray(labels)))
    record = {
        "test images": len(test),
        "training wall seconds, preparation included": round(wall, 1),
        "optimiser steps": bundle.history[-1]["steps"],
        "cores": os.cpu_count(),
        "seed": args.seed,
        "definition": "TP / (TP + FP + FN) at IoU >= threshold, per image, mean over images",
        **{name: summary(found) for name, found in rows.items()},
    }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
