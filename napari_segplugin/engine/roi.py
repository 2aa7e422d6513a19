"""Cut pieces out of an image around objects, classes or a box, with their labels, and mask what lies outside."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

import numpy as np

from napari_segplugin.core import Image, InputError, ObjectTable, Place, Region, Segmentation, Task
from napari_segplugin.core.types import Json, JsonDict, json_integers, json_object
from napari_segplugin.core.words import pixel
from napari_segplugin.engine.alignment import align
from napari_segplugin.io.units import in_metres, short_unit

Margin: TypeAlias = float | str
"""Voxels around a box; or a length with its unit, such as "2mm"."""
AIR = -1024.0
"""What is outside a masked piece of a CT, in HU: what scanners write where nothing was measured."""
_ORDER = "ZYX"


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of an image.

    Parameters
    ----------
    name : str
        What it is a piece of: the number of an object, the name of a class, or "box".
    image : Image
        Lies where it lay in the whole.
    segmentation : Segmentation, optional
        The labels in it; None where there are none.
    region : tuple of slice
        Where it was cut out, along (Z,) Y, X.
    notes : tuple of str
        Sentences for the person.
    """

    name: str
    image: Image
    segmentation: Segmentation | None
    region: Region
    notes: tuple[str, ...] = ()


def crop(
    image: Image,
    labels: Segmentation | None = None,
    *,
    objects: Sequence[int] = (),
    classes: Sequence[str] = (),
    box: Region | None = None,
    margin: Margin = 0,
    mask: bool = False,
    outside: float | None = None,
    sized: bool = False,
) -> Iterator[Piece]:
    """Cut pieces out of an image, one after the other.

    Parameters
    ----------
    image : Image
    labels : Segmentation, optional
        Of the same voxels; not needed with a box. Where both say where they lie, its axes are turned to those of the image.
    objects : sequence of int
        Numbers of objects: a piece for each.
    classes : sequence of str
        Names of classes: a piece for each, around all of its voxels. Without objects, classes and box there is a piece for
        each object, of classes without objects for each class.
    box : tuple of slice, optional
        A piece of this box, along (Z,) Y, X.
    margin : float or str
        Voxels around the box, or a length with its unit; a piece ends at the edge of the image.
    mask : bool
        Whether everything outside the object (the class, with a box all labels) gets the value `outside`.
    outside : float, optional
        By default -1024 where the values are in HU, otherwise 0, or the smallest value of the image where that is below 0.
    sized : bool
        Whether somebody gave the voxel size of the image, so that what the labels say of it does not matter.

    Yields
    ------
    Piece

    Raises
    ------
    InputError
        If the labels have other voxels than the image, there is no such object or class, the box is empty or outside, or the
        margin or the value outside is not valid.

    Examples
    --------
    >>> image = Image(np.arange(20.0).reshape(4, 5), "YX")
    >>> [piece] = crop(image, box=(slice(1, 3), slice(2, 4)), margin=1)
    >>> piece.image.array.shape, piece.image.affine[:3, 3].tolist()
    ((4, 4), [0.0, 0.0, 1.0])
    """
    notes: tuple[str, ...] = ()
    if labels is not None:
        found = align(image, labels, sized=sized)
        labels, notes = cast("Segmentation", found.found), found.notes
        _check_shape(image, labels)
        sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
        own = tuple(sizes[a] for a in labels.axes if a in sizes)
        labels = replace(labels, spacing=own, unit=image.unit, place=image.place or labels.place)
    elif box is None or mask:
        raise InputError("Labels are needed to know what to cut out.", accepted="labels, or a box without a mask")
    reach = _reach(margin, image)
    filling = _outside(image, outside) if mask else 0.0
    for name, numbers, region in _wanted(image, labels, objects, classes, box):
        lengths = image.spatial_shape
        wide = tuple(
            slice(max(0, s.start - r), min(n, s.stop + r)) for s, r, n in zip(region, reach, lengths, strict=True)
        )
        piece = _cut_labels(labels, wide, numbers if mask else None) if labels is not None else None
        cut = _cut(image, wide, name)
        if mask and piece is not None:
            cut = _masked(cut, piece, filling)
        yield Piece(name, cut, piece, wide, notes)


def _check_shape(image: Image, labels: Segmentation) -> None:
    sizes = dict(zip(labels.axes, labels.labels.shape, strict=True))
    here = {a: n for a, n in image.sizes.items() if a != "C"}
    if here != {**({"T": here["T"]} if "T" in here else {}), **sizes}:
        raise InputError(
            f"The image '{image.name}' has another size than the labels.",
            got=f"image {here}, labels {sizes}",
            hint="Choose the image that the labels belong to.",
        )


def _reach(margin: Margin, image: Image) -> tuple[int, ...]:
    """Voxels of the margin along (Z,) Y, X."""
    accepted = 'a number of voxels from 0, or a length such as "2mm"'
    found = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(\D*?)\s*", str(margin))
    try:
        size = float(found[1]) if found else math.nan
    except ValueError:
        size = math.nan
    if found is None or not (math.isfinite(size) and size >= 0):
        raise InputError("The margin is not valid.", got=f"'{margin}'", accepted=accepted)
    unit = short_unit(found[2]) if found[2] else "pixel"
    if unit == "pixel":
        return (math.ceil(size),) * image.ndim
    own, wanted = in_metres(image.unit), in_metres(unit)
    if wanted is None:
        raise InputError("The unit of the margin is not known.", got=f"'{found[2]}'", accepted=accepted)
    if own is None:
        raise InputError(
            f"The size of a {pixel(image.ndim)} of '{image.name}' is not known, so the margin cannot be a length.",
            got=f"'{margin}'",
            accepted=f"a number of {pixel(image.ndim)}s",
            hint="Give the voxel size and unit of the image, or a margin without a unit.",
        )
    length = size * wanted / own
    return tuple(math.ceil(round(length / s, 6)) for s in image.canonical_spacing)


def _wanted(
    image: Image, labels: Segmentation | None, objects: Sequence[int], classes: Sequence[str], box: Region | None
) -> Iterator[tuple[str, np.ndarray, Region]]:
    """Name, numbers of the labels in it, and box of each piece."""
    everything = labels.objects.label if labels is not None else np.zeros(0, np.int64)
    if box is not None:
        yield "box", everything, _checked_box(box, image)
        return
    if labels is None:
        return
    groups: list[tuple[str, np.ndarray]] = [(str(n), np.array([n])) for n in objects]
    groups += [(name, _of_class(labels, name)) for name in classes]
    if not groups:
        names = {c.id: c.name for c in labels.classes}
        semantic = labels.task is Task.SEMANTIC
        groups = [(names.get(n, str(n)) if semantic else str(n), np.array([n])) for n in everything.tolist()]
    boxes = _boxes(np.asarray(labels.labels), labels.axes)
    for name, numbers in groups:
        there = [boxes[int(n)] for n in numbers if int(n) in boxes]
        if not there:
            known = ", ".join(str(n) for n in sorted(boxes)[:8]) or "none"
            raise InputError(f"There is no object '{name}' in the labels.", got=name, accepted=f"objects {known}")
        low, high = np.min([b[0] for b in there], axis=0), np.max([b[1] for b in there], axis=0)
        yield name, numbers, tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _of_class(labels: Segmentation, name: str) -> np.ndarray:
    found = [c.id for c in labels.classes if c.id and c.name == name]
    if not found:
        known = ", ".join(c.name for c in labels.classes.classes[1:])
        raise InputError(f"There is no class '{name}' in the labels.", accepted=known)
    numbers = labels.objects.label[np.isin(labels.objects.class_id, found)]
    if not len(numbers):
        raise InputError(f"Nothing in the labels is of the class '{name}'.", hint="Choose another class.")
    return numbers


def _checked_box(box: Region, image: Image) -> Region:
    """The part of a box that lies in the image."""
    lengths = image.spatial_shape
    ends = [s.indices(n)[:2] for s, n in zip(box, lengths, strict=False)]
    if len(box) != len(lengths) or any(stop <= start for start, stop in ends):
        raise InputError(
            "The box does not fit the image.",
            got=", ".join(f"{s.start}:{s.stop}" for s in box),
            accepted=f"a start and a larger end for each axis of an image of {' × '.join(map(str, lengths))}",
        )
    return tuple(slice(start, stop) for start, stop in ends)


def _boxes(labels: np.ndarray, axes: str) -> Mapping[int, tuple[np.ndarray, np.ndarray]]:
    """First voxel of each object along (Z,) Y, X, and the one after the last; over all time points."""
    from scipy import ndimage

    numbers, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape) + (0 if len(numbers) and numbers[0] == 0 else 1)
    keep = [i for i, a in enumerate(axes) if a in _ORDER]
    found = {}
    for number, box in zip(numbers[numbers != 0].tolist(), ndimage.find_objects(compact), strict=True):
        found[number] = np.array([box[i].start for i in keep]), np.array([box[i].stop for i in keep])
    return found


def _cut(image: Image, region: Region, name: str) -> Image:
    """The image in a box; it lies where it lay."""
    letters = [a for a in _ORDER if a in image.axes]
    at = dict(zip(letters, region, strict=True))
    start = {a: s.start for a, s in at.items()}
    array = np.asarray(image.array[tuple(at.get(a, slice(None)) for a in image.axes)])
    sizes = dict(zip(image.spatial_axes, image.spacing, strict=True))
    place = (image.place or Place.of_spacing(sizes)).at(start)
    metadata = {**image.metadata, **_moved_header(image.metadata, start)}
    return replace(image, array=array, name=f"{image.name} {name}", metadata=metadata, whole=None, place=place)


def _moved_header(metadata: Mapping[str, Json], start: Mapping[str, int]) -> JsonDict:
    """NIfTI's second affine moves as the first does."""
    header = dict(json_object(metadata.get("nifti_header")))
    if "qform" not in header:
        return {}
    move = np.eye(4)
    move[:3, 3] = [start.get(a, 0) for a in "XYZ"]
    moved: list[Json] = (np.array(header["qform"], float) @ move).tolist()
    return {"nifti_header": {**header, "qform": moved}}


def _cut_labels(labels: Segmentation, region: Region, only: np.ndarray | None) -> Segmentation:
    """The labels in a box, `only` some of them, with their rows of the table."""
    letters = [a for a in labels.axes if a in _ORDER]
    at = dict(zip(letters, region, strict=True))
    array = np.asarray(labels.labels[tuple(at.get(a, slice(None)) for a in labels.axes)])
    if only is not None:
        array = np.where(np.isin(array, only), array, 0).astype(array.dtype)
    present = ObjectTable.of(array).label
    keep = np.isin(labels.objects.label, present)
    o = labels.objects
    status = tuple(s for s, k in zip(o.status, keep.tolist(), strict=True) if k)
    rows = ObjectTable(o.label[keep], o.class_id[keep], o.score[keep], status)
    before = json_integers(labels.recipe.get("origin")) or (0,) * len(letters)
    origin: list[Json] = [b + s.start for b, s in zip(before, region, strict=False)]
    sizes = dict(zip(letters, labels.spacing, strict=True))
    place = (labels.place or Place.of_spacing(sizes)).at({a: s.start for a, s in at.items()})
    return replace(labels, labels=array, objects=rows, recipe={**labels.recipe, "origin": origin}, place=place)


def _outside(image: Image, outside: float | None) -> float:
    """The value of what is masked.

    Raises
    ------
    InputError
        If the image cannot hold it.
    """
    dtype = np.dtype(image.array.dtype)
    if outside is None:
        hounsfield = image.metadata.get("value_unit") == "HU"
        outside = AIR if hounsfield and dtype.kind in "if" else min(0.0, _lowest(image))
    if dtype.kind in "bui":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not (float(outside).is_integer() and low <= outside <= high):
            raise InputError(
                "The value for what lies outside does not fit the image.",
                got=f"{outside} for values of {dtype}",
                accepted=f"a whole number from {low} to {high}",
            )
    return float(outside)


def _lowest(image: Image) -> float:
    """The smallest value that is a number, plane by plane."""
    dtype = np.dtype(image.array.dtype)
    if dtype.kind in "bu":
        return 0.0
    least = math.inf
    for frame in range(image.n_frames):
        for z in range(image.spatial_shape[0]) if image.ndim == 3 else [None]:
            region = None if z is None else (slice(z, z + 1), slice(None), slice(None))
            part = image.read(region, frame)
            part = part[np.isfinite(part)] if dtype.kind == "f" else part
            least = min(least, float(part.min())) if part.size else least
    return least if math.isfinite(least) else 0.0


def _masked(image: Image, labels: Segmentation, value: float) -> Image:
    """The image with a value wherever there is no label."""
    inside = np.asarray(labels.labels) > 0
    shape = [image.sizes[a] if a in labels.axes else 1 for a in image.axes]
    order = [labels.axes.index(a) for a in image.axes if a in labels.axes]
    spread = inside.transpose(order).reshape(shape)
    array = np.where(spread, np.asarray(image.array), np.array(value, image.array.dtype))
    return replace(image, array=array.astype(image.array.dtype))


__all__ = ["AIR", "Margin", "Piece", "crop"]
