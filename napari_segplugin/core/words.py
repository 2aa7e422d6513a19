"""Words that every floor shares: pixel or voxel, and the settings that a sentence may point to."""

from __future__ import annotations

from typing import Literal, TypeAlias

Setting: TypeAlias = Literal[
    "axes", "classes", "device", "file", "folder", "model", "surfaces", "task", "tile_overlap", "tile_size", "zoom"
]
"""Settings that an error or a note may point to; the dock and the command line each say where theirs is."""


def pixel(ndim: int) -> str:
    """What one point of an image is called: "pixel" in a plane, "voxel" in a volume.

    Examples
    --------
    >>> pixel(2), pixel(3)
    ('pixel', 'voxel')
    """
    return "voxel" if ndim == 3 else "pixel"


def voxels(n: int, ndim: int) -> str:
    """A count of pixels, or of voxels in a volume.

    Parameters
    ----------
    n : int
    ndim : int
        Spatial axes of the image: 2 or 3.

    Returns
    -------
    str

    Examples
    --------
    >>> voxels(1, 2), voxels(1234, 3)
    ('1 pixel', '1,234 voxels')
    """
    return f"{n:,} {pixel(ndim)}{'s' if n != 1 else ''}"


def plain_metric(name: str) -> str:
    """The name of a score as people read it.

    Records, JSON and TensorBoard keep the names "held-out Dice", "held-out AP@0.5" …

    Examples
    --------
    >>> plain_metric("held-out Dice"), plain_metric("Dice")
    ('Dice (kept aside)', 'Dice')
    """
    plain = name.removeprefix("held-out ")
    return name if plain == name else f"{plain} (kept aside)"


__all__ = ["Setting", "pixel", "plain_metric", "voxels"]
