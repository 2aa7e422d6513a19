"""What every result says of its input and of the programs that made it. Imports no torch."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from napari_segplugin.core import Image
from napari_segplugin.core.types import JsonDict
from napari_segplugin.version import __version__

HEADERS = (
    "nifti_header",
    "frame_interval",
    "dicom_series",
    "dicom_resampled",
    "geotiff",
    "nodata",
    "bands",
    "channels",
    "joined",
)
"""What of an image's metadata goes into the recipes of its results."""


def about_input(image: Image) -> JsonDict:
    """The image that a result was made of, as JSON values."""
    # a result must lie where its image lay, so what places an image in space travels with the recipe
    space: JsonDict = {"place": image.place.to_json()} if image.place else {}
    # and so does what its format asks back when labels over it are written
    space |= {key: image.metadata[key] for key in HEADERS if key in image.metadata}
    return {
        "name": image.name,
        "source": image.source,
        "axes": image.axes,
        "shape": [int(n) for n in image.array.shape],
        "dtype": str(np.dtype(image.array.dtype)),
        "spacing": list(image.spacing),
        "unit": image.unit,
        **space,
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"napari-segplugin": __version__, "python": platform.python_version()}
    return found | {package: _version(package) for package in ("torch", "numpy", "scipy", "scikit-image")}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not known"


__all__ = ["about_input", "versions"]
