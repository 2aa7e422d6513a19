"""Timers that wait until nothing happened for a while, and callbacks of napari that start them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from qtpy.QtCore import QObject, QTimer


class Later:
    """Starts a timer when an event comes: several events in a row cause one update."""

    def __init__(self, timer: QTimer) -> None:
        self._timer = timer

    def __call__(self, event: object = None) -> None:
        """Start the timer, unless its widget is gone."""
        with suppress(RuntimeError):
            self._timer.start()


def timer(parent: QObject, msec: int, slot: Callable[[], object]) -> QTimer:
    """A timer that waits until nothing happened for `msec`."""
    made = QTimer(parent)
    made.setSingleShot(True)
    made.setInterval(msec)
    made.timeout.connect(slot)
    return made
