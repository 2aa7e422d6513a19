"""Plots of the measurements: a histogram of one column, or two against each other."""

from __future__ import annotations

from qtpy.QtCore import Signal

from napari_segplugin.data.table import MeasureTable
from napari_segplugin.widgets._charts import Chart, HistogramChart, Limits, Scatter
from napari_segplugin.widgets._parts import Fold, combo, fill_combo, labelled


class PlotFold(Fold):
    """Two columns to choose, and the plot of them.

    Signals
    -------
    brushed(object) : dict from column to (low, high), or None where the brush was taken away
    """

    brushed = Signal(object)

    def __init__(self) -> None:
        super().__init__("Plot", "measure_plot", "A histogram or a scatter plot; drag in it to select objects.")
        self._table: MeasureTable | None = None
        self.x_choice = combo("plot_x", "Along x", "The measurement on the x axis.")
        self.y_choice = combo(
            "plot_y", "Along y", "Number of objects (histogram), or a second measurement (scatter plot)."
        )
        self.histogram, self.scatter = HistogramChart("Histogram", "histogram"), Scatter("Scatter plot", "scatter")
        for choice in (self.x_choice, self.y_choice):
            choice.currentIndexChanged.connect(lambda _: self._on_choice())
        for chart in (self.histogram, self.scatter):
            chart.brushed.connect(self._on_brush)
        for widget in (labelled("x", self.x_choice), labelled("y", self.y_choice), self.histogram, self.scatter):
            self.rows.addWidget(widget)
        self.scatter.hide()

    def set_table(self, table: MeasureTable | None) -> None:
        """Plot another table; the chosen columns stay, and what is brushed as far as they do."""
        brushed, self._table = self.limits, table
        columns = [(c.title, c.name) for c in table.numeric] if table is not None else []
        usual = next((n for _, n in columns if n in ("area", "volume")), None)
        fill_combo(self.x_choice, columns, self.x_choice.currentData() or usual)
        fill_combo(self.y_choice, [("number of objects", ""), *columns], self.y_choice.currentData() or "")
        if self._plot() and brushed is not None and list(brushed) == self._axes:
            self._shown.brush = self._brush_of(brushed)

    @property
    def _axes(self) -> list[str]:
        """The columns that are plotted."""
        return [name for name in (self.x_choice.currentData(), self.y_choice.currentData()) if name]

    @property
    def _shown(self) -> Chart:
        return self.scatter if self.y_choice.currentData() else self.histogram

    @property
    def limits(self) -> dict[str, Limits] | None:
        """What is brushed: from column to (low, high); None where nothing is."""
        brush = self._shown.brush
        return None if brush is None or not self._axes else dict(zip(self._axes, brush, strict=False))

    def _brush_of(self, limits: dict[str, Limits]) -> tuple[Limits, Limits]:
        along, *up = limits.values()
        return along, up[0] if up else self._shown.limits[1]

    def _on_choice(self) -> None:
        if self._plot():
            self.brushed.emit(None)

    def _plot(self) -> bool:
        """Draw; whether there is anything to draw."""
        x, y = self.x_choice.currentData(), self.y_choice.currentData()
        self.histogram.setVisible(not y)
        self.scatter.setVisible(bool(y))
        if self._table is None or not x or x not in self._table:
            return False
        one = self._table[x]
        if y and y in self._table:
            other = self._table[y]
            self.scatter.set_values(one.values, other.values, (one.title, other.title), (one.limits, other.limits))
        else:
            self.histogram.set_values(one.values, one.title)
        return True

    def mark(self, row: int | None) -> None:
        """Mark the chosen object in the plot."""
        x, y = self.x_choice.currentData(), self.y_choice.currentData()
        if self._table is None or not x or row is None:
            self.histogram.mark(None)
            self.scatter.mark(None, None)
            return
        at = float(self._table[x].values[row])
        self.histogram.mark(at)
        if y:
            self.scatter.mark(at, float(self._table[y].values[row]))

    def clear_brush(self) -> None:
        """Take the brush away without a signal."""
        self.histogram.clear_brush()
        self.scatter.clear_brush()

    def _on_brush(self, limits: tuple[Limits, Limits] | None) -> None:
        if limits is None:
            self.brushed.emit(None)
            return
        self.brushed.emit(dict(zip(self._axes, limits, strict=False)))
