"""A person at a real window: presses buttons, clicks and draws on the canvas, presses keys, takes pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.widgets.frame.frame import DockFrame

MOVE_MS = 16
"""Between two moves of the mouse: those that come faster are dropped on the way to the layer."""
COLORS = 160
"""Of the palette of a picture: enough for a window, and a small file."""


class Hands:
    """Hands on a shown viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    qtbot : QtBot
    """

    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.canvas = viewer.window._qt_viewer.canvas.native
        folder = os.environ.get("SEGPLUGIN_SCREENSHOTS", "")
        self.folder = Path(folder) if folder else None

    def press(self, push: Any) -> None:
        """Scroll to a button and click on it."""
        self.show(push)
        assert push.isVisible(), push.objectName()
        assert push.isEnabled(), push.objectName()
        self.qtbot.mouseClick(push, Qt.MouseButton.LeftButton)

    def show(self, widget: Any, last: Any = None) -> None:
        """Scroll a widget into view; with `last` everything from it to there, as far as it fits."""
        holder = widget.parentWidget()
        while holder is not None:
            if isinstance(holder, DockFrame) and not widget.isVisible():
                holder.reveal(widget)
            holder = holder.parentWidget()
        holder = widget.parentWidget()
        while holder is not None:
            if isinstance(holder, QScrollArea):
                QApplication.processEvents()
                for one in (last or widget, widget):
                    holder.ensureWidgetVisible(one, 0, 6)
            holder = holder.parentWidget()
        QApplication.processEvents()

    # --- the canvas -----------------------------------------------------------------------------------------------

    def _pixel(self, layer: Any, voxel: Sequence[float]) -> QPointF:
        camera = camera_of(self.viewer)
        world = np.asarray(layer.data_to_world(voxel), float)[list(self.viewer.dims.displayed)[-2:]]
        away = (world - np.asarray(camera.center[-2:])) * camera.zoom
        runs = [str(way) for way in camera.orientation2d]
        away *= [-1 if runs[0] == "up" else 1, -1 if runs[1] == "left" else 1]
        return QPointF(self.canvas.width() / 2 + away[1], self.canvas.height() / 2 + away[0])

    def _send(self, kind: Any, at: QPointF, button: Any, held: Any, shift: bool) -> None:
        modifiers = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        there = QPointF(self.canvas.mapToGlobal(QPoint(round(at.x()), round(at.y()))))
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, at, there, button, held, modifiers))

    def drag(self, layer: Any, points: Iterable[Sequence[float]], shift: bool = False) -> None:
        """Press the left button at the first voxel of a layer, move over the others, release."""
        kinds, none, left = QEvent.Type, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
        path = [self._pixel(layer, p) for p in points]
        self._send(kinds.MouseMove, path[0], none, none, shift)
        self._send(kinds.MouseButtonPress, path[0], left, left, shift)
        for at in path[1:]:
            self.qtbot.wait(MOVE_MS)
            self._send(kinds.MouseMove, at, none, left, shift)
        self._send(kinds.MouseButtonRelease, path[-1], left, none, shift)
        QApplication.processEvents()

    def click(self, layer: Any, voxel: Sequence[float], shift: bool = False) -> None:
        """Click on a voxel of a layer."""
        self.drag(layer, [voxel], shift)

    def key(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key over the canvas."""
        self.canvas.setFocus()
        self.qtbot.keyClick(self.canvas, key, modifier)
        QApplication.processEvents()

    # --- pictures -------------------------------------------------------------------------------------------------

    def picture(self, name: str) -> None:
        """Save a picture of the window, where the variable SEGPLUGIN_SCREENSHOTS names a folder."""
        if self.folder is None:
            return
        from PIL import Image

        self.qtbot.wait(600)  # flights of the camera, late repaints
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        self.folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pixels).quantize(COLORS, dither=Image.Dither.NONE)
        picture.save(self.folder / f"{name}.png", optimize=True)


class PlaneHands(Hands):
    """Hands on one of the other canvases."""

    def __init__(self, three: Any, number: int, qtbot: Any) -> None:
        super().__init__(three.viewer, qtbot)
        if number:
            self.viewer, self.canvas = three.canvases[number - 1].viewer, three.canvases[number - 1].canvas.native

    def hover(self, layer: Any, voxel: Sequence[float], shift: bool = False) -> None:
        none = Qt.MouseButton.NoButton
        self.qtbot.wait(20)
        self._send(QEvent.Type.MouseMove, self._pixel(layer, voxel), none, none, shift)
        self.qtbot.wait(20)

    def double_click(self, layer: Any, voxel: Sequence[float]) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        at = self._pixel(layer, voxel)
        for kind, button, held in (
            (QEvent.Type.MouseButtonPress, left, left),
            (QEvent.Type.MouseButtonRelease, left, none),
            (QEvent.Type.MouseButtonDblClick, left, left),
            (QEvent.Type.MouseButtonRelease, left, none),
        ):
            self._send(kind, at, button, held, False)
        QApplication.processEvents()

    def color(self, layer: Any, voxel: Sequence[float]) -> np.ndarray:
        """What is drawn at a voxel."""
        QApplication.processEvents()
        picture = self.canvas.grabFramebuffer()
        at: QPointF = self._pixel(layer, voxel)
        share = picture.width() / self.canvas.width()
        color = picture.pixelColor(round(at.x() * share), round(at.y() * share))
        return np.array([color.red(), color.green(), color.blue()])


__all__ = ["Hands", "PlaneHands"]
