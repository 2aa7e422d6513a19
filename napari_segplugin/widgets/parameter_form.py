"""A form for typed settings: a switch, a list, or a number with a slider beside it where it has limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSlider, QVBoxLayout, QWidget

from napari_segplugin.core import Parameter
from napari_segplugin.core.parameters import Value
from napari_segplugin.core.types import Json
from napari_segplugin.widgets._parts import clear_layout, describe, labelled, row
from napari_segplugin.widgets.fields import Field, field, line

_STEPS = 200


class ParameterForm(QWidget):
    """One line for each parameter.

    Attributes
    ----------
    fields : dict of str to Field
        By the name of the parameter.

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
        self.fields: dict[str, Field] = {}
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[Parameter]) -> None:
        """Show other parameters, at their defaults."""
        clear_layout(self._rows)
        self.parameters, self.fields = tuple(parameters), {p.name: field(p) for p in parameters}
        for p in self.parameters:
            made = self.fields[p.name]
            made.changed.connect(lambda _: self.changed.emit())
            between = p.kind in ("int", "float") and p.low is not None and p.high is not None
            self._rows.addWidget(_with_slider(p, made) if between else line(p, made))

    def values(self) -> dict[str, Value]:
        """What is set, by name."""
        return {name: made.value for name, made in self.fields.items()}

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


def _with_slider(p: Parameter, made: Field) -> QWidget:
    """A number with a slider that moves with it. Where the range spans decades, its way is logarithmic.

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
    return labelled(p.title, row(slider, made.native, stretch=(1, 0)))


__all__ = ["ParameterForm"]
