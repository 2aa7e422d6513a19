"""Rows of the techniques that group voxels by colour: clusters and superpixels. Imports no scikit-image."""

from __future__ import annotations

from typing import Any

from napari_segplugin.classical.row import TechniqueRow
from napari_segplugin.core import Parameter

_HERE = "napari_segplugin.classical."
_CLASSES = Parameter("classes", 3, "Classes", "Number of classes, including the background.", low=2, high=64)
_SPACE = Parameter(
    "space", "channels", "Colour space",
    "The channels, each scaled by its own spread, or CIELAB, where distances match what people see (only red, green "
    "and blue).",
    choices=("channels", "lab"),
)  # fmt: skip
_BACKGROUND = Parameter(
    "background", "largest", "Background is", "Which of the classes is the background.",
    choices=("largest", "darkest", "brightest", "none"),
)  # fmt: skip
_CLUSTERS: dict[str, Any] = {"colour": True, "scope": "point", "kind": "classes", "group": "Colours"}


def _merge(default: float) -> Parameter:
    return Parameter(
        "merge", default, "Merge below", "Neighbours whose mean colours differ by less than this are merged; a "
        "fraction of the image's range.",
        low=0, high=1, step=0.01,
    )  # fmt: skip


COLOUR_ROWS: tuple[TechniqueRow, ...] = (
    TechniqueRow(
        "kmeans",
        "K-means",
        _HERE + "colour.clusters:kmeans",
        "Groups pixels around a given number of colours; optionally also by position.",
        "Lloyd 1982; Arthur and Vassilvitskii 2007; Sculley 2010",
        parameters=(
            _CLASSES,
            _SPACE,
            Parameter(
                "position", 0.0, "Weight of position", "How much the position counts, compared with the colour.",
                low=0, high=10, step=0.1,
            ),
            _BACKGROUND,
            Parameter(
                "fit", "part", "Centres from",
                "A random part of the pixels (fast and usually as good), all of them, or all in small batches.",
                choices=("part", "all", "batches"),
            ),
        ),
        measure=_HERE + "colour.clusters:measure",
        whole_if="position",
        **_CLUSTERS,
    ),
    TechniqueRow(
        "gaussian_mixture",
        "Gaussian mixture",
        _HERE + "colour.clusters:gaussian_mixture",
        "Groups pixels into classes of colours that may differ in size and spread.",
        "Dempster, Laird and Rubin 1977",
        parameters=(_CLASSES, _SPACE, _BACKGROUND),
        measure=_HERE + "colour.clusters:measure_mixture",
        **_CLUSTERS,
    ),
    TechniqueRow(
        "mean_shift",
        "Mean shift",
        _HERE + "colour.mean_shift:mean_shift",
        "Groups pixels around the most frequent colours; their number follows from the image.",
        "Comaniciu and Meer 2002",
        parameters=(
            Parameter(
                "width", 0.2, "Width", "Fraction of all pixels that count as similar to one; more gives fewer classes.",
                low=0.01, high=1, step=0.01,
            ),
            _SPACE,
            _BACKGROUND,
        ),
        measure=_HERE + "colour.mean_shift:measure_shift",
        **_CLUSTERS,
    ),
    TechniqueRow(
        "slic",
        "Superpixels (SLIC)",
        _HERE + "regions.superpixels:slic",
        "Patches of about the same size that follow edges; neighbours of similar colour are merged.",
        "Achanta et al. 2012",
        parameters=(
            Parameter("size", 16.0, "Size", "Side length of a patch.", low=2, high=500, step=1, unit="pixel"),
            Parameter(
                "compactness", 10.0, "Compactness", "Larger values give squarer patches, smaller ones follow edges "
                "better.",
                low=0.01, high=1000, step=1,
            ),
            Parameter(
                "smooth", 0.0, "Smooth first", "Width (sigma) of a Gaussian filter.", low=0, high=20, step=0.5, unit="pixel"
            ),
            _merge(0.05),
        ),
        colour=True,
        slow=True,
        kind="objects",
        group="Superpixels",
    ),
    TechniqueRow(
        "felzenszwalb",
        "Superpixels (Felzenszwalb)",
        _HERE + "regions.superpixels:felzenszwalb",
        "Patches that differ less inside than from their neighbours.",
        "Felzenszwalb and Huttenlocher 2004",
        parameters=(
            Parameter("scale", 100.0, "Scale", "Larger values give larger patches.", low=0.1, high=10000, step=10),
            Parameter(
                "smooth", 0.8, "Smooth first", "Width (sigma) of a Gaussian filter.", low=0, high=20, step=0.1, unit="pixel"
            ),
            Parameter("smallest", 50, "Minimum size", "Smallest patch, in pixels.", low=1, high=10**6, unit="pixel^n"),
            _merge(0.0),
        ),
        ndim=(2,),
        colour=True,
        slow=True,
        kind="objects",
        group="Superpixels",
    ),
    TechniqueRow(
        "quickshift",
        "Superpixels (quickshift)",
        _HERE + "regions.superpixels:quickshift",
        "Patches of pixels that are similar in colour and close together.",
        "Vedaldi and Soatto 2008",
        parameters=(
            Parameter(
                "kernel", 3.0, "Width", "Smoothing of the density; larger gives fewer patches and takes longer.",
                low=1, high=20, step=0.5, unit="pixel",
            ),
            Parameter("reach", 8.0, "Reach", "Largest distance over which pixels are joined.", low=1, high=100, step=1, unit="pixel"),
            Parameter("ratio", 0.5, "Colour", "Weight of colour (1) against position (0).", low=0, high=1, step=0.05),
            _merge(0.05),
        ),
        ndim=(2,),
        colour=True,
        slow=True,
        kind="objects",
        group="Superpixels",
    ),
)  # fmt: skip

__all__ = ["COLOUR_ROWS"]
