"""Rare classes with and without *Balance*: street scenes, a U-Net from scratch twice with the same budget.

    python tests/benchmarks/rare_class.py DATA --seconds 300

CamVid at half size, 40 images train, 20 test (`networks.py`); the default losses, without weights. Recall = true positives /
voxels of the class, IoU = intersection / union, both pooled over the test images. Writes docs/benchmarks/rare_class.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from napari_segplugin.core import LossSpec, TileSpec, TrainSpec, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.train import new_bundle, train
from networks import streets

RARE = 0.02
"""A class with less than this share of the known training voxels is called rare."""


def main() -> None:
    """Train both ways, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--steps", type=int, default=0, help="steps in place of seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/rare_class.json"))
    args = parser.parse_args()
    learn, test, spec, _ = streets(args.folder)
    n = len(spec.classes)
    counts = np.sum([np.bincount(s.classes[s.known], minlength=n) for s in learn], 0)
    shares = counts / counts.sum()
    record: dict[str, object] = {
        "definition": "recall = TP / (TP + FN), IoU = TP / (TP + FP + FN), pooled over the test images",
        "share of training voxels": {spec.classes[c].name: round(float(shares[c]), 4) for c in range(n)},
        "cores": torch.get_num_threads(),
        "seed": args.seed,
    }
    for name, balance in (("as it is", False), ("Balance", True)):
        budget = TrainSpec(
            seconds=0 if args.steps else args.seconds,
            steps=args.steps,
            loss=LossSpec(),
            seed=args.seed,
            balance=balance,
        )
        bundle = drain(train(learn, new_bundle(spec, name="street", seed=args.seed), budget))
        table = np.zeros((n, n), np.int64)
        for s in test:
            found = np.asarray(drain(predict(s.image, bundle, tiles=TileSpec(precision="float32"))).labels)
            np.add.at(table, (s.classes[s.known], found[s.known]), 1)
        hit, truth, guess = table.diagonal(), table.sum(1), table.sum(0)
        recall, iou = hit / np.maximum(truth, 1), hit / np.maximum(truth + guess - hit, 1)
        rare = [c for c in range(n) if 0 < shares[c] < RARE and truth[c]]
        record[name] = {
            "steps": bundle.history[-1]["steps"],
            "mean recall of rare classes": round(float(recall[rare].mean()), 4),
            "mean IoU of rare classes": round(float(iou[rare].mean()), 4),
            "mean IoU": round(float(iou[truth > 0].mean()), 4),
            "recall": {spec.classes[c].name: round(float(recall[c]), 4) for c in rare},
            "IoU": {spec.classes[c].name: round(float(iou[c]), 4) for c in rare},
        }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
