"""A form for typed settings: a switch, a list, or a number with a slider beside it where it has limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QSlider, QVBoxLayout, QWidget

from napari_segplugin.core import Parameter
from napari_segplugin.core.parameters import Value
from napari_segplugin.core.types import Json
from napari_segplugin.widgets._parts import clear_layout, describe, labelled, row
from napari_segplugin.widgets.fields import Choices, FormField, field

_STEPS = 200


class ParameterForm(QWidget):
    """One line for each parameter.

    Parameters
    ----------
    parameters : sequence of Parameter
    prefix : str
        Of the object names.
    choices : mapping of str to choices, optional
        Parameters that are lists though their values are no words, or whose words a person would not understand.
    sliders : bool
        Whether a number between two limits has a slider.

    Attributes
    ----------
    fields : dict of str to FormField
        By the name of the parameter.
    lines : dict of str to QWidget
        Each field with its label.

    Signals
    -------
    changed : any value
    """

    changed = Signal()

    def __init__(
        self,
        parameters: Sequence[Parameter] = (),
        prefix: str = "setting_",
        choices: Mapping[str, Choices] | None = None,
        sliders: bool = True,
    ) -> None:
        super().__init__()
        self._prefix, self._choices, self._sliders = prefix, dict(choices or {}), sliders
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self.parameters: tuple[Parameter, ...] = ()
        self.fields: dict[str, FormField] = {}
        self.lines: dict[str, QWidget] = {}
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[Parameter]) -> None:
        """Show other parameters, at their defaults."""
        clear_layout(self._rows)
        self.parameters, self.fields, self.lines = tuple(parameters), {}, {}
        for p in self.parameters:
            choices = self._choices.get(p.name, ())
            made = self.fields[p.name] = field(p, self._prefix + p.name, choices)
            made.changed.connect(lambda _: self.changed.emit())
            self.lines[p.name] = self._line(p, made)
            self._rows.addWidget(self.lines[p.name])

    def _line(self, p: Parameter, made: FormField) -> QWidget:
        native = made.native
        if isinstance(native, QCheckBox):
            return native  # it has its label itself
        between = isinstance(native, QDoubleSpinBox) and p.low is not None and p.high is not None
        inside = row(_slider(p, made), native, stretch=(1, 0)) if between and self._sliders else native
        return labelled(p.title, inside)

    def values(self) -> dict[str, Value]:
        """What is set, by name."""
        return {p.name: p.check(self.fields[p.name].value) for p in self.parameters}

    def set_values(self, values: Mapping[str, Json]) -> None:
        """Show values; names that are not here are left out, and what is not accepted is refused. `changed` is emitted once.

        Raises
        ------
        InputError
            If a value is not accepted; nothing is shown then.
        """
        checked = {p.name: p.check(values[p.name]) for p in self.parameters if p.name in values}
        self.blockSignals(True)
        for name, value in checked.items():
            self.fields[name].value = value
        self.blockSignals(False)
        self.changed.emit()


def _slider(p: Parameter, made: FormField) -> QSlider:
    """A slider that moves with a number. Where the range spans decades, its way is logarithmic.

    It is ours: the logarithmic one of magicgui shows the place of its handle for the value.
    """
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
        made.value = round(value) if p.kind == "int" else min(max(value, low), high)

    def follow(value: Value) -> None:
        slider.blockSignals(True)
        slider.setValue(place(float(value)))
        slider.blockSignals(False)

    follow(made.value)
    slider.valueChanged.connect(move)
    made.changed.connect(follow)
    return slider


__all__ = ["ParameterForm"]
