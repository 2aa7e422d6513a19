"""napari's canvas while layers go: what is freed on the graphics card is freed where it was made.

When a layer is removed, napari 0.9 empties the queue of its canvas at once, with whatever context of OpenGL happens to be
current; mostly that is the one with which Qt puts the window together. Buffers, textures and programs then begin or end
in the wrong context, and one of the next drawings reads from an address that is none: a segmentation fault under Mesa, an
access violation under Windows. Making the canvas's own context current before the layer goes avoids it.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel

_mended: weakref.WeakSet[ViewerModel] = weakref.WeakSet()


def safe_removal(viewer: ViewerModel) -> None:
    """Let the canvas of a viewer free what belongs to removed layers in its own context, from now on.

    It stays so after the dock was closed: the layers that the dock has made are still there.

    Parameters
    ----------
    viewer : napari.Viewer
        Asked again for the same viewer, or for one without a window, this does nothing.
    """
    if viewer in _mended:
        return
    _mended.add(viewer)
    known = weakref.ref(viewer)

    def before_removal(event: object = None) -> None:
        window = getattr(known(), "window", None)
        # the canvas has no public name; where a version of napari calls it otherwise, nothing is mended, nothing breaks
        canvas = getattr(getattr(getattr(window, "_qt_viewer", None), "canvas", None), "_scene_canvas", None)
        if canvas is not None:
            with suppress(RuntimeError, AttributeError):
                canvas.set_current()

    viewer.layers.events.removing.connect(before_removal)


__all__ = ["safe_removal"]
