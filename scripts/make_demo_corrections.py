"""Make the corrections of the demo's sample: what a person would paint who fixes a handful of wrong objects.

    python scripts/make_demo_corrections.py [--model BUNDLE] [--objects 8]

The shipped model segments the sample. The true objects that it got most wrong (lowest IoU with any predicted object) are
painted whole, as the ground truth has them; the largest predicted objects where the truth has none are painted as
background. The result is written into the sample as corrections.tif and ships with the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from napari_segplugin.core import BACKGROUND_PAINT, drain
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
from napari_segplugin.metrics import contingency

SAMPLE = "nuclei2d"


def best_iou(truth: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each true object, and its largest IoU with a predicted one."""
    table = contingency(truth, labels)
    best = np.zeros(len(table.truth_ids))
    np.maximum.at(best, table.truth_index, table.iou)
    return np.asarray(table.truth_ids), best


def corrections(truth: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The strokes, uint16: the worst objects whole, false objects as background."""
    paint = np.zeros(truth.shape, np.uint16)
    ids, best = best_iou(truth, labels)
    worst = ids[np.argsort(best, kind="stable")[:count]]
    for number, old in enumerate(worst, 1):
        paint[truth == old] = number
    false = [n for n in np.unique(labels[labels > 0]) if not truth[labels == n].any()]
    for number in sorted(false, key=lambda n: -int((labels == n).sum()))[: max(1, count // 3)]:
        paint[labels == number] = BACKGROUND_PAINT
    return paint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder of a bundle; the shipped one by default")
    parser.add_argument("--objects", type=int, default=8, help="true objects to paint")
    options = parser.parse_args()
    sample = load_sample(SAMPLE)
    labels = np.asarray(drain(predict(sample.image, load_bundle(options.model or shipped_bundles()[SAMPLE]))).labels)
    paint = corrections(sample.truth, labels, options.objects)
    path = Path(__file__).parents[1] / "sample_data" / SAMPLE / "corrections.tif"
    tifffile.imwrite(path, paint, compression="zlib", metadata={"axes": "YX"})
    print(f"{path}: {len(np.unique(paint[(paint > 0) & (paint != BACKGROUND_PAINT)]))} objects painted")


if __name__ == "__main__":
    main()
