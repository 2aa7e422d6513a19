"""Fine-tuning on ten painted nuclei of one image: what it gains there, and what it costs on images of another look.

    python tests/benchmarks/forgetting.py DATA/nuclei2d_fluo --steps 100

Of the images that the shipped model was tested on, six are corrected in turn: the ten nuclei that the model gets worst (by the
IoU of the best object) are painted whole, everything else is unknown. After so many steps the corrected image and every
fourth of the other test images are predicted anew. With rehearsal, half of the patches are pieces that the model has learnt
from before. "Half way" is the mean of the old and the new weights without rehearsal (Wortsman et al. 2022, arXiv 2109.01903),
for comparison. The corrected image holds the painted nuclei, so its figure after is one of learning, not of generalising.
Writes docs/benchmarks/forgetting.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile

from napari_segplugin.core import Image, ModelBundle, TrainSpec, drain
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.finetune import finetune
from napari_segplugin.io import load_bundle, shipped_bundles
from napari_segplugin.metrics.instance import average_precision

CORRECTED = ("4d4ebfcae437", "77ceeb87f560", "35ca5f142a7d", "0bf4b1441676", "7c318172e976", "05a8f65ebd0b")
Pair = tuple[Image, np.ndarray]


def pairs(folder: Path) -> dict[str, Pair]:
    """Image and truth of every test image, by name."""
    files = sorted((folder / "images").glob("*.tif"))[0::2]
    return {
        f.stem: (
            Image(tifffile.imread(f), "YX", name=f.stem),
            tifffile.imread(folder / "labels" / f.name).astype(np.int32),
        )
        for f in files
    }


def precision(pair: Pair, bundle: ModelBundle) -> list[float]:
    """AP at 0.5 and at 0.75."""
    image, truth = pair
    return list(average_precision(truth, np.asarray(drain(predict(image, bundle)).labels), [0.5, 0.75]))


def worst(pair: Pair, bundle: ModelBundle, count: int) -> np.ndarray:
    """The nuclei that the model gets worst, painted with their numbers."""
    image, truth = pair
    found = np.asarray(drain(predict(image, bundle)).labels)
    overlaps = []
    for number in np.unique(truth)[1:]:
        mask = truth == number
        inside = np.bincount(found[mask], minlength=2)
        inside[0] = 0
        best = int(inside.argmax())
        overlaps.append((inside[best] / (mask.sum() + (found == best).sum() - inside[best]), number))
    chosen = [number for _, number in sorted(overlaps)[:count]]
    return np.where(np.isin(truth, chosen), truth, 0).astype(np.uint16)


def half_way(old: ModelBundle, new: ModelBundle) -> ModelBundle:
    """The mean of two sets of weights."""
    mean = {k: ((v + old.weights[k]) / 2).astype(v.dtype) for k, v in new.weights.items()}
    return replace(new, weights=mean)


def main() -> None:
    """Correct, train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/forgetting.json"))
    args = parser.parse_args()
    bundle, images = load_bundle(shipped_bundles()["nuclei2d"]), pairs(args.folder)
    names = [n for n in images if n[-12:] in CORRECTED]
    others = [n for n in images if n not in names][::4]
    table: dict[str, dict[str, list[list[float]]]] = {}

    def note(way: str, name: str, model: ModelBundle) -> None:
        row = table.setdefault(way, {"corrected": [], "others": []})
        row["corrected"].append(precision(images[name], model))
        row["others"].append(list(np.mean([precision(images[o], model) for o in others], 0)))

    for name in names:
        note("before", name, bundle)
        paint = worst(images[name], bundle, 10)
        for seed in args.seeds:
            for way, share in (("no rehearsal", 0.0), ("rehearsal", 0.5)):
                spec = TrainSpec(seconds=0, steps=args.steps, seed=seed, device="cpu", rehearsal=share)
                tuned = drain(finetune(images[name][0], Corrections(paint), bundle, spec)).bundle
                note(way, name, tuned)
                if not share:
                    note("half way", name, half_way(bundle, tuned))
        print(name, {way: np.round(np.mean(rows["others"], 0), 3).tolist() for way, rows in table.items()}, flush=True)
    record: dict[str, object] = {
        "definition": "AP = TP / (TP + FP + FN) per image at IoU 0.5 and 0.75, mean over images (and seeds)",
        "corrected images": len(names),
        "other images": len(others),
        "steps": args.steps,
        "seeds": args.seeds,
    }
    for way, rows in table.items():
        record[way] = {
            f"{kind} images, AP@{t}": round(float(np.mean(found, 0)[i]), 4)
            for kind, found in rows.items()
            for i, t in enumerate((0.5, 0.75))
        }
    args.write.parent.mkdir(parents=True, exist_ok=True)
    args.write.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
