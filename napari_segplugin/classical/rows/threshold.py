"""Rows of the techniques that look at single values. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."
GLOBAL_METHODS = ("otsu", "root_otsu", "li", "triangle", "yen", "isodata", "minimum", "mean", "manual")
LOCAL_METHODS = ("gaussian", "mean", "median", "sauvola", "niblack")

SMOOTH = Parameter(
    "smooth", 0.0, "Smooth first", "Width (sigma) of a Gaussian filter against noise; 0: off.",
    low=0, high=20, step=0.5, unit="pixel",
)  # fmt: skip
OBJECTS = Parameter(
    "objects", "bright", "Objects are", "Whether the objects are brighter or darker than their surroundings.",
    choices=("bright", "dark"),
)  # fmt: skip

_FACTOR = Parameter(
    "factor", 1.0, "Shift", "Multiplies the threshold that was found, measured from the darkest pixel; above 1 "
    "raises it.",
    low=0.05, high=10, step=0.05,
)  # fmt: skip
_METHOD = Parameter("method", "otsu", "Value from", "How the threshold is found.", choices=GLOBAL_METHODS)
_VALUE = Parameter("value", 128.0, "Value", "The threshold itself, if it is set by hand.", unit="intensity")
_PAPERS = "Otsu 1979; Li and Tam 1998; Zack et al. 1977; Yen et al. 1995; Ridler and Calvard 1978; Prewitt and Mendelsohn 1966"

THRESHOLD_ROWS: tuple[TechniqueRow, ...] = (
    TechniqueRow(
        "threshold",
        "Threshold",
        _HERE + "threshold.threshold:threshold",
        "Splits the image at one intensity value, found by a method or set in the histogram.",
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
        "Splits the intensities into several classes, each as uniform as possible; the darkest is background.",
        "Otsu 1979; Liao, Chen and Chung 2001",
        parameters=(Parameter("classes", 3, "Classes", "Number of classes, including the "
        "background.", low=2, high=16), SMOOTH),
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
        "Compares each pixel with the window around it: robust to uneven illumination.",
        "Niblack 1986; Sauvola and Pietikäinen 2000",
        parameters=(
            Parameter("method", "gaussian", "Compared with", "The value of the window that each pixel is compared "
            "with.", choices=LOCAL_METHODS),
            Parameter(
                "window", 51, "Window", "Side of the window; wider than the objects, so that it contains some "
                "background.",
                low=3, high=501, step=2, unit="pixel",
            ),
            Parameter(
                "contrast", 0.05, "Contrast", "How much an object must stand out, as a fraction of the image's range "
                "(gaussian, mean, median).",
                low=-1, high=1, step=0.01,
            ),
            Parameter(
                "floor", "none", "Global limit", "Pixels must also pass this threshold for the whole image.",
                choices=("none", *GLOBAL_METHODS[:-1]),
            ),
            Parameter("k", 0.2, "k", "Weight of the standard deviation (niblack, sauvola).", low=-2, high=2, step=0.05),
            OBJECTS,
            SMOOTH,
            Parameter(
                "calm", False, "Leave noise out", "Smooths an image that is hardly more than noise, and asks for more "
                "contrast there: an empty field stays empty.",
            ),
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
        "Keeps weak pixels that are connected to strong ones.",
        "Canny 1986",
        parameters=(
            _METHOD,
            _VALUE,
            _FACTOR,
            Parameter(
                "weak", 0.6, "Weak value", "The weak threshold, between the background (0) and the strong threshold "
                "(1).",
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
