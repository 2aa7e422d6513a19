"""Copies of a layer for further canvases: the same array, the same undo list, the same look. No Qt, no torch.

napari keeps in a layer what it shows of it, so a layer can be in one viewer only. A copy that shares the array can be in
another, with other axes on the screen, and napari's own tools work on it: brush, eraser, polygon, fill, pick. Whatever is
done on one of them holds for all. The layer itself stays the one that counts: its history tells of every step, wherever it
was painted, and what listens to its mouse or its keys hears of all canvases.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes
from napari.utils.events.event import WarningEmitter

from napari_segplugin.viewer.light import quick_outlines

if TYPE_CHECKING:
    from types import EllipsisType

    from napari.components import ViewerModel
    from napari.utils.events import Event

    Clickable: TypeAlias = Layer | ViewerModel
    Action: TypeAlias = Callable[..., object] | EllipsisType
    Keymap: TypeAlias = Mapping[object, Action]

_OWN = frozenset(
    {
        "cursor_size",
        "data",
        "extent",
        "features",
        "help",
        "loaded",
        "out_of_slice_display",
        "properties",
        "selected_data",
        "status",
        "thumbnail",
    }
)
"""What each copy works out for itself, what goes with the array, and what napari gives up."""
_LED = frozenset(
    {"axis_labels", "cursor", "editable", "locked", "metadata", "mouse_pan", "mouse_zoom", "name", "scale", "units"}
)
"""What copies take over from the layer, and never the other way round."""
_LOOKS = {
    Points: ("size", "face_color", "border_color", "border_width", "symbol", "shown"),
    Shapes: ("edge_width", "edge_color", "face_color", "z_index"),
}
"""What points and shapes have each for itself."""
_CANNOT = (AttributeError, IndexError, TypeError, ValueError)
"""What napari raises for the few attributes that not every layer takes, such as the limits of RGB or the size of no point."""
_HALFWAY = ("adding", "changing", "removing")
_MOUSE = ("mouse_drag_callbacks", "mouse_move_callbacks", "mouse_double_click_callbacks", "mouse_wheel_callbacks")
_OURS = ("napari_segplugin.viewer.planes", "napari_segplugin.viewer.twins")


def linked_names(layer: Layer) -> tuple[str, ...]:
    """The attributes of a layer that its copies have in common with it.

    Examples
    --------
    >>> names = linked_names(Labels(np.zeros((2, 3, 4), int)))
    >>> {"mode", "brush_size", "selected_label", "colormap", "opacity", "visible"} <= set(names), "data" in names
    (True, False)
    """
    kind = type(layer)
    current = (n for n, emitter in layer.events.emitters.items() if not isinstance(emitter, WarningEmitter))
    return tuple(n for n in current if n not in _OWN and getattr(getattr(kind, n, None), "fset", None) is not None)


def copy_of(layer: Layer) -> Layer:
    """A layer that shares the array of another one and looks like it."""
    data, state, kind = layer.as_layer_data_tuple()
    if isinstance(layer, Labels):  # its table is long, and nobody reads it on another canvas
        state = {k: v for k, v in state.items() if k not in ("features", "properties")}
    if isinstance(layer, Points | Shapes):
        data = [np.array(d) for d in data] if isinstance(layer, Shapes) else np.array(data)
    made: Layer = Layer.create(data, state, kind)
    for name in (n for n in linked_names(layer) if n not in state):
        with suppress(*_CANNOT):
            setattr(made, name, getattr(layer, name))
    if isinstance(made, Labels):
        quick_outlines(made)
    return made


class Twins:
    """A layer and its copies on further canvases.

    Parameters
    ----------
    layer : napari.layers.Layer
    number : int
        How many copies.
    cut : callable
        How a canvas cuts the layers, as something to compare: that of the layer itself (0), of the first copy (1) and so on. A
        layer that is drawn anew since it is cut elsewhere has not changed.

    Attributes
    ----------
    copies : tuple of napari.layers.Layer
    """

    def __init__(self, layer: Layer, number: int, cut: Callable[[int], object]) -> None:
        self.layer = layer
        self.copies = tuple(copy_of(layer) for _ in range(number))
        self.members = (layer, *self.copies)
        self._cut = cut
        self._seen = [cut(i) for i in range(len(self.members))]
        self._busy = self._drawing = False
        self._relays = [Relay(layer, copy) for copy in self.copies]
        self._links: list[tuple[object, Callable[..., None]]] = []
        for member in self.members:
            for name in linked_names(layer):
                self._link(member, name, self._on_attribute)
            self._link(member, "data", self._on_data)
            if _may_change(layer):
                self._link(member, "set_data", self._on_redraw)
                if isinstance(member, Labels):
                    self._link(member, "labels_update", self._on_redraw)
        if isinstance(layer, Labels):
            for copy in self.copies:
                self._link(copy, "paint", self._on_paint)
                vars(copy).update(undo=partial(_undo, layer), redo=partial(_redo, layer))
            self._link(layer, "editable", self._share_history)
            self._share_history()

    def _link(self, member: Layer, name: str, slot: Callable[..., None]) -> None:
        emitter = getattr(member.events, name)
        emitter.connect(slot)
        self._links.append((emitter, slot))

    def let_go(self) -> None:
        """Link the copies no longer."""
        for emitter, slot in self._links:
            with suppress(ValueError, RuntimeError):
                emitter.disconnect(slot)  # type: ignore[attr-defined]
        self._links.clear()
        for relay in self._relays:
            relay.let_go()

    def settle(self, canvas: int) -> None:
        """A canvas cuts the layers where it was to."""
        self._seen[canvas] = self._cut(canvas)

    # --- attributes -----------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _others(self, source: Layer) -> Iterator[Layer]:
        return (m for m in self.members if m is not source)

    def _on_attribute(self, event: Event) -> None:
        source, name = event.source, event.type
        if self._busy or (name in _LED and source is not self.layer):
            return
        value = getattr(source, name)
        with self._alone():
            for other in self._others(source):
                if name == "affine" and source is self.layer:
                    other.metadata = source.metadata  # it says where the patient lies, and has to fit
                if any(isinstance(source, kind) and name in looks for kind, looks in _LOOKS.items()) and (
                    len(other.data) != len(source.data)
                ):
                    continue  # comes with the elements
                with suppress(*_CANNOT):
                    setattr(other, name, value)

    def _on_data(self, event: Event) -> None:
        source = event.source
        action = getattr(event, "action", "changed")
        if self._busy or str(getattr(action, "value", action)) in _HALFWAY:
            return
        with self._alone():
            for other in self._others(source):
                if isinstance(source, Points | Shapes):
                    _take_elements(source, cast("Points | Shapes", other))
                elif source is self.layer and other.data is not source.data:
                    other.data = source.data

    # --- voxels ---------------------------------------------------------------------------------------------------

    def _on_redraw(self, event: Event) -> None:
        source = event.source
        canvas = next(i for i, m in enumerate(self.members) if m is source)
        if event.type == "set_data" and self._cut(canvas) != self._seen[canvas]:
            self.settle(canvas)
            return
        if self._drawing:
            return
        self._drawing = True
        try:
            for other in self._others(source):
                other.refresh(extent=False, thumbnail=other is self.layer and event.type == "set_data")
        finally:
            self._drawing = False

    def _on_paint(self, event: Event) -> None:
        """A copy was painted, and the step lies on the common undo list: the layer tells of it."""
        self.layer.events.paint(value=event.value)

    def _share_history(self, event: Event | None = None) -> None:
        """One undo list for all; napari makes another one when a layer is locked."""
        for copy in self.copies:
            for name in HISTORY:
                setattr(copy, name, getattr(self.layer, name))


HISTORY = ("_undo_history", "_redo_history")
"""Where napari keeps the steps of a Labels layer; it has no public way to two layers over one array."""


def _undo(layer: Labels) -> None:
    layer.undo()


def _redo(layer: Labels) -> None:
    layer.redo()


def _may_change(layer: Layer) -> bool:
    """Whether the voxels of a layer change in place, or are read quickly enough to look again."""
    return isinstance(layer, Image | Labels) and not layer.multiscale and not hasattr(layer.data, "dask")


def _take_elements(source: Points | Shapes, target: Points | Shapes) -> None:
    """Give one layer the points or shapes of another, each with its looks."""
    target.selected_data = set()
    if isinstance(source, Shapes):
        target.data = [(np.array(d), kind) for d, kind in zip(source.data, source.shape_type, strict=True)]
    else:
        target.data = np.array(source.data)
    if len(source.data):
        for name in next(looks for kind, looks in _LOOKS.items() if isinstance(source, kind)):
            with suppress(*_CANNOT):
                setattr(target, name, getattr(source, name))


# --- mouse and keys ---------------------------------------------------------------------------------------------------


def _added(callback: Callable[..., object]) -> bool:
    """Whether a callback was added by somebody, and is not one of napari's own, which every copy has for itself."""
    while isinstance(callback, partial):
        callback = callback.func
    module = str(getattr(callback, "__module__", "") or "")
    return module.partition(".")[0] != "napari" and module not in _OURS


class Relay:
    """Lets what listens to the mouse on a layer, or on a viewer, hear of another canvas too.

    The position that they are told is the same point of the world.

    Parameters
    ----------
    source : napari.layers.Layer or napari.Viewer
        Whose callbacks are called, as if the mouse were over it.
    target : napari.layers.Layer or napari.components.ViewerModel
        On the other canvas.
    """

    def __init__(self, source: Clickable, target: Clickable) -> None:
        self._source, self._target = source, target
        self._slots = (self._on_drag, self._on_move, self._on_double_click, self._on_wheel)
        for name, slot in zip(_MOUSE, self._slots, strict=True):
            getattr(target, name).append(slot)

    def let_go(self) -> None:
        """Hear no longer."""
        for name, slot in zip(_MOUSE, self._slots, strict=True):
            with suppress(ValueError):
                getattr(self._target, name).remove(slot)

    def _call(self, name: str, event: Event) -> list[Iterator[None]]:
        """Call everybody; those who go on until the button is released are given back."""
        found = [c(self._source, event) for c in tuple(getattr(self._source, name)) if _added(c)]
        return [cast("Iterator[None]", f) for f in found if inspect.isgenerator(f)]

    def _on_drag(self, _: Clickable, event: Event) -> Iterator[None]:
        running = _going_on(self._call(_MOUSE[0], event))
        while running:
            yield
            running = _going_on(running)

    def _on_move(self, _: Clickable, event: Event) -> None:
        self._call(_MOUSE[1], event)

    def _on_double_click(self, _: Clickable, event: Event) -> None:
        self._call(_MOUSE[2], event)

    def _on_wheel(self, _: Clickable, event: Event) -> None:
        _going_on(self._call(_MOUSE[3], event))


def _going_on(running: Iterable[Iterator[None]]) -> list[Iterator[None]]:
    """Advance all; those that are not at their end."""
    ended = object()
    return [r for r in running if next(r, ended) is not ended]


class Keys:
    """The keys of a layer or viewer for another canvas, as napari's key handler wants them.

    Parameters
    ----------
    keymaps : sequence of (dict, object)
        Keys with their actions, and what the actions are called with; the first that knows a key has it.
    """

    def __init__(self, keymaps: Callable[[], Sequence[tuple[Keymap, object]]]) -> None:
        self._keymaps = keymaps

    @property
    def keymap(self) -> dict[object, Action]:
        """The actions, each to be called with whatever napari likes."""
        found: dict[object, Action] = {}
        for keymap, owner in self._keymaps():
            for key, action in keymap.items():
                found.setdefault(key, _for(action, owner))
        return found


def _for(action: Action, owner: object) -> Action:
    """An action that is called with its owner, whoever calls; napari's word for "nothing" (...) stays."""
    if not callable(action):
        return action
    if inspect.isgeneratorfunction(action):

        def hold(_: object) -> Iterator[None]:
            yield from action(owner)

        return hold

    def press(_: object) -> object:
        return action(owner)

    return press


__all__ = ["HISTORY", "Keys", "Relay", "Twins", "copy_of", "linked_names"]
