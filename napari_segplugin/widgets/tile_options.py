"""How an image is cut into tiles and looked at, folded away: size, halo, precision, size of the picture, mirroring."""

from __future__ import annotations

import math
from typing import cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox

from napari_segplugin.core import Parameter, TileSpec
from napari_segplugin.widgets._parts import Fold, button
from napari_segplugin.widgets.parameter_form import ParameterForm

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
_PRECISIONS = (("automatic", "auto"), ("float32", "float32"), ("bfloat16", "bfloat16"))
_PRECISION_TIP = "Number format of the computation; bfloat16 halves the memory on GPUs that support it."
_MIRROR_TIP = "Slightly better, 4 (2D) or 8 (3D) times slower."
_SETTINGS = (
    Parameter("tile_size", 0, "Tile size", _TILE_TIP, 0, 8192, 16),
    Parameter("tile_halo", 0, "Tile overlap", _HALO_TIP, 0, 1024, 16),
    Parameter("precision", "auto", "Precision", _PRECISION_TIP, choices=tuple(key for _, key in _PRECISIONS)),
    Parameter("zoom", 1.0, "Zoom", _ZOOM_TIP),
    Parameter("rescale", True, "Use the model's voxel size", _RESCALE_TIP),
    Parameter("invert", False, "Invert the image", _INVERT_TIP),
    Parameter("mirror", False, "Average over mirrored copies", _MIRROR_TIP),
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
        self.form = ParameterForm(_SETTINGS, "", {"precision": _PRECISIONS, "zoom": ZOOMS}, sliders=False)
        for name in ("tile_size", "tile_halo"):
            cast("QDoubleSpinBox", self.form.fields[name].native).setSpecialValueText("automatic")
        self.form.changed.connect(self.changed)
        self.rows.addWidget(self.form)
        self.check_button = button("Check this computer…", "check_computer", _CHECK_TIP, self.check_requested.emit)
        self.rows.addWidget(self.check_button)

    def take(self, tiles: TileSpec) -> None:
        """Set zoom and inversion as a suggestion has them; the nearest zoom that is offered."""
        offered = [factor for _, factor in ZOOMS if factor]
        near = tiles.zoom and min(offered, key=lambda factor: abs(math.log(factor / tiles.zoom)))
        self.form.set_values({"zoom": near, "invert": tiles.invert})

    @property
    def inverts(self) -> bool:
        """Whether the image is shown to the model with bright and dark exchanged."""
        return bool(self.form.fields["invert"].value)

    def spec(self, ndim: int) -> TileSpec:
        """The settings for a network of `ndim` dimensions."""
        values = self.form.values()
        size, halo = int(values["tile_size"]), int(values["tile_halo"])
        return TileSpec(
            size=(size,) * ndim if size else (),
            halo=(halo,) * ndim if halo else (),
            precision=str(values["precision"]),
            mirror=bool(values["mirror"]),
            zoom=float(values["zoom"]),
            rescale=bool(values["rescale"]),
            invert=bool(values["invert"]),
        )


__all__ = ["TileOptions"]
