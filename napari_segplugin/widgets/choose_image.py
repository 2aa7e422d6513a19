"""A question: which of several images in one file or folder (DICOM series, fields of a plate) shall be opened."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QListWidget, QVBoxLayout, QWidget

from napari_segplugin.widgets._parts import describe, wrapped


class ChooseDialog(QDialog):
    """A list to choose one row from; a double click opens it at once.

    Parameters
    ----------
    title : str
        What is asked, as a sentence for the top of the list.
    rows : sequence of str
        One line for each choice, the likeliest first.
    parent : QWidget, optional
    """

    def __init__(self, title: str, rows: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("choose_image")
        self.setWindowTitle("Choose an image")
        self.list = QListWidget()
        describe(self.list, "choose_image_list", "Images", "Select the image to open.")
        self.list.addItems([str(row) for row in rows])
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        kinds = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(kinds.Open | kinds.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for widget in (wrapped(title, name="choose_image_title"), self.list, self.buttons):
            layout.addWidget(widget)
        self.resize(520, 360)

    @property
    def chosen(self) -> int:
        """The row that is marked."""
        return int(self.list.currentRow())


def choose(title: str, rows: Sequence[str], parent: QWidget | None = None) -> int | None:
    """Ask which of several images shall be opened.

    Parameters
    ----------
    title : str
    rows : sequence of str
    parent : QWidget, optional

    Returns
    -------
    int or None
        Number of the chosen row; None if the person cancelled. Of a single row it is 0, and nobody is asked.
    """
    if len(rows) < 2:
        return 0 if rows else None
    dialog = ChooseDialog(title, rows, parent)
    return dialog.chosen if dialog.exec() else None


__all__ = ["ChooseDialog", "choose"]
