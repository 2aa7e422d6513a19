"""Does the process grow? A hundred docks opened and closed, fifty fine-tunings one after the other, in one process each.

    bash scripts/with-screen.sh python tests/benchmarks/repeats.py docks chain dock-chain [--docks 100] [--tunings 50]

docks: in a running event loop the dock is added to a viewer with an image, and its x is pressed.
chain: each fine-tuning (12 steps on the shipped nuclei) starts from what the one before gave; nothing else is kept.
dock-chain: the same through the dock, which keeps every model of the session in its list and shows a preview.

After each turn the garbage is collected and what Qt deletes later is deleted; then the memory of the process (RSS), the
widgets, and the tensors that are alive are counted. The slope is that of a line through the second half. Writes
docs/benchmarks/repeats.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gui_watch import pump

STEPS = 12


def settle() -> None:
    """Let Qt delete what it would delete later, and Python what nobody refers to."""
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    for _ in range(3):
        gc.collect()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        pump(lambda: False, 0.05)


def tensors() -> tuple[int, float]:
    """Tensors that are alive, and their MB."""
    torch = sys.modules.get("torch")
    found = [a for a in gc.get_objects() if torch is not None and issubclass(type(a), torch.Tensor)]
    return len(found), sum(a.nbytes for a in found) / 1e6


def told(rows: list[dict[str, float]], row: dict[str, float]) -> None:
    """Keep a row, and say it."""
    rows.append(row)
    print(len(rows), {k: round(v, 1) for k, v in row.items()}, file=sys.stderr, flush=True)


def megabytes() -> float:
    return psutil.Process().memory_info().rss / 1e6


def painted(shape: tuple[int, ...], truth: np.ndarray) -> np.ndarray:
    """Every third nucleus, and a fifth of the background."""
    paint = np.where(truth % 3 == 1, truth, 0).astype(np.uint16)
    paint[(truth == 0) & (np.random.default_rng(0).random(shape) < 0.2)] = 65535
    return paint


def docks(count: int) -> list[dict[str, float]]:
    """Open and close the dock."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_segplugin.io import load_sample
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = napari.Viewer()
    viewer.add_image(np.asarray(load_sample("nuclei2d").image.array), axis_labels=("y", "x"))
    rows, made = [], weakref.WeakSet[Any]()

    def turn() -> None:
        dock = SegmentationDock(viewer)
        made.add(dock)
        outer = viewer.window.add_dock_widget(dock, name="Segmentation")
        pump(lambda: dock.image_step.ready and not dock.background.busy, 20)
        pump(lambda: False, 0.2)
        outer.destroyOnClose()

    for _ in range(count):
        turn()
        pump(lambda: not made, 3)  # it is freed a moment after it was closed
        settle()
        told(rows, {"MB": megabytes(), "widgets": len(QApplication.allWidgets()), "docks": len(made)})
    return rows


def chain(count: int) -> list[dict[str, float]]:
    """Fine-tune what the fine-tuning before gave."""
    from napari_segplugin.core import TrainSpec, drain
    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.engine.train.finetune import finetune
    from napari_segplugin.io import load_bundle, load_sample, shipped_bundles

    sample, bundle = load_sample("nuclei2d"), load_bundle(shipped_bundles()["nuclei2d"])
    truth, rows = np.asarray(sample.truth), []
    for _ in range(count):
        spec = TrainSpec(seconds=0, steps=STEPS, device="cpu")
        bundle = drain(finetune(sample.image, Corrections(painted(truth.shape, truth)), bundle, spec)).bundle
        gc.collect()
        number, size = tensors()
        told(rows, {"MB": megabytes(), "tensors": number, "MB of tensors": size, "MB of the bundle": weight(bundle)})
    return rows


def weight(bundle: Any) -> float:
    return sum(a.nbytes for a in bundle.weights.values()) / 1e6


def dock_chain(count: int) -> list[dict[str, float]]:
    """Fine-tune again and again in the window."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_segplugin.io import load_sample
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = napari.Viewer()
    dock = SegmentationDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segmentation")
    idle = lambda: not dock.job.busy and not dock.background.busy  # noqa: E731
    dock.files.open_sample("nuclei2d")
    pump(lambda: dock.image_step.ready and idle(), 30)
    dock.runs.start("whole")
    pump(lambda: dock.desk.results and idle(), 120)
    dock.paint.pick(65535)
    pump(lambda: dock.paint.layer is not None and idle(), 30)
    truth = np.asarray(load_sample("nuclei2d").truth)
    dock.paint.layer.data = painted(truth.shape, truth)
    pump(lambda: dock.paint.counts and idle(), 30)
    step = dock.improve_step
    step.budget_unit.setCurrentIndex(step.budget_unit.findData("steps"))
    step.budget_spin.setValue(STEPS)
    rows = []
    for _ in range(count):
        dock.train.start()
        if not pump(idle, 200):
            raise RuntimeError("A fine-tuning did not end.")
        pump(lambda: False, 0.3)
        settle()
        number, size = tensors()
        kept = sum(map(weight, dock.session.bundles))
        row = {
            "MB": megabytes(),
            "tensors": number,
            "MB of tensors": size,
            "models in the list": len(dock.session.bundles),
        }
        told(rows, {**row, "MB of their weights": kept, "widgets": len(QApplication.allWidgets())})
    return rows


CASES: dict[str, Callable[[int], list[dict[str, float]]]] = {"docks": docks, "chain": chain, "dock-chain": dock_chain}


def summed(rows: list[dict[str, float]]) -> dict[str, Any]:
    """First, middle and last turn, and the slope of each figure over the second half."""
    half, slopes = rows[len(rows) // 2 :], {}
    for key in rows[0]:
        slopes[key] = round(float(np.polyfit(range(len(half)), [r[key] for r in half], 1)[0]), 3)
    picked = {"turn 1": rows[0], f"turn {len(rows) - len(half) + 1}": half[0], f"turn {len(rows)}": rows[-1]}
    return {name: {k: round(v, 1) for k, v in row.items()} for name, row in picked.items()} | {"a turn": slopes}


def main() -> None:
    """Each case in a process of its own; a table, the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="all by default")
    parser.add_argument("--docks", type=int, default=100)
    parser.add_argument("--tunings", type=int, default=50)
    parser.add_argument("--inside", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks/repeats.json"))
    args = parser.parse_args()
    if args.inside:
        print(json.dumps(CASES[args.inside](args.docks if args.inside == "docks" else args.tunings)), flush=True)
        os._exit(0)
    record = json.loads(args.write.read_text()) if args.write.exists() else {}
    for case in args.cases or CASES:
        with tempfile.TemporaryDirectory() as home:
            about = {**os.environ, "NAPARI_SEGPLUGIN_HOME": home}
            more = ["--inside", case, "--docks", str(args.docks), "--tunings", str(args.tunings)]
            out = subprocess.run(
                [sys.executable, __file__, *more], env=about, stdout=subprocess.PIPE, text=True, check=True
            )
        record[case] = summed(json.loads(out.stdout.splitlines()[-1]))
        print(case, json.dumps(record[case], indent=1), flush=True)
        args.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
