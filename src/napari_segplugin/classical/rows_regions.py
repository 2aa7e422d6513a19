"""Rows of the techniques that work on regions: splitting, growing, watershed, contours, random walk, graph cut."""

from __future__ import annotations

from dataclasses import replace

from napari_segplugin.classical.base import technique_row
from napari_segplugin.classical.rows import GLOBAL_METHODS, OBJECTS, SMOOTH
from napari_segplugin.core import Parameter, Row

_HERE = "napari_segplugin.classical."

COLOUR = Parameter(
    "colour", "channels", "Distances", "Between the channels as they are, or as the eye sees colours (CIELAB, RGB images).",
    choices=("channels", "lab"),
)  # fmt: skip

SPLIT_MERGE = technique_row(
    "split_merge",
    "Split and merge",
    _HERE + "split_merge:split_merge",
    "Cuts the image in quarters until each is even, then joins neighbours that are even together.",
    "Horowitz and Pavlidis 1976",
    (
        Parameter(
            "test", "std", "Even means", "What is small in an even region: its standard deviation, its range, the distance "
            "of its colours, or the difference of its parts in a statistical test.",
            choices=("std", "range", "colour", "statistical"),
        ),
        Parameter(
            "threshold", 0.04, "Threshold", "How uneven a region may be, as a share of the image's range; about 0.2 for range.",
            low=0, high=1, step=0.01,
        ),
        Parameter(
            "significance", 0.001, "Significance", "Of the statistical test: smaller values give fewer regions.",
            low=1e-12, high=0.5, step=0.001,
        ),
        Parameter("smallest_block", 2, "Smallest block", "Blocks of this side are not split.", low=1, high=64, unit="pixel"),
        Parameter(
            "smallest_region", 16, "Smallest region", "Smaller ones join the neighbour that is most like them; 1 keeps all.",
            low=1, high=100000, unit="pixel^n",
        ),
    ),
    colour=True,
    kind="objects",
    group="Regions",
)  # fmt: skip

REGION_GROWING = technique_row(
    "region_growing",
    "Region growing",
    _HERE + "region_growing:region_growing",
    "Everything that hangs together with a clicked seed and is like it; several seeds grow at once and share out the image.",
    "Adams and Bischof 1994; Mehnert and Jackway 1997",
    (
        Parameter(
            "tolerance", 0.1, "Tolerance", "How far a voxel may be from the region, as a share of the image's range.",
            low=0, high=1, step=0.01,
        ),
        Parameter(
            "compare", "seed", "Compare with", "The value at the seed, or the mean of the region as it has grown so far.",
            choices=("seed", "mean"),
        ),
        COLOUR,
        SMOOTH,
    ),
    colour=True,
    needs="points",
    slow=True,
    kind="classes",
    group="Regions",
)  # fmt: skip

_FOREGROUND = "Where objects are: beyond a value that this method finds, or everywhere."
_METHODS = (*(method for method in GLOBAL_METHODS if method != "manual"), "everything")
_COMPACTNESS = Parameter(
    "compactness", 0.0, "Compactness", "How much a long way from the marker counts; larger values give even shapes.",
    low=0, high=10, step=0.001,
)  # fmt: skip
_LANDSCAPE = "What is flooded: the distance to the background, the gradient, or the intensity."

WATERSHED = technique_row(
    "watershed",
    "Watershed",
    _HERE + "watershed:watershed",
    "Finds a marker in each object, floods from them, and parts objects that touch where floods meet.",
    "Vincent and Soille 1991; Soille 2003; Neubert and Protzel 2014",
    (
        Parameter("landscape", "distance", "Landscape", _LANDSCAPE, choices=("distance", "gradient", "intensity")),
        Parameter("foreground", "otsu", "Foreground", _FOREGROUND, choices=_METHODS),
        OBJECTS,
        replace(SMOOTH, default=1.0),
        Parameter(
            "depth", 1.0, "Least depth", "Shallower valleys of the distance do not part objects (h-maxima).",
            low=0, high=100, step=0.25, unit="pixel",
        ),
        Parameter(
            "contrast", 0.05, "Least contrast", "The same of gradient and intensity, as a share of the range.",
            low=0, high=1, step=0.01,
        ),
        _COMPACTNESS,
    ),
    colour=True,
    kind="objects",
    group="Regions",
)  # fmt: skip

WATERSHED_MARKERS = technique_row(
    "watershed_markers",
    "Watershed from markers",
    _HERE + "watershed:watershed_markers",
    "Floods from clicked or painted markers; every voxel goes to the marker whose flood reaches it first.",
    "Meyer and Beucher 1990",
    (
        Parameter("landscape", "gradient", "Landscape", _LANDSCAPE, choices=("gradient", "distance", "intensity")),
        Parameter("foreground", "everything", "Foreground", _FOREGROUND, choices=_METHODS),
        OBJECTS,
        replace(SMOOTH, default=1.0),
        _COMPACTNESS,
    ),
    colour=True,
    needs="points",
    kind="objects",
    group="Regions",
)  # fmt: skip

REGION_ROWS: tuple[Row, ...] = (SPLIT_MERGE, REGION_GROWING, WATERSHED, WATERSHED_MARKERS)

__all__ = ["REGION_ROWS"]
