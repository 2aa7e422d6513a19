"""Keeps the colors of neighboring objects apart while they are edited. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar, cast

import numpy as np

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array
from napari_segplugin.data.hues import LEAST, differences, told_apart
from napari_segplugin.data.touching import touching

T = TypeVar("T")


class Elsewhere(Protocol):
    """Does work elsewhere, and then something with its result."""

    def __call__(self, work: Callable[[], T], done: Callable[[T], object], /) -> object:
        """Begin."""


def at_once(work: Callable[[], T], done: Callable[[T], object]) -> None:
    """Do the work here and now."""
    done(work())


class LatePart:
    """A part of an array that is read when it is looked at.

    Parameters
    ----------
    array : array
    box : tuple of slice
    """

    def __init__(self, array: Array, box: Box) -> None:
        self._array, self._box = array, box
        self.shape = tuple(s.stop - s.start for s in box)
        self.dtype = array.dtype

    def __getitem__(self, index: tuple[slice, ...], /) -> np.ndarray:
        first = index[0]
        start = self._box[0].start
        rows = slice(start + first.start, min(start + first.stop, self._box[0].stop))
        return np.asarray(self._array[(rows, *self._box[1:])])


@dataclass(frozen=True, eq=False)
class Scheme:
    """The colors of a way to show objects, and which of them each may have.

    Parameters
    ----------
    colors : (K, 3) ndarray of float
        Red, green, blue from 0 to 1.
    allowed : (G, K) ndarray of bool
        Colors that each group may have.
    group : (N,) ndarray of int
        Group of each number.
    start : (N,) ndarray of int
        Color of each number that has no reason for another one.
    """

    colors: np.ndarray
    allowed: np.ndarray
    group: np.ndarray
    start: np.ndarray

    @cached_property
    def far(self) -> np.ndarray:
        """(K, K) ndarray of float: how different two colors are."""
        return differences(self.colors)


class Apart:
    """Gives each number a color that none of its neighbors has, nor one like it.

    Neighbors are looked for elsewhere, in parts of the labels that have changed; a number keeps its color as long as it can.

    Parameters
    ----------
    later : callable
        Takes work and what to do with its result; hands it to a worker in a window.
    ready : callable
        Called without arguments when colors have changed.

    Attributes
    ----------
    chosen : (N,) ndarray of int
        The color of each number in the scheme.
    """

    def __init__(self, later: Elsewhere, ready: Callable[[], object]) -> None:
        self._later, self._ready = later, ready
        self._pairs = np.zeros((0, 2), np.int64)
        self._scheme: Scheme | None = None
        self._waiting: list[tuple[Array | LatePart, str]] = []
        self._busy, self._stale, self._gone = False, False, False
        self._least = LEAST
        self.chosen = np.zeros(0, np.int64)

    def use(self, scheme: Scheme, keep: bool = True) -> None:
        """Take other colors, or more numbers.

        Parameters
        ----------
        scheme : Scheme
        keep : bool
            Whether numbers keep the colors that they have, where they still may have them.
        """
        chosen = scheme.start.copy()
        if not keep or not len(self.chosen):
            self._least = LEAST
        if keep:
            n = min(len(chosen), len(self.chosen))
            still = scheme.allowed[scheme.group[:n], self.chosen[:n]]
            chosen[:n] = np.where(still, self.chosen[:n], chosen[:n])
        self._scheme, self.chosen = scheme, chosen
        self._stale = True
        self._go()

    def look(self, parts: Iterable[Array | LatePart], axes: str = "", forget: bool = False) -> None:
        """Look for neighbors in parts of the labels.

        Parameters
        ----------
        parts : iterable of array of int
        axes : str, optional
            Their axes; nothing touches along "T" and "C".
        forget : bool
            Whether these are all the labels there are: neighbors of before count no more.
        """
        if forget:
            self._waiting, self._pairs = [], self._pairs[:0]
        self._waiting += [(part, axes) for part in parts]
        self._go()

    def stop(self) -> None:
        """Work no more."""
        self._gone, self._waiting = True, []

    def _go(self) -> None:
        scheme = self._scheme
        if self._busy or self._gone or scheme is None or not (self._waiting or self._stale):
            return
        parts, self._waiting, self._stale, self._busy = self._waiting, [], False, True
        pairs, before, least, first = self._pairs, self.chosen, self._least, not len(self._pairs)

        def work() -> tuple[np.ndarray, np.ndarray, float]:
            found = [touching(cast("Array", part), axes) for part, axes in parts]
            new = np.unique(np.concatenate([pairs, *(_wrapped(f, len(before)) for f in found)]), axis=0)
            chosen = told_apart(new, before, scheme.far, scheme.allowed, scheme.group, least, first)
            free = scheme.allowed.sum(1)[scheme.group[new]].max(1, initial=0) > 1
            return new, chosen, float(scheme.far[chosen[new[:, 0]], chosen[new[:, 1]]][free].min(initial=LEAST))

        def done(found: tuple[np.ndarray, np.ndarray, float]) -> None:
            self._busy = False
            if self._gone:
                return
            self._pairs = found[0]
            if scheme is self._scheme and before is self.chosen:
                self.chosen = found[1]
                # what was reached is enough from now on: otherwise colors would change far from an edit, to no avail
                self._least = min(LEAST, found[2])
                if not np.array_equal(before, self.chosen):
                    self._ready()
            self._go()

        self._later(work, done)


def _wrapped(pairs: np.ndarray, count: int) -> np.ndarray:
    """Pairs of numbers as pairs of what napari's cyclic color map takes them for."""
    low = (pairs - 1) % max(1, count - 1) + 1
    found: np.ndarray = low[low[:, 0] != low[:, 1]]
    return found


__all__ = ["Apart", "Elsewhere", "LatePart", "Scheme", "at_once"]
