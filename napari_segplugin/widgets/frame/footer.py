"""The footer of the dock: what is, how far it is, and the next step; it never moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from qtpy.QtCore import QPoint, QSize, Qt, Signal
from qtpy.QtGui import QFontMetrics, QPainter, QPaintEvent, QTextLayout, QTextOption
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_segplugin.widgets._parts import button, clear_layout, describe, set_primary

HEIGHT = 116
_FRESH = 1.5
"""Seconds for which a message stays whatever happens, so that it can be seen at all."""


class Sentence(QLabel):
    """Two lines of text; what does not fit ends in "…" and is in the tooltip whole."""

    LINES = 2

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName("State")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str | None) -> None:
        """Show a text; it is announced to screen readers by its accessible description."""
        super().setText(text)
        self.setToolTip(f"<p>{text}</p>" if text else "")
        self.setAccessibleDescription(text or "")

    def sizeHint(self) -> QSize:
        """Two lines high, whatever the text."""
        return QSize(100, self.LINES * self.fontMetrics().lineSpacing() + 4)

    def minimumSizeHint(self) -> QSize:
        """As :meth:`sizeHint`."""
        return self.sizeHint()

    def lines(self) -> tuple[list[str], bool]:
        """The lines that are drawn, and whether all of the text is in them."""
        metrics, text, width = self.fontMetrics(), self.text(), max(20, self.width())
        layout = QTextLayout(text, self.font())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WordWrap)
        layout.setTextOption(option)
        ends: list[int] = []
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(width)
            ends.append(line.textStart() + line.textLength())
        layout.endLayout()
        starts = [0, *ends[:-1]]
        parts = [text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        if len(parts) <= self.LINES:
            return parts, True
        last = text[starts[self.LINES - 1] :]
        cut = QFontMetrics(metrics).elidedText(last, Qt.TextElideMode.ElideRight, width)
        return [*parts[: self.LINES - 1], cut], False

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the lines."""
        painter, step = QPainter(self), self.fontMetrics().lineSpacing()
        for i, line in enumerate(self.lines()[0]):
            painter.drawText(QPoint(0, i * step + self.fontMetrics().ascent() + 2), line)
        painter.end()


class Footer(QFrame):
    """State sentence, progress and at most two buttons, one of them the next step.

    A message takes the place of the state sentence, and its answers that of the buttons.

    Signals
    -------
    closed : a message was done away with
    said(str, bool) : a message is shown, and whether it tells of a problem
    """

    closed = Signal()
    said = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("footer")
        self.setAccessibleName("State and next step")
        self.text = Sentence("message_text")
        self._close = QToolButton()
        self._close.setText("✕")
        self._close.setAutoRaise(True)
        describe(self._close, "message_close", "Dismiss message", "Dismiss this message.")
        self._close.clicked.connect(lambda _=False: self.clear())
        self._more = QToolButton()
        self._more.setText("More…")
        self._more.setAutoRaise(True)
        describe(self._more, "message_more", "Whole message", "Shows the whole message, to be read and copied.")
        self._more.clicked.connect(lambda _=False: self._show_all())
        self._progress = QHBoxLayout()
        self._answers = QHBoxLayout()
        self._buttons = QHBoxLayout()
        self._lay_out()
        self._rest = self._message = self._details = ""
        self._problem, self._since = False, 0.0
        self._shown: tuple[QPushButton, ...] = ()
        self._known: list[QPushButton] = []
        self.primary: QPushButton | None = None
        self._show()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(2)
        self._sign = QLabel("⚠")
        self._sign.setAccessibleName("Problem")
        top.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.text, 1)
        top.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 12, 8)
        layout.setSpacing(2)
        layout.addLayout(top)
        progress = QWidget()
        progress.setObjectName("row")
        progress.setFixedHeight(20)
        progress.setLayout(self._progress)
        self._progress.setContentsMargins(0, 0, 0, 0)
        self._progress.addWidget(self._more)
        layout.addWidget(progress)
        layout.addStretch(1)
        row = QWidget()
        row.setObjectName("row")
        row.setFixedHeight(36)
        inside = QVBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        self._answer_row = QWidget()
        self._answer_row.setLayout(self._answers)
        self._button_row = QWidget()
        self._button_row.setLayout(self._buttons)
        for holder, line in ((self._answer_row, self._answers), (self._button_row, self._buttons)):
            line.setContentsMargins(0, 0, 0, 0)
            line.setSpacing(6)
            holder.setObjectName("row")
            inside.addWidget(holder)
        layout.addWidget(row)
        self.setFixedHeight(HEIGHT)

    def add_progress(self, bar: QWidget, text: QWidget) -> None:
        """Give the progress of a job its place."""
        bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._progress.insertWidget(self._progress.count() - 1, bar, 1)
        self._progress.insertWidget(self._progress.count() - 1, text, 1)

    def add(self, *pushes: QPushButton) -> None:
        """Give buttons a place in the footer; they are shown by :meth:`offer`."""
        for push in pushes:
            push.setProperty("tall", True)
            self._known.append(push)
            self._buttons.addWidget(push)
            push.hide()

    def offer(self, buttons: Sequence[QPushButton], primary: QPushButton | None) -> None:
        """Show at most two buttons, the second one wider; `primary` is highlighted, also where it is outside of the footer."""
        before, self._shown = self._shown, tuple(buttons[:2])
        if self.primary is not None and self.primary not in self._known and self.primary is not primary:
            set_primary(self.primary, False)
        self.primary = primary
        if before != self._shown:
            for push in self._known:
                self._buttons.removeWidget(push)
                push.setVisible(push in self._shown)
            for i, push in enumerate(self._shown):
                self._buttons.addWidget(push, i + 1)
        self._highlight()

    def _highlight(self) -> None:
        for push in self._shown:  # no text is cut, and a bold one is wider
            push.setMinimumWidth(min(push.sizeHint().width() + 8, self.width() // 2))
        asked = self._answers.count() > 0
        for push in self._known:
            set_primary(push, push is self.primary and not asked)
        if self.primary is not None and self.primary not in self._known:
            set_primary(self.primary, not asked)

    def rest(self, text: str) -> None:
        """The state sentence, shown where there is no message; a new state ends an older message that told of a success."""
        if text == self._rest:
            return
        self._rest = text
        old = time.monotonic() - self._since > _FRESH
        if self._message and old and not self._problem and not self._answers.count():
            self.clear()
        self._show()

    def show_message(
        self,
        text: str,
        details: str = "",
        answers: Sequence[tuple[str, str, Callable[[], object]]] = (),
        *,
        problem: bool = False,
    ) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        text : str
        details : str
            A technical report; shown on request.
        answers : sequence of (str, str, callable)
            Caption, object name and action of each button; any answer closes the message.
        problem : bool
            It has a warning sign, and stays until it is dismissed or followed by another one.
        """
        self.clear(silent=True)
        self._message, self._details, self._problem = text, details, problem
        self._since = time.monotonic()
        for caption, name, action in answers:
            push = button(caption, name, caption)
            push.setProperty("tall", True)
            push.clicked.connect(lambda _=False, act=action: self._answer(act))
            set_primary(push, self._answers.count() == 0)
            self._answers.addWidget(push)
        self._show()
        self.said.emit(text, problem)

    def clear(self, silent: bool = False) -> None:
        """Put the message away."""
        clear_layout(self._answers)
        self._message, self._details, self._problem = "", "", False
        self._show()
        if not silent:
            self.closed.emit()

    def _answer(self, action: Callable[[], object]) -> None:
        self.clear()
        action()

    @property
    def report(self) -> str:
        """The technical report of the message; empty where it has none."""
        return self._details

    @property
    def message(self) -> str:
        """The message that is shown; empty where it is the state."""
        return self._message

    def _show(self) -> None:
        self.text.setText(self._message or self._rest)
        self._sign.setVisible(self._problem)
        self._close.setVisible(bool(self._message))
        self._more.setVisible(bool(self._details) or not self.text.lines()[1])
        asked = self._answers.count() > 0
        self._answer_row.setVisible(asked)
        self._button_row.setVisible(not asked)
        self._highlight()

    def resizeEvent(self, event: object) -> None:
        """Whether all of the message is seen depends on the width."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._more.setVisible(bool(self._details) or not self.text.lines()[1])

    def _show_all(self) -> None:
        """The whole message, and its report, in a window of its own."""
        dialog = QDialog(self)
        dialog.setWindowTitle("Message")
        text = QPlainTextEdit("\n\n".join(part for part in (self.text.text(), self._details) if part))
        text.setReadOnly(True)
        describe(text, "message_report", "Whole message", "Select the text and copy it.")
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(dialog.reject)
        layout = QVBoxLayout(dialog)
        layout.addWidget(text)
        layout.addWidget(close)
        dialog.resize(560, 320)
        dialog.open()


__all__ = ["HEIGHT", "Footer", "Sentence"]
