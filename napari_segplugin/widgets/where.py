"""Where the window sets what an error or a note points to."""

from __future__ import annotations

from collections.abc import Mapping

from napari_segplugin.core import Note, SegPluginError
from napari_segplugin.core.words import Setting

PLACES: Mapping[Setting, str] = {
    "axes": "Axes, under Image",
    "channels": "Channels, under Image",
    "classes": "Look for and Classes, under Look for",
    "device": "Device, in the settings of Find",
    "file": "Into a file, in Find",
    "folder": "Preferences, Plugins, Session folder",
    "intensities": "Intensities, in the settings of Train",
    "invert": "Invert the image, in the settings of Find",
    "model": "Model, under Look for",
    "series": "Open…, under Image",
    "surfaces": "Distances, under Options",
    "task": "Labels are",
    "tile_overlap": "Tile overlap, in the settings of Find",
    "tile_size": "Tile size, in the settings of Find",
    "voxel_size": "Use the model's voxel size, in the settings of Find",
    "voxel_space": "Save…, which accepts them",
    "zoom": "Zoom, in the settings of Find",
}


def told(said: Note | SegPluginError) -> str:
    """The text of a note or an error, and the place in the window that it is about.

    Examples
    --------
    >>> told(Note("The objects are small.", setting="zoom"))
    'The objects are small. See Zoom, in the settings of Find.'
    """
    text = said.text if isinstance(said, Note) else str(said)
    return text if said.setting is None else f"{text} See {PLACES[said.setting]}."


__all__ = ["PLACES", "told"]
