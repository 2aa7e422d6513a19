"""How an image is cut into tiles and looked at, folded away: size, halo, precision, size of the picture, mirroring."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox

from napari_segplugin.core import TileSpec
from napari_segplugin.widgets._parts import Fold, combo, describe, fill_combo, labelled

ZOOMS = (
    ("at the image as it is", 1.0),
    ("again, larger, where objects are small", 0.0),
    ("at 1.5 times the size", 1.5),
    ("at 2 times the size", 2.0),
    ("at 3 times the size", 3.0),
    ("at half the size", 0.5),
    ("at a quarter of the size", 0.25),
)
_ZOOM_TIP = (
    "For objects much smaller or larger than those the model learnt. Twice the size takes four times as long in 2D."
)
_TILE_TIP = "Longest side of a tile in voxels. Larger is faster and needs more memory."
_HALO_TIP = "Voxels around a tile that are read and thrown away. Larger hides seams and costs time."


class TileOptions(Fold):
    """A fold of settings with safe defaults.

    Signals
    -------
    changed : any of them
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("Advanced", "advanced", "Tile size, halo, precision, size, mirroring. The defaults are good.")
        self.tile_spin, self.halo_spin = QSpinBox(), QSpinBox()
        for spin, name, title, top, tip in (
            (self.tile_spin, "tile_size", "Tile size", 8192, _TILE_TIP),
            (self.halo_spin, "tile_halo", "Halo", 1024, _HALO_TIP),
        ):
            spin.setRange(0, top)
            spin.setSingleStep(16)
            spin.setSpecialValueText("automatic")
            spin.setKeyboardTracking(False)
            describe(spin, name, title, tip)
            spin.valueChanged.connect(lambda _: self.changed.emit())
            self.rows.addWidget(labelled(title, spin))
        self.precision_choice = combo("precision", "Precision", "bfloat16 halves the memory on GPUs that have it.")
        fill_combo(self.precision_choice, [("automatic", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16")])
        self.precision_choice.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.rows.addWidget(labelled("Precision", self.precision_choice))
        self.zoom_choice = combo("zoom", "Look", _ZOOM_TIP)
        fill_combo(self.zoom_choice, [(text, factor) for text, factor in ZOOMS])
        self.zoom_choice.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.rows.addWidget(labelled("Look", self.zoom_choice))
        self.mirror_box = QCheckBox("Average over mirrored copies")
        describe(
            self.mirror_box, "mirror", "Average over mirrored copies", "A little better, 4 (2D) or 8 (3D) times slower."
        )
        self.mirror_box.toggled.connect(lambda _: self.changed.emit())
        self.rows.addWidget(self.mirror_box)

    def spec(self, ndim: int) -> TileSpec:
        """The settings for a network of `ndim` dimensions."""
        size, halo = self.tile_spin.value(), self.halo_spin.value()
        return TileSpec(
            size=(size,) * ndim if size else (),
            halo=(halo,) * ndim if halo else (),
            precision=str(self.precision_choice.currentData()),
            mirror=self.mirror_box.isChecked(),
            zoom=float(self.zoom_choice.currentData()),
        )


__all__ = ["TileOptions"]
