"""Buttons that belong together: one stop of the Tab key, arrows move inside."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractButton, QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_segplugin.widgets._parts import describe

_BACK = (Qt.Key.Key_Left, Qt.Key.Key_Up)
_ON = (Qt.Key.Key_Right, Qt.Key.Key_Down)


class OneStop(QObject):
    """Makes the buttons of a widget one stop of the Tab key; the arrow keys move between them.

    Parameters
    ----------
    group : QWidget
        Has a name for screen readers.
    """

    def __init__(self, group: QWidget) -> None:
        super().__init__(group)
        self._buttons: list[QAbstractButton] = []

    def take(self, buttons: Sequence[QAbstractButton]) -> None:
        """Follow these buttons, in the order of reading."""
        for gone in self._buttons:
            gone.removeEventFilter(self)
        self._buttons = list(buttons)
        for push in self._buttons:
            push.installEventFilter(self)
        self.settle()

    def settle(self) -> None:
        """Give the stop to the chosen button, or to the first one that can be pressed."""
        usable = [b for b in self._buttons if b.isEnabled() and not b.isHidden()]
        holder = next((b for b in usable if b.hasFocus()), None)
        holder = holder or next((b for b in usable if b.isChecked()), usable[0] if usable else None)
        for push in self._buttons:
            policy = Qt.FocusPolicy.StrongFocus if push is holder else Qt.FocusPolicy.ClickFocus
            push.setFocusPolicy(policy)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Move the focus with the arrow keys."""
        if event is None:
            return False
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() in (*_BACK, *_ON):
            return self._move(watched, -1 if event.key() in _BACK else 1)
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.EnabledChange, QEvent.Type.Show, QEvent.Type.Hide):
            self.settle()
        return False

    def _move(self, watched: QObject | None, by: int) -> bool:
        usable = [b for b in self._buttons if b.isEnabled() and b.isVisible()]
        at = next((i for i, b in enumerate(usable) if b is watched), None)
        if at is None:
            return False
        usable[(at + by) % len(usable)].setFocus(Qt.FocusReason.TabFocusReason)
        self.settle()
        return True


class ChoiceBar(QWidget):
    """A few buttons of which one is chosen; read and set like a combo box.

    Parameters
    ----------
    name, title, tip : str
        As for :func:`~napari_segplugin.widgets._parts.describe`.
    columns : int
        Buttons beside each other.

    Signals
    -------
    currentIndexChanged(int)
    """

    currentIndexChanged = Signal(int)

    def __init__(self, name: str, title: str, tip: str, columns: int = 3) -> None:
        super().__init__()
        describe(self, name, title, tip)
        self._title, self._columns, self._index = title, columns, -1
        self._data: list[object] = []
        self.buttons: list[QPushButton] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._stop = OneStop(self)

    def addItem(self, text: str, data: object = None) -> None:
        """Add a button."""
        push = QPushButton(text)
        push.setObjectName(f"{self.objectName()}_{len(self.buttons)}")
        push.setAccessibleName(f"{self._title}: {text}")
        push.setCheckable(True)
        push.setProperty("choice", True)
        push.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        at = len(self.buttons)
        push.clicked.connect(lambda _=False, i=at: self._on_clicked(i))
        self.buttons.append(push)
        self._data.append(data)
        self._grid.addWidget(push, at // self._columns, at % self._columns)
        self._stop.take(self.buttons)
        if self._index < 0:
            self.setCurrentIndex(0)

    def clear(self) -> None:
        """Take every button away."""
        for push in self.buttons:
            self._grid.removeWidget(push)
            push.hide()
            push.deleteLater()
        self.buttons, self._data, self._index = [], [], -1
        self._stop.take(())

    def count(self) -> int:
        """How many buttons there are."""
        return len(self.buttons)

    def itemText(self, index: int) -> str:
        """The text of a button."""
        return self.buttons[index].text()

    def itemData(self, index: int) -> object:
        """What a button stands for."""
        return self._data[index]

    def setItemData(self, index: int, text: str, role: int = 0) -> None:
        """Set the tooltip of a button."""
        self.buttons[index].setToolTip(f"<p>{text}</p>")

    def setUsable(self, index: int, on: bool, text: str) -> None:
        """Let a button be pressed or not, and say in its tooltip what it does, or why it cannot."""
        self.buttons[index].setEnabled(on)
        self.setItemData(index, text)
        self._stop.settle()

    def setIcons(self, draw: Sequence[str]) -> None:
        """Give each button an icon, by its name; see :mod:`~napari_segplugin.widgets.frame.icons`."""
        from napari_segplugin.widgets.frame.icons import give

        for push, name in zip(self.buttons, draw, strict=False):
            give(push, name)

    def findData(self, data: object) -> int:
        """The place of what a button stands for, or -1."""
        return next((i for i, d in enumerate(self._data) if d == data), -1)

    def currentIndex(self) -> int:
        """The place of the chosen button; -1 without buttons."""
        return self._index

    def currentText(self) -> str:
        """The text of the chosen button."""
        return self.buttons[self._index].text() if self._index >= 0 else ""

    def currentData(self) -> object:
        """What the chosen button stands for."""
        return self._data[self._index] if self._index >= 0 else None

    def setCurrentIndex(self, index: int) -> None:
        """Choose a button."""
        if not 0 <= index < len(self.buttons):
            return
        changed, self._index = index != self._index, index
        for i, push in enumerate(self.buttons):
            push.setChecked(i == index)
        self._stop.settle()
        if changed:
            self.currentIndexChanged.emit(index)

    def _on_clicked(self, index: int) -> None:
        self.buttons[index].setChecked(True)
        self.setCurrentIndex(index)


__all__ = ["ChoiceBar", "OneStop"]
