"""What a training learns from, what it starts from and minimizes, and how the new model is called."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_segplugin.widgets._parts import Card, describe, heading, labelled, link, muted, row, tell
from napari_segplugin.widgets.training_time import TrainingTime


class TrainingPlan(QWidget):
    """The page of *Train* before a training.

    Parameters
    ----------
    time : TrainingTime
    change : callable
        Shows the settings of the training.
    """

    def __init__(self, time: TrainingTime, change: Callable[[], object]) -> None:
        super().__init__()
        self.learns = Card("learns", "What is learnt from")
        self.title, self.more = heading(""), muted(name="learns_more")
        self.learns.rows.addWidget(self.title)
        self.learns.rows.addWidget(self.more)
        self.start = muted(name="plan")
        self._start_row = row(
            self.start,
            link("Change…", "change_training", "What training minimizes, and how it trains.", change),
            stretch=(1, 0),
        )
        self.name = QLineEdit()
        self.name.setPlaceholderText("named by itself")
        tip = "Left empty, it has the name of the old one and a number."
        describe(self.name, "model_name", "Name of the new model", tip)
        self._name_row = labelled("Name of the new model", self.name)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        for widget in (self.learns, heading("Time"), time, self._start_row, self._name_row):
            rows.addWidget(widget)

    def tell(self, title: str, more: str, start: str, minimizes: str) -> None:
        """What the training learns from, what it starts from, and what it minimizes."""
        self.title.setText(title)
        tell(self.more, more)
        self.start.setText(f"Starts from {start}. Minimizes {minimizes}." if start else "")

    def make_room(self, on: bool) -> None:
        """Show the time alone, since how the last training ended is shown above."""
        for widget in (self.learns, self._start_row, self._name_row):
            widget.setVisible(not on)


__all__ = ["TrainingPlan"]
