"""The page of *Find*: where to look, what was found, and what to do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QProgressBar, QPushButton, QVBoxLayout

from napari_segplugin.core import Event, Stage, Step
from napari_segplugin.viewer.places import FILE, FOLDER, PLANE, REGIONS, VIEW, WHOLE
from napari_segplugin.widgets._parts import (
    DockPart,
    button,
    describe,
    fill_combo,
    heading,
    labelled,
    row,
)
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.frame.header import Elided
from napari_segplugin.widgets.masks_card import MasksCard
from napari_segplugin.widgets.result_card import AdviceCard, ResultCard

_VIEWS = {
    "instance": ("Objects", "Each object in its own colour."),
    "semantic": (
        "Classes",
        "Each class in its own colour, in a separate layer. Corrections in one layer show in all.",
    ),
    "panoptic": ("Both", "Each class has a hue and each object a shade of it (panoptic), in a separate layer."),
}


class ProgressLine:
    """A progress bar with a stage and the time that is left, made of two widgets.

    Parameters
    ----------
    name : str
        Object name of the bar.
    unit : str
        What is counted ("tiles").
    """

    def __init__(self, name: str, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._unit, self._clock, self._began, self._first = unit, clock, 0.0, 0
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        describe(self.bar, name, "Progress", "Progress.")
        self.text = Elided(f"{name}_text")
        self.stop()

    def begin(self, text: str) -> None:
        """Show a bar without an end until the first step arrives."""
        self._began = 0.0
        self.bar.setRange(0, 0)
        self.text.setText(text)
        self.bar.show()
        self.text.show()

    def take(self, event: Event) -> None:
        """Show a stage or a step."""
        if isinstance(event, Stage):
            self.text.setText(event.text)
            self._began = 0.0
            self.bar.setRange(0, 0)
        elif isinstance(event, Step) and event.total > 0:
            if not self._began:
                self._began, self._first = self._clock(), event.done
            self.bar.setRange(0, event.total)
            self.bar.setValue(event.done)
            count = f"{event.done} of {event.total} {self._unit}" if self._unit else ""
            self.text.setText(" · ".join(part for part in (count, self._left(event)) if part))

    def _left(self, event: Step) -> str:
        done, spent = event.done - self._first, self._clock() - self._began
        if done <= 0 or spent < 0.5:
            return ""
        return f"{duration(spent / done * (event.total - event.done))} left"

    def stop(self) -> None:
        """Hide."""
        self.bar.hide()
        self.text.hide()


def duration(seconds: float) -> str:
    """A time span for a person.

    Examples
    --------
    >>> duration(4.2), duration(75), duration(7300)
    ('5 s', '1 min 15 s', '2 h 1 min')
    """
    whole = int(-(-seconds // 1))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class ResultStep(DockPart):
    """Run the chosen model on the image or a part of it.

    Signals
    -------
    run_requested(str) : "whole", "plane", "view", "regions" or "folder"
    cancel_requested()
    file_requested() : the result of the whole image is to go into a file at once
    save_requested()
    measure_requested(), judge_requested()
    scope_changed()
    view_requested(str, bool) : "instance", "semantic" or "panoptic", shown or not
    """

    run_requested = Signal(str)
    cancel_requested = Signal()
    file_requested = Signal()
    save_requested = Signal()
    measure_requested = Signal()
    judge_requested = Signal()
    scope_changed = Signal()
    view_requested = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__("Find", "step_result")
        self.scope_choice = ChoiceBar(
            "scope_choice",
            "Where to look",
            "The whole image, only the visible part (a quick test), regions that you draw, every image of a folder, or "
            "straight into a file for results larger than memory.",
            2,
        )
        self.scope_choice.currentIndexChanged.connect(lambda _: self.scope_changed.emit())
        self.set_scopes(False)
        self.run_button = button("Run", "run_button", "Segment the image in the background.")
        self.run_button.clicked.connect(lambda _=False: self._on_run())
        self.cancel_button = button("Cancel", "cancel_button", "Stop. Nothing is changed.", self.cancel_requested.emit)
        self.progress = ProgressLine("progress", "tiles")
        self.card, self.advice = ResultCard(), AdviceCard()
        self.summary = self.card.text
        self.save_button = button(
            "Save…",
            "save_button",
            "Save the result with your edits as image, polygons or surfaces, with a record of how it was made.",
            self.save_requested.emit,
        )
        self.measure_button = button(
            "Measure…", "measure_button", "A table of all objects: size, shape, intensity.", self.measure_requested.emit
        )
        self.judge_button = button(
            "Evaluate…",
            "judge_button",
            "Compare the result with a ground truth: scores, hits and misses.",
            self.judge_requested.emit,
        )
        self.view_buttons: dict[str, QPushButton] = {}
        for kind, (text, tip) in _VIEWS.items():
            push = button(text, f"view_{kind}", tip)
            push.setCheckable(True)
            push.toggled.connect(lambda on, k=kind: self.view_requested.emit(k, on))
            self.view_buttons[kind] = push
        self._views = labelled("Show", row(*self.view_buttons.values(), stretch=(1, 1, 1)))
        self.before = QVBoxLayout()
        self.rows.addLayout(self.before)
        self._after = row(self.measure_button, self.judge_button, self.save_button, stretch=(1, 1, 1))
        self._where, self.masks = heading("Where to look"), MasksCard()
        for widget in (self.masks, self._where, self.scope_choice, self.card, self.advice, self._views, self._after):
            self.rows.addWidget(widget)
        self.show_summary("")
        self.set_state(False, False, False)

    def set_image(self, there: bool) -> None:
        """Ask where to look once there is an image."""
        for widget in (self._where, self.scope_choice):
            widget.setVisible(there)

    @property
    def scope(self) -> str:
        """Where to run."""
        return str(self.scope_choice.currentData() or WHOLE)

    def set_scopes(self, has_planes: bool) -> None:
        """Offer the visible plane where the image has planes."""
        planes = [("Visible plane", PLANE)] if has_planes else []
        whole = "Whole volume" if has_planes else "Whole image"
        fill_combo(
            self.scope_choice,
            [
                (whole, WHOLE),
                *planes,
                ("Visible part", VIEW),
                ("Drawn regions", REGIONS),
                ("Folder…", FOLDER),
                ("Into a file…", FILE),
            ],
        )
        self.scope_choice.setIcons(["whole", *["plane"] * has_planes, "visible", "regions", "folder", "file"])

    def set_state(self, can_run: bool, running: bool, has_result: bool, next_step: bool = False) -> None:
        """Enable and highlight.

        Parameters
        ----------
        can_run, running, has_result : bool
        next_step : bool
            Whether Run is what comes next, since the result is not of what is chosen.
        """
        self.run_button.setEnabled(can_run and not running)
        self.run_button.setText("Run again" if has_result and not next_step else "Run")
        self.scope_choice.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.save_button.setEnabled(has_result and not running)
        self.measure_button.setEnabled(has_result)
        self.judge_button.setEnabled(has_result)
        self._after.setVisible(has_result)

    def show_views(self, on: Collection[str] | None, *, several: bool = True) -> None:
        """Which views of the result are shown; None where there is none, and nothing to choose where there is one class."""
        self._views.setVisible(on is not None and several)
        for kind, push in self.view_buttons.items():
            push.blockSignals(True)
            push.setChecked(on is not None and kind in on)
            push.blockSignals(False)

    def show_summary(self, text: str) -> None:
        """A line about the result; a number at its beginning is shown large."""
        self.card.show_text(text)

    def _on_run(self) -> None:
        if self.scope == FILE:
            self.file_requested.emit()
        else:
            self.run_requested.emit(self.scope)
