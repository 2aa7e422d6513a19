"""A box for the size of a voxel: it shows what is worth reading of a number and keeps all of it."""

from __future__ import annotations

import math

from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox

_DIGITS = 323
"""Digits after the point that Qt keeps of a value; it rounds to them, and a metre is many nanometres."""


class SizeBox(QDoubleSpinBox):
    """A positive number of any magnitude, shown with six significant digits: three of them and a unit fit in a narrow dock.

    Parameters
    ----------
    prefix : str
        What stands before the number.
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self.setDecimals(_DIGITS)
        self.setRange(1e-15, 1e9)
        self.setKeyboardTracking(False)
        self.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.setPrefix(prefix)

    def textFromValue(self, value: float) -> str:
        """The shortest text of a value."""
        return f"{value:g}"

    def valueFromText(self, text: str | None) -> float:
        """The number that was typed; all digits of the value where its text was left as it was."""
        typed = self._number(text or "")
        if typed == self.textFromValue(self.value()):
            return self.value()
        return float(typed) if _is_size(typed) else self.value()

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Any way to write a number, such as 2.5e-7, with a point or a comma."""
        good = _is_size(self._number(text or ""))
        return QValidator.State.Acceptable if good else QValidator.State.Intermediate, text or "", position

    def _number(self, text: str) -> str:
        return text.removeprefix(self.prefix()).strip().replace(",", ".")


def _is_size(text: str) -> bool:
    """Whether a text is a number that a size can be.

    Examples
    --------
    >>> _is_size("2.5e-7"), _is_size("0"), _is_size("2.5e")
    (True, False, False)
    """
    try:
        return math.isfinite(float(text)) and float(text) > 0
    except ValueError:
        return False


__all__ = ["SizeBox"]
