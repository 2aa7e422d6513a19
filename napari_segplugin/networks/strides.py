"""Where a network pools: along an axis only while its voxels are about as short as those of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_segplugin.networks.row import NetworkRow

_FAR = 2.0
"""An axis is not pooled while its voxels are this many times as long as the shortest (Isensee et al. 2021, arXiv 1809.10486)."""
_LEAST = 8
"""Voxels along an axis from which on it is pooled: four are left."""


def advised_strides(spacing: Sequence[float], count: int, shape: Sequence[int] = ()) -> tuple[tuple[int, ...], ...]:
    """Strides of `count` steps down, by nnU-Net's rule.

    Parameters
    ----------
    spacing : sequence of float
        Voxel size along Z, Y, X, in any unit.
    count : int
    shape : sequence of int, optional
        Voxels that are seen at once; not limited where left out.

    Returns
    -------
    tuple of tuple of int
        1 or 2 for each axis of each step; at least one axis has a 2 where the shape allows it.

    Examples
    --------
    >>> advised_strides((5.0, 1.0, 1.0), 3)
    ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    >>> advised_strides((1.0, 1.0, 1.0), 2, (5, 64, 64))
    ((1, 2, 2), (1, 2, 2))
    """
    sizes, left = [float(s) for s in spacing], [float(n) for n in shape] or [float("inf")] * len(spacing)
    found = []
    for _ in range(count):
        able = [n >= _LEAST for n in left]
        shortest = min((s for s, a in zip(sizes, able, strict=True) if a), default=0.0)
        step = tuple(2 if a and s < _FAR * shortest else 1 for s, a in zip(sizes, able, strict=True))
        sizes = [s * k for s, k in zip(sizes, step, strict=True)]
        left = [n / k for n, k in zip(left, step, strict=True)]
        found.append(step)
    return tuple(found)


def with_strides(
    row: NetworkRow, options: Mapping[str, Any], spacing: Sequence[float], shape: Sequence[int] = ()
) -> dict[str, Any]:
    """The options of a new 3D network, with strides that suit the voxel size where it takes strides and none were given.

    Parameters
    ----------
    row : NetworkRow
    options : mapping
        As asked.
    spacing : sequence of float
        Along Z, Y, X; empty where not known.
    shape : sequence of int, optional
        Voxels along Z, Y, X that a training sees at once.

    Returns
    -------
    dict
        Without strides where 2 everywhere is right, and where a ResNet or a detector has its own.

    Examples
    --------
    >>> from napari_segplugin.networks import NETWORKS
    >>> with_strides(NETWORKS["unet"], {"widths": (4, 8)}, (3.0, 1.0, 1.0))["strides"]
    ((1, 2, 2),)
    >>> with_strides(NETWORKS["unet"], {}, (1.0, 1.0, 1.0))
    {}
    """
    chosen, own = dict(options), {**row.options, **row.volume, **options}
    given = options.get("strides") is not None or options.get("upsample_kernel_size") is not None
    if row.pools is None or given or len(spacing) != 3 or own.get("encoder", "plain") != "plain":
        return chosen
    levels = own[row.pools[0]]
    if not isinstance(levels, list | tuple):
        return chosen  # the network says what is wrong with it
    count = len(levels) + row.pools[1]
    found = advised_strides(spacing, count, shape)
    if all(set(step) == {2} for step in found):
        return chosen
    if "upsample_kernel_size" in own:  # MONAI counts the first level too, and wants each factor twice
        return {**chosen, "strides": ((1, 1, 1), *found), "upsample_kernel_size": found}
    return {**chosen, "strides": found}


def usual_patch(spacing: Sequence[float], ndim: int) -> tuple[int, ...]:
    """The patch where nobody chose one: 128² in 2D; in 3D 32 × 64 × 64, with as many voxels fewer and wider planes where these
    lie further apart.

    Parameters
    ----------
    spacing : sequence of float
        Voxel size along [Z,] Y, X.
    ndim : int

    Examples
    --------
    >>> usual_patch((1.0, 1.0, 1.0), 3), usual_patch((5.0, 1.0, 1.0), 3), usual_patch((1.0, 1.0), 2)
    ((32, 64, 64), (11, 109, 109), (128, 128))
    """
    if ndim == 2:
        return (128, 128)
    far = spacing[0] / (spacing[1] * spacing[2]) ** 0.5 if len(spacing) == 3 else 1.0
    if far < _FAR:
        return (32, 64, 64)
    wide = min(far, 8.0) ** (1 / 3)  # as much of the world along Z as there is of 32 × 64 × 64 cubes
    return round(32 * wide / min(far, 8.0)), round(64 * wide), round(64 * wide)


__all__ = ["advised_strides", "usual_patch", "with_strides"]
