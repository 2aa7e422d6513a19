"""The voxel size in which a model looks at an image: that of the images that it learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from napari_segplugin.core import Image, ModelSpec, Note
from napari_segplugin.core.types import JsonDict
from napari_segplugin.core.words import pixel
from napari_segplugin.data.nodata import known_array
from napari_segplugin.data.resample import Resampled
from napari_segplugin.io.units import in_metres

LEAST, MOST = 1 / 8, 8.0
"""How many times larger along an axis an image is looked at; beyond that there is nothing of it that a model could know."""
CLOSE = 1.1
"""Voxel sizes that differ by less are the same: training varies sizes by more, and resampling costs sharpness and time."""
FEWEST = 4
"""Voxels that have to be left along an axis that is made coarser."""


@dataclass(frozen=True)
class Look:
    """How an image is looked at.

    Parameters
    ----------
    factors : tuple of float
        How many times as many voxels along each of Z, Y, X that the image has; 1 everywhere where it is looked at as it is.
    note : Note, optional
        What a person is told.
    """

    factors: tuple[float, ...]
    note: Note | None = None

    @property
    def plain(self) -> bool:
        """Whether the image is looked at as it is."""
        return all(f == 1 for f in self.factors)


def ratios(spacing: Sequence[float], unit: str, target: Sequence[float], wanted: str) -> tuple[float, ...] | None:
    """How many times as long as the voxels of a target those of an image are; None where that is not known.

    Where a size is in pixels, only its shape is known, such as planes 2.18 times as far apart as pixels: the axes are then
    compared with the last one, which keeps its size. Voxels of 1 × 1 × 1 pixel are of unknown shape.

    Parameters
    ----------
    spacing : sequence of float
    unit : str
        Any spelling.
    target : sequence of float
        As many.
    wanted : str
        Unit of `target`.

    Examples
    --------
    >>> ratios((2.0, 0.5), "um", (1000.0, 1000.0), "nm")
    (2.0, 0.5)
    >>> ratios((2.0, 1.0), "pixel", (0.5, 0.5), "um"), ratios((1.0, 1.0), "pixel", (0.5, 0.5), "um")
    ((2.0, 1.0), None)
    """
    if not target or len(target) != len(spacing):
        return None
    own, other = in_metres(unit), in_metres(wanted)
    if own is not None and other is not None:
        return tuple(float(f"{s * own / (t * other):.9g}") for s, t in zip(spacing, target, strict=True))
    for sizes, metres in ((spacing, own), (target, other)):
        if metres is None and max(sizes) <= min(sizes) * 1.001:
            return None
    return tuple(s / spacing[-1] / (t / target[-1]) for s, t in zip(spacing, target, strict=True))


def is_close(factors: Sequence[float]) -> bool:
    """Whether voxel sizes that differ by these factors are the same for a model.

    Examples
    --------
    >>> is_close((1.05, 1.0)), is_close((1.2, 1.0))
    (True, False)
    """
    return all(1 / CLOSE <= f <= CLOSE for f in factors)


def look_of(image: Image, spec: ModelSpec, rescale: bool = True) -> Look:
    """How a model looks at an image: in the voxel size that it learnt, where both are known.

    Parameters
    ----------
    image : Image
        One that fits the model; of a volume and a 2D model the planes keep their distance.
    spec : ModelSpec
    rescale : bool
        False: as it is.

    Returns
    -------
    Look

    Examples
    --------
    >>> import numpy as np
    >>> from napari_segplugin.core import ClassTable, Task
    >>> spec = ModelSpec("unet", 2, 1, Task.SEMANTIC, ClassTable.named(["cell"]), spacing=(1.0, 1.0), unit="um")
    >>> look = look_of(Image(np.zeros((40, 40)), "YX", (500.0, 500.0), "nm"), spec)
    >>> look.factors, look.note.text[:66]
    ((0.5, 0.5), 'The image has pixels of 500 nm, and the model learnt at 1 um: it i')
    """
    plain, ndim = Look((1.0,) * image.ndim), spec.ndim
    if not rescale:
        return plain
    size, target = image.canonical_spacing[-ndim:], tuple(spec.spacing)[-ndim:]
    inner = ratios(size, image.unit, target, spec.unit)
    if inner is None or is_close(inner):
        return plain
    factors = (*(1.0,) * (image.ndim - ndim), *inner)
    word, own, learnt = pixel(ndim), said(size, image.unit), said(target, spec.unit)
    begin = f"The image has {word}s of {own}, and the model learnt at {learnt}: "
    after = [max(1, round(n * f)) for n, f in zip(image.spatial_shape, factors, strict=True)]
    few = any(a < min(FEWEST, n) for a, n in zip(after, image.spatial_shape, strict=True))
    if few or not all(LEAST <= f <= MOST for f in inner):
        why = f"too few {word}s would be left" if few else "that is too different to be brought together"
        text = f"{begin}{why}, so it is not resampled, and the result may be wrong."
        return Look(plain.factors, Note(text, setting="voxel_size"))
    seen = f"to {learnt}" if in_metres(image.unit) is not None and in_metres(spec.unit) is not None else "to that shape"
    text = f"{begin}it is resampled {seen}, and the labels come back at {own}."
    return Look(factors, Note(text, setting="voxel_size"))


def said(spacing: Sequence[float], unit: str) -> str:
    """A voxel size for a person.

    Examples
    --------
    >>> said((1.0, 1.0), "mm"), said((2.0, 0.5, 0.5), "um")
    ('1 mm', '2 × 0.5 × 0.5 um')
    """
    same = len(set(spacing)) == 1 and in_metres(unit) is not None
    return f"{spacing[0]:.4g} {unit}" if same else " × ".join(f"{s:.4g}" for s in spacing) + f" {unit}"


def shape_at(image: Image, factors: Sequence[float]) -> tuple[int, ...]:
    """Lengths of Z, Y, X of the image with `factors` times as many voxels."""
    return tuple(max(1, round(n * f)) for n, f in zip(image.spatial_shape, factors, strict=True))


def regridded(image: Image, factors: Sequence[float]) -> Image:
    """The image with `factors` times as many voxels along Z, Y, X; made piece by piece when it is read.

    Parameters
    ----------
    image : Image
    factors : sequence of float
        One for each spatial axis that the image has, in the order Z, Y, X.

    Returns
    -------
    Image
        Of float32; averaged where it is coarser, linear where it is finer.

    Examples
    --------
    >>> import numpy as np
    >>> coarse = regridded(Image(np.arange(8.0)[None], "YX", (1.0, 0.5), "mm"), (1.0, 0.5))
    >>> coarse.spacing, coarse.read().shape
    ((1.0, 1.0), (1, 1, 4))
    """
    wanted = dict(zip([a for a in "ZYX" if a in image.axes], shape_at(image, factors), strict=True))
    lengths = {image.axes.index(a): n for a, n in wanted.items() if n != image.sizes[a]}
    spacing = tuple(s * image.sizes[a] / wanted[a] for a, s in zip(image.spatial_axes, image.spacing, strict=True))
    return replace(image, array=Resampled(known_array(image), lengths), spacing=spacing)


def in_recipe(picture: Image, factors: Sequence[float]) -> JsonDict:
    """What a recipe says of how the image was looked at."""
    return {"spacing": list(picture.canonical_spacing), "unit": picture.unit, "factors": list(factors)}


def mean_factor(factors: Sequence[float], ndim: int) -> float:
    """The factor by which widths grow, over the axes of a network of `ndim` dimensions."""
    return math.prod(factors[-ndim:]) ** (1 / ndim)


__all__ = ["Look", "in_recipe", "is_close", "look_of", "mean_factor", "ratios", "regridded", "said", "shape_at"]
