"""Registries: a row names a thing and where it lives; the code is imported when it is first used.

A row costs nothing to list, so the dock can offer every network and loss without importing torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_segplugin.core.errors import InputError


@dataclass(frozen=True)
class Row:
    """One entry of a registry.

    Parameters
    ----------
    name : str
        Short stable key, used in files and on the command line.
    title : str
        What a person reads in a list.
    target : str
        ``"package.module:attribute"``; imported by :meth:`load`.
    summary : str
        One sentence for a tooltip.
    reference : str
        The paper, short.
    options : mapping of str to default value
        Keyword options that the target takes, with defaults.
    meta : mapping
        Anything else that a floor wants to know without importing the target.
    """

    name: str
    title: str
    target: str
    summary: str = ""
    reference: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return the target."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


class Registry:
    """An ordered table of rows of one kind.

    Parameters
    ----------
    kind : str
        What the rows are, in the singular ("network", "loss"); used in errors.

    Examples
    --------
    >>> shelf = Registry("number")
    >>> shelf.add(Row("pi", "Pi", "math:pi"))
    >>> shelf.load("pi") > 3
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._rows: dict[str, Row] = {}

    def add(self, row: Row) -> None:
        """Add a row.

        Raises
        ------
        InputError
            If a row of that name is there already.
        """
        if row.name in self._rows:
            raise InputError(f"There is already a {self.kind} named '{row.name}'.", hint="Choose another name.")
        self._rows[row.name] = row

    def __getitem__(self, name: str) -> Row:
        if name not in self._rows:
            raise InputError(
                f"There is no {self.kind} named '{name}'.", accepted=", ".join(self._rows) or "nothing yet"
            )
        return self._rows[name]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def names(self) -> tuple[str, ...]:
        """Names in the order in which they were added."""
        return tuple(self._rows)

    def load(self, name: str) -> Any:
        """Import and return the target of the row `name`."""
        return self[name].load()
