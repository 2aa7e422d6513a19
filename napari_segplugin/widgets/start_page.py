"""What the dock shows without an image: three samples to begin with, and what else one can begin from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from napari_segplugin.io.files import private_folder, write_text
from napari_segplugin.widgets._parts import button, heading, link, muted
from napari_segplugin.widgets.frame.icons import give

SAMPLES = (
    ("nuclei2d", "nuclei", "Nuclei", "Find, correct, train, save"),
    ("axon_sem", "strokes", "Tissue from my strokes", "Paint a little, see the answer"),
    ("nuclei3d", "volume", "A volume", "Three planes, 3D view, mesh"),
)
"""Name of the sample, icon, title, subtitle."""
_HIDDEN = "no-samples"


class StartPage(QWidget):
    """Three large buttons, a way to masks from elsewhere, and a link that hides the samples for good.

    Parameters
    ----------
    folder : Path
        Where it is remembered that the samples are hidden.

    Signals
    -------
    sample_asked(str) : the name of a sample
    masks_asked() : a file with masks is wanted
    """

    sample_asked = Signal(str)
    masks_asked = Signal()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._marker = folder / _HIDDEN
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(6)
        self.samples = QWidget()
        inside = QVBoxLayout(self.samples)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        title = heading("Start with a sample: four clicks to a saved result")
        title.setWordWrap(True)
        inside.addWidget(title)
        self.buttons = {}
        for name, drawn, text, what in SAMPLES:
            push = button(f"{text}\n{what}", f"start_{name}", f"{text}: {what}.")
            push.setAccessibleName(f"{text}. {what}")
            push.setProperty("sample", True)
            push.clicked.connect(lambda _=False, n=name: self.sample_asked.emit(n))
            give(push, drawn, 26)
            self.buttons[name] = push
            inside.addWidget(push)
        hide = link(
            "Hide the samples", "hide_samples", "Hides them for good; they stay under Image, Sample.", self._hide
        )
        inside.addWidget(hide)
        rule = QFrame()
        rule.setObjectName("step_line")
        inside.addWidget(rule)
        rows.addWidget(self.samples)
        rows.addWidget(heading("Begin with your own"))
        masks = button(
            "My masks…", "my_masks", "Open a file with labels: after its image, to correct and to learn from it."
        )
        masks.clicked.connect(lambda _=False: self.masks_asked.emit())
        masks.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        give(masks, "masks")
        rows.addWidget(masks)
        rows.addWidget(muted("Masks from elsewhere can be corrected and learnt from."))
        self.samples.setVisible(not self._marker.exists())

    def offer(self, names: Collection[str]) -> None:
        """Show the samples that there are."""
        for name, push in self.buttons.items():
            push.setVisible(name in names)

    def _hide(self) -> None:
        self.samples.hide()
        private_folder(self._marker.parent)
        write_text(self._marker, "The samples are hidden on the first page.\n")


__all__ = ["SAMPLES", "StartPage"]
