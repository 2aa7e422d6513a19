"""Values that are typed on the command line, and what they stand for."""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from napari_segplugin.core import InputError, LossSpec, LossTerm, Registry
from napari_segplugin.io.units import short_unit
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


def amount(text: str) -> tuple[float, str]:
    """A number from 0 with an optional unit of length or area; without one it counts pixels.

    Examples
    --------
    >>> amount("0.5"), amount("20m2"), amount("3 µm")
    ((0.5, ''), (20.0, 'm'), (3.0, 'um'))
    """
    found = re.fullmatch(r"\s*([\d.eE+-]+)\s*([^\d\s²^]*)(?:\^?2|²)?\s*", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number with an optional unit")
    value = float(found[1])
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0")
    return value, short_unit(found[2]) if found[2] else ""


def polygon_options(p: argparse.ArgumentParser) -> None:
    """How polygons are drawn around labels."""
    p.add_argument(
        "--simplify",
        type=amount,
        metavar="LENGTH",
        help="how far polygons may deviate from the pixels, in pixels or with a unit such as 2m, for .geojson and .gpkg; 0: follow "
        "the edges of the pixels exactly (default: 0.5 for images on a map, otherwise 0)",
    )
    p.add_argument(
        "--min-area",
        type=amount,
        metavar="AREA",
        help="leave out polygons smaller than this, in pixels or with a unit such as 20m2, for .geojson and .gpkg",
    )
    p.add_argument(
        "--pieces",
        action=argparse.BooleanOptionalAction,
        help="one polygon for each connected piece of a class, for .geojson and .gpkg (default: for images on a map only)",
    )


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


__all__ = [
    "Names",
    "amount",
    "box",
    "loss_of",
    "loss_term",
    "names",
    "numbers",
    "polygon_options",
    "setting",
    "whole_numbers",
    "zoom",
]
