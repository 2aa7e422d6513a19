"""The progress of a command: notes name the options that they are about."""

from __future__ import annotations

from napari_segplugin.cli.where import told
from napari_segplugin.core import Note
from napari_segplugin.door.progress import Progress


class CommandProgress(Progress):
    """As the door's, with the option of the command line behind a note."""

    def told(self, note: Note) -> str:
        """The text of a note, and the option that it is about."""
        return told(note)


__all__ = ["CommandProgress"]
