"""Typed settings of a technique: what the dock builds its form from, and what the command line checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import SupportsFloat, TypeAlias

from napari_segplugin.core.errors import InputError

Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """One setting: its name, its default, and what may stand in its place.

    Parameters
    ----------
    name : str
        Keyword of the function.
    default : bool, int, float or str
        Its type says what the setting is; a str is one of `choices`.
    title : str
        What a person reads; made from the name where left out.
    help : str
        One sentence for a tooltip.
    low, high : float, optional
        Least and greatest value, both allowed.
    step : float, optional
        What one turn of the wheel adds.
    choices : tuple of str
        The values of a setting that is a word.
    unit : str
        "pixel" for a length and "pixel^n" for an area or a volume (both shrink with a preview of lower resolution),
        "intensity" for a value of the image, otherwise empty.

    Raises
    ------
    InputError
        If the default itself is not accepted, or a word has no choices.

    Examples
    --------
    >>> Parameter("window", 51, low=3, high=501).check(25.0)
    25
    """

    name: str
    default: Value
    title: str = ""
    help: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", self.name.replace("_", " ").capitalize())
        if isinstance(self.default, str) and not self.choices:
            raise InputError(f"The setting {self.title} is a text and has no choices.", got=f"default '{self.default}'")
        self.check(self.default)

    @property
    def kind(self) -> str:
        """The form it takes: "bool", "int", "float" or "choice"."""
        if isinstance(self.default, str):
            return "choice"
        return type(self.default).__name__

    def check(self, value: object) -> Value:
        """The value in the type of the default.

        Raises
        ------
        InputError
            If it is of another kind, not finite, outside the limits or not among the choices.
        """
        if self.kind == "choice":
            if value not in self.choices:
                raise self._refused(value)
            return str(value)
        if self.kind == "bool":
            if value not in (True, False):
                raise self._refused(value)
            return bool(value)
        return self._number(value)

    def _number(self, value: object) -> int | float:
        if isinstance(value, bool | str) or not isinstance(value, SupportsFloat):
            raise self._refused(value)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise self._refused(value) from None
        whole = self.kind == "int"
        wrong = not math.isfinite(number) or (whole and number != int(number))
        if wrong or (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise self._refused(value)
        return int(number) if whole else number

    def _refused(self, value: object) -> InputError:
        return InputError(
            f"The setting {self.title} ({self.name}) cannot have this value.", got=value, accepted=self.accepts()
        )

    def accepts(self) -> str:
        """What may stand in its place, in words.

        Examples
        --------
        >>> Parameter("level", 0.5, low=0, high=1).accepts()
        'a number from 0 to 1'
        """
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind == "bool":
            return "true or false"
        word = "a whole number" if self.kind == "int" else "a number"
        if self.low is not None and self.high is not None:
            return f"{word} from {self.low:g} to {self.high:g}"
        if self.low is not None:
            return f"{word}, {self.low:g} or more"
        return word if self.high is None else f"{word}, {self.high:g} or less"


def check_parameters(parameters: Iterable[Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """The given settings, checked, with defaults for the others.

    Parameters
    ----------
    parameters : iterable of Parameter
    given : mapping

    Returns
    -------
    dict
        A value for every parameter, in the order of `parameters`.

    Raises
    ------
    InputError
        If a name is not known or a value not accepted.
    """
    table = {p.name: p for p in parameters}
    unknown = sorted(set(given) - set(table))
    if unknown:
        raise InputError(
            "There is no such setting.", got=", ".join(unknown), accepted=", ".join(table) or "no settings"
        )
    return {name: p.check(given[name]) if name in given else p.default for name, p in table.items()}


__all__ = ["Parameter", "Value", "check_parameters"]
