"""The queue of doubt: Next, Accept, Fix, Reject."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from napari_segplugin.core import InputError
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.data.doubt import Doubt, doubts
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
        return next((d.reason for d in target.order or () if d.number == number), "")

    def act(self, target: Target, action: str) -> None:
        """Next, Accept, Fix or Reject."""
        number = self._edits.chosen
        if action != "next" and not number:
            raise InputError("No object is selected.", hint="Click on an object, or press Next")
        if action == "accept":
            target.editor.accept([number])
        elif action == "reject":
            target.editor.reject([number])
        elif action == "fix":
            self._fix(target)
            return
        target.passed.add(number)
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
        left = [d for d in order if d.number in target.editor.boxes and status.get(d.number) not in DONE]
        if left and all(d.number in passed for d in left):
            passed.clear()  # once around: begin with the most doubtful again
        found = next((d for d in left if d.number not in passed), None)
        if found is None:
            self._desk.say("Every object is checked. Fine-tune to teach this to the model, or press Run again.")
            return
        passed.add(found.number)
        self.go(target, found.number)

    def go(self, target: Target, number: int) -> None:
        """Choose an object and bring it into view."""
        box = target.editor.boxes.box(number)
        if box is None:
            return
        if target.layer.mode not in ("pan_zoom", "pick"):
            target.layer.mode = "pan_zoom"
        self._desk.viewer.layers.selection.active = target.layer
        self._edits.choose(target, number)
        ends = np.array([[s.start for s in box], [s.stop for s in box]])
        if target.axes.startswith("T"):
            self._flyer.go(target.layer, ends[:, 1:], int(ends[0, 0]))
        else:
            self._flyer.go(target.layer, ends)
        if not self._edits.outlined:  # a version of napari in which no outline can be drawn
            self._show_alone(target.layer)

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

    def _work_out(self, target: Target) -> None:
        editor, data = target.editor, target.layer.data
        scores, groups = editor.rows.column("score"), editor.rows.column("class")
        border = [i for i, a in enumerate(target.axes) if a in "ZYX"]
        other, version = self._other_pass(target), editor.version

        def work() -> tuple[list[Doubt], ObjectBoxes]:
            # boxes of its own: those of the editor change while this runs
            boxes = ObjectBoxes(data)
            wanted = cast("dict[int, float]", scores) or dict.fromkeys(boxes, float("nan"))
            return doubts(data, wanted, groups=groups, border_axes=border, other=other, boxes=boxes), boxes

        def done(value: tuple[list[Doubt], ObjectBoxes]) -> None:
            order, boxes = value
            editor.take_boxes(boxes, version)
            target.order = order
            if self._edits.target is target:
                self.next(target)

        self._jobs.beside(("doubt", target), work, done)

    def _other_pass(self, target: Target) -> np.ndarray | None:
        """The labels of an earlier result of the same image, where there is one."""
        mine = target.result
        for result in reversed(self._desk.results):
            same = result.image_layer is mine.image_layer and result.segmentation.task is mine.segmentation.task
            if result is not mine and same and result.before.shape == target.layer.data.shape:
                before: np.ndarray = result.before
                return before
        return None


__all__ = ["QueueControl"]
