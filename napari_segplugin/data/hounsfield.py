"""Hounsfield units: whether the values of an image are some."""

from __future__ import annotations

import math

import numpy as np

from napari_segplugin.core import Image
from napari_segplugin.data.tiles import spread_blocks

_ENOUGH = 500_000
"""Voxels that are looked at."""
_LARGE = 2**26
"""Voxels from which on blocks are looked at, not every n-th voxel."""
_AIR, _LUNG, _FAT = -1100, -500, -60
"""No tissue is below the first; where air or lungs are, values below the second; where fat is, below the third."""


def hounsfield(values: np.ndarray) -> bool | None:
    """Whether values are Hounsfield units: True and False where that is sure, None where they might be.

    They are where there is air or lung (below -500), nothing below air but one value of padding, much more of it than of
    bone (above 500; phases go as far to both sides), and many more values of soft tissue (-150 to 250) than between lung
    and fat (-500 to -200), where little in a body lies.

    Parameters
    ----------
    values : ndarray
        Of any shape; what is not finite is left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> air, body = rng.normal(-1000, 20, 5000), rng.normal(40, 50, 5000)
    >>> hounsfield(np.concatenate([air, body])), hounsfield(body), hounsfield(np.concatenate([air, body]) + 1024)
    (True, None, False)
    """
    values = np.asarray(values).ravel()
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if values.size and values.min() < _AIR:
        values = values[values > values.min()]
    if not values.size:
        return None
    low, high = np.percentile(values, (0.1, 99.5))
    if low < _AIR or low > _FAT:
        return False
    tissue, between = _share(values, -150, 250), _share(values, -500, -200)
    air, bone = _share(values, _AIR, _LUNG), _share(values, 500, np.inf)
    here = low < _LUNG and high < 4000 and tissue > 0.01
    return True if here and tissue / 400 > 4 * between / 300 and air > 2 * bone else None


def _share(values: np.ndarray, low: float, high: float) -> float:
    return float(np.mean((values > low) & (values < high)))


def values_of(image: Image) -> np.ndarray:
    """Some values of an image, spread over all of it; of a plane, of the volume that it was cut from."""
    image = image.whole or image
    shape, count = image.spatial_shape, math.prod(image.spatial_shape)
    if count <= _LARGE:
        step = max(1, math.ceil((count / _ENOUGH) ** (1 / image.ndim)))
        return image.read(tuple(slice(0, None, step) for _ in shape)).ravel()
    block = tuple(min(n, 128 if image.ndim == 2 else 32) for n in shape)
    regions = spread_blocks(shape, block, max(1, _ENOUGH // math.prod(block)))
    return np.concatenate([image.read(r).ravel() for r in regions])


def modality_of(image: Image) -> str:
    """What the file of an image calls it ("CT", "MR"), and "CT" where it says nothing and the values are Hounsfield units."""
    said = str(image.metadata.get("dicom_Modality") or "")
    if said:
        return said
    unit = str(image.metadata.get("value_unit") or "")
    return "CT" if unit == "HU" or (not unit and hounsfield(values_of(image))) else ""


def is_ct(image: Image) -> bool:
    """Whether the values of an image are surely Hounsfield units: the file says so, or says nothing and they look it."""
    if image.n_channels != 1 or modality_of(image) != "CT":
        return False
    return image.metadata.get("value_unit") == "HU" or bool(hounsfield(values_of(image)))


__all__ = ["hounsfield", "is_ct", "modality_of", "values_of"]
