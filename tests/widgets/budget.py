"""What a page of the dock may cost: stops of the Tab key, height, and every text whole."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QPushButton, QScrollArea, QToolButton, QWidget

from napari_segplugin.widgets.frame.footer import Sentence
from napari_segplugin.widgets.frame.header import Elided

STOPS = 15
"""Controls of a page, where a group of buttons is one."""


def stops(dock: Any) -> list[QWidget]:
    """What the Tab key stops at."""
    found = [w for w in dock.findChildren(QWidget) if w.isVisibleTo(dock) and w.isEnabled()]
    return [
        w
        for w in found
        if w.focusPolicy() & Qt.FocusPolicy.TabFocus
        and w.focusProxy() is None
        and w.objectName() != "qt_spinbox_lineedit"
    ]


def cut_off(dock: Any) -> list[str]:
    """Texts that are wider or higher than their place."""
    found = []
    for widget in dock.findChildren(QWidget):
        if not widget.isVisibleTo(dock):
            continue
        if isinstance(widget, QPushButton | QToolButton) and not isinstance(widget, QLabel) and widget.text():
            lines = widget.text().replace("&", "").splitlines()
            needed = max(widget.fontMetrics().horizontalAdvance(line) for line in lines)
            if needed > widget.width():
                found.append(f"button {widget.objectName()}: {needed} > {widget.width()}")
        if isinstance(widget, QLabel) and not isinstance(widget, Elided | Sentence) and widget.text():
            needed = widget.heightForWidth(widget.width()) if widget.wordWrap() else widget.minimumSizeHint().height()
            wide = 0 if widget.wordWrap() else widget.sizeHint().width()
            if needed > widget.height() + 1 or wide > widget.width() + 1:
                found.append(f"label {widget.text()[:40]!r}: {wide}×{needed} in {widget.width()}×{widget.height()}")
    return found


def scrolled(dock: Any) -> list[str]:
    """Pages that do not fit, up and down or sideways."""
    found = []
    for area in dock.frame.findChildren(QScrollArea):
        if area.isVisibleTo(dock):
            inside = area.widget()
            if inside.minimumSizeHint().width() > area.viewport().width():
                found.append(
                    f"{area.objectName()}: {inside.minimumSizeHint().width()} wide in {area.viewport().width()}"
                )
            if area.verticalScrollBar().maximum():
                found.append(f"{area.objectName()}: {inside.height()} high in {area.viewport().height()}")
    return found


def highlighted(dock: Any) -> list[str]:
    """The buttons that are highlighted."""
    return [
        b.objectName()
        for b in dock.findChildren(QAbstractButton)
        if b.isVisibleTo(dock) and b.property("primary") and b.isEnabled()
    ]


def check(dock: Any, *, gear: bool = False, busy: bool = False, scrolls: bool = False) -> None:
    """Assert the budget of what is shown.

    Parameters
    ----------
    dock : SegmentationDock
        330 wide and 655 high, what it has in a window of 1280 × 720.
    gear : bool
        Settings are shown, which may have more controls and scroll.
    busy : bool
        A job runs.
    scrolls : bool
        The page may scroll up and down, as with large type it may.
    """
    until = time.monotonic() + 0.2  # what is shown follows by timers
    while time.monotonic() < until:
        QApplication.processEvents()
    there = stops(dock)
    if not gear:
        assert len(there) <= STOPS, [w.objectName() or type(w).__name__ for w in there]
        assert scrolls or not scrolled(dock), scrolled(dock)
    unnamed = [w for w in there if not w.accessibleName()]
    assert not unnamed, [(type(w).__name__, w.objectName()) for w in unnamed]
    assert not cut_off(dock), cut_off(dock)
    # settings may lie over the queue, whose Next is highlighted then
    assert len(highlighted(dock)) in ((0, 1) if gear else (0,) if busy else (1,)), highlighted(dock)
    footer = dock.frame.footer
    bottom = footer.mapTo(dock, QPoint(0, 0)).y() + footer.height()
    assert bottom == dock.height(), (bottom, dock.height())


__all__ = ["STOPS", "check", "cut_off", "highlighted", "scrolled", "stops"]
