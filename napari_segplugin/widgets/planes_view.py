"""Three linked planes in napari's window: two canvases beside the one of the viewer, and where the planes meet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from napari.qt import QtViewer
from psygnal import Signal
from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QSplitter
from vispy.scene.visuals import Line

from napari_segplugin.core import InputError
from napari_segplugin.viewer.focus import camera_of
from napari_segplugin.viewer.looks import PlaneLook
from napari_segplugin.viewer.planes import LinkedPlanes, unsupported

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel
    from napari.utils.events import Event

COLOR = (0.34, 0.71, 0.91, 0.9)
"""Of the cross: sky blue, which is told from grey by everybody."""
GAP = 10
"""Pixels around the point itself that the cross leaves free."""
QUIET_MS = 150
"""What is seen is told when nothing has moved for so long."""
WIDE = 1.25
"""From this width to height on the other planes stand beside the first one, and below it otherwise."""


class PlaneCanvas(QtViewer):
    """A canvas for one of the other planes.

    Parameters
    ----------
    planes : LinkedPlanes
    number : int
        Of the canvas: 1 or 2.
    """

    def __init__(self, planes: LinkedPlanes, number: int) -> None:
        super().__init__(planes.viewers[number])
        self._planes, self._number = planes, number
        self.setAcceptDrops(False)  # what is dropped is opened by the window
        self.setAccessibleName(f"Plane {number + 1}")
        layers = self.viewer.layers
        layers.selection.events.active.connect(self.take_keys)
        layers.events.removing.connect(self._before_removal)
        self.take_keys()

    def _bind_shortcuts(self) -> None:
        """The window has bound them already, and they hold for all canvases."""

    def take_keys(self, event: Event | None = None) -> None:
        """Hear the keys of the layer that is chosen, wherever they are pressed."""
        self._key_map_handler.keymap_providers = self._planes.keys_of(self._number)

    def _before_removal(self, event: Event | None = None) -> None:
        """What a layer had on the graphics card is freed where it was made; see :mod:`._canvas`."""
        with suppress(RuntimeError, AttributeError):
            self.canvas._scene_canvas.set_current()


class Cross:
    """Where the other two planes cut the one on a canvas: two lines with a gap at the point itself, no layer.

    Parameters
    ----------
    canvas : napari.qt.QtViewer
    planes : LinkedPlanes
    number : int
        Of the canvas.
    """

    def __init__(self, canvas: QtViewer, planes: LinkedPlanes, number: int) -> None:
        self._planes, self._number = planes, number
        self._camera = camera_of(planes.viewers[number])
        self.line = Line(np.zeros((2, 2)), color=COLOR, connect="segments", parent=canvas.canvas.view.scene)
        self.line.order = 10**6 - 1  # over the layers, under what napari draws over them
        self.line.set_gl_state("translucent", depth_test=False)
        self._camera.events.zoom.connect(self.draw)
        planes.moved.connect(self.draw)
        self.draw()

    def draw(self, event: Event | None = None) -> None:
        """Put the lines where the planes are."""
        viewer, planes = self._planes.viewers[self._number], self._planes
        flat = viewer.dims.ndisplay == 2 and viewer.dims.ndim == planes.viewer.dims.ndim > 2
        self.line.visible = planes.linked and flat
        if self.line.visible:
            self.line.set_data(cross_points(planes.look(self._number), planes.viewer.dims.range, self._camera.zoom))

    def remove(self) -> None:
        """Take the lines away."""
        self._camera.events.zoom.disconnect(self.draw)
        self._planes.moved.disconnect(self.draw)
        self.line.parent = None


def cross_points(look: PlaneLook, ranges: tuple[tuple[float, float, float], ...], zoom: float) -> np.ndarray:
    """Ends of the four lines of a cross.

    Parameters
    ----------
    look : PlaneLook
    ranges : tuple of (first, last, step)
        Of the axes of the viewer, in world coordinates.
    zoom : float
        Pixels for a unit of the world.

    Returns
    -------
    (8, 2) ndarray of float
        Two ends a line, each across and down, as the scene has them.
    """
    down, across = (look.point[d] for d in look.shown)
    (top, bottom), (left, right) = ((r[0] - r[2] / 2, r[1] + r[2] / 2) for r in (ranges[d] for d in look.shown))
    gap = GAP / zoom
    ends = [(left, max(left, across - gap)), (min(right, across + gap), right)]
    lines = [(x, down) for pair in ends for x in pair]
    ends = [(top, max(top, down - gap)), (min(bottom, down + gap), bottom)]
    lines += [(across, y) for pair in ends for y in pair]
    return np.array(lines, float)


def missing_planes(viewer: ViewerModel) -> str:
    """Why three planes cannot be shown in a viewer now, as a sentence; empty where they can.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> missing_planes(ViewerModel())
    'Three planes need a volume: this image is flat.'
    """
    return unsupported() or ("" if viewer.dims.ndim > 2 else "Three planes need a volume: this image is flat.")


class ThreePlanes(QObject):
    """Three linked planes of a volume in napari's window.

    Painting, picking, polygons, keys and tools work on each; a click moves the planes to that point, and with Shift held they
    follow the mouse.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    looked : signal
        Emitted with a :class:`~napari_segplugin.viewer.looks.PlaneLook` for each canvas on which something else is seen, as soon
        as nothing has moved for 0.15 s.
    toggled : signal
        Emitted with whether three planes are shown.
    """

    looked = Signal(PlaneLook)
    toggled = Signal(bool)

    def __init__(self, viewer: Viewer) -> None:
        window: QtViewer = viewer.window._qt_viewer  # napari has no public way to its canvas
        super().__init__(window)
        self.viewer = viewer
        self._window: QtViewer | None = window
        self.planes: LinkedPlanes | None = None
        self._side: QSplitter | None = None
        self.canvases: tuple[PlaneCanvas, ...] = ()
        self._crosses: list[Cross] = []
        self._last: dict[int, PlaneLook] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self._tell)
        window.installEventFilter(self)
        viewer.window._qt_window.installEventFilter(self)

    @property
    def shown(self) -> bool:
        """Whether three planes are shown."""
        return self.planes is not None and self.planes.linked

    @property
    def missing(self) -> str:
        """Why three planes cannot be shown now, as a sentence; empty where they can."""
        return missing_planes(self.viewer)

    def show(self) -> None:
        """Show three planes; nothing happens where they are shown.

        Raises
        ------
        InputError
            If this napari cannot, or there is no volume.
        """
        window = self._window
        if self.shown or window is None:
            return
        if self.missing:
            raise InputError(self.missing, hint="Look at one plane at a time")
        planes, side = self._built(window)
        self.viewer.dims.ndisplay = 2
        wide = window.width() > WIDE * window.height()
        window.setOrientation(Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical)
        side.setOrientation(Qt.Orientation.Vertical if wide else Qt.Orientation.Horizontal)
        room = window.width() if wide else window.height()
        planes.link()
        side.show()
        window.setSizes([room * 3 // 5, room * 2 // 5])
        side.setSizes([1000, 1000])
        self._crosses = [Cross(c, planes, i) for i, c in enumerate((window, *self.canvases))]
        self._follow(True)
        self._soon()
        QTimer.singleShot(0, self._fit)
        self.toggled.emit(True)

    def hide(self) -> None:
        """Go back to one plane."""
        if not self.shown or self.planes is None or self._side is None or self._window is None:
            return
        self._timer.stop()
        self._follow(False)
        for cross in self._crosses:
            cross.remove()
        self._crosses = []
        self.planes.unlink()
        self._last.clear()
        self._side.hide()
        self._window.setOrientation(Qt.Orientation.Vertical)
        QTimer.singleShot(0, self.viewer.reset_view)
        self.toggled.emit(False)

    def close(self) -> None:
        """Let go of everything; the window is about to close."""
        if self.shown and self.planes is not None:
            self._timer.stop()
            self._follow(False)
            self.planes.unlink()
        for canvas in self.canvases:
            canvas.close()
        self.canvases, self._crosses = (), []
        self.planes = self._side = self._window = None

    def _built(self, window: QtViewer) -> tuple[LinkedPlanes, QSplitter]:
        """The canvases, made when they are first wanted and kept until the window closes."""
        if self.planes is None or self._side is None:
            self.planes = LinkedPlanes(self.viewer)
            self._side = QSplitter()
            self._side.setChildrenCollapsible(False)
            self.canvases = tuple(PlaneCanvas(self.planes, i + 1) for i in range(len(self.planes.others)))
            for canvas in self.canvases:
                self._side.addWidget(canvas)
                canvas.viewer.events.status.connect(self._on_status)
            self._side.hide()
            window.addWidget(self._side)
            window.setChildrenCollapsible(False)
        return self.planes, self._side

    def _fit(self) -> None:
        """The canvases have their sizes now: show all of the volume on each."""
        for viewer in self.planes.viewers if self.shown and self.planes is not None else ():
            viewer.reset_view()

    def _on_ndim(self, event: Event) -> None:
        if self.viewer.dims.ndim < 3:  # the volume is gone
            QTimer.singleShot(0, self.hide)

    def _on_status(self, event: Event) -> None:
        self.viewer.status = event.value

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """The window goes: the canvases first."""
        if event is not None and (
            event.type() == QEvent.Type.DeferredDelete
            or (event.type() == QEvent.Type.Close and watched is self._window)
        ):
            self.close()
        return False

    # --- what is seen ---------------------------------------------------------------------------------------------

    def _follow(self, on: bool) -> None:
        planes = self.planes
        if planes is None:
            return
        ndim = self.viewer.dims.events.ndim
        ndim.connect(self._on_ndim) if on else ndim.disconnect(self._on_ndim)
        for viewer in planes.viewers:
            camera = camera_of(viewer).events
            for event in (camera.zoom, camera.center, viewer.dims.events.point, viewer.dims.events.order):
                event.connect(self._soon) if on else event.disconnect(self._soon)

    def _soon(self, event: Event | None = None) -> None:
        self._timer.start()

    def _tell(self) -> None:
        for i in range(len(self.planes.viewers) if self.shown and self.planes is not None else 0):
            look = self.planes.look(i) if self.planes is not None else None
            if look is not None and self._last.get(i) != look:
                self._last[i] = look
                self.looked.emit(look)


__all__ = ["Cross", "PlaneCanvas", "ThreePlanes", "cross_points", "missing_planes"]
