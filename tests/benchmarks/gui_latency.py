"""How late a 10 ms timer of the window fires while a network trains and predicts. Run it with a screen:

    python tests/benchmarks/gui_latency.py [--seconds 20] [--threads 0]

It opens the dock on a shipped sample, paints, fine-tunes from scratch and segments, all as a person would, and prints
median, 95th percentile and worst delay for each phase, with the time that the window itself took for redrawing (its update
and paint events, and the first drawing of a new layer) and without it. The first phase includes the import of torch.
Writes docs/benchmarks/gui_latency.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


class Watch:
    """Delays of a timer beyond its interval, by phase."""

    def __init__(self, interval: float = 0.010) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.interval, self.phase = interval, "idle"
        self.delays: dict[str, list[float]] = {}
        self.apart: dict[str, list[float]] = {}
        self.redrawing = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(int(interval * 1000))
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        late = max(0.0, now - self._last - self.interval)
        self.delays.setdefault(self.phase, []).append(late)
        self.apart.setdefault(self.phase, []).append(max(0.0, late - self.redrawing))
        self._last, self.redrawing = now, 0.0

    def time_redrawing(self) -> None:
        """Take the time of every update and paint event of napari's window, children and canvas included."""
        from napari._qt.qt_main_window import _QtMainWindow
        from qtpy.QtCore import QEvent

        kinds = (QEvent.Type.UpdateRequest, QEvent.Type.Paint)
        original, watch = _QtMainWindow.event, self

        def event(window: Any, what: Any) -> bool:
            begin = time.perf_counter()
            done = original(window, what)
            if what.type() in kinds:
                watch.redrawing += time.perf_counter() - begin
            return bool(done)

        _QtMainWindow.event = event

    def enter(self, phase: str) -> None:
        self.phase, self._last = phase, time.perf_counter()

    def table(self) -> dict[str, dict[str, float]]:
        out = {}
        for phase, delays in self.delays.items():
            ms = 1000 * np.asarray(delays)
            median, high = np.percentile(ms, [50, 95])
            late = int((ms > 100).sum())
            apart = 1000 * np.asarray(self.apart[phase])
            out[phase] = {
                "n": len(ms),
                "median_ms": round(float(median), 2),
                "p95_ms": round(float(high), 2),
                "worst_ms": round(float(ms.max()), 1),
                "over_100ms": late,
                "worst_ms, redrawing apart": round(float(apart.max()), 1),
                "over_100ms, redrawing apart": int((apart > 100).sum()),
            }
        return out


def pump(until: Any, limit: float) -> None:
    """Run the event loop until something is true."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, end = QEventLoop(), time.monotonic() + limit
    check = QTimer()
    check.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    check.start(50)
    loop.exec()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--threads", type=int, default=0, help="threads of torch; 0 leaves its default")
    options.add_argument("--sample", default="nuclei2d")
    options.add_argument("--picture", default="", help="save a screenshot here")
    args = options.parse_args()
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("NAPARI_SEGPLUGIN_HOME", tempfile.mkdtemp())
    import napari

    from napari_segplugin.io import load_sample
    from napari_segplugin.widgets.dock import SegmentationDock
    from napari_segplugin.widgets.step_method import SCRATCH

    viewer = napari.Viewer()
    started = time.perf_counter()
    dock = SegmentationDock(viewer)
    opened = time.perf_counter() - started
    viewer.window.add_dock_widget(dock, name="Segmentation")
    dock.files.open_sample(args.sample)
    pump(lambda: dock.image_step.layer is not None, 10)
    method = dock.method_step
    method.weights_choice.setCurrentIndex(method.weights_choice.findData(SCRATCH))
    watch = Watch()
    watch.time_redrawing()
    pump(lambda: False, 2)
    dock.paint.add_layer()
    # A third of the objects of the ground truth are painted whole, and background around them.
    truth = np.asarray(load_sample(args.sample).truth)
    paint = np.where(truth % 3 == 1, truth, 0).astype(np.uint16)
    paint[(truth == 0) & (np.random.default_rng(0).random(truth.shape) < 0.2)] = 65535
    dock.paint.layer.data = paint
    pump(lambda: bool(dock.paint.counts), 5)
    dock.improve_step.budget_spin.setValue(args.seconds)
    dock.train.start()
    watch.enter("start of training, torch imported")
    pump(lambda: bool(dock.improve_step.loss_plot.values("loss")) or not dock.job.busy, 120)
    watch.enter("training")
    pump(lambda: not dock.job.busy, args.seconds * 4 + 60)
    dock.runs.start("whole")
    watch.enter("prediction")
    finish = dock.runs.finish

    def arrive(value: Any) -> None:
        watch.enter("the job is over, its result becomes a layer")
        finish(value)

    dock.runs.finish = arrive
    pump(lambda: not dock.job.busy, 300)
    watch.enter("after")
    pump(lambda: False, 1)
    if args.picture:
        viewer.window.screenshot(args.picture, canvas_only=False)
    report = {"dock_opens_s": opened, "message": dock.messages.text.text(), "delays": watch.table()}
    report["summary"] = dock.result_step.summary.text()
    report["verdict"] = dock.improve_step.verdict.text.text()
    print(json.dumps(report, indent=1, default=float))
    home = Path("docs/benchmarks/gui_latency.json")
    home.write_text(
        json.dumps({"cores": os.cpu_count(), "seconds": args.seconds, "delays": report["delays"]}, indent=1) + "\n"
    )
    viewer.close()


if __name__ == "__main__":
    main()
