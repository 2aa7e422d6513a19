"""How an image is cut into tiles and looked at, folded away: size, halo, precision, size of the picture, mirroring."""

from __future__ import annotations

import math

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox

from napari_segplugin.core import TileSpec
from napari_segplugin.widgets._parts import Fold, button, combo, describe, fill_combo, labelled

ZOOMS = (
    ("off (image as it is)", 1.0),
    ("automatic (runs again enlarged if objects are small)", 0.0),
    ("1.5 ×", 1.5),
    ("2 ×", 2.0),
    ("3 ×", 3.0),
    ("4 ×", 4.0),
    ("0.5 ×", 0.5),
    ("0.25 ×", 0.25),
)
_ZOOM_TIP = (
    "Enlarges the image before it is segmented (below 1: reduces it), for objects much smaller or larger than those "
    "the model learnt. 2 × takes four times as long in 2D."
)
_TILE_TIP = (
    "The image is segmented in tiles. Longest side of a tile, in pixels (voxels in 3D). Larger is faster and "
    "needs more memory."
)
_HALO_TIP = "How far tiles overlap, in pixels (voxels in 3D). Larger avoids visible seams and takes longer."
_RESCALE_TIP = (
    "Resamples the image to the pixel or voxel size of the images that the model learnt from, if both are known. The "
    "labels keep the size of your image."
)
_INVERT_TIP = (
    "The model sees the image with bright and dark exchanged, for dark objects on a bright background where it learnt "
    "the opposite."
)
_CHECK_TIP = (
    "Checks packages, graphics card, memory, disk and folders, and writes a report for a question or a bug report."
)


class TileOptions(Fold):
    """A fold of settings with safe defaults.

    Signals
    -------
    changed : any of them
    check_requested : look whether this computer is fit
    """

    changed = Signal()
    check_requested = Signal()

    def __init__(self) -> None:
        super().__init__(
            "Advanced", "advanced", "Tiles, precision, zoom, inverting, mirroring. The defaults are a good choice."
        )
        self.tile_spin, self.halo_spin = QSpinBox(), QSpinBox()
        for spin, name, title, top, tip in (
            (self.tile_spin, "tile_size", "Tile size", 8192, _TILE_TIP),
            (self.halo_spin, "tile_halo", "Tile overlap", 1024, _HALO_TIP),
        ):
            spin.setRange(0, top)
            spin.setSingleStep(16)
            spin.setSpecialValueText("automatic")
            spin.setKeyboardTracking(False)
            describe(spin, name, title, tip)
            spin.valueChanged.connect(lambda _: self.changed.emit())
            self.rows.addWidget(labelled(title, spin))
        self.precision_choice = combo(
            "precision",
            "Precision",
            "Number format of the computation; bfloat16 halves the memory on GPUs that support it.",
        )
        fill_combo(self.precision_choice, [("automatic", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16")])
        self.precision_choice.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.rows.addWidget(labelled("Precision", self.precision_choice))
        self.zoom_choice = combo("zoom", "Zoom", _ZOOM_TIP)
        fill_combo(self.zoom_choice, [(text, factor) for text, factor in ZOOMS])
        self.zoom_choice.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.rows.addWidget(labelled("Zoom", self.zoom_choice))
        self.rescale_box = QCheckBox("Use the model's voxel size")
        self.rescale_box.setChecked(True)
        describe(self.rescale_box, "rescale", "Use the model's voxel size", _RESCALE_TIP)
        self.rescale_box.toggled.connect(lambda _: self.changed.emit())
        self.rows.addWidget(self.rescale_box)
        self.invert_box = QCheckBox("Invert the image")
        describe(self.invert_box, "invert", "Invert the image", _INVERT_TIP)
        self.invert_box.toggled.connect(lambda _: self.changed.emit())
        self.rows.addWidget(self.invert_box)
        self.mirror_box = QCheckBox("Average over mirrored copies")
        describe(
            self.mirror_box, "mirror", "Average over mirrored copies", "Slightly better, 4 (2D) or 8 (3D) times slower."
        )
        self.mirror_box.toggled.connect(lambda _: self.changed.emit())
        self.rows.addWidget(self.mirror_box)
        self.check_button = button("Check this computer…", "check_computer", _CHECK_TIP, self.check_requested.emit)
        self.rows.addWidget(self.check_button)

    def take(self, tiles: TileSpec) -> None:
        """Set zoom and inversion as a suggestion has them; the nearest zoom that is offered."""
        offered = [factor for _, factor in ZOOMS if factor]
        near = tiles.zoom and min(offered, key=lambda factor: abs(math.log(factor / tiles.zoom)))
        self.zoom_choice.setCurrentIndex(self.zoom_choice.findData(near))
        self.invert_box.setChecked(tiles.invert)

    def spec(self, ndim: int) -> TileSpec:
        """The settings for a network of `ndim` dimensions."""
        size, halo = self.tile_spin.value(), self.halo_spin.value()
        return TileSpec(
            size=(size,) * ndim if size else (),
            halo=(halo,) * ndim if halo else (),
            precision=str(self.precision_choice.currentData()),
            mirror=self.mirror_box.isChecked(),
            zoom=float(self.zoom_choice.currentData()),
            rescale=self.rescale_box.isChecked(),
            invert=self.invert_box.isChecked(),
        )


__all__ = ["TileOptions"]
