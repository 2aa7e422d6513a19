"""The voxel size in which a model looks at an image: that of the images that it learnt from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core import Image, InputError, ModelSpec, Note, Sample, Task
from napari_segplugin.core.types import JsonDict
from napari_segplugin.core.words import pixel
from napari_segplugin.data.resample import ceiling, resampled, shape_at
from napari_segplugin.io.units import in_metres

LEAST, MOST = 1 / 8, 8.0
"""How many times larger along an axis an image is looked at; beyond that there is nothing of it that a model could know."""
CLOSE = 1.1
"""Voxel sizes that differ by less are the same: training varies sizes by more, and resampling costs sharpness and time."""
FEWEST = 4
"""Voxels that have to be left along an axis that is made coarser."""
_KEPT = 0.95
"""Dice that labels have to keep where a new model works on a coarser grid than its images."""
_LOOKED_AT = 8
"""Images on which that is measured."""


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
    after = shape_at(image.spatial_shape, factors)
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


def in_recipe(picture: Image, factors: Sequence[float]) -> JsonDict:
    """What a recipe says of how the image was looked at."""
    return {"spacing": list(picture.canonical_spacing), "unit": picture.unit, "factors": list(factors)}


def mean_factor(factors: Sequence[float], ndim: int) -> float:
    """The factor by which widths grow, over the axes of a network of `ndim` dimensions."""
    return math.prod(factors[-ndim:]) ** (1 / ndim)


@dataclass(frozen=True)
class Chosen:
    """The voxel size in which a new model works.

    Parameters
    ----------
    spacing : tuple of float
        Along [Z,] Y, X.
    unit : str
    note : Note, optional
        What was chosen and what it costs; None where the images are taken as they are.
    """

    spacing: tuple[float, ...]
    unit: str
    note: Note | None = None


def choose_size(
    images: Sequence[Image],
    labels: Sequence[np.ndarray],
    task: Task,
    ndim: int,
    *,
    asked: Sequence[float] = (),
    patch: Sequence[int] = (),
) -> Chosen:
    """The voxel size for a new model: as asked, else the median of the images, coarser where a structure is larger than a patch.

    Only classes of volumes are made coarser, and only as far as labels that go to that grid and back keep a Dice of 0.95:
    a network that never sees a whole organ learns less than one that sees it a little coarsely, and takes longer.

    Parameters
    ----------
    images : sequence of Image
    labels : sequence of ([Z,] Y, X) ndarray of int
        As many; classes or objects.
    task : Task
    ndim : int
        Of the network.
    asked : sequence of float, optional
        Along [Z,] Y, X, in the unit of the first image whose unit is known.
    patch : sequence of int, optional
        Voxels along [Z,] Y, X that the training sees at once; the usual ones by default.

    Raises
    ------
    InputError
        If what is asked is not one positive number for each axis, or no image says its voxel size.
    """
    unit = next((i.unit for i in images if in_metres(i.unit) is not None), images[0].unit)
    own = [i for i in images if (in_metres(i.unit) is None) == (in_metres(unit) is None)]
    sizes = np.array([_in_unit(i, unit)[-ndim:] for i in own])
    median = tuple(float(f"{v:.6g}") for v in np.median(sizes, axis=0))
    if asked:
        if len(asked) != ndim or not all(math.isfinite(s) and s > 0 for s in asked):
            raise InputError(
                "The voxel size of the model does not fit.",
                got=" × ".join(f"{s:g}" for s in asked),
                accepted=f"{ndim} positive numbers, in the order {', '.join('ZYX'[-ndim:])}",
            )
        if in_metres(unit) is None and ratios(median, unit, asked, unit) is None:
            raise InputError(
                "The voxel size of the images is not known, so they cannot be brought to another.",
                got=said(median, unit),
                hint="Give the voxel size of the images and its unit",
            )
        spacing = tuple(float(s) for s in asked)
    else:
        factors = _coarser(own, labels, median, patch or (32, 64, 64)) if task is Task.SEMANTIC and ndim == 3 else ()
        spacing = tuple(
            float(f"{s * f:.3g}") if f > 1 else s for s, f in zip(median, factors or (1,) * ndim, strict=True)
        )
    return Chosen(spacing, unit, _cost(images, labels, spacing, unit, ndim))


def _in_unit(image: Image, unit: str) -> tuple[float, ...]:
    """Voxel size of an image in another unit."""
    own, other = in_metres(image.unit), in_metres(unit)
    factor = own / other if own is not None and other is not None else 1.0
    return tuple(s * factor for s in image.canonical_spacing)


def _coarser(
    images: Sequence[Image], labels: Sequence[np.ndarray], median: Sequence[float], patch: Sequence[int]
) -> tuple[float, ...]:
    """How many times coarser each axis becomes so that the median structure fits into a patch; 1 where it does."""
    extents = [
        e for i, mask in list(zip(images, labels, strict=False))[:_LOOKED_AT] for e in _extents(i, mask, images[0].unit)
    ]
    if not extents:
        return (1.0,) * len(patch)
    voxels = np.median(extents, axis=0) / np.asarray(median)
    need = np.minimum(np.maximum(voxels / np.asarray(patch), 1.0), MOST)
    if is_close(need):
        return (1.0,) * len(patch)
    for share in (1.0, 0.75, 0.5, 0.25):
        factors = tuple((1 + share * (need - 1)).tolist())
        spacing = [m * f for m, f in zip(median, factors, strict=True)]
        if _ceiling(images, labels, spacing, images[0].unit) >= _KEPT:
            return factors
    return (1.0,) * len(patch)


def _extents(image: Image, labels: np.ndarray, unit: str) -> list[np.ndarray]:
    """Lengths of each class of an image along Z, Y, X, in a unit."""
    size = np.asarray(_in_unit(image, unit))
    found = []
    for number in np.unique(labels[labels > 0]):
        there = labels == number
        sides = [np.flatnonzero(there.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
        found.append(np.array([s[-1] - s[0] + 1 for s in sides]) * size)
    return found


def _ceiling(images: Sequence[Image], labels: Sequence[np.ndarray], spacing: Sequence[float], unit: str) -> float:
    """The best Dice that a model of a voxel size can reach, over some of the images; 1 where none changes."""
    pairs = list(zip(images, labels, strict=False))
    found = []
    for image, own in pairs[:: -(-len(pairs) // _LOOKED_AT)]:
        ndim = len(spacing)
        inner = ratios(image.canonical_spacing[-ndim:], image.unit, spacing, unit)
        if inner is not None and not is_close(inner):
            found.append(ceiling(own, (*(1.0,) * (image.ndim - ndim), *inner)))
    return float(np.nanmean(found)) if found and not np.isnan(found).all() else 1.0


def _cost(
    images: Sequence[Image], labels: Sequence[np.ndarray], spacing: tuple[float, ...], unit: str, ndim: int
) -> Note | None:
    """What bringing the images to a voxel size means, for the person."""
    inner = [ratios(i.canonical_spacing[-ndim:], i.unit, spacing, unit) for i in images]
    changed = [f for f in inner if f is not None and not is_close(f)]
    lost = sum(in_metres(i.unit) is None for i in images) if in_metres(unit) is not None else 0
    unknown = ""
    if lost:
        unknown = f" Of {lost} of {len(images)} images the size is not known: they are taken as they are."
    if not changed:
        return Note(unknown.strip(), setting="voxel_size") if lost else None
    volume = float(np.median([math.prod(f) for f in changed]))
    best = _ceiling(images, labels, spacing, unit)
    word = f"{1 / volume:.3g} times fewer" if volume < 1 else f"{volume:.3g} times as many"
    return Note(
        f"The model works at a {pixel(ndim)} size of {said(spacing, unit)}: {len(changed)} of {len(images)} images are resampled "
        f"to it, typically to {word} {pixel(ndim)}s."
        f" Labels taken to that size and back keep a Dice of {best:.3f}.{unknown}",
        setting="voxel_size",
    )


def at_model_size(sample: Sample, spec: ModelSpec) -> Sample:
    """A training sample on the grid of the voxel size of a model; the sample itself where that is the same or not known.

    Parameters
    ----------
    sample : Sample
    spec : ModelSpec

    Returns
    -------
    Sample
        What was not known stays unknown.
    """
    ndim = min(spec.ndim, sample.image.ndim)
    inner = ratios(sample.image.canonical_spacing[-ndim:], sample.image.unit, tuple(spec.spacing)[-ndim:], spec.unit)
    factors = (*(1.0,) * (sample.image.ndim - ndim), *(inner or (1.0,) * ndim))
    after = shape_at(sample.image.spatial_shape, factors)
    few = any(a < min(FEWEST, n) for a, n in zip(after, sample.image.spatial_shape, strict=True))
    if inner is None or is_close(inner) or few or not all(LEAST <= f <= MOST for f in inner):
        return sample
    return resampled(sample, factors)


__all__ = [
    "Chosen",
    "Look",
    "at_model_size",
    "choose_size",
    "in_recipe",
    "is_close",
    "look_of",
    "mean_factor",
    "ratios",
    "said",
]
