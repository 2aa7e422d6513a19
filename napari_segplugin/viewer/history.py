"""What happens on the undo list of a Labels layer, told step by step. No Qt, no torch.

napari tells when a step is done (its `paint` event carries the step) and not when one is taken back or done again. Here
the layer's own `undo` and `redo` are followed, so that a table beside the labels, a journal or a count can go along, whoever
calls them: a key, a menu, a script.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypedDict, cast

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from napari_segplugin.core import Box, Segmentation
from napari_segplugin.viewer.table import TableRow

if TYPE_CHECKING:
    from napari.utils.events import Event
    from pandas import DataFrame

    from napari_segplugin.engine.track.track import Tracking

LIMIT = 100
"""Steps that napari keeps."""


class EditNote(TypedDict, total=False):
    """What goes along with the voxels of a step."""

    kind: str
    parents: dict[int, int]
    rows: dict[int, TableRow]
    won: dict[int, int]
    table: dict[int, tuple[TableRow | None, TableRow | None]]
    tracking: tuple[Tracking | None, Tracking]
    segmentation: tuple[Segmentation, Segmentation]
    features: tuple[DataFrame, DataFrame]


class BoxAtom(Protocol):
    """A record of napari since 0.8: a box, which voxels of it changed, their values before and after."""

    slice_key: tuple[slice, ...]
    mask: np.ndarray | None
    old_values: np.ndarray
    new_value: np.ndarray | int


Atom: TypeAlias = tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray | int] | BoxAtom
"""A record of napari's undo list; before 0.8 a list of voxels, their values before and after."""


@dataclass(eq=False)
class Delta:
    """Voxels that changed together.

    Where they are is worked out when it is asked for: a fill of millions of voxels is counted without that.

    Parameters
    ----------
    find : callable
        Gives the voxels, one array an axis.
    old : (N,) ndarray of int
        Their values before.
    new : int or (N,) ndarray of int
        Their values after.
    box : tuple of slice, optional
        The box around them, where it is known.
    """

    find: Callable[[], tuple[np.ndarray, ...]]
    old: np.ndarray
    new: np.ndarray | int
    box: Box | None = None

    @cached_property
    def indices(self) -> tuple[np.ndarray, ...]:
        """The voxels, one array an axis."""
        return self.find()

    def __iter__(self) -> Iterator[Any]:
        """Where, before, after."""
        return iter((self.indices, self.old, self.new))


@dataclass(eq=False)
class EditStep:
    """One item of the undo list.

    Parameters
    ----------
    item : list
        napari's own record; the arrays in it are shared, not copied.
    note : dict
        Whatever goes along with the voxels.
    """

    item: list[Atom]
    note: EditNote = field(default_factory=EditNote)

    @property
    def extent(self) -> int:
        """About how many voxels it has, told at once: those of the boxes in which it changed some."""
        return sum(_extent(atom) for atom in self.item)

    def deltas(self, back: bool = False) -> Iterator[Delta]:
        """The changes in the order in which they happened; with `back` those that take them back, in that order."""
        for atom in reversed(self.item) if back else self.item:
            delta = _delta(atom)
            yield Delta(delta.find, _full(delta), delta.old, delta.box) if back else delta

    @property
    def voxels(self) -> int:
        """How many voxels changed; one that changed twice counts twice."""
        return sum(d.old.size for d in self.deltas())


def _extent(atom: Atom) -> int:
    if not hasattr(atom, "slice_key"):
        return int(np.size(atom[1]))
    return int(np.prod([s.stop - (s.start or 0) for s in cast("BoxAtom", atom).slice_key]))


def _delta(atom: Atom) -> Delta:
    """One record of napari: a list of voxels, or since napari 0.8 a box with a mask."""
    if not hasattr(atom, "slice_key"):
        indices, old, new = atom
        return Delta(lambda: tuple(np.asarray(i) for i in indices), np.asarray(old), _value(new))
    found_in = cast("BoxAtom", atom)
    key, mask, old = found_in.slice_key, found_in.mask, np.asarray(found_in.old_values)
    box = tuple(slice(s.start or 0, s.stop) for s in key)
    shape = tuple(s.stop - s.start for s in box)
    if mask is None:
        old = np.broadcast_to(old, shape).ravel()

    def find() -> tuple[np.ndarray, ...]:
        found = np.nonzero(np.ones(shape, bool) if mask is None else mask)
        return tuple(f + s.start for f, s in zip(found, box, strict=True))

    return Delta(find, old, _value(found_in.new_value), box)


def _value(value: np.ndarray | int) -> np.ndarray | int:
    array = np.asarray(value)
    return int(array) if array.ndim == 0 else array


def _full(delta: Delta) -> np.ndarray:
    return np.broadcast_to(np.asarray(delta.new, delta.old.dtype), delta.old.shape)


class LayerHistory:
    """Follows the undo list of a layer.

    Parameters
    ----------
    layer : napari.layers.Labels

    Attributes
    ----------
    done, undone, redone : signal
        Emitted with the :class:`EditStep`. The voxels have changed by then, but for a single `paint` or `fill` of a script,
        of which napari tells before it writes.
    forgotten : signal
        Emitted when the list was emptied.
    """

    done = Signal(EditStep)
    undone = Signal(EditStep)
    redone = Signal(EditStep)
    forgotten = Signal()

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self._past: deque[EditStep] = deque(maxlen=LIMIT)
        self._future: deque[EditStep] = deque(maxlen=LIMIT)
        self._note: EditNote = {}
        self._replayed = False
        layer.events.paint.connect(self._on_paint)
        layer.events.editable.connect(self._on_editable)
        for event in (layer.events.set_data, layer.events.reload):
            event.connect(self._on_redraw)
        self._usual: dict[str, Callable[[], None]] = {}
        self._follow("undo", self._after_undo)
        self._follow("redo", self._after_redo)

    @property
    def past(self) -> tuple[EditStep, ...]:
        """Steps that can be undone, oldest first."""
        return tuple(self._past)

    @property
    def future(self) -> tuple[EditStep, ...]:
        """Steps that can be done again, the next one last."""
        return tuple(self._future)

    def take_over(self, past: Iterable[EditStep], future: Iterable[EditStep]) -> None:
        """Know steps that are on the undo list of the layer already."""
        self._past.extend(past)
        self._future.extend(future)

    def detach(self) -> None:
        """Follow no longer."""
        events = self.layer.events
        for event, slot in (
            (events.paint, self._on_paint),
            (events.editable, self._on_editable),
            (events.set_data, self._on_redraw),
            (events.reload, self._on_redraw),
        ):
            with suppress(ValueError, RuntimeError):
                event.disconnect(slot)
        for name in ("undo", "redo"):
            self._unfollow(name)

    def write(
        self, indices: tuple[np.ndarray, ...], values: np.ndarray | int, note: EditNote, refresh: bool = True
    ) -> None:
        """Change voxels as one step, through the layer's public history.

        Parameters
        ----------
        indices : tuple of ndarray of int
            One array an axis.
        values : int or ndarray of int
        note : dict
            Becomes the note of the step.
        refresh : bool
            Whether the layer is drawn anew.
        """
        self._note = note
        try:
            # in a block napari tells of the step when the voxels are written, not before
            with self.layer.block_history():
                self.layer.data_setitem(indices, values, refresh=refresh)
        finally:
            self._note = {}

    def mark(self, note: EditNote) -> None:
        """Add a step without a change of voxels: one voxel is turned there and back.

        napari's list holds voxels only; this is how a change of the table gets a place in it.
        """
        layer = self.layer
        corner = tuple(np.zeros(1, np.int32) for _ in range(layer.ndim))
        value = int(np.asarray(layer.data[corner])[0])
        self._note = note
        try:
            with layer.block_history():
                layer.data_setitem(corner, value - 1 if value else 1, refresh=False)
                layer.data_setitem(corner, value)
        finally:
            self._note = {}

    # --- following ------------------------------------------------------------------------------------------------

    def _follow(self, name: str, after: Callable[[], None]) -> None:
        self._usual[name] = getattr(self.layer, name)

        def replay() -> None:
            self._replayed = False
            self._usual[name]()
            # a layer that is hidden is not drawn anew, so it does not tell whether there was something to replay
            if self._replayed or not self.layer.visible:
                after()
            elif name == "undo":
                self._past.clear()
            else:
                self._future.clear()

        replay.owner = self  # type: ignore[attr-defined]
        setattr(self.layer, name, replay)

    def _unfollow(self, name: str) -> None:
        """Step out of the row of those who follow; the others go on following."""
        above: LayerHistory | None = None
        owner = getattr(vars(self.layer).get(name), "owner", None)
        while isinstance(owner, LayerHistory) and owner is not self:
            above, owner = owner, getattr(owner._usual[name], "owner", None)
        if owner is not self:
            return
        if above is not None:
            above._usual[name] = self._usual[name]
        elif hasattr(self._usual[name], "owner"):
            setattr(self.layer, name, self._usual[name])
        else:
            delattr(self.layer, name)

    def _on_redraw(self, event: Event | None = None) -> None:
        self._replayed = True

    def _on_paint(self, event: Event) -> None:
        step = EditStep(list(event.value), self._note.copy())
        self._past.append(step)
        self._future.clear()
        self.done.emit(step)

    def _after_undo(self) -> None:
        if self._past:
            step = self._past.pop()
            self._future.append(step)
            self.undone.emit(step)

    def _after_redo(self) -> None:
        if self._future:
            step = self._future.pop()
            self._past.append(step)
            self.redone.emit(step)

    def _on_editable(self, event: Event | None = None) -> None:
        # napari empties its list when a layer stops being editable
        if not self.layer.editable:
            self._past.clear()
            self._future.clear()
            self.forgotten.emit()


__all__ = ["Delta", "EditNote", "EditStep", "LayerHistory"]
