"""The page of *Train*, and what is painted to learn from, which is a part of *Correct*."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, LossSpec, Task, TrainSpec
from napari_segplugin.core.words import voxels
from napari_segplugin.viewer.corrections import area_value, areas_of, is_object
from napari_segplugin.viewer.layers import BACKGROUND_COLOR
from napari_segplugin.widgets._parts import (
    DockPart,
    Fold,
    button,
    describe,
    heading,
    row,
    swatch,
    tell,
    wrapped,
)
from napari_segplugin.widgets._plot import LinePlot
from napari_segplugin.widgets.engine import Engine
from napari_segplugin.widgets.folder_fold import FolderFold
from napari_segplugin.widgets.frame.groups import OneStop
from napari_segplugin.widgets.loss_table import LossEditor
from napari_segplugin.widgets.paint_class import NEW_OBJECT, PaintClass
from napari_segplugin.widgets.step_result import ProgressLine
from napari_segplugin.widgets.training_options import TrainingOptions
from napari_segplugin.widgets.training_plan import TrainingPlan
from napari_segplugin.widgets.training_time import TrainingTime
from napari_segplugin.widgets.verdict import Verdict
from napari_segplugin.widgets.weak_control import WeakRow

ERASE = 0


class ImproveStep(DockPart):
    """The page of *Train*, and the strokes of *Correct*.

    Parameters
    ----------
    engine : Engine

    Signals
    -------
    layer_requested(), reviewed_requested()
    paint_requested(int) : a paint value; -1 a new object, 0 erase
    train_requested(), stop_requested(), cancel_requested()
    back_requested(), forward_requested()
    save_requested(str)
    examples_requested() : show augmented patches
    instant_requested(), instant_toggled(bool) : answer the strokes now; after every stroke
    change_requested() : show the settings of the training
    """

    layer_requested = Signal()
    reviewed_requested = Signal()
    paint_requested = Signal(int)
    train_requested = Signal()
    stop_requested = Signal()
    cancel_requested = Signal()
    back_requested = Signal()
    forward_requested = Signal()
    look_requested = Signal()
    save_requested = Signal(str)
    examples_requested = Signal()
    instant_requested = Signal()
    instant_toggled = Signal(bool)
    change_requested = Signal()

    def __init__(self, engine: Engine) -> None:
        super().__init__("Train", "step_improve")
        self._paint_key: Any = None
        self._build_paint()
        self.time = TrainingTime()
        self.budget_spin, self.budget_unit = self.time.spin, self.time.unit
        self._build_training(engine)
        self._build_instant()
        self.verdict = Verdict(self.back_requested.emit, self.forward_requested.emit, self.look_requested.emit)
        for widget in (self.verdict.heldout, self.verdict.table):
            self.curves.rows.insertWidget(0, widget)
        self.model_button = button(
            "Save model…",
            "save_model",
            "Save the model in use as a folder, to open it on another day or computer.",
            self._ask,
        )
        self._lay_out()
        self.show_counts({}, None, Task.INSTANCE)

    def _build_paint(self) -> None:
        self.layer_button = button(
            "Paint strokes",
            "corrections_button",
            "Adds a layer to paint on. What you leave unpainted is unknown, never background.",
            self.layer_requested.emit,
        )
        self.reviewed_button = button(
            "Reviewed area",
            "reviewed_button",
            "Draw a rectangle or polygon around the part that you have checked: inside it, the result with your "
            "edits is taken as correct.",
            self.reviewed_requested.emit,
        )
        self.paint_class, self.weak_row = PaintClass(), WeakRow()
        self.paints = QWidget()
        self._paint_grid = QGridLayout(self.paints)
        self._paint_grid.setContentsMargins(0, 0, 0, 0)
        self._paint_grid.setSpacing(4)
        self._paint_stop = OneStop(self.paints)
        self.counts = wrapped(name="counts")

    def _build_training(self, engine: Engine) -> None:
        self.train_button = button(
            "Fine-tune",
            "train_button",
            "Train a copy of the model on your corrections, for the time below. The old model is kept.",
            self.train_requested.emit,
        )
        self.stop_button = button(
            "Stop", "stop_button", "End now and keep the best state so far.", self.stop_requested.emit
        )
        self.abort_button = button("Cancel", "train_cancel", "End now and change nothing.", self.cancel_requested.emit)
        self.progress = ProgressLine("train_progress", "")
        self.loss_plot = LinePlot("Loss (lower is better)", "loss_plot")
        self.quality_plot = LinePlot("Quality on data kept aside (higher is better)", "quality_plot")
        self.losses = LossEditor(engine)
        self.losses.set_spec(LossSpec())
        self.options = TrainingOptions(self.examples_requested.emit)
        self.folder = FolderFold()
        self.curves = Fold(
            "Curves and details", "curves", "How loss and quality went, and all figures of before and after."
        )
        for plot in (self.loss_plot, self.quality_plot):
            self.curves.rows.addWidget(plot)
            plot.hide()
        self.curves.hide()

    def _build_instant(self) -> None:
        self.instant_button = button(
            "Whole image",
            "instant_button",
            "Segments from your strokes at once with a random forest, without training. It knows no shapes; a "
            "trained network is usually better.",
            self.instant_requested.emit,
        )
        self.instant_box = QCheckBox("while I paint")
        describe(
            self.instant_box,
            "instant_box",
            "Answer while I paint",
            "After each stroke, the visible part is segmented again.",
        )
        self.instant_box.toggled.connect(self.instant_toggled)
        self.nearby_box = QCheckBox("only where I painted")
        describe(
            self.nearby_box,
            "nearby_box",
            "Only where I painted",
            "For classes that are a single structure, such as an organ: regions near your strokes are preferred, and "
            "only pieces touched by a stroke are kept.",
        )
        self.nearby_box.toggled.connect(lambda _: self.instant_toggled.emit(self.instant_box.isChecked()))
        self.instant_text = wrapped(name="instant_text")
        self.instant_text.hide()

    def _lay_out(self) -> None:
        self.strokes = Fold(
            "Strokes, points and areas", "strokes", "Paint what the model should learn, on a layer of its own."
        )
        for widget in (
            row(self.layer_button, self.reviewed_button, stretch=(1, 1)),
            self.paint_class,
            self.weak_row,
            self.paints,
            self.counts,
            self.instant_box,
            self.nearby_box,
            self.instant_text,
        ):
            self.strokes.rows.addWidget(widget)
        self.correct = DockPart("Correct", "step_correct")
        self.correct.rows.addWidget(self.strokes)
        self.plan = TrainingPlan(self.time, self.change_requested.emit)
        for page_part in (
            self.verdict,
            self.plan,
            self.curves,
            self.folder,
            self.model_button,
        ):
            self.rows.addWidget(page_part)
        self.gear = QWidget()
        settings = QVBoxLayout(self.gear)
        settings.setContentsMargins(0, 0, 0, 0)
        settings.setSpacing(6)
        for widget in (heading("Training minimizes"), self.losses, self.options):
            settings.addWidget(widget)

    @property
    def minimizes(self) -> str:
        """The terms of the loss, as a person reads them."""
        return " + ".join(term.name.replace("_", " ") for term in self.losses.spec().terms)

    # --- painting -------------------------------------------------------------------------------------------------

    def set_paints(self, classes: ClassTable | None, task: Task) -> None:
        """A button for each thing that can be painted."""
        key = (classes, task)
        self.paint_class.set_classes(classes, task)
        if key == self._paint_key:
            return
        self._paint_key = key
        self._paint_stop.take(())
        while self._paint_grid.count():
            widget = self._paint_grid.takeAt(0).widget()
            widget.hide()
            widget.deleteLater()
        if classes is None:
            return
        if task is Task.SEMANTIC:
            entries = [(c.name, c.color, c.id, f"Paint “{c.name}”.") for c in classes if c.id]
            entries.append(
                ("Background", BACKGROUND_COLOR, BACKGROUND_PAINT, "Paint where there is none of the classes.")
            )
        else:
            entries = [
                ("New object", "", NEW_OBJECT, "Paint one object that was missed; it gets its own number."),
                *[(c.name, c.color, area_value(c.id), f"Paint the area “{c.name}”.") for c in areas_of(classes)],
                (
                    "Not an object",
                    BACKGROUND_COLOR,
                    BACKGROUND_PAINT,
                    "Paint where there is no object: on false objects, and between two that were merged.",
                ),
            ]
        entries.append(("Erase paint", "", ERASE, "Erase paint: what is erased is unknown again."))
        pushes: list[QPushButton] = []
        for i, (text, color, value, tip) in enumerate(entries):
            push = button(text, f"paint_{value}", tip)
            push.setCheckable(True)
            push.setAutoExclusive(True)
            if color:
                push.setIcon(swatch(color))
            push.clicked.connect(lambda _=False, v=value: self.paint_requested.emit(v))
            self._paint_grid.addWidget(push, i // 2, i % 2)
            pushes.append(push)
        self._paint_stop.take(pushes)

    def show_counts(
        self,
        counts: Mapping[int, tuple[int, int]],
        classes: ClassTable | None,
        task: Task,
        more: str = "",
        ndim: int = 2,
    ) -> None:
        """Strokes and pixels of each thing that was painted."""
        lines = []
        if classes is not None and task is Task.SEMANTIC:
            for info in classes:
                strokes, n = counts.get(classes.paint_value(info.id), (0, 0))
                lines.append(
                    f"{info.name}: {_strokes(strokes)}, {voxels(n, ndim)}" if strokes else f"{info.name}: none yet"
                )
        elif counts:
            objects = [v for k, v in counts.items() if is_object(k)]
            lines.append(
                f"{len(objects)} painted object{'s' * (len(objects) != 1)}, {voxels(sum(v for _, v in objects), ndim)}"
            )
            strokes, n = counts.get(BACKGROUND_PAINT, (0, 0))
            lines.append(
                f"not an object: {_strokes(strokes)}, {voxels(n, ndim)}" if strokes else "not an object: none yet"
            )
        if more:
            lines.append(more)
        self.counts.setText("\n".join(lines))
        self.counts.setVisible(bool(lines))

    # --- training -------------------------------------------------------------------------------------------------

    def train_spec(self, device: str) -> TrainSpec:
        """The training as it is set."""
        seconds = self.time.seconds
        # Looks at the held-out strokes cost time: about twelve in a training, but not more often than every second.
        every = max(1.0, seconds / 12) if seconds else 5.0
        return TrainSpec(
            seconds=seconds,
            steps=self.time.steps,
            loss=self.losses.spec(),
            device=device,
            validate_every=every,
            **self.options.settings(),
        )

    def begin_training(self) -> None:
        """Empty the curves and show them."""
        self.verdict.hide()
        self.loss_plot.clear()
        self.quality_plot.clear()
        for part in (self.loss_plot, self.quality_plot, self.curves):
            part.show()
        self.curves.head.setChecked(True)
        self.progress.begin("Preparing")

    def end_training(self) -> None:
        """Hide the progress, fold the curves away, and hide those that stayed empty because the training never began."""
        self.progress.stop()
        self.curves.head.setChecked(False)
        self.curves.setVisible(not (self.loss_plot.empty and self.quality_plot.empty and self.verdict.isHidden()))
        for plot in (self.loss_plot, self.quality_plot):
            plot.setVisible(not plot.empty)

    def take_metric(self, step: int, name: str, value: float) -> None:
        """Add a point to the curve it belongs to."""
        if name == "learning rate":
            self.loss_plot.setToolTip(f"Learning rate {value:.1e}")
            return
        plot = self.quality_plot if name.startswith("held-out") else self.loss_plot
        plot.add(name.removeprefix("held-out "), step, value)

    def say_instant(self, text: str) -> None:
        """What the instant answer found, and how good it is; nothing hides it."""
        tell(self.instant_text, text)

    def set_state(
        self,
        *,
        ready: bool,
        painting: bool,
        can_train: bool,
        training: bool,
        busy: bool,
    ) -> None:
        """Enable and highlight.

        Parameters
        ----------
        ready : bool
            An image and a network are chosen.
        painting : bool
            There is a corrections layer.
        can_train : bool
            There may be something to learn from; edits count.
        training, busy : bool
            This step's job runs; any job runs.
        """
        self.layer_button.setEnabled(ready and not training)
        self.layer_button.setText("Continue painting" if painting else "Paint strokes")
        self.reviewed_button.setEnabled(ready and not training)
        self.weak_row.setEnabled(ready and not training)
        self.paints.setVisible(painting)
        self.train_button.setEnabled(ready and can_train and not busy)
        self.folder.button.setEnabled(ready and not busy)
        self.instant_button.setEnabled(ready and painting and not busy)
        for widget in (self.instant_box, self.nearby_box):
            widget.setVisible(painting)
            widget.setEnabled(ready and not training)

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the model as a folder", str(Path.home() / "my-model"))
        if path:
            self.save_requested.emit(path)


def _strokes(n: int) -> str:
    return f"{n} stroke{'s' * (n != 1)}"
