"""Many files: where the results go, a table of the files with how far each is, and what there is to say of all of them.

Takes the events of :func:`napari_segplugin.jobs.batch`, and knows nothing of the dock.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QKeyEvent, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_segplugin.core import FileState
from napari_segplugin.widgets._parts import button, describe, headers, row
from napari_segplugin.widgets.folder_tally import FILTERS, Sought, Tally, Which, fits

_WORDS = {"waits": "waits", "done": "done", "none": "done, none", "unreadable": "unreadable", "failed": "failed"}
_TIPS = {"all": "Show all files.", "done": "Show the files that are done.", "problems": "Show the files to look at."}


class Colors(NamedTuple):
    """Colors of words on the page: all of them stand out by 4.5 or more, as text has to."""

    warning: str
    bad: str
    muted: str
    link: str


COLORS = {
    "dark": Colors("#e5b34a", "#ff8a80", "#b4b8bf", "#8ea2f0"),
    "light": Colors("#7a5200", "#b3261e", "#4b4c51", "#2f4bb3"),
}


class FolderModel(QAbstractTableModel):
    """The files: name, how much was found, how far it is."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally, self.colors = tally, COLORS["dark"]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Files."""
        return 0 if parent is not None and parent.isValid() else len(self.tally.states)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """File, count, state."""
        return 0 if parent is not None and parent.isValid() else 3

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> str | int | QColor | None:
        """The text of a cell, its color and alignment, and what a tooltip says."""
        if not index.isValid():
            return None
        state, column = self.tally.states[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return cell(state, column)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleDescriptionRole):
            return tip(state)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == 1:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ForegroundRole and column == 2 and state.problem:
            return QColor(self.colors.warning if state.state == "none" else self.colors.bad)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | int | None:
        """The titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section == 1 else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        titles = ("File", self.tally.names.many.capitalize(), "State")
        return titles[section] if role == Qt.ItemDataRole.DisplayRole and section < len(titles) else None

    def take(self, state: FileState) -> None:
        """Show where a file stands."""
        new = state.number >= len(self.tally.states)
        if new:
            self.beginInsertRows(QModelIndex(), len(self.tally.states), len(self.tally.states))
        self.tally.take(state)
        if new:
            self.endInsertRows()
        else:
            self.dataChanged.emit(self.index(state.number, 0), self.index(state.number, 2))

    def clear(self, names: Sought) -> None:
        """Show no file."""
        self.beginResetModel()
        self.tally.states, self.tally.names = [], names
        self.endResetModel()


def cell(state: FileState, column: int) -> str:
    """The text of a cell."""
    if column == 0:
        return Path(state.path).name
    if column == 1:
        return str(state.objects) if state.objects is not None else "–" if state.ended else ""
    return f"running {int(state.share * 100)} %" if state.state == "running" else _WORDS[state.state]


def tip(state: FileState) -> str:
    """What there is to know of a file, in plain text."""
    said = [state.path, state.reason or ("Done before, with the same settings." if state.earlier else "")]
    return "\n".join(part for part in (*said, *(n.text for n in state.notes)) if part)


class _Shown(QSortFilterProxyModel):
    """The files that a filter shows."""

    def __init__(self, model: FolderModel) -> None:
        super().__init__()
        self.files, self.which = model, FILTERS[0]
        self.setSourceModel(model)

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Whether a file is shown."""
        return fits(self.files.tally.states[source_row], self.which)

    def choose(self, which: Which) -> None:
        """Show other files."""
        self.which = which
        self.invalidateFilter()

    def state(self, index: QModelIndex) -> FileState | None:
        """The file of a row."""
        return self.files.tally.states[self.mapToSource(index).row()] if index.isValid() else None


class FileView(QTableView):
    """The table on the screen.

    Signals
    -------
    opened(FileState) : a double click on a file, or Enter
    chosen(FileState or None) : a file was selected
    """

    opened = Signal(object)
    chosen = Signal(object)

    def __init__(self, shown: _Shown) -> None:
        super().__init__()
        self._shown = shown
        self.setModel(shown)
        describe(self, "folder_table", "Files", "A double click, or Enter, opens the file.")
        self.setToolTip("")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        across, down = headers(self)
        down.hide()
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(self.fontMetrics().height() + 6)
        across.setHighlightSections(False)
        across.setMinimumSectionSize(40)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(96)
        self.fit()
        self.doubleClicked.connect(self._open)
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(lambda now, _: self.chosen.emit(self._shown.state(now)))

    def sizeHint(self) -> QSize:
        """Room for ten rows."""
        return QSize(300, 12 * (self.fontMetrics().height() + 6))

    def fit(self) -> None:
        """Columns as wide as what may stand in them; the names of the files take the rest."""
        wide = self.fontMetrics().horizontalAdvance
        title = str(self._shown.headerData(1, Qt.Orientation.Horizontal))
        self.setColumnWidth(1, max(wide(title) + 16, wide("100000") + 16))
        self.setColumnWidth(2, max(wide(w) for w in ("running 100 %", *_WORDS.values())) + 18)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        """Enter opens the file."""
        if e is not None and e.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not e.modifiers():
            self._open(self.currentIndex())
            return
        super().keyPressEvent(e)

    def _open(self, index: QModelIndex) -> None:
        state = self._shown.state(index)
        if state is not None:
            self.opened.emit(state)


class _Elided(QLabel):
    """A line that is cut in its middle where it is too long; the whole of it is in the tooltip."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_text(self, text: str, tip_: str) -> None:
        """Show a line."""
        self._whole = text
        self.setAccessibleName(text)
        self.setToolTip(tip_)
        self._cut()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Cut it again."""
        super().resizeEvent(a0)
        self._cut()

    def _cut(self) -> None:
        metrics = QFontMetrics(self.font())
        self.setText(metrics.elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))


class FolderTable(QWidget):
    """The page of a folder: "plate1 → plate1_results", filters with counts, the table, and the same as a command.

    Parameters
    ----------
    theme : {"dark", "light"}

    Signals
    -------
    opened(FileState) : the file is to be shown
    chosen(FileState or None) : a file was selected; its `reason` belongs in the state sentence
    change_asked() : another folder of results is wanted
    copy_asked() : the same batch is wanted as a command
    changed() : a count is another one
    """

    opened = Signal(object)
    chosen = Signal(object)
    change_asked = Signal()
    copy_asked = Signal()
    changed = Signal()

    def __init__(self, theme: str = "dark") -> None:
        super().__init__()
        self.tally = Tally()
        self.model_ = FolderModel(self.tally)
        self.shown = _Shown(self.model_)
        self.view = FileView(self.shown)
        self.view.opened.connect(self.opened)
        self.view.chosen.connect(self.chosen)
        self.where = _Elided("folder_where")
        self.change = button(
            "Change…", "folder_change", "Choose another folder for the results.", self.change_asked.emit
        )
        self.change.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.filters = {which: self._filter(which) for which in FILTERS}
        self._group = QButtonGroup(self)
        for made in self.filters.values():
            self._group.addButton(made)
        self.filters["all"].setChecked(True)
        self.hint = QLabel("A double click opens the file.")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.copy = button(
            "Copy command", "folder_copy", "The same without the window, for a terminal.", self.copy_asked.emit
        )
        self.copy.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.copy.setFlat(True)
        choices = row(*self.filters.values(), stretch=(1, 1, 1))
        choices.setAccessibleName("Files that are shown")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for part in (row(self.where, self.change, stretch=(1, 0)), choices):
            layout.addWidget(part)
        layout.addWidget(self.view, 1)
        layout.addWidget(row(self.hint, self.copy, stretch=(1, 0)))
        self.set_theme(theme)
        self._recount()

    def _filter(self, which: Which) -> QPushButton:
        made = button(which.capitalize(), f"folder_{which}", _TIPS[which])
        made.setCheckable(True)
        made.toggled.connect(lambda on: self.shown.choose(which) if on else None)
        return made

    def set_folder(
        self, folder: str | Path, output: str | Path, files: Sequence[str | Path] = (), names: Sought | None = None
    ) -> None:
        """Show a folder whose files wait.

        Parameters
        ----------
        folder : path
        output : path
            Where the results go.
        files : sequence of path
            As the batch has them; they may also come as its first events.
        names : Sought, optional
            What is looked for.
        """
        self.model_.clear(names or Sought())
        self.view.fit()
        self.set_output(folder, output)
        for number, path in enumerate(files):
            self.model_.take(FileState(number, str(path), "waits"))
        self.filters["all"].setChecked(True)
        self._recount()

    def set_output(self, folder: str | Path, output: str | Path) -> None:
        """Show where the results go."""
        self.where.show_text(f"{Path(folder).name} → {Path(output).name}", f"{folder}\n→ {output}")

    def set_theme(self, theme: str) -> None:
        """Colors for a dark or a light page."""
        colors = self.model_.colors = COLORS["light" if theme == "light" else "dark"]
        self.hint.setStyleSheet(f"color: {colors.muted};")
        self.copy.setStyleSheet(
            f"QPushButton {{ color: {colors.link}; background: transparent; border: none; text-decoration: underline; "
            f"min-height: 24px; padding: 0 4px; }} QPushButton:focus {{ border: 2px solid {colors.link}; }} "
            f"QPushButton:disabled {{ color: {colors.muted}; text-decoration: none; }}"
        )
        rim = f"QPushButton:checked {{ background: transparent; border: 2px solid {colors.link}; font-weight: bold; }}"
        for made in self.filters.values():
            made.setStyleSheet(rim)
        self.view.viewport().update()  # type: ignore[union-attr]

    def take(self, state: FileState) -> None:
        """Show where a file stands, as the batch says."""
        self.model_.take(state)
        self._recount()
        if state.state == "running" and not self.view.selectedIndexes():
            index = self.shown.mapFromSource(self.model_.index(state.number, 0))
            if index.isValid():
                self.view.scrollTo(index)

    def _recount(self) -> None:
        """Counts on the filters; who listens is told where one is another."""
        before = [made.text() for made in self.filters.values()]
        for which, made in self.filters.items():
            made.setText(f"{which.capitalize()} {self.tally.count(which)}")
            made.setAccessibleName(f"{made.text()} files")
        if before != [made.text() for made in self.filters.values()]:
            self.changed.emit()


__all__ = ["COLORS", "FileView", "FolderModel", "FolderTable"]
