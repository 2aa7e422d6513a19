"""A line of the header: caption, what is chosen, details; the whole line is one button that unfolds it."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPainter, QPaintEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy

from napari_segplugin.widgets._parts import describe

HEIGHT = 31


class Elided(QLabel):
    """A text that ends in "…", or has it in the middle, where it does not fit."""

    def __init__(self, name: str, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self.setObjectName(name)
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(self.fontMetrics().averageCharWidth() * 6, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.drawText(
            self.rect(),
            int(self.alignment() | Qt.AlignmentFlag.AlignVCenter),
            self.fontMetrics().elidedText(self.text(), self._mode, self.width()),
        )
        painter.end()


class HeaderLine(QPushButton):
    """One line.

    Parameters
    ----------
    caption : str
    name : str
        Object name, for tests.
    tip : str
    """

    def __init__(self, caption: str, name: str, tip: str) -> None:
        super().__init__()
        self._caption, self._tip = caption, tip
        describe(self, name, caption, tip)
        self.setCheckable(True)
        self.setFlat(True)
        self.setFixedHeight(HEIGHT)
        self.setProperty("header", True)
        title = Elided("header_caption")
        title.setText(caption)
        title.setProperty("muted", True)
        title.setMinimumWidth(58)
        self.what, self.details = Elided("header_name", Qt.TextElideMode.ElideMiddle), Elided("header_details")
        self.details.setProperty("muted", True)
        self.chevron = Elided("header_chevron")
        self.chevron.setFixedWidth(12)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 10, 0)
        layout.setSpacing(6)
        # the name has what it needs, the details what is left
        self.details.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.details.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for label, stretch in ((title, 0), (self.what, 0), (self.details, 1), (self.chevron, 0)):
            layout.addWidget(label, stretch)
        self.toggled.connect(lambda _: self._turn())
        self._turn()

    def tell(self, what: str, details: str = "") -> None:
        """Show what is chosen."""
        self.what.setText(what)
        self.details.setText(details)
        self.setAccessibleName(f"{self._caption}: {what}{', ' * bool(details)}{details}")
        whole = " ".join(part for part in (what, details) if part)
        self.setToolTip(f"<p>{whole}<br>{self._tip}</p>")

    def _turn(self) -> None:
        self.chevron.setText("⌃" if self.isChecked() else "⌄")


__all__ = ["Elided", "HeaderLine"]
