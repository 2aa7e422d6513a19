"""Points, boxes and empty areas: three buttons, and the layers behind them."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.core import Task
from napari_segplugin.viewer.corrections import PaintCopy
from napari_segplugin.viewer.weak import MODES, use_class, weak_layer, with_weak
from napari_segplugin.widgets._parts import button

BUTTONS = {
    "points": ("Points", "One click in each of some objects: how far each reaches is told from the image."),
    "boxes": ("Boxes", "A rectangle that just holds each of some objects: what lies inside is told from the image."),
    "nothing": ("Nothing here", "Draw around places without any object: all of it is background."),
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
        """Make a layer, or select the one there is, with the tool in hand; new marks are of the class in the brush."""
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
        brush = dock.paint.layer
        if kind != "nothing" and choice.spec.task is Task.SEMANTIC and brush is not None:
            chosen = int(brush.selected_label)
            if 0 < chosen < len(choice.spec.classes):
                use_class(layer, chosen)
        dock.viewer.dims.ndisplay = 2
        dock.viewer.layers.selection.active = layer
        layer.mode = MODES[kind]
        dock.refresh()

    def into(self, copied: PaintCopy) -> PaintCopy:
        """Corrections with what was marked. Call it on the GUI thread.

        Raises
        ------
        InputError
            If a shape is not of the kind that was asked for.
        """
        step = self._dock.image_step
        return with_weak(copied, step.layer, step.axes, **{kind: self.layer(kind) for kind in MODES})


__all__ = ["BUTTONS", "WeakControl", "WeakRow"]
