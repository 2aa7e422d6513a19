"""Thresholds: values that part an image, found from its histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from napari_segplugin.core import InputError


def smoothed(image: np.ndarray, sigma: float, spacing: tuple[float, ...]) -> np.ndarray:
    """One channel after a Gaussian of `sigma` voxels along X, as wide in space along the other axes."""
    if sigma <= 0:
        return image
    widths = [sigma * spacing[-1] / s for s in spacing]
    return np.asarray(ndimage.gaussian_filter(image.astype(np.float32, copy=False), widths, mode="nearest"))


def threshold(image: np.ndarray, *, spacing: tuple[float, ...], measured: Mapping[str, Any], method: str = "otsu",
              value: float = 128.0, factor: float = 1.0, objects: str = "bright", smooth: float = 0.0) -> np.ndarray:
    values = smoothed(image[0], smooth, spacing)
    at = measured["threshold"]
    return (values > at if objects == "bright" else values <= at).astype(np.int32)


def measure(sample: np.ndarray, spacing: tuple[float, ...], *, method: str = "otsu", value: float = 128.0, factor: float = 1.0,
            objects: str = "bright", smooth: float = 0.0) -> dict[str, Any]:
    from skimage import filters
    values = smoothed(sample[0], smooth, spacing)
    values = values[np.isfinite(values)]
    return {"threshold": float(filters.threshold_otsu(values))}


def halo(settings: Mapping[str, Any], ndim: int) -> tuple[int, ...]:
    return (int(4 * settings["smooth"] + 0.5),) * ndim
