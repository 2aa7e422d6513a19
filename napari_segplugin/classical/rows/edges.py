"""Rows of the techniques that follow edges. Imports no scikit-image."""

from __future__ import annotations

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."

_EDGE_FACTOR = Parameter(
    "factor", 1.0, "Steepness", "How steep an edge must be: multiplies the value that Otsu's method finds.",
    low=0.05, high=10, step=0.05,
)  # fmt: skip
_GAP = Parameter(
    "gap", 2.0, "Close gaps", "Contours are closed over gaps of this length; 0 leaves them open.",
    low=0, high=50, step=1, unit="pixel",
)  # fmt: skip
_FILL = Parameter(
    "fill", "bright", "Fill",
    "Regions that are brighter or darker than the edges around them, all that edges enclose, or only the edges.",
    choices=("bright", "dark", "enclosed", "none"),
)  # fmt: skip


def _blur(default: float) -> Parameter:
    return Parameter(
        "smooth", default, "Smooth before", "Width (sigma) of a Gaussian; wider ones leave the coarse edges only.",
        low=0, high=20, step=0.5, unit="pixel",
    )  # fmt: skip


EDGE_ROWS: tuple[TechniqueRow, ...] = (
    TechniqueRow(
        "gradient",
        "Gradient edges (Sobel, Scharr)",
        _HERE + "edges.edges:gradient_edges",
        "Steep places, thinned to lines; closed contours are filled to regions.",
        "Sobel and Feldman 1968; Scharr 2000; Prewitt 1970",
        parameters=(
            Parameter("operator", "sobel", "Operator", "How slopes are taken.", choices=("sobel", "scharr", "prewitt")),
            _blur(1.0),
            _EDGE_FACTOR,
            Parameter("thin", True, "Thin lines", "Keep the steepest voxel along each slope only."),
            _GAP,
            _FILL,
        ),
        group="Edges",
    ),
    TechniqueRow(
        "canny",
        "Canny edges",
        _HERE + "edges.edges:canny",
        "Thin lines, followed from steep places along less steep ones; closed contours are filled to regions.",
        "Canny 1986; Monga et al. 1991",
        parameters=(
            _blur(2.0),
            _EDGE_FACTOR,
            Parameter("weak", 0.4, "Weak edges", "Share of the steepness that is enough beside a strong edge.",
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
        "Lines where the image bends from hollow to bulging; contours close by themselves and are filled.",
        "Marr and Hildreth 1980; Haralick 1984",
        parameters=(_blur(2.0), _EDGE_FACTOR, _GAP, _FILL),
        group="Edges",
    ),
)  # fmt: skip

__all__ = ["EDGE_ROWS"]
