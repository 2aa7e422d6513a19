"""The loop of a person on images that the model was not trained on: find, correct ten, train, find again around what was corrected.

    python tests/benchmarks/correction_loop.py DATA --images 10 --steps 60 --seeds 0 1 2

DATA is the folder with nuclei2d_fluo. Of each image the ten nuclei are corrected that a person would look at first: three that are
right are accepted, the seven that were found worst are painted as they are. The model that the verdict chooses runs again, and what
was corrected stays. Scored is the whole image, AP@0.5: before correcting, after correcting alone, and after the second run. Target:
never below that before correcting. Writes docs/benchmarks/correction_loop.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage as ndi

from napari_segplugin.core import Image, ModelBundle, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.data.renewing import renewed
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.io import load_bundle, shipped_bundles
from napari_segplugin.metrics import contingency, measure

NAME = "nuclei2d"
ACCEPTED, PAINTED = 3, 7


def find(image: Image, bundle: ModelBundle) -> np.ndarray:
    """Objects of an image."""
    return np.asarray(drain(predict(image, bundle, device="cpu")).labels).astype(np.int32)


def corrected(
    found: np.ndarray, truth: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, list[int], list[int]]:
    """The result after ten corrections: labels, the numbers that were painted, and those that were accepted."""
    table = contingency(truth, found)
    best = np.zeros(len(table.truth_ids))
    np.maximum.at(best, table.truth_index, table.iou)
    worst = table.truth_ids[np.argsort(best, kind="stable")[:PAINTED]]
    labels, top = found.copy(), int(found.max(initial=0))
    # what a person deletes first: objects that lie for the most part in what is painted
    mask = np.isin(truth, worst)
    inside = ndi.mean(mask, found, np.arange(1, top + 1)) if top else np.zeros(0)
    labels[np.isin(labels, np.flatnonzero(inside > 0.5) + 1)] = 0
    painted = []
    for k, number in enumerate(worst.tolist(), 1):
        labels[truth == number] = top + k
        painted.append(top + k)
    right = np.unique(table.prediction_ids[table.prediction_index[table.iou > 0.7]])
    whole = [n for n in rng.permutation(right).tolist() if np.array_equal(labels == n, found == n)]
    return labels, painted, [int(n) for n in whole[:ACCEPTED]]


def one(data: Path, name: str, seed: int, steps: int) -> dict[str, object]:
    """The loop on one image."""
    image, truth = (tifffile.imread(data / "nuclei2d_fluo" / kind / f"{name}.tif") for kind in ("images", "labels"))
    picture, truth = Image(image, "YX", name=name), truth.astype(np.int32)
    bundle, began = load_bundle(shipped_bundles()[NAME]), time.monotonic()
    found = find(picture, bundle)
    labels, painted, accepted = corrected(found, truth, np.random.default_rng(seed))
    marks = Corrections(np.zeros(truth.shape, np.uint16), edited=labels, before=found, accepted=tuple(accepted))
    result = drain(finetune(picture, marks, bundle, TrainSpec(seconds=0, steps=steps, seed=seed, device="cpu")))
    used = result.bundle if result.better else bundle
    again, _ = renewed(labels, find(picture, used), [*painted, *accepted], (labels == 0) & (found > 0))
    scores = [float(measure("ap", truth, a, threshold=0.5).value) for a in (found, labels, again)]
    names = ("before", "corrected", "run again")
    row: dict[str, object] = {
        "image": name,
        "seed": seed,
        **dict(zip(names, np.round(scores, 4).tolist(), strict=True)),
    }
    return row | {"chosen": result.better, "below": scores[2] < scores[0], "seconds": round(time.monotonic() - began)}


def main() -> None:
    """Go, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/correction_loop.json"))
    args = parser.parse_args()
    tested = json.loads((shipped_bundles()[NAME] / "figures.json").read_text())["tested on"]
    rows = []
    for name in sorted(tested):
        truth = tifffile.imread(args.data / "nuclei2d_fluo" / "labels" / f"{name}.tif")
        if len({r["image"] for r in rows}) == args.images:
            break
        if len(np.unique(truth)) > 2 * (ACCEPTED + PAINTED):
            for seed in args.seeds:
                rows.append(one(args.data, name, seed, args.steps))
                print(json.dumps(rows[-1]), flush=True)
    record = {
        "steps": args.steps,
        "images": len({r["image"] for r in rows}),
        "seeds": args.seeds,
        "chosen": sum(bool(r["chosen"]) for r in rows),
        "below": sum(bool(r["below"]) for r in rows),
        **{k: round(float(np.mean([r[k] for r in rows])), 4) for k in ("before", "corrected", "run again")},
        "loops": rows,
    }
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print({k: v for k, v in record.items() if k != "loops"})


if __name__ == "__main__":
    main()
