"""Events of a job as a progress bar on stderr, and Ctrl-C as "end now and keep the best"."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tqdm import tqdm

from napari_segplugin.core import Event, Metric, Note, Stage, Step
from napari_segplugin.core.words import plain_metric


class Progress:
    """Shows the events of a job; on stderr, so that stdout stays free for results.

    Parameters
    ----------
    name : str
        What the job works on.
    quiet : bool
        Show nothing.
    """

    def __init__(self, name: str, quiet: bool = False) -> None:
        self.name, self.quiet = name, quiet
        self.notes: list[str] = []
        self._bar: tqdm | None = None
        self._values: dict[str, str] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Note):
            self.note(self.told(event))
        elif self.quiet:
            return
        elif isinstance(event, Stage):
            self._close()
            self._line(f"{self.name}: {event.text}")
        elif isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Metric):
            self._values[plain_metric(event.name)] = f"{event.value:.4g}"

    def told(self, note: Note) -> str:
        """The text of a note."""
        return note.text

    def note(self, text: str) -> None:
        """A sentence that the person should read."""
        if text not in self.notes:
            self.notes.append(text)
            self._line(f"{self.name}: {text}")

    def _line(self, text: str) -> None:
        if not self.quiet:
            tqdm.write(text, file=sys.stderr)

    def _step(self, event: Step) -> None:
        if self._bar is None or self._bar.total != event.total:
            self._close()
            self._bar = tqdm(total=event.total, file=sys.stderr, leave=True, disable=None, mininterval=0.2)
        if self._values:
            self._bar.set_postfix(self._values, refresh=False)
        self._bar.update(event.done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C once sets the event, so that a training ends with its best state; twice cancels it."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        sys.stderr.write("\nEnding the training and keeping the best state; press Ctrl-C again to cancel.\n")

    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread
        return
    old = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, old)


__all__ = ["Progress", "stop_on_interrupt"]
