"""Rows of the techniques that look at single values. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."
GLOBAL_METHODS = ("otsu", "root_otsu", "li", "triangle", "yen", "isodata", "minimum", "mean", "manual")
LOCAL_METHODS = ("gaussian", "mean", "median", "sauvola", "niblack")

SMOOTH = Parameter(
    "smooth", 0.0, "Smooth before", "Width (sigma) of a Gaussian that takes noise out first; 0 does nothing.",
    low=0, high=20, step=0.5, unit="pixel",
)  # fmt: skip
OBJECTS = Parameter(
    "objects", "bright", "Objects are", "Whether what is looked for is brighter or darker than what is around it.",
    choices=("bright", "dark"),
)  # fmt: skip

_FACTOR = Parameter(
    "factor", 1.0, "Shift", "The value that was found is multiplied by this, counted from the darkest voxel.",
    low=0.05, high=10, step=0.05,
)  # fmt: skip
_METHOD = Parameter("method", "otsu", "Value from", "How the value is found.", choices=GLOBAL_METHODS)
_VALUE = Parameter("value", 128.0, "Value", "The value itself, where it is set by hand.", unit="intensity")
_PAPERS = "Otsu 1979; Li and Tam 1998; Zack et al. 1977; Yen et al. 1995; Ridler and Calvard 1978; Prewitt and Mendelsohn 1966"

THRESHOLD_ROWS: tuple[TechniqueRow, ...] = (
    TechniqueRow(
        "threshold",
        "Threshold",
        _HERE + "threshold.threshold:threshold",
        "One value for the whole image parts it in two; a method finds the value, or it is dragged in the histogram.",
        _PAPERS,
        parameters=(_METHOD, _VALUE, _FACTOR, OBJECTS, SMOOTH),
        scope="window",
        group="Threshold",
        measure=_HERE + "threshold.threshold:measure",
        halo=_HERE + "shared.smoothing:smooth_halo",
    ),
    TechniqueRow(
        "multi_otsu",
        "Several thresholds (multi-Otsu)",
        _HERE + "threshold.threshold:multi_otsu",
        "Parts the image in classes by brightness, so that each class is as even as can be; the darkest is background.",
        "Otsu 1979; Liao, Chen and Chung 2001",
        parameters=(Parameter("classes", 3, "Classes", "How many, with the background.", low=2, high=16), SMOOTH),
        scope="window",
        kind="classes",
        group="Threshold",
        measure=_HERE + "threshold.threshold:measure_several",
        halo=_HERE + "shared.smoothing:smooth_halo",
    ),
    TechniqueRow(
        "local_threshold",
        "Local threshold",
        _HERE + "threshold.local_threshold:local_threshold",
        "Compares each voxel with the window around it, so that uneven light does no harm.",
        "Niblack 1986; Sauvola and Pietikäinen 2000",
        parameters=(
            Parameter("method", "gaussian", "Compared with", "What is taken of the window.", choices=LOCAL_METHODS),
            Parameter(
                "window", 51, "Window", "Wider than the objects, so that each window holds some background.",
                low=3, high=501, step=2, unit="pixel",
            ),
            Parameter(
                "contrast", 0.05, "Contrast", "By how much of the image's range an object differs: gaussian, mean, median.",
                low=-1, high=1, step=0.01,
            ),
            Parameter(
                "floor", "none", "And above", "Voxels must also be beyond this value for the whole image.",
                choices=("none", *GLOBAL_METHODS[:-1]),
            ),
            Parameter("k", 0.2, "k", "Weight of the standard deviation: niblack, sauvola.", low=-2, high=2, step=0.05),
            OBJECTS,
            SMOOTH,
        ),
        scope="window",
        group="Threshold",
        measure=_HERE + "threshold.local_threshold:measure",
        halo=_HERE + "threshold.local_threshold:halo",
    ),
    TechniqueRow(
        "hysteresis",
        "Threshold with hysteresis",
        _HERE + "threshold.threshold:hysteresis",
        "Keeps what is beyond a weak value where it hangs together with something beyond a strong one.",
        "Canny 1986",
        parameters=(
            _METHOD,
            _VALUE,
            _FACTOR,
            Parameter(
                "weak", 0.6, "Weak value", "Where it lies between the background's end (0) and the strong value (1).",
                low=0, high=1, step=0.05,
            ),
            OBJECTS,
            SMOOTH,
        ),
        group="Threshold",
        measure=_HERE + "threshold.threshold:measure",
    ),
)  # fmt: skip

__all__ = ["GLOBAL_METHODS", "LOCAL_METHODS", "OBJECTS", "SMOOTH", "THRESHOLD_ROWS"]
