"""Optimiser steps a second with patches cut on the CPU, and with patches cut where the network learns.

    python tests/benchmarks/training_speed.py --device cuda [--steps 300] [--out docs/benchmarks/training_speed.json]

Network, samples, patches and seed are the same; the ways take turns. One batch again and again says what no way of cutting
patches can beat.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from unittest import mock

import torch

from napari_segplugin.core import ClassTable, ModelSpec, Sample, Step, Task, TrainSpec
from napari_segplugin.data.sampling import Batch, PatchSampler
from napari_segplugin.engine.device import resolve, title
from napari_segplugin.engine.train.train import new_bundle, train
from napari_segplugin.io.samples import load_sample

SAMPLER = "napari_segplugin.engine.train.train.PatchSampler"


class OnCpu(PatchSampler):
    """Cuts on the CPU, wherever the network is."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments[:6])


class Same(PatchSampler):
    """Gives one batch again and again."""

    first: Batch | None = None

    def draw(self, count: int) -> Batch:
        """The first batch."""
        if self.first is None:
            self.first = super().draw(count)
        return self.first


WAYS: dict[str, Callable[..., PatchSampler]] = {"CPU": OnCpu, "device": PatchSampler, "one batch": Same}


def steps_a_second(ndim: int, task: Task, way: str, steps: int, device: str) -> float:
    """One short training of the default U-Net on the nuclei that ship; the first tenth of the steps is not counted."""
    shipped = load_sample(f"nuclei{ndim}d")
    labels = shipped.truth.astype("int64")
    sample = Sample(shipped.image, (labels > 0).astype("int64"), labels)
    bundle = new_bundle(ModelSpec("unet", ndim, 1, task, ClassTable.named(["nucleus"])), name="speed")
    at = []
    with mock.patch(SAMPLER, WAYS[way]):
        for event in train([sample], bundle, TrainSpec(seconds=0, steps=steps, device=device, exemplars=0)):
            if isinstance(event, Step) and event.total == steps:
                at.append(time.perf_counter())
    skipped = max(1, steps // 10)
    return (len(at) - 1 - skipped) / (at[-1] - at[skipped])


def main() -> None:
    """Time, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    record: dict[str, object] = {
        "device": title(resolve(args.device)),
        "torch": torch.__version__,
        "CPU threads": torch.get_num_threads(),
        "unit": "optimiser steps a second, median of the repeats",
    }
    for ndim, task in ((2, Task.INSTANCE), (2, Task.SEMANTIC), (3, Task.INSTANCE)):
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(args.repeats):
            for way, speeds in found.items():
                speeds.append(steps_a_second(ndim, task, way, args.steps, args.device))
        middle = {way: round(median(speeds), 1) for way, speeds in found.items()}
        record[f"{ndim}D {task}"] = {**middle, "ratio": round(middle["device"] / middle["CPU"], 2)}
        print(f"{ndim}D {task}", record[f"{ndim}D {task}"], flush=True)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
