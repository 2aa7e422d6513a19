"""How a volume is looked at: one plane, three linked planes or in 3D, and the window of a CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_segplugin.core import SegPluginError
from napari_segplugin.data.hounsfield import hounsfield
from napari_segplugin.widgets._parts import combo, fill_combo
from napari_segplugin.widgets.frame.groups import ChoiceBar
from napari_segplugin.widgets.planes_view import ThreePlanes

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image as ImageLayer

    from napari_segplugin.viewer.desk import Desk

ONE, THREE, SOLID = "one", "three", "solid"


@dataclass(frozen=True)
class Window:
    """A range of values that is shown.

    Parameters
    ----------
    title : str
    width, level : float
        In Hounsfield units: from level - width / 2 to level + width / 2.
    """

    title: str
    width: float
    level: float

    @property
    def limits(self) -> tuple[float, float]:
        """The darkest and the brightest value."""
        return self.level - self.width / 2, self.level + self.width / 2


WINDOWS = (
    Window("Soft tissue 400 / 40", 400, 40),
    Window("Lung 1500 / −600", 1500, -600),
    Window("Bone 2000 / 500", 2000, 500),
    Window("Brain 80 / 40", 80, 40),
    Window("Liver 150 / 60", 150, 60),
)
"""Windows of a CT."""
_LOOKED = 200_000


class ViewRow(QWidget):
    """The row between header and tabs; shown for volumes only.

    Parameters
    ----------
    desk : Desk
    viewer : napari.Viewer
        With its window, which the canvases of the planes are put into.
    """

    def __init__(self, desk: Desk, viewer: Viewer) -> None:
        super().__init__()
        self._desk, self._viewer = desk, viewer
        self.planes: ThreePlanes | None = None
        self._layer: ImageLayer | None = None
        self.choice = ChoiceBar("planes", "View", "How the volume is looked at.")
        fill_combo(self.choice, [("1 plane", ONE), ("3 planes", THREE), ("3D", SOLID)])
        self.window_choice = combo(
            "window", "Window", "The range of values that is shown. It changes the picture and nothing else."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.choice, 5)
        layout.addWidget(self.window_choice, 2)
        self.choice.currentIndexChanged.connect(lambda _: self._on_choice())
        self.window_choice.activated.connect(lambda _: self._on_window())
        self.hide()

    def refresh(self) -> None:
        """Follow the chosen image."""
        layer = self._desk.layer
        volume = layer is not None and "Z" in self._desk.axes
        self.setVisible(volume)
        if layer is None or not volume or layer is self._layer:
            return
        self._layer = layer
        ct = hounsfield(_some(layer)) is True
        own = [("As in the file", tuple(layer.contrast_limits))]
        presets = [(w.title, w.limits) for w in WINDOWS] if ct else []
        fill_combo(self.window_choice, [*own, *presets, ("Automatic", "auto"), ("Whole range", "whole")])

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

    def _on_window(self) -> None:
        layer, limits = self._desk.layer, self.window_choice.currentData()
        if layer is None:
            return
        if limits == "auto":
            layer.reset_contrast_limits()
        elif limits == "whole":
            layer.reset_contrast_limits("data")
            layer.contrast_limits = tuple(layer.contrast_limits_range)
        else:
            low, high = limits
            span = layer.contrast_limits_range
            layer.contrast_limits_range = (min(low, span[0]), max(high, span[1]))
            layer.contrast_limits = (low, high)

    def close_planes(self) -> None:
        """Let go of the canvases: the dock closes."""
        if self.planes is not None:
            self.planes.hide()


def _some(layer: ImageLayer) -> np.ndarray:
    """Some values of a layer: those of its middle plane."""
    data = layer.data[-1] if layer.multiscale else layer.data
    middle = data[tuple(n // 2 for n in data.shape[:-2])]
    values = np.asarray(middle).ravel()
    return values[:: max(1, len(values) // _LOOKED)]


__all__ = ["WINDOWS", "ViewRow", "Window"]
