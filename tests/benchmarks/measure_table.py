"""100 000 objects: seconds to measure them, and how fluid their table is. Run it with a screen:

    bash scripts/with-screen.sh python tests/benchmarks/measure_table.py [--out docs/benchmarks/measure_table.json]

Measuring is compared with scikit-image's regionprops_table on a tenth of the objects, same numbers, same run. The panel
is opened in a napari window; the longest gap between two ticks of a 10 ms timer says how long the window stood still.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import regionprops_table

from napari_segplugin.data.measure import measure_objects
from napari_segplugin.data.table import TableView

CELL = 12
SIDE = 320
"""Objects along each side: 102 400 in all, of about 60 pixels each."""


def scene(side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Disks of several sizes on a grid, numbered, and an image of noise."""
    rng = np.random.default_rng(0)
    radius = rng.uniform(3.0, 5.5, (side, side)).repeat(CELL, 0).repeat(CELL, 1)
    y, x = np.indices((side * CELL, side * CELL))
    number = (y // CELL) * side + x // CELL + 1
    inside = np.hypot(y % CELL - CELL / 2, x % CELL - CELL / 2) <= radius
    image = rng.integers(0, 2**16, inside.shape, np.uint16)
    return np.where(inside, number, 0).astype(np.int32), image


def seconds(act: Callable[[], Any], repeats: int = 3) -> dict[str, float]:
    """Fastest wall time and processor time of some runs."""
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        act()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return {"wall": round(min(wall), 4), "processor": round(min(cpu), 4)}


def against_peer() -> dict[str, Any]:
    """Ours and scikit-image's on the same 10 000 objects."""
    labels, image = scene(100)
    names = ["label", "num_pixels", "area", "centroid", "bbox", "axis_major_length", "axis_minor_length"]
    names += ["perimeter_crofton", "intensity_mean", "intensity_std", "intensity_min", "intensity_max"]
    ours = seconds(lambda: measure_objects(labels, channels={"a": image}))
    peer = seconds(lambda: regionprops_table(labels, image, properties=names), 1)
    return {
        "objects": 10_000,
        "ours": ours,
        "regionprops_table": peer,
        "ratio": round(peer["processor"] / ours["processor"], 1),
    }


def pump(until: Callable[[], bool], limit: float) -> float:
    """Run the window until something is true; gives the longest gap between ticks of 10 ms, in seconds."""
    from qtpy.QtCore import QEventLoop, Qt, QTimer

    loop, end, last, worst = QEventLoop(), time.monotonic() + limit, [time.perf_counter()], [0.0]

    def tick() -> None:
        now = time.perf_counter()
        worst[0], last[0] = max(worst[0], now - last[0] - 0.010), now
        if until() or time.monotonic() > end:
            loop.quit()

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(10)
    timer.timeout.connect(tick)
    timer.start()
    loop.exec()
    timer.stop()
    return worst[0]


def in_a_window(labels: np.ndarray, image: np.ndarray) -> dict[str, Any]:
    """Open the panel, and do what a person does."""
    import napari

    from napari_segplugin.widgets.measure_panel import MeasurePanel

    viewer = napari.Viewer()
    viewer.add_image(image, name="image")
    viewer.add_labels(labels, name="labels")
    pump(lambda: False, 1)
    start, busy = time.perf_counter(), time.process_time()
    panel = MeasurePanel(viewer)
    viewer.window.add_dock_widget(panel, name="Measure objects")
    still = pump(lambda: panel.view is not None, 120)
    opened = {"wall": round(time.perf_counter() - start, 3), "processor": round(time.process_time() - busy, 3)}
    panel.table.viewport().grab()
    table, model = panel.view.table, panel.table.model()
    area = [c.name for c in model.columns].index("area")
    plots, low, high = panel.plot, *table["area"].limits

    def fill() -> None:
        panel._show(table)
        panel.table.viewport().grab()

    def brush() -> None:
        plots.brushed.emit({"area": (low, (low + high) / 2)})
        plots.brushed.emit(None)

    def scatter() -> None:
        plots.scatter.set_values(
            table["area"].values,
            table["mean image"].values,
            ("a", "b"),
            (table["area"].limits, table["mean image"].limits),
        )
        plots.scatter.grab()

    turn = itertools.count()

    def narrow() -> None:
        panel.filter.slider.setValue((low + (high - low) / (3 + next(turn)), high))
        panel.table.viewport().grab()

    def find() -> None:
        panel._select(SIDE * SIDE // 2 + next(turn))
        panel.table.viewport().grab()

    acts = {
        "fill_table_and_plots": fill,
        "sort": lambda: (model.sort(area), panel.table.viewport().grab()),
        "filter": narrow,
        "brush": brush,
        "find_row_of_label": find,
        "scroll_to_end": lambda: (panel.table.scrollToBottom(), panel.table.viewport().grab()),
        "scatter_plot": scatter,
    }
    found = {name: seconds(act) for name, act in acts.items()}
    viewer.close()
    return {
        "open_panel_until_rows_stand": opened,
        "longest_standstill_while_opening": round(still, 3),
        "seconds": found,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", default="docs/benchmarks/measure_table.json")
    args = options.parse_args()
    load = os.getloadavg()[0]
    labels, image = scene()
    report: dict[str, Any] = {
        "machine": {"processor": platform.processor() or platform.machine(), "threads": os.cpu_count()},
        "load_average_before": round(load, 2),
        "objects": SIDE * SIDE,
        "shape": list(labels.shape),
        "measure": {
            "shape": seconds(lambda: measure_objects(labels)),
            "shape_and_one_channel": seconds(lambda: measure_objects(labels, channels={"a": image})),
        },
    }
    table = measure_objects(labels, channels={"a": image})
    report["columns"] = len(table.columns)
    report["csv"] = seconds(table.to_csv, 1)
    report["view_without_window"] = seconds(lambda: TableView(table).sort("area"))
    report["against_scikit_image"] = against_peer()
    report["window"] = in_a_window(labels, image)
    report["target"] = {"open_seconds": 2.0}
    Path(args.out).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
