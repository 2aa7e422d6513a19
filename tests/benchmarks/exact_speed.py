"""What exactness costs: predictions by this checkout beside those by an older one, same run, turn by turn.

    git worktree add --detach ../before COMMIT
    python tests/benchmarks/exact_speed.py ../before [--repeats 7]

Decision 20 made results the same bits wherever they are found. Each checkout runs in a process of its own, with the same
packages, and both predict in turn: the shipped models on their samples, and the nuclei mirrored side by side to 2048², in
memory and into a zarr. Repeats are pairs of neighbours in time, so the median of their ratios (this checkout's seconds over
the older one's) stands other programs best; that of processor time even better. Writes docs/benchmarks/exact_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parents[2]
CASES = [
    ("nuclei2d", None, "memory"),
    ("nuclei3d", None, "memory"),
    ("axon_sem", None, "memory"),
    ("nuclei2d", (2048, 2048), "memory"),
    ("nuclei2d", (2048, 2048), "zarr"),
    ("nuclei3d", None, "zarr"),
]


def serve() -> None:
    """Answer each line of stdin, which names a case, with its seconds, wall and processor; in the process of one checkout."""
    from dataclasses import replace

    from napari_segplugin.core import TileSpec, drain
    from napari_segplugin.engine.predict.predict import predict
    from napari_segplugin.io import load_bundle, load_sample, shipped_bundles

    for line in sys.stdin:
        name, shape, where, precision = json.loads(line)
        bundle, image = load_bundle(shipped_bundles()[name]), load_sample(name).image
        if shape:
            array = np.asarray(image.array)
            wider = np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)], mode="symmetric")
            image = replace(image, array=wider)
        with tempfile.TemporaryDirectory() as folder:
            more = {"output": Path(folder) / "labels.zarr"} if where == "zarr" else {}
            wall, own = time.perf_counter(), time.process_time()
            found = drain(predict(image, bundle, tiles=TileSpec(precision=precision), device="cpu", **more))
            wall, own = time.perf_counter() - wall, time.process_time() - own
            print(json.dumps([wall, own, len(found.objects.label)]), flush=True)


class Checkout:
    """A process that predicts with one checkout of this package."""

    def __init__(self, folder: Path) -> None:
        about = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, __file__, "--serve"]
        self.process = subprocess.Popen(command, env=about, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, *case: object) -> tuple[float, float, int]:
        """Seconds, those of the processor, and the number of objects."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(case), file=self.process.stdin, flush=True)
        wall, own, objects = json.loads(self.process.stdout.readline())
        return wall, own, objects


def commit(folder: Path) -> str:
    return subprocess.check_output(["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], text=True).strip()


def measured(now: Checkout, before: Checkout, case: tuple[object, ...], repeats: int) -> dict[str, object]:
    pairs = []
    for turn in range(repeats + 1):  # the first without the watch: imports, allocator, kernels
        both = now.ask(*case), before.ask(*case)
        if turn:
            pairs.append(both)
    row: dict[str, object] = {"objects": [pairs[0][0][2], pairs[0][1][2]]}
    for at, name in enumerate(("wall", "processor")):
        row[name] = {
            "now": round(median(now[at] for now, _ in pairs), 3),
            "before": round(median(before[at] for _, before in pairs), 3),
            "ratio": round(median(now[at] / before[at] for now, before in pairs), 2),
        }
    return row


def main() -> None:
    """Both checkouts in turn, a table, the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, nargs="?", help="a checkout of the older commit")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--precision", default="float32", help="bfloat16 takes minutes a case where the processor has none"
    )
    parser.add_argument("--write", type=Path, default=HERE / "docs/benchmarks/exact_speed.json")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve()
    if args.before is None:
        parser.error("Name a checkout of the older commit.")
    record: dict[str, object] = {"cores": os.cpu_count(), "load average": round(os.getloadavg()[0], 1)}
    record |= {"now": commit(HERE), "before": commit(args.before), "precision": args.precision}
    now, before = Checkout(HERE), Checkout(args.before.resolve())
    for name, shape, where in CASES:
        row = measured(now, before, (name, shape, where, args.precision), args.repeats)
        record[f"{name}, {'2048²' if shape else 'sample'}, {where}"] = row
        print(name, shape or "sample", where, row, flush=True)
    args.write.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
