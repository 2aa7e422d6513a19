"""Two rules for the range of intensities on every public set: what a change of the default costs or gains.

    python tests/benchmarks/public_sets.py DATA [--rule percentiles robust] [--seeds 3] [--sets "nuclei 2D" street]

DATA is the folder with `nuclei2d_fluo`, `embryo3d`, `axon_sem`, `nuclei2d_histology`, `hippocampus3d_mri` and `camvid`. Shipped
models are judged on the images that they did not learn from, also turned by quarters; small U-Nets are trained from scratch
with an equal number of steps for each rule and seed. Where both rules give every image of a set the same range, a training
would be the same one twice, and is made once ("same range": true).

Rows are kept in docs/benchmarks/public_sets.json as they come, and those that stand there are not made again (`--again` does);
`--table` prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_segplugin.core import (
    ClassTable,
    Image,
    LossSpec,
    ModelBundle,
    ModelSpec,
    Normalisation,
    Sample,
    Task,
    TrainSpec,
    drain,
)
from napari_segplugin.core.bundle import RULES
from napari_segplugin.data.normalise import statistics
from napari_segplugin.engine.train.samples import planes_of
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import load_bundle, shipped_bundles
from networks import axons, hippocampus, quality, streets

RECORD = Path("docs/benchmarks/public_sets.json")
SMALL = {"widths": (8, 16, 32, 64)}
Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A set, ready to be trained and judged on: `like` names the figures of tests/benchmarks/networks.py."""

    learn: list[Sample]
    test: list[Sample]
    spec: ModelSpec | None
    loss: LossSpec
    like: str
    steps: int = 0
    shipped: str = ""


def objects(folder: Path, axes: str) -> list[Sample]:
    """Images and their objects."""
    samples = []
    for file in sorted((folder / "images").glob("*.tif")):
        labels = tifffile.imread(folder / "labels" / file.name).astype(np.int64)
        samples.append(Sample(Image(tifffile.imread(file), axes, name=file.stem), (labels > 0).astype(int), labels))
    return samples


def nuclei_shipped(data: Path, turns: int = 0) -> Made:
    """The 60 images that nuclei2d did not learn from, turned by quarters."""
    test = objects(data / "nuclei2d_fluo", "YX")[0::2]
    turned = [
        Sample(
            Image(np.rot90(s.image.array, turns).copy(), "YX"), np.rot90(s.classes, turns), np.rot90(s.instances, turns)
        )
        for s in test
    ]
    return Made([], turned, None, LossSpec(), "nuclei2d_fluo", shipped="nuclei2d")


def embryo_shipped(data: Path) -> Made:
    """The embryo of eight cells."""
    labels = tifffile.imread(data / "embryo3d" / "8_cell_stage_labels.tif").astype(np.int64)
    image = Image(tifffile.imread(data / "embryo3d" / "8_cell_stage_image.tif"), "ZYX", spacing=(2.18, 1.0, 1.0))
    return Made(
        [], [Sample(image, (labels > 0).astype(int), labels)], None, LossSpec(), "nuclei2d_fluo", shipped="nuclei3d"
    )


def nuclei_scratch(data: Path) -> Made:
    """Eight images train, 60 test."""
    samples = objects(data / "nuclei2d_fluo", "YX")
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]), SMALL)
    return Made(samples[1:16:2], samples[0::2], spec, LossSpec(), "nuclei2d_fluo", 300)


def histology_scratch(data: Path) -> Made:
    """Every second of twenty colored sections trains, the others test."""
    samples = objects(data / "nuclei2d_histology", "YXC")
    spec = ModelSpec("unet", 2, 3, Task.INSTANCE, ClassTable.named(["nucleus"]), SMALL)
    return Made(samples[1::2], samples[0::2], spec, LossSpec(), "nuclei2d_fluo", 300)


def of_networks(make: Callable[[Path], Any], like: str, steps: int) -> Callable[[Path], Made]:
    """A set of tests/benchmarks/networks.py with a small 2D network, which learns from every second plane of volumes."""

    def made(data: Path) -> Made:
        learn, test, spec, loss = make(data)
        planes = [p for s in learn for p in planes_of(s)[::2]] if spec.ndim == 3 else learn
        return Made(planes, test, replace(spec, ndim=2, options=SMALL), loss, like, steps)

    return made


SETS: dict[str, Callable[[Path], Made]] = {
    "nuclei 2D, shipped": nuclei_shipped,
    "nuclei 2D, shipped, turned by 90°": lambda data: nuclei_shipped(data, 1),
    "nuclei 2D, shipped, turned by 180°": lambda data: nuclei_shipped(data, 2),
    "nuclei 2D, shipped, turned by 270°": lambda data: nuclei_shipped(data, 3),
    "nuclei 3D, shipped": embryo_shipped,
    "axons, shipped": lambda data: replace(of_networks(axons, "axon_sem", 0)(data), shipped="axon_sem"),
    "nuclei 2D": nuclei_scratch,
    "histology": histology_scratch,
    "axons": of_networks(axons, "axon_sem", 150),
    "hippocampus": of_networks(hippocampus, "hippocampus3d_mri", 900),
    "street": of_networks(streets, "camvid", 200),
}


def same_range(made: Made, rules: list[str]) -> bool:
    """Whether all rules give every image of a set the same range."""

    def of(sample: Sample, rule: str) -> np.ndarray:
        found = statistics(sample.image, Normalisation(rule=rule))
        return np.stack([found.low, found.high])

    return all(np.array_equal(of(s, rules[0]), of(s, rule)) for s in (*made.learn, *made.test) for rule in rules[1:])


def judged(made: Made, rule: str, seed: int) -> Row:
    """Train if the set has a network to train, and judge."""
    begin = time.process_time()
    norm = Normalisation(rule=rule)
    if made.spec is None or made.shipped:
        bundle: ModelBundle = replace(load_bundle(shipped_bundles()[made.shipped]), normalisation=norm)
    else:
        start = new_bundle(made.spec, name="small", seed=seed, normalisation=norm)
        spec = TrainSpec(seconds=0, steps=made.steps, loss=made.loss, seed=seed, exemplars=0)
        bundle = drain(train(made.learn, start, spec))
    found = {k: round(v, 4) for k, v in quality(made.like, made.test, bundle).items()}
    return {**found, "steps": made.steps, "processor seconds": round(time.process_time() - begin, 1)}


def table(record: dict[str, Any]) -> str:
    """Means over seeds and their deviation, a row for each set and figure."""
    rules = [r for r in RULES if any(r in rows for rows in record.values())]
    lines = ["| set | figure | seeds | " + " | ".join(rules) + " | difference |", "|---" * (len(rules) + 4) + "|"]
    for name, rows in record.items():
        seeds = sorted(set.intersection(*(set(rows.get(r, {})) for r in rules)))
        if not seeds:
            continue
        for figure in ("AP@0.5", "mean AP", "Dice", "mean IoU", "boundary F1"):
            values = {r: np.array([rows[r][s].get(figure, np.nan) for s in seeds]) for r in rules}
            if np.isnan(values[rules[0]]).any():
                continue
            spread = "" if len(seeds) == 1 else " ± {:.3f}"
            cells = [f"{v.mean():.4f}" + spread.format(v.std(ddof=1) if len(seeds) > 1 else 0) for v in values.values()]
            change = (
                ""
                if len(rules) < 2
                else "same range"
                if rows.get("same range")
                else f"{(values[rules[0]] - values[rules[-1]]).mean():+.4f}"
            )
            lines.append(f"| {name} | {figure} | {len(seeds)} | " + " | ".join(cells) + f" | {change} |")
    return "\n".join(lines)


def kept() -> dict[str, Any]:
    """What the record holds."""
    return dict(json.loads(RECORD.read_text())) if RECORD.exists() else {}


def main() -> None:
    """Run what is missing and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rule", nargs="+", default=["percentiles", "robust"], choices=RULES[:2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--again", action="store_true", help="rows that stand in the record, too")
    parser.add_argument("--table", action="store_true", help="only print the table")
    args = parser.parse_args()
    for name in [] if args.table else args.sets:
        made = SETS[name](args.folder)
        same = len(args.rule) > 1 and same_range(made, args.rule)
        for seed in map(str, range(1 if made.shipped else args.seeds)):
            for rule in args.rule:
                rows = kept().get(name, {})
                row = rows.get(rule, {}).get(seed) if not args.again else None
                if row is None and same and rule != args.rule[0]:
                    row = rows.get(args.rule[0], {}).get(seed)
                row = row or judged(made, rule, int(seed))
                record = kept()  # again: another run may have written meanwhile
                rows = record.setdefault(name, {})
                if len(args.rule) > 1:
                    rows["same range"] = same
                rows.setdefault(rule, {})[seed] = row
                RECORD.write_text(json.dumps(record, indent=1) + "\n")
                print(name, rule, seed, row, flush=True)
    print(table(json.loads(RECORD.read_text())))


if __name__ == "__main__":
    main()
