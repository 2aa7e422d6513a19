"""Bring one image into the voxels of another: files of one image may differ in the order and direction of their axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from napari_segplugin.core import Image, InputError, Place, Segmentation
from napari_segplugin.core.words import pixel
from napari_segplugin.io.units import in_metres

Placed: TypeAlias = Segmentation | Image
"""What says how large its voxels are."""

_APART = 0.25
"""Voxels that two grids may lie apart in a corner and still be one: files round their directions."""
_SPATIAL = "ZYX"


@dataclass(frozen=True)
class Order:
    """Which axis of an image runs along each of Z, Y, X of the other one, and whether it runs the other way."""

    axes: tuple[int, int, int] = (0, 1, 2)
    turned: tuple[bool, bool, bool] = (False, False, False)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self != Order()

    def apply(self, array: np.ndarray, axes: str) -> np.ndarray:
        """The array, whose `axes` stay the same letters, in the order of the result."""
        if not self:
            return array
        source = {a: _SPATIAL[self.axes[i]] for i, a in enumerate(_SPATIAL)}
        moved = array.transpose([axes.index(source.get(a, a)) for a in axes])
        flips = dict(zip(_SPATIAL, self.turned, strict=True))
        return moved[tuple(slice(None, None, -1) if flips.get(a) else slice(None) for a in axes)]


@dataclass(frozen=True, eq=False)
class Aligned:
    """An image in the voxels of another one.

    Parameters
    ----------
    found : Segmentation or Image
    order : Order
        How it was turned.
    notes : tuple of str
        Sentences for the person.
    """

    found: Placed
    order: Order
    notes: tuple[str, ...] = ()


def align(first: Placed, other: Placed, *, sized: bool = False, hint: str = "") -> Aligned:
    """Turn the axes of an image so that each voxel lies where that of the first one lies.

    Parameters
    ----------
    first, other : Segmentation or Image
    sized : bool
        Whether the caller gives one voxel size for both: what the files say of it does not matter then.
    hint : str
        What else can be done where they do not fit.

    Returns
    -------
    Aligned
        The other one with the voxel size in the unit of the first.

    Raises
    ------
    InputError
        If both say where they lie, and it is not the same grid of voxels.

    Examples
    --------
    >>> there = Place(np.diag([1.0, 1, 1, 1]), "patient")
    >>> back = Place(np.diag([1.0, 1, -1, 1]) + [[0] * 4, [0] * 4, [0, 0, 0, 2], [0] * 4], "patient")
    >>> labels = np.array([[[1, 0, 0]]])
    >>> one, other = Image(labels, "ZYX", place=there), Image(labels[..., ::-1], "ZYX", place=back)
    >>> align(one, other).found.array.tolist()
    [[[1, 0, 0]]]
    """
    word = pixel(len(first.spacing))
    other, notes = _one_unit(first, other, word)
    notes += [
        f"The axes of '{s.name}' are not at right angles, so distances are approximate."
        for s in (first, other)
        if _sheared(s)
    ]
    if not sized and differ((first, other)):
        sizes = " and ".join(f"{s.spacing} {s.unit}" for s in (first, other))
        notes.append(f"'{first.name}' and '{other.name}' differ in {word} size: {sizes}.")
    one, two = first.place, other.place
    if one is None or two is None:
        there, lost = (first, other) if one else (other, first)
        if there.place and there.place.frame == "patient":
            notes.append(
                f"'{lost.name}' does not say where it lies in the patient, so {word}s are compared in the order of the files."
            )
        return Aligned(other, Order(), tuple(notes))
    if one.frame != two.frame:
        notes.append(
            f"'{first.name}' and '{other.name}' lie in different spaces, so {word}s are compared in the order of the files."
        )
        return Aligned(other, Order(), tuple(notes))
    shapes = _shape(first), _shape(other)
    order, apart, moved = _order(one, two, *shapes)
    letters = [i for i, a in enumerate(_SPATIAL) if a in other.axes]
    if order is not None and {order.axes[i] for i in letters} != set(letters):
        order = None  # a plane of another direction
    if order is None and sized:
        return Aligned(other, Order(), tuple(notes))
    if moved and not sized and not one.frame:
        # programs count a stage from different corners, or write it down for some of their files only
        notes.append(
            f"'{first.name}' and '{other.name}' say different positions; {word}s are compared in the order of the files."
        )
        apart = 0.0
    if order is None or (apart > _APART and not sized):
        raise InputError(
            f"'{first.name}' and '{other.name}' do not lie in the same {word}s.",
            got=f"{_about(one, shapes[0])}; {_about(two, shapes[1])}",
            hint=f"Resample one of them to the {word}s of the other.{hint}",
        )
    if order:
        notes.append(f"The axes of '{other.name}' were turned to those of '{first.name}'.")
    return Aligned(_turned(other, order, first, sized), order, tuple(notes))


def differ(found: Sequence[Placed]) -> bool:
    """Whether two images say different sizes of their voxels; a file that says none agrees with everything."""
    if len(found) < 2 or ("pixel" in (found[0].unit, found[1].unit) and found[0].unit != found[1].unit):
        return False
    one, other = (dict(zip([a for a in f.axes if a in _SPATIAL], f.spacing, strict=True)) for f in found[:2])
    same = found[0].unit == found[1].unit and one.keys() == other.keys()
    return not (same and np.allclose(list(one.values()), [other[a] for a in one], rtol=1e-4))


def _one_unit(first: Placed, other: Placed, word: str) -> tuple[Placed, list[str]]:
    """The other with its voxel size in the unit of the first, as far as both have one."""
    if first.unit == other.unit:
        return other, []
    if "pixel" in (first.unit, other.unit):
        lost = first if first.unit == "pixel" else other
        return other, [f"'{lost.name}' gives no {word} size, so that of the other file is used for both."]
    own, wanted = in_metres(other.unit), in_metres(first.unit)
    if own is None or wanted is None:
        return other, []
    factor = own / wanted
    sizes = tuple(float(f"{s * factor:.9g}") for s in other.spacing)
    place = other.place
    if place is not None:
        place = replace(place, matrix=np.diag([factor, factor, factor, 1.0]) @ place.matrix)
    return replace(other, spacing=sizes, unit=first.unit, place=place), []


def _sheared(found: Placed) -> bool:
    sizes = found.place.spacing if found.place else (1.0, 1.0, 1.0)
    return found.place is not None and not np.isclose(found.place.voxel_volume, np.prod(sizes), rtol=1e-3)


def _shape(found: Placed) -> tuple[int, int, int]:
    array = found.labels if isinstance(found, Segmentation) else found.array
    sizes = dict(zip(found.axes, array.shape, strict=True))
    z, y, x = (int(sizes.get(a, 1)) for a in _SPATIAL)
    return z, y, x


def _order(one: Place, other: Place, shape: Sequence[int], given: Sequence[int]) -> tuple[Order | None, float, bool]:
    """How the other grid has to be turned to the first, how far they are apart then, and whether it is merely moved.

    The first is None where shapes differ.
    """
    between = np.linalg.inv(one.matrix) @ other.matrix
    directions = np.abs(between[:3, :3]) / np.linalg.norm(between[:3, :3], axis=0)
    best = max(itertools.permutations(range(3)), key=lambda p: sum(directions[i, p[i]] for i in range(3)))
    if any(shape[i] != given[best[i]] for i in range(3)):
        return None, np.inf, False
    turned = tuple(bool(between[i, best[i]] < 0 and shape[i] > 1) for i in range(3))
    corners = np.array(list(itertools.product(*((0, n - 1) for n in given))), float)
    found = corners @ between[:3, :3].T + between[:3, 3]
    wanted = corners[:, list(best)]
    wanted = np.where(turned, np.array(shape) - 1 - wanted, wanted)
    off = found - wanted
    order, apart = Order(best, turned), float(np.abs(off).max())  # type: ignore[arg-type]
    return order, apart, not order and apart > _APART and bool(np.ptp(off, axis=0).max() <= _APART)


def _turned(other: Placed, order: Order, like: Placed, sized: bool) -> Placed:
    """The image in the order of the first one, and where that lies."""
    letters = [a for a in other.axes if a in _SPATIAL]
    sizes = dict(zip(letters, other.spacing, strict=True))
    if sized:
        sizes = {a: sizes.get(_SPATIAL[order.axes[i]], 1.0) for i, a in enumerate(_SPATIAL)}
    else:
        sizes |= dict(zip([a for a in like.axes if a in _SPATIAL], like.spacing, strict=True))
    spacing, place = tuple(sizes[a] for a in letters), None if sized else like.place
    if isinstance(other, Segmentation):
        recipe = {k: v for k, v in other.recipe.items() if k not in ("origin", "input")}
        labels = order.apply(np.asarray(other.labels), other.axes) if order else other.labels
        return replace(other, labels=labels, spacing=spacing, place=place, recipe=recipe)
    array = order.apply(np.asarray(other.array), other.axes) if order else other.array
    return replace(other, array=array, spacing=spacing, place=place)


def _about(place: Place, shape: Sequence[int]) -> str:
    first = ", ".join(f"{n:.6g}" for n in place.matrix[:3, 3])
    size = " × ".join(f"{s:.6g}" for s in place.spacing)
    return f"{' × '.join(map(str, shape))} of {size} {place.orientation or ''} from ({first})".replace("  ", " ")


__all__ = ["Aligned", "Order", "Placed", "align", "differ"]
