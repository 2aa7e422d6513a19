"""Places without an image that a file fills with one value: the corners of a turned one, the outside of a round one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_segplugin.core.intensity.robust_range import ROUNDING, median_of, residual, without

_DEAD = (0.005, 0.6)
"""The least and the largest share of the pixels that a value fills which stands for places without an image."""


def dead_value(values: np.ndarray, windows: Sequence[np.ndarray]) -> float:
    """The value that fills places without an image, as the corners of a turned one; NaN where there is none.

    It is the smallest, reaches the border, fills more than half a percent and less than most, a gap lies between it and all
    others, and these lie in one convex piece: the ground between objects, set to 0 by somebody, is none.

    Parameters
    ----------
    values : ([Z,] Y, X) ndarray
    windows : sequence of (Y, X) ndarray
        Connected pieces.

    Examples
    --------
    >>> turned = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> turned[:, 50:] = 0
    >>> dead_value(turned, [turned]), dead_value(turned[:, :50], [turned[:, :50]])
    (0.0, nan)
    """
    fine = values[np.isfinite(values)]
    if values.ndim < 2 or not fine.size:
        return float("nan")
    least = fine.min()
    plane = values.reshape(-1, *values.shape[-2:])[len(values) // 2 if values.ndim == 3 else 0]
    border = (plane[0], plane[-1], plane[:, 0], plane[:, -1])
    if not _DEAD[0] < (fine == least).mean() < _DEAD[1] or not any((edge == least).any() for edge in border):
        return float("nan")
    others = fine[fine != least].astype(np.float64)
    noise = [np.abs(residual(without(w, least).astype(np.float32))).ravel() for w in windows if min(w.shape) >= 3]
    spread = median_of([*noise, np.zeros(0)]) / 0.6745
    if values.dtype.kind in "biu":
        spread = max(spread, ROUNDING)
    gap = np.percentile(others, 1) - float(least)
    empty = (others < float(least) + gap / 2).mean() < 0.002
    return float(least) if empty and gap > 10 * spread and _convex(plane != least) else float("nan")


def _convex(mask: np.ndarray) -> bool:
    """Whether the places of a (Y, X) mask fill their convex hull."""
    from scipy.spatial import ConvexHull, QhullError

    step = max(1, max(mask.shape) // 256)
    places = np.argwhere(mask[::step, ::step])
    try:
        hull = ConvexHull(np.concatenate([places + shift for shift in ((0, 0), (0, 1), (1, 0), (1, 1))]))
    except (QhullError, ValueError):  # all on one line, or none
        return False
    return bool(len(places) > 0.95 * hull.volume)


__all__ = ["dead_value"]
