"""Rows of the techniques that look at values, edges and colours, and of the clean-up steps. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.base import technique_row
from napari_segplugin.core import Parameter, Row

_HERE = "napari_segplugin.classical."
GLOBAL_METHODS = ("otsu", "li", "triangle", "yen", "isodata", "minimum", "mean", "manual")
LOCAL_METHODS = ("gaussian", "mean", "median", "sauvola", "niblack")

SMOOTH = Parameter(
    "smooth", 0.0, "Smooth before", "Width (sigma) of a Gaussian that takes noise out first; 0 does nothing.",
    low=0, high=20, step=0.5, unit="pixel",
)  # fmt: skip
OBJECTS = Parameter(
    "objects", "bright", "Objects are", "Whether what is looked for is brighter or darker than what is around it.",
    choices=("bright", "dark"),
)  # fmt: skip

THRESHOLD_ROWS: tuple[Row, ...] = (
    technique_row(
        "threshold",
        "Threshold",
        _HERE + "threshold:threshold",
        "One value for the whole image parts it in two; the method finds the value, or you drag it in the histogram.",
        "Otsu 1979; Li and Tam 1998; Zack et al. 1977; Yen et al. 1995; Ridler and Calvard 1978; Prewitt and Mendelsohn 1966",
        (
            Parameter("method", "otsu", "Value from", "How the value is found.", choices=GLOBAL_METHODS),
            Parameter("value", 128.0, "Value", "The value itself, where the method is manual.", unit="intensity"),
            Parameter(
                "factor", 1.0, "Shift", "The value that was found is multiplied by this, counted from the darkest voxel.",
                low=0.05, high=10, step=0.05,
            ),
            OBJECTS,
            SMOOTH,
        ),
        scope="window",
        group="Threshold",
        measure=_HERE + "threshold:measure",
        halo=_HERE + "threshold:halo",
    ),
)  # fmt: skip

ROWS: tuple[Row, ...] = THRESHOLD_ROWS
CLEANUP_ROWS: tuple[Row, ...] = ()

__all__ = ["CLEANUP_ROWS", "GLOBAL_METHODS", "LOCAL_METHODS", "ROWS"]
