"""Registries: a row names a thing and where it lives; the code is imported when it is first used.

A row costs nothing to list, so the dock can offer every network and loss without importing torch. Each registry has its
own kind of row, which says field by field what a floor wants to know without importing the target; it stands beside the
registry. Other packages add rows by entry points (:mod:`napari_segplugin.core.entry_points`).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, TypeVar

from napari_segplugin.core.entry_points import Offer, offers
from napari_segplugin.core.errors import InputError, SegPluginError


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
    package : str
        The installed package that the row comes from; empty for this one. The registry fills it in.

    Raises
    ------
    InputError
        If the name is empty, the target is not of that form, or a field holds a word that it does not know.
    """

    name: str
    title: str
    target: str
    summary: str = ""
    reference: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    package: str = field(default="", kw_only=True)

    WORDS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The words that a field accepts, for the fields that hold one of a few."""

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("A row of a registry needs a name.", got=f"a row for '{self.target}'")
        if not all(self.target.partition(":")):
            raise InputError(
                f"The target of '{self.name}' is not a place in a module.",
                got=f"'{self.target}'",
                accepted="package.module:attribute",
            )
        for word, accepted in self.WORDS.items():
            if getattr(self, word) not in accepted:
                raise InputError(
                    f"The field '{word}' of '{self.name}' is not one of the accepted words.",
                    got=f"'{getattr(self, word)}'",
                    accepted=", ".join(f"'{a}'" for a in accepted),
                )

    @property
    def label(self) -> str:
        """The title for a list; of another package's row with the package's name.

        Examples
        --------
        >>> Row("pi", "Pi", "math:pi", package="more-numbers").label
        'Pi (more-numbers)'
        """
        return f"{self.title} ({self.package})" if self.package else self.title

    def load(self) -> Any:
        """Import and return the target.

        Raises
        ------
        InputError
            If the row comes from another package and its code cannot be imported.
        """
        return self.load_field("target")

    def load_field(self, name: str) -> Any:
        """Import and return what a field names, which is of the form of `target`; raises like :meth:`load`."""
        target = getattr(self, name)
        if not self.package:
            return load_target(target)
        try:
            return load_target(target)
        except SegPluginError:
            raise
        except Exception as error:
            raise InputError(
                f"'{self.title}' of the package '{self.package}' cannot be loaded.",
                got=f"{type(error).__name__}: {error}",
                hint=f"Update '{self.package}', or ask its authors.",
            ) from error


def load_target(target: str) -> Any:
    """What ``"package.module:attribute"`` stands for.

    Examples
    --------
    >>> load_target("math:pi") > 3
    True
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


R = TypeVar("R", bound=Row)


class Registry(Generic[R]):
    """An ordered table of rows of one kind.

    Rows of other packages are looked for once, when the registry is first listed or asked for a name that it does not
    know; so importing this package costs nothing more, however many packages add to it.

    Parameters
    ----------
    kind : str
        What the rows are, in the singular ("network", "loss"); used in errors.
    row : type, optional
        The class of the rows; what other packages offer has to be of it.
    group : str, optional
        The group of entry points by which other packages add rows; without one, none can.

    Examples
    --------
    >>> shelf = Registry[Row]("number")
    >>> shelf.add(Row("pi", "Pi", "math:pi"))
    >>> shelf.load("pi") > 3
    True
    """

    def __init__(self, kind: str, row: type[R] | None = None, *, group: str = "") -> None:
        self.kind = kind
        self.group = group
        self.row: type[Row] = row or Row
        self._rows: dict[str, R] = {}
        self._problems: list[str] = []
        self._complete = not group
        self._lock = threading.Lock()
        self._here = threading.local()

    def add(self, row: R) -> None:
        """Add a row.

        Raises
        ------
        InputError
            If a row of that name is there already.
        """
        if row.name in self._rows:
            raise InputError(f"There is already a {self.kind} named '{row.name}'.", hint="Choose another name.")
        self._rows[row.name] = row

    def __getitem__(self, name: str) -> R:
        if name not in self:
            raise InputError(
                f"There is no {self.kind} named '{name}'.",
                accepted=", ".join(self._rows) or "nothing yet",
                hint=" ".join(self._problems),
            )
        return self._rows[name]

    def __iter__(self) -> Iterator[R]:
        self._discover()
        return iter(tuple(self._rows.values()))

    def __len__(self) -> int:
        self._discover()
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        if name not in self._rows:
            self._discover()
        return name in self._rows

    def names(self) -> tuple[str, ...]:
        """Names in the order in which they were added; those of other packages last."""
        self._discover()
        return tuple(self._rows)

    def load(self, name: str) -> Any:
        """Import and return the target of the row `name`."""
        return self[name].load()

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each thing that another package offers and that cannot be used."""
        self._discover()
        return tuple(self._problems)

    def _discover(self) -> None:
        """Add the rows of other packages, once."""
        if self._complete or getattr(self._here, "busy", False):
            return
        # No lock while they are imported, since an import that lists this registry could then wait for us, and we for it.
        self._here.busy = True
        try:
            found = list(offers(self.group))
        finally:
            self._here.busy = False
        with self._lock:
            if not self._complete:
                for offer in found:
                    self._take(offer)
                self._complete = True

    def _take(self, offer: Offer) -> None:
        """Add the rows that an entry point offers, or keep a sentence of why not."""
        who = f"The package '{offer.package}' offers a {self.kind} ('{offer.name}')"
        if offer.error:
            self._problems.append(f"{who} that cannot be loaded: {offer.error}.")
            return
        for row in offer.rows:
            if not isinstance(row, self.row):
                self._problems.append(f"{who} of the wrong type: {type(row).__name__} instead of {self.row.__name__}.")
            elif row.name in self._rows:
                owner = self._rows[row.name].package
                there = f"by the package '{owner}'" if owner else "already"
                self._problems.append(f"{who} named '{row.name}', but this name is taken {there}; it is left out.")
            else:
                self._rows[row.name] = replace(row, package=offer.package)  # type: ignore[assignment]


__all__ = ["Registry", "Row", "load_target"]
