"""How a volume is looked at: one plane, three linked planes or in 3D, and the brightness of a CT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.core import SegPluginError
from napari_segplugin.widgets._parts import fill_combo
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.planes_view import ThreePlanes, missing_planes

if TYPE_CHECKING:
    from napari import Viewer

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.looks import PlaneLook

ONE, THREE, SOLID = "one", "three", "solid"
THREE_TIP = "Three planes that meet at one point; paint, pick and correct on each."


class ViewRow(QWidget):
    """The row between header and tabs; shown for volumes only.

    Parameters
    ----------
    desk : Desk
    viewer : napari.Viewer
        With its window, which the canvases of the planes are put into.
    brightness : QWidget
        What stands beside it for a scan.

    Signals
    -------
    looked(object) : a :class:`~napari_segplugin.viewer.looks.PlaneLook`, where something else is seen on one of three planes
    toggled(bool) : three planes are shown, or no longer
    """

    looked = Signal(object)
    toggled = Signal(bool)

    def __init__(self, desk: Desk, viewer: Viewer, brightness: QWidget) -> None:
        super().__init__()
        self._desk, self._viewer = desk, viewer
        self.planes: ThreePlanes | None = None
        self.choice = ChoiceBar("planes", "View", "How the volume is shown.")
        fill_combo(self.choice, [("1 plane", ONE), ("3 planes", THREE), ("3D", SOLID)])
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.choice, 5)
        layout.addWidget(brightness, 2)
        self.choice.currentIndexChanged.connect(lambda _: self._on_choice())
        self.hide()

    @property
    def looks(self) -> tuple[PlaneLook, ...]:
        """What is seen on each of three planes; nothing where one is shown."""
        three = self.planes
        if three is None or three.planes is None or not three.shown:
            return ()
        return tuple(three.planes.look(i) for i in range(len(three.planes.viewers)))

    def refresh(self) -> None:
        """Follow the chosen image; three planes are offered where they can be shown, and otherwise it says why not."""
        missing = missing_planes(self._viewer)
        self.choice.setUsable(self.choice.findData(THREE), not missing, missing or THREE_TIP)
        self.setVisible(self._desk.layer is not None and "Z" in self._desk.axes)

    def _planes(self) -> ThreePlanes:
        if self.planes is None:
            self.planes = ThreePlanes(self._viewer)
            self.planes.toggled.connect(self._on_toggled)
            self.planes.looked.connect(lambda look: self.looked.emit(look))
        return self.planes

    def _on_choice(self) -> None:
        wanted = self.choice.currentData()
        try:
            if wanted == THREE:
                self._show_three()
                return
            if self.planes is not None:
                self.planes.hide()
            self._viewer.dims.ndisplay = 3 if wanted == SOLID else 2
        except SegPluginError as error:
            self._desk.fail(error)
            self.choice.setCurrentIndex(self.choice.findData(ONE))

    def _show_three(self) -> None:
        """Show three planes through the slice that is looked at, and through the middle of it."""
        dims, three = self._viewer.dims, self._planes()
        point = [float(p) for p in dims.point]
        for axis in dims.displayed:
            low, high, _ = dims.range[axis]
            point[axis] = (low + high) / 2
        three.show()
        if three.planes is not None:
            three.planes.go_to(point)

    def _on_toggled(self, on: bool) -> None:
        """Three planes were shown or left, perhaps by something else."""
        self.toggled.emit(on)
        if not on and self.choice.currentData() == THREE:
            self.choice.setCurrentIndex(self.choice.findData(ONE if self._viewer.dims.ndisplay == 2 else SOLID))

    def close_planes(self) -> None:
        """Let go of the canvases: the dock closes."""
        if self.planes is not None:
            self.planes.hide()


__all__ = ["ViewRow"]
