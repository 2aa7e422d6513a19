"""Small Qt pieces that every part uses: the part, the card, the message bar, buttons and combos that stay narrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLayout,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_segplugin.widgets.frame.icons import redraw

QWIDGETSIZE_MAX = 2**24 - 1
"""What Qt calls no limit."""


def button(text: str, name: str, tip: str, clicked: Callable[[], object] | None = None) -> QPushButton:
    """A push button with an object name for tests and screen readers, and a tooltip."""
    widget = QPushButton(text)
    describe(widget, name, text, tip)
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    if clicked is not None:
        widget.clicked.connect(lambda _=False: clicked())
    return widget


def describe(widget: QWidget, name: str, title: str, tip: str) -> None:
    """Name a widget for tests (`name`) and for screen readers (`title`), and explain it."""
    widget.setObjectName(name)
    widget.setAccessibleName(title.replace("&", "").rstrip("…"))
    widget.setAccessibleDescription(tip)
    widget.setToolTip(f"<p>{tip}</p>")


def combo(name: str, title: str, tip: str) -> QComboBox:
    """A combo box that a long entry cannot widen; the whole entry shows in its tooltip."""
    widget = QComboBox()
    describe(widget, name, title, tip)
    narrow(widget)
    return widget


def narrow(widget: QComboBox) -> None:
    """Let no long entry widen a combo box."""
    widget.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    widget.setMinimumContentsLength(4)
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)


def wrapped(text: str = "", name: str = "") -> QLabel:
    """A label that wraps and can be copied from."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setObjectName(name)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def tell(label: QLabel, text: str) -> None:
    """Set the text of a label; an empty one takes no room."""
    label.setText(text)
    label.setVisible(bool(text))


def headers(table: QTableView) -> tuple[QHeaderView, QHeaderView]:
    """The headers of a table, across and down; it always has both, which Qt's stubs leave open."""
    return cast("QHeaderView", table.horizontalHeader()), cast("QHeaderView", table.verticalHeader())


def layout_of(widget: QWidget) -> QLayout:
    """The layout of a widget that has one."""
    return cast("QLayout", widget.layout())


def clear_layout(layout: QLayout) -> None:
    """Take every widget out of a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()


def row(*widgets: QWidget, stretch: Sequence[int] = ()) -> QWidget:
    """A horizontal row without margins."""
    holder = QWidget()
    holder.setObjectName("row")
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for i, widget in enumerate(widgets):
        layout.addWidget(widget, stretch[i] if i < len(stretch) else 0)
    return holder


def labelled(text: str, widget: QWidget) -> QWidget:
    """A short label in a column of fixed width, and a widget beside it."""
    label = QLabel(text)
    label.setBuddy(widget)
    label.setMinimumWidth(60)
    label.setToolTip(widget.toolTip())
    return row(label, widget, stretch=(0, 1))


def set_primary(widget: QWidget, on: bool) -> None:
    """Highlight a button as the one to press next, or make it quiet again."""
    if bool(widget.property("primary")) == on:
        return
    widget.setProperty("primary", on)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)
    if isinstance(widget, QAbstractButton):
        redraw(widget)


def swatch(color: str) -> QIcon:
    """A square icon in a class colour, with a rim so that it shows on every theme."""
    pixmap = QPixmap(16, 16)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    # Qt reads "#aarrggbb" where we write "#rrggbbaa".
    painter.setBrush(QColor(color[:7]) if len(color) < 9 or color[7:] != "00" else Qt.BrushStyle.NoBrush)
    painter.setPen(QColor(128, 128, 128))
    painter.drawRect(1, 1, 13, 13)
    painter.end()
    return QIcon(pixmap)


class Choosable(Protocol):
    """What a combo box and a bar of buttons have in common."""

    def currentData(self) -> object:
        """What is chosen."""

    def blockSignals(self, b: bool, /) -> bool:
        """Whether it tells of changes."""

    def clear(self) -> None:
        """Take every entry away."""

    def addItem(self, text: str, data: object, /) -> None:
        """Add an entry."""

    def count(self) -> int:
        """How many entries there are."""

    def setItemData(self, index: int, value: str, role: int, /) -> None:
        """Set the tooltip of an entry."""

    def setCurrentIndex(self, index: int, /) -> None:
        """Choose an entry."""


def fill_combo(widget: Choosable, entries: Sequence[tuple[str, object]], keep: object = None) -> None:
    """Replace the entries of a combo box without signals; select `keep` if it is still there.

    Parameters
    ----------
    widget : QComboBox or ChoiceBar
    entries : sequence of (str, object)
        Text and data of each entry.
    keep : object, optional
        Data to select; what was selected before by default.
    """
    wanted = widget.currentData() if keep is None else keep
    widget.blockSignals(True)
    widget.clear()
    for text, data in entries:
        widget.addItem(text, data)
        widget.setItemData(widget.count() - 1, text, Qt.ItemDataRole.ToolTipRole)
    at = next((i for i, (_, data) in enumerate(entries) if data is wanted or _same(data, wanted)), 0)
    widget.setCurrentIndex(at if entries else -1)
    widget.blockSignals(False)


def _same(a: object, b: object) -> bool:
    """Equality for plain keys only: comparing layers or arrays is neither cheap nor a yes or no."""
    plain = (str, int, tuple)
    return isinstance(a, plain) and isinstance(b, plain) and a == b


class DockPart(QWidget):
    """A part of the dock: one sentence about what is missing, and rows.

    Parameters
    ----------
    title : str
        For screen readers.
    name : str
        Object name, for tests.

    Signals
    -------
    reveal_asked(QWidget) : something in it is to be brought into sight
    """

    reveal_asked = Signal(QWidget)

    def __init__(self, title: str, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.hint = wrapped(name="hint")
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(6)
        self.rows.addWidget(self.hint)
        self.say("")

    def say(self, text: str) -> None:
        """Show the sentence that says what is missing; nothing hides it."""
        tell(self.hint, text)


def heading(text: str) -> QLabel:
    """A short bold line above what belongs together."""
    label = QLabel(text)
    label.setObjectName("heading")
    return label


def muted(text: str = "", name: str = "muted") -> QLabel:
    """A line of less weight that wraps."""
    label = wrapped(text, name)
    label.setProperty("muted", True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
    return label


def link(text: str, name: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    """A button that looks like a link, for what is not the way on."""
    push = button(text, name, tip, clicked)
    push.setProperty("link", True)
    push.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    push.setCursor(Qt.CursorShape.PointingHandCursor)
    return push


class Card(QFrame):
    """A ground on which things that belong together lie.

    Parameters
    ----------
    name : str
    title : str
        For screen readers.
    """

    def __init__(self, name: str, title: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setProperty("card", True)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(10, 8, 10, 8)
        self.rows.setSpacing(4)


class Fold(QCollapsible):
    """A quiet part that is folded away until someone asks for it.

    superqt only makes what is folded away as low as nothing: Tab would still stop there, so it is hidden as well. It draws
    its arrow once, in black: here it is a letter, in the color of the text.

    Parameters
    ----------
    title, name, tip : str
    """

    def __init__(self, title: str, name: str, tip: str) -> None:
        super().__init__(title, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self._title = title
        self.head: QPushButton = self.toggleButton()
        self.head.setStyleSheet("text-align: left; background: transparent; padding: 0px 2px; min-height: 16px;")
        describe(self.head, name, title, tip)
        self.body: QWidget = self.content()
        self.rows = cast("QVBoxLayout", self.body.layout())
        for layout, spacing, left in ((self.rows, 4, 8), (layout_of(self), 2, 0)):
            layout.setContentsMargins(left, 0, 0, 0)
            layout.setSpacing(spacing)
        self.setDuration(0)
        self.toggled.connect(self._show)
        self._show(False)

    def _show(self, on: bool) -> None:
        self.head.setText(f"{'▾' if on else '▸'} {self._title}")
        self.body.setMaximumHeight(QWIDGETSIZE_MAX)  # whatever is shown or wrapped in it later has room
        self.body.setVisible(on)


class MessageBar(QFrame):
    """One message at the top of the dock: a sentence, up to three answers, and details for those who want them."""

    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("message_bar")
        self.setAccessibleName("Message")
        self.text = wrapped(name="message_text")
        self._close = QToolButton()
        self._close.setText("✕")
        self._close.setAutoRaise(True)
        describe(self._close, "message_close", "Close message", "Close this message.")
        self._close.clicked.connect(lambda _=False: self.clear())
        self._answers = QWidget()
        self._answer_row = QHBoxLayout(self._answers)
        self._answer_row.setContentsMargins(0, 0, 0, 0)
        self.details = Fold("Details", "message_details", "Technical details, to copy into a question or a bug report.")
        self._report = QPlainTextEdit()
        self._report.setReadOnly(True)
        self._report.setMaximumHeight(160)
        describe(self._report, "message_report", "Technical report", "Select the text and copy it.")
        self.details.rows.addWidget(self._report)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 4, 4)
        top = row(self.text, self._close, stretch=(1, 0))
        layout_of(top).setAlignment(self._close, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(top)
        layout.addWidget(self._answers)
        layout.addWidget(self.details)
        self.hide()

    def show_message(
        self, text: str, details: str = "", answers: Sequence[tuple[str, str, Callable[[], object]]] = ()
    ) -> None:
        """Show a message in place of the one before.

        Parameters
        ----------
        text : str
        details : str
            A technical report; folded away.
        answers : sequence of (str, str, callable)
            Caption, object name and action of each button; any answer closes the message.
        """
        self.clear(silent=True)
        self.text.setText(text)
        self.details.setVisible(bool(details))
        self.details.head.setChecked(False)
        self._report.setPlainText(details)
        for i, (caption, name, action) in enumerate(answers):
            push = button(caption, name, caption)
            push.clicked.connect(lambda _=False, act=action: self._answer(act))
            set_primary(push, i == 0)
            self._answer_row.addWidget(push)
        self._answers.setVisible(bool(answers))
        self.show()

    def _answer(self, action: Callable[[], object]) -> None:
        self.clear()
        action()

    def clear(self, silent: bool = False) -> None:
        """Hide the message."""
        clear_layout(self._answer_row)
        self.text.setText("")
        self.hide()
        if not silent:
            self.closed.emit()
