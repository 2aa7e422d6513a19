"""The window: how it is drawn, and whether triton gets in the way of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_segplugin.engine.doctor.packages import installed
from napari_segplugin.engine.doctor.report import Finding, Level
from napari_segplugin.engine.torch_import import triton_state

_SOFTWARE = ("llvmpipe", "softpipe", "software rasterizer", "swiftshader", "gdi generic", "swrast")
OLDEST_OPENGL = (2, 1)


@dataclass(frozen=True)
class Screen:
    """What a running window knows of its screen; words as Qt and OpenGL say them, empty where not known.

    Parameters
    ----------
    platform : str
        Of Qt: "xcb", "wayland", "cocoa", "windows", "offscreen".
    vendor, renderer, version : str
        Of OpenGL.
    """

    platform: str = ""
    vendor: str = ""
    renderer: str = ""
    version: str = ""


def drawing(screen: Screen) -> list[Finding]:
    """Qt's platform and OpenGL."""
    return [Finding("Qt platform", screen.platform or "not known"), _opengl(screen)]


def _opengl(screen: Screen) -> Finding:
    said = ", ".join(word for word in (screen.renderer, screen.version) if word)
    if not said:
        problem = (
            "There is no OpenGL, so napari cannot draw images. Install the driver of the graphics card "
            "(on Linux: libgl1 and libegl1)."
        )
        return Finding("OpenGL", "none", Level.WARNING, problem)
    number = re.search(r"(\d+)\.(\d+)", screen.version)
    if number is not None and (int(number.group(1)), int(number.group(2))) < OLDEST_OPENGL:
        problem = (
            f"OpenGL {number.group()} is too old for napari, which needs 2.1. Update the driver of the graphics card."
        )
        return Finding("OpenGL", said, Level.WARNING, problem)
    if any(word in f"{screen.renderer} {screen.vendor}".lower() for word in _SOFTWARE):
        problem = "The processor draws the window, so large images move slowly. A driver for the graphics card helps, if there is a card."
        return Finding("OpenGL", said, Level.NOTE, problem)
    return Finding("OpenGL", said)


def triton(screen: Screen | None) -> Finding:
    """Whether triton's compiled part, with its own LLVM, can collide with the LLVM that draws the window."""
    found, state = installed("triton"), triton_state()
    if not found and state == "absent":
        return Finding("triton", "not installed")
    mesa = screen is not None and "mesa" in f"{screen.vendor} {screen.renderer} {screen.version}".lower()
    if state == "loose" and mesa:
        problem = (
            "Another plugin brought triton before this one, and Mesa draws the window: napari can end without a message. "
            "Restart napari and open this plugin first, or install the CPU build of PyTorch."
        )
        return Finding("triton", f"{found}, loaded as usual beside Mesa", Level.WARNING, problem)
    words = {"absent": "not loaded yet", "loose": "loaded as usual", "apart": "loaded apart"}
    return Finding("triton", f"{found}, {words[state]}")


__all__ = ["OLDEST_OPENGL", "Screen", "drawing", "triton"]
