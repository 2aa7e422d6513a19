"""What can be done with the chosen object: its histogram, a crop, its surface."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox

from napari_segplugin.data.table import MeasureTable
from napari_segplugin.widgets._charts import HistogramChart
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled, row


class RoiFold(Fold):
    """Buttons and a histogram for one row of the table.

    Signals
    -------
    crop_requested, surface_requested
    """

    crop_requested = Signal()
    surface_requested = Signal()

    def __init__(self) -> None:
        super().__init__("Chosen object", "measure_roi", "Crop the image to it, make its surface, see its intensities.")
        self._table: MeasureTable | None = None
        self._row: int | None = None
        self.margin = QSpinBox()
        self.margin.setRange(0, 10_000)
        self.margin.setValue(5)
        describe(
            self.margin, "roi_margin", "Margin", "How far the crop goes beyond the object, in pixels (voxels in 3D)."
        )
        self.mask_check = QCheckBox("Mask outside")
        describe(
            self.mask_check,
            "roi_mask",
            "Mask outside",
            "Replace the image outside the object: -1024 in HU, otherwise 0 or the smallest value of the image.",
        )
        self.crop_button = button(
            "Crop", "roi_crop", "Add a piece of the image around the object, and its labels.", self.crop_requested.emit
        )
        self.surface_button = button(
            "Surface", "roi_surface", "Add the surface of the object (3D only).", self.surface_requested.emit
        )
        self.channel = combo("roi_channel", "Histogram of", "The image whose intensities in the object are counted.")
        self.chart = HistogramChart("Intensities in the object", "roi_histogram")
        self.chart.y_title = "voxels"
        self.channel.currentIndexChanged.connect(lambda _: self._draw())
        for widget in (
            row(labelled("Margin", self.margin), self.mask_check, stretch=(1, 1)),
            row(self.crop_button, self.surface_button, stretch=(1, 1)),
            labelled("Histogram", self.channel),
            self.chart,
        ):
            self.rows.addWidget(widget)
        self.choose(None, None)

    def choose(self, table: MeasureTable | None, at: int | None, image: bool = False) -> None:
        """Speak of another row of the table; None for no row. `image`: whether there is one to crop."""
        self._table, self._row = table, at
        volume = table is not None and "volume" in table and "frame" not in table
        self.crop_button.setEnabled(at is not None and image)
        self.surface_button.setEnabled(at is not None and volume)
        names = list(table.histograms) if table is not None else []
        fill_combo(self.channel, [(n, n) for n in names], self.channel.currentData())
        self._draw()

    def _draw(self) -> None:
        table, name = self._table, self.channel.currentData()
        there = table is not None and self._row is not None and name in table.histograms
        self.chart.setVisible(there)
        if table is not None and self._row is not None and there:
            found = table.histograms[name]
            self.chart.set_counts(found.counts[self._row], found.edges, str(name))


__all__ = ["RoiFold"]
