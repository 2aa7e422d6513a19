"""What a comparison found: in words, and below them on three tabs: numbers, objects, and AP over the threshold."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QTabWidget, QVBoxLayout, QWidget

from napari_segplugin.widgets._found_words import counts, in_words
from napari_segplugin.widgets._layout import column
from napari_segplugin.widgets._measure_table import MeasureView, shown
from napari_segplugin.widgets._parts import Fold, describe, headers, tell, wrapped
from napari_segplugin.widgets._plot import LinePlot

if TYPE_CHECKING:
    from napari_segplugin.data.table import MeasureTable
    from napari_segplugin.door.window import Comparison, Report


class JudgeResults(QWidget):
    """Found, missed and false in words, and the tabs below, folded away; nothing until something was compared."""

    def __init__(self) -> None:
        super().__init__()
        self.tabs = QTabWidget()
        describe(self.tabs, "judge_tabs", "Results", "The scores, the objects, and AP over the IoU threshold.")
        self.tabs.setToolTip("")
        self.words, self.about = wrapped(name="judge_words"), wrapped(name="judge_about")
        self.words.setProperty("strong", True)
        self.about.setProperty("muted", True)
        self.details = Fold("Details", "judge_details", "Every score with its definition, every object, and AP.")
        self._report: Report | None = None
        self.numbers = _numbers()
        self.notes = wrapped(name="judge_notes")
        self.objects = MeasureView("judge_objects", "Objects")
        self.text = wrapped(name="judge_objects_text")
        self.curve = LinePlot("AP over the IoU threshold", "judge_curve", "IoU", show_last=False)
        self.curve.setMinimumHeight(110)
        self.tabs.addTab(column(self.numbers, self.notes, stretch=0), "Numbers")
        self.tabs.addTab(column(self.text, self.objects, stretch=1), "Objects")
        self.tabs.addTab(column(self.curve, stretch=-1), "AP")
        self.details.rows.addWidget(self.tabs)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.words, self.about):
            widget.hide()
            layout.addWidget(widget)
        layout.addWidget(self.details)
        layout.addStretch(1)
        self.details.head.toggled.connect(lambda on: layout.setStretchFactor(self.details, 100 if on else 0))
        self.details.hide()

    @property
    def table(self) -> MeasureTable | None:
        """The rows of objects; None where there are none."""
        view = self.objects.model_.view
        return None if view is None else view.table

    @property
    def on_objects(self) -> bool:
        """Whether the rows of objects are on the screen."""
        return self.details.head.isChecked() and self.tabs.currentIndex() == 1 and self.table is not None

    def show_found(self, found: Comparison | Report, threshold: float) -> Report:
        """Show a comparison at an IoU, or the report of two folders; gives the report."""
        first, *others = in_words(found, threshold) or ("",)
        tell(self.words, first)
        tell(self.about, "\n".join(others))
        self.details.show()
        report = cast("Report", getattr(found, "report", found))
        objects: MeasureTable | None = getattr(found, "objects", None)
        objects = objects if objects is not None and len(objects) > 0 else None
        self._report = report
        self._fill(report)
        self.objects.set_table(objects)
        none = "The table of objects is available for two layers with objects."
        self.text.setText(none if objects is None else _counted(objects))
        self.curve.clear()
        for threshold, value in getattr(found, "curve", ()):
            self.curve.add("AP", threshold, value)
        self.tabs.setTabEnabled(2, not self.curve.empty)
        return report

    def _fill(self, report: Report) -> None:
        rows = report.rows
        self.numbers.setRowCount(len(rows))
        for i, line in enumerate(rows):
            value = f"{shown(float(line.value))} {line.unit}".strip()
            for j, text in enumerate((line.class_name, line.metric, value)):
                item = QTableWidgetItem(text)
                item.setToolTip(f"<p><b>{line.metric}</b>: {line.definition}</p>")
                self.numbers.setItem(i, j, item)
        self.numbers.resizeColumnToContents(0)
        self.numbers.resizeColumnToContents(2)
        tell(self.notes, " ".join(report.notes))

    def as_text(self, path: str, objects: bool) -> Callable[[], str] | None:
        """What makes the text of a file; None where there is nothing to write."""
        view, report = self.objects.model_.view, self._report
        if objects:
            return None if view is None else lambda: view.table.to_csv(view.rows)
        if report is None:
            return None
        made: Callable[[], str] = report.to_json if path.lower().endswith(".json") else report.to_csv
        return made


def _numbers() -> QTableWidget:
    table = QTableWidget(0, 3)
    describe(table, "judge_numbers", "Numbers", "Hover over a number for its definition.")
    table.setToolTip("")
    table.setHorizontalHeaderLabels(["Class", "Number", "Value"])
    across, down = headers(table)
    down.hide()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    across.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    down.setDefaultSectionSize(table.fontMetrics().height() + 6)
    table.setMinimumHeight(64)
    return table


def _counted(objects: MeasureTable) -> str:
    numbers = counts(objects["outcome"].values)
    return " · ".join(f"{n:,} {word}" for n, word in zip(numbers, ("found", "missed", "false"), strict=True))
