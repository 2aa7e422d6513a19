"""Volumes of one slice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

Technique: TypeAlias = Callable[..., np.ndarray]


def one_slice_is_a_plane(technique: Technique) -> Technique:
    """Let a technique see a volume of one slice as the plane that it is: there is nothing to compare along Z.

    Parameters
    ----------
    technique : callable
        Of the call shape of this package.

    Returns
    -------
    callable
        The same, which gives a volume of one slice back where it got one.
    """

    @wraps(technique)
    def call(image: np.ndarray, *, spacing: tuple[float, ...], **settings: Any) -> np.ndarray:
        if image.ndim != 4 or image.shape[1] != 1:
            return technique(image, spacing=spacing, **settings)
        if "seeds" in settings:
            settings["seeds"] = settings["seeds"][0]
        if settings.get("known") is not None:
            settings["known"] = settings["known"][0]
        if "box" in settings:
            settings["box"] = settings["box"][1:]
        return technique(image[:, 0], spacing=tuple(spacing)[1:], **settings)[None]

    return call


__all__ = ["one_slice_is_a_plane"]
