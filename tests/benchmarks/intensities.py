"""How a model should read intensities: the same values in every CT, and four ways for MRI, with equal steps.

    python tests/benchmarks/intensities.py DATA [--sets spleen hippocampus] [--ways percentiles ct] [--seeds 0 1 2]

DATA is the folder with `spleen3d_ct` and `hippocampus3d_mri`. Of the one CT every other block of three planes
trains a 2D U-Net, and the other planes are judged as they are and as other people's scans would be: more air around, padding,
a crop of the body, metal (3000 HU), noise, plane by plane. Of the MRI other volumes are judged than those that train.

| way | what becomes 0 and 1 |
|---|---|
| percentiles, robust | 1st and 99.8th percentile of each image; the same, unmoved by specks and empty space |
| ct | percentiles 0.5 and 99.5 of the labeled voxels of the training images, the same in every image; noise of 22 HU in patches |
| ct, half as wide again | the same with half of it more on each side, and the usual noise |
| ct, usual noise; ct, noise 0.05 … | as "ct" with other noise in patches, as a share of the range |
| mean and deviation | two deviations below and three above the mean of each image |
| landmarks | each image brought to the deciles of the training images (Nyúl and Udupa 1999) |

Rows are kept in docs/benchmarks/intensities.json as they come, and those that stand there are not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import (
    AugmentSpec,
    ClassTable,
    Image,
    LossSpec,
    ModelSpec,
    Normalisation,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.data.by_values import fit_to_values
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.samples import planes_of
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import read_image, read_labels
from networks import hippocampus, quality

RECORD = Path("docs/benchmarks/intensities.json")
PERCENTILES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99.8)
Views = dict[str, tuple[list[Image], np.ndarray]]


@dataclass(frozen=True)
class Made:
    """What trains, what is judged by which figures, and for how long it trains."""

    learn: list[Sample]
    spec: ModelSpec
    loss: LossSpec
    steps: int
    judge: Callable[[Any, Callable[[Sequence[Sample]], list[Sample]]], dict[str, float]]


def spleen(data: Path) -> Made:
    """One CT, by blocks of planes."""
    folder = data / "spleen3d_ct"
    image = read_image(folder / "sub-spleen2_ct.nii.gz")
    found, _ = read_labels(folder / "sub-spleen2_ct_seg-manual.nii.gz")
    values, truth = image.read()[0], (np.asarray(found) > 0).astype(int)
    held = np.arange(len(values)) // 3 % 2 == 1

    def volume(array: np.ndarray) -> Image:
        return Image(array.astype(np.float32), "ZYX", spacing=image.canonical_spacing, unit="mm")

    whole = volume(values[~held])
    learn = [Sample(whole.plane(z), t) for z, t in enumerate(truth[~held])]
    views = _views(values[held], truth[held], volume)
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["spleen"]), {"widths": (8, 16, 32, 64)})

    def judge(bundle: Any, _: object) -> dict[str, float]:
        scores = {}
        for name, (images, right) in views.items():
            labels = np.stack([np.asarray(drain(predict(i, bundle)).labels) for i in images]).reshape(right.shape) > 0
            scores[name] = float(2 * (labels & (right > 0)).sum() / (labels.sum() + (right > 0).sum()))
        return scores

    return Made(learn, spec, LossSpec(), 150, judge)


def _views(values: np.ndarray, truth: np.ndarray, volume: Callable[[np.ndarray], Image]) -> Views:
    """The held-out planes as other people's scans."""

    def padded(array: np.ndarray, value: float) -> np.ndarray:
        return np.pad(array, ((0, 0), (118, 118), (118, 118)), constant_values=value)

    def metal(rows: slice, columns: slice) -> np.ndarray:
        changed = values.copy()
        changed[:, rows, columns] = 3000
        return changed

    y, x = np.nonzero(truth.any(0))
    body = (slice(None), slice(max(0, y.min() - 8), y.max() + 9), slice(max(0, x.min() - 8), x.max() + 9))
    rng = np.random.default_rng(0)
    views = {
        "whole": (values, truth),
        "air around": (padded(values, -1024), padded(truth, 0)),
        "padding -2000 around": (padded(values, -2000), padded(truth, 0)),
        "body only": (values[body], truth[body]),
        "metal 0.2 %": (metal(slice(10, 16), slice(20, 28)), truth),
        "metal 3 %": (metal(slice(10, 40), slice(20, 50)), truth),
        **{f"noise {sd} HU": (values + rng.normal(0, sd, values.shape), truth) for sd in (10, 20, 30)},
    }
    planes = [Image(v.astype(np.float32), "YX") for v in values]
    return {**{k: ([volume(v)], t) for k, (v, t) in views.items()}, "plane by plane": (planes, truth)}


def _of_others(learn: list[Sample], test: list[Sample], spec: ModelSpec, loss: LossSpec, steps: int) -> Made:
    def judge(bundle: Any, seen: Callable[[Sequence[Sample]], list[Sample]]) -> dict[str, float]:
        return quality("hippocampus3d_mri", seen(test), bundle)

    return Made(learn, spec, loss, steps, judge)


def brain(data: Path) -> Made:
    """Every second plane of 48 hippocampi trains a 2D U-Net, 12 volumes are judged."""
    learn, test, spec, loss = hippocampus(data)
    planes = [p for s in learn for p in planes_of(s)[::2]]
    return _of_others(planes, test, replace(spec, ndim=2, options={"widths": (8, 16, 32, 64)}), loss, 900)


SETS = {"spleen": spleen, "hippocampus": brain}


def landmarks(sample: Sample) -> np.ndarray:
    """Deciles of a volume, as shares of its range."""
    found = np.percentile((sample.image.whole or sample.image).read(), PERCENTILES)
    return np.maximum.accumulate((found - found[0]) / (found[-1] - found[0])) + np.arange(len(found)) * 1e-9


def changed(samples: Sequence[Sample], way: str, usual: np.ndarray) -> list[Sample]:
    """The images as a way of reading them brings them to the network."""
    found = []
    for sample in samples:
        whole, array = (sample.image.whole or sample.image).read().astype(float), sample.image.read()[0].astype(float)
        if way == "mean and deviation":
            array = (array - whole.mean()) / whole.std()
        elif way == "landmarks":
            low, high = np.percentile(whole, (PERCENTILES[0], PERCENTILES[-1]))
            share, own = (array - low) / (high - low), landmarks(sample)
            inside = np.interp(share, own, usual)
            array = np.select(
                [share < own[0], share > own[-1]], [share - own[0] + usual[0], share - own[-1] + usual[-1]], inside
            )
        found.append(replace(sample, image=replace(sample.image, array=array.astype(np.float32), whole=None)))
    return found


def one(made: Made, way: str, seed: int) -> dict[str, float]:
    """Train and judge."""
    begin = time.process_time()
    norm, augment = Normalisation(rule=way) if way in ("percentiles", "robust") else Normalisation(), None
    start = new_bundle(made.spec, name=way, seed=seed, normalisation=norm)
    usual = np.mean([landmarks(s) for s in made.learn], 0)
    if way.startswith("ct"):
        start, _ = fit_to_values(start, made.learn, "ct")
        (low, high), *_ = start.normalisation.values
        stated = way.partition("noise ")[2]
        augment = AugmentSpec(noise=float(stated)) if stated else None if way == "ct" else AugmentSpec()
        more = (high - low) / 2 if way == "ct, half as wide again" else 0.0
        start = replace(start, normalisation=replace(start.normalisation, values=((low - more, high + more),)))
    elif way in ("mean and deviation", "landmarks"):
        values = ((-2.0, 3.0),) if way == "mean and deviation" else ((0.0, 1.0),)
        start = replace(start, normalisation=Normalisation(rule="values", values=values))

    def seen(samples: Sequence[Sample]) -> list[Sample]:
        return changed(samples, way, usual) if way in ("mean and deviation", "landmarks") else list(samples)

    wanted = "image" if way == "robust" else "auto"
    spec = TrainSpec(
        seconds=0, steps=made.steps, loss=made.loss, seed=seed, exemplars=0, augmentation=augment, intensities=wanted
    )
    bundle = drain(train(seen(made.learn), start, spec))
    scores = {k: round(v, 4) for k, v in made.judge(bundle, seen).items()}
    return {**scores, "steps": made.steps, "processor seconds": round(time.process_time() - begin, 1)}


def table(record: dict[str, Any]) -> str:
    """A table for each set: means over seeds."""
    lines = []
    for name, ways in record.items():
        rows = {way: list(rows.values()) for way, rows in ways.items()}
        figures = [k for k in next(iter(rows.values()))[0] if k not in ("steps", "processor seconds")]
        lines += [f"| {name} | seeds | " + " | ".join(figures) + " |", "|---" * (len(figures) + 2) + "|"]
        for way, found in rows.items():
            means = [f"{np.mean([row[k] for row in found]):.3f}" for k in figures]
            lines.append(f"| {way} | {len(found)} | " + " | ".join(means) + " |")
        lines.append("")
    return "\n".join(lines)


def kept() -> dict[str, Any]:
    """What the record holds."""
    return dict(json.loads(RECORD.read_text())) if RECORD.exists() else {}


def main() -> None:
    """Run what is missing and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--ways", nargs="+", default=[])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="only print the tables")
    args = parser.parse_args()
    for name in [] if args.table else args.sets:
        made = SETS[name](args.folder)
        own = (
            ["percentiles", "robust", "ct"]
            if name == "spleen"
            else ["percentiles", "robust", "mean and deviation", "landmarks"]
        )
        for seed in args.seeds:
            for way in args.ways or own:
                if str(seed) in kept().get(name, {}).get(way, {}):
                    continue
                row = one(made, way, seed)
                record = kept()  # again: another run may have written meanwhile
                record.setdefault(name, {}).setdefault(way, {})[str(seed)] = row
                RECORD.write_text(json.dumps(record, indent=1) + "\n")
                print(name, way, seed, row, flush=True)
    print(table(json.loads(RECORD.read_text())))


if __name__ == "__main__":
    main()
