"""The table of objects: measured live, linked with the viewer, filtered, plotted, saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_segplugin.data.table import MeasureTable, TableView
from napari_segplugin.viewer import panels
from napari_segplugin.widgets._flyer import Flyer
from napari_segplugin.widgets._kept import KeptObjects
from napari_segplugin.widgets._layout import TwoParts, column, scrolled
from napari_segplugin.widgets._measure_table import MeasureView
from napari_segplugin.widgets._measuring import Measuring
from napari_segplugin.widgets._parts import MessageBar, button, combo, fill_combo, labelled, wrapped
from napari_segplugin.widgets._plot_fold import PlotFold
from napari_segplugin.widgets._range_filter import RangeFilter, range_text
from napari_segplugin.widgets._roi_fold import RoiFold
from napari_segplugin.widgets._roi_maker import RoiMaker, is_objects
from napari_segplugin.widgets._timers import Later, timer
from napari_segplugin.widgets._undocked import Undocked
from napari_segplugin.widgets.frame.style import style_sheet
from napari_segplugin.widgets.jobs import Background, explain

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer
    from napari.utils.events import Event, EventEmitter

UPDATED = "being updated …"
"""Said behind the number of objects as long as the numbers are older than the labels."""


class MeasurePanel(QWidget):
    """Measure the objects of a labels layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    layer : napari.layers.Labels, optional
        What to measure; the active or the first labels layer by default.
    """

    def __init__(self, napari_viewer: ViewerModel, layer: Labels | None = None) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName("measure_panel")
        self.background = Background(self)
        self.flyer = Flyer(self.viewer, self)
        self.layer: Labels | None = None
        self.kept = KeptObjects(self)
        self.measuring = Measuring(self.viewer, self.background, self)
        self._links: list[tuple[EventEmitter, Callable[[Event], None]]] = []
        self._noted: tuple[str, ...] = ()
        self._layers_timer = timer(self, 50, self._on_layers)
        self._kept_timer = timer(self, 120, self.kept.update)
        self._assemble()
        self._connect()
        self._watch()
        self._on_layers(layer or self.viewer.layers.selection.active)

    def _assemble(self) -> None:
        self.messages = MessageBar()
        self.layer_choice = combo("measure_layer", "Labels", "The labels layer with the objects to measure.")
        self.image_choice = combo(
            "measure_image", "Image", "An image of the same size, whose intensities are measured in every object."
        )
        self.by_choice = combo("measure_by", "Rows", "A row for each object, or for each class (such as an organ).")
        fill_combo(self.by_choice, [("objects", "object"), ("classes", "class")])
        self.count = wrapped(name="measure_count")
        self.table = MeasureView()
        self.filter, self.plot, self.roi = RangeFilter(), PlotFold(), RoiFold()
        self.save_button = button(
            "Save as CSV…",
            "measure_save",
            "Save the rows that are shown, with the definition of each column.",
            self._ask,
        )
        listed = column(
            labelled("Labels", self.layer_choice),
            labelled("Image", self.image_choice),
            labelled("Rows", self.by_choice),
            self.count,
            self.table,
            stretch=4,
        )
        self._tools = column(self.filter, self.plot, self.roi, self.save_button, stretch=-1)
        self.splitter = TwoParts(listed, scrolled(self._tools), self._tools)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.messages)
        layout.addWidget(self.splitter, 1)
        self.setMinimumWidth(300)

    def _connect(self) -> None:
        self.layer_choice.currentIndexChanged.connect(lambda _: self._follow(self.layer_choice.currentData()))
        self.image_choice.currentIndexChanged.connect(lambda _: self.measure())
        self.by_choice.currentIndexChanged.connect(lambda _: self._on_by())
        self.measuring.measured.connect(self._show)
        self.measuring.aged.connect(self._on_filtered)
        self.measuring.failed.connect(self.fail)
        self.maker = RoiMaker(self)
        self.table.chosen.connect(self._on_chosen)
        for fold in (self.filter, self.plot, self.roi):
            fold.head.toggled.connect(self.splitter.share_soon)
        self.filter.changed.connect(self._on_range)
        self.filter.cleared.connect(self.show_all)
        self.filter.hide_toggled.connect(lambda _: self._kept_timer.start())
        self.filter.delete_requested.connect(self.kept.delete_rest)
        self.plot.brushed.connect(self._on_brush)

    def _watch(self) -> None:
        """Follow the viewer, and let go of it when the panel is destroyed."""
        events, theme = self.viewer.layers.events, self.viewer.events.theme
        soon, restyle = Later(self._layers_timer), Later(timer(self, 0, self._restyle))
        links = [(e, soon) for e in (events.inserted, events.removed, events.renamed)] + [(theme, restyle)]
        for emitter, callback in links:
            emitter.connect(callback)
        clicks, on_click = self.viewer.mouse_drag_callbacks, self._on_click
        clicks.append(on_click)
        background = self.background

        def let_go(*_: object) -> None:
            for emitter, callback in links:
                with suppress(ValueError, RuntimeError):
                    emitter.disconnect(callback)
            with suppress(ValueError):
                clicks.remove(on_click)
            self._unfollow()
            with suppress(RuntimeError):
                background.abandon()

        self._let_go = let_go
        self.destroyed.connect(let_go)
        Undocked(self, let_go)
        self._restyle()

    def _restyle(self) -> None:
        from napari.utils.theme import get_theme

        self.setStyleSheet(style_sheet(get_theme(self.viewer.theme)))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Forget the layer; nothing that was hidden stays hidden."""
        self._let_go()
        super().closeEvent(event)

    # --- layers ---------------------------------------------------------------------------------------------------

    def _on_layers(self, wanted: Layer | None = None) -> None:
        layers = panels.labels_layers(self.viewer)
        keep = next((a for a in (wanted, self.layer) if any(a is found for found in layers)), None)
        fill_combo(self.layer_choice, [(str(a.name), a) for a in layers], keep)
        self._follow(self.layer_choice.currentData())

    def choose_layer(self, layer: Labels | None, image: Image | None = None) -> None:
        """Measure another layer, and an image of the same size; the first one by default."""
        self._on_layers(layer)
        at = self.image_choice.findData(image)
        if image is not None and at >= 0:
            self.image_choice.setCurrentIndex(at)

    def _follow(self, layer: Labels | None) -> None:
        """Measure a layer, now and whenever it changes."""
        images = panels.images_over(self.viewer, layer) if layer is not None else []
        wanted = self.image_choice.currentData() if layer is self.layer else images[0] if images else None
        fill_combo(self.image_choice, [("none", None), *((str(a.name), a) for a in images)], wanted)
        if layer is self.layer and self.table.model_.view is not None:
            return
        self._unfollow()
        self.layer = layer
        if layer is not None:
            self._links = [(layer.events.selected_label, self._on_selected)]
            for emitter, callback in self._links:
                emitter.connect(callback)
        self._show(None)
        self.measuring.follow(layer, self.image_choice.currentData())
        self.measure()

    def _unfollow(self) -> None:
        for emitter, callback in self._links:
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(callback)
        self._links = []
        self.measuring.unfollow()
        self.kept.drop()

    # --- measuring ------------------------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure in a worker; the table follows when it is done."""
        measuring = self.measuring
        if self.layer is None:
            self._show(None)
            return
        if measuring.image is not self.image_choice.currentData():
            measuring.follow(self.layer, self.image_choice.currentData())
        measuring.by, measuring.histogram = str(self.by_choice.currentData()), self.roi.head.isChecked()
        measuring.measure()
        self._on_filtered()

    @property
    def stale(self) -> bool:
        """Whether the numbers are older than the labels; they follow within a moment."""
        return self.measuring.stale

    @property
    def by_class(self) -> bool:
        """Whether a row is a class of objects, whose number is none of the layer's."""
        return self.by_choice.currentData() == "class" and self.layer is not None and is_objects(self.layer)

    def _on_by(self) -> None:
        """Rows of classes have no objects that could be hidden or deleted."""
        self.show_all()
        self.filter.setVisible(not self.by_class)
        self._show(None)
        self.measure()

    def fail(self, error: BaseException) -> None:
        """Show what went wrong, as a sentence."""
        self.messages.show_message(*explain(error))

    def _chosen(self) -> tuple[int, int | None] | None:
        """Number and time point of the chosen row."""
        view, at = self.view, self.table.currentIndex().row()
        if view is None or not 0 <= at < len(view.rows):
            return None
        row, table = int(view.rows[at]), view.table
        return int(table["label"].values[row]), int(table["frame"].values[row]) if "frame" in table else None

    def _show(self, table: MeasureTable | None) -> None:
        """Show measurements; what was chosen, filtered and brushed stays so."""
        chosen, limits = self._chosen(), self.plot.limits
        self.table.set_table(table)
        self.filter.set_table(table)
        self.plot.set_table(table)
        self.roi.choose(table, None)
        view = self.view
        if view is not None and self.filter.column is not None:
            ends = view.ranges.get(self.filter.column.name)
            if ends is not None:
                self.filter.show_range(*np.clip(ends, *self.filter.column.limits).tolist())
        if view is not None and limits is not None and all(n in view.table for n in limits):
            view.brush(view.within(limits))
            self.table.refilter()
        for note in table.notes if table is not None and table.notes != self._noted else ():
            self.messages.show_message(note)
        self._noted = table.notes if table is not None else self._noted
        self._on_filtered()
        if self.layer is not None and view is not None:
            at = None if chosen is None else view.find(*chosen)
            if at is None:
                self._select(int(self.layer.selected_label))
            else:
                self._choose(at)

    @property
    def view(self) -> TableView | None:
        """Which rows are shown; None before anything was measured."""
        return self.table.model_.view

    def _on_filtered(self) -> None:
        """Say how many rows are shown, and whether they are up to date."""
        view, stale = self.view, self.stale and self.layer is not None
        self.save_button.setEnabled(view is not None and len(view.table) > 0 and not stale)
        if view is None:
            self.count.setText("Measuring …" if self.layer is not None else "Add or choose a labels layer.")
            self.filter.set_narrowed(False, "")
            return
        total, shown = len(view.table), len(view.rows)
        word = "object" if total == 1 else "objects"
        if self.by_choice.currentData() == "class":
            word = "class" if total == 1 else "classes"
        count = f"{shown:,} of {total:,} {word}" if view.narrowed else f"{total:,} {word}"
        self.count.setText(f"{count} · {UPDATED}" if stale else count)
        parts = [f"{view.table[n].title}: {range_text(*ends)}" for n, ends in view.ranges.items()]
        self.filter.set_narrowed(view.narrowed, " · ".join(parts))
        if self.filter.hide_button.isChecked():
            self._kept_timer.start()

    # --- filtering ------------------------------------------------------------------------------------------------

    def _on_range(self, name: str, ends: tuple[float, float] | None) -> None:
        if self.view is None:
            return
        if ends is None:
            self.view.drop(name)
        else:
            self.view.keep(name, *ends)
        self.table.refilter()
        self._on_filtered()

    def _on_brush(self, limits: dict[str, tuple[float, float]] | None) -> None:
        if self.view is None:
            return
        self.view.brush(None if limits is None else self.view.within(limits))
        self.table.refilter()
        self._on_filtered()

    def show_all(self) -> None:
        """Forget all ranges and the brush."""
        if self.view is None:
            return
        self.view.forget()
        self.plot.clear_brush()
        self.filter.set_table(self.view.table)
        self.filter.hide_button.setChecked(False)
        self.table.refilter()
        self._on_filtered()

    # --- selection ------------------------------------------------------------------------------------------------

    def _on_chosen(self, row: int) -> None:
        """A row was chosen: select the object and fly to it."""
        view, layer = self.view, self.layer
        if view is None or layer is None:
            return
        table = view.table
        number = int(table["label"].values[row])
        frame = int(table["frame"].values[row]) if "frame" in table else None
        self.plot.mark(row)
        self.roi.choose(table, row, self.image_choice.currentData() is not None)
        if not self.by_class:
            layer.selected_label = number
        self.flyer.go(layer, table.boxes[row], frame)

    def _on_selected(self, event: Event | None = None) -> None:
        if self.layer is not None:
            with suppress(RuntimeError):
                self._select(int(self.layer.selected_label))

    def _select(self, number: int) -> None:
        """Find the row of an object that was selected in the viewer."""
        view = self.view
        if view is None or self.by_class:
            return
        frame = int(self.viewer.dims.current_step[0]) if "frame" in view.table else None
        at = view.find(number, frame)
        if at is None or at != self.table.currentIndex().row():
            self._choose(at)

    def _choose(self, at: int | None) -> None:
        """Choose a row that is shown, in the table and in the plot."""
        view = self.view
        if view is None:
            return
        self.table.choose(at)
        row = None if at is None else int(view.rows[at])
        self.plot.mark(row)
        self.roi.choose(view.table, row, self.image_choice.currentData() is not None)

    def _on_click(self, viewer: ViewerModel, event: Event) -> Iterator[None]:
        """A click (no drag) on an object finds its row, in whatever mode that does not paint."""
        layer = self.layer
        shown = self.kept.layer if self.kept.layer is not None else layer
        if layer is None or shown is None or not shown.visible or str(layer.mode) not in ("pan_zoom", "Mode.PAN_ZOOM"):
            return
        yield
        while event.type == "mouse_move":
            if getattr(event, "is_dragging", True):
                return
            yield
        number = panels.label_under(shown, event)
        if number:
            layer.selected_label = number
            self._select(number)

    # --- saving ---------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        from napari_segplugin.io.offered import place_for
        from napari_segplugin.viewer.layers import source_of

        image, name = self.image_choice.currentData(), "" if self.layer is None else str(self.layer.name)
        start = place_for("" if image is None else source_of(image), ".csv", name, "measurements")
        path, _ = QFileDialog.getSaveFileName(self, "Save the table", str(start), "CSV (*.csv)")
        if path:
            self.save(path)

    def save(self, path: str) -> None:
        """Write the rows that are shown, in their order."""
        view, layer = self.view, self.layer
        if view is None or layer is None:
            return
        text_of, rows, about = view.table.to_csv, view.rows.copy(), f"Objects of {layer.name}"

        def work() -> Path:
            from napari_segplugin.io.files import write_text

            return write_text(path, text_of(rows, about))

        self.background.run(
            "save", work, lambda place: self.messages.show_message(f"Saved {len(rows):,} rows in {place}."), self.fail
        )
