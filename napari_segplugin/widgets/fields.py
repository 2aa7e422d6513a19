"""One setting as a widget of magicgui's: a switch, a list or a number, made from what the setting is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox
from qtpy.QtWidgets import QDoubleSpinBox, QWidget

from napari_segplugin.core import Parameter
from napari_segplugin.core.parameters import Value
from napari_segplugin.widgets._parts import describe, narrow

if TYPE_CHECKING:
    from psygnal import SignalInstance

Choices: TypeAlias = Sequence[tuple[str, Value]]
"""What a person reads, and what it stands for."""
_FAR = {"int": 2**31 - 1, "float": 1e12}


class FormField(Protocol):
    """What of magicgui's widgets is used."""

    value: Value
    native: QWidget
    changed: SignalInstance
    enabled: bool


def field(parameter: Parameter, name: str, choices: Choices = ()) -> FormField:
    """The widget of a setting, at its default.

    A whole number is one of magicgui's boxes for any number, without decimals: its own for whole numbers shows neither a unit
    nor a word in place of the lowest.

    Parameters
    ----------
    parameter : Parameter
    name : str
        Object name.
    choices : sequence of (str, value), optional
        Makes a list of them; those of the parameter by default.
    """
    p = parameter
    choices = choices or [(c.replace("_", " "), c) for c in p.choices]
    if choices:
        made = ComboBox(value=p.default, choices=list(choices))
        describe(made.native, name, p.title, p.help)
        narrow(made.native)
    elif p.kind == "bool":
        made = CheckBox(value=p.default, text=p.title)
        describe(made.native, name, p.title, p.help)
    else:
        low, high = (end if end is not None else far for end, far in _ends(p))
        made = FloatSpinBox(value=p.default, min=low, max=high, step=p.step or (1 if p.kind == "int" else 0.1))
        describe(made.native, name, p.title, f"{p.help} ({p.accepts()})")
        _finish(made.native, p)
    return cast("FormField", made)


def _ends(p: Parameter) -> tuple[tuple[float | None, float], tuple[float | None, float]]:
    """Its limits, and what stands for those that it has not."""
    return (p.low, -_FAR[p.kind]), (p.high, _FAR[p.kind])


def _finish(box: QDoubleSpinBox, p: Parameter) -> None:
    if p.kind == "int":
        box.setDecimals(0)
    if p.unit == "pixel":
        box.setSuffix(" px")
    box.setKeyboardTracking(False)


__all__ = ["Choices", "FormField", "field"]
