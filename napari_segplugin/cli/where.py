"""Where the command line sets what an error or a note points to."""

from __future__ import annotations

from collections.abc import Mapping

from napari_segplugin.core import Note, SegPluginError
from napari_segplugin.core.words import Setting

OPTIONS: Mapping[Setting, str] = {
    "axes": "--axes",
    "channels": "--channels",
    "classes": "--classes, --ignore, --task",
    "device": "--device",
    "file": "--format zarr",
    "folder": "--keep",
    "intensities": "--intensities",
    "invert": "--invert",
    "model": "--model",
    "series": "--series",
    "surfaces": "--no-surfaces, --spacing, --unit",
    "task": "--task",
    "tile_overlap": "--halo",
    "tile_size": "--tile",
    "voxel_size": "--keep-voxel-size",
    "voxel_space": "--voxel-space",
    "zoom": "--zoom auto",
}


def told(said: Note | SegPluginError) -> str:
    """The text of a note or an error, and the option that it is about.

    Examples
    --------
    >>> told(Note("The objects are small.", setting="zoom"))
    'The objects are small. Option: --zoom auto.'
    """
    text = said.text if isinstance(said, Note) else str(said)
    return text if said.setting is None else f"{text} Option: {OPTIONS[said.setting]}."


__all__ = ["OPTIONS", "told"]
