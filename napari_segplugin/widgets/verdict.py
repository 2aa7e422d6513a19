"""The old and the new model side by side after a training, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from qtpy.QtWidgets import QGridLayout, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_segplugin.widgets._parts import button, describe, wrapped
from napari_segplugin.widgets._pictures import PicturePair


class Verdict(QWidget):
    """Figures and pictures of before and after, a sentence, and a button for each of the two models.

    Parameters
    ----------
    back, forward : callable
        Are called when someone wants the old model, or the new one.
    """

    def __init__(self, back: Callable[[], object], forward: Callable[[], object]) -> None:
        super().__init__()
        self.table = QTableWidget(0, 3)
        describe(
            self.table,
            "verdict_table",
            "Before and after",
            "Quality of the old and the new model, on strokes or images that were kept aside and not trained on.",
        )
        self.table.setHorizontalHeaderLabels(["Kept aside", "Before", "After"])
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for i in (1, 2):
            header.setSectionResizeMode(i, QHeaderView.ResizeMode.ResizeToContents)
        self.text = wrapped(name="verdict_text")
        self.back_button = button("Go back", "back_button", "Use the model from before the training again.", back)
        self.use_button = button("Use new", "use_button", "Use the new model.", forward)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.pictures = PicturePair("verdict_pictures", ("Before", "After"))
        layout.addWidget(self.table, 0, 0, 1, 2)
        layout.addWidget(self.pictures, 1, 0, 1, 2)
        layout.addWidget(self.text, 2, 0, 1, 2)
        layout.addWidget(self.back_button, 3, 0)
        layout.addWidget(self.use_button, 3, 1)
        self.hide()

    def show_figures(self, before: Mapping[str, float], after: Mapping[str, float], text: str) -> None:
        """The same figures of the old and the new model, and how they were computed."""
        names = list(dict.fromkeys([*before, *after]))
        self.table.setRowCount(len(names))
        for i, name in enumerate(names):
            for j, value in enumerate(
                (name.removeprefix("held-out "), _number(before.get(name)), _number(after.get(name)))
            ):
                self.table.setItem(i, j, QTableWidgetItem(value))
        height = sum(self.table.rowHeight(i) for i in range(min(6, len(names))))
        self.table.setFixedHeight(height + self.table.horizontalHeader().sizeHint().height() + 4)
        self.table.setVisible(bool(names))
        self.text.setText(text)
        self.show()

    def show_pictures(self, pictures: Sequence[np.ndarray]) -> None:
        """The visible region as the old and the new model see it; nothing hides them."""
        self.pictures.show_pictures(pictures)

    def show_choice(self, old: object, new: object, used: object) -> None:
        """Offer the one of the two models that is not in use."""
        self.back_button.setEnabled(old is not None and used is not old)
        self.use_button.setEnabled(new is not None and used is not new)


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


__all__ = ["Verdict"]
