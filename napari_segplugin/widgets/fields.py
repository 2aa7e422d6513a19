"""One setting as a widget of magicgui's: a switch, a list or a number, made from what the setting is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, SpinBox
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QWidget

from napari_segplugin.core import Parameter
from napari_segplugin.core.parameters import Value
from napari_segplugin.widgets._parts import describe, labelled, narrow

if TYPE_CHECKING:
    from psygnal import SignalInstance

Choices: TypeAlias = Sequence[tuple[str, Value]]
_LARGEST = {"int": 2**31 - 1, "float": 1e12}


class Field(Protocol):
    """What of magicgui's widgets is used."""

    value: Value
    native: QWidget
    changed: SignalInstance
    enabled: bool


def field(parameter: Parameter, name: str = "", choices: Choices = ()) -> Field:
    """The widget of a setting, at its default.

    Parameters
    ----------
    parameter : Parameter
    name : str
        Object name; "setting_" and the name of the parameter by default.
    choices : sequence of (str, value), optional
        What a person reads for each choice; the choices themselves by default.
    """
    p, kind = parameter, parameter.kind
    tip = p.help
    if kind == "bool":
        made = CheckBox(value=p.default, text=p.title)
    elif kind == "choice":
        made = ComboBox(value=p.default, choices=choices or [(c.replace("_", " "), c) for c in p.choices])
    else:
        tip = f"{p.help} ({p.accepts()})"
        top = _LARGEST[kind]
        low, high = (-top if p.low is None else p.low), (top if p.high is None else p.high)
        numbers = SpinBox if kind == "int" else FloatSpinBox
        made = numbers(value=p.default, min=low, max=high, step=p.step or (1 if kind == "int" else 0.1))
    native = made.native
    describe(native, name or f"setting_{p.name}", p.title, tip)
    if isinstance(native, QComboBox):
        narrow(native)
    if isinstance(native, QAbstractSpinBox):
        native.setKeyboardTracking(False)
    return cast("Field", made)


def line(parameter: Parameter, made: Field) -> QWidget:
    """A field with its label; a switch has its own."""
    return made.native if parameter.kind == "bool" else labelled(parameter.title, made.native)


__all__ = ["Choices", "Field", "field", "line"]
