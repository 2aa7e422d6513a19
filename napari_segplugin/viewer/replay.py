"""Steps that were kept, done again on an array: what came of them, and what can be undone and redone. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from napari.layers import Labels

from napari_segplugin.data.packed import unpack_voxels
from napari_segplugin.viewer.history import LIMIT, EditNote, EditStep, LayerHistory
from napari_segplugin.viewer.records import Record
from napari_segplugin.viewer.table import TableRow

MOST_VOXELS = 16_000_000
"""Voxels of all steps together that can be undone after a restart: with the values before and after, 400 MB at most."""


@dataclass(eq=False)
class KeptStep:
    """A step with what was there before.

    Parameters
    ----------
    flat : (N,) ndarray of int64
        Voxels that changed, counted in C order.
    old, new : (N,) ndarray of int
    kind : str
        One word for what was done; empty for painting by hand.
    rows : dict of int to pair
        Rows of the table before and after.
    """

    flat: np.ndarray
    old: np.ndarray
    new: np.ndarray
    kind: str = ""
    rows: dict[int, tuple[TableRow | None, TableRow | None]] = field(default_factory=dict)


class Steps(NamedTuple):
    """Steps that can be undone, oldest first, and that can be redone, the next one last."""

    past: tuple[KeptStep, ...] = ()
    future: tuple[KeptStep, ...] = ()


class History(NamedTuple):
    """The same for a layer whose undo list holds them."""

    past: tuple[EditStep, ...] = ()
    future: tuple[EditStep, ...] = ()


class Replay:
    """Does the steps of a layer again.

    Parameters
    ----------
    array : ndarray of int
        The voxels before the first step, in the order of the layer; they are changed.
    row : callable, optional
        The row that an object had before the first step.
    """

    def __init__(self, array: np.ndarray, row: Callable[[int], TableRow | None] = lambda _: None) -> None:
        self.array, self._row = array, row
        self.rows: dict[int, TableRow | None] = {}
        self._past: list[KeptStep] = []
        self._future: list[KeptStep] = []

    @property
    def steps(self) -> Steps:
        """What can be undone and redone."""
        return Steps(tuple(self._past), tuple(self._future))

    def forget(self) -> None:
        """What was done so far cannot be undone: a record is missing, or the voxels were replaced as a whole."""
        self._past, self._future = [], []

    def take(self, record: Record) -> None:
        """Do a step again, or take one back."""
        header = record.header
        if tuple(header["shape"]) != self.array.shape:
            self.forget()
            return  # made under another reading of the axes
        flat, values = unpack_voxels(header, record.payload)
        if header.get("whole"):
            self.array[...] = 0
        index = np.unravel_index(flat, self.array.shape)
        old = self.array[index]
        self.array[index] = values.astype(self.array.dtype)
        rows = {int(n): _row(row) for n, row in header.get("rows", {}).items()}
        pairs = {n: (self.rows[n] if n in self.rows else self._row(n), row) for n, row in rows.items()}
        self.rows.update(rows)
        if header.get("whole") or header.get("alone"):
            self.forget()
        elif header.get("back"):
            self._move(self._past, self._future, "old")
        elif header.get("again"):
            self._move(self._future, self._past, "new")
        else:
            changed = old != self.array[index]
            if changed.any() or pairs:
                kind = str(header.get("what", ""))
                self._past.append(KeptStep(flat[changed], old[changed], self.array[index][changed], kind, pairs))
            self._future = []
            del self._past[:-LIMIT]
            while sum(len(s.flat) for s in self._past) > MOST_VOXELS:
                del self._past[0]

    def _move(self, source: list[KeptStep], target: list[KeptStep], side: str) -> None:
        """A step changed sides, if it is the one that is known: it may be older than that, or one of another view."""
        step = source[-1] if source else None
        if step is None or (self.array[np.unravel_index(step.flat, self.array.shape)] != getattr(step, side)).any():
            self.forget()
        else:
            target.append(source.pop())


def put_on(layer: Labels, steps: Steps) -> History:
    """Bring steps onto the undo list of a layer that shows what came of them.

    Only the public ways of the layer are used: it goes back to what it was before the first step, and does them again. The
    layer is not in a viewer yet, so this may be done in a worker.

    Parameters
    ----------
    layer : napari.layers.Labels
        Its array is in memory.
    steps : Steps

    Returns
    -------
    History
        For :meth:`napari_segplugin.viewer.history.LayerHistory.take_over`.
    """
    data = np.asarray(layer.data)
    if not steps.past and not steps.future:
        return History()
    for step in reversed(steps.past):
        data[np.unravel_index(step.flat, data.shape)] = step.old
    history = LayerHistory(layer)
    try:
        for step in (*steps.past, *reversed(steps.future)):
            note: EditNote = {"kind": step.kind, "table": step.rows}
            if len(step.flat):
                index = np.unravel_index(step.flat, data.shape)
                history.write(index, step.new.astype(data.dtype), note, refresh=False)
            else:
                history.mark(note)
        for _ in steps.future:
            layer.undo()
        return History(history.past, history.future)
    finally:
        history.detach()
        layer.refresh()


def _row(row: TableRow | None) -> TableRow | None:
    """A row as the table has it; JSON has no NaN."""
    return None if row is None else {k: float("nan") if v is None else v for k, v in row.items()}


__all__ = ["MOST_VOXELS", "History", "KeptStep", "Replay", "Steps", "put_on"]
