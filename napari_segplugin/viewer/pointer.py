"""The mouse on a label layer: a click picks an object; while a tool is in hand, clicks and drawn lines go to the tool.

No Qt, no torch. The camera stays where it is while a line is drawn, and the layer stays selected, so that Ctrl+Z goes on
meaning its undo list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Shapes
from psygnal import Signal

from napari_segplugin.viewer.focus import camera_of, in_hand
from napari_segplugin.viewer.technical import add_hidden

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

DRAWING = "edit line"
COLOR = "#f0e442"
FAR = 4
"""Pixels of the screen that the mouse may move in a click."""


class Pointer:
    """Follows the mouse on a layer.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels

    Attributes
    ----------
    picked : signal
        Emitted with the voxel (D,) of a click and whether Ctrl (on a Mac: Command) was held, while no tool is in hand and the
        layer moves the camera.
    clicked : signal
        Emitted with the voxel of a click and whether Shift was held, while a tool is in hand.
    drawn : signal
        Emitted with the points (P, D) of a line while a tool is in hand.
    dropped : signal
        Emitted when another tool of the layer was taken.
    """

    picked = Signal(object, bool)
    clicked = Signal(object, bool)
    drawn = Signal(object)
    dropped = Signal()

    def __init__(self, viewer: ViewerModel, layer: Labels) -> None:
        self.viewer, self.layer = viewer, layer
        self._shape = ""
        self._drawing: Shapes | None = None
        self._marks: list[np.ndarray] = []
        layer.mouse_drag_callbacks.append(self._on_drag)
        layer.events.mode.connect(self._on_mode)

    def detach(self) -> None:
        """Follow no longer."""
        self.drop()
        with suppress(ValueError):
            self.layer.mouse_drag_callbacks.remove(self._on_drag)
        self.layer.events.mode.disconnect(self._on_mode)

    @property
    def armed(self) -> bool:
        """Whether a tool is in hand."""
        return bool(self._shape)

    def take(self, shape: str) -> None:
        """Take a tool that draws: "path" or "rectangle"."""
        self.drop()
        viewer, layer = self.viewer, self.layer
        if viewer.dims.ndisplay != 2:
            viewer.dims.ndisplay = 2
        layer.mode = "pan_zoom"
        self._shape = shape
        self._drawing = Shapes(
            ndim=layer.ndim,
            name=DRAWING,
            face_color="transparent",
            edge_color=COLOR,
            scale=layer.scale,
            translate=layer.translate,
            rotate=layer.rotate,
            shear=layer.shear,
            affine=layer.affine,
            units=layer.units,
            axis_labels=layer.axis_labels,
            metadata={"segplugin": {"role": "drawing"}},
        )
        add_hidden(viewer, self._drawing)
        viewer.layers.selection.active = layer
        layer.mouse_pan = False
        layer.cursor = "cross"

    def drop(self) -> None:
        """Put the tool away."""
        if not self._shape:
            return
        self._shape = ""
        self._marks = []
        drawing, self._drawing = self._drawing, None
        if drawing is not None and any(a is drawing for a in self.viewer.layers):
            self.viewer.layers.remove(drawing)
        if self.layer.mode == "pan_zoom":
            self.layer.mouse_pan = True
            self.layer.cursor = "standard"

    def mark(self, points: Sequence[np.ndarray]) -> None:
        """Show points as small circles."""
        self._marks = [np.asarray(p, float) for p in points]
        self._show(None)

    def shown_axes(self) -> tuple[int, int]:
        """The two axes of the layer that are on the screen, rows first; of several canvases, on the one that is worked on."""
        offset = self.viewer.dims.ndim - self.layer.ndim
        first, last = in_hand(self.viewer).dims.displayed[-2:]
        return int(first) - offset, int(last) - offset

    # --- following ------------------------------------------------------------------------------------------------

    def _on_mode(self, event: Event | None = None) -> None:
        if self._shape and self.layer.mode != "pan_zoom":
            self.drop()
            self.dropped.emit()

    def _on_drag(self, layer: Labels, event: Event) -> Iterator[None]:
        if event.button != 1 or (not self._shape and layer.mode != "pan_zoom"):
            return
        begin = np.array(event.pos, float)
        points = [self._voxel(event)]
        keys = tuple(event.modifiers)  # of vispy, which equal their names
        shift, more = "Shift" in keys, "Control" in keys or "Meta" in keys
        far = False
        yield
        while event.type == "mouse_move":
            far = far or bool(np.abs(np.array(event.pos, float) - begin).max() > FAR)
            if self._shape and far:
                points.append(self._voxel(event))
                self._show(np.array(points))
            yield
        if not self._shape:
            if not far:
                self.picked.emit(points[0], more)
        elif far and len(points) > 1:
            self._show(None)
            self.drawn.emit(np.array(points))
        else:
            self.clicked.emit(points[0], shift)

    def _voxel(self, event: Event) -> np.ndarray:
        return np.asarray(self.layer.world_to_data(event.position), float)

    def _show(self, points: np.ndarray | None) -> None:
        """Draw the line, and the marks."""
        if self._drawing is None:
            return
        per_pixel = 1 / max(
            1e-9, float(camera_of(in_hand(self.viewer)).zoom) * float(np.min(np.abs(self.layer.scale[-2:])))
        )
        shapes: list[tuple[np.ndarray, str]] = [(self._circle(m, 4 * per_pixel), "ellipse") for m in self._marks]
        if points is not None and self._shape == "rectangle":
            shapes.append((self._box(points[0], points[-1]), "rectangle"))
        elif points is not None:
            shapes.append((points, "path"))
        self._drawing.selected_data = set()
        self._drawing.data = []
        if shapes:
            self._drawing.add(
                [s for s, _ in shapes],
                shape_type=[kind for _, kind in shapes],
                edge_width=2 * per_pixel,
                edge_color=COLOR,
                face_color="transparent",
            )

    def _box(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """The corners of a rectangle on the screen."""
        row, column = self.shown_axes()
        corners = np.repeat(first[None], 4, axis=0)
        corners[1:3, column] = last[column]
        corners[2:4, row] = last[row]
        return corners

    def _circle(self, middle: np.ndarray, radius: float) -> np.ndarray:
        first, last = middle.copy(), middle.copy()
        for axis in self.shown_axes():
            first[axis] -= radius
            last[axis] += radius
        return self._box(first, last)


__all__ = ["Pointer"]
