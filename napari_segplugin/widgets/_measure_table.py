"""The table of objects: a model over columns of numbers, sorted and filtered by numpy, so that 100 000 rows stay fluid."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_segplugin.data.table import Column, MeasureTable, TableView
from napari_segplugin.widgets._parts import describe, headers


class MeasureModel(QAbstractTableModel):
    """Rows of a :class:`~napari_segplugin.data.table.TableView`.

    A proxy model would ask Python for every cell of a column to sort it; here numpy sorts, and Qt asks for the few
    cells that are on the screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.view: TableView | None = None
        self._sorted: tuple[str, bool] | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns."""
        return self.view.table.columns if self.view is not None else ()

    def set_table(self, table: MeasureTable | None) -> None:
        """Show another table, sorted and filtered as before as far as it has the columns."""
        self.beginResetModel()
        old, self.view = self.view, None if table is None else TableView(table)
        if self.view is not None and table is not None:
            for name, (low, high) in (old.ranges if old is not None else {}).items():
                if name in table:
                    self.view.keep(name, low, high)
            if self._sorted is not None and self._sorted[0] in table:
                self.view.sort(*self._sorted)
        self.endResetModel()

    def changed(self) -> None:
        """Rows were filtered."""
        self.beginResetModel()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Rows that are shown."""
        nested = parent is not None and parent.isValid()
        return 0 if self.view is None or nested else len(self.view.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> str | int | None:
        """The text of a cell, and its alignment."""
        if self.view is None or not index.isValid():
            return None
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(column.values[self.view.rows[index.row()]])
        if role == Qt.ItemDataRole.TextAlignmentRole and column.numeric:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """The title of a column; its definition as the tooltip."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<p><b>{column.title}</b>: {column.definition}</p>"
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        if self.view is None or not 0 <= column < len(self.columns):
            return
        self.layoutAboutToBeChanged.emit()
        self._sorted = (self.columns[column].name, order == Qt.SortOrder.DescendingOrder)
        self.view.sort(*self._sorted)
        self.layoutChanged.emit()

    def row(self, index: int) -> int:
        """The row of the table behind a row that is shown."""
        return -1 if self.view is None else int(self.view.rows[index])


def shown(value: object) -> str:
    """A value as text.

    Examples
    --------
    >>> shown(np.float64(1234.5678)), shown(np.int64(7)), shown(np.bool_(True)), shown(float("nan"))
    ('1235', '7', 'yes', '–')
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        number = float(value)
        return "–" if math.isnan(number) else f"{number:.4g}" if abs(number) < 1e6 else f"{number:.3e}"
    return str(value)


class MeasureView(QTableView):
    """The table on the screen.

    Signals
    -------
    chosen(int) : a person chose a row of the table
    """

    chosen = Signal(int)

    def __init__(self, name: str = "measure_table", title: str = "Objects") -> None:
        super().__init__()
        self.model_ = MeasureModel()
        self.setModel(self.model_)
        describe(self, name, title, "Click a row to go to its object; click a title to sort.")
        self.setToolTip("")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSortingEnabled(True)
        across, down = headers(self)
        across.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        down.hide()
        # rows of one height need not be asked for theirs, which a hundred thousand would feel
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.setMinimumHeight(64)
        self._quiet = False
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._on_row)

    def sizeHint(self) -> QSize:
        """Room for a dozen rows."""
        return QSize(320, 300)

    def set_table(self, table: MeasureTable | None) -> None:
        """Show another table; columns are as wide as their titles, and it stays scrolled to where it was."""
        titles = [c.title for c in self.model_.columns]
        bars = [bar for bar in (self.verticalScrollBar(), self.horizontalScrollBar()) if bar is not None]
        places = [bar.value() for bar in bars]
        self._silently(lambda: self.model_.set_table(table))
        for bar, place in zip(bars, places, strict=True):
            bar.setValue(place)
        if [c.title for c in self.model_.columns] != titles:
            for i, column in enumerate(self.model_.columns):
                self.setColumnWidth(i, self._width(column))

    def _width(self, column: Column) -> int:
        """Width of a column: its title with the arrow of sorting, or its longest text."""
        wide = self.fontMetrics().horizontalAdvance
        texts = set() if column.numeric else {str(v) for v in column.values[:1000]}
        return int(max([66, wide(column.title) + 26, *(wide(t) + 14 for t in texts)]))

    def refilter(self) -> None:
        """Show the rows that the filter leaves."""
        self._silently(self.model_.changed)

    def choose(self, row: int | None) -> None:
        """Select a row that is shown without a signal, and scroll to it; None selects nothing."""

        def select() -> None:
            if row is None:
                self.clearSelection()
                self.setCurrentIndex(QModelIndex())
                return
            index = self.model_.index(row, 0)
            near = QAbstractItemView.ScrollHint.EnsureVisible
            far = not self.visualRect(index).intersects(self.rect())
            self.selectRow(row)
            self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter if far else near)

        self._silently(select)

    def _silently(self, act: Callable[[], object]) -> None:
        self._quiet = True
        try:
            act()
        finally:
            self._quiet = False

    def _on_row(self, index: QModelIndex, before: QModelIndex | None = None) -> None:
        if index.isValid() and not self._quiet:
            self.chosen.emit(self.model_.row(index.row()))
