"""Every network from scratch with the same budget on the same images: what a person can choose by.

    python tests/benchmarks/networks.py DATA --seconds 300 [--networks unet segnet] [--data axon_sem camvid]

DATA is the folder with `nuclei2d_fluo`, `axon_sem`, `camvid` and `hippocampus3d_mri`. For each network and data set: parameters,
numbers held at once for each voxel (float32, inference), seconds a megavoxel, and quality on images that were not trained on.
`--steps` gives every network the same number of steps instead of the same time. New rows replace old ones in
docs/benchmarks/networks.json, so that runs can be made one after the other; `--table` writes docs/networks.md and the
figures that the dock shows (`resources/networks.json`) from it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile
import torch

from napari_segplugin.core import (
    ClassTable,
    Image,
    Kind,
    LossSpec,
    LossTerm,
    ModelSpec,
    Sample,
    Task,
    TileSpec,
    TrainSpec,
    drain,
)
from napari_segplugin.engine.network import prepare
from napari_segplugin.engine.predict.plan import set_up
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io import read_image, read_labels
from napari_segplugin.metrics import measure
from napari_segplugin.networks import NETWORKS, is_detector

RECORD = Path("docs/benchmarks/networks.json")
SHOWN = Path("napari_segplugin/resources/networks.json")
FIGURES = ("AP@0.5", "mean AP", "Dice", "mean IoU", "boundary F1")
NETWORKS = [r.name for r in NETWORKS if not r.extra]
INTRODUCTION = """Each network from scratch with the same time on one processor core, by `tests/benchmarks/networks.py`, judged
on images that were not trained on: one run, one seed. A network that is slower makes fewer steps in that time, and a network
that is larger needs more of them, so a longer training can turn the order around. Peak memory of a tile is about *numbers a
voxel* × 4 bytes × its voxels in float32, half of that in bfloat16.

Detectors (Mask R-CNN) find objects and are compared on nuclei only; the others find them by a map of distances there."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
Samples = tuple[list[Sample], list[Sample], ModelSpec, LossSpec]


def nuclei(data: Path) -> Samples:
    """Thirty images train, every third of the others tests; objects."""
    samples = []
    for file in sorted((data / "nuclei2d_fluo" / "images").glob("*.tif")):
        labels = tifffile.imread(file.parents[1] / "labels" / file.name).astype(np.int64)
        samples.append(Sample(Image(tifffile.imread(file), "YX", name=file.stem), (labels > 0).astype(int), labels))
    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]))
    return samples[::4], samples[1::4], spec, LossSpec()


def axons(data: Path) -> Samples:
    """Rats 1 to 3 train, rat 4 tests."""
    samples = []
    for file in sorted((data / "axon_sem" / "images").glob("*.tif")):
        labels = tifffile.imread(file.parents[1] / "labels" / file.name).astype(np.int64)
        samples.append(Sample(Image(tifffile.imread(file), "YX", name=file.stem), labels))
    spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["axon", "myelin"], Kind.STUFF))
    test = [s for s in samples if "rat4" in s.image.name]
    return [s for s in samples if s not in test], test, spec, LossSpec()


def streets(data: Path) -> Samples:
    """CamVid at half size: 40 images train, 20 test, 11 classes and one that is unknown."""
    names = json.loads((data / "camvid" / "classes.json").read_text())
    classes = ClassTable.named([names[str(i)] for i in range(1, 11)], Kind.STUFF)
    found: dict[str, list[Sample]] = {}
    for part in ("train", "val"):
        found[part] = []
        for file in sorted((data / "camvid" / part).glob("*.png")):
            colours = iio.imread(file)[..., :3]
            half = colours.reshape(180, 2, 240, 2, 3).mean((1, 3)).astype(np.uint8)
            labels = iio.imread(data / "camvid" / f"{part}annot" / file.name)[::2, ::2].astype(np.int64)
            image = Image(half, "YXC", name=file.stem)
            found[part].append(Sample(image, np.where(labels < 11, labels, 0), None, labels < 11))
    loss = LossSpec((LossTerm("cross_entropy", 1.0, {"class_weights": "median"}), LossTerm("dice", 0.5)))
    return found["train"], found["val"], ModelSpec("unet", 2, 3, Task.SEMANTIC, classes), loss


def hippocampus(data: Path) -> Samples:
    """48 volumes train, 12 test."""
    samples = []
    for file in sorted((data / "hippocampus3d_mri" / "images").glob("*.nii.gz")):
        labels, _ = read_labels(file.parents[1] / "labels" / file.name)
        samples.append(Sample(read_image(file), np.asarray(labels).astype(np.int64)))
    classes = ClassTable.named(["anterior", "posterior"], Kind.STUFF)
    return samples[:48], samples[48:], ModelSpec("unet", 3, 1, Task.SEMANTIC, classes), LossSpec()


DATA: dict[str, Callable[[Path], Samples]] = {
    "nuclei2d_fluo": nuclei,
    "axon_sem": axons,
    "camvid": streets,
    "hippocampus3d_mri": hippocampus,
}


def quality(data: str, test: list[Sample], bundle: Any) -> dict[str, float]:
    """The figures of a data set."""
    found = [np.asarray(drain(predict(s.image, bundle, tiles=TileSpec(precision="float32"))).labels) for s in test]
    if data == "nuclei2d_fluo":
        rows = [
            [measure("ap", s.instances, x, threshold=t).value for t in (0.5, 0.6, 0.7, 0.8, 0.9)]
            for s, x in zip(test, found, strict=True)
        ]
        return {"AP@0.5": float(np.mean(rows, 0)[0]), "mean AP": float(np.mean(rows))}
    n = len(bundle.spec.classes)
    known = [np.ones(s.classes.shape, bool) if s.known is None else s.known for s in test]
    if data != "camvid":
        dice = [
            [
                2 * ((x == c) & (s.classes == c)).sum() / max(1, (x == c).sum() + (s.classes == c).sum())
                for c in range(1, n)
            ]
            for s, x in zip(test, found, strict=True)
        ]
        mean = np.mean(dice, 0)
        return {
            "Dice": float(mean.mean()),
            **{f"Dice {bundle.spec.classes[c + 1].name}": float(v) for c, v in enumerate(mean)},
        }
    table = np.zeros((n, n), np.int64)
    edges = []
    for s, x, k in zip(test, found, known, strict=True):
        np.add.at(table, (s.classes[k], x[k]), 1)
        edges += [
            measure("boundary_f1", np.where(k, s.classes, 0) == c, np.where(k, x, 0) == c).value
            for c in range(n)
            if (s.classes[k] == c).any()
        ]
    union = table.sum(0) + table.sum(1) - table.diagonal()
    iou = table.diagonal()[union > 0] / union[union > 0]
    return {"mean IoU": float(iou.mean()), "boundary F1": float(np.nanmean(edges))}


def speed(test: Sample, bundle: Any) -> float:
    """Seconds a megavoxel, prediction alone, the middle of three."""
    times = []
    for _ in range(3):
        begin = time.monotonic()
        drain(predict(test.image, bundle))
        times.append(time.monotonic() - begin)
    return float(np.median(times) / (np.prod(test.image.spatial_shape) / 1e6))


def one(network: str, data: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one network on one data set."""
    learn, test, like, loss = DATA[data](folder)
    if args.limit:
        learn, test = learn[: args.limit], test[: args.limit]
    spec = ModelSpec(network, like.ndim, like.in_channels, like.task, like.classes)
    budget = TrainSpec(seconds=0 if args.steps else args.seconds, steps=args.steps, loss=loss, seed=args.seed)
    bundle = drain(train(learn, new_bundle(spec, name=network, seed=args.seed), budget))
    last = bundle.history[-1]
    row: dict[str, Any] = {
        "parameters": int(
            sum(
                v.size
                for k, v in bundle.weights.items()
                if not k.endswith(("running_mean", "running_var", "num_batches_tracked"))
            )
        ),
        "steps": last["steps"],
        "seconds": last["seconds"],
        "seconds a megavoxel": round(speed(test[0], bundle), 2),
        **{k: round(v, 4) for k, v in quality(data, test, bundle).items()},
        "gradient norms": last["gradient_norms"][-1]["norms"],
        "cores": torch.get_num_threads(),
    }
    if not is_detector(spec):
        row["numbers a voxel"] = round(prepare(bundle, torch.device("cpu"), torch.float32).bytes_per_voxel / 4, 1)
        set_up(test[0].image, bundle, TileSpec(), "cpu", None)
    return row


def table(record: dict[str, Any]) -> str:
    """The page of the manual."""
    lines = ["# Networks", "", INTRODUCTION, ""]
    for data in DATA:
        rows = {n: d[data] for n, d in record.items() if data in d}
        if not rows:
            continue
        figures = [k for k in next(iter(rows.values())) if k not in ("gradient norms", "cores", "numbers a voxel")]
        figures += ["numbers a voxel"]
        lines += [f"## {data}", "", "| network | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|"]
        for name, row in rows.items():
            cells = [f"{row[k]:,}" if isinstance(row.get(k), int) else str(row.get(k, "–")) for k in figures]
            lines.append(f"| {NETWORKS[name].title} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """What the dock shows of each network."""
    seconds = {data: max((row[data]["seconds"] for row in record.values() if data in row), default=0) for data in DATA}
    spent = ", ".join(f"{data} {s / 60:.0f} min" for data, s in seconds.items() if s)
    keys = ("parameters", "seconds a megavoxel")
    return {
        "about": f"From scratch on one processor core ({spent}), judged on images that were not trained on.",
        "networks": {
            name: {
                data: {**{k: row[k] for k in keys}, "quality": {k: row[k] for k in FIGURES if k in row}}
                for data, row in rows.items()
            }
            for name, rows in record.items()
        },
    }


def main() -> None:
    """Run what was asked and write it down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS.names())
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0, help="images of each kind, to try the script")
    parser.add_argument("--table", action="store_true", help="only write the page from the record")
    args = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for data in [] if args.table else args.data:
        for network in args.networks:
            tasks = NETWORKS[network].tasks
            if tasks is not None and data != "nuclei2d_fluo":
                continue
            row = one(network, data, args.folder, args)
            record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
            record.setdefault(network, {})[data] = row
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
            print(
                network,
                data,
                {k: v for k, v in row.items() if k != "gradient norms"},
                "load",
                os.getloadavg()[0],
                flush=True,
            )
    Path("docs/networks.md").write_text(table(record) + "\n")
    SHOWN.write_text(json.dumps(shown(record), indent=1) + "\n")


if __name__ == "__main__":
    main()
