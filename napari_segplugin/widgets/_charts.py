"""A histogram and a scatter plot that a range can be brushed in, in the colours of the theme."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_segplugin.core import PALETTE
from napari_segplugin.data.table import bins, density

Limits = tuple[float, float]
_CLICK = 3  # pixels; a shorter drag is a click, which takes the brush away
FEW = 3000
"""Up to so many points are drawn one by one, more as a density."""
_ACCENT, _MARK = QColor(PALETTE[2]), QColor(PALETTE[1])


class Chart(QWidget):
    """Frame, scales and brush; a subclass draws what is inside.

    Signals
    -------
    brushed(object) : ((low x, high x), (low y, high y)), or None where the brush was taken away
    """

    brushed = Signal(object)

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self.title, self.x_title, self.y_title = title, "", ""
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setToolTip("<p>Drag to select a range; click to select everything again.</p>")
        self.setMinimumHeight(130)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.limits: tuple[Limits, Limits] = ((0.0, 1.0), (0.0, 1.0))
        self.brush: tuple[Limits, Limits] | None = None
        self._pressed: QPointF | None = None
        self._drag: QRectF | None = None

    def clear_brush(self) -> None:
        """Take the brush away without a signal."""
        self.brush = self._drag = None
        self.update()

    @property
    def area(self) -> QRectF:
        """Where the data is drawn."""
        line = self.fontMetrics().height()
        return QRectF(46, line + 2, max(10, self.width() - 54), max(10, self.height() - 2 * line - 8))

    def to_data(self, point: QPointF) -> tuple[float, float]:
        """Values at a pixel."""
        area, (x, y) = self.area, self.limits
        across = (point.x() - area.left()) / area.width()
        up = (area.bottom() - point.y()) / area.height()
        return x[0] + across * (x[1] - x[0]), y[0] + up * (y[1] - y[0])

    def to_pixel(self, x: float, y: float) -> QPointF:
        """The pixel of a pair of values."""
        area, (along, up) = self.area, self.limits
        return QPointF(
            area.left() + (x - along[0]) / (along[1] - along[0]) * area.width(),
            area.bottom() - (y - up[0]) / (up[1] - up[0]) * area.height(),
        )

    # --- the brush ------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Begin to brush."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Show what is brushed."""
        if event is not None and self._pressed is not None:
            self._drag = self._shape(QRectF(self._pressed, event.position()).normalized())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Say what was brushed."""
        if event is None or self._pressed is None:
            return
        start, self._pressed, self._drag = self._pressed, None, None
        end = event.position()
        if max(abs(end.x() - start.x()), abs(end.y() - start.y())) <= _CLICK:
            self.brush = None
        else:
            box = self._shape(QRectF(start, end).normalized())
            (x0, y1), (x1, y0) = self.to_data(box.topLeft()), self.to_data(box.bottomRight())
            self.brush = ((x0, x1), (y0, y1))
        self.update()
        self.brushed.emit(self.brush)

    def _shape(self, box: QRectF) -> QRectF:
        """The part of a dragged box that lies inside the frame."""
        return box.intersected(self.area)

    # --- drawing --------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the data, then frame, scales and brush."""
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        small = painter.font()
        small.setPointSizeF(max(7.0, small.pointSizeF() * 0.85))
        painter.setFont(small)
        area = self.area
        self.draw(painter, area)
        faint = QColor(text)
        faint.setAlpha(70)
        painter.setPen(QPen(faint, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area)
        painter.setPen(text)
        self._scales(painter, area)
        self._draw_brush(painter)

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Draw the data into the frame."""
        raise NotImplementedError

    def _scales(self, painter: QPainter, area: QRectF) -> None:
        (x0, x1), (y0, y1) = self.limits
        line = painter.fontMetrics().height()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in ((y1, area.top()), (y0, area.bottom())):
            painter.drawText(QRectF(0, y - line / 2, 42, line), right, f"{value:.3g}")
        below = QRectF(area.left(), area.bottom() + 3, area.width(), line)
        ends = (f"{x0:.3g}", f"{x1:.3g}")
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, ends[0])
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, ends[1])
        room = area.width() - 2 * max(painter.fontMetrics().horizontalAdvance(e) for e in ends) - 12
        name = painter.fontMetrics().elidedText(self.x_title, Qt.TextElideMode.ElideRight, int(room))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, name)
        painter.drawText(QRectF(area.left(), 0, area.width(), line), Qt.AlignmentFlag.AlignLeft, self.y_title)

    def _draw_brush(self, painter: QPainter) -> None:
        box = self._drag
        if box is None and self.brush is not None:
            (x0, x1), (y0, y1) = self.brush
            box = self._shape(QRectF(self.to_pixel(x0, y1), self.to_pixel(x1, y0)))
        if box is None:
            return
        fill = QColor(_MARK)
        fill.setAlpha(50)
        painter.setBrush(fill)
        painter.setPen(QPen(_MARK, 1))
        painter.drawRect(box)


class HistogramChart(Chart):
    """How many objects have which value."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(title, name)
        self.y_title = "objects"
        self._counts, self._edges = np.zeros(1, int), np.array([0.0, 1.0])
        self._at: float | None = None

    def set_values(self, values: np.ndarray, title: str) -> None:
        """Show a column."""
        self.set_counts(*bins(values), title)

    def set_counts(self, counts: np.ndarray, edges: np.ndarray, title: str) -> None:
        """Show counts of ranges that were counted elsewhere."""
        self._counts, self._edges = counts, edges
        self.x_title, self._at = title, None
        self.limits = ((float(edges[0]), float(edges[-1])), (0.0, float(max(1, counts.max()))))
        self.setAccessibleDescription(f"{title}: {int(counts.sum())} {self.y_title}")
        self.clear_brush()

    def mark(self, value: float | None) -> None:
        """Mark the value of the chosen object."""
        self._at = value
        self.update()

    def _shape(self, box: QRectF) -> QRectF:
        area = self.area
        return QRectF(box.left(), area.top(), box.width(), area.height()).intersected(area)

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Draw the bars."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_ACCENT)
        for count, low, high in zip(self._counts, self._edges[:-1], self._edges[1:], strict=True):
            if count:
                top, bottom = self.to_pixel(low, count), self.to_pixel(high, 0)
                painter.drawRect(QRectF(top, bottom).adjusted(0, 0, -0.6, 0))
        if self._at is not None and np.isfinite(self._at):
            painter.setPen(QPen(_MARK, 2))
            painter.drawLine(self.to_pixel(self._at, 0), self.to_pixel(self._at, self.limits[1][1]))


class Scatter(Chart):
    """Two columns against each other: points, or a density where there are very many."""

    def __init__(self, title: str, name: str) -> None:
        super().__init__(title, name)
        self._x, self._y = np.zeros(0), np.zeros(0)
        self._at: tuple[float, float] | None = None
        self._picture: QImage | None = None

    def set_values(self, x: np.ndarray, y: np.ndarray, titles: tuple[str, str], limits: tuple[Limits, Limits]) -> None:
        """Show two columns.

        Parameters
        ----------
        x, y : (N,) ndarray
        titles : pair of str
        limits : pair of (float, float)
            Smallest and largest value of each.
        """
        there = np.isfinite(x) & np.isfinite(y)
        self._x, self._y = np.asarray(x, float)[there], np.asarray(y, float)[there]
        self.x_title, self.y_title = titles
        self.limits = (_apart(limits[0]), _apart(limits[1]))
        self._at = self._picture = None
        self.setAccessibleDescription(f"{titles[1]} against {titles[0]}: {len(self._x)} objects")
        self.clear_brush()

    def mark(self, x: float | None, y: float | None) -> None:
        """Mark the chosen object."""
        self._at = None if x is None or y is None else (x, y)
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Make the density anew at the new size."""
        self._picture = None
        super().resizeEvent(event)

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Draw the points."""
        if len(self._x) <= FEW:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            fill = QColor(_ACCENT)
            fill.setAlpha(170)
            painter.setBrush(fill)
            for x, y in zip(self._x.tolist(), self._y.tolist(), strict=True):
                painter.drawEllipse(self.to_pixel(x, y), 2.2, 2.2)
        else:
            if self._picture is None:
                cells = (max(2, int(area.height() / 2)), max(2, int(area.width() / 2)))
                self._picture = _as_picture(density(self._x, self._y, self.limits, cells))
            painter.drawImage(area, self._picture)
        if self._at is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(_MARK, 2))
            painter.drawEllipse(self.to_pixel(*self._at), 5, 5)


def _apart(limits: Limits) -> Limits:
    low, high = limits
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _as_picture(counts: np.ndarray) -> QImage:
    """A density as a picture: the more points, the less transparent, by the logarithm."""
    share = np.log1p(counts) / np.log1p(max(1, counts.max()))
    alpha = np.where(counts > 0, 60 + 195 * share, 0).astype(np.uint32)
    pixels = (alpha << 24) | np.uint32(_ACCENT.rgb() & 0xFFFFFF)
    height, width = pixels.shape
    data = pixels.tobytes()
    return QImage(data, width, height, 4 * width, QImage.Format.Format_ARGB32).copy()
