"""Rows of the techniques that follow edges. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."

_EDGE_FACTOR = Parameter(
    "factor", 1.0, "Steepness", "How steep an edge must be; multiplies the threshold found by Otsu's method.",
    low=0.05, high=10, step=0.05,
)  # fmt: skip
_GAP = Parameter(
    "gap", 2.0, "Close gaps", "Closes gaps in contours up to this length; 0: off.",
    low=0, high=50, step=1, unit="pixel",
)  # fmt: skip
_FILL = Parameter(
    "fill", "bright", "Fill",
    "Fills regions brighter or darker than the edges around them, everything enclosed by edges, or nothing (only "
    "edges).",
    choices=("bright", "dark", "enclosed", "none"),
)  # fmt: skip


def _blur(default: float) -> Parameter:
    return Parameter(
        "smooth", default, "Smooth first", "Width (sigma) of a Gaussian filter; larger keeps only coarse edges.",
        low=0, high=20, step=0.5, unit="pixel",
    )  # fmt: skip


EDGE_ROWS: tuple[TechniqueRow, ...] = (
    TechniqueRow(
        "gradient",
        "Gradient edges (Sobel, Scharr)",
        _HERE + "edges.edges:gradient_edges",
        "Places where the intensity changes steeply, thinned to lines; closed contours are filled.",
        "Sobel and Feldman 1968; Scharr 2000; Prewitt 1970",
        parameters=(
            Parameter("operator", "sobel", "Operator", "How the gradient is computed.", choices=("sobel", "scharr", "prewitt")),
            _blur(1.0),
            _EDGE_FACTOR,
            Parameter("thin", True, "Thin lines", "Keep only the steepest pixel along each slope."),
            _GAP,
            _FILL,
        ),
        group="Edges",
    ),
    TechniqueRow(
        "canny",
        "Canny edges",
        _HERE + "edges.edges:canny",
        "Thin lines, followed from strong edges along weaker ones; closed contours are filled.",
        "Canny 1986; Monga et al. 1991",
        parameters=(
            _blur(2.0),
            _EDGE_FACTOR,
            Parameter("weak", 0.4, "Weak edges", "Fraction of the steepness that is enough next to a strong edge.",
                      low=0, high=1, step=0.05),
            _GAP,
            _FILL,
        ),
        group="Edges",
    ),
    TechniqueRow(
        "zero_crossings",
        "Zero crossings (Laplacian of Gaussian)",
        _HERE + "edges.edges:zero_crossings",
        "Lines where the curvature of the intensity changes sign; contours are always closed and are filled.",
        "Marr and Hildreth 1980; Haralick 1984",
        parameters=(_blur(2.0), _EDGE_FACTOR, _GAP, _FILL),
        group="Edges",
    ),
)  # fmt: skip

__all__ = ["EDGE_ROWS"]
