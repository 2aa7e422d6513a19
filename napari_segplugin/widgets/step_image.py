"""What unfolds under *Image*: which image, what its axes mean, and how large a voxel is."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image as ImageLayer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QMenu

from napari_segplugin.core import Image, InputError
from napari_segplugin.core.words import pixel
from napari_segplugin.io.formats import notes_of
from napari_segplugin.viewer.layers import (
    axes_choices,
    axes_of_layer,
    axes_words,
    layer_to_image,
    level0,
    spacing_of_layer,
)
from napari_segplugin.viewer.technical import listed
from napari_segplugin.widgets._parts import (
    DockPart,
    button,
    clear_layout,
    combo,
    describe,
    fill_combo,
    labelled,
    layout_of,
    row,
    wrapped,
)
from napari_segplugin.widgets._size_box import SizeBox
from napari_segplugin.widgets.channel_row import ChannelRow
from napari_segplugin.widgets.composite_control import CompositeFold
from napari_segplugin.widgets.patient_row import PatientRow
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.components import ViewerModel

UNITS = ("pixel", "nm", "um", "mm", "cm", "m")


class ImageStep(DockPart):
    """Which image layer, its axes and its voxel size.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    changed : another image, other axes or another voxel size
    moved : the image layer was scaled, so what lies over it must follow
    open_requested(str) : a path to read
    sample_requested(str) : a sample's name
    """

    changed = Signal()
    moved = Signal()
    open_requested = Signal(str)
    sample_requested = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__("Image", "step_image")
        self._viewer = viewer
        self._axes = ""
        self._doubt = ""
        self.problem = ""
        self.choice = combo("image_choice", "Image", "The image layer to segment.")
        self.choice.currentIndexChanged.connect(lambda _: self._on_layer())
        self.open_menu = QMenu(self)
        self.open_menu.addAction("File…", self.ask_file)
        self.open_menu.addAction("Folder (DICOM, OME-Zarr)…", self._ask_folder)
        self.open_button = button(
            "Open…",
            "open_button",
            "Open an image or a saved result (TIFF, NIfTI, DICOM, OME-Zarr, PNG). Your file is never changed.",
        )
        self.open_button.setMenu(self.open_menu)
        self.sample_menu = QMenu(self)
        self.sample_button = button(
            "Sample", "sample_button", "Open a small example image with ground truth. No download."
        )
        self.sample_button.setMenu(self.sample_menu)
        self.info = wrapped(name="image_info")
        self.axes_choice = combo("axes_choice", "Axes", "The meaning of each axis, in the order of the array.")
        self.axes_choice.currentIndexChanged.connect(lambda _: self.set_axes(str(self.axes_choice.currentData())))
        self.patient = PatientRow(viewer)
        self.channels = ChannelRow(viewer)
        self.channels.changed.connect(self._on_channels)
        self.question = wrapped(name="axes_question")
        self.answers = row()
        self.answers.setObjectName("axes_answers")
        self._build_spacing()
        self.composite = CompositeFold()
        for widget in (
            self.choice,
            row(self.open_button, self.sample_button, stretch=(1, 1)),
            self.info,
            self.question,
            self.answers,
            self._axes_row,
            self.channels,
            self._voxel_row,
            self.composite,
            self.patient,
        ):
            self.rows.addWidget(widget)
        self.refresh()

    def _build_spacing(self) -> None:
        self._axes_row = labelled("Axes", self.axes_choice)
        self.spins: dict[str, SizeBox] = {}
        self.unit_choice = combo("unit_choice", "Unit", "Unit of the pixel size. Measurements use it.")
        fill_combo(self.unit_choice, [(("µm" if u == "um" else u), u) for u in UNITS])
        self.unit_choice.setMinimumContentsLength(3)
        self.unit_choice.currentIndexChanged.connect(lambda _: self._write_unit())
        for axis in "ZYX":
            spin = SizeBox(f"{axis} ")
            describe(spin, f"spacing_{axis}", f"Pixel size {axis}", f"Size of one pixel (voxel in 3D) along {axis}.")
            spin.valueChanged.connect(lambda size, a=axis: self._write_size(a, size))
            self.spins[axis] = spin
        self._voxel_label = QLabel("Pixel")
        self._voxel_label.setMinimumWidth(40)
        self._voxel_row = row(self._voxel_label, *self.spins.values(), self.unit_choice, stretch=(0, 1, 1, 1, 1))

    # --- what the other steps ask ---------------------------------------------------------------------------------

    @property
    def layer(self) -> ImageLayer | None:
        """The chosen layer or None."""
        layer: ImageLayer | None = self.choice.currentData()
        return layer

    @property
    def axes(self) -> str:
        """Axes of the chosen layer's array."""
        return self._axes

    @property
    def ndim(self) -> int:
        """Spatial axes of the chosen image: 3 where it has a depth, otherwise 2."""
        return 3 if "Z" in self._axes else 2

    @property
    def ready(self) -> bool:
        """Whether there is an image and no open question about it."""
        return self.layer is not None and not self._doubt and not self.problem

    def line(self) -> tuple[str, str]:
        """What the header says of the image: its name, and its size or that it has none."""
        layer = self.layer
        if layer is None:
            return "none yet", ""
        if not self.ready:
            return str(layer.name), self._doubt and "one question"
        spacing, unit = spacing_of_layer(layer, self._axes)
        shape = level0(layer).shape
        sizes = " × ".join(str(n) for n, a in zip(shape, self._axes, strict=True) if a in "ZYX")
        shown = (
            "×".join(f"{s:.3g}" for s in dict.fromkeys(spacing))
            if self.ndim == 2
            else "×".join(f"{s:.3g}" for s in spacing)
        )
        unit = unit.replace("um", "µm")
        return str(layer.name), f"{sizes} · {f'no {pixel(self.ndim)} size' if unit == 'pixel' else f'{shown} {unit}'}"

    def image(self) -> Image:
        """The chosen image.

        Raises
        ------
        InputError
            If there is none or the layer cannot be used.
        """
        if self.layer is None:
            raise InputError("There is no image.", hint="Open an image.")
        return self.channels.of(layer_to_image(self.layer, self._axes), self.layer)

    # --- following the viewer -------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Fill the list from the viewer's layers; the newest image is chosen if the old one is gone."""
        layers = [a for a in listed(self._viewer.layers) if isinstance(a, ImageLayer)]
        before = self.layer
        keep = before if any(a is before for a in layers) else (layers[-1] if layers else None)
        fill_combo(self.choice, [(a.name, a) for a in layers], keep)
        self.choice.setEnabled(bool(layers))
        self.choice.setToolTip(f"<p>{self.choice.currentText() or 'The image layer to segment.'}</p>")
        if self.layer is not before or not layers:
            self._on_layer()

    def choose(self, layer: ImageLayer) -> None:
        """Choose a layer."""
        for i in range(self.choice.count()):
            if self.choice.itemData(i) is layer:
                self.choice.setCurrentIndex(i)

    def follow(self) -> None:
        """Look at the chosen layer anew: its axes, sizes or unit were changed from elsewhere."""
        self._on_layer()
        self.moved.emit()

    def fill_samples(self, names: tuple[str, ...]) -> None:
        """Fill the sample menu."""
        self.sample_menu.clear()
        for name in names:
            self.sample_menu.addAction(name.replace("_", " "), lambda n=name: self.sample_requested.emit(n))
        self.sample_button.setEnabled(bool(names))

    def _on_layer(self) -> None:
        self._axes, self._doubt, self.problem = "", "", ""
        layer = self.layer
        for widget in (self.info, self._axes_row, self._voxel_row):
            widget.setVisible(layer is not None)
        if layer is not None:
            try:
                self._axes, self._doubt = axes_of_layer(layer)
                rgb = bool(getattr(layer, "rgb", False))
                choices = axes_choices(level0(layer).shape, rgb)
                choices = tuple(dict.fromkeys((self._axes, *choices)))
                fill_combo(self.axes_choice, [(axes_words(a), a) for a in choices], self._axes)
            except InputError as error:
                self.problem = told(error)
        self.patient.set_layer(layer)
        self._ask()
        self._show()
        self.changed.emit()

    def set_axes(self, axes: str) -> None:
        """Settle what the axes mean; the layer's axes are named accordingly, so the answer stays with the layer."""
        layer = self.layer
        if layer is None or not axes or axes == "None":
            return
        self._axes, self._doubt = axes, ""
        rgb = bool(getattr(layer, "rgb", False))
        layer.axis_labels = tuple(a.lower() for a in (axes[:-1] if rgb else axes))
        fill_combo(
            self.axes_choice,
            [(self.axes_choice.itemText(i), self.axes_choice.itemData(i)) for i in range(self.axes_choice.count())],
            axes,
        )
        self._ask()
        self._show()
        self.changed.emit()

    def _ask(self) -> None:
        """Show the question and a button for each answer, or nothing."""
        layout = layout_of(self.answers)
        clear_layout(layout)
        self.question.setText(self._doubt)
        self.question.setVisible(bool(self._doubt))
        self.answers.setVisible(bool(self._doubt))
        if not self._doubt:
            return
        for axes in [self.axes_choice.itemData(i) for i in range(min(3, self.axes_choice.count()))]:
            tip = f"The axes are {axes_words(axes)}. You can change this below at any time."
            push = button(_answer(axes), f"axes_answer_{axes}", tip)
            push.clicked.connect(lambda _=False, a=axes: self.set_axes(a))
            push.setProperty("primary", True)
            layout.addWidget(push)

    def _show(self) -> None:
        """The line about the image, the voxel size boxes, and its bands."""
        whole = None
        try:
            whole = None if self.layer is None else layer_to_image(self.layer, self._axes)
            image = None if whole is None else self.image()
        except InputError as error:
            image, self.problem = None, told(error)
            self.info.setText("")
        self.composite.show_bands(whole)
        self.channels.show_image(whole, self.layer)
        if image is None:
            return
        self.problem = ""
        lines = [image.describe().replace(" um ", " µm "), *(note.text for note in notes_of(image))]
        self.info.setText("<br>".join(html.escape(text) for text in lines))
        self._voxel_label.setText(pixel(image.ndim).capitalize())
        sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
        for axis, spin in self.spins.items():
            spin.blockSignals(True)
            spin.setVisible(axis in sizes)
            spin.setValue(sizes.get(axis, 1.0))
            spin.blockSignals(False)
        known = [self.unit_choice.itemData(i) for i in range(self.unit_choice.count())]
        names = list(dict.fromkeys([*known, image.unit]))
        fill_combo(self.unit_choice, [(("µm" if u == "um" else u), u) for u in names], image.unit)

    def _on_channels(self) -> None:
        """What is seen of the layer has changed."""
        self._show()
        self.changed.emit()

    def _write_size(self, axis: str, size: float) -> None:
        """Give the size along one axis to the layer; the others keep every digit that they have."""
        layer = self.layer
        if layer is None or axis not in self._axes:
            return
        scale = np.array(layer.scale, float)
        at = self._axes.index(axis)
        if scale[at] == size:
            return
        scale[at] = size
        layer.scale = scale
        self._on_moved()

    def _write_unit(self) -> None:
        """Give the unit to the layer."""
        layer = self.layer
        if layer is None:
            return
        unit = str(self.unit_choice.currentData() or "pixel")
        if unit == spacing_of_layer(layer, self._axes)[1]:
            return
        shown = self._axes[:-1] if getattr(layer, "rgb", False) else self._axes
        layer.units = tuple(unit if a in "ZYX" else str(u) for a, u in zip(shown, layer.units, strict=True))
        self._on_moved()

    def _on_moved(self) -> None:
        """What lies over the layer follows."""
        self._show()
        self.moved.emit()
        self.changed.emit()

    # --- opening --------------------------------------------------------------------------------------------------

    def ask_file(self) -> None:
        """Ask for a file to open."""
        path, _ = QFileDialog.getOpenFileName(self, "Open an image", str(Path.home()))
        if path:
            self.open_requested.emit(path)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder (DICOM series or OME-Zarr)", str(Path.home()))
        if path:
            self.open_requested.emit(path)


def _answer(axes: str) -> str:
    """A button's caption for an axis order: the first word decides."""
    if len(axes) == 3 and axes.endswith("YX"):
        return {"Z": "Depth Z", "C": "Channels C", "T": "Time T"}[axes[0]]
    return axes
