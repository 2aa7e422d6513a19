"""The sum of losses that a network is trained with: a row for each loss, with its weight."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QToolButton, QVBoxLayout, QWidget

from napari_segplugin.core import LossSpec, LossTerm
from napari_segplugin.widgets._parts import button, combo, describe, fill_combo, row, tell, wrapped
from napari_segplugin.widgets.engine import Engine

_WEIGHT_TIP = "Weight of this loss in the sum. 0: off."


class LossEditor(QWidget):
    """Rows of loss and weight.

    Parameters
    ----------
    engine : Engine
        Gives the registry of losses.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._lines: list[tuple[QWidget, QComboBox, QDoubleSpinBox, LossTerm]] = []
        self._rows = QVBoxLayout()
        self._rows.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._rows)
        tip = "Add a loss to the sum. The default suits most images."
        layout.addWidget(button("Add loss", "loss_add", tip, lambda: self.add(LossTerm(self._first()))))
        self._suggested: LossSpec | None = None
        self.reason = wrapped(name="loss_reason")
        self.use_button = button(
            "Use the suggestion", "loss_suggested", "Replace the losses above with the suggestion.", self._use
        )
        for widget in (self.reason, self.use_button):
            layout.addWidget(widget)
            widget.hide()

    def _names(self) -> list[tuple[str, str]]:
        return [(r.label, r.name) for r in self._engine.losses()]

    def _first(self) -> str:
        names = [n for _, n in self._names()]
        used = {box.currentData() for _, box, _, _ in self._lines}
        return next((n for n in names if n not in used), names[0] if names else "cross_entropy")

    def add(self, term: LossTerm) -> None:
        """Add a row."""
        box = combo(f"loss_{len(self._lines)}", "Loss", "What training minimises.")
        fill_combo(box, self._names(), term.name)
        box.currentIndexChanged.connect(lambda _, b=box: self._explain(b))
        self._explain(box)
        weight = QDoubleSpinBox()
        weight.setRange(0.0, 100.0)
        weight.setSingleStep(0.1)
        weight.setDecimals(2)
        weight.setValue(term.weight)
        describe(weight, f"loss_weight_{len(self._lines)}", "Weight of the loss", _WEIGHT_TIP)
        remove = QToolButton()
        remove.setText("✕")
        describe(remove, f"loss_remove_{len(self._lines)}", "Remove this loss", "Remove this loss from the sum.")
        line = row(box, weight, remove, stretch=(1, 0, 0))
        remove.clicked.connect(lambda _=False, w=line: self._remove(w))
        self._lines.append((line, box, weight, term))
        self._rows.addWidget(line)

    def _explain(self, box: QComboBox) -> None:
        name = box.currentData()
        registry = self._engine.losses()
        if name in registry:
            found = registry[name]
            box.setToolTip(f"<p>{found.summary or found.title} <i>{found.reference}</i></p>")

    def _remove(self, line: QWidget) -> None:
        if len(self._lines) > 1:
            self._lines = [a for a in self._lines if a[0] is not line]
            line.hide()
            line.deleteLater()

    def suggest(self, spec: LossSpec | None, reason: str) -> None:
        """Offer a sum for the labels at hand, with a reason; None takes the offer back."""
        self._suggested = spec
        names = self._engine.losses()
        words = " + ".join(names[t.name].title for t in spec.terms) if spec is not None else ""
        tell(self.reason, f"Suggested: {words}. {reason}" if spec is not None else "")
        self.use_button.setVisible(spec is not None and spec != self.spec())

    def _use(self) -> None:
        if self._suggested is not None:
            self.set_spec(self._suggested)
            self.use_button.hide()

    def spec(self) -> LossSpec:
        """The sum as it stands; rows of weight 0 are left out."""
        if not self._lines:
            return LossSpec()
        terms = tuple(_term(str(b.currentData()), float(w.value()), t) for _, b, w, t in self._lines if w.value() > 0)
        return LossSpec(terms) if terms else LossSpec()

    def set_spec(self, spec: LossSpec) -> None:
        """Show a sum."""
        for line, _, _, _ in self._lines:
            line.hide()
            line.deleteLater()
        self._lines = []
        for term in spec.terms:
            self.add(term)


def _term(name: str, weight: float, shown: LossTerm) -> LossTerm:
    """A row as a term; options that came with it stay as long as its loss does."""
    return LossTerm(name, weight, shown.options if name == shown.name else {})
