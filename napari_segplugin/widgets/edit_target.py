"""What the tools of the correct panel work on: a result with its editor and its hold on the mouse."""

from __future__ import annotations

from dataclasses import dataclass

from napari.layers import Labels

from napari_segplugin.core import ClassTable
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
    """

    result: Result
    editor: Editor
    pointer: Pointer
    axes: str

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

    def detach(self) -> None:
        """Let go of the layer."""
        unbind(self.layer, KEYS)
        self.pointer.detach()
        self.editor.detach()


__all__ = ["Target"]
