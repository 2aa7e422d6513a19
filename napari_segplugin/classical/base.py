"""One call shape for every classical technique, and the checks that are the same for all. Imports no scikit-image."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from napari_segplugin.classical.filling import filled, middle
from napari_segplugin.classical.marks import check_marks
from napari_segplugin.classical.row import CleanupRow, TechniqueRow
from napari_segplugin.core import Box, ClassicalRecipe, CleanupStep, InputError, Registry, check_parameters

TECHNIQUES = Registry("technique", TechniqueRow, group="napari_segplugin.techniques")
"""All techniques, in the order of the lists."""
CLEANUPS = Registry("clean-up step", CleanupRow, group="napari_segplugin.cleanups")
"""All clean-up steps, in the order of the lists."""

LUMINANCE = (0.2125, 0.7154, 0.0721)
"""Weights of red, green and blue (ITU-R BT.709), as scikit-image has them."""
LEAST = 3
"""Voxels that an image must have along Y and X."""

Tell: TypeAlias = Callable[[str], None]


class NothingToSegment(InputError):
    """An image without numbers, or with one number only: of a time series the other frames are segmented all the same."""


def run_technique(
    name: str,
    image: np.ndarray,
    *,
    spacing: Sequence[float] | None = None,
    seeds: np.ndarray | None = None,
    box: Box | None = None,
    tell: Tell | None = None,
    **parameters: Any,
) -> np.ndarray:
    """Run a technique on a whole image.

    Parameters
    ----------
    name : str
        A row of ``TECHNIQUES``.
    image : (C, [Z,] Y, X) ndarray
        Raw intensities, any real dtype. Voxels that are NaN or infinite become background.
    spacing : sequence of float, optional
        Voxel size along (Z,) Y, X; 1 by default.
    seeds : ([Z,] Y, X) ndarray of int, optional
        0 where there is none, otherwise the class or object of a point or stroke.
    box : tuple of slice, optional
        A slice for each of (Z,) Y, X.
    tell : callable, optional
        Is called with sentences that the person should read.
    **parameters
        Settings of the technique; defaults for those left out.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
        0 is background.

    Raises
    ------
    InputError
        If image, seeds, box or a setting cannot be used.

    Examples
    --------
    >>> image = np.zeros((1, 8, 8), np.uint8)
    >>> image[0, 2:5, 2:5] = 200
    >>> int(run_technique("threshold", image).sum())
    9
    """
    row = TECHNIQUES[name]
    settings = check_parameters(row.parameters, parameters)
    check_dimensions(row, image.shape)
    check_marks(row, image.shape[1:], seeds, box)
    image = reduce_channels(row, image, tell)
    step = tuple(float(s) for s in (spacing if spacing is not None else (1.0,) * (image.ndim - 1)))
    measured = measure(row, image, step, settings)
    return apply(row, image, step, settings, measured, seeds=seeds, box=box)


def check_dimensions(row: TechniqueRow, shape: Sequence[int]) -> None:
    """Whether an image of this shape, (C, [Z,] Y, X), can go to a technique.

    Raises
    ------
    InputError
        If it has a dimension that the technique is not made for, or too few voxels.
    """
    ndim = len(shape) - 1
    if ndim not in (2, 3):
        raise InputError("A technique works on 2D planes and 3D volumes.", got=f"an image of shape {tuple(shape)}")
    if ndim not in row.ndim:
        raise InputError(
            f"{row.title} works only in {' or '.join(f'{n}D' for n in row.ndim)}.",
            got=f"an image in {ndim}D",
            hint="Choose a single plane, or another technique." if ndim == 3 else "Choose another technique.",
        )
    if min(shape[-2:]) < LEAST:
        raise InputError(
            "The image is too small to be segmented.",
            got=f"{shape[-2]} × {shape[-1]} pixels",
            accepted=f"at least {LEAST} × {LEAST}",
        )


def reduce_channels(row: TechniqueRow, image: np.ndarray, tell: Tell | None = None) -> np.ndarray:
    """The channels that a technique reads: all, or one made of all where it works on gray.

    Returns
    -------
    (C, [Z,] Y, X) ndarray
        In its own dtype where nothing had to be mixed, otherwise float32.
    """
    channels = image.shape[0]
    if row.colour or channels == 1:
        return image
    if tell is not None:
        word = "luminance" if channels == 3 else "mean"
        tell(f"{row.title} works on one channel; the {word} of the {channels} channels is used.")
    return _gray(image)


def _gray(image: np.ndarray) -> np.ndarray:
    """One channel made of all, (1, [Z,] Y, X): the luminance of three, the mean of any other number."""
    channels = image.shape[0]
    if channels == 1:
        return image
    weights = np.asarray(LUMINANCE if channels == 3 else (1 / channels,) * channels, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs
        mixed: np.ndarray = image[0].astype(np.float32) * weights[0]
        for channel, weight in zip(image[1:], weights[1:], strict=True):
            mixed += channel * weight
    return mixed[np.newaxis]


def finite(image: np.ndarray) -> np.ndarray | None:
    """Where all channels are numbers, ([Z,] Y, X) bool; None where that is everywhere."""
    # a sum is the quickest look: it is not finite where any value is not (or where it overflows, which costs time only)
    with np.errstate(over="ignore", invalid="ignore"):
        if image.dtype.kind != "f" or np.isfinite(image.sum()):
            return None
    known: np.ndarray = np.isfinite(image).all(axis=0)
    return None if known.all() else known


def measure(
    row: TechniqueRow, sample: np.ndarray, spacing: tuple[float, ...], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What a technique has to know of the whole image before it can do a tile.

    Parameters
    ----------
    row : TechniqueRow
    sample : (C, [Z,] Y, X) ndarray
        The image, or blocks of it; NaN is left out.
    spacing : tuple of float
    settings : mapping
        Checked settings.

    Returns
    -------
    dict
        What the technique's own ``measure`` gives, and "fill": the median of each channel, which stands where the image
        has no value near.

    Raises
    ------
    NothingToSegment
        If no voxel is a number, or all have the same value.
    """
    known = finite(sample)
    if known is not None and not known.any():
        raise NothingToSegment("The image contains no numbers, only NaN or infinity.", hint="Choose another image.")
    values = sample.reshape(sample.shape[0], -1) if known is None else sample[:, known]
    low, high = values.min(axis=1), values.max(axis=1)
    if (low == high).all():
        shown = ", ".join(f"{v:g}" for v in low[:4])
        raise NothingToSegment(
            "The whole image has the same value, so there is nothing to segment.",
            got=f"{shown} everywhere",
            hint="Choose another image or channel.",
        )
    found: dict[str, Any] = {"fill": middle(sample, known)}
    if row.measure:
        if known is not None:
            sample = np.where(known, sample, np.nan)
        found |= row.load_field("measure")(sample, spacing, **settings)
    return found


def apply(
    row: TechniqueRow,
    image: np.ndarray,
    spacing: tuple[float, ...],
    settings: Mapping[str, Any],
    measured: Mapping[str, Any],
    *,
    seeds: np.ndarray | None = None,
    box: Box | None = None,
    clear: bool = True,
) -> np.ndarray:
    """Run a technique on an image or a tile of it, with what was measured.

    Where the image has no value, those around it are carried on (:func:`~napari_segplugin.classical.filling.filled`).

    Parameters
    ----------
    row : TechniqueRow
    image : (C, [Z,] Y, X) ndarray
        With the channels that the technique reads.
    spacing : tuple of float
    settings : mapping
        Checked settings.
    measured : mapping
        Of :func:`measure`.
    seeds, box
        As in :func:`run_technique`.
    clear : bool
        Whether labels are 0 where the image has no value; otherwise clean-up steps find no holes there, and whoever calls
        clears them after the last one.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    known = finite(image)
    with np.errstate(over="ignore"):
        image = image.astype(np.float32, copy=False)
    if known is not None:
        image = filled(image, known, np.asarray(measured["fill"]), spacing)
    function = row.load()
    offered = {"seeds": seeds, "box": box, "measured": measured, "known": known}
    wanted = inspect.signature(function).parameters
    extra = {word: value for word, value in offered.items() if word in wanted}
    labels = np.asarray(function(image, spacing=spacing, **extra, **settings)).astype(np.int32, copy=False)
    if known is not None and clear:
        labels = np.where(known, labels, np.int32(0))
    return labels


def sees_whole(row: TechniqueRow, settings: Mapping[str, Any]) -> bool:
    """Whether a technique has to see the whole image at once."""
    return row.scope == "whole" or bool(settings.get(row.whole_if, False))


def halo_of(row: TechniqueRow, settings: Mapping[str, Any], spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxels along (Z,) Y, X that a tile must see around itself.

    The technique's own ``halo`` counts voxels along X; the other axes follow from the voxel size.
    """
    ndim = len(spacing)
    if not row.halo:
        return (0,) * ndim
    asked = row.load_field("halo")(settings, ndim)
    return tuple(int(np.ceil(h * spacing[-1] / s - 1e-6)) for h, s in zip(asked, spacing, strict=True))


def complete(recipe: ClassicalRecipe) -> ClassicalRecipe:
    """A recipe with every setting of its technique and its steps, checked.

    Raises
    ------
    InputError
        If a technique, a step or a setting is not known, or a value not accepted.
    """
    settings = check_parameters(TECHNIQUES[recipe.technique].parameters, recipe.parameters)
    steps = tuple(
        CleanupStep(s.name, check_parameters(CLEANUPS[s.name].parameters, s.parameters)) for s in recipe.cleanup
    )
    return replace(recipe, parameters=settings, cleanup=steps)


def run_cleanup(
    name: str,
    labels: np.ndarray,
    *,
    objects: bool = False,
    spacing: Sequence[float] | None = None,
    image: np.ndarray | None = None,
    **parameters: Any,
) -> np.ndarray:
    """Run a clean-up step.

    Parameters
    ----------
    name : str
        A row of ``CLEANUPS``.
    labels : ([Z,] Y, X) ndarray of int
    objects : bool
        Whether each number is an object; otherwise it is a class, whose objects are its connected pieces.
    spacing : sequence of float, optional
        Voxel size along (Z,) Y, X; 1 by default.
    image : (C, [Z,] Y, X) ndarray, optional
        For the steps that can look at intensities.
    **parameters

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    Raises
    ------
    InputError
        If a setting cannot be used, or labels or image are not of the right kind.
    """
    row = CLEANUPS[name]
    settings = check_parameters(row.parameters, parameters)
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iub":
        raise InputError(
            "Labels must be planes or volumes of whole numbers.", got=f"shape {labels.shape}, dtype {labels.dtype}"
        )
    step = tuple(float(s) for s in (spacing if spacing is not None else (1.0,) * labels.ndim))
    extra: dict[str, Any] = {}
    if row.image and image is not None:
        if image.shape[1:] != labels.shape:
            raise InputError(
                "The labels do not fit the image.", got=f"shape {labels.shape} for an image of {image.shape[1:]}"
            )
        known = finite(image)
        with np.errstate(over="ignore"):
            gray = _gray(image).astype(np.float32, copy=False)
        extra["image"] = gray if known is None else filled(gray, known, middle(gray, known), step)
    done = row.load()(labels.astype(np.int32, copy=False), spacing=step, objects=objects, **extra, **settings)
    return np.asarray(done).astype(np.int32, copy=False)


__all__ = [
    "CLEANUPS",
    "TECHNIQUES",
    "NothingToSegment",
    "Tell",
    "apply",
    "check_dimensions",
    "complete",
    "finite",
    "halo_of",
    "measure",
    "reduce_channels",
    "run_cleanup",
    "run_technique",
    "sees_whole",
]
