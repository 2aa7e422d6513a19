"""Whether the person asked the system for reduced motion."""

from __future__ import annotations

import configparser
import ctypes
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from qtpy.QtWidgets import QApplication, QStyle

_WINDOWS_ANIMATES = 0x1042
"""SPI_GETCLIENTAREAANIMATION."""
_WAIT = 1.0
"""Seconds for the answer of a program of the system."""


def reduced_motion() -> bool:
    """Whether nothing shall move by itself: the setting of Windows, macOS, GNOME or KDE, or a style without animation.

    The system is asked once; it is no reason to stop where it does not say.
    """
    style = QApplication.style()
    quiet = style is not None and style.styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0
    return quiet or _system()


@functools.cache
def _system() -> bool:
    try:
        if sys.platform == "win32":
            return _windows()
        if sys.platform == "darwin":
            return _said("defaults", "read", "com.apple.universalaccess", "reduceMotion") == "1"
        return _kde() or _said("gsettings", "get", "org.gnome.desktop.interface", "enable-animations") == "false"
    except (OSError, ValueError, AttributeError, configparser.Error, subprocess.SubprocessError):
        return False


def _windows() -> bool:
    animates = ctypes.c_int(1)
    asked = ctypes.windll.user32.SystemParametersInfoW(  # type: ignore[attr-defined, unused-ignore]
        _WINDOWS_ANIMATES, 0, ctypes.byref(animates), 0
    )
    return bool(asked) and not animates.value


def _kde() -> bool:
    """Whether KDE's animations last no time."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", "") or Path.home() / ".config")
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    settings.read(folder / "kdeglobals", encoding="utf-8")
    return settings.getfloat("KDE", "AnimationDurationFactor", fallback=1.0) == 0


def _said(*command: str) -> str:
    """What a program of the system prints; nothing where it is not there."""
    found = shutil.which(command[0])
    if found is None:
        return ""
    done = subprocess.run([found, *command[1:]], capture_output=True, text=True, timeout=_WAIT, check=False)
    return done.stdout.strip()


__all__ = ["reduced_motion"]
