"""A piece of an image, said by slices: one word for where to look and one for where something is; and how it is cut."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TypeAlias

from napari_segplugin.core.errors import InputError

Region: TypeAlias = tuple[slice, ...]
"""A piece of an image that is read or computed: a slice for each of (Z,) Y, X."""

Box: TypeAlias = tuple[slice, ...]
"""The piece in which an object lies, or that somebody drew around it: a slice for each of (Z,) Y, X."""


@dataclass(frozen=True)
class TileSpec:
    """How an image is cut for prediction. Zero and empty mean "choose for me".

    Parameters
    ----------
    size : tuple of int
        Largest tile, spatial axes in canonical order, halo included.
    halo : tuple of int
        Voxels on each side that are read and thrown away.
    precision : str
        "auto", "float32" or "bfloat16".
    mirror : bool
        Average over all mirrored copies (4 in 2D, 8 in 3D): slower, a little better.
    zoom: float
        How many times larger the image is looked at, ¼ to 4: for objects of another size than the model learnt. 0: look
        once, and again larger where the objects found are small.

    Raises
    ------
    InputError
        If size or halo are not whole numbers from 0.
    """

    size: tuple[int, ...] = ()
    halo: tuple[int, ...] = ()
    precision: str = "auto"
    mirror: bool = False
    zoom: float = 1.0

    def __post_init__(self) -> None:
        for word, given in (("size", self.size), ("halo", self.halo)):
            whole = isinstance(given, tuple | list) and all(isinstance(n, Integral) and int(n) >= 0 for n in given)
            if not whole:
                raise InputError(
                    f"The tile {word} is not valid.",
                    got=given,
                    accepted="whole numbers from 0, one for each spatial axis",
                )


__all__ = ["Box", "Region", "TileSpec"]
