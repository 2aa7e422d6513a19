"""Evaluate a result against the truth: numbers with definitions, a row for each object, hits and misses in the viewer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFileDialog, QVBoxLayout, QWidget

from napari_segplugin import jobs
from napari_segplugin.core import InputError, Job, SegPluginError, Task
from napari_segplugin.core.types import json_object
from napari_segplugin.viewer import panels
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.widgets._flyer import Flyer
from napari_segplugin.widgets._judge_results import JudgeResults
from napari_segplugin.widgets._parts import (
    Fold,
    MessageBar,
    button,
    combo,
    describe,
    fill_combo,
    labelled,
    row,
    set_primary,
    tell,
    wrapped,
)
from napari_segplugin.widgets._timers import Later, timer
from napari_segplugin.widgets._undocked import Undocked
from napari_segplugin.widgets.frame.style import style_sheet
from napari_segplugin.widgets.jobs import Background, JobRunner, explain
from napari_segplugin.widgets.step_result import ProgressLine

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer

    from napari_segplugin.door.window import Comparison, Report

LAYERS, FOLDERS = "layers", "folders"
_TASKS = (("Objects", Task.INSTANCE), ("Pixel classes", Task.SEMANTIC), ("Objects and areas", Task.PANOPTIC))


class JudgePanel(QWidget):
    """Compare a labels layer with the truth, or a folder of files with another one.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    layer : napari.layers.Labels, optional
        The result; the active or the first labels layer by default.
    """

    def __init__(self, napari_viewer: ViewerModel, layer: Labels | None = None) -> None:
        super().__init__()
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName("judge_panel")
        self.job, self.background = JobRunner(self), Background(self)
        self.flyer = Flyer(self.viewer, self)
        self.report: Report | None = None
        self.overlay: Labels | None = None
        self._judged: Labels | None = None
        self._layers_timer = timer(self, 50, self._on_layers)
        self._assemble()
        self._connect()
        self._watch()
        self._on_layers(layer or self.viewer.layers.selection.active)
        self._on_mode()

    # --- layout ---------------------------------------------------------------------------------------------------

    def _assemble(self) -> None:
        self.messages, self.results = MessageBar(), JudgeResults()
        self.mode_choice = combo("judge_mode", "From", "Two layers of the viewer, or all files of two folders.")
        fill_combo(self.mode_choice, [("Two layers", LAYERS), ("Two folders", FOLDERS)])
        self.result_choice = combo("judge_result", "Result", "Labels to evaluate.")
        self.truth_choice = combo("judge_truth", "Ground truth", "Ground truth.")
        self.result_folder, self.truth_folder = _FolderButton("result"), _FolderButton("ground truth")
        self.task_choice = combo("judge_task", "Labels are", "What the numbers in the labels mean.")
        fill_combo(self.task_choice, [(text, task) for text, task in _TASKS])
        self._layer_rows = [labelled("Result", self.result_choice), labelled("Ground truth", self.truth_choice)]
        self._folder_rows = [labelled("Results", self.result_folder), labelled("Ground truth", self.truth_folder)]
        self.run_button = button("Evaluate", "judge_run", "Compare the labels with the ground truth.", self.run)
        self.cancel_button = button("Cancel", "judge_cancel", "Stop. Nothing is changed.", self.job.cancel)
        self.progress = ProgressLine("judge_progress", "")
        self.hint = wrapped(name="judge_hint")
        top = [labelled("From", self.mode_choice), *self._layer_rows, *self._folder_rows]
        top += [labelled("Labels are", self.task_choice), self._options(), self.hint]
        top += [row(self.run_button, self.cancel_button, stretch=(2, 1)), self.progress.bar, self.progress.text]
        self.overlay_check = QCheckBox("Show hits, misses and false objects")
        describe(
            self.overlay_check,
            "judge_overlay",
            "Show hits and misses",
            "Adds a layer over the image: green is correct, blue was missed, orange is false.",
        )
        self.overlay_check.setChecked(True)
        self.save_button = button(
            "Save…", "judge_save", "Save the scores as CSV or JSON, or the table of objects as CSV.", self._ask
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.messages)
        for widget in top:
            layout.addWidget(widget)
        layout.addWidget(self.results, 1)
        layout.addWidget(self.overlay_check)
        layout.addWidget(self.save_button)
        self.setMinimumWidth(300)

    def _options(self) -> Fold:
        self.threshold = QDoubleSpinBox()
        describe(
            self.threshold, "judge_threshold", "IoU of a hit", "Smallest IoU at which two objects count as the same."
        )
        self.threshold.setRange(0.05, 1.0)
        self.threshold.setSingleStep(0.05)
        self.threshold.setValue(0.5)
        self.tolerance = QDoubleSpinBox()
        describe(
            self.tolerance,
            "judge_tolerance",
            "Tolerance",
            "Surfaces count as the same within this distance (NSD), in the unit of the layer. 0: one pixel.",
        )
        self.tolerance.setRange(0, 1e6)
        self.tolerance.setDecimals(3)
        self.tolerance.setSpecialValueText("one pixel")
        self.distances = QCheckBox("Distances between surfaces")
        describe(
            self.distances, "judge_distances", "Distances", "HD95, ASSD and NSD, which take the longest to compute."
        )
        self.distances.setChecked(True)
        fold = Fold("Options", "judge_options", "What counts as a hit, and what is measured.")
        for widget in (labelled("IoU of a hit", self.threshold), labelled("Tolerance", self.tolerance), self.distances):
            fold.rows.addWidget(widget)
        return fold

    def _connect(self) -> None:
        self.mode_choice.currentIndexChanged.connect(lambda _: self._on_mode())
        for choice in (self.result_choice, self.truth_choice):
            choice.currentIndexChanged.connect(lambda _: self._refresh())
        self.result_choice.currentIndexChanged.connect(lambda _: self._on_result())
        for folder in (self.result_folder, self.truth_folder):
            folder.button.clicked.connect(lambda _=False: self._refresh())
        self.overlay_check.toggled.connect(self._on_overlay)
        self.results.objects.chosen.connect(self._on_object)
        self.job.happened.connect(self.progress.take)
        self.job.returned.connect(self._on_returned)
        self.job.failed.connect(self._on_failed)
        self.job.cancelled.connect(lambda: self.messages.show_message("Cancelled. Nothing is changed."))
        self.job.busy_changed.connect(lambda _: self._refresh())

    def _watch(self) -> None:
        """Follow the viewer, and let go of it when the panel is destroyed."""
        events, theme = self.viewer.layers.events, self.viewer.events.theme
        soon, restyle = Later(self._layers_timer), Later(timer(self, 0, self._restyle))
        links = [(e, soon) for e in (events.inserted, events.removed, events.renamed)] + [(theme, restyle)]
        for emitter, callback in links:
            emitter.connect(callback)
        job, background = self.job, self.background

        def let_go(*_: object) -> None:
            for emitter, callback in links:
                with suppress(ValueError, RuntimeError):
                    emitter.disconnect(callback)
            for runner in (job, background):
                with suppress(RuntimeError):
                    runner.abandon()

        self._let_go = let_go
        self.destroyed.connect(let_go)
        Undocked(self, let_go)
        self._restyle()

    def _restyle(self) -> None:
        from napari.utils.theme import get_theme

        self.setStyleSheet(style_sheet(get_theme(self.viewer.theme)))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Cancel what runs."""
        self._let_go()
        super().closeEvent(event)

    # --- what is compared -----------------------------------------------------------------------------------------

    def _on_layers(self, wanted: Layer | None = None) -> None:
        layers = panels.labels_layers(self.viewer)
        entries = [(str(a.name), a) for a in layers]
        result, truth = panels.guess_pair(layers, wanted or self.result_choice.currentData())
        before = self.truth_choice.currentData()
        fill_combo(self.result_choice, entries, result)
        fill_combo(self.truth_choice, entries, before if any(before is a for a in layers) else truth)
        self._on_result()
        self._refresh()

    def choose_layer(self, layer: Labels | None) -> None:
        """Evaluate another layer."""
        self._on_layers(layer)

    def _on_result(self) -> None:
        layer = self.result_choice.currentData()
        if layer is not None:
            fill_combo(self.task_choice, [(text, task) for text, task in _TASKS], panels.task_of(layer))

    def _on_mode(self) -> None:
        folders = self.mode_choice.currentData() == FOLDERS
        for widget in self._layer_rows:
            widget.setVisible(not folders)
        for widget in self._folder_rows:
            widget.setVisible(folders)
        self._refresh()

    def _refresh(self) -> None:
        """Enable, highlight, and say what is missing."""
        busy, layers = self.job.busy, self.mode_choice.currentData() == LAYERS
        one, other = self.result_choice.currentData(), self.truth_choice.currentData()
        text = ""
        if layers and (one is None or other is None):
            text = "Add a labels layer with the ground truth, and one with the result."
        elif layers and one is other:
            text = "Choose two different layers."
        elif not layers and not (self.result_folder.path and self.truth_folder.path):
            text = "Choose two folders; files are matched by their names."
        tell(self.hint, text)
        self.run_button.setEnabled(not text and not busy)
        self.cancel_button.setVisible(busy)
        set_primary(self.run_button, not text and not busy and self.report is None)
        self.save_button.setEnabled(self.report is not None and not busy)
        if not busy:
            self.progress.stop()

    # --- the job --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start to compare."""
        options: _Options = {
            "tolerance": self.tolerance.value() or None,
            "surfaces": self.distances.isChecked(),
        }
        task, threshold = Task(self.task_choice.currentData()), round(self.threshold.value(), 4)
        if self.mode_choice.currentData() == FOLDERS:
            folders = self.result_folder.path, self.truth_folder.path
            self._judged = None

            def make() -> Job[Comparison] | Job[Report]:
                return jobs.evaluate(*folders, task=task, **options)

        else:
            result, truth = self.result_choice.currentData(), self.truth_choice.currentData()
            frozen = panels.freeze(result), panels.freeze(truth)
            self._judged = result

            def make() -> Job[Comparison] | Job[Report]:
                return _compare(frozen, task, threshold, options)

        try:
            self.job.start(make, "Evaluating")
        except SegPluginError as error:
            self._on_failed(error)
            return
        self.messages.clear()
        self.progress.begin("Preparing")

    def _on_failed(self, error: BaseException) -> None:
        self.messages.show_message(*explain(error))

    def _on_returned(self, found: Comparison | Report) -> None:
        self.report = self.results.show_found(found, round(self.threshold.value(), 4))
        if hasattr(found, "overlay"):
            self._show_overlay(found.overlay)
        self._refresh()

    # --- the viewer -----------------------------------------------------------------------------------------------

    def _show_overlay(self, overlay: np.ndarray) -> None:
        if self._judged is None:
            return
        old = self.overlay if any(a is self.overlay for a in self.viewer.layers) else None
        made = panels.outcome_layer(self._judged, overlay)
        if old is not None and old.data.shape == made.data.shape:
            old.data = made.data
            old.name = made.name
            return
        if old is not None:
            self.viewer.layers.remove(old)
        self.overlay = made
        made.visible = self.overlay_check.isChecked()
        with still_selected(self.viewer.layers):
            self.viewer.add_layer(made)

    def _on_overlay(self, on: bool) -> None:
        if self.overlay is not None:
            self.overlay.visible = on

    def _on_object(self, index: int) -> None:
        table = self.results.table
        if table is None or self._judged is None:
            return
        frame = int(table["frame"].values[index]) if "frame" in table else None
        number = int(table["label"].values[index])
        if number:
            self._judged.selected_label = number
        self.flyer.go(self._judged, table.boxes[index], frame)

    # --- saving ---------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        objects = self.results.on_objects
        kinds = "CSV (*.csv)" if objects else "CSV (*.csv);;JSON (*.json)"
        name = "objects.csv" if objects else "evaluation.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save", str(Path.home() / name), kinds)
        if path:
            self.save(path, objects)

    def save(self, path: str, objects: bool = False) -> None:
        """Write the numbers (CSV, or JSON by the extension), or the rows of objects (CSV)."""
        text_of = self.results.as_text(path, objects)
        if text_of is None:
            self._on_failed(InputError("There is nothing to save yet.", hint="Press Evaluate first."))
            return

        def work() -> Path:
            from napari_segplugin.io.files import write_text

            return write_text(path, text_of())

        def done(place: Path) -> None:
            self.messages.show_message(f"Saved {place}.")

        self.background.run("save", work, done, self._on_failed)


class _Options(TypedDict):
    tolerance: float | None
    surfaces: bool


class _FolderButton(QWidget):
    """A button that asks for a folder and shows the end of its path."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.path = ""
        self.button = button("Choose folder…", f"judge_{word}_folder", f"The folder with the {word} files.", self._ask)
        self.setToolTip(self.button.toolTip())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a folder", self.path or str(Path.home()))
        if path:
            self.set_path(path)

    def set_path(self, path: str) -> None:
        """Choose a folder."""
        self.path = path
        self.button.setText(f"…/{Path(path).name}")
        self.button.setToolTip(path)


def _compare(
    frozen: tuple[panels.Frozen, panels.Frozen], task: Task, threshold: float, options: _Options
) -> Job[Comparison]:
    """The comparison of two frozen layers, as a job."""
    from dataclasses import replace

    first, second = frozen
    result, truth = panels.pair_of(first, second, task)
    about = frozen[0][1]
    if task is Task.SEMANTIC and "classes" not in json_object((about.get("metadata") or {}).get("segplugin")):
        # neither says what its classes are: as many as either shows
        result = replace(result, classes=max(result.classes, truth.classes, key=len))
    # the truth is read along the axes of the result, whatever its own layer is called
    if truth.axes != result.axes and truth.labels.shape == result.labels.shape:
        truth = replace(truth, axes=result.axes)
    return (yield from jobs.compare(result, truth, threshold=threshold, **options))
