"""How a volume is looked at: one plane, three linked planes or in 3D, and the brightness of a CT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.core import SegPluginError
from napari_segplugin.widgets._parts import fill_combo
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.planes_view import ThreePlanes

if TYPE_CHECKING:
    from napari import Viewer

    from napari_segplugin.viewer.desk import Desk

ONE, THREE, SOLID = "one", "three", "solid"


class ViewRow(QWidget):
    """The row between header and tabs; shown for volumes only.

    Parameters
    ----------
    desk : Desk
    viewer : napari.Viewer
        With its window, which the canvases of the planes are put into.
    brightness : QWidget
        What stands beside it for a scan.
    """

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

    def refresh(self) -> None:
        """Follow the chosen image."""
        self.setVisible(self._desk.layer is not None and "Z" in self._desk.axes)

    def _planes(self) -> ThreePlanes:
        if self.planes is None:
            self.planes = ThreePlanes(self._viewer)
            self.planes.toggled.connect(self._on_toggled)
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
        """Three planes were shown or left by something else."""
        if not on and self.choice.currentData() == THREE:
            self.choice.setCurrentIndex(self.choice.findData(ONE if self._viewer.dims.ndisplay == 2 else SOLID))

    def close_planes(self) -> None:
        """Let go of the canvases: the dock closes."""
        if self.planes is not None:
            self.planes.hide()


__all__ = ["ViewRow"]
