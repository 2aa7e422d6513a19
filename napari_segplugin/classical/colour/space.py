"""Colours and positions as features in which distances mean something, and the order of clusters."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from napari_segplugin.classical.shared.colour import to_lab, value_ends
from napari_segplugin.core import InputError

LAB_SPREAD = 0.3
"""About the standard deviation of colours in CIELAB (over 100); the measure for the weight of position there."""


class Space(TypedDict):
    """How values become features: the colour space, offset and factor of each channel, the weight of position."""

    space: str
    white: float
    position: float
    offset_of: list[float]
    factor_of: list[float]


class Clusters(Space):
    """Centres in the space of the features, and the class of each."""

    centres: np.ndarray
    labels: list[int]


def space_of(sample: np.ndarray, space: str, position: float) -> Space:
    """How values of the image become features."""
    if space == "lab" and sample.shape[0] != 3:
        raise InputError(
            "CIELAB needs the channels red, green and blue.",
            got=f"an image of {sample.shape[0]} channels",
            hint="Choose the colour space 'channels'.",
        )
    white = 1.0
    if sample.dtype.kind in "iu":
        white = 255.0 if sample.dtype.itemsize == 1 else max(255.0, value_ends(sample)[1])
    elif sample.dtype.kind == "f":
        known = np.isfinite(sample).all(axis=0)
        top = value_ends(sample, known)[1]
        white = 1.0 if top <= 1 else max(255.0, top)
    found: Space = {
        "space": space,
        "white": white,
        "position": position,
        "offset_of": [0.0] * 3,
        "factor_of": [1.0] * 3,
    }
    if space == "lab":
        return found
    axes = tuple(range(1, sample.ndim))
    mean, spread = (np.asarray(f(sample, axis=axes, dtype=np.float64)) for f in (np.nanmean, np.nanstd))
    factor = 1 / np.where(spread > 0, spread, 1)
    return {**found, "offset_of": mean.tolist(), "factor_of": factor.tolist()}


def features_of(image: np.ndarray, spacing: tuple[float, ...], space: Space) -> np.ndarray:
    """Colours, and places where they count, (F, [Z,] Y, X) float32."""
    if space["space"] == "lab":
        colours = to_lab(image / np.float32(space["white"]))
    else:
        shape = (-1, *(1,) * (image.ndim - 1))
        offset, factor = (np.asarray(v, np.float32).reshape(shape) for v in (space["offset_of"], space["factor_of"]))
        colours = (image - offset) * factor
    if not space["position"]:
        return colours
    # one length for all axes, so that places are as far apart as in space
    lengths = [n * s for n, s in zip(image.shape[1:], spacing, strict=True)]
    weight = space["position"] * (1.0 if space["space"] == "channels" else LAB_SPREAD) / max(lengths)
    grid = np.meshgrid(
        *(np.arange(n) * (s * weight) for n, s in zip(image.shape[1:], spacing, strict=True)), indexing="ij"
    )
    return np.concatenate([colours, np.asarray(grid, np.float32)])


def values_of(sample: np.ndarray, spacing: tuple[float, ...], space: Space, most: int) -> np.ndarray:
    """Features of at most `most` voxels that are numbers, (N, F) float32, the same for the same image."""
    flat = sample.reshape(len(sample), -1)
    known = None if sample.dtype.kind != "f" else np.flatnonzero(np.isfinite(flat).all(axis=0))
    count = flat.shape[1] if known is None else len(known)
    if count > most:
        chosen = np.random.default_rng(0).integers(0, count, most)
        known = chosen if known is None else known[chosen]
    if space["position"]:
        # places are those of the whole
        flat = features_of(sample.astype(np.float32, copy=False), spacing, space)
        flat = flat.reshape(len(flat), -1)
        flat = flat if known is None else flat[:, known]
    else:
        flat = flat if known is None else flat[:, known]
        flat = features_of(flat.astype(np.float32, copy=False), spacing, space)
    return np.ascontiguousarray(flat.T)


def check_colours(values: np.ndarray, classes: int) -> None:
    """Refuse more classes than colours."""
    if len(np.unique(values[:1024], axis=0)) >= classes:
        return
    count = len(np.unique(values, axis=0))
    if count < classes:
        raise InputError(
            "More classes requested than the image has distinct colours.",
            got=f"{classes} classes, {count} colours",
            hint="Choose fewer classes.",
        )


def order_of(colours: np.ndarray, counts: np.ndarray, space: str, background: str) -> list[int]:
    """The class of each cluster: from dark to bright, the background 0."""
    brightness = colours[:, 0] if space == "lab" else colours.mean(axis=1)
    order = np.argsort(brightness, kind="stable").tolist()
    first = {"darkest": order[0], "brightest": order[-1], "largest": int(counts.argmax()), "none": -1}
    nothing = first[background]
    labels = [0] * len(order)
    for number, cluster in enumerate((c for c in order if c != nothing), 1):
        labels[cluster] = number
    return labels


__all__ = ["LAB_SPREAD", "Clusters", "Space", "check_colours", "features_of", "order_of", "space_of", "values_of"]
