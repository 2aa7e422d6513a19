"""Running a job off the GUI thread: one worker, one mailbox, four endings.

Two traps shaped this file. In napari's generator workers a `RuntimeError` (torch's out-of-memory and shape errors are
such) fires no signal at all, and a cancelled generator is not closed before the worker is collected. So the worker
overrides the plain `work`, drives the generator itself and closes it. The other choice is the mailbox: the job drops
events into a queue and the GUI empties it five times a second, so that a job with a thousand events a second cannot
flood the window.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import cast

from qtpy.QtCore import QObject, QThreadPool, QTimer, Signal
from superqt.utils import WorkerBase

from napari_segplugin.core import Event, Job, Preview, SegPluginError, Step

LAST_WAIT_MS = 10_000
"""How long the program waits at its end for work that was told to stop."""
POLL_MS = 200
"""The GUI looks into the mailbox this often: each look repaints the window, which takes its time from the job."""
SWITCH_INTERVAL = 0.001
"""Seconds after which a Python thread must hand over while a job runs; the default 0.005 makes the window stutter."""


class Mailbox:
    """A queue between the job's thread and the GUI thread; of progress and previews only the newest is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._latest: dict[type, Event] = {}

    def put(self, event: Event) -> None:
        """Drop an event in."""
        with self._lock:
            if isinstance(event, Step | Preview):
                self._latest[type(event)] = event
            else:
                self._events.append(event)

    def take(self) -> list[Event]:
        """Empty the box: texts and numbers in order, then the newest progress and preview."""
        with self._lock:
            out = [*self._events, *self._latest.values()]
            self._events.clear()
            self._latest.clear()
        return out


@dataclass(frozen=True, eq=False)
class Failure:
    """What a job raised."""

    error: Exception


class JobWorker(WorkerBase):
    """Drives one job in a thread of the pool.

    Parameters
    ----------
    make : callable
        Returns the job (a generator of events), or, for short work without events, the result itself. It is called in
        the worker's thread, so that importing torch does not stop the window.
    mailbox : Mailbox
    """

    def __init__(self, make: Callable[[], object], mailbox: Mailbox) -> None:
        super().__init__()
        self._make, self._mailbox = make, mailbox

    def run(self) -> None:
        """Run in a thread of the pool.

        Errors of the job are caught and sent on inside. What comes out here is that Qt has taken the signals away because
        the program ends: nobody is left to be told, and letting it through would abort the process.
        """
        with suppress(RuntimeError):
            super().run()

    def work(self) -> object:
        """Run the job; what it raises comes back as a :class:`Failure`.

        It does not go the way of the signal for errors: to that one napari 0.7 connects functions of its own that fail
        with PySide6, and a second, senseless error would show beside the true one.
        """
        try:
            return self._drive()
        except Exception as error:  # noqa: BLE001 (nothing is swallowed: every kind of error is handed on to the window)
            return Failure(error)

    def _drive(self) -> object:
        """Run the job; close it whatever happens."""
        if self.abort_requested:
            return None
        made = self._make()
        if not hasattr(made, "send"):
            return made
        with closing(cast("Job[object]", made)) as job:
            while not self.abort_requested:
                try:
                    event = next(job)
                except StopIteration as stop:
                    return stop.value
                if event is not None:
                    self._mailbox.put(event)
        return None


class JobRunner(QObject):
    """Runs one job at a time and says how it ended.

    Signals
    -------
    happened(object) : a job event, on the GUI thread
    returned(object), failed(object), cancelled() : exactly one of them ends a job
    busy_changed(bool)
    """

    happened = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    busy_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None, *, registered: bool = True) -> None:
        super().__init__(parent)
        self._registered = registered
        self._worker: JobWorker | None = None
        self._outcome: tuple[str, object] | None = None
        self._mailbox = Mailbox()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._deliver)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._worker is not None

    def start(self, make: Callable[[], object], title: str) -> None:
        """Start a job.

        Parameters
        ----------
        make : callable
            See :class:`JobWorker`.
        title : str

        Raises
        ------
        SegPluginError
            If a job is running already.
        """
        if self.busy:
            raise SegPluginError("Another job is running. Wait for it, or press Cancel.")
        self._mailbox, self._outcome = Mailbox(), None
        worker = _registered_worker(make, self._mailbox, title) if self._registered else JobWorker(make, self._mailbox)
        self._worker = worker
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)
        _share_interpreter(+1)
        self.busy_changed.emit(True)
        self._timer.start()
        worker.start()

    def cancel(self) -> None:
        """Ask the job to end; it is closed at its next event and nothing has changed."""
        if self._worker is not None:
            self._worker.quit()

    def abandon(self) -> None:
        """Cancel and forget: no signal comes any more. For a window that closes."""
        worker, self._worker = self._worker, None
        self._timer.stop()
        if worker is None:
            return
        _share_interpreter(-1)
        worker.quit()
        for signal, slot in (
            (worker.returned, self._on_returned),
            (worker.finished, self._on_finished),
        ):
            with suppress(TypeError, RuntimeError):
                signal.disconnect(slot)

    def _deliver(self) -> None:
        for event in self._mailbox.take():
            self.happened.emit(event)

    def _on_returned(self, value: object) -> None:
        self._outcome = ("failed", value.error) if isinstance(value, Failure) else ("returned", value)

    def _on_finished(self, _: None = None) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self._timer.stop()
        _share_interpreter(-1)
        if self._outcome is not None or not worker.abort_requested:
            self._deliver()
        self.busy_changed.emit(False)
        kind, value = self._outcome or ("cancelled", None)
        if kind == "cancelled" or (kind == "failed" and worker.abort_requested):
            self.cancelled.emit()
        elif kind == "failed":
            self.failed.emit(value)
        else:
            self.returned.emit(value)


class _Titled:
    """A callable with a name that a person can read: napari shows it when the window is closed."""

    def __init__(self, make: Callable[[], object], title: str) -> None:
        self._make, self._title = make, title

    def __call__(self) -> object:
        """Make the job."""
        return self._make()

    def __str__(self) -> str:
        return self._title


def _registered_worker(make: Callable[[], object], mailbox: Mailbox, title: str) -> JobWorker:
    """A worker that napari knows of, so that closing the window asks first and stops it."""
    from napari.qt.threading import create_worker

    named = _Titled(make, title)
    create = cast("Callable[..., JobWorker]", create_worker)  # it takes any callable and any WorkerBase
    return create(named, mailbox, _worker_class=JobWorker, _ignore_errors=True, _start_thread=False)


def _let_workers_end() -> None:
    """Wait for the threads of the pool before Python takes itself apart: one in the middle of an import would crash it."""
    with suppress(RuntimeError):
        pool = QThreadPool.globalInstance()
        if pool is not None:
            pool.waitForDone(LAST_WAIT_MS)


atexit.register(_let_workers_end)
_jobs_running = 0
_usual_interval = sys.getswitchinterval()


def _share_interpreter(change: int) -> None:
    """Shorten Python's thread switch interval while jobs run; called on the GUI thread only."""
    global _jobs_running, _usual_interval
    if _jobs_running == 0 and change > 0:
        _usual_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
    _jobs_running = max(0, _jobs_running + change)
    if _jobs_running == 0:
        sys.setswitchinterval(_usual_interval)


__all__ = ["JobRunner", "JobWorker", "Mailbox"]
