"""What draws the picture of a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer


def opengl_words(viewer: Viewer) -> tuple[str, str, str]:
    """Vendor, renderer and version of the OpenGL that draws a viewer's canvas.

    Parameters
    ----------
    viewer : napari.Viewer

    Returns
    -------
    tuple of str
        As the driver says them; empty where there is no canvas or it has no OpenGL.
    """
    from vispy.gloo import gl

    try:
        viewer.window._qt_viewer.canvas._scene_canvas.set_current()  # napari has no public way to its canvas
        words = [gl.glGetParameter(word) for word in (gl.GL_VENDOR, gl.GL_RENDERER, gl.GL_VERSION)]
    except Exception:  # noqa: BLE001 - whatever a driver or another version of napari says, it is no reason to stop
        return "", "", ""
    vendor, renderer, version = (str(word or "") for word in words)
    return vendor, renderer, version


__all__ = ["opengl_words"]
