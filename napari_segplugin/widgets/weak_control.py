"""Points, boxes and empty areas: three buttons, and the layers behind them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Points, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer.weak import MODES, rename_class, use_class, weak_layer, with_weak
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets.frame.groups import OneStop
from napari_segplugin.widgets.paint_class import PaintClass, offered

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.journal_control import JournalControl

BUTTONS = {
    "points": ("Points", "Click once on each of some objects; their extent is estimated from the image."),
    "boxes": ("Boxes", "Draw a tight rectangle around each of some objects; their shape is estimated from the image."),
    "nothing": ("Nothing here", "Draw around areas without any object: everything inside is background."),
}


class WeakRow(QWidget):
    """The three buttons.

    Signals
    -------
    requested(str) : "points", "boxes" or "nothing"
    """

    requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.buttons = {
            kind: button(text, f"weak_{kind}", tip, partial(self.requested.emit, kind))
            for kind, (text, tip) in BUTTONS.items()
        }
        for push in self.buttons.values():
            layout.addWidget(push)
        OneStop(self).take(list(self.buttons.values()))


class WeakControl:
    """The layers of the chosen image.

    Parameters
    ----------
    desk : Desk
    row : PaintClass
        Where the class of the next mark is chosen.
    journal : JournalControl
    """

    def __init__(self, desk: Desk, row: PaintClass, journal: JournalControl) -> None:
        self._desk, self._row, self._journal = desk, row, journal

    def layer(self, kind: str) -> Points | Shapes | None:
        """A layer of the chosen image, if it is still in the viewer."""
        work = self._desk.work
        found = None if work is None else work.marks.get(kind)
        return found if self._desk.there(found) else None

    @property
    def marked(self) -> bool:
        """Whether anything was marked."""
        return any(layer is not None and len(layer.data) for layer in map(self.layer, MODES))

    def add(self, kind: str) -> None:
        """Make a layer, or select the one there is, with the tool in hand; new marks are of the class that is chosen."""
        desk, image = self._desk, self._desk.layer
        choice = desk.choice()
        if image is None or choice is None:
            return
        layer = self.layer(kind)
        if layer is None:
            layer = weak_layer(kind, image, desk.axes)
            layer.name = f"{layer.name} · {image.name}"
            desk.viewer.add_layer(layer)
            desk.work_on(image).marks[kind] = layer
            layer.events.data.connect(lambda _=None: desk.refresh_soon())
            self._journal.marks(kind, layer)
        if kind != "nothing":
            use_class(layer, self._row.name)
        desk.viewer.dims.ndisplay = 2
        desk.viewer.layers.selection.active = layer
        layer.mode = MODES[kind]
        desk.refresh()

    def use_class(self, name: str) -> None:
        """Mark the next objects as a class."""
        for layer in self._marked():
            use_class(layer, name)

    def rename(self, old: str, new: str) -> None:
        """A person renamed a class."""
        for layer in self._marked():
            rename_class(layer, old, new)

    def _marked(self) -> list[Points | Shapes]:
        return [layer for kind in ("points", "boxes") if (layer := self.layer(kind)) is not None]

    def into(self, copied: Corrections) -> Corrections:
        """Corrections with what was marked. Call it on the GUI thread.

        Raises
        ------
        InputError
            If a shape is not of the kind that was asked for, or a mark has no class.
        """
        chosen, choice = self._desk.chosen(), self._desk.choice()
        names = [] if choice is None else offered(choice.spec.classes, choice.spec.task)
        ids = {c.name: c.id for c in choice.spec.classes if c.name in names} if choice is not None else {}
        points, boxes, nothing = (self.layer(kind) for kind in ("points", "boxes", "nothing"))
        return with_weak(
            copied,
            chosen.layer,
            chosen.axes,
            points=points if isinstance(points, Points) else None,
            boxes=boxes if isinstance(boxes, Shapes) else None,
            nothing=nothing if isinstance(nothing, Shapes) else None,
            ids=ids,
        )


__all__ = ["BUTTONS", "WeakControl", "WeakRow"]
