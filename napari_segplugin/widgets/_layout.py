"""Two parts of a panel that share its room: one above the other, or side by side where the panel is wide and low."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QSplitter, QVBoxLayout, QWidget

LEAST = 110
"""Height that the first part keeps, in pixels."""


def column(*widgets: QWidget, stretch: int) -> QWidget:
    """Widgets from top to bottom; the one at `stretch` takes what is left, -1 leaves it empty below."""
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, int(i == stretch))
    if stretch < 0:
        layout.addStretch(1)
    return holder


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls up and down where there is no room."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    area.setMinimumSize(230, 40)
    return area


class TwoParts(QSplitter):
    """Two parts; the second gets the height of what is in it, the first what is left.

    Parameters
    ----------
    first, second : QWidget
    inside : QWidget
        What scrolls in the second part.
    """

    def __init__(self, first: QWidget, second: QWidget, inside: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._inside = inside
        self.setChildrenCollapsible(False)
        self.addWidget(first)
        self.addWidget(second)
        self.setStretchFactor(0, 1)

    def share_soon(self, *_: object) -> None:
        """Share the room anew when what was folded or unfolded has its new size."""
        QTimer.singleShot(0, self.share)

    def share(self) -> None:
        """Share the room."""
        if self.orientation() == Qt.Orientation.Vertical:
            room = self.height() - self.handleWidth()
            wanted = min(self._inside.sizeHint().height() + 4, max(60, room - LEAST))
            self.setSizes([room - wanted, wanted])
        else:
            self.setSizes([int(0.62 * self.width()), int(0.38 * self.width())])

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Lie down where there is more width than height."""
        wide = self.width() > 1.4 * self.height()
        direction = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.orientation() != direction:
            self.setOrientation(direction)
        super().resizeEvent(event)
        self.share()
