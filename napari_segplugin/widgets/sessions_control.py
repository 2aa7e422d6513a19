"""Earlier work on images: a list of what was kept, to open or to delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_segplugin.viewer.sessions import Saved, delete, sessions
from napari_segplugin.widgets._parts import Fold, button, describe, row, tell, wrapped

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image as ImageLayer

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.step_image import ImageStep

_ROWS = 5
"""Sessions that are seen without scrolling."""


class SessionsControl:
    """The list of earlier work for the dock; it is read in a worker when it is unfolded.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    step : ImageStep
    journal : JournalControl
    take_up : callable
        Takes the file of a session and the image layer, and shows the work on it.
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        step: ImageStep,
        journal: JournalControl,
        take_up: Callable[[Path, ImageLayer], object],
    ) -> None:
        self._desk, self._jobs, self._step, self._journal, self._take_up = desk, jobs, step, journal, take_up
        self.fold = Fold("Earlier work", "sessions_fold", "Edits that were kept, of this image and of others.")
        self.list = QListWidget()
        describe(self.list, "sessions_list", "Earlier work", "Image, last edit, number of edits, size on the disk.")
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.open_button = button(
            "Open", "session_open", "Show this work on the chosen image and continue it.", self._open
        )
        self.delete_button = button(
            "Delete…", "session_delete", "Delete this work from the disk; asks first.", self._ask
        )
        self.note = wrapped(name="sessions_note")
        for widget in (self.list, self.note, row(self.open_button, self.delete_button)):
            self.fold.rows.addWidget(widget)
        step.rows.addWidget(self.fold)
        self.fold.head.toggled.connect(lambda on: self.refresh())
        self.list.currentItemChanged.connect(lambda *_: self._choose())
        self._choose()

    def show(self) -> None:
        """Unfold the list and bring it into sight."""
        self._step.reveal_asked.emit(self.fold)
        self.fold.head.setChecked(True)
        self.refresh()

    def refresh(self) -> None:
        """Read the list once more, if it is seen."""
        if not self.fold.head.isChecked():
            return
        folder = self._journal.folder
        self._jobs.beside("sessions", lambda: sessions(folder), self._fill)

    @property
    def chosen(self) -> Saved | None:
        """The session that is selected."""
        item = self.list.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _fill(self, found: list[Saved]) -> None:
        before, key = self.chosen, self._journal.key
        self.list.clear()
        # those of the image that is chosen come first
        for saved in sorted(found, key=lambda s: s.key != key):
            item = QListWidgetItem(self._text(saved))
            item.setData(Qt.ItemDataRole.UserRole, saved)
            item.setToolTip(f"{item.text()}\n{saved.path}")
            self.list.addItem(item)
            if before is not None and saved.path == before.path:
                self.list.setCurrentItem(item)
        height = self.list.sizeHintForRow(0) if found else 20
        self.list.setFixedHeight(min(max(len(found), 1), _ROWS) * height + 6)
        self._choose()

    def _text(self, saved: Saved) -> str:
        own = saved.path in self._journal.own
        told = ["this image"] if saved.key and saved.key == self._journal.key else []
        told += ["in use here"] if own else ["other window"] if saved.in_use else []
        name = f"{_name(saved)} ({', '.join(told)})" if told else _name(saved)
        return f"{name}\n{saved.date} · {_edits(saved)} · {_size(saved.size)}"

    def _choose(self) -> None:
        saved = self.chosen
        own = saved is not None and saved.path in self._journal.own
        same = saved is not None and saved.key == self._journal.key
        self.open_button.setEnabled(saved is not None and same and not own)
        self.delete_button.setEnabled(saved is not None and not own and not saved.in_use)
        if saved is None:
            tell(self.note, "" if self.list.count() else "No earlier work is kept.")
        elif own:
            tell(self.note, "This is what you are working on.")
        elif saved.in_use:
            tell(self.note, "Open starts from a copy; the other window keeps its own." if same else "")
        else:
            tell(self.note, "" if same else f"Open the image “{_name(saved)}” first to see this work.")

    def _open(self) -> None:
        saved, layer = self.chosen, self._desk.layer
        if saved is not None and layer is not None:
            self._take_up(saved.path, layer)

    def _ask(self) -> None:
        saved = self.chosen
        if saved is None:
            return
        self._desk.say(
            f"Delete the work on “{_name(saved)}” of {saved.date} ({_edits(saved)})? It cannot be brought back.",
            answers=[
                ("Keep", "session_keep", lambda: None),
                ("Delete", "session_delete_yes", lambda: self._delete(saved.path)),
            ],
        )

    def _delete(self, path: Path) -> None:
        self._jobs.beside(
            "delete work",
            lambda: delete(path),
            lambda _: self.refresh(),
            self._not_deleted,
        )

    def _not_deleted(self, error: BaseException) -> None:
        self._desk.fail(error)
        self.refresh()


def _name(saved: Saved) -> str:
    return saved.image or "unnamed image"


def _edits(saved: Saved) -> str:
    return f"{saved.edits:,} edit{'s' * (saved.edits != 1)}"


def _size(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3)):,} KB"


__all__ = ["SessionsControl"]
