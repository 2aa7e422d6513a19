"""How a scan of a patient is seen: along his axes or as its file has it, in which brightness, and the value at the pointer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segplugin.viewer.compass import compass_of
from napari_segplugin.viewer.layers import level0
from napari_segplugin.viewer.space import View, about_layer, scene_of
from napari_segplugin.widgets._parts import combo, fill_combo, labelled, wrapped

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

WINDOWS: Mapping[str, tuple[float, float]] = {
    "Abdomen": (-160.0, 240.0),
    "Lung": (-1350.0, 150.0),
    "Bone": (-500.0, 1300.0),
    "Brain": (0.0, 80.0),
    "Mediastinum": (-125.0, 225.0),
}
"""Darkest and brightest value on the screen, in Hounsfield units."""
_AIR = -500.0  # where a volume of a patient has values below this, they are Hounsfield units
_VIEWS: tuple[tuple[str, View], ...] = (("Patient, head up", "patient"), ("As in the file", "file"))


class PatientRow(QWidget):
    """Choices that go with a scan; hidden for any other image.

    Attributes
    ----------
    brightness : QComboBox
        Which values are black and white; it has its place in the row between header and tabs.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._layer: ImageLayer | None = None
        self._compass = compass_of(viewer)
        self.direction = combo("patient_view", "View", "Along the axes of the patient, or in the order of the file.")
        fill_combo(self.direction, list(_VIEWS))
        self.direction.currentIndexChanged.connect(lambda _: self._see())
        self.brightness = combo("window_choice", "Brightness", "Which values are black and white, in Hounsfield units.")
        self.brightness.currentIndexChanged.connect(lambda _: self._set_window())
        self.value = wrapped(name="value_at_pointer")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (labelled("View", self.direction), self.value):
            layout.addWidget(widget)
        viewer.mouse_move_callbacks.append(self._on_pointer)
        self.setVisible(False)

    def set_layer(self, layer: ImageLayer | None) -> None:
        """Follow an image; a tilted one is brought along the screen, because napari cuts along the axes of arrays."""
        self._layer = layer
        scan = layer is not None and scene_of(layer) is not None and layer.ndim >= 3
        self.setVisible(scan)
        self.brightness.setVisible(False)
        if layer is None or not scan:
            return
        if self._compass.view != "file":
            self._compass.see(layer, "patient")
        fill_combo(self.direction, list(_VIEWS), self._compass.view)
        units = hounsfield(layer)
        self.brightness.setVisible(units)
        self.value.setVisible(units)
        self.value.setText("")
        if units:
            rows: list[tuple[str, object]] = [("As it is", None)]
            stored = _stored_window(layer)
            if stored is not None:
                rows.append(("As the file says", stored))
            shown = [
                at for at, (_, limits) in enumerate([*rows, *WINDOWS.items()]) if limits == tuple(layer.contrast_limits)
            ]
            fill_combo(self.brightness, [*rows, *WINDOWS.items()])
            self.brightness.blockSignals(True)
            self.brightness.setCurrentIndex(shown[0] if shown else 0)
            self.brightness.blockSignals(False)

    def _see(self) -> None:
        if self._layer is not None and self.isVisibleTo(self.parentWidget()):
            self._compass.see(self._layer, self.direction.currentData())

    def _set_window(self) -> None:
        limits = self.brightness.currentData()
        if self._layer is not None and limits is not None:
            low, high = limits
            before = self._layer.contrast_limits_range
            self._layer.contrast_limits_range = (min(before[0], low), max(before[1], high))
            self._layer.contrast_limits = (low, high)

    def _on_pointer(self, viewer: ViewerModel, event: Event) -> None:
        layer = self._layer
        if layer is None or not self.value.isVisible():
            return
        found: object = None
        with suppress(IndexError, ValueError, TypeError):
            found = layer.get_value(
                event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
            )
        if isinstance(found, tuple):  # of a pyramid the level, too
            found = found[-1]
        self.value.setText(f"At the pointer: {found:g} HU" if isinstance(found, int | float | np.number) else "")


def hounsfield(layer: ImageLayer) -> bool:
    """Whether the values of a scan are Hounsfield units: as its file says, or because air is there."""
    about = about_layer(layer)
    said = str(about.get("value_unit", ""))
    if said or about.get("dicom_Modality"):
        return said == "HU" or about.get("dicom_Modality") == "CT"
    array = level0(layer)
    if np.dtype(array.dtype).kind not in "if":
        return False
    last = len(array.shape) - 2
    index = tuple(slice(n // 2, n // 2 + 1) if i < last else slice(None, None, 8) for i, n in enumerate(array.shape))
    middle = np.asarray(array[index])  # of the middle plane: the array may be larger than memory
    return bool(middle.size and np.nanmin(middle) < _AIR)


def _stored_window(layer: ImageLayer) -> tuple[float, float] | None:
    """Darkest and brightest value as the file has them."""
    said = about_layer(layer).get("window")
    if isinstance(said, list | tuple) and len(said) == 2:
        return float(str(said[0])), float(str(said[1]))
    return None


__all__ = ["WINDOWS", "PatientRow", "hounsfield"]
