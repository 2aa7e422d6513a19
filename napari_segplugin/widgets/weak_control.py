"""Points, boxes and empty areas: three buttons, and the layers behind them."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer.weak import MODES, rename_class, use_class, weak_layer, with_weak
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets.frame.groups import OneStop
from napari_segplugin.widgets.paint_class import offered

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
            layout.addWidget(push, 1)
        OneStop(self).take(list(self.buttons.values()))


class WeakControl:
    """The layers of the chosen image.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._layers: dict[tuple[int, str], Any] = {}

    def layer(self, kind: str) -> Any:
        """A layer of the chosen image, if it is still in the viewer."""
        found = self._layers.get((id(self._dock.image_step.layer), kind))
        return found if found is not None and any(a is found for a in self._dock.viewer.layers) else None

    @property
    def marked(self) -> bool:
        """Whether anything was marked."""
        return any(layer is not None and len(layer.data) for layer in map(self.layer, MODES))

    def add(self, kind: str) -> None:
        """Make a layer, or select the one there is, with the tool in hand; new marks are of the class that is chosen."""
        dock, image = self._dock, self._dock.image_step.layer
        choice = dock.method_step.choice()
        if image is None or choice is None:
            return
        layer = self.layer(kind)
        if layer is None:
            layer = weak_layer(kind, image, dock.image_step.axes)
            layer.name = f"{layer.name} · {image.name}"
            dock.viewer.add_layer(layer)
            self._layers[id(image), kind] = layer
            layer.events.data.connect(lambda _=None: dock.refresh_soon())
            dock.journal.marks(kind, layer)
        if kind != "nothing":
            use_class(layer, dock.paint.classes.row.name)
        dock.viewer.dims.ndisplay = 2
        dock.viewer.layers.selection.active = layer
        layer.mode = MODES[kind]
        dock.refresh()

    def use_class(self, name: str) -> None:
        """Mark the next objects as a class."""
        for layer in self._marked():
            use_class(layer, name)

    def rename(self, old: str, new: str) -> None:
        """A person renamed a class."""
        for layer in self._marked():
            rename_class(layer, old, new)

    def _marked(self) -> list[Any]:
        return [layer for kind in ("points", "boxes") if (layer := self.layer(kind)) is not None]

    def into(self, copied: Corrections) -> Corrections:
        """Corrections with what was marked. Call it on the GUI thread.

        Raises
        ------
        InputError
            If a shape is not of the kind that was asked for, or a mark has no class.
        """
        step, choice = self._dock.image_step, self._dock.method_step.choice()
        names = [] if choice is None else offered(choice.spec.classes, choice.spec.task)
        ids = {c.name: c.id for c in choice.spec.classes if c.name in names} if choice is not None else {}
        layers = {kind: self.layer(kind) for kind in MODES}
        return with_weak(copied, step.layer, step.axes, **layers, ids=ids)


__all__ = ["BUTTONS", "WeakControl", "WeakRow"]
