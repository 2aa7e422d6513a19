"""The old and the new model side by side after a training, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QHeaderView, QLabel, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget
from superqt import QFlowLayout

from napari_segplugin.core.training import Compared, ModelVerdict
from napari_segplugin.core.words import counted
from napari_segplugin.widgets._parts import Card, clear_layout, describe, link, tell, wrapped
from napari_segplugin.widgets._pictures import PicturePair


@dataclass(frozen=True, eq=False)
class Ended:
    """What is shown of a training.

    Parameters
    ----------
    verdict : ModelVerdict, optional
        None where nothing was compared.
    before, after : mapping of str to float
        Figures of the old and of the new model.
    heldout : str
        On what they were computed, as a sentence.
    pictures : sequence of (Y, X, 3) ndarray of uint8
        The same place as the old and as the new model see it.
    old : str
        Name of the old model.
    """

    verdict: ModelVerdict | None
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    heldout: str = ""
    pictures: Sequence[np.ndarray] = ()
    old: str = ""


class Verdict(QWidget):
    """A sentence, pictures and figures of before and after, and a way to the other one of the two models.

    Parameters
    ----------
    back, forward, look : callable
        Are called when someone wants the old model, the new one, or to see the one that is not in use on the visible part.
    """

    def __init__(self, back: Callable[[], object], forward: Callable[[], object], look: Callable[[], object]) -> None:
        super().__init__()
        self.card = Card("verdict_card", "Which model is used")
        self.text = wrapped(name="verdict_text")
        self.card.rows.addWidget(self.text)
        self.pictures = PicturePair("verdict_pictures", ("Before", "After"))
        self.counts = Card("verdict_counts", "What was kept aside")
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        self._grid.setHorizontalSpacing(12)
        self.counts.rows.addLayout(self._grid)
        self.back_button = link("Go back", "back_button", "Use the model from before the training again.", back)
        self.use_button = link("Use the new one anyway", "use_button", "Use the new model.", forward)
        self.look_button = link(
            "Try it on this view",
            "look_button",
            "Shows what the model that is not in use finds in the visible part; nothing is replaced. Once more: put away.",
            look,
        )
        self.table, self.heldout = _figures(), wrapped(name="verdict_heldout")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.card, self.pictures, self.counts):
            layout.addWidget(widget)
        ways = QWidget()
        flow = QFlowLayout(ways)  # beside each other where they fit
        flow.setContentsMargins(0, 0, 0, 0)
        for push in (self.back_button, self.use_button, self.look_button):
            flow.addWidget(push)
        layout.addWidget(ways)
        self.hide()

    def show_end(self, end: Ended) -> None:
        """Show how a training ended."""
        verdict = end.verdict
        said = end.heldout if verdict is None else f"<b>{verdict.title}</b> {verdict.reason}"
        self.text.setText(f"{'✓' if verdict is None or verdict.better else '⚠'} {said}")
        self.card.setProperty("good", verdict is None or verdict.better)
        style = self.card.style()
        if style is not None:
            style.unpolish(self.card)
            style.polish(self.card)
        self.pictures.show_pictures(end.pictures)
        self._show_counts(None if verdict is None else verdict.aside, "" if verdict is None else verdict.word)
        self._show_figures(end.before, end.after)
        tell(self.heldout, end.heldout)
        self.back_button.setText(f"Go back to {end.old}" if len(end.old) < 20 else "Go back")
        self.show()

    def _show_counts(self, aside: Compared | None, word: str) -> None:
        clear_layout(self._grid)
        known = aside is not None and aside.count > 0
        self.counts.setVisible(known)
        if aside is None or not known:
            return
        old, new = aside.before, aside.after
        rows = [
            (f"On {counted(aside.count, word)} kept aside", "before", "after"),
            ("Found", str(old.found), str(new.found)),
            ("Missed", str(old.missed), str(new.missed)),
            ("False", str(old.false), str(new.false)),
            ("Overlap", f"{old.overlap:.2f}", f"{new.overlap:.2f}"),
        ]
        for i, texts in enumerate(rows):
            for j, text in enumerate(texts):
                label = QLabel(text)
                label.setProperty("muted", i == 0)
                label.setAlignment(Qt.AlignmentFlag.AlignRight if j else Qt.AlignmentFlag.AlignLeft)
                self._grid.addWidget(label, i, j)
        self.counts.setAccessibleName(". ".join(f"{a}: {b} before, {c} after" for a, b, c in rows[1:]))

    def _show_figures(self, before: Mapping[str, float], after: Mapping[str, float]) -> None:
        """The same figures of the old and the new model."""
        names = list(dict.fromkeys([*before, *after]))
        self.table.setRowCount(len(names))
        for i, name in enumerate(names):
            texts = (name.removeprefix("held-out "), _number(before.get(name)), _number(after.get(name)))
            for j, value in enumerate(texts):
                self.table.setItem(i, j, QTableWidgetItem(value))
        header = self.table.horizontalHeader()
        height = sum(self.table.rowHeight(i) for i in range(min(6, len(names))))
        self.table.setFixedHeight(height + (0 if header is None else header.sizeHint().height()) + 4)
        self.table.setVisible(bool(names))

    def show_choice(self, old: object, new: object, used: object) -> None:
        """Offer the one of the two models that is not in use."""
        back, forward = old is not None and used is not old, new is not None and used is not new
        for push, on in ((self.back_button, back), (self.use_button, forward)):
            push.setEnabled(on)
            push.setVisible(on)
        self.look_button.setVisible(back or forward)


def _figures() -> QTableWidget:
    table = QTableWidget(0, 3)
    describe(
        table,
        "verdict_table",
        "Before and after",
        "Quality of the old and the new model, on strokes or images that were kept aside and not trained on.",
    )
    table.setHorizontalHeaderLabels(["Kept aside", "Before", "After"])
    down, across = table.verticalHeader(), table.horizontalHeader()
    if down is not None:
        down.hide()
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    if across is not None:
        across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for i in (1, 2):
            across.setSectionResizeMode(i, QHeaderView.ResizeMode.ResizeToContents)
    table.hide()
    return table


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


__all__ = ["Ended", "Verdict"]
