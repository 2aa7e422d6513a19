"""The queue of doubt: Next, Accept, Fix, Reject."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Box, InputError
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.doubt import Queue
from napari_segplugin.door.doubt import doubtful
from napari_segplugin.viewer.geometry import box_in_layer
from napari_segplugin.viewer.layers import layer_to_image
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED, REJECTED
from napari_segplugin.widgets._flyer import Flyer
from napari_segplugin.widgets._timers import timer

if TYPE_CHECKING:
    from napari.layers import Labels
    from qtpy.QtWidgets import QWidget

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.target import Target
    from napari_segplugin.widgets.edit_control import EditControl
    from napari_segplugin.widgets.jobs import Jobs

ALONE_MS = 450
DONE = {ACCEPTED, CORRECTED, REJECTED}


class QueueControl:
    """Leads from object to object, the most doubtful first.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    edits : EditControl
    parent : QWidget
        Lives as long as the window.
    """

    def __init__(self, desk: Desk, jobs: Jobs, edits: EditControl, parent: QWidget) -> None:
        self._desk, self._jobs, self._edits = desk, jobs, edits
        self._flyer = Flyer(desk.viewer, parent)
        self._alone: Labels | None = None
        self._alone_timer = timer(parent, ALONE_MS, self._show_all)

    def progress(self, target: Target) -> tuple[int, int]:
        """Objects that were looked at, and all of them."""
        done: tuple[int, int] = target.editor.rows.count(DONE)
        return done

    def reason(self, target: Target, number: int) -> str:
        """Why an object is in doubt; empty where that is not known."""
        entry = target.order.of(number) if target.order else None
        return entry.reason if entry else ""

    def act(self, target: Target, action: str) -> None:
        """Next, Accept, Fix or Reject."""
        number = self._edits.chosen
        if action != "next" and not number:
            raise InputError("No object is selected.", hint="Click on an object, or press Next")
        if action == "accept":
            target.editor.accept(target.chosen)
        elif action == "reject":
            target.editor.reject(target.chosen)
        elif action == "fix":
            self._fix(target)
            return
        entry = target.order.of(number) if target.order and number else None
        if entry:
            target.passed.add(entry)
        self.next(target)

    def _fix(self, target: Target) -> None:
        self._edits.put_down()
        self._desk.viewer.dims.ndisplay = 2
        self._desk.viewer.layers.selection.active = target.layer
        target.brush.take("paint")
        target.brush.kept = True

    def next(self, target: Target) -> None:
        """Go to the next object; the order is worked out when it is first asked for."""
        order, passed = target.order, target.passed
        if order is None:
            self._work_out(target)
            return
        status = target.editor.rows.column("status")
        left = [e for e in order if not e.label or (e.label in target.editor.boxes and status.get(e.label) not in DONE)]
        if left and all(e in passed for e in left):
            passed.clear()  # once around: begin with the most doubtful again
        found = next((e for e in left if e not in passed), None)
        if found is None or not any(e.label for e in left):
            self._desk.say("Every object is checked. Fine-tune to teach this to the model, or press Run again.")
            return
        passed.add(found)
        if found.kind == "object":
            self.go(target, found.label)
            return
        if found.label:
            self._edits.choose(target, found.label)
        self._fly(target, found.place)
        self._desk.say(found.reason)

    def go(self, target: Target, number: int) -> None:
        """Choose an object and bring it into view."""
        box = target.editor.boxes.box(number)
        if box is None:
            return
        if target.layer.mode not in ("pan_zoom", "pick"):
            target.layer.mode = "pan_zoom"
        self._desk.viewer.layers.selection.active = target.layer
        self._edits.choose(target, number)
        self._fly(target, box, number)
        if not self._edits.outlined:  # a version of napari in which no outline can be drawn
            self._show_alone(target.layer)

    def _fly(self, target: Target, box: Box, number: int = 0) -> None:
        ends = np.array([[s.start for s in box], [s.stop for s in box]])
        if target.axes.startswith("T"):
            self._flyer.go(target.layer, ends[:, 1:], int(ends[0, 0]), number)
        else:
            self._flyer.go(target.layer, ends, number=number)

    def _show_alone(self, layer: Labels) -> None:
        """Show the chosen object alone for a moment, so that it is seen which one is meant."""
        if not layer.show_selected_label:
            layer.show_selected_label = True
            self._alone = layer
        self._alone_timer.start()

    def _show_all(self) -> None:
        layer, self._alone = self._alone, None
        if layer is not None:
            layer.show_selected_label = False

    def prepare(self, target: Target) -> None:
        """Work out the order of a new result, so that it can be said how many objects look doubtful."""
        if target.order is None:
            self._work_out(target, go=False)

    def _work_out(self, target: Target, *, go: bool = True) -> None:
        editor, data, result, version = target.editor, target.layer.data, target.result, target.editor.version

        def work() -> tuple[Queue, ObjectBoxes]:
            # boxes of its own: those of the editor change while this runs
            found = doubtful(result.current(), layer_to_image(result.image_layer, result.axes))
            placed = [replace(e, place=box_in_layer(e.place, result.axes, target.rgb)) for e in found]
            return replace(found, entries=tuple(placed)), ObjectBoxes(data)

        def done(value: tuple[Queue, ObjectBoxes]) -> None:
            order, boxes = value
            editor.take_boxes(boxes, version)
            target.order = order
            if go and self._edits.target is target:
                self.next(target)
            self._desk.refresh_soon()

        self._jobs.beside(("doubt", target), work, done)


__all__ = ["QueueControl"]
