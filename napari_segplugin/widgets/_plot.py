"""A line plot of a few hundred lines less than a plotting library: loss and quality while a network trains."""

from __future__ import annotations

import math

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_segplugin.core import PALETTE

MAX_POINTS = 2000


class LinePlot(QWidget):
    """Curves over the training step, in the colours of the theme.

    Parameters
    ----------
    title : str
        What the curves show; also read by screen readers.
    name : str
    x_title : str
        What runs from left to right.
    show_last : bool
        Whether the newest value stands beside the name of a curve.
    """

    def __init__(self, title: str, name: str, x_title: str = "step", show_last: bool = True) -> None:
        super().__init__()
        self.title, self.x_title, self._show_last = title, x_title, show_last
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setMinimumHeight(110)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._series: dict[str, list[tuple[float, float]]] = {}

    def clear(self) -> None:
        """Forget all curves."""
        self._series.clear()
        self.update()

    def add(self, name: str, x: float, y: float) -> None:
        """Add a point to a curve; values that are not finite are left out.

        Parameters
        ----------
        name : str
            The curve.
        x, y : float
        """
        if not math.isfinite(y):
            return
        points = self._series.setdefault(name, [])
        points.append((float(x), float(y)))
        if len(points) > MAX_POINTS:
            # Every other point of a long curve is enough for a plot of 300 pixels, and keeps drawing cheap.
            del points[:-1:2]
        last = ", ".join(f"{n} {p[-1][1]:.3g}" for n, p in self._series.items())
        self.setAccessibleDescription(f"{self.title}: {last}")
        self.update()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not self._series

    def values(self, name: str) -> list[float]:
        """The heights of a curve."""
        return [y for _, y in self._series.get(name, [])]

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw frame, scale, curves and names."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(70)
        small = painter.font()
        small.setPointSizeF(max(7.0, small.pointSizeF() * 0.85))
        painter.setFont(small)
        line = painter.fontMetrics().height()
        area = QRectF(38, line + 4, max(10, self.width() - 44), max(10, self.height() - 2 * line - 8))
        painter.setPen(QPen(faint, 1))
        painter.drawRect(area)
        points = [p for curve in self._series.values() for p in curve]
        painter.setPen(text)
        if not points:
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self.title)
            return
        x0, x1, y0, y1 = _limits(points)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((y1, area.top()), (y0, area.bottom())):
            painter.drawText(QRectF(0, y - line / 2, 34, line), right, f"{value:.2g}")
        painter.drawText(QRectF(area.left(), area.bottom() + 2, area.width(), line), right, f"{self.x_title} {x1:.6g}")
        if not self._show_last:
            painter.drawText(QPointF(area.left(), area.bottom() + line), f"{x0:.6g}")
        self._curves(painter, area, (x0, x1, y0, y1), line)

    def _curves(self, painter: QPainter, area: QRectF, limits: tuple[float, float, float, float], line: int) -> None:
        x0, x1, y0, y1 = limits
        left = area.left()
        for i, (name, curve) in enumerate(self._series.items()):
            color = QColor(PALETTE[1 + i % (len(PALETTE) - 1)])
            painter.setPen(QPen(color, 2))
            shape = QPolygonF(
                [
                    QPointF(
                        area.left() + (x - x0) / (x1 - x0) * area.width(),
                        area.bottom() - (y - y0) / (y1 - y0) * area.height(),
                    )
                    for x, y in curve
                ]
            )
            if len(curve) == 1:
                painter.drawEllipse(shape[0], 2, 2)
            painter.drawPolyline(shape)
            caption = f"{name} {curve[-1][1]:.3g}" if self._show_last else name
            width = painter.fontMetrics().horizontalAdvance(caption)
            if left + 14 + width > self.width():
                continue  # no room for this name; its curve is drawn all the same
            painter.drawLine(QPointF(left, line / 2 + 1), QPointF(left + 10, line / 2 + 1))
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            painter.drawText(QPointF(left + 14, line - 1), caption)
            left += 24 + width


def _limits(points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Corners of the plot, never of zero size."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    x0, x1, y0, y1 = min(xs), max(xs), min(ys), max(ys)
    if x1 <= x0:
        x1 = x0 + 1
    if y1 - y0 < 1e-12:
        y0, y1 = y0 - 0.5, y1 + 0.5
    return x0, x1, y0, y1
