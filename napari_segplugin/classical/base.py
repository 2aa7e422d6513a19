"""One call shape for every classical technique, and the checks that are the same for all. Imports no scikit-image."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from napari_segplugin.core import (
    ClassicalRecipe,
    CleanupStep,
    InputError,
    Parameter,
    Registry,
    Row,
    check_parameters,
)

TECHNIQUES = Registry("technique")
CLEANUPS = Registry("clean-up step")

LUMINANCE = (0.2125, 0.7154, 0.0721)
"""Weights of red, green and blue (ITU-R BT.709), as scikit-image has them."""
LEAST = 3
"""Voxels that an image must have along Y and X."""

Box: TypeAlias = tuple[slice, ...]
Tell: TypeAlias = Callable[[str], None]


def technique_row(
    name: str, title: str, target: str, summary: str, reference: str, parameters: Sequence[Parameter], **meta: Any
) -> Row:
    """A row of a technique or a clean-up step.

    Parameters
    ----------
    name, title, target, summary, reference : str
        As in :class:`~napari_segplugin.core.Row`.
    parameters : sequence of Parameter
    **meta
        What differs from the usual. Techniques: ``ndim`` (dimensions), ``colour`` (reads several channels), ``needs``
        ("", "points", "strokes" or "box"), ``scope`` ("point", "window" or "whole": what a tile must see), ``slow``,
        ``kind`` of what comes back ("mask", "classes" or "objects"), ``group`` in lists, ``measure`` and ``halo``
        ("module:function"). Steps: ``kind`` ("same" or "objects"), ``image`` (reads the image too).
    """
    usual = {"ndim": (2, 3), "colour": False, "needs": "", "scope": "whole", "slow": False, "kind": "mask", "group": ""}
    options = {p.name: p.default for p in parameters}
    return Row(name, title, target, summary, reference, options, {**usual, "parameters": tuple(parameters), **meta})


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
    settings = check_parameters(row.meta["parameters"], parameters)
    check_dimensions(row, image.shape)
    check_marks(row, image.shape[1:], seeds, box)
    image = reduce_channels(row, image, tell)
    step = tuple(float(s) for s in (spacing if spacing is not None else (1.0,) * (image.ndim - 1)))
    measured = measure(row, image, step, settings)
    return apply(row, image, step, settings, measured, seeds=seeds, box=box)


def check_dimensions(row: Row, shape: Sequence[int]) -> None:
    """Whether an image of this shape, (C, [Z,] Y, X), can go to a technique.

    Raises
    ------
    InputError
        If it has a dimension that the technique is not made for, or too few voxels.
    """
    ndim = len(shape) - 1
    if ndim not in (2, 3):
        raise InputError("A technique works on planes and volumes.", got=f"an image of shape {tuple(shape)}")
    if ndim not in row.meta["ndim"]:
        raise InputError(
            f"{row.title} works in {' or '.join(f'{n}D' for n in row.meta['ndim'])} only.",
            got=f"an image in {ndim}D",
            hint="Choose a single plane, or another technique." if ndim == 3 else "Choose another technique.",
        )
    if min(shape[-2:]) < LEAST:
        raise InputError(
            "The image is too small to be segmented.",
            got=f"{shape[-2]} × {shape[-1]} voxels",
            accepted=f"at least {LEAST} × {LEAST}",
        )


def check_marks(row: Row, shape: Sequence[int], seeds: np.ndarray | None, box: Box | None) -> None:
    """Whether seeds and box are there where they are needed, and lie in the image.

    Raises
    ------
    InputError
        If not.
    """
    needs = row.meta["needs"]
    if seeds is not None:
        if tuple(seeds.shape) != tuple(shape):
            raise InputError(
                "The seeds do not fit the image.", got=f"shape {seeds.shape} for an image of {tuple(shape)}"
            )
        if np.asarray(seeds).dtype.kind not in "iub":
            raise InputError("Seeds are whole numbers.", got=f"dtype {seeds.dtype}")
    if needs in ("points", "strokes") and (seeds is None or not (np.asarray(seeds) > 0).any()):
        word = "click on at least one object" if needs == "points" else "paint at least one stroke in each class"
        raise InputError(f"{row.title} starts from {needs}, and there are none.", hint=f"In the image, {word}")
    if needs == "box" and box is None:
        raise InputError(f"{row.title} starts from a box, and there is none.", hint="Draw a box around the object")
    if box is not None:
        _check_box(box, shape)


def _check_box(box: Box, shape: Sequence[int]) -> None:
    inside = len(box) == len(shape) and all(
        0 <= (s.start or 0) < (n if s.stop is None else s.stop) <= n for s, n in zip(box, shape, strict=True)
    )
    if not inside:
        text = ", ".join(f"{s.start}:{s.stop}" for s in box)
        raise InputError("The box does not lie in the image.", got=f"{text} in an image of {tuple(shape)}")


def seeds_from_points(points: np.ndarray, shape: Sequence[int], values: np.ndarray | None = None) -> np.ndarray:
    """Seeds of clicked points.

    Parameters
    ----------
    points : (N, 2) or (N, 3) ndarray
        Positions in voxels, (Z,) Y, X.
    shape : sequence of int
        The image, (Z,) Y, X.
    values : (N,) ndarray of int, optional
        Class or object of each point; 1, 2 … by default.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32

    Raises
    ------
    InputError
        If a point lies outside of the image, or their dimension is another.

    Examples
    --------
    >>> seeds_from_points(np.array([[0.2, 1.6]]), (2, 3)).tolist()
    [[0, 0, 1], [0, 0, 0]]
    """
    points = np.atleast_2d(np.asarray(points, float))
    if points.shape[-1] != len(shape):
        raise InputError(
            "The points do not fit the image.", got=f"points in {points.shape[-1]}D for an image in {len(shape)}D"
        )
    at = np.floor(points + 0.5)
    outside = ~np.isfinite(at).all(1) | (at < 0).any(1) | (at >= np.asarray(shape)).any(1)
    if outside.any():
        first = ", ".join(f"{v:g}" for v in points[np.flatnonzero(outside)[0]])
        raise InputError(
            f"{int(outside.sum())} of {len(points)} seeds lie outside of the image.",
            got=f"a point at ({first}) for an image of {tuple(shape)}",
            hint="Remove it, or click inside of the image.",
        )
    seeds = np.zeros(tuple(shape), np.int32)
    seeds[tuple(at.astype(int).T)] = np.arange(1, len(points) + 1) if values is None else values
    return seeds


def reduce_channels(row: Row, image: np.ndarray, tell: Tell | None = None) -> np.ndarray:
    """The channels that a technique reads: all, or one made of all where it works on gray.

    Returns
    -------
    (C, [Z,] Y, X) ndarray
        In its own dtype where nothing had to be mixed, otherwise float32.
    """
    channels = image.shape[0]
    if row.meta["colour"] or channels == 1:
        return image
    weights = np.asarray(LUMINANCE if channels == 3 else (1 / channels,) * channels, np.float32)
    if tell is not None:
        word = "luminance" if channels == 3 else "mean"
        tell(f"{row.title} reads one channel; the {word} of the {channels} channels was taken.")
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


def measure(row: Row, sample: np.ndarray, spacing: tuple[float, ...], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a technique has to know of the whole image before it can do a tile.

    Parameters
    ----------
    row : Row
    sample : (C, [Z,] Y, X) ndarray
        The image, or blocks of it; NaN is left out.
    spacing : tuple of float
    settings : mapping
        Checked settings.

    Returns
    -------
    dict
        What the technique's own ``measure`` gives, and "fill": the value of each channel that stands where the image
        has none.

    Raises
    ------
    InputError
        If no voxel is a number, or all have the same value.
    """
    known = finite(sample)
    if known is not None and not known.any():
        raise InputError("The image holds no numbers, only NaN or infinity.", hint="Choose another image.")
    values = sample.reshape(sample.shape[0], -1) if known is None else sample[:, known]
    low, high = values.min(axis=1), values.max(axis=1)
    if (low == high).all():
        shown = ", ".join(f"{v:g}" for v in low[:4])
        raise InputError(
            "All voxels of the image have the same value, so there is nothing to tell apart.",
            got=f"{shown} everywhere",
            hint="Choose another image or channel.",
        )
    found: dict[str, Any] = {"fill": low}
    if "measure" in row.meta:
        if known is not None:
            sample = np.where(known, sample, np.nan)
        found |= load(row.meta["measure"])(sample, spacing, **settings)
    return found


def apply(
    row: Row,
    image: np.ndarray,
    spacing: tuple[float, ...],
    settings: Mapping[str, Any],
    measured: Mapping[str, Any],
    *,
    seeds: np.ndarray | None = None,
    box: Box | None = None,
) -> np.ndarray:
    """Run a technique on an image or a tile of it, with what was measured.

    Parameters
    ----------
    row : Row
    image : (C, [Z,] Y, X) ndarray
        With the channels that the technique reads.
    spacing : tuple of float
    settings : mapping
        Checked settings.
    measured : mapping
        Of :func:`measure`.
    seeds, box
        As in :func:`run_technique`.

    Returns
    -------
    ([Z,] Y, X) ndarray of int32
    """
    known = finite(image)
    image = image.astype(np.float32, copy=False)
    if known is not None:
        fill = np.asarray(measured["fill"], np.float32).reshape(-1, *(1,) * (image.ndim - 1))
        image = np.where(known, image, fill)
    function = row.load()
    offered = {"seeds": seeds, "box": box, "measured": measured}
    wanted = inspect.signature(function).parameters
    extra = {word: value for word, value in offered.items() if word in wanted}
    labels = np.asarray(function(image, spacing=spacing, **extra, **settings)).astype(np.int32, copy=False)
    if known is not None:
        labels = np.where(known, labels, np.int32(0))
    return labels


def sees_whole(row: Row, settings: Mapping[str, Any]) -> bool:
    """Whether a technique has to see the whole image at once."""
    return row.meta["scope"] == "whole" or bool(settings.get(row.meta.get("whole_if", ""), False))


def halo_of(row: Row, settings: Mapping[str, Any], spacing: Sequence[float]) -> tuple[int, ...]:
    """Voxels along (Z,) Y, X that a tile must see around itself.

    The technique's own ``halo`` counts voxels along X; the other axes follow from the voxel size.
    """
    ndim = len(spacing)
    if "halo" not in row.meta:
        return (0,) * ndim
    asked = load(row.meta["halo"])(settings, ndim)
    return tuple(int(np.ceil(h * spacing[-1] / s - 1e-6)) for h, s in zip(asked, spacing, strict=True))


def load(target: str) -> Any:
    """What "module:name" stands for."""
    return Row("", "", target).load()


def complete(recipe: ClassicalRecipe) -> ClassicalRecipe:
    """A recipe with every setting of its technique and its steps, checked.

    Raises
    ------
    InputError
        If a technique, a step or a setting is not known, or a value not accepted.
    """
    steps = tuple(
        CleanupStep(s.name, check_parameters(CLEANUPS[s.name].meta["parameters"], s.parameters)) for s in recipe.cleanup
    )
    settings = check_parameters(TECHNIQUES[recipe.technique].meta["parameters"], recipe.parameters)
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
    settings = check_parameters(row.meta["parameters"], parameters)
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iub":
        raise InputError(
            "Labels are planes or volumes of whole numbers.", got=f"shape {labels.shape}, dtype {labels.dtype}"
        )
    extra: dict[str, Any] = {}
    if row.meta.get("image") and image is not None:
        if image.shape[1:] != labels.shape:
            raise InputError(
                "The labels do not fit the image.", got=f"shape {labels.shape} for an image of {image.shape[1:]}"
            )
        extra["image"] = reduce_channels(row, image).astype(np.float32, copy=False)
    step = tuple(float(s) for s in (spacing if spacing is not None else (1.0,) * labels.ndim))
    done = row.load()(labels.astype(np.int32, copy=False), spacing=step, objects=objects, **extra, **settings)
    return np.asarray(done).astype(np.int32, copy=False)


__all__ = [
    "CLEANUPS",
    "TECHNIQUES",
    "Box",
    "Tell",
    "apply",
    "check_dimensions",
    "check_marks",
    "complete",
    "finite",
    "halo_of",
    "load",
    "measure",
    "reduce_channels",
    "run_cleanup",
    "run_technique",
    "seeds_from_points",
    "sees_whole",
    "technique_row",
]
