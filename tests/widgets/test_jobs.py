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
from fake_selection import FakeSelection
from napari.components import ViewerModel
from napari.layers import Labels, Layer

from napari_segplugin.core import Event, InputError, Job, Metric, Preview, SegPluginError, Step
from napari_segplugin.viewer.desk import Desk
from napari_segplugin.widgets.jobs import Background, JobRunner, Jobs, explain

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


# --- whose job it is --------------------------------------------------------------------------------------------------


class Owned:
    """Owns a job, and notes what happens to it."""

    def __init__(self, layer: Layer, keeps: bool = False) -> None:
        self.works_on, self.keeps = (layer,), keeps
        self.log: list[object] = []
        self.trouble: Exception | None = None

    def take(self, event: Event) -> None:
        self.log.append(event)

    def ended(self) -> None:
        self.log.append("ended")

    def finish(self, value: str) -> None:
        self.log.append(value)
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def layer() -> Layer:
    return Labels(np.zeros((2, 2), int), name="cells")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def jobs(qtbot: Any, said: list[str]) -> Iterator[Jobs]:
    chosen = FakeSelection()
    desk = Desk(ViewerModel(), chosen, chosen, chosen, explain)
    desk.said.connect(lambda text, details, answers: said.append(text))
    jobs = Jobs(desk)
    yield jobs
    jobs.cancel()
    qtbot.waitUntil(lambda: not jobs.busy and not jobs.background.busy, timeout=5000)


def over(jobs: Jobs, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: jobs.owner is None and not jobs.busy, timeout=5000)


def two_steps(gate: threading.Event | None = None, error: Exception | None = None) -> Job[str]:
    yield Step(1, 2)
    if error is not None:
        raise error
    while gate is not None and not gate.wait(0.005):
        yield Step(1, 2)
    yield Step(2, 2)
    return "found"


def test_events_and_result_go_to_the_owner(jobs: Jobs, qtbot: Any, layer: Layer, said: list[str]) -> None:
    first, second, gate = Owned(layer), Owned(layer), threading.Event()
    ends: list[object] = []
    jobs.ended.connect(lambda: ends.append(jobs.owner))
    jobs.start(first, lambda: two_steps(gate), "first")
    assert jobs.owner is first
    assert said == [""]
    jobs.start(second, two_steps, "second")
    assert jobs.owner is first
    assert said[1:] == ["Another job is running. Wait for it, or press Cancel."]
    gate.set()
    over(jobs, qtbot)
    assert first.log[-2:] == ["ended", "found"]
    assert isinstance(first.log[0], Step)
    assert second.log == []
    assert ends == [None]
    jobs.start(second, two_steps, "second")
    over(jobs, qtbot)
    assert second.log[-2:] == ["ended", "found"]


def test_a_job_that_fails_or_cannot_be_shown_says_why(jobs: Jobs, qtbot: Any, layer: Layer, said: list[str]) -> None:
    owner = Owned(layer)
    jobs.start(owner, lambda: two_steps(error=InputError("No room.")), "fails")
    over(jobs, qtbot)
    assert owner.log[-1] == "ended"
    assert "found" not in owner.log
    assert said[-1] == "No room."
    owner.trouble = InputError("It was edited.")
    jobs.start(owner, two_steps, "cannot be shown")
    over(jobs, qtbot)
    assert owner.log[-1] == "found"
    assert said[-1] == "It was edited."


def test_cancel_says_that_nothing_is_changed(jobs: Jobs, qtbot: Any, layer: Layer, said: list[str]) -> None:
    owner = Owned(layer)
    jobs.start(owner, lambda: two_steps(threading.Event()), "long")
    jobs.cancel_work_on(Labels(np.zeros((2, 2), int)), "another layer went")
    qtbot.wait(50)
    assert jobs.busy
    jobs.cancel()
    over(jobs, qtbot)
    assert owner.log[-1] == "ended"
    assert "found" not in owner.log
    assert said[-1] == "Cancelled. Nothing is changed."


def test_a_job_goes_with_its_layer(jobs: Jobs, qtbot: Any, layer: Layer, said: list[str]) -> None:
    owner = Owned(layer)
    jobs.start(owner, lambda: two_steps(threading.Event()), "long")
    jobs.cancel_work_on(layer, "“cells” was removed.")
    over(jobs, qtbot)
    assert "found" not in owner.log
    assert said[-1] == "“cells” was removed."
    jobs.start(owner, lambda: two_steps(threading.Event()), "long")
    jobs.cancel()
    over(jobs, qtbot)
    assert said[-1] == "Cancelled. Nothing is changed."  # the reason was that of the job before


@pytest.mark.parametrize("keeps", [False, True])
def test_a_result_that_was_ready_when_its_layer_went_is_kept_only_where_it_is_of_use(
    jobs: Jobs, qtbot: Any, layer: Layer, said: list[str], keeps: bool
) -> None:
    owner, ready = Owned(layer, keeps), threading.Event()

    def job() -> Job[str]:
        yield Step(1, 1)
        ready.set()
        return "found"

    jobs.start(owner, job, "short")
    assert ready.wait(5)
    time.sleep(0.2)  # the worker ends, and the window has not heard of it yet
    assert jobs.owner is owner
    jobs.cancel_work_on(layer, "“cells” was removed.")
    over(jobs, qtbot)
    assert ("found" in owner.log) is keeps
    assert ("“cells” was removed." in said) is not keeps


def test_what_goes_wrong_beside_is_said_unless_it_is_nobodys_business(jobs: Jobs, qtbot: Any, said: list[str]) -> None:
    def wrong() -> int:
        raise InputError("No such file.")

    done: list[object] = []
    jobs.beside("quiet", wrong, done.append, done.append)
    qtbot.waitUntil(lambda: len(done) == 1, timeout=5000)
    assert said == []
    jobs.beside("loud", wrong, done.append)
    qtbot.waitUntil(lambda: said == ["No such file."], timeout=5000)
    jobs.beside(("kind", 1), lambda: 3, done.append)
    qtbot.waitUntil(lambda: 3 in done, timeout=5000)


def test_a_closed_window_hears_of_no_job(jobs: Jobs, qtbot: Any, layer: Layer, said: list[str]) -> None:
    owner, closed = Owned(layer), threading.Event()

    def job() -> Job[str]:
        try:
            return (yield from two_steps(threading.Event()))
        finally:
            closed.set()

    jobs.start(owner, job, "long")
    qtbot.waitUntil(lambda: bool(owner.log), timeout=5000)
    jobs.abandon()
    assert closed.wait(5)
    qtbot.wait(50)
    assert "ended" not in owner.log
    assert said == [""]
    jobs.beside("late", lambda: 1, owner.log.append)
    qtbot.wait(50)
    assert 1 not in owner.log
    jobs.owner = None
