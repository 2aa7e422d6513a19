"""Keeps the measurements of a labels layer up to date: told of every edit, it measures what has changed, in a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_segplugin.core import ObjectTable
from napari_segplugin.data.remeasure import LastMeasured
from napari_segplugin.data.table import MeasureTable
from napari_segplugin.viewer import panels
from napari_segplugin.widgets._timers import Later, timer
from napari_segplugin.widgets.jobs import Background

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels
    from napari.utils.events import Event, EventEmitter

QUIET_MS, LONGEST_MS = 150, 2000
"""Labels are measured again when nothing has changed for so long; where all is measured each time, as long as that took."""


class Measuring(QObject):
    """Measures a layer again whenever it has changed.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    background : Background
    parent : QObject

    Attributes
    ----------
    stale : bool
        Whether the last measurements are older than the labels.

    Signals
    -------
    measured(object) : a :class:`~napari_segplugin.data.table.MeasureTable`
    aged() : the last measurements are no longer those of the labels
    failed(object) : the error
    """

    measured = Signal(object)
    aged = Signal()
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, background: Background, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._background = viewer, background
        self.layer: Labels | None = None
        self.image: Image | None = None
        self.by, self.histogram, self.stale = "object", False, False
        self._last, self._about = LastMeasured(), tuple[object, ...]()
        self._step: tuple[int, ...] = ()
        self._links: list[tuple[EventEmitter, Callable[[Event], None]]] = []
        self._timer = timer(self, QUIET_MS, self.measure)
        self._soon = Later(self._timer)

    def follow(self, layer: Labels | None, image: Image | None) -> None:
        """Measure another layer, now and whenever it changes."""
        self.unfollow()
        self.layer, self.image, self._step = layer, image, tuple(self._viewer.dims.current_step)
        self._last, self.stale = LastMeasured(), layer is not None
        if layer is not None:
            events = layer.events
            links = (events.paint, events.data, events.features, events.scale, events.units, events.labels_update)
            self._links = [(e, self._on_change) for e in links]
            self._links.append((events.set_data, self._on_redraw))
        if image is not None:
            self._links.append((image.events.data, self._on_image))
        for emitter, callback in self._links:
            emitter.connect(callback)

    def unfollow(self) -> None:
        """Hear of the layer no more."""
        for emitter, callback in self._links:
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(callback)
        self._links = []
        with suppress(RuntimeError):
            self._timer.stop()

    def _on_change(self, event: Event | None = None) -> None:
        if not self.stale:
            self.stale = True
            with suppress(RuntimeError):
                self.aged.emit()
        self._soon()

    def _on_image(self, event: Event | None = None) -> None:
        self._last = LastMeasured()
        self._on_change()

    def _on_redraw(self, event: Event | None = None) -> None:
        """Undo, redo and scripts say nothing but that the layer is drawn again; so does another slice, which changes nothing."""
        step = tuple(self._viewer.dims.current_step)
        if step == self._step:
            self._on_change()
        self._step = step

    def measure(self) -> None:
        """Measure in a worker; ``measured`` tells of the table."""
        layer, image = self.layer, self.image
        if layer is None:
            return
        frozen, by, counted, last = panels.freeze(layer), self.by, self.histogram, self._last
        described = "class" in layer.features.columns
        began = time.monotonic()
        self._timer.stop()
        self.stale = True

        def work() -> MeasureTable:
            from napari_segplugin.door.regions import measure_read
            from napari_segplugin.viewer.layers import layer_to_image
            from napari_segplugin.viewer.writers import labels_to_segmentation

            found = labels_to_segmentation(*frozen)
            if not described and by == "object":  # a plain layer says nothing about class and status
                found = replace(found, objects=ObjectTable.of(np.zeros(1, int)))
            picture = layer_to_image(image) if image is not None else None
            tracks = panels.tracks_of(frozen[1].get("features"))
            return measure_read(found, picture, False, by=by, histogram=counted, tracks=tracks, last=last)

        def done(table: MeasureTable) -> None:
            if layer is not self.layer:
                return
            took = 0 if last.quick else int(1000 * (time.monotonic() - began))
            self._timer.setInterval(min(LONGEST_MS, max(QUIET_MS, took)))
            self.stale = self._timer.isActive()  # something has changed in between
            self.measured.emit(table)

        self._background.run("measure", work, done, self.failed.emit)


__all__ = ["Measuring"]
