"""Where the window sets what an error or a note points to."""

from __future__ import annotations

from collections.abc import Mapping

from napari_segplugin.core import Note, SegPluginError
from napari_segplugin.core.words import Setting

PLACES: Mapping[Setting, str] = {
    "axes": "Axes, in step 1",
    "channels": "Channels, in step 1",
    "classes": "Find and Classes, in step 2",
    "device": "Device, in step 2",
    "file": "Whole image, into a file…, in step 3",
    "folder": "Preferences, Plugins, Session folder",
    "intensities": "Intensities, under Few or uneven labels in step 4",
    "invert": "Invert the image, under Advanced in step 2",
    "model": "Model, in step 2",
    "series": "Open…, in step 1",
    "surfaces": "Distances, under Options",
    "task": "Labels are",
    "tile_overlap": "Tile overlap, under Advanced in step 2",
    "tile_size": "Tile size, under Advanced in step 2",
    "voxel_size": "Use the model's voxel size, under Advanced in step 2",
    "voxel_space": "Save…, in step 3, which accepts them",
    "zoom": "Zoom, under Advanced in step 2",
}


def told(said: Note | SegPluginError) -> str:
    """The text of a note or an error, and the place in the window that it is about.

    Examples
    --------
    >>> told(Note("The objects are small.", setting="zoom"))
    'The objects are small. See Zoom, under Advanced in step 2.'
    """
    text = said.text if isinstance(said, Note) else str(said)
    return text if said.setting is None else f"{text} See {PLACES[said.setting]}."


__all__ = ["PLACES", "told"]
