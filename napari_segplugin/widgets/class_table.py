"""The table of classes: colour, name, and whether members are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QComboBox, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_segplugin.core import PALETTE, ClassInfo, ClassTable, InputError, Kind
from napari_segplugin.widgets._parts import button, describe, row, swatch

_KINDS = (("counted", Kind.THING), ("area", Kind.STUFF))
_KIND_TIP = "“Counted”: each object gets its own number (cells). “Area”: one region (tissue)."


class ClassEditor(QWidget):
    """Edit classes; the background is always there and not shown.

    Signals
    -------
    changed : the table changed and is valid
    refused(str) : the last edit was taken back, with the reason
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._table = ClassTable.named(["object"])
        self._fixed = False
        self._counts: dict[int, str] = {}
        self.grid = QTableWidget(0, 4)
        describe(self.grid, "class_table", "Classes", "Double-click a name or a colour to change it.")
        self.grid.setHorizontalHeaderLabels(["", "Class", "Kind", "Found"])
        self.grid.verticalHeader().hide()
        self.grid.setIconSize(QSize(16, 16))
        header = self.grid.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Fixed)
        self.grid.setColumnWidth(0, 28)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.ResizeToContents)
        self.grid.setColumnWidth(2, 104)
        self.grid.setColumnHidden(3, True)
        self.grid.cellDoubleClicked.connect(self._on_double_click)
        self.grid.itemChanged.connect(self._on_item)
        self.add_button = button("Add class", "class_add", "Add a class.", self.add_class)
        self.remove_button = button("Remove", "class_remove", "Remove the selected class.", self.remove_class)
        self._buttons = row(self.add_button, self.remove_button, stretch=(1, 1))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.grid)
        layout.addWidget(self._buttons)
        self.set_table(self._table)

    @property
    def table(self) -> ClassTable:
        """The classes, with the background."""
        return self._table

    def set_table(self, table: ClassTable, fixed: bool = False, kinds: bool = False) -> None:
        """Show a table.

        Parameters
        ----------
        table : ClassTable
        fixed : bool
            True where a trained network decides how many classes there are; names and colours stay free.
        kinds : bool
            Whether counted or not is a question at all: only a panoptic result has both.
        """
        self.grid.setColumnHidden(2, not kinds)
        self._table, self._fixed = table, fixed
        self._buttons.setVisible(not fixed)
        self._fill()

    def _fill(self) -> None:
        self.grid.blockSignals(True)
        self.grid.setRowCount(0)
        self.grid.setRowCount(len(self._table) - 1)
        for i, info in enumerate(list(self._table)[1:]):
            color = QTableWidgetItem(swatch(info.color), "")
            color.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            color.setToolTip(f"Colour of {info.name}: double-click to change it")
            self.grid.setItem(i, 0, color)
            name = QTableWidgetItem(info.name)
            name.setToolTip("Double-click to rename")
            self.grid.setItem(i, 1, name)
            self.grid.setCellWidget(i, 2, self._kind_box(info))
            self._fill_count(i, info.id)
        self.remove_button.setEnabled(len(self._table) > 2)
        rows = min(5, max(1, self.grid.rowCount()))
        height = sum(self.grid.rowHeight(i) for i in range(min(rows, self.grid.rowCount())))
        self.grid.setFixedHeight(height + self.grid.horizontalHeader().sizeHint().height() + 4)
        self.grid.blockSignals(False)

    def show_counts(self, counts: Mapping[int, str]) -> None:
        """What was found of each class; nothing hides the column.

        Parameters
        ----------
        counts : mapping of int to str
            By class number: how many, or that there is some of an area.
        """
        if dict(counts) == self._counts:
            return
        self._counts = dict(counts)
        self.grid.setColumnHidden(3, not counts)
        self.grid.blockSignals(True)
        for i, info in enumerate(list(self._table)[1:]):
            self._fill_count(i, info.id)
        self.grid.blockSignals(False)

    def _fill_count(self, row_at: int, number: int) -> None:
        item = QTableWidgetItem(self._counts.get(number, ""))
        item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setToolTip("Number of objects of this class in the result; for an area, whether it was found")
        self.grid.setItem(row_at, 3, item)

    def _kind_box(self, info: ClassInfo) -> Any:
        box = QComboBox()
        describe(box, f"class_kind_{info.id}", f"Kind of {info.name}", _KIND_TIP)
        for text, kind in _KINDS:
            box.addItem(text, str(kind))
        box.setCurrentIndex(0 if info.kind is Kind.THING else 1)
        box.setEnabled(not self._fixed)
        box.currentIndexChanged.connect(lambda i, n=info.id: self._replace(n, kind=_KINDS[i][1]))
        return box

    def add_class(self) -> None:
        """Add a class with a free name and the next colour."""
        n = len(self._table)
        names = {c.name for c in self._table}
        name = next(f"class {i}" for i in range(n, n + len(names) + 1) if f"class {i}" not in names)
        kind = self._table[n - 1].kind
        info = ClassInfo(n, name, PALETTE[1 + (n - 1) % (len(PALETTE) - 1)], kind)
        self._take((*self._table.classes, info))

    def remove_class(self) -> None:
        """Remove the selected class, or the last one; the others are numbered anew."""
        at = self.grid.currentRow() + 1 or len(self._table) - 1
        left = [c for c in self._table if c.id != at]
        self._take(tuple(ClassInfo(i, c.name, c.color, c.kind) for i, c in enumerate(left)))

    def _replace(self, number: int, **change: Any) -> None:
        classes = list(self._table)
        old = classes[number]
        new = {"name": old.name, "color": old.color, "kind": old.kind, **change}
        classes[number] = ClassInfo(number, str(new["name"]).strip(), str(new["color"]), Kind(new["kind"]))
        self._take(tuple(classes))

    def _take(self, classes: tuple[ClassInfo, ...]) -> None:
        try:
            self._table = ClassTable(classes)
        except InputError as error:
            self.refused.emit(str(error))
        else:
            self.changed.emit()
        self._fill()

    def _on_item(self, item: Any) -> None:
        if item.column() == 1:
            self._replace(item.row() + 1, name=item.text())

    def _on_double_click(self, at: int, column: int) -> None:
        if column != 0:
            return
        color = QColorDialog.getColor(QColor(self._table[at + 1].color[:7]), self, "Colour of the class")
        if color.isValid():
            self._replace(at + 1, color=color.name())
