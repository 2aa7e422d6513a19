"""What can be told of the images that a model learns from: sizes of objects, how much they cover, their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_segplugin.core import Learnt, Normalisation, Sample
from napari_segplugin.data.channels import channel_names
from napari_segplugin.data.hounsfield import modality_of
from napari_segplugin.data.looks import together, typical_of

_VALUES = 200_000
"""Values of a channel and image that are looked at."""


def diameters(voxels: np.ndarray, ndim: int) -> np.ndarray:
    """Diameter of the disc (2D) or ball (3D) of as many voxels.

    Examples
    --------
    >>> diameters(np.array([314.159]), 2).round(2).tolist()
    [20.0]
    """
    return np.asarray(2 * np.sqrt(voxels / np.pi) if ndim == 2 else np.cbrt(6 * voxels / np.pi))


def learnt_from(samples: Sequence[Sample], seed: int = 0, normalisation: Normalisation | None = None) -> Learnt:
    """What a model that is trained on these samples knows of them.

    Parameters
    ----------
    samples : sequence of Sample
        Of one number of channels, on the grid that the network sees.
    seed : int
        Of the choice of values in large images.
    normalisation : Normalisation, optional
        How the model reads intensities; without one it is not measured how the images look.

    Examples
    --------
    >>> from napari_segplugin.core import Image
    >>> disc = (np.hypot(*np.mgrid[-16:16, -16:16]) < 8).astype(int)
    >>> found = learnt_from([Sample(Image(5 * disc, "YX"), disc, disc)])
    >>> round(found.widths[1]), found.values[0][1]
    (16, 5.0)
    """
    rng = np.random.default_rng(seed)
    widths, cover = [], []
    values: list[list[np.ndarray]] = [[] for _ in range(samples[0].image.n_channels)]
    for sample in samples:
        known = np.ones(sample.classes.shape, bool) if sample.known is None else sample.known
        if sample.instances is not None:
            counts = np.unique(sample.instances[sample.instances > 0], return_counts=True)[1]
            widths.append(diameters(counts, sample.image.ndim))
        there = known & (sample.classes > 0)
        if known.any():
            cover.append(float(there.sum() / known.sum()))
        at = np.flatnonzero(there.ravel())
        at = at if len(at) <= _VALUES else rng.choice(at, _VALUES, replace=False)
        for channel, found in zip(sample.image.read(), values, strict=True):
            found.append(channel.ravel()[at].astype(np.float64))
    sizes = np.concatenate(widths) if widths else np.zeros(0)
    names = {channel_names(s.image) for s in samples if s.image.metadata.get("channel_names")}
    images = {id(i): i for i in (s.image.whole or s.image for s in samples)}  # many planes are of one volume
    modalities = {modality_of(i) for i in images.values()}
    return Learnt(
        images=len(samples),
        modality=modalities.pop() if len(modalities) == 1 else "",
        channels=names.pop() if len(names) == 1 else (),
        widths=tuple(np.percentile(sizes, (5, 50, 95)).round(2).tolist()) if sizes.size else (),
        cover=(min(cover), max(cover)) if cover else (),
        values=tuple(v for found in values if (v := _about(np.concatenate(found)))),
        typical=typical_of([s.image for s in samples], normalisation) if normalisation else {},
    )


def _about(values: np.ndarray) -> tuple[float, ...]:
    values = values[np.isfinite(values)]
    if not values.size:
        return ()
    return (*np.percentile(values, (0.5, 50, 99.5)).tolist(), float(values.mean()), float(values.std()))


def widened(old: Learnt, new: Learnt) -> Learnt:
    """What a model knows that was trained again: the widest of both.

    Examples
    --------
    >>> widened(Learnt(3, widths=(4, 6, 9)), Learnt(1, widths=(8, 12, 20))).widths
    (4, 7.5, 20)
    """
    if not old.images or not new.images:
        return new if new.images else old
    total = old.images + new.images
    share = new.images / total

    def wide(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, ...]:
        if not a or not b:
            return a or b
        return (
            min(a[0], b[0]),
            *((1 - share) * x + share * y for x, y in zip(a[1:-1], b[1:-1], strict=True)),
            max(a[-1], b[-1]),
        )

    values = old.values or new.values
    if old.values and new.values and len(old.values) == len(new.values):
        values = tuple(
            (*wide(a[:3], b[:3]), *_together(a[3:], b[3:], share)) for a, b in zip(old.values, new.values, strict=True)
        )
    return replace(
        old,
        images=total,
        modality=old.modality if new.modality in ("", old.modality) else "",  # who says nothing does not contradict
        channels=old.channels or new.channels,
        widths=wide(old.widths, new.widths),
        cover=wide(old.cover, new.cover),
        values=values,
        typical=together(old.typical, new.typical),
    )


def _together(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[float, float]:
    """Mean and standard deviation of two sets of values, of which the second is a share."""
    mean = (1 - share) * a[0] + share * b[0]
    second = (1 - share) * (a[1] ** 2 + a[0] ** 2) + share * (b[1] ** 2 + b[0] ** 2)
    return mean, math.sqrt(max(0.0, second - mean**2))


__all__ = ["diameters", "learnt_from", "widened"]
