"""What a cluster of processes on this computer costs: the same image by the process itself and by workers.

    python tests/benchmarks/cluster.py [--workers 2] [--side 2048] [--repeats 3]

Both have the same cores: the process itself computes with as many threads as there are workers with one thread each. The
workers are there and warm before the clock starts. Prints seconds, their ratio and whether the labels are equal, for nuclei in
2D (the shipped model and sample, repeated side by side) and for the 3D sample.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from napari_segplugin.core import Image, drain
from napari_segplugin.engine.predict.cluster import connect
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles


def clock(repeats: int, image: Image, bundle: Any, **rest: Any) -> tuple[float, np.ndarray]:
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        labels = np.asarray(drain(predict(image, bundle, **rest)).labels)
        times.append(time.perf_counter() - start)
    return min(times[1:]), labels


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--side", type=int, default=2048)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--out", default="")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.workers)
    flat, deep = load_sample("nuclei2d").image, load_sample("nuclei3d").image
    times = -(-args.side // min(flat.spatial_shape))
    wide = np.tile(flat.read()[0], (times, times))[: args.side, : args.side]
    images = {"nuclei2d": Image(wide, "YX", name="wide"), "nuclei3d": deep}
    table = {}
    with connect(f"local:{args.workers}") as cluster:
        for name, image in images.items():
            bundle = load_bundle(shipped_bundles()[name])
            alone, here = clock(args.repeats, image, bundle)
            spread, there = clock(args.repeats, image, bundle, cluster=cluster)
            row = {"shape": list(image.spatial_shape), "alone_s": round(alone, 2), "cluster_s": round(spread, 2)}
            table[name] = row | {"ratio": round(spread / alone, 2), "equal": bool(np.array_equal(here, there))}
            print(name, json.dumps(table[name]), flush=True)
    if args.out:
        Path(args.out).write_text(json.dumps({"workers": args.workers} | table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
