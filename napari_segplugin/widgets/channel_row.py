"""Which channels of the image a model sees, and other layers joined to it as channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image as ImageLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segplugin.core import Image
from napari_segplugin.data.channels import choices, seen
from napari_segplugin.viewer.technical import listed
from napari_segplugin.widgets._parts import button, combo, fill_combo, labelled

if TYPE_CHECKING:
    from napari.components import ViewerModel

_TIP = (
    "What the model or technique sees: all channels, one of them, their brightness, or a stain of a histological slide. "
    "Several can be typed, such as 1,3."
)


class ChannelRow(QWidget):
    """A choice that each image layer keeps, shown where there is something to choose.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed : another choice
    join_requested(list) : image layers that are to become the channels of one image
    """

    changed = Signal()
    join_requested = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._chosen: WeakKeyDictionary[ImageLayer, str] = WeakKeyDictionary()
        self._layer: ImageLayer | None = None
        self.choice = combo("channels", "Channels", _TIP)
        self.choice.setEditable(True)
        self.choice.setInsertPolicy(self.choice.InsertPolicy.NoInsert)
        self.choice.activated.connect(lambda _: self._take())
        line = self.choice.lineEdit()
        if line is not None:
            line.editingFinished.connect(self._take)
        self.join_button = button(
            "Join selected layers",
            "join_layers",
            "Makes one image of the image layers that are selected in the list, such as T1 and T2, each a channel. They "
            "are brought together by where their files say they lie.",
            self._join,
        )
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(3)
        self._row = labelled("Channels", self.choice)
        rows.addWidget(self._row)
        rows.addWidget(self.join_button)

    def of(self, image: Image, layer: ImageLayer) -> Image:
        """The image of a layer as it is to be seen.

        Raises
        ------
        InputError
            If there are no such channels.
        """
        return seen(image, self._chosen.get(layer, ""))

    def show_image(self, image: Image | None, layer: ImageLayer | None) -> None:
        """Offer the channels of an image, and what was chosen for its layer."""
        self._layer = layer
        entries = choices(image) if image is not None else []
        self._row.setVisible(len(entries) > 1)
        if layer is not None and len(entries) > 1:
            text = self._chosen.get(layer, "")
            known = [key for key, _ in entries]
            fill_combo(self.choice, [(title, key) for key, title in entries], text if text in known else "")
            if text not in known:
                self.choice.setEditText(text)
        self.join_button.setVisible(len(self._images()) > 1)

    def _images(self) -> list[Any]:
        return [a for a in listed(self._viewer.layers) if isinstance(a, ImageLayer)]

    def _take(self) -> None:
        """Keep what was picked or typed."""
        if self._layer is None:
            return
        at = self.choice.findText(self.choice.currentText())
        text = str(self.choice.itemData(at)) if at >= 0 else self.choice.currentText().strip()
        if text != self._chosen.get(self._layer, ""):
            self._chosen[self._layer] = text
            self.changed.emit()

    def _join(self) -> None:
        chosen = self._viewer.layers.selection
        self.join_requested.emit([a for a in self._images() if a in chosen])


__all__ = ["ChannelRow"]
