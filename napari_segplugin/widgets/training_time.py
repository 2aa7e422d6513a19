"""How long a training takes: three usual times, or any other."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSpinBox, QVBoxLayout, QWidget

from napari_segplugin.widgets._parts import combo, describe, fill_combo, labelled, row
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.step_result import duration

TIMES = (("30 s", 30), ("2 min", 120), ("10 min", 600), ("Other…", None))


class TrainingTime(QWidget):
    """The choice, and two boxes for another time.

    Signals
    -------
    changed : another time
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.choice = ChoiceBar("time_choice", "Time", "How long to train.", 4)
        for text, seconds in TIMES:
            self.choice.addItem(text, seconds)
        self.spin = QSpinBox()
        self.spin.setRange(1, 100000)
        describe(self.spin, "budget", "Train for", "How long to train. You can stop earlier and keep the best state.")
        self.unit = combo(
            "budget_unit",
            "Unit of the training time",
            "Seconds, minutes, or training steps (one step: the network learns from a few small patches).",
        )
        fill_combo(self.unit, [("seconds", "s"), ("minutes", "min"), ("steps", "steps")])
        self._other = labelled("Train for", row(self.spin, self.unit, stretch=(1, 1)))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        rows.addWidget(self.choice)
        rows.addWidget(self._other)
        self.choice.currentIndexChanged.connect(lambda _: self._on_choice())
        self.spin.valueChanged.connect(lambda _: self._on_boxes())
        self.unit.currentIndexChanged.connect(lambda _: self._on_boxes())
        self.choice.setCurrentIndex(1)

    @property
    def seconds(self) -> float:
        """The time; 0 where steps are counted."""
        return {"s": 1.0, "min": 60.0, "steps": 0.0}[str(self.unit.currentData())] * self.spin.value()

    @property
    def steps(self) -> int:
        """The steps; 0 where a time is set."""
        return self.spin.value() if self.unit.currentData() == "steps" else 0

    @property
    def text(self) -> str:
        """How long, for a person."""
        return f"{self.steps:,} steps" if self.steps else duration(self.seconds).removesuffix(" 0 s")

    def _on_choice(self) -> None:
        seconds = self.choice.currentData()
        self._other.setVisible(seconds is None)
        if isinstance(seconds, int):
            self.unit.setCurrentIndex(0)
            self.spin.setValue(seconds)
        self.changed.emit()

    def _on_boxes(self) -> None:
        """Whoever sets a time by hand has chosen another one."""
        usual = self.choice.currentData()
        if usual is not None and (self.steps or self.seconds != usual):
            self.choice.setCurrentIndex(len(TIMES) - 1)
        self.changed.emit()


__all__ = ["TIMES", "TrainingTime"]
