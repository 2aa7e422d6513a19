"""A histogram of intensities with a line that can be dragged."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_segplugin.core import PALETTE
from napari_segplugin.widgets._parts import describe


class Histogram(QWidget):
    """Counts on a root scale, so that few bright voxels are seen beside much background.

    Signals
    -------
    dragged(float) : the value under the mouse
    """

    dragged = Signal(float)

    def __init__(self, name: str) -> None:
        super().__init__()
        describe(
            self, name, "Histogram", "Distribution of the intensities. Drag the line to set the threshold by hand."
        )
        self.setMinimumHeight(64)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.clear()

    def clear(self) -> None:
        """Forget the counts."""
        self._counts, self._low, self._high = np.zeros(0), 0.0, 1.0
        self._value: float | None = None
        self.update()

    @property
    def empty(self) -> bool:
        """Whether there are no counts yet."""
        return not self._counts.size

    def set_counts(self, counts: np.ndarray, low: float, high: float) -> None:
        """Show counts of equal bins between two values."""
        self._counts, self._low, self._high = np.asarray(counts, float), float(low), float(high)
        self.update()

    def set_value(self, value: float | None) -> None:
        """Show the line at a value; None hides it."""
        self._value = value
        self.setAccessibleDescription("no threshold set by hand" if value is None else f"threshold {value:.4g}")
        self.update()

    def value_at(self, x: float) -> float:
        """The value that a place of the widget stands for."""
        share = min(1.0, max(0.0, x / max(1, self.width() - 1)))
        value: float = self._low + share * (self._high - self._low)
        return value

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Put the line under the mouse."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Drag the line."""
        if event is not None and not self.empty:
            self.dragged.emit(self.value_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw counts and line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        box = QRectF(0, 0, self.width() - 1, self.height() - 1)
        if not self.empty and self._counts.max() > 0:
            heights = np.sqrt(self._counts / self._counts.max()) * (box.height() - 4)
            xs = np.linspace(0, box.width(), len(heights))
            points = [QPointF(float(x), box.height() - float(h)) for x, h in zip(xs, heights, strict=True)]
            shape = QPolygonF([QPointF(0, box.height()), *points, QPointF(box.width(), box.height())])
            fill = QColor(ink)
            fill.setAlphaF(0.35)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawPolygon(shape)
        if self._value is not None and not self.empty:
            x = (self._value - self._low) / max(self._high - self._low, 1e-12) * box.width()
            painter.setPen(QPen(QColor(PALETTE[1]), 2))
            painter.drawLine(QPointF(x, 0), QPointF(x, box.height()))
        painter.end()


__all__ = ["Histogram"]
