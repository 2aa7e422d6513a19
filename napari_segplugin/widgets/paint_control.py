"""The corrections layer: made, coloured and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QTimer

from napari_segplugin.core import BACKGROUND_PAINT, SegPluginError, Task
from napari_segplugin.viewer.corrections import (
    NAME,
    PaintCopy,
    corrections_from_layers,
    corrections_layer,
    count_paint,
    paint_colors,
    reviewed_layer,
)
from napari_segplugin.viewer.layers import label_colormap_of
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED
from napari_segplugin.viewer.views import classes_of_labels
from napari_segplugin.widgets.step_improve import ERASE, NEW_OBJECT
from napari_segplugin.widgets.weak_control import WeakControl

COUNT_MS = 300


class PaintControl:
    """Corrections for the dock, one set for each image layer.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self.weak = WeakControl(dock)
        self._paint: dict[int, Labels] = {}
        self._reviewed: dict[int, Shapes] = {}
        self._colors: dict[int, dict[int, str]] = {}
        self.counts: dict[int, tuple[int, int]] = {}
        self._count_timer = _timer(dock, COUNT_MS, self._count)

    # --- layers ---------------------------------------------------------------------------------------------------

    @property
    def layer(self) -> Labels | None:
        """The corrections layer of the chosen image, if it is still in the viewer."""
        return self._living(self._paint)

    @property
    def reviewed(self) -> Shapes | None:
        """The reviewed area of the chosen image."""
        return self._living(self._reviewed)

    def _living(self, table: dict[int, Any]) -> Any:
        found = table.get(id(self._dock.image_step.layer))
        return found if found is not None and any(a is found for a in self._dock.viewer.layers) else None

    def add_layer(self, paint: Any = None, known: bool = False) -> None:
        """Make a corrections layer, or select the one there is, with the brush in hand.

        Parameters
        ----------
        paint : ndarray, optional
            Strokes to begin with.
        known : bool
            Whether they come from the journal of the image.
        """
        dock = self._dock
        image = dock.image_step.layer
        choice = dock.method_step.choice()
        if image is None or choice is None:
            return
        layer = self.layer
        if layer is None:
            colors = paint_colors(choice.spec.classes, choice.spec.task)
            try:
                layer = corrections_layer(image, dock.image_step.axes, colors, paint)
            except SegPluginError as error:
                dock.fail(error)
                return
            layer.name = f"{NAME} · {image.name}"
            dock.viewer.add_layer(layer)
            self._paint[id(image)] = layer
            self._colors[id(layer)] = colors
            layer.events.paint.connect(self._on_paint)
            layer.events.data.connect(self._on_paint)
            # Undo and redo say only that something is drawn anew.
            layer.events.set_data.connect(self._on_paint)
            dock.journal.paint(layer, known)
            self.outline_result()
        dock.viewer.dims.ndisplay = 2
        dock.viewer.layers.selection.active = layer
        layer.mode = "paint"
        self._count()
        dock.refresh()

    def outline_result(self) -> None:
        """Show the result as outlines while somebody paints: filled areas of the same colours would hide the paint."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        if self.layer is not None and result is not None and not result.layer.contour:
            result.layer.contour = 1

    def add_reviewed(self) -> None:
        """Make a layer for the reviewed area, or select the one there is, with the rectangle tool in hand."""
        dock, image = self._dock, self._dock.image_step.layer
        if image is None:
            return
        layer = self.reviewed
        if layer is None:
            layer = reviewed_layer(image, dock.image_step.axes)
            dock.viewer.add_layer(layer)
            self._reviewed[id(image)] = layer
            layer.events.data.connect(lambda _=None: dock.refresh_soon())
            dock.journal.marks("reviewed", layer)
        dock.viewer.dims.ndisplay = 2
        dock.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        dock.refresh()

    def pick(self, value: int) -> None:
        """Take a paint value into the brush."""
        self.add_layer()
        layer = self.layer
        if layer is None:
            return
        if value == ERASE:
            layer.mode = "erase"
            return
        if value == NEW_OBJECT:
            objects = [k for k in count_paint(layer.data) if k != BACKGROUND_PAINT]
            value = max(objects, default=0) + 1
        layer.selected_label = value
        layer.mode = "paint"

    def recolor(self) -> None:
        """Give the layer the colours of the classes as they are now."""
        choice, layer = self._dock.method_step.choice(), self.layer
        if choice is None or layer is None:
            return
        colors = paint_colors(choice.spec.classes, choice.spec.task)
        # A colour map of 65536 labels takes napari a quarter of a second: only when it differs.
        if colors != self._colors.get(id(layer)):
            self._colors[id(layer)] = colors
            layer.colormap = label_colormap_of(colors)

    def copy(self) -> PaintCopy:
        """Copies of everything that was corrected on the chosen image. Call it on the GUI thread.

        Raises
        ------
        SegPluginError
            If a layer does not fit the image.
        """
        dock = self._dock
        result = dock.runs.result_of(dock.image_step.layer)
        copied = corrections_from_layers(
            dock.image_step.layer,
            dock.image_step.axes,
            paint=self.layer,
            reviewed=self.reviewed,
            result=None if result is None else result.layer,
            before=None if result is None else result.before,
        )
        if result is not None:
            table = result.segmentation.objects
            copied.object_class.update(zip(map(int, table.label), map(int, table.class_id), strict=True))
            copied.object_class.update(classes_of_labels(result.layer.features, result.segmentation.classes))
            copied = replace(copied, accepted=result.accepted)
        return self.weak.into(copied)

    # --- counting ------------------------------------------------------------------------------------------------

    @property
    def known_besides(self) -> str:
        """What else a training takes as right, a line each: edited and accepted objects, reviewed areas."""
        result, lines = self._dock.runs.result_of(self._dock.image_step.layer), []
        if result is not None and "status" in result.layer.features:
            status = np.asarray(result.layer.features["status"])
            found = {word: int((status == word).sum()) for word in (CORRECTED, ACCEPTED)}
            words = [f"{n:,} {word}" for word, n in found.items() if n]
            if words:
                lines.append(f"objects: {', '.join(words)}")
        areas = 0 if self.reviewed is None else len(self.reviewed.data)
        if areas:
            what = "with your edits, taken as right" if result is not None else "needs a result: press Run"
            lines.append(f"reviewed: {areas} area{'s' * (areas != 1)}, {what}")
        return "\n".join(lines)

    def _on_paint(self, event: Any = None) -> None:
        self._count_timer.start()

    def _count(self) -> None:
        layer, dock = self.layer, self._dock
        if layer is None:
            self.counts = {}
            return
        data = layer.data

        def done(counts: dict[int, tuple[int, int]]) -> None:
            if counts != self.counts:
                dock.instant.painted()
            self.counts = counts
            self._suggest()
            dock.refresh()

        dock.background.run("count", lambda: count_paint(data), done, dock.fail)

    def _suggest(self) -> None:
        """Say which loss suits the strokes at hand."""
        dock = self._dock
        choice, layer = dock.method_step.choice(), self.layer
        if choice is None or layer is None or not self.counts:
            dock.improve_step.losses.suggest(None, "")
            return
        classes, task = choice.spec.classes, choice.spec.task
        voxels = {k: n for k, (_, n) in self.counts.items()}
        background = voxels.pop(BACKGROUND_PAINT, 0)
        if task is Task.SEMANTIC:
            counts = [background, *(voxels.get(c.id, 0) for c in classes if c.id)]
        else:
            counts = [background, sum(voxels.values()), *[0] * (len(classes) - 2)]
        share = sum(counts) / max(1, layer.data.size)
        dock.improve_step.losses.suggest(*dock.engine.recommend_loss(counts, known_share=share, task=task))

    def on_image(self) -> None:
        """Another image was chosen: count what is painted on it."""
        if self._dock.image_step.layer is not None and self._dock.image_step.ready:
            self._count()


def _timer(parent: Any, msec: int, slot: Any) -> Any:
    """A timer that waits until nothing happened for `msec`."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(msec)
    timer.timeout.connect(slot)
    return timer
