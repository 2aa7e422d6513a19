"""Make tests/metrics/reference_values.json with MONAI and StarDist, which the tests do not need.

Run in an environment of its own with NumPy, SciPy, scikit-image and torch:

    pip install monai stardist
    python scripts/make_metric_references.py
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_iou,
    compute_panoptic_quality,
    compute_surface_dice,
)
from stardist.matching import matching, matching_dataset

FOLDER = Path(__file__).parents[1] / "tests" / "metrics"
sys.path.insert(0, str(FOLDER))

import metric_examples as examples  # noqa: E402


def one_hot(labels: np.ndarray) -> torch.Tensor:
    """(1, 3, …) tensor of the classes 0, 1, 2."""
    return torch.as_tensor(np.stack([labels == c for c in range(3)])[None]).float()


def semantic(kind: str, seed: int) -> dict[str, Any]:
    """Per class 1 and 2 with MONAI."""
    truth, prediction = (one_hot(a) for a in examples.classes(kind, seed))
    space = {"include_background": False, "spacing": examples.SPACINGS[kind]}
    tolerance = [examples.TOLERANCE[kind]] * 2
    return {
        "dice": compute_dice(prediction, truth, include_background=False)[0].tolist(),
        "iou": compute_iou(prediction, truth, include_background=False)[0].tolist(),
        "hd95": compute_hausdorff_distance(prediction, truth, percentile=95, **space)[0].tolist(),
        "hausdorff": compute_hausdorff_distance(prediction, truth, **space)[0].tolist(),
        "assd": compute_average_surface_distance(prediction, truth, symmetric=True, **space)[0].tolist(),
        "nsd": compute_surface_dice(prediction, truth, class_thresholds=tolerance, **space)[0].tolist(),
    }


def instance(kind: str, seed: int) -> list[dict[str, Any]]:
    """At each threshold with StarDist."""
    found = matching(*examples.objects(kind, seed), thresh=examples.THRESHOLDS)
    keys = ("tp", "fp", "fn", "precision", "recall", "accuracy", "f1")
    return [{k: float(getattr(m, k)) for k in keys} for m in found]


def panoptic(kind: str, seed: int) -> list[list[float]]:
    """TP, FP, FN and the sum of IoU of classes 1 and 2 with MONAI, which takes one class at a time."""
    truth, prediction = examples.objects(kind, seed)
    rows = []
    for c in (1, 2):
        one, other = (torch.as_tensor(np.where(examples.class_of(a) == c, a, 0)) for a in (truth, prediction))
        rows.append(compute_panoptic_quality(other, one, output_confusion_matrix=True).tolist())
    return rows


def dataset(kind: str) -> dict[str, list[float]]:
    """Average precision of all images with StarDist, pooled and as the mean of images."""
    pairs = [examples.objects(kind, s) for s in examples.SEEDS]
    truth, prediction = zip(*pairs, strict=True)
    result = {}
    for name, by_image in (("pooled", False), ("mean_over_images", True)):
        found = matching_dataset(truth, prediction, examples.THRESHOLDS, by_image=by_image, show_progress=False)
        result[name] = [float(m.accuracy) for m in found]
    return result


def main() -> None:
    """Write the file."""
    values: dict[str, Any] = {"made_with": {p: version(p) for p in ("monai", "stardist", "torch", "numpy")}}
    for kind in examples.SHAPES:
        values[kind] = {
            "semantic": [semantic(kind, s) for s in examples.SEEDS],
            "instance": [instance(kind, s) for s in examples.SEEDS],
            "panoptic": [panoptic(kind, s) for s in examples.SEEDS],
            "dataset": dataset(kind),
        }
    (FOLDER / "reference_values.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
