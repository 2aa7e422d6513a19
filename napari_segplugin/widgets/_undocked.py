"""Knows when napari takes a widget out of its dock, which is what the x of the title bar does.

napari neither closes nor deletes the widget then: it only has no parent any more. Without this, work would go on behind
a window that nobody can open again.
"""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget


class Undocked(QObject):
    """Calls something when a widget has lost its parent.

    Parameters
    ----------
    widget : QWidget
    then : callable
    """

    def __init__(self, widget: QWidget, then: Callable[[], object]) -> None:
        super().__init__(widget)
        self._widget, self._then = widget, then
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at an event of the widget; nothing is held back."""
        changed = event is not None and event.type() == QEvent.Type.ParentChange
        if changed and watched is self._widget and self._widget.parent() is None:
            self._then()
        return False


__all__ = ["Undocked"]
