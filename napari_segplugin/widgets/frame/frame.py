"""The frame of the dock: a header of two lines, tabs with a page each, and a footer that never moves."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_segplugin.widgets._edit_keys import STEP_KEY, Shortcuts
from napari_segplugin.widgets._parts import button, describe
from napari_segplugin.widgets.frame.footer import Footer
from napari_segplugin.widgets.frame.groups import OneStop
from napari_segplugin.widgets.frame.header import HeaderLine
from napari_segplugin.widgets.frame.icons import give

WIDTH, NARROWEST = 330, 300
FIND, CORRECT, TRAIN = "find", "correct", "train"
TABS = {
    FIND: ("Find", "Run a model or a technique, and look at the result."),
    CORRECT: ("Correct", "Check objects one by one, or paint what is wrong."),
    TRAIN: ("Train", "Teach the model what you corrected."),
}


class Scrolled(QScrollArea):
    """A page that scrolls where it does not fit, up and down only.

    Parameters
    ----------
    inside : QWidget
    name : str
    """

    def __init__(self, inside: QWidget, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder = QWidget()
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(12, 6, 12, 6)
        layout.setSpacing(6)
        layout.addWidget(inside)
        layout.addStretch(1)
        self.setWidget(holder)


class DockFrame(QWidget):
    """Where everything has its place; it knows nothing of what it holds.

    Parameters
    ----------
    lines : mapping of HeaderLine to QWidget
        What unfolds under each line of the header.
    pages, gears : mapping of str to QWidget
        The page of each tab, and its settings.

    Attributes
    ----------
    footer : Footer
    keys : Shortcuts
        Of the next step.
    under_header : QVBoxLayout
        For what stands between header and tabs.

    Signals
    -------
    turned(str) : another tab is shown
    """

    turned = Signal(str)

    def __init__(
        self, lines: Mapping[HeaderLine, QWidget], pages: Mapping[str, QWidget], gears: Mapping[str, QWidget]
    ) -> None:
        super().__init__()
        self.footer = Footer()
        self._bodies = {line: Scrolled(_with_done(body, line), "line_body") for line, body in lines.items()}
        self._tabs = self._make_tabs()
        self.gear = QToolButton()
        self.gear.setCheckable(True)
        self.gear.setAutoRaise(True)
        give(self.gear, "gear")
        describe(self.gear, "gear", "Settings of this tab", "Settings of this tab.")
        self.gear.toggled.connect(lambda _: self._show())
        self._stack, self._places = QStackedWidget(), dict[tuple[str, bool], QWidget]()
        for geared, widgets in ((False, pages), (True, gears)):
            for name, widget in widgets.items():
                inside = _with_done(widget, self.gear, f"Settings of {TABS[name][0]}") if geared else widget
                page = Scrolled(inside, f"{'gear' if geared else 'page'}_{name}")
                self._places[name, geared] = page
                self._stack.addWidget(page)
        self.under_header = QVBoxLayout()
        self._lay_out()
        self.keys = Shortcuts(self, STEP_KEY, lambda _: self.press_next())
        self._show()

    def _make_tabs(self) -> dict[str, QToolButton]:
        group, tabs = QButtonGroup(self), {}
        for name, (text, tip) in TABS.items():
            tab = QToolButton()
            tab.setText(text)
            tab.setCheckable(True)
            tab.setProperty("tab", True)
            describe(tab, f"tab_{name}", text, tip)
            tab.clicked.connect(lambda _=False: self.gear.setChecked(False))
            tab.toggled.connect(lambda on, n=name: self._turned(n) if on else None)
            group.addButton(tab)
            tabs[name] = tab
        tabs[FIND].setChecked(True)
        return tabs

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for line, body in self._bodies.items():
            layout.addWidget(line)
            layout.addWidget(body, 1)
            line.toggled.connect(lambda on, one=line: self._unfold(one, on))
        self.under_header.setContentsMargins(12, 2, 12, 2)
        layout.addLayout(self.under_header)
        self._tab_row = QFrame()
        self._tab_row.setObjectName("tab_row")
        self._tab_row.setFixedHeight(34)
        row = QHBoxLayout(self._tab_row)
        row.setContentsMargins(4, 0, 8, 0)
        row.setSpacing(0)
        for tab in self._tabs.values():
            row.addWidget(tab)
        OneStop(self._tab_row).take(list(self._tabs.values()))
        row.addStretch(1)
        row.addWidget(self.gear)
        layout.addWidget(self._tab_row)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(NARROWEST)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    # --- what is shown --------------------------------------------------------------------------------------------

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return next(name for name, tab in self._tabs.items() if tab.isChecked())

    def turn_to(self, tab: str) -> None:
        """Show a tab, and fold the header."""
        self.fold()
        self.gear.setChecked(False)
        self._tabs[tab].setChecked(True)

    def enable(self, tab: str, on: bool, why: str = "") -> None:
        """Let a tab be chosen or not; a tab that is shown stays so."""
        self._tabs[tab].setEnabled(on)
        self._tabs[tab].setToolTip(f"<p>{TABS[tab][1] if on else why}</p>")

    def fold(self) -> None:
        """Fold the header."""
        for line in self._bodies:
            line.setChecked(False)

    def reveal(self, widget: QWidget) -> None:
        """Show the tab, the settings or the part of the header that a widget is in."""
        for line, body in self._bodies.items():
            if body.isAncestorOf(widget):
                line.setChecked(True)
        for (name, geared), page in self._places.items():
            if page.isAncestorOf(widget):
                self.turn_to(name)
                self.gear.setChecked(geared)

    def press_next(self) -> None:
        """Press the highlighted button, wherever it is."""
        push = self.footer.primary
        if push is not None and push.isEnabled():
            push.click()

    def sizeHint(self) -> QSize:
        """The width that it was drawn for."""
        return QSize(WIDTH, super().sizeHint().height())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Fold the header, or put the settings away, with Esc."""
        unfolded = any(line.isChecked() for line in self._bodies)
        if event is not None and event.key() == Qt.Key.Key_Escape and (unfolded or self.gear.isChecked()):
            self.fold()
            self.gear.setChecked(False)
            return
        super().keyPressEvent(event)

    def _turned(self, name: str) -> None:
        self._show()
        self.turned.emit(name)

    def _unfold(self, line: HeaderLine, on: bool) -> None:
        if on:
            for other in self._bodies:
                if other is not line:
                    other.setChecked(False)
        self._show()

    def _show(self) -> None:
        if not hasattr(self, "_tab_row"):
            return
        name, geared = self.tab, self.gear.isChecked()
        self._stack.setCurrentWidget(self._places[name, geared])
        unfolded = False
        for line, body in self._bodies.items():
            body.setVisible(line.isChecked())
            unfolded = unfolded or line.isChecked()
        self._tab_row.setVisible(not unfolded)
        self._stack.setVisible(not unfolded)


def _with_done(inside: QWidget, holder: QWidget, title: str = "") -> QWidget:
    """A page with a button that puts it away."""
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    done = button("Done", "done_button", "Back to the page.")
    done.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    done.clicked.connect(lambda _=False: holder.setChecked(False))  # type: ignore[attr-defined]
    row = QHBoxLayout()
    heading = QLabel(title)
    heading.setObjectName("heading")
    row.addWidget(heading, 1)
    row.addWidget(done)
    if title:
        layout.addLayout(row)
    layout.addWidget(inside)
    if not title:
        layout.addLayout(row)
    return page


__all__ = ["CORRECT", "FIND", "TRAIN", "DockFrame", "Scrolled"]
