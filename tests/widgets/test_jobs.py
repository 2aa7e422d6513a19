"""Workers: every ending is told, generators are closed, and a flood of events does not reach the window."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from napari_segplugin.core import InputError, Metric, Preview, SegPluginError, Step
from napari_segplugin.widgets.jobs import Background, JobRunner, explain

pytestmark = pytest.mark.qt


@pytest.fixture
def runner(qtbot: Any) -> Iterator[JobRunner]:
    runner = JobRunner(registered=False)
    yield runner
    runner.cancel()
    qtbot.waitUntil(lambda: not runner.busy, timeout=5000)


@pytest.mark.parametrize("error", [RuntimeError("shape"), ValueError("x"), MemoryError(), InputError("No.")])
def test_every_error_arrives_and_the_generator_is_closed(runner: JobRunner, qtbot: Any, error: Exception) -> None:
    closed = []

    def job() -> Any:
        try:
            yield Step(1, 2)
            raise error
        finally:
            closed.append(threading.current_thread() is threading.main_thread())

    with qtbot.waitSignal(runner.failed, timeout=3000) as told:
        runner.start(job, "test")
    assert told.args == [error]
    assert closed == [False]
    assert not runner.busy


def test_an_error_before_the_first_event_arrives_too(runner: JobRunner, qtbot: Any) -> None:
    def broken() -> Any:
        raise RuntimeError("no such device")

    with qtbot.waitSignal(runner.failed, timeout=3000):
        runner.start(broken, "test")


def test_cancel_closes_the_generator(runner: JobRunner, qtbot: Any) -> None:
    closed = threading.Event()

    def job() -> Any:
        try:
            while True:
                time.sleep(0.002)
                yield Step(1, 2)
        finally:
            closed.set()

    runner.start(job, "test")
    qtbot.wait(50)
    with qtbot.waitSignal(runner.cancelled, timeout=3000):
        runner.cancel()
    assert closed.is_set()


def test_of_many_steps_few_reach_the_window_and_no_metric_is_lost(runner: JobRunner, qtbot: Any) -> None:
    seen: list[Any] = []
    runner.happened.connect(seen.append)

    def job() -> Any:
        for i in range(5000):
            yield Step(i, 5000)
            yield Preview((0, 0), np.zeros((2, 2), int))
            if i % 1000 == 0:
                yield Metric(i, "loss", 1.0)
        return "done"

    began = time.perf_counter()
    with qtbot.waitSignal(runner.returned, timeout=8000) as told:
        runner.start(job, "test")
    looks = (time.perf_counter() - began) / 0.05 + 2
    assert told.args == ["done"]
    assert sum(isinstance(e, Step) for e in seen) <= looks
    assert [e.step for e in seen if isinstance(e, Metric)] == [0, 1000, 2000, 3000, 4000]


def test_a_second_job_is_refused(runner: JobRunner, qtbot: Any) -> None:
    gate = threading.Event()
    runner.start(lambda: gate.wait(3), "first")
    with pytest.raises(SegPluginError, match="Another job"):
        runner.start(lambda: 1, "second")
    gate.set()


def test_abandoned_jobs_say_nothing(runner: JobRunner, qtbot: Any) -> None:
    said: list[Any] = []
    for signal in (runner.returned, runner.failed, runner.cancelled):
        signal.connect(lambda *a: said.append(a))
    over = threading.Event()

    def job() -> Any:
        try:
            while True:
                time.sleep(0.002)
                yield Step(1, 2)
        finally:
            over.set()

    runner.start(job, "test")
    qtbot.wait(40)
    runner.abandon()
    assert over.wait(3)
    qtbot.wait(60)
    assert said == []


def test_the_switch_interval_comes_back(runner: JobRunner, qtbot: Any) -> None:
    usual = sys.getswitchinterval()
    gate = threading.Event()
    runner.start(lambda: gate.wait(3), "test")
    assert sys.getswitchinterval() < usual
    gate.set()
    qtbot.waitUntil(lambda: not runner.busy, timeout=3000)
    assert sys.getswitchinterval() == pytest.approx(usual)


def test_of_several_background_requests_the_newest_counts(qtbot: Any) -> None:
    background, seen = Background(), []
    gate = threading.Event()
    background.run("a", lambda: gate.wait(3), lambda _: seen.append(0), seen.append)
    for i in (1, 2, 3):
        background.run("a", lambda i=i: i, seen.append, seen.append)
    gate.set()
    qtbot.waitUntil(lambda: not background.busy, timeout=3000)
    assert seen == [3]


def test_a_message_for_every_error() -> None:
    assert explain(InputError("No.")) == ("No.", "")
    text, details = explain(KeyError("k"))
    assert "unexpected" in text
    assert "KeyError" in details


def test_opening_the_dock_imports_no_torch() -> None:
    code = (
        "import sys, time\n"
        "from qtpy.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "start = time.perf_counter()\n"
        "from napari_segplugin.widgets.dock import SegmentationDock\n"
        "dock = SegmentationDock(ViewerModel())\n"
        "print(f'{time.perf_counter() - start:.2f} s')\n"
        "for _ in range(5): app.processEvents()\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    print("the dock opens in", done.stdout.strip())


def test_a_program_that_ends_while_a_job_runs_ends_quietly() -> None:
    """Qt deletes the signals of a worker with the application; the worker must not abort the process then."""
    code = """
import sys, time
from qtpy.QtWidgets import QApplication
from napari_segplugin.widgets.jobs import Background
app = QApplication([])
background = Background()
background.run("slow", lambda: time.sleep(0.4), print, print)
del background
app.processEvents()
sys.exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
