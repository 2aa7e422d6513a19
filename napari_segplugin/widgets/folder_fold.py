"""Training on a folder of images with labels, as a quiet part of the last step."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog

from napari_segplugin.widgets._parts import Fold, button, wrapped

_LAYOUT = (
    "A folder with images/ and masks/ (same names in both), or with pairs NAME_image and NAME_labels. Objects: one "
    "number each; pixel classes: the class numbers under Look for. A fifth of the images is kept aside for checking."
)


class FolderFold(Fold):
    """What the folder has to look like, and the button that asks for it.

    Signals
    -------
    requested(str) : a folder was chosen
    """

    requested = Signal(str)

    def __init__(self) -> None:
        super().__init__(
            "Many labelled images", "folder_fold", "Train on a folder of images that are already labelled."
        )
        self._last = str(Path.home())
        self.button = button(
            "Train on a folder…",
            "train_folder",
            "Train a copy of the chosen model, or a new network, on all images of a folder, with the time and the "
            "loss that are set. The old model is kept.",
            self._ask,
        )
        for widget in (wrapped(_LAYOUT, name="folder_layout"), self.button):
            self.rows.addWidget(widget)

    def _ask(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "A folder of images and labels", self._last)
        if path:
            self._last = path
            self.requested.emit(path)


__all__ = ["FolderFold"]
