"""The card of a result: how many there are, how large they are, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_segplugin.widgets._parts import Card, button, clear_layout, describe, row, swatch, tell, wrapped
from napari_segplugin.widgets.sizes import Advice, ObjectSizes

_AXIS = 12
"""Height of the line of figures under the bars."""
_USUAL, _OUT = "#8ea2f0", "#e5b432"


class SizeBars(QWidget):
    """A histogram of sizes; a click on a bar, or arrow keys and Enter, chooses its objects.

    Signals
    -------
    chosen(list) : numbers of objects
    """

    chosen = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        tip = (
            "How many objects there are of each size; yellow: those that stand out. A click on a bar shows its objects."
        )
        describe(self, "size_bars", "Sizes", tip)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(46 + _AXIS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.sizes: ObjectSizes | None = None
        self._bar = -1

    def show_sizes(self, sizes: ObjectSizes | None) -> None:
        """Show these; None hides it."""
        self.sizes, self._bar = sizes, -1
        if sizes is not None:
            low, high = sizes.text(float(sizes.values.min())), sizes.text(float(sizes.values.max()))
            self.setAccessibleDescription(f"{len(sizes.values)} objects, from {low} to {high}")
        self.setVisible(sizes is not None)
        self.update()

    def take(self, bar: int) -> None:
        """Choose the objects of a bar."""
        if self.sizes is None:
            return
        counts, edges, _ = self.sizes.bars()
        if 0 <= bar < len(counts) and counts[bar]:
            self.chosen.emit(self.sizes.within(float(edges[bar]), float(edges[bar + 1])))

    def bar_at(self, x: float) -> int:
        """The bar under a place of the widget."""
        bars = 1 if self.sizes is None else len(self.sizes.bars()[0])
        return min(bars - 1, max(0, int(x / max(1, self.width()) * bars)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the objects of the bar under the mouse."""
        if event is not None:
            self._bar = self.bar_at(event.position().x())
            self.take(self._bar)
            self.update()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Go from bar to bar, and choose."""
        if event is None or self.sizes is None:
            return
        filled = [i for i, n in enumerate(self.sizes.bars()[0]) if n]
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if event.key() == Qt.Key.Key_Right else -1
            at = filled.index(self._bar) if self._bar in filled else -1 if step > 0 else 0
            self._bar = filled[(at + step) % len(filled)]
            self.update()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.take(self._bar)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Show which bar the keys are on."""
        super().focusInEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw bars, and the ends of the sizes below."""
        if self.sizes is None:
            return
        counts, edges, out = self.sizes.bars()
        painter, ink = QPainter(self), self.palette().color(QPalette.ColorRole.WindowText)
        wide, high = self.width() / len(counts), self.height() - _AXIS - 2
        for i, n in enumerate(counts):
            if n:
                tall = max(3.0, high * n / counts.max())
                painter.fillRect(QRectF(i * wide + 1, high - tall, wide - 2, tall), QColor(_OUT if out[i] else _USUAL))
            if i == self._bar and (self.hasFocus() or n):
                painter.setPen(ink)
                painter.drawRect(QRectF(i * wide, 0, wide - 1, high))
        painter.setPen(ink)
        font = QFont(self.font())
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.8))
        painter.setFont(font)
        below = QRectF(0, high + 1, self.width(), _AXIS + 1)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, self.sizes.text(float(edges[0])))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.sizes.kind)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, self.sizes.text(float(edges[-1])))
        painter.end()


class ResultCard(Card):
    """What was found: how many, large, with a histogram of sizes or a row a class; or a sentence.

    Attributes
    ----------
    counts : bool
        Whether a count is shown.
    """

    def __init__(self) -> None:
        super().__init__("result_card", "Result")
        self.counts = False
        self.number = QLabel()
        self.number.setObjectName("big_number")
        self.what = QLabel()
        self.text = wrapped(name="summary")
        self.sizes = QLabel()
        self.sizes.setProperty("muted", True)
        self.bars = SizeBars()
        self._top = row(self.number, self.what, QLabel(), self.sizes, stretch=(0, 0, 1, 0))
        self._classes = QWidget()
        self._grid = QGridLayout(self._classes)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)
        for widget in (self._top, self.text, self.bars, self._classes):
            self.rows.addWidget(widget)
        self.bars.show_sizes(None)

    def show_text(self, text: str) -> None:
        """Show a sentence; nothing hides the card."""
        self.counts = False
        self._top.hide()
        self.bars.show_sizes(None)
        self.show_classes(())
        tell(self.text, text)
        self.setVisible(bool(text))

    def show_count(self, n: str, what: str, sizes: ObjectSizes | None, text: str) -> None:
        """Show a count.

        Parameters
        ----------
        n : str
        what : str
            What was counted.
        sizes : ObjectSizes, optional
            How large they are.
        text : str
            The same as a sentence, which is what a screen reader reads.
        """
        self.counts = True
        self.number.setText(n)
        self.what.setText(what)
        known = sizes is not None and len(sizes.values) > 0
        several = sizes is not None and len(sizes.values) > 1
        middle = "" if sizes is None or not known else sizes.text(sizes.median)
        self.sizes.setText(f"median {sizes.kind} {middle}" if sizes is not None and several else middle)
        self.bars.show_sizes(sizes if several else None)
        self.text.setText(text)
        self.text.hide()
        self._top.show()
        self.setAccessibleName(text)
        self.show()

    def show_classes(self, classes: Sequence[tuple[str, str, str]]) -> None:
        """Show a row a class: its color, its name, and how many or how much of it there is; none where there is one class."""
        clear_layout(self._grid)
        for i, (color, name, value) in enumerate(classes):
            sign = QLabel()
            sign.setPixmap(swatch(color).pixmap(12, 12))
            self._grid.addWidget(sign, i, 0)
            self._grid.addWidget(QLabel(name), i, 1)
            self._grid.addWidget(QLabel(value), i, 2)
        self._classes.setVisible(bool(classes))
        if classes:
            self.bars.show_sizes(None)


class AdviceCard(Card):
    """What may be wrong with the result, and the button that helps.

    Signals
    -------
    asked(object) : the :class:`~napari_segplugin.widgets.sizes.Advice` that was followed
    """

    asked = Signal(object)

    def __init__(self) -> None:
        super().__init__("advice_card", "Advice")
        self.setProperty("good", False)
        self.text = wrapped(name="advice_text")
        self.push = button("", "advice_button", "Shows what the advice is about.", self._follow)
        self.advice: Advice | None = None
        self.rows.addWidget(self.text)
        self.rows.addWidget(self.push, 0, Qt.AlignmentFlag.AlignLeft)
        self.hide()

    def offer(self, advice: Advice | None) -> None:
        """Show an advice; None hides it."""
        self.advice = advice
        if advice is not None:
            self.text.setText(f"⚠ <b>{advice.title}</b> {advice.text}")
            self.push.setText(advice.button)
            self.push.setAccessibleName(f"{advice.button}: {advice.title} {advice.text}")
        self.setVisible(advice is not None)

    def _follow(self) -> None:
        if self.advice is not None:
            self.asked.emit(self.advice)


__all__ = ["AdviceCard", "ResultCard", "SizeBars"]
