"""Values that are typed on the command line, and what they stand for."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from typing import Any

from napari_segplugin.core import InputError, LossSpec, LossTerm, Registry
from napari_segplugin.losses import LOSSES


class Names:
    """The names of a registry as the choices of an option; other packages are asked only when they are needed."""

    def __init__(self, registry: Registry[Any]) -> None:
        self._registry = registry

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.names())

    def __contains__(self, chosen: object) -> bool:
        return getattr(chosen, "name", chosen) in self._registry


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def numbers(text: str) -> tuple[float, ...]:
    """Sizes with commas between them: numbers that are positive and finite."""
    found = tuple(float(part) for part in text.split(","))
    if not all(math.isfinite(n) and n > 0 for n in found):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of positive numbers")
    return found


def whole_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas (or "x") between them.

    Examples
    --------
    >>> whole_numbers("16,256,256")
    (16, 256, 256)
    """
    return tuple(int(part) for part in text.replace("x", ",").split(","))


def zoom(text: str) -> float:
    """A factor, or 0 for "auto".

    Examples
    --------
    >>> zoom("auto"), zoom("1.5")
    (0.0, 1.5)
    """
    return 0.0 if text == "auto" else float(text)


def setting(text: str) -> tuple[str, Any]:
    """A name and a value, the value as JSON where it is JSON.

    Examples
    --------
    >>> setting("widths=[8,16]"), setting("head=psp")
    (('widths', [8, 16]), ('head', 'psp'))
    """
    name, mark, value = text.partition("=")
    if not mark:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form KEY=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def box(text: str) -> tuple[slice, ...]:
    """A box: where it starts and ends along each axis.

    Examples
    --------
    >>> box("10:50,0:20")
    (slice(10, 50, None), slice(0, 20, None))
    """
    ends = [part.split(":") for part in text.split(",")]
    return tuple(slice(int(start), int(stop)) for start, stop in ends)


def loss_term(text: str) -> LossTerm:
    """A loss with an optional weight.

    Examples
    --------
    >>> loss_term("dice:2").weight
    2.0
    """
    name, _, weight = text.partition(":")
    if name not in LOSSES:
        raise argparse.ArgumentTypeError(f"there is no loss '{name}'; choose from {', '.join(LOSSES.names())}")
    try:
        return LossTerm(name, float(weight or 1))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def loss_of(terms: list[LossTerm] | None) -> LossSpec:
    """The sum of losses that was asked for, or the usual one."""
    return LossSpec(tuple(terms)) if terms else LossSpec()


__all__ = ["Names", "box", "loss_of", "loss_term", "names", "numbers", "setting", "whole_numbers", "zoom"]
