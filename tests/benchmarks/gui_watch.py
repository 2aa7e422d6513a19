"""How long single events of the window take: each action of a day on a large image, beside bare napari doing the same.

    bash scripts/with-screen.sh python tests/benchmarks/gui_watch.py small big zarr bare [--repeats 3] [--name after]

The window stands still while one event of its thread is handled. For every event that Qt hands out (a timer, a signal from a
worker, a repaint) the processor time of the window's own thread is taken; so other programs on the machine hardly count. Each
case runs in a process of its own, several times; the figures are medians. A sampler beside it says where the longest event
spent its processor time (what it waits for, such as threads that read a file, is not its own): in a function of this package,
or in napari and vispy.

small: the shipped nuclei. big: 4096² with 52,000 objects. zarr: a volume of 2 GB. bare: napari without this package, given
the same arrays. Writes docs/benchmarks/gui_watch.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

LIMIT_MS = 50
CELL, SIDE = 18, 4096
VOLUME = (512, 2048, 2048)


class Watch:
    """The events of each action: how long the window's thread worked on the longest, and where.

    Every event that Qt delivers goes through ``QApplication.notify``; events inside an event are a part of it.
    """

    def __init__(self) -> None:
        from qtpy.QtWidgets import QApplication

        watch = self
        self.rows: dict[str, dict[str, Any]] = {}
        self._action, self._depth, self._number = "start", 0, 0
        self._samples: Counter[tuple[bool, str]] = Counter()  # microseconds

        class Application(QApplication):
            def notify(self, receiver: Any, event: Any) -> bool:
                return watch.measure(lambda: super(Application, self).notify(receiver, event))

        self.application = Application(sys.argv[:1])
        self._thread = threading.get_ident()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def measure(self, work: Callable[[], Any]) -> Any:
        """Do something as one event."""
        if self._depth or not self._sampler.ident:  # before the first action nothing is measured
            return work()
        self._depth, begin = 1, time.thread_time()
        self._number += 1
        try:
            return work()
        finally:
            self._take(1000 * (time.thread_time() - begin))
            self._depth = 0

    def _take(self, spent: float) -> None:
        samples, self._samples = self._samples, Counter()
        row = self.rows.setdefault(self._action, {"longest_ms": 0.0, "total_ms": 0.0, "events": 0, "over_50ms": 0})
        row["total_ms"] += spent
        row["events"] += 1
        row["over_50ms"] += spent > LIMIT_MS
        if spent > row["longest_ms"]:
            seen = max(1, sum(samples.values()))
            napari = sum(n for (own, _), n in samples.items() if not own) / seen
            row.update({"longest_ms": spent, "of it napari": napari * spent})
            row["where"] = [f"{100 * n // seen} % {place}" for (_, place), n in samples.most_common(3)]

    def _sample(self) -> None:
        clock = _clock_of(self._thread)
        last = clock()
        while True:
            time.sleep(0.004)
            now = clock()
            frame = sys._current_frames().get(self._thread) if self._depth else None
            if frame is not None:
                self._samples[_place(frame)] += int(1e6 * (now - last))
            last = now

    def step(
        self, name: str, do: Callable[[], Any], until: Callable[[], Any], limit: float = 60, rest: float = 1
    ) -> None:
        """Do something as one event, wait until it has come to an end, and let the window settle."""
        if not self._sampler.ident:
            self._sampler.start()
        self._action, begin = name, time.perf_counter()
        self.measure(do)
        reached = pump(until, limit)
        took = time.perf_counter() - begin
        pump(lambda: False, rest)
        row = self.rows.setdefault(name, {"longest_ms": 0.0, "total_ms": 0.0, "events": 0, "over_50ms": 0})
        row["seconds"] = took if reached else None
        self._action = "between"
        print(f"  {name:46s} {row['longest_ms']:6.0f} ms {row.get('where', '')}", file=sys.stderr, flush=True)


def _clock_of(thread: int) -> Callable[[], float]:
    """The processor time of a thread, where the system tells it to another; elsewhere the time of day."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(thread)
        return lambda: time.clock_gettime(clock)
    return time.perf_counter


def _place(frame: Any) -> tuple[bool, str]:
    """Whether the innermost known function is of this package, and both that and the one of napari or vispy."""
    own = other = ""
    own_first = False
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        short = f"{file.rsplit('/', 1)[-1]}:{frame.f_code.co_name}"
        if "/napari_segplugin/" in file and not own:
            own, own_first = short, not other
        elif ("/napari/" in file or "/vispy/" in file) and not other:
            other = short
        frame = frame.f_back
    return own_first, f"{own or '-'} > {'' if own_first else other or 'Qt'}"


def pump(until: Callable[[], Any], limit: float) -> bool:
    """Run the event loop until something is true; whether it became true."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, end, timer = QEventLoop(), time.monotonic() + limit, QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.monotonic() > end else None)
    timer.start(20)
    loop.exec()
    return bool(until())


def grid_of_objects() -> tuple[np.ndarray, np.ndarray]:
    """An image of 4096² and 52,000 square objects in it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    labels = ((y // CELL) * (-(-SIDE // CELL)) + x // CELL + 1).astype(np.int32)
    labels[(y % CELL < 3) | (x % CELL < 3)] = 0
    noise = np.random.default_rng(0).integers(0, 90, labels.shape)
    return (noise + 100 * (labels > 0)).astype(np.uint8), labels


def stroke(layer: Any, start: tuple[int, ...], value: int) -> None:
    """Ten touches of the brush, one step."""
    with layer.block_history():
        for k in range(10):
            layer.paint((*start[:-1], start[-1] + 8 * k), value)


def opened(watch: Watch) -> tuple[Any, Any]:
    """A viewer with the dock."""
    import napari

    from napari_segplugin.widgets.dock import SegmentationDock

    viewer, made = napari.Viewer(), list[Any]()
    pump(lambda: False, 1)

    def open_dock() -> None:
        made.append(SegmentationDock(viewer))
        viewer.window.add_dock_widget(made[0], name="Segmentation")

    watch.step("the dock opens", open_dock, lambda: True)
    return viewer, made[0]


def small(watch: Watch) -> None:
    """A shipped sample: open, run, paint, fine-tune, cancel."""
    _, dock = opened(watch)
    idle = lambda: not dock.job.busy and not dock.background.busy  # noqa: E731
    files, runs = dock.files, dock.runs
    watch.step("sample opens", lambda: files.open_sample("nuclei2d"), lambda: dock.image_step.ready, 20)
    watch.step("first run", lambda: runs.start("whole"), lambda: dock.desk.results and idle(), 120)
    watch.step("paint layer", lambda: dock.paint.pick(65535), lambda: dock.paint.layer is not None and idle(), 20)
    truth = np.asarray(dock.desk.results[-1].layer.data)
    paint = np.where(truth % 3 == 1, truth, 0).astype(np.uint16)
    paint[(truth == 0) & (np.random.default_rng(0).random(truth.shape) < 0.2)] = 65535
    watch.step("strokes", lambda: setattr(dock.paint.layer, "data", paint), lambda: dock.paint.counts and idle(), 20)
    dock.improve_step.budget_spin.setValue(8)
    watch.step("fine-tuning", dock.train.start, idle, 150)


def big(watch: Watch) -> None:
    """4096² with 52,000 objects: the result, corrections, strokes, the instant answer."""
    from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Stage, Task

    viewer, dock = opened(watch)
    image, labels = grid_of_objects()
    idle = lambda: not dock.job.busy and not dock.background.busy  # noqa: E731
    place = {"scale": (0.5, 0.5), "units": ("um", "um"), "axis_labels": ("y", "x")}
    add = lambda: viewer.add_image(image, name="big", **place)  # noqa: E731
    watch.step("first image", add, lambda: dock.image_step.ready and idle(), 30, 2)

    def job(*_: Any) -> Any:
        yield Stage("Segmenting")
        table = ObjectTable.of(labels)
        return Segmentation(
            Task.INSTANCE, labels, table, ClassTable.named(["object"]), "YX", (0.5, 0.5), "um", "big", {}
        )

    start = lambda: dock.runs.start_with("whole", "grid", Task.INSTANCE, job)  # noqa: E731
    watch.step("result arrives", start, lambda: dock.desk.results and idle(), 90, 3)
    layer, editor = dock.desk.results[-1].layer, dock.edits.target.editor
    watch.step("merge two objects", lambda: editor.merge([1, 2]), idle)
    watch.step("delete one object", lambda: editor.delete([500]), idle)
    watch.step("undo of that", layer.undo, idle)
    watch.step("accept 5,000 objects", lambda: editor.accept(range(1000, 6000)), idle)
    watch.step("undo of that ", layer.undo, idle)
    watch.step("fill of the background", lambda: layer.fill((0, 0), 60000), idle, 60, 2)
    watch.step("undo of the fill", layer.undo, idle, 60, 2)
    watch.step("measure table", dock.panels.measure, idle, 60, 3)
    watch.step("paint layer", lambda: dock.paint.pick(65535), lambda: dock.paint.layer is not None and idle(), 30, 1.5)
    paint = dock.paint.layer
    paint.brush_size = 40
    watch.step("stroke", lambda: stroke(paint, (500, 500), 1), idle)
    watch.step("stroke of background", lambda: stroke(paint, (900, 900), 65535), idle)
    box = dock.improve_step.instant_box
    answered = lambda: any(a.name == "instant answer" for a in viewer.layers)  # noqa: E731
    watch.step("instant answer, first", lambda: box.setChecked(True), answered, 120)
    pump(idle, 120)
    shown = list[int]()
    live = next((a for a in viewer.layers if a.name == "instant answer"), None)
    if live is not None:
        live.events.data.connect(lambda _=None: shown.append(1))
    watch.step("instant answer to a stroke", lambda: stroke(paint, (1500, 1500), 1), lambda: shown, 60, 2)
    pump(idle, 120)
    shown.clear()
    watch.step("undo with instant answer", paint.undo, lambda: shown and idle(), 60, 2)
    box.setChecked(False)
    watch.step("fill of strokes", lambda: paint.fill((3000, 3000), 3), idle, 60, 2)
    watch.step("undo of the fill of strokes", paint.undo, idle, 60, 2)


def volume(folder: Path) -> str:
    """A zarr array of 2 GB."""
    import zarr

    path = folder / "volume.zarr"
    array = zarr.create_array(path, shape=VOLUME, chunks=(64, 256, 256), dtype="u1", compressors=None)
    slab = np.random.default_rng(0).integers(0, 255, (64, *VOLUME[1:])).astype(np.uint8)
    for z in range(0, VOLUME[0], 64):
        array[z : z + 64] = slab
    return str(path)


def zarr_volume(watch: Watch) -> None:
    """A volume of 2 GB: open, paint."""
    _, dock = opened(watch)
    idle = lambda: not dock.job.busy and not dock.background.busy  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        path = volume(Path(folder))
        step = dock.image_step
        watch.step("open 2 GB", lambda: dock.files.open_image(path), lambda: step.layer is not None and idle(), 90, 2)
        watch.step("its axes are said", lambda: step.set_axes("ZYX"), lambda: step.ready and idle(), 90, 2)
        watch.step("paint layer on 2 GB", dock.paint.add_layer, lambda: dock.paint.layer is not None and idle(), 60, 3)
        paint = dock.paint.layer
        watch.step("stroke in 2 GB", lambda: stroke(paint, (200, 500, 500), 1), idle, 30, 3)
        watch.step("undo in 2 GB", paint.undo, idle, 30, 3)


def bare(watch: Watch) -> None:
    """napari alone, with the arrays that the cases above give it."""
    import napari
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    viewer = napari.Viewer()
    pump(lambda: False, 1)
    image, labels = grid_of_objects()
    done = lambda: True  # noqa: E731
    watch.step("first image", lambda: viewer.add_image(image), done, 1, 2)
    for kind in (np.uint16, np.int32):  # the first layer of labels also loads what labels need
        name, array = np.dtype(kind).name, labels.astype(kind)
        watch.step(f"labels as {name}", lambda array=array: viewer.add_labels(array), done, 1, 2)
        layer = viewer.layers[-1]
        watch.step(f"fill of the background, {name}", lambda layer=layer: layer.fill((0, 0), 60000), done, 1, 2)
        watch.step(f"undo of the fill, {name}", layer.undo, done, 1, 2)
        viewer.layers.remove(layer)
    colors = DirectLabelColormap(color_dict={None: "gray", 0: "transparent", 1: "red", 65535: "blue"})
    add = lambda: viewer.add_layer(Labels(np.zeros((SIDE, SIDE), np.uint16), colormap=colors))  # noqa: E731
    watch.step("paint layer", add, done, 1, 2)
    paint = viewer.layers[-1]
    paint.brush_size = 40
    watch.step("stroke", lambda: stroke(paint, (500, 500), 1), done, 1)
    watch.step("fill of strokes", lambda: paint.fill((3000, 3000), 3), done, 1, 2)
    watch.step("undo of the fill of strokes", paint.undo, done, 1, 2)
    viewer.layers.clear()
    with tempfile.TemporaryDirectory() as folder:
        import zarr

        found = zarr.open_array(volume(Path(folder)), mode="r")
        watch.step("open 2 GB", lambda: viewer.add_image(found), done, 1, 2)
        add = lambda: viewer.add_layer(Labels(np.zeros(VOLUME, np.uint16), colormap=colors))  # noqa: E731
        watch.step("paint layer on 2 GB", add, done, 1, 3)
        watch.step("stroke in 2 GB", lambda: stroke(viewer.layers[-1], (200, 500, 500), 1), done, 1, 2)
        watch.step("undo in 2 GB", viewer.layers[-1].undo, done, 1, 2)


CASES: dict[str, Callable[[Watch], None]] = {"small": small, "big": big, "zarr": zarr_volume, "bare": bare}


def joined(runs: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Medians of the figures of several runs; the place is that of the run in the middle."""
    out: dict[str, dict[str, Any]] = {}
    for action in runs[0]:
        rows = sorted((r[action] for r in runs if action in r), key=lambda row: row["longest_ms"])
        middle = rows[len(rows) // 2]
        out[action] = dict(middle)
        for key in ("longest_ms", "of it napari", "total_ms", "seconds"):
            values = [row[key] for row in rows if row.get(key) is not None]
            out[action][key] = round(median(values), 2 if key == "seconds" else 1) if values else None
    return {k: v for k, v in out.items() if k not in ("start", "between")}


def alone(case: str) -> dict[str, dict[str, Any]]:
    """One run of a case in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        about = {**os.environ, "NAPARI_SEGPLUGIN_HOME": home, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--inside", case]
        done = subprocess.run(command, env=about, stdout=subprocess.PIPE, text=True)
        if done.returncode < 0:  # Python between Qt and every event: seldom PyQt falls over while napari sets its theme
            done = subprocess.run(command, env=about, stdout=subprocess.PIPE, text=True)
        done.check_returncode()
        found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return found


def main() -> None:
    """Run the cases, print a table, write the record."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", nargs="*", choices=[*CASES, []], help="all by default")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--name", default="after", help="under which name the figures are kept")
    options.add_argument("--inside", choices=list(CASES), help=argparse.SUPPRESS)
    options.add_argument("--write", type=Path, default=Path("docs/benchmarks/gui_watch.json"))
    args = options.parse_args()
    if args.inside:
        watch = Watch()
        CASES[args.inside](watch)
        print(json.dumps(watch.rows), flush=True)
        os._exit(0)
    record = json.loads(args.write.read_text()) if args.write.exists() else {}
    for case in args.cases or CASES:
        rows = joined([alone(case) for _ in range(args.repeats)])
        record.setdefault(args.name, {"cores": os.cpu_count()})[case] = rows
        for action, row in rows.items():
            print(
                f"{case:6s} {action:40s} {row['longest_ms']:7.0f} ms, napari {row['of it napari'] or 0:6.0f}",
                flush=True,
            )
        args.write.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
