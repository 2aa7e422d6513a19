"""Painting on a result: a stroke that starts on an object adds to it, elsewhere it makes a new one. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.events import Event

    from napari_segplugin.viewer.edits import Editor

MODES = {"paint": "paint", "outline": "polygon", "fill": "fill"}
"""Tools that give voxels to an object, and the mode of the layer that is theirs."""


class Brush:
    """Decides which object a stroke belongs to, before napari paints it.

    Parameters
    ----------
    editor : Editor

    Attributes
    ----------
    wanted : callable
        The number that every stroke belongs to where an area is painted, 0 where it begins; None for single objects.
    kept : bool
        Whether the brush stays with the chosen object, as while it is fixed.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor, self.layer = editor, editor.layer
        self.wanted: Callable[[], int | None] = lambda: None
        self.kept = False
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

    def begin(self, point: np.ndarray) -> int:
        """The object that a stroke from a voxel belongs to, which becomes the chosen one.

        Parameters
        ----------
        point : array of float, shape (D,)
            In voxels of the layer.
        """
        wanted = self.wanted()
        number = self.editor.number_at(point) if wanted is None else wanted
        if not number:
            self.editor.make_room()
            number = self.editor.boxes.next_number()
        self.layer.selected_label = number
        return number

    def _on_press(self, layer: Labels, event: Event) -> None:
        if event.button != 1 or str(layer.mode) not in MODES.values() or self.kept:
            return
        if str(layer.mode) == "polygon" and len(getattr(layer._overlays["polygon"], "points", ())):
            return  # the outline is begun already
        self.begin(np.asarray(layer.world_to_data(event.position), float))


__all__ = ["MODES", "Brush"]
