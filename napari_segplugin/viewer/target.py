"""What the tools for correcting work on: a result with its editor and its hold on the mouse. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_segplugin.viewer.brush import Brush

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.core import ClassTable
    from napari_segplugin.data.doubt import Queue, QueueEntry
    from napari_segplugin.viewer.edits import Editor
    from napari_segplugin.viewer.pointer import Pointer
    from napari_segplugin.viewer.results import Result


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
    order : Queue, optional
        What is to be checked, the most doubtful first; None until that is worked out.
    passed : set of QueueEntry
        What was looked at in this round.
    paths_follow : bool
        Whether the paths of linked objects follow its steps.
    touched : bool
        Whether somebody has chosen an object; a layer by itself has one from the beginning.
    others : tuple of int
        Objects that are chosen besides the one that the layer shows as selected.

    Attributes
    ----------
    brush : Brush
    first : int
        The number that the layer had from the beginning, which nobody chose.
    """

    result: Result
    editor: Editor
    pointer: Pointer
    axes: str
    order: Queue | None = None
    passed: set[QueueEntry] = field(default_factory=set)
    paths_follow: bool = False
    touched: bool = False
    others: tuple[int, ...] = ()
    brush: Brush = field(init=False)
    first: int = field(init=False)

    def __post_init__(self) -> None:
        self.brush = Brush(self.editor)
        self.first = int(self.layer.selected_label)

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
        """Whether the last axis of the image is color."""
        return bool(getattr(self.result.image_layer, "rgb", False))

    @property
    def chosen(self) -> tuple[int, ...]:
        """The objects that are chosen and there, that of the layer first; none until somebody has chosen one."""
        found = (int(self.layer.selected_label), *self.others) if self.touched else ()
        return tuple(n for n in dict.fromkeys(found) if n in self.editor.boxes)

    def choose(self, *numbers: int) -> None:
        """Choose objects, the first of which the layer shows as selected, and no others."""
        if numbers:
            self.touched = True
            self.layer.selected_label = numbers[0]
            self.others = numbers[1:]

    def toggle(self, number: int) -> None:
        """Choose one more object, or one that is chosen no longer."""
        chosen = self.chosen
        left = tuple(n for n in chosen if n != number)
        self.choose(*(left if number in chosen else (number, *left)))

    def area(self, name: str) -> int | None:
        """The number of a class that is an area, 0 where it does not occur yet; None for a class of single objects."""
        areas = {c.name for c in self.classes if c.id and c.id not in self.classes.thing_ids}
        return self.editor.first_of(name) if name in areas else None

    def detach(self) -> None:
        """Let go of the layer."""
        self.brush.detach()
        self.pointer.detach()
        self.editor.detach()


__all__ = ["Target"]
