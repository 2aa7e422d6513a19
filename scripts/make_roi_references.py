"""Make tests/models/roi_references.npz with torchvision, which the tests do not need.

Run in an environment of its own with NumPy, torch and torchvision:

    pip install torchvision
    python scripts/make_roi_references.py

Box overlap, deltas and RoIAlign are torchvision's own Python functions. Its compiled operators do not load beside every
build of torch; their names are then only declared, and non-maximum suppression is the loop of its documentation in
float64: from the best score down, a box is kept unless its IoU with a kept one is larger than the threshold.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # torchvision would compile its RoIAlign for minutes

import numpy as np
import torch

TARGET = Path(__file__).parents[1] / "tests" / "models" / "roi_references.npz"
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
SCALE = 0.5
VARIANTS = [(ratio, aligned) for ratio in (2, 3, 0) for aligned in (True, False)]


def import_torchvision() -> torch.library.Library | None:
    """Import it even where its compiled operators are missing; their names are forgotten with what comes back."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in OPERATORS:
            library.define(operator)
        importlib.import_module("torchvision")
        return library
    return None


def random_boxes(rng: np.random.Generator, count: int, size: tuple[float, float], largest: float) -> np.ndarray:
    """(N, 4) as x1, y1, x2, y2; some reach beyond the image."""
    centre = rng.uniform(-0.05, 1.05, (count, 2)) * size
    half = np.exp(rng.uniform(np.log(0.3), np.log(largest), (count, 2))) / 2
    return np.concatenate((centre - half, centre + half), 1).astype(np.float32)


def near(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes without points more than a voxel of the features outside.

    Further out torchvision's compiled RoIAlign gives 0, as the definition says, and its Python one goes on with the border.
    """
    low = np.clip(boxes[:, :2], -0.9, np.array(size) - 1 / SCALE)
    return np.concatenate((low, np.clip(boxes[:, 2:], low + 0.2, size)), 1).astype(np.float32)


def greedy(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> list[int]:
    """Non-maximum suppression as a plain loop."""
    boxes = boxes.astype(np.float64)
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        low, high = np.maximum(boxes[i, :2], boxes[kept, :2]), np.minimum(boxes[i, 2:], boxes[kept, 2:])
        shared = np.clip(high - low, 0, None).prod(1)
        areas = (boxes[kept, 2:] - boxes[kept, :2]).prod(1)
        union = (boxes[i, 2:] - boxes[i, :2]).prod() + areas - shared
        if not (shared / union > overlap).any():
            kept.append(int(i))
    return kept


def main() -> None:
    """Compute and write."""
    names = import_torchvision()
    import torchvision
    from torchvision.models.detection._utils import BoxCoder
    from torchvision.ops import box_iou

    align = sys.modules["torchvision.ops.roi_align"]._roi_align
    rng = np.random.default_rng(0)
    one, two = random_boxes(rng, 9, (40, 30), 20), random_boxes(rng, 7, (40, 30), 20)
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    deltas = rng.normal(0, 0.7, (7, 4)).astype(np.float32)
    deltas[0, 2:] = 9  # beyond the limit of growth
    out = {
        "made_with": np.array([f"torchvision {torchvision.__version__}", f"torch {torch.__version__}"]),
        "one": one,
        "two": two,
        "iou": box_iou(torch.tensor(one), torch.tensor(two)).numpy(),
        "encoded": coder.encode_single(torch.tensor(one[:7]), torch.tensor(two)).numpy(),
        "deltas": deltas,
        "decoded": coder.decode_single(torch.tensor(deltas), torch.tensor(two)).numpy(),
    }
    boxes, scores = random_boxes(rng, 400, (200, 150), 60), rng.permutation(400).astype(np.float32) / 400
    out |= {"nms_boxes": boxes, "nms_scores": scores}
    for overlap in (0.3, 0.5, 0.7):
        out[f"nms_{overlap}"] = np.array(greedy(boxes, scores, overlap), np.int16)
    features = rng.normal(size=(2, 2, 15, 20)).astype(np.float32)
    rois, image = near(random_boxes(rng, 14, (40, 30), 25), (40, 30)), rng.integers(0, 2, 14)
    out |= {"features": features, "rois": rois, "image": image.astype(np.int16)}
    with_image = torch.cat((torch.tensor(image)[:, None].float(), torch.tensor(rois)), 1)
    for ratio, aligned in VARIANTS:
        values = align(torch.tensor(features), with_image, SCALE, 5, 7, ratio, aligned)
        out[f"align_{ratio}_{aligned}"] = values.numpy()
    np.savez_compressed(TARGET, **out)
    print(TARGET, TARGET.stat().st_size, "bytes", "" if names is None else "(without compiled operators)")


if __name__ == "__main__":
    main()
