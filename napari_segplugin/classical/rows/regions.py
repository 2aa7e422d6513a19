"""Rows of the techniques that work on regions: splitting, growing, watershed, contours, random walk, graph cut."""

from __future__ import annotations

from dataclasses import replace

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.classical.rows.threshold import GLOBAL_METHODS, OBJECTS, SMOOTH
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."

COLOUR = Parameter(
    "colour", "channels", "Distances", "Between the channels as they are, or in CIELAB, which matches what people "
    "see (RGB images).",
    choices=("channels", "lab"),
)  # fmt: skip

SPLIT_MERGE = TechniqueRow(
    "split_merge",
    "Split and merge",
    _HERE + "regions.split_merge:split_merge",
    "Divides the image into quarters until each is uniform, then joins neighbours that are uniform together.",
    "Horowitz and Pavlidis 1976",
    parameters=(
        Parameter(
            "test", "std", "Uniformity", "What must be small in a uniform region: standard deviation, range, colour "
            "distance, or the difference of its parts in a statistical test.",
            choices=("std", "range", "colour", "statistical"),
        ),
        Parameter(
            "threshold", 0.03, "Threshold", "How much a region may vary, as a fraction of the image's range; about "
            "0.2 for range.",
            low=0, high=1, step=0.01,
        ),
        Parameter(
            "significance", 0.001, "Significance", "Significance level of the statistical test; smaller values give "
            "fewer regions.",
            low=1e-12, high=0.5, step=0.001,
        ),
        Parameter("smallest_block", 2, "Smallest block", "Blocks of this side length are not divided "
        "further.", low=1, high=64, unit="pixel"),
        Parameter(
            "smallest_region", 16, "Smallest region", "Smaller regions join their most similar neighbour; 1 keeps all.",
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
    "Everything that is connected to a clicked seed and similar to it; several seeds grow at the same time.",
    "Adams and Bischof 1994; Mehnert and Jackway 1997",
    parameters=(
        Parameter(
            "tolerance", 0.1, "Tolerance", "How much a pixel may differ from the region, as a fraction of the "
            "image's range.",
            low=0, high=1, step=0.01,
        ),
        Parameter(
            "compare", "seed", "Compare with", "The value at the seed, or the current mean of the growing region.",
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

_FOREGROUND = "How the foreground is found: by this threshold method, or everywhere."
_METHODS = (*(method for method in GLOBAL_METHODS if method != "manual"), "everything")
_COMPACTNESS = Parameter(
    "compactness", 0.0, "Compactness", "How much the distance from the marker counts; larger values give rounder "
    "shapes.",
    low=0, high=10, step=0.001,
)  # fmt: skip
_LANDSCAPE = "The surface that is flooded: distance to the background, gradient, or intensity."

WATERSHED = TechniqueRow(
    "watershed",
    "Watershed",
    _HERE + "regions.watershed:watershed",
    "Finds a marker in each object, floods from them, and separates touching objects where the floods meet.",
    "Vincent and Soille 1991; Soille 2003; Neubert and Protzel 2014",
    parameters=(
        Parameter("landscape", "distance", "Landscape", _LANDSCAPE, choices=("distance", "gradient", "intensity")),
        Parameter("foreground", "otsu", "Foreground", _FOREGROUND, choices=_METHODS),
        OBJECTS,
        replace(SMOOTH, default=1.0),
        Parameter(
            "depth", 1.0, "Minimum depth", "Shallower valleys of the distance do not separate objects (h-maxima).",
            low=0, high=100, step=0.25, unit="pixel",
        ),
        Parameter(
            "contrast", 0.05, "Minimum contrast", "The same for gradient and intensity, as a fraction of the range.",
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
    "Floods from clicked or painted markers; each pixel belongs to the marker whose flood reaches it first.",
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
    "iterations", 100, "Iterations", "Maximum number; it stops earlier when the outline no longer "
    "moves.", low=1, high=2000, step=10,
)  # fmt: skip
_SMOOTHING = Parameter(
    "smoothing", 1, "Smoothing", "How many times the outline is smoothed in each iteration.", low=0, high=10,
)  # fmt: skip
_INSIDE = Parameter(
    "inside", 1.0, "Weight inside", "How much variation inside the objects counts.", low=0, high=100, step=0.1
)
_OUTSIDE = Parameter(
    "outside", 1.0, "Weight outside", "How much variation of the background counts.", low=0, high=100, step=0.1
)

CHAN_VESE = TechniqueRow(
    "chan_vese",
    "Chan-Vese",
    _HERE + "edges.active_contours:chan_vese",
    "Splits the image into two uniform regions with a smooth outline; edges may be blurred or missing.",
    "Chan and Vese 2001; Márquez-Neila et al. 2014",
    parameters=(
        Parameter(
            "start", "threshold", "Start", "Start from Otsu's threshold, or from small squares all over the image.",
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
    "The same, started from a box: what is similar to its inside becomes the object, bright or dark.",
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
    "Shrinks or grows the outline of a box until it meets edges.",
    "Caselles, Kimmel and Sapiro 1997; Márquez-Neila et al. 2014",
    parameters=(
        replace(_ITERATIONS, default=200),
        _SMOOTHING,
        Parameter("balloon", -1.0, "Balloon", "Negative shrinks, positive grows; 0: neither.", low=-5, high=5, step=0.5),
        Parameter(
            "edge", 0.4, "Stop at", "The outline stops where the stopping function falls below this; larger stops "
            "earlier.",
            low=0, high=1, step=0.05,
        ),
        Parameter(
            "steepness", 300.0, "Steepness", "How fast the stopping function falls with the gradient; larger stops "
            "at weaker edges.",
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
    "Grows painted strokes until they meet: at edges, or halfway if there are none.",
    "Grady 2006",
    parameters=(
        Parameter(
            "beta", 2000.0, "Beta", "How strongly edges stop the growth; larger values follow weaker edges.",
            low=0, high=10000, step=100,
        ),
        Parameter(
            "solver", "fast", "Solver", "From coarse to fine, or all pixels at once: by conjugate gradients, or "
            "exactly (only small planes).",
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
    "Learns the colours inside and around a box and cuts out the object along the best outline (GrabCut).",
    "Rother, Kolmogorov and Blake 2004",
    parameters=(
        Parameter("components", 5, "Colours", "Number of normal distributions that describe object and "
        "background.", low=1, high=20),
        Parameter(
            "smoothness", 20.0, "Smoothness", "The cost of an outline without an edge; larger values give smoother "
            "outlines.",
            low=0, high=1000, step=5,
        ),
        Parameter("iterations", 5, "Iterations", "How many times colours are learnt and the outline is "
        "cut.", low=1, high=50),
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
