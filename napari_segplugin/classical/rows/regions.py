"""Rows of the techniques that work on regions: splitting, growing, watershed, contours, random walk, graph cut."""

from __future__ import annotations

from dataclasses import replace

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.classical.rows.threshold import GLOBAL_METHODS, OBJECTS, SMOOTH
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."

COLOUR = Parameter(
    "colour", "channels", "Distances", "Between the channels as they are, or as the eye sees colours (CIELAB, RGB images).",
    choices=("channels", "lab"),
)  # fmt: skip

SPLIT_MERGE = TechniqueRow(
    "split_merge",
    "Split and merge",
    _HERE + "regions.split_merge:split_merge",
    "Cuts the image in quarters until each is even, then joins neighbours that are even together.",
    "Horowitz and Pavlidis 1976",
    parameters=(
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

REGION_GROWING = TechniqueRow(
    "region_growing",
    "Region growing",
    _HERE + "regions.region_growing:region_growing",
    "Everything that hangs together with a clicked seed and is like it; several seeds grow at once and share out the image.",
    "Adams and Bischof 1994; Mehnert and Jackway 1997",
    parameters=(
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

WATERSHED = TechniqueRow(
    "watershed",
    "Watershed",
    _HERE + "regions.watershed:watershed",
    "Finds a marker in each object, floods from them, and parts objects that touch where floods meet.",
    "Vincent and Soille 1991; Soille 2003; Neubert and Protzel 2014",
    parameters=(
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

WATERSHED_MARKERS = TechniqueRow(
    "watershed_markers",
    "Watershed from markers",
    _HERE + "regions.watershed:watershed_markers",
    "Floods from clicked or painted markers; every voxel goes to the marker whose flood reaches it first.",
    "Meyer and Beucher 1990",
    parameters=(
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

_ITERATIONS = Parameter(
    "iterations", 100, "Iterations", "At most; it ends before where the outline moves no more.", low=1, high=2000, step=10,
)  # fmt: skip
_SMOOTHING = Parameter(
    "smoothing", 1, "Smoothing", "How often the outline is smoothed in each iteration.", low=0, high=10,
)  # fmt: skip
_INSIDE = Parameter(
    "inside", 1.0, "Even inside", "How much unevenness of the objects counts.", low=0, high=100, step=0.1
)
_OUTSIDE = Parameter(
    "outside", 1.0, "Even outside", "How much unevenness of the background counts.", low=0, high=100, step=0.1
)

CHAN_VESE = TechniqueRow(
    "chan_vese",
    "Chan-Vese",
    _HERE + "edges.active_contours:chan_vese",
    "Parts the image in two that are even inside, with a smooth outline; edges may be blurred or missing.",
    "Chan and Vese 2001; Márquez-Neila et al. 2014",
    parameters=(
        Parameter(
            "start", "threshold", "Start", "From Otsu's threshold, or from small squares all over the image.",
            choices=("threshold", "checkerboard"),
        ),
        OBJECTS,
        _ITERATIONS,
        _SMOOTHING,
        _INSIDE,
        _OUTSIDE,
        SMOOTH,
    ),
    slow=True,
    group="Contours",
)  # fmt: skip

CHAN_VESE_BOX = TechniqueRow(
    "chan_vese_box",
    "Chan-Vese from a box",
    _HERE + "edges.active_contours:chan_vese_box",
    "The same from a box: what is like its inside becomes the object, bright or dark.",
    "Chan and Vese 2001; Márquez-Neila et al. 2014",
    parameters=(_ITERATIONS, _SMOOTHING, _INSIDE, _OUTSIDE, SMOOTH),
    needs="box",
    slow=True,
    group="Contours",
)

GEODESIC_CONTOUR = TechniqueRow(
    "geodesic_contour",
    "Geodesic contour",
    _HERE + "edges.active_contours:geodesic_contour",
    "Lets the outline of a box shrink, or grow, until it meets edges.",
    "Caselles, Kimmel and Sapiro 1997; Márquez-Neila et al. 2014",
    parameters=(
        replace(_ITERATIONS, default=200),
        _SMOOTHING,
        Parameter("balloon", -1.0, "Balloon", "Negative shrinks, positive grows, 0 does neither.", low=-5, high=5, step=0.5),
        Parameter(
            "edge", 0.4, "Stop at", "The outline stops where the stopping function is below this; larger stops earlier.",
            low=0, high=1, step=0.05,
        ),
        Parameter(
            "steepness", 300.0, "Steepness", "How fast the stopping function falls with the gradient: larger sees weaker edges.",
            low=1, high=100000, step=50,
        ),
        replace(SMOOTH, default=1.0),
    ),
    needs="box",
    slow=True,
    group="Contours",
)  # fmt: skip

RANDOM_WALKER = TechniqueRow(
    "random_walker",
    "Random walker",
    _HERE + "regions.random_walker:random_walker",
    "Grows painted strokes until they meet, on edges or, where there are none, halfway.",
    "Grady 2006",
    parameters=(
        Parameter(
            "beta", 2000.0, "Beta", "How much edges are shunned: larger values follow weaker edges.",
            low=0, high=10000, step=100,
        ),
        Parameter(
            "solver", "fast", "Solver", "From coarse to fine, or all voxels at once: by conjugate gradients, or exactly (small "
            "planes only).",
            choices=("fast", "cg_j", "bf"),
        ),
        COLOUR,
        SMOOTH,
    ),
    colour=True,
    needs="strokes",
    slow=True,
    kind="classes",
    group="Contours",
)  # fmt: skip

GRAPH_CUT = TechniqueRow(
    "graph_cut",
    "Graph cut from a box",
    _HERE + "regions.graph_cut:graph_cut",
    "Learns the colours in and around a box and cuts the object out along the cheapest outline (GrabCut).",
    "Rother, Kolmogorov and Blake 2004",
    parameters=(
        Parameter("components", 5, "Colours", "Normal distributions that describe object and background.", low=1, high=20),
        Parameter(
            "smoothness", 20.0, "Smoothness", "What outline costs where there is no edge: larger values are smoother.",
            low=0, high=1000, step=5,
        ),
        Parameter("iterations", 5, "Iterations", "How often colours are learned and the outline is cut.", low=1, high=50),
        COLOUR,
        replace(SMOOTH, default=1.0),
    ),
    colour=True,
    needs="box",
    slow=True,
    group="Contours",
)  # fmt: skip

REGION_ROWS: tuple[TechniqueRow, ...] = (
    SPLIT_MERGE,
    REGION_GROWING,
    WATERSHED,
    WATERSHED_MARKERS,
    CHAN_VESE,
    CHAN_VESE_BOX,
    GEODESIC_CONTOUR,
    RANDOM_WALKER,
    GRAPH_CUT,
)

__all__ = ["REGION_ROWS"]
