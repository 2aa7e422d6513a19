"""Bring the truth into the voxels of a result: files of one image may differ in the order and direction of their axes."""

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
"""Labels that say how large their voxels are; an Image holds numbers whose meaning nothing says."""

_APART = 0.25
"""Voxels that two grids may lie apart in a corner and still be one: files round their directions."""
_SPATIAL = "ZYX"


@dataclass(frozen=True)
class Order:
    """Which axis of the truth runs along each of Z, Y, X of the result, and whether it runs the other way."""

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
    """A truth in the voxels of its result.

    Parameters
    ----------
    truth : Segmentation or Image
    order : Order
        How it was turned.
    notes : tuple of str
        Sentences for the person.
    """

    truth: Placed
    order: Order
    notes: tuple[str, ...] = ()


def align(prediction: Placed, truth: Placed, *, sized: bool = False) -> Aligned:
    """Turn the axes of the truth so that each voxel lies where that of the result lies.

    Parameters
    ----------
    prediction, truth : Segmentation or Image
        Labels, with the axes (T,) (Z,) Y, X.
    sized : bool
        Whether the caller gives one voxel size for both: what the files say of it does not matter then.

    Returns
    -------
    Aligned
        The truth with the voxel size in the unit of the result.

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
    >>> align(one, other).truth.array.tolist()
    [[[1, 0, 0]]]
    """
    word = pixel(len(prediction.spacing))
    truth, notes = _one_unit(prediction, truth, word)
    notes += [
        f"The axes of '{s.name}' are not at right angles, so distances are approximate."
        for s in (prediction, truth)
        if _sheared(s)
    ]
    one, other = prediction.place, truth.place
    if one is None or other is None:
        there, lost = (prediction, truth) if one else (truth, prediction)
        if there.place and there.place.frame == "patient":
            notes.append(
                f"'{lost.name}' does not say where it lies in the patient, so {word}s are compared in the order of the files."
            )
        return Aligned(truth, Order(), tuple(notes))
    if one.frame != other.frame:
        notes.append(
            f"'{prediction.name}' and '{truth.name}' lie in different spaces, so {word}s are compared in the order of the files."
        )
        return Aligned(truth, Order(), tuple(notes))
    shapes = _shape(prediction), _shape(truth)
    order, apart = _order(one, other, *shapes)
    if order is None and sized:
        return Aligned(truth, Order(), tuple(notes))
    if order is None or (apart > _APART and not sized):
        raise InputError(
            f"The result and the ground truth do not lie in the same {word}s.",
            got=f"'{prediction.name}': {_about(one, shapes[0])}; '{truth.name}': {_about(other, shapes[1])}",
            hint=f"Resample one of them to the {word}s of the other. If only their headers differ, give one {word} size for both.",
            setting="surfaces",
        )
    if order:
        notes.append(f"The axes of '{truth.name}' were turned to those of '{prediction.name}'.")
    return Aligned(_turned(truth, order, prediction, sized), order, tuple(notes))


def _one_unit(prediction: Placed, truth: Placed, word: str) -> tuple[Placed, list[str]]:
    """The truth with its voxel size in the unit of the result, as far as both have one."""
    if prediction.unit == truth.unit:
        return truth, []
    if "pixel" in (prediction.unit, truth.unit):
        lost = prediction if prediction.unit == "pixel" else truth
        return truth, [f"'{lost.name}' gives no {word} size, so that of the other file is used for both."]
    own, wanted = in_metres(truth.unit), in_metres(prediction.unit)
    if own is None or wanted is None:
        return truth, []
    factor = own / wanted
    sizes = tuple(float(f"{s * factor:.9g}") for s in truth.spacing)
    place = truth.place
    if place is not None:
        place = replace(place, matrix=np.diag([factor, factor, factor, 1.0]) @ place.matrix)
    return replace(truth, spacing=sizes, unit=prediction.unit, place=place), []


def _sheared(found: Placed) -> bool:
    sizes = found.place.spacing if found.place else (1.0, 1.0, 1.0)
    return found.place is not None and not np.isclose(found.place.voxel_volume, np.prod(sizes), rtol=1e-3)


def _shape(found: Placed) -> tuple[int, int, int]:
    array = found.labels if isinstance(found, Segmentation) else found.array
    sizes = dict(zip(found.axes, array.shape, strict=True))
    z, y, x = (int(sizes.get(a, 1)) for a in _SPATIAL)
    return z, y, x


def _order(one: Place, other: Place, shape: Sequence[int], given: Sequence[int]) -> tuple[Order | None, float]:
    """How the other grid has to be turned to the first, and how far they are apart then; None where shapes differ."""
    between = np.linalg.inv(one.matrix) @ other.matrix
    directions = np.abs(between[:3, :3]) / np.linalg.norm(between[:3, :3], axis=0)
    best = max(itertools.permutations(range(3)), key=lambda p: sum(directions[i, p[i]] for i in range(3)))
    if any(shape[i] != given[best[i]] for i in range(3)):
        return None, np.inf
    turned = tuple(bool(between[i, best[i]] < 0 and shape[i] > 1) for i in range(3))
    corners = np.array(list(itertools.product(*((0, n - 1) for n in given))), float)
    found = corners @ between[:3, :3].T + between[:3, 3]
    wanted = corners[:, list(best)]
    wanted = np.where(turned, np.array(shape) - 1 - wanted, wanted)
    z, y, x = best
    return Order((z, y, x), turned), float(np.abs(found - wanted).max())  # type: ignore[arg-type]


def _turned(truth: Placed, order: Order, like: Placed, sized: bool) -> Placed:
    """The truth in the order of the result, and where that lies."""
    sizes = dict(zip([a for a in truth.axes if a in _SPATIAL], truth.spacing, strict=True))
    letters = [a for a in truth.axes if a in _SPATIAL]
    moved = tuple(sizes.get(_SPATIAL[order.axes[_SPATIAL.index(a)]], 1.0) for a in letters)
    place = None if sized else like.place
    spacing = moved if sized else like.spacing
    if isinstance(truth, Segmentation):
        labels = order.apply(np.asarray(truth.labels), truth.axes)
        recipe = {k: v for k, v in truth.recipe.items() if k not in ("origin", "input")}
        return replace(truth, labels=labels, spacing=spacing, place=place, recipe=recipe)
    return replace(truth, array=order.apply(np.asarray(truth.array), truth.axes), spacing=spacing, place=place)


def _about(place: Place, shape: Sequence[int]) -> str:
    first = ", ".join(f"{n:.6g}" for n in place.matrix[:3, 3])
    size = " × ".join(f"{s:.6g}" for s in place.spacing)
    return f"{' × '.join(map(str, shape))} of {size} {place.orientation or ''} from ({first})".replace("  ", " ")


__all__ = ["Aligned", "Order", "Placed", "align"]
