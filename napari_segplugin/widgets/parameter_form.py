"""A form for typed settings: a switch, a list, or a number with a slider beside it where it has limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSlider, QSpinBox, QVBoxLayout, QWidget

from napari_segplugin.core import Parameter
from napari_segplugin.core.parameters import Value
from napari_segplugin.core.types import Json, scalar
from napari_segplugin.widgets._parts import clear_layout, combo, describe, fill_combo, labelled, row

Editor: TypeAlias = QCheckBox | QComboBox | QSpinBox | QDoubleSpinBox
_STEPS = 200


class ParameterForm(QWidget):
    """One line for each parameter.

    Signals
    -------
    changed : any value
    """

    changed = Signal()

    def __init__(self, parameters: Sequence[Parameter] = ()) -> None:
        super().__init__()
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self.parameters: tuple[Parameter, ...] = ()
        self.editors: dict[str, Editor] = {}
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[Parameter]) -> None:
        """Show other parameters, at their defaults."""
        clear_layout(self._rows)
        self.parameters, self.editors = tuple(parameters), {}
        for parameter in self.parameters:
            self._rows.addWidget(self._line(parameter))

    def _line(self, p: Parameter) -> QWidget:
        if p.kind == "bool":
            box = QCheckBox(p.title)
            box.setChecked(bool(p.default))
            box.toggled.connect(lambda _: self.changed.emit())
            describe(box, f"setting_{p.name}", p.title, p.help)
            self.editors[p.name] = box
            return box
        if p.kind == "choice":
            choice = combo(f"setting_{p.name}", p.title, p.help)
            fill_combo(choice, [(c.replace("_", " "), c) for c in p.choices], p.default)
            choice.currentIndexChanged.connect(lambda _: self.changed.emit())
            self.editors[p.name] = choice
            return labelled(p.title, choice)
        spin = _spin(p)
        describe(spin, f"setting_{p.name}", p.title, f"{p.help} ({p.accepts()})")
        spin.valueChanged.connect(lambda _: self.changed.emit())
        self.editors[p.name] = spin
        if p.low is None or p.high is None:
            return labelled(p.title, spin)
        return labelled(p.title, row(_slider(p, spin), spin, stretch=(1, 0)))

    def values(self) -> dict[str, Value]:
        """What is set, by name."""
        return {p.name: self._value(p) for p in self.parameters}

    def _value(self, p: Parameter) -> Value:
        editor = self.editors[p.name]
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        return str(editor.currentData()) if isinstance(editor, QComboBox) else editor.value()

    def set_values(self, values: Mapping[str, Json]) -> None:
        """Show values; names that are not here are left out. `changed` is emitted once."""
        self.blockSignals(True)
        for p in self.parameters:
            if p.name not in values:
                continue
            editor, value = self.editors[p.name], values[p.name]
            if isinstance(editor, QCheckBox):
                editor.setChecked(bool(value))
            elif isinstance(editor, QComboBox):
                editor.setCurrentIndex(max(0, editor.findData(value)))
            else:
                _set(editor, scalar(values, p.name))
        self.blockSignals(False)
        self.changed.emit()


def _set(spin: QSpinBox | QDoubleSpinBox, value: float) -> None:
    """Put a number into a box of its kind."""
    if isinstance(spin, QSpinBox):
        spin.setValue(round(value))
    else:
        spin.setValue(value)


def _spin(p: Parameter) -> QSpinBox | QDoubleSpinBox:
    """A box for a number; without limits it takes any that a person can type."""
    spin: QSpinBox | QDoubleSpinBox
    if p.kind == "int":
        spin = whole = QSpinBox()
        whole.setRange(int(p.low if p.low is not None else -(2**31)), int(p.high if p.high is not None else 2**31 - 1))
        whole.setSingleStep(int(p.step or 1))
    else:
        spin = real = QDoubleSpinBox()
        step = p.step or 0.1
        real.setDecimals(max(2, -math.floor(math.log10(step))))
        real.setRange(p.low if p.low is not None else -1e12, p.high if p.high is not None else 1e12)
        real.setSingleStep(step)
    _set(spin, float(p.default))
    spin.setKeyboardTracking(False)
    return spin


def _slider(p: Parameter, spin: QSpinBox | QDoubleSpinBox) -> QSlider:
    """A slider that moves with the box. Where the range spans decades, its way is logarithmic."""
    low, high = float(p.low or 0), float(p.high or 0)
    far = low > 0 and high / low >= 50
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, _STEPS if p.kind == "float" else min(_STEPS, int(high - low)))
    slider.setMinimumWidth(40)
    describe(slider, f"slide_{p.name}", p.title, p.help)
    top = slider.maximum()

    def place(value: float) -> int:
        share = math.log(value / low) / math.log(high / low) if far else (value - low) / (high - low)
        at: int = round(share * top)
        return at

    def move(at: int) -> None:
        share = at / top
        value = low * (high / low) ** share if far else low + share * (high - low)
        _set(spin, value)

    def follow(value: float) -> None:
        slider.blockSignals(True)
        slider.setValue(place(value))
        slider.blockSignals(False)

    follow(spin.value())
    slider.valueChanged.connect(move)
    spin.valueChanged.connect(follow)
    return slider


__all__ = ["ParameterForm"]
