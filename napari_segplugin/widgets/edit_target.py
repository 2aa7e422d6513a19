"""What the tools of the correct panel work on: a result with its editor and its hold on the mouse."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari.layers import Labels

from napari_segplugin.core import ClassTable
from napari_segplugin.viewer.brush import Brush
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.pointer import Pointer
from napari_segplugin.viewer.results import Result
from napari_segplugin.widgets._edit_keys import KEYS, unbind


@dataclass(eq=False)
class Target:
    """A result that is being corrected.

    Parameters
    ----------
    result : Result
    editor : Editor
    pointer : Pointer
    axes : str
        Axes of the layer.

    Attributes
    ----------
    brush : Brush
    """

    result: Result
    editor: Editor
    pointer: Pointer
    axes: str
    brush: Brush = field(init=False)

    def __post_init__(self) -> None:
        self.brush = Brush(self.editor)

    @property
    def layer(self) -> Labels:
        """The layer of the result."""
        return self.result.layer

    @property
    def classes(self) -> ClassTable:
        """The classes of the result."""
        return self.result.segmentation.classes

    @property
    def rgb(self) -> bool:
        """Whether the last axis of the image is colour."""
        return bool(getattr(self.result.image_layer, "rgb", False))

    def area(self, name: str) -> int | None:
        """The number of a class that is an area, 0 where it does not occur yet; None for a class of single objects."""
        areas = {c.name for c in self.classes if c.id and c.id not in self.classes.thing_ids}
        return self.editor.first_of(name) if name in areas else None

    def detach(self) -> None:
        """Let go of the layer."""
        unbind(self.layer, KEYS)
        self.brush.detach()
        self.pointer.detach()
        self.editor.detach()


__all__ = ["Target"]
