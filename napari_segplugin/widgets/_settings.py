"""Settings of the plugin, from napari's Preferences where napari has them (0.9 and later)."""

from __future__ import annotations

from typing import TypeVar, cast

PLUGIN, SECTION = "napari-segplugin", "segmentation"

Setting = TypeVar("Setting", str, int)


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
