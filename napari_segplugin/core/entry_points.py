"""What other installed packages offer through entry points. Nothing that they do wrong raises here.

A package adds to a registry by a line in its ``pyproject.toml``::

    [project.entry-points."napari_segplugin.networks"]
    mine = "my_package.rows:network"

The object is a row, a list of rows, or a function that returns either.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, SelectableGroups


@dataclass(frozen=True)
class Offer:
    """What one entry point gave.

    Parameters
    ----------
    package : str
        Name of the distribution, as it is installed.
    name : str
        Name of the entry point.
    rows : tuple
        Whatever it gave; rows if all is well.
    error : str
        Why there is nothing, as a phrase; otherwise empty.
    """

    package: str
    name: str
    rows: tuple[Any, ...] = ()
    error: str = ""


def offers(group: str) -> Iterator[Offer]:
    """What the entry points of a group give, in the order of their packages' names.

    Parameters
    ----------
    group : str
        Such as "napari_segplugin.networks".

    Examples
    --------
    >>> list(offers("a.group.that.nobody.uses"))
    []
    """
    for point in sorted(_installed(tuple(sys.path)).select(group=group), key=lambda p: (_package(p).lower(), p.name)):
        yield _offer(point)


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> SelectableGroups:
    """The entry points of all packages on a path, read once for all groups: that is a file for each package."""
    from importlib.metadata import entry_points  # here: slow to import, and most programs that import us never list

    return entry_points()


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module.partition(".")[0]


def _offer(point: EntryPoint) -> Offer:
    package = _package(point)
    try:
        found = point.load()
        found = found() if callable(found) else found
        rows = tuple(found) if isinstance(found, list | tuple) else (found,)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (somebody else's code: its error becomes a sentence)
        said = " ".join(str(error).split()).rstrip(".")
        return Offer(package, point.name, error=f"{type(error).__name__}: {said}" if said else type(error).__name__)
    return Offer(package, point.name, rows) if rows else Offer(package, point.name, error="it gives nothing")


__all__ = ["Offer", "offers"]
