"""Classes: a number, a name, a colour, and whether its members are counted (things) or not (stuff)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from napari_segplugin.core.errors import InputError

BACKGROUND_PAINT = 65535
"""Value that a corrections layer (uint16) holds where a person painted "background"; 0 is "not painted"."""

PALETTE = ("#00000000", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00", "#999999")
"""Okabe-Ito colours, told apart by colour-blind people too; the first is the transparent background."""


_COLOR = re.compile("#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})")


class Task(StrEnum):
    """The kind of result."""

    SEMANTIC = "semantic"
    INSTANCE = "instance"
    PANOPTIC = "panoptic"

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        """A sentence for whoever typed another word."""
        raise InputError("There is no such task.", got=repr(value)[:80], accepted=", ".join(cls))


class Kind(StrEnum):
    """Things are counted one by one, stuff is not."""

    THING = "thing"
    STUFF = "stuff"

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        """A sentence for whoever typed another word."""
        raise InputError("There is no such kind of class.", got=repr(value)[:80], accepted=", ".join(cls))


@dataclass(frozen=True)
class ClassInfo:
    """One class: its number in the label array, name, colour "#rrggbb[aa]" and kind.

    Raises
    ------
    InputError
        If the colour is not of that form.
    """

    id: int
    name: str
    color: str
    kind: Kind = Kind.THING

    def __post_init__(self) -> None:
        if not _COLOR.fullmatch(self.color):
            raise InputError(
                f"The color of the class '{self.name}' is not understood.", got=f"'{self.color}'", accepted="#rrggbb"
            )


@dataclass(frozen=True)
class ClassTable:
    """The classes of a task. Class 0 is always the background.

    Parameters
    ----------
    classes : tuple of ClassInfo
        Numbered 0, 1, 2 … without gaps; class 0 is the background (stuff).

    Raises
    ------
    InputError
        If the numbers have gaps, a name stands twice, or there is no class beside the background.

    Examples
    --------
    >>> table = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    >>> [c.name for c in table], table.thing_ids
    (['background', 'axon', 'myelin'], ())
    """

    classes: tuple[ClassInfo, ...]

    def __post_init__(self) -> None:
        ids = [c.id for c in self.classes]
        if ids != list(range(len(ids))) or len(ids) < 2:
            raise InputError("Classes are numbered 0 (background), 1, 2 … without gaps.", got=f"numbers {ids}")
        names = [c.name for c in self.classes]
        if len(set(names)) != len(names) or not all(n.strip() for n in names):
            raise InputError("Each class needs a name of its own.", got=", ".join(repr(n) for n in names))

    @classmethod
    def named(cls, names: Iterable[str], kind: Kind = Kind.THING) -> ClassTable:
        """A table of the background and the classes `names`, all of one kind, with default colours."""
        rows = [ClassInfo(0, "background", PALETTE[0], Kind.STUFF)]
        rows += [ClassInfo(i, n, PALETTE[1 + (i - 1) % (len(PALETTE) - 1)], kind) for i, n in enumerate(names, 1)]
        return cls(tuple(rows))

    def __iter__(self) -> Iterator[ClassInfo]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> ClassInfo:
        return self.classes[index]

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """Numbers of the classes whose members are counted."""
        return tuple(c.id for c in self.classes[1:] if c.kind is Kind.THING)

    def paint_value(self, class_id: int) -> int:
        """The value that paints this class in a corrections layer."""
        return BACKGROUND_PAINT if class_id == 0 else class_id
