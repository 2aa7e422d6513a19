"""What a network learns from: an image with labels of which only a part may be known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_segplugin.core.errors import InputError
from napari_segplugin.core.image import Image
from napari_segplugin.core.words import pixel


@dataclass(frozen=True, eq=False)
class Sample:
    """An image, its labels, and where they are known.

    Parameters
    ----------
    image : Image
        Without a T axis.
    classes : (Z, Y, X) or (Y, X) ndarray of int
        Class number of each voxel; anything where `known` is False.
    instances : (Z, Y, X) or (Y, X) ndarray of int, optional
        Object number of each voxel, 0 outside objects; None for a semantic sample.
    known : (Z, Y, X) or (Y, X) ndarray of bool, optional
        Where `classes` is known; None means everywhere. Unknown is never background.
    shape_known : (Z, Y, X) or (Y, X) ndarray of bool, optional
        Where the distance to the object's outline is known too (whole objects and background). None means
        wherever `known`.
    boxes : tuple of tuple of slice
        A box of voxels around each of some objects whose outline is not known: the object touches all of its sides.
    """

    image: Image
    classes: np.ndarray
    instances: np.ndarray | None = None
    known: np.ndarray | None = None
    shape_known: np.ndarray | None = None
    boxes: tuple[tuple[slice, ...], ...] = ()

    def __post_init__(self) -> None:
        for word in ("classes", "instances", "known", "shape_known"):
            array = getattr(self, word)
            if array is not None and array.shape != self.image.spatial_shape:
                raise InputError(
                    f"The {word} of '{self.image.name}' and the image differ in shape.",
                    got=f"{array.shape} for an image of {self.image.spatial_shape}",
                    hint=f"Labels need one value for each {pixel(self.image.ndim)}.",
                )
