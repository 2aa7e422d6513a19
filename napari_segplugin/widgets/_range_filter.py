"""Choose a range of a measurement, and what happens to the objects outside it."""

from __future__ import annotations

import math

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox
from superqt import QDoubleRangeSlider

from napari_segplugin.data.table import Column, MeasureTable
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled, row, wrapped


class RangeFilter(Fold):
    """A column, a range slider with two numbers, and buttons.

    Signals
    -------
    changed(str, object) : name of the column, and (low, high) or None where nothing is left out
    cleared() : show every row again
    hide_toggled(bool), delete_requested() : objects outside the ranges
    """

    changed = Signal(str, object)
    cleared = Signal()
    hide_toggled = Signal(bool)
    delete_requested = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Filter by a range", "measure_filter", "Show only the objects whose measurement lies in a range."
        )
        self._table: MeasureTable | None = None
        self.column_choice = combo("filter_column", "Measurement", "The measurement to filter by.")
        self.column_choice.currentIndexChanged.connect(lambda _: self._show_range())
        self.slider = QDoubleRangeSlider(Qt.Orientation.Horizontal)
        describe(self.slider, "filter_slider", "Range", "Drag either end, or the whole range.")
        self.slider.valueChanged.connect(self._on_slider)
        self.low, self.high = (self._spin(word) for word in ("lowest", "highest"))
        self.hide_button = button(
            "Hide rest",
            "filter_hide",
            "Show a copy of the layer without the objects outside the range; nothing is changed.",
        )
        self.hide_button.setCheckable(True)
        self.hide_button.toggled.connect(self.hide_toggled)
        self.delete_button = button(
            "Delete rest",
            "filter_delete",
            "Delete objects outside the range (undo with Ctrl+Z).",
            self.delete_requested.emit,
        )
        self.clear_button = button("Show all", "filter_clear", "Clear all ranges.", self.cleared.emit)
        self.told = wrapped(name="filter_text")
        for widget in (
            labelled("By", self.column_choice),
            self.slider,
            row(self.low, self.high, stretch=(1, 1)),
            self.told,
            row(self.hide_button, self.delete_button, self.clear_button, stretch=(1, 1, 1)),
        ):
            self.rows.addWidget(widget)
        self.set_narrowed(False, "")

    def _spin(self, word: str) -> QDoubleSpinBox:
        spin = QDoubleSpinBox()
        describe(spin, f"filter_{word}", f"{word.capitalize()} value", f"The {word} value of the range.")
        spin.setRange(-1e12, 1e12)
        spin.setKeyboardTracking(False)
        spin.valueChanged.connect(lambda _: self._on_spin())
        return spin

    @property
    def column(self) -> Column | None:
        """The chosen column."""
        name = self.column_choice.currentData()
        return self._table[name] if self._table is not None and name in self._table else None

    def set_table(self, table: MeasureTable | None) -> None:
        """Offer the columns of a table; the chosen one stays."""
        self._table = table
        columns = table.numeric if table is not None else ()
        usual = "area" if table is not None and "area" in table else "volume"
        fill_combo(self.column_choice, [(c.title, c.name) for c in columns], self.column_choice.currentData() or usual)
        self.body.setEnabled(bool(columns) and table is not None and len(table) > 0)
        self._show_range()

    def show_range(self, low: float, high: float) -> None:
        """Show a range without a signal."""
        for widget in (self.slider, self.low, self.high):
            widget.blockSignals(True)
        self.slider.setValue((low, high))
        self.low.setValue(low)
        self.high.setValue(high)
        for widget in (self.slider, self.low, self.high):
            widget.blockSignals(False)

    def _show_range(self) -> None:
        column = self.column
        if column is None:
            return
        low, high = column.limits
        self.slider.blockSignals(True)
        self.slider.setRange(low, high if high > low else low + 1)
        self.slider.blockSignals(False)
        step = column.step
        for spin in (self.low, self.high):
            spin.setDecimals(max(0, 1 - math.floor(math.log10(step))))
            spin.setSingleStep(step)
        self.show_range(low, high)

    def _on_slider(self, value: tuple[float, float]) -> None:
        self.show_range(*value)
        self._emit()

    def _on_spin(self) -> None:
        low, high = sorted((self.low.value(), self.high.value()))
        self.show_range(low, high)
        self._emit(low, high)

    def _emit(self, *ends: float) -> None:
        column = self.column
        if column is not None:
            self.changed.emit(column.name, column.range_of(*(ends or self.slider.value())))

    def set_narrowed(self, on: bool, text: str) -> None:
        """Enable what makes sense while some objects are left out."""
        for widget in (self.delete_button, self.clear_button):
            widget.setEnabled(on)
        self.hide_button.setEnabled(on or self.hide_button.isChecked())
        self.told.setText(text)
        self.told.setVisible(bool(text))


def range_text(low: float, high: float) -> str:
    """A range for a person.

    Examples
    --------
    >>> range_text(-float("inf"), 2.5), range_text(1, 2)
    ('up to 2.5', '1 to 2')
    """
    if np.isinf(low):
        return f"up to {high:.4g}"
    return f"from {low:.4g}" if np.isinf(high) else f"{low:.4g} to {high:.4g}"
