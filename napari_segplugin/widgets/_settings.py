"""Settings of the plugin, from napari's Preferences where napari has them (0.9 and later)."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from napari_segplugin.door.window import Session, sweep_leftovers

if TYPE_CHECKING:
    from napari.components import ViewerModel

PLUGIN, SECTION = "napari-segplugin", "segmentation"

Setting = TypeVar("Setting", str, int)
_sessions: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def setting(name: str, default: Setting) -> Setting:
    """The value of a setting, or `default` where napari does not keep plugin settings.

    Parameters
    ----------
    name : str
        "device", "session_folder" or "tile_size".
    default : object
    """
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return default
    try:
        return cast("Setting", getattr(getattr(get_plugin_settings(PLUGIN), SECTION), name))
    except (AttributeError, KeyError):
        # The plugin is used without having been registered: from a script or a test.
        return default


def session_of(viewer: ViewerModel) -> Session:
    """The session of a viewer: a dock that is closed and opened again finds the models that were made.

    Parameters
    ----------
    viewer : napari.Viewer
    """
    folder = setting("session_folder", "")
    found = _sessions.get(viewer)
    if found is None or (folder and found.folder != Path(folder)):
        found = _sessions[viewer] = Session(folder or None)
        sweep_leftovers(found.folder)
    return found
