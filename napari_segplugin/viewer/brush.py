"""Painting on a result: a stroke that starts on an object adds to it, elsewhere it makes a new one. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_segplugin.core import Box
    from napari_segplugin.viewer.edits import Editor

MODES = {"paint": "paint", "outline": "polygon", "fill": "fill"}
"""Tools that give voxels to an object, and the mode of the layer that is theirs."""


NOTHING = -1
"""What a brush paints that is to leave background."""


def object_under(data: np.ndarray, point: np.ndarray, across: Sequence[int] = (), chosen: int = 0) -> int:
    """The object that a stroke from a voxel adds to; 0 where it begins another one.

    Parameters
    ----------
    data : ndarray of int
        Labels.
    point : array of float, shape (D,)
        In voxels.
    across : sequence of int
        Axes of space that are not on the screen. A stroke over or under the chosen object goes on with it.
    chosen : int
        The chosen object.

    Examples
    --------
    >>> stack = np.zeros((3, 4, 4), int)
    >>> stack[0, 1, 1] = 5
    >>> at = np.array([2, 1, 1])
    >>> object_under(stack, at), object_under(stack, at, [0], chosen=5), object_under(stack, at - [2, 0, 0])
    (0, 5, 5)
    """
    at: tuple[int, ...] = tuple(round(float(p)) for p in point)
    if any(not 0 <= p < n for p, n in zip(at, data.shape, strict=True)):
        return 0
    here = int(np.asarray(data[at]))
    for axis in across if chosen and not here else ():
        column = cast("Box", (*at[:axis], slice(None), *at[axis + 1 :]))
        if (np.asarray(data[column]) == chosen).any():
            return chosen
    return here


class Brush:
    """Decides which object a stroke belongs to, before napari paints it.

    Parameters
    ----------
    editor : Editor

    Attributes
    ----------
    wanted : callable
        The number that every stroke belongs to where an area is painted, 0 where it begins, :data:`NOTHING` for background;
        None for single objects.
    kept : bool
        Whether the brush stays with the chosen object, as while it is fixed.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor, self.layer = editor, editor.layer
        self.wanted: Callable[[], int | None] = lambda: None
        self.kept = False
        self._last = 0
        # napari paints in a callback of the same list: who is first decides before it does
        self.layer.mouse_drag_callbacks.insert(0, self._on_press)

    def detach(self) -> None:
        """Follow the layer no longer."""
        with suppress(ValueError):
            self.layer.mouse_drag_callbacks.remove(self._on_press)

    def take(self, tool: str) -> None:
        """Take a tool: "paint", "outline", "fill" or "erase"."""
        self.kept = False
        self.layer.preserve_labels = tool == "erase"
        self.layer.mode = "erase" if tool == "erase" else MODES[tool]

    def put_down(self) -> None:
        """Let the mouse move the picture again."""
        self.layer.preserve_labels = False
        if self.layer.mode in (*MODES.values(), "erase"):
            self.layer.mode = "pan_zoom"

    def begin(self, point: np.ndarray, across: Sequence[int] = ()) -> int:
        """The object that a stroke from a voxel belongs to, which becomes the chosen one.

        Parameters
        ----------
        point : array of float, shape (D,)
            In voxels of the layer.
        across : sequence of int
            Axes that are not on the screen.
        """
        # of its own last object only: another one is not chosen by painting above or below it
        wanted, chosen = self.wanted(), self._last if self._last == self.layer.selected_label else 0
        space = [a for a in across if self.editor.axes[a] in "ZYX"]
        number = object_under(self.layer.data, point, space, chosen) if wanted is None else wanted
        if number == NOTHING:
            self.layer.selected_label = 0
            return 0
        if not number:
            self.editor.make_room()
            number = self.editor.boxes.next_number()
        self.layer.selected_label = self._last = number
        return number

    def _on_press(self, layer: Labels, event: Event) -> None:
        if event.button != 1 or str(layer.mode) not in MODES.values() or self.kept:
            return
        if str(layer.mode) == "polygon" and len(getattr(layer._overlays["polygon"], "points", ())):
            return  # the outline is begun already
        self.begin(np.asarray(layer.world_to_data(event.position), float), hidden_axes(layer, event))


def hidden_axes(layer: Labels, event: Event) -> list[int]:
    """Axes of a layer that are not on the screen."""
    shown = [int(a) - (len(event.dims_point) - layer.ndim) for a in event.dims_displayed]
    return [a for a in range(layer.ndim) if a not in shown]


__all__ = ["MODES", "NOTHING", "Brush", "hidden_axes", "object_under"]
