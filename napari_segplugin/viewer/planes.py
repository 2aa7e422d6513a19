"""Three planes of a volume at once, cut where they meet: the canvas of the viewer and two further ones. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import napari
import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import show_info
from psygnal import Signal

from napari_segplugin.core import InputError
from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.focus import camera_of, take_in_hand
from napari_segplugin.viewer.looks import PlaneLook, canvas_size, plane_orders
from napari_segplugin.viewer.pointer import FAR
from napari_segplugin.viewer.twins import HISTORY, Keys, Relay, Twins

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event

    from napari_segplugin.viewer.twins import Keymap

NUMBER = 2
"""Canvases beside that of the viewer."""
_OWN_KEYS = ("increment_dims_left", "increment_dims_right", "reset_view")
"""Keys of napari's viewer that mean the canvas over which they are pressed; the others mean the viewer."""
_MOVES = ("point", "order", "ndisplay", "ndim", "margin_left", "margin_right")


def unsupported() -> str:
    """Why this napari cannot show three linked planes, as a sentence; empty where it can.

    Examples
    --------
    >>> unsupported()
    ''
    """
    probe = Labels(np.zeros((1, 1), np.uint8))
    wanted = [*HISTORY, "undo", "redo", "mouse_drag_callbacks"]
    missing = [n for n in wanted if not hasattr(probe, n)]
    missing += [n for n in ("paint", "labels_update", "set_data") if n not in probe.events.emitters]
    if not missing:
        return ""
    return (
        f"napari {napari.__version__} cannot show three linked planes, because its labels have no {missing[0]}. "
        "One plane works. Install napari 0.7 to 0.9 for three."
    )


class LinkedPlanes:
    """A viewer and two more, each cutting another axis of the volume; what is done in one holds in all.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    viewers : tuple of napari.components.ViewerModel
        The viewer and the two others, which need a canvas each.
    moved : signal
        Emitted when the planes meet at another point.
    """

    moved = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.others = tuple(ViewerModel(title=f"plane {i + 2}") for i in range(NUMBER))
        self.viewers = (viewer, *self.others)
        self.linked = False
        self._twins: dict[int, Twins] = {}
        self._busy = False
        self._relays: list[Relay] = []

    # --- linking --------------------------------------------------------------------------------------------------

    def link(self) -> None:
        """Show what the viewer shows, from now on.

        Raises
        ------
        InputError
            If the viewer has no volume.
        """
        if self.viewer.dims.ndim < 3:
            raise InputError(
                "Three planes need a volume.",
                got="an image of two dimensions",
                hint="Open an image with several planes",
            )
        if self.linked:
            return
        self.linked = True
        self._relays = [Relay(self.viewer, other) for other in self.others]
        self._connect(True)
        for viewer in self.viewers:
            viewer.mouse_drag_callbacks.append(self._on_press)
            viewer.mouse_move_callbacks.append(self._on_hover)
        dims = self.viewer.dims
        with self._alone():
            for other, order in zip(self.others, plane_orders(dims.order), strict=True):
                other.dims.ndim = dims.ndim
                other.dims.order = order  # before there are layers, which would be cut twice
        for i, layer in enumerate(self.viewer.layers):
            self._add(i, layer)
        lead = compass_of(self.viewer)
        for other in self.others:
            compass_of(other).follow(lead)
        self._align()
        self._on_theme()
        for other in self.others:
            other.reset_view()

    def unlink(self) -> None:
        """Go back to the one canvas; the others are empty."""
        if not self.linked:
            return
        self.linked = False
        take_in_hand(self.viewer, self.viewer)
        self._connect(False)
        for relay in self._relays:
            relay.let_go()
        for viewer in self.viewers:
            for callbacks, slot in (
                (viewer.mouse_drag_callbacks, self._on_press),
                (viewer.mouse_move_callbacks, self._on_hover),
            ):
                with suppress(ValueError):
                    callbacks.remove(slot)
        with self._alone():
            for twins in self._twins.values():
                twins.let_go()
            self._twins.clear()
            for other in self.others:
                other.layers.clear()

    def _connect(self, on: bool) -> None:
        """Follow the viewers, or no longer."""
        main = self.viewer
        pairs = [(main.layers.events.inserted, self._on_inserted), (main.layers.events.removed, self._on_removed)]
        pairs += [(main.layers.events.reordered, self._arrange), (main.events.theme, self._on_theme)]
        pairs += [(getattr(main.dims.events, n), self._align) for n in ("order", "ndim", "axis_labels")]
        pairs += [(getattr(main.dims.events, n), self._on_margin) for n in ("margin_left", "margin_right")]
        for viewer in self.viewers:
            pairs += [(viewer.dims.events.point, self._on_point)]
            pairs += [(viewer.layers.selection.events.active, self._on_active)]
            pairs += [(getattr(viewer.dims.events, n), self._on_rest) for n in _MOVES]
        for event, slot in pairs:
            event.connect(slot) if on else event.disconnect(slot)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    # --- layers ---------------------------------------------------------------------------------------------------

    def twins_of(self, layer: Layer) -> Twins | None:
        """A layer of the viewer with its copies; None where it has none."""
        found = self._twins.get(id(layer))
        return found if found is not None and found.layer is layer else None

    def _add(self, index: int, layer: Layer) -> None:
        with self._alone():
            try:
                twins = Twins(layer, NUMBER, self._cut)
            except (TypeError, ValueError, AttributeError) as error:  # of a kind that another plugin has made
                show_info(f"'{layer.name}' is not shown on the other planes: {error}")
                return
            self._twins[id(layer)] = twins
            for other, copy in zip(self.others, twins.copies, strict=True):
                other.layers.insert(min(index, len(other.layers)), copy)
            self._arrange()

    def _on_inserted(self, event: Event) -> None:
        self._add(event.index, event.value)
        self._align()

    def _on_removed(self, event: Event) -> None:
        twins = self._twins.pop(id(event.value), None)
        if twins is None:
            return
        twins.let_go()
        with self._alone():
            for other, copy in zip(self.others, twins.copies, strict=True):
                other.layers.remove(copy)
        self._align()

    def _arrange(self, event: Event | None = None) -> None:
        """The same order of the layers everywhere, and the same chosen ones."""
        chosen = [self._twins[id(a)] for a in self.viewer.layers.selection if id(a) in self._twins]
        active = self.viewer.layers.selection.active
        there = [self._twins[id(a)] for a in self.viewer.layers if id(a) in self._twins]
        with self._alone():
            for number, other in enumerate(self.others):
                for i, twins in enumerate(there):
                    if other.layers[i] is not twins.copies[number]:
                        other.layers.move_multiple([other.layers.index(twins.copies[number])], i)
                other.layers.selection.clear()
                other.layers.selection.update(t.copies[number] for t in chosen)
                other.layers.selection.active = next((t.copies[number] for t in chosen if t.layer is active), None)

    def _on_active(self, event: Event) -> None:
        """Another layer was chosen, here or there."""
        if self._busy:
            return
        source = next(v for v in self.viewers if v.layers.selection is event.source)
        if source is not self.viewer:
            found = next((t.layer for t in self._twins.values() if any(c is event.value for c in t.copies)), None)
            with self._alone():
                self.viewer.layers.selection.active = found
        self._arrange()

    # --- planes ---------------------------------------------------------------------------------------------------

    def _cut(self, canvas: int) -> tuple[object, ...]:
        """How a canvas cuts the layers."""
        dims = self.viewers[canvas].dims
        return tuple(getattr(dims, name) for name in _MOVES)

    def _on_rest(self, event: Event) -> None:
        """A canvas was moved, and napari, which is told first, has drawn it."""
        for twins in self._twins.values():
            twins.settle(self._number(event))

    def _number(self, event: Event) -> int:
        return next(i for i, v in enumerate(self.viewers) if v.dims is event.source)

    def _align(self, event: Event | None = None) -> None:
        """Each canvas cuts its axis, at the common point."""
        dims = self.viewer.dims
        orders = plane_orders(dims.order) if dims.ndim > 2 else (dims.order,) * NUMBER
        with self._alone():
            for other, order in zip(self.others, orders, strict=True):
                if other.dims.ndim == dims.ndim:
                    other.dims.axis_labels = dims.axis_labels
                    other.dims.order = order
                    other.dims.point = dims.point
        self.moved.emit()

    def _on_margin(self, event: Event) -> None:
        for other in self.others:
            if other.dims.ndim == self.viewer.dims.ndim:
                setattr(other.dims, event.type, getattr(self.viewer.dims, event.type))

    def _on_point(self, event: Event) -> None:
        if self._busy:
            return
        source = self.viewers[self._number(event)]
        with self._alone():
            for viewer in self.viewers:
                if viewer is not source and viewer.dims.ndim == source.dims.ndim:
                    viewer.dims.point = source.dims.point
                    self._keep_in_view(viewer)
        self.moved.emit()

    def _keep_in_view(self, viewer: ViewerModel) -> None:
        """Pan so that the point where the planes meet does not leave the canvas."""
        look = self.look(self.viewers.index(viewer))
        if viewer.dims.ndisplay != 2 or min(canvas_size(viewer)) < 2:
            return
        at = np.array([look.point[d] for d in look.shown])
        if np.any(at < look.low) or np.any(at > look.high):
            camera_of(viewer).center = (0.0, *at.tolist())

    def go_to(self, point: Sequence[float]) -> None:
        """Let the planes meet in the voxel at a point.

        Parameters
        ----------
        point : sequence of float
            In world coordinates, along all axes of the viewer.
        """
        dims = self.viewer.dims
        found = []
        for at, axis in zip(point, dims.range, strict=True):
            steps = np.clip(
                round((at - axis.start) / (axis.step or 1)), 0, (axis.stop - axis.start) // (axis.step or 1)
            )
            found.append(float(axis.start + steps * axis.step))
        dims.point = tuple(found)

    def look(self, canvas: int) -> PlaneLook:
        """What is seen on a canvas."""
        viewer = self.viewers[canvas]
        dims, camera = viewer.dims, camera_of(viewer)
        middle, half = np.array(camera.center[-2:], float), np.array(canvas_size(viewer), float) / 2 / camera.zoom
        shown = tuple(int(d) for d in dims.order[-2:])
        return PlaneLook(
            canvas,
            int(dims.order[-3]) if dims.ndim > 2 else -1,
            shown,
            tuple(float(p) for p in dims.point),
            tuple((middle - half).tolist()),
            tuple((middle + half).tolist()),
        )

    def _on_theme(self, event: Event | None = None) -> None:
        for other in self.others:
            other.theme = self.viewer.theme

    # --- mouse and keys -------------------------------------------------------------------------------------------

    def _on_press(self, viewer: ViewerModel, event: Event) -> Iterator[None]:
        """A click that does nothing to the layer in hand moves the planes; one that paints leaves them."""
        take_in_hand(self.viewer, viewer)
        active = viewer.layers.selection.active
        if event.button != 1 or viewer.dims.ndisplay != 2 or (active is not None and str(active.mode) != "pan_zoom"):
            return
        begin, place = np.array(event.pos, float), tuple(event.position)
        yield
        while event.type == "mouse_move":
            if np.abs(np.array(event.pos, float) - begin).max() > FAR:
                return
            yield
        self.go_to(place)

    def _on_hover(self, viewer: ViewerModel, event: Event) -> None:
        """With Shift held the planes follow the mouse, whatever tool is in hand."""
        if tuple(event.modifiers) == ("Shift",) and viewer.dims.ndisplay == 2:
            self.go_to(event.position)

    def keys_of(self, canvas: int) -> list[object]:
        """Whose keys are heard over one of the other canvases, in the order in which napari's key handler asks them."""
        active = self.viewer.layers.selection.active
        twins = None if active is None else self.twins_of(active)
        ours = [] if active is None else [Keys(lambda: [(active.keymap, active)])]
        copy = [] if twins is None else [twins.copies[canvas - 1]]
        return [*ours, *copy, Keys(lambda: self._viewer_keys(canvas))]

    def _viewer_keys(self, canvas: int) -> list[tuple[Keymap, object]]:
        main, other = self.viewer, self.viewers[canvas]
        found: list[tuple[Keymap, object]] = [(main.keymap, main)]
        for kind in type(main).__mro__:
            keymap = cast("Keymap", getattr(kind, "class_keymap", {}))
            own = {k: a for k, a in keymap.items() if getattr(a, "__name__", "") in _OWN_KEYS}
            found += [(own, other), ({k: a for k, a in keymap.items() if k not in own}, main)]
        return found


__all__ = ["LinkedPlanes", "unsupported"]
