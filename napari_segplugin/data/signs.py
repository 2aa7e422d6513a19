"""What speaks against an object: shape, size, contacts and light, measured on all objects of a label image at once.

Nothing here goes object by object, so that thousands cost hardly more than one. Shapes are told by their moments: an ellipse
fills its moments exactly, anything with a dent, a neck or a tail fills them less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import labels_in
from napari_segplugin.data.boxes import runs

ENOUGH = 8
"""Objects of a class below which nothing can be said about what is usual."""


@dataclass(frozen=True, eq=False)
class ObjectSigns:
    """Measures of N objects; those of the image are NaN where there is none.

    Parameters
    ----------
    number : (N,) ndarray of int64
    size : (N,) ndarray of float
        Area or volume.
    fill : (N,) ndarray of float
        Size over that of the ellipse (ellipsoid) with the same moments: 1 for an ellipse, less for anything with a dent.
    length : (N,) ndarray of float
        Longest over shortest axis of that ellipse.
    contact : (N,) ndarray of float
        The longest border with one other object, over the width of the smaller of the two.
    partner : (N,) ndarray of int64
        Which one that is; 0 where it touches none.
    cut : (N,) ndarray of bool
        It lies at the border of the image.
    contrast : (N,) ndarray of float
        Values inside minus those around, positive where most objects are brighter (or darker) than the background.
    spill : (N,) ndarray of float
        Share of the voxels right around it that are as the inside rather than as the surroundings.
    hollow : (N,) ndarray of float
        Share of its own voxels that are as the surroundings.
    """

    number: np.ndarray
    size: np.ndarray
    fill: np.ndarray
    length: np.ndarray
    contact: np.ndarray
    partner: np.ndarray
    cut: np.ndarray
    contrast: np.ndarray
    spill: np.ndarray
    hollow: np.ndarray


def joined(parts: list[ObjectSigns]) -> ObjectSigns:
    """The measures of several frames as one."""
    return ObjectSigns(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(ObjectSigns)))


@dataclass(frozen=True, eq=False)
class Scene:
    """Objects and the light around them, prepared for all that is measured.

    Parameters
    ----------
    numbers : (N,) ndarray of int64
        Of the objects, sorted.
    lab : ([Z,] Y, X) ndarray of int32
        The objects as 1 … N.
    spacing : tuple of float
        Voxel size along each axis.
    light : Light, optional
        What the image says; None without an image.
    """

    numbers: np.ndarray
    lab: np.ndarray
    spacing: tuple[float, ...]
    light: Light | None = None

    @classmethod
    def of(cls, labels: np.ndarray, image: np.ndarray | None = None, spacing: tuple[float, ...] = ()) -> Scene:
        """Prepare labels ([Z,] Y, X), 0 being background, and an image of the same shape."""
        numbers = labels_in(labels)
        lab = renumbered(labels, numbers)
        light = None if image is None else Light.of(np.asarray(image), lab)
        return cls(numbers, lab, spacing or (1.0,) * labels.ndim, light)


def measured(scene: Scene) -> ObjectSigns:
    """Measure every object of a label image, in the order of their numbers.

    Examples
    --------
    >>> squares = np.zeros((9, 20), int)
    >>> squares[2:7, 2:7], squares[2:7, 7:12] = 4, 6
    >>> found = measured(Scene.of(squares))
    >>> found.number.tolist(), found.size.tolist(), found.partner.tolist(), found.contact.tolist()
    ([4, 6], [25.0, 25.0], [6, 4], [1.0, 1.0])
    """
    lab, numbers = scene.lab, scene.numbers
    shape = _Moments.of(lab, len(numbers), scene.spacing)
    contact, partner = _contacts(lab, shape, scene.spacing)
    light = (np.full(len(numbers), np.nan),) * 3 if scene.light is None else scene.light.of_objects(lab, len(numbers))
    return ObjectSigns(
        numbers,
        shape.size,
        shape.fill,
        shape.length,
        contact,
        np.append(0, numbers)[partner],
        _cut(lab, len(numbers)),
        *light,
    )


def renumbered(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The labels as 1 … n, int32; what is not in `numbers` (sorted) becomes 0."""
    if not len(numbers):
        return np.zeros(labels.shape, np.int32)
    top = int(numbers[-1])
    if numbers[0] > 0 and top <= 4 * labels.size and int(labels.max()) == top and int(labels.min()) >= 0:
        table = np.zeros(top + 1, np.int32)
        table[numbers] = np.arange(1, len(numbers) + 1)
        compact: np.ndarray = table[labels]
        return compact
    at = np.searchsorted(numbers, labels).clip(max=len(numbers) - 1)
    return np.where(numbers[at] == labels, at + 1, 0).astype(np.int32)


def axes_used(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which there is more than one voxel; the first where there is none."""
    return tuple(a for a, n in enumerate(shape) if n > 1) or (0,)


def _cut(lab: np.ndarray, n: int) -> np.ndarray:
    """Whether each object has a voxel at the border; an axis of length one has none."""
    found = np.zeros(n + 1, bool)
    for axis in range(lab.ndim):
        if lab.shape[axis] > 1:
            for end in (0, -1):
                found[np.take(lab, end, axis).ravel()] = True
    return found[1:]


@dataclass(frozen=True, eq=False)
class _Moments:
    """Count and spread of each object, from its runs along the last axis; entry 0 stands for none."""

    count: np.ndarray
    spread: np.ndarray
    voxel: float
    axes: tuple[int, ...]

    @classmethod
    def of(cls, lab: np.ndarray, n: int, spacing: tuple[float, ...]) -> _Moments:
        first, run, who = runs(lab)
        axes = axes_used(lab.shape)
        where = np.unravel_index(first, lab.shape)
        last = lab.ndim - 1
        places = [(where[a] + (run - 1) / 2 * (a == last)) * spacing[a] for a in axes]
        count = np.bincount(who, run, n + 1)
        safe = np.maximum(count, 1)
        middle = np.stack([np.bincount(who, run * p, n + 1) / safe for p in places], 1)
        off = [p - middle[who, i] for i, p in enumerate(places)]
        spread = np.zeros((n + 1, len(axes), len(axes)))
        for i, a in enumerate(axes):
            for j in range(i, len(axes)):
                spread[:, i, j] = spread[:, j, i] = np.bincount(who, run * off[i] * off[j], n + 1) / safe
            if a == last:  # what lies beside the middle of its run
                spread[:, i, i] += np.bincount(who, run * (run**2 - 1) * (spacing[-1] ** 2 / 12), n + 1) / safe
            spread[:, i, i] += spacing[a] ** 2 / 12  # a voxel is no point
        voxel = float(np.prod([spacing[a] for a in axes]))
        return cls(count, spread, voxel, axes)

    @property
    def size(self) -> np.ndarray:
        return self.count[1:] * self.voxel

    @property
    def fill(self) -> np.ndarray:
        return filled(self.size, self.spread[1:])

    @property
    def length(self) -> np.ndarray:
        ends = np.linalg.eigvalsh(self.spread[1:])
        return np.asarray(np.sqrt(ends[:, -1] / ends[:, 0]))


def filled(size: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Size over that of the ellipse or ellipsoid with the same moments.

    Parameters
    ----------
    size : (N,) ndarray of float
    spread : (N, D, D) ndarray of float
        Covariance of the places, D from 1 to 3.
    """
    unit = {1: 2 * np.sqrt(3.0), 2: 4 * np.pi, 3: 4 / 3 * np.pi * 5**1.5}[spread.shape[-1]]
    whole: np.ndarray = size / (unit * np.sqrt(np.maximum(np.linalg.det(spread), 1e-30)))
    return whole


def _contacts(lab: np.ndarray, shape: _Moments, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The longest border of each object with another one over the width of the smaller, and which one it is."""
    n = len(shape.count)
    keys, areas = [np.zeros(0, np.int64)], [np.zeros(0)]
    for axis in shape.axes:
        one, other = _neighbors(lab, axis)
        touch = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one[touch], other[touch]), np.maximum(one[touch], other[touch])
        keys.append(low.astype(np.int64) * n + high)
        areas.append(np.full(len(low), shape.voxel / spacing[axis]))
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    area = np.bincount(index, np.concatenate(areas), len(pairs))
    first, second = np.divmod(pairs, n)
    width = (np.minimum(shape.count[first], shape.count[second]) * shape.voxel) ** (1 - 1 / len(shape.axes))
    share = area / np.maximum(width, 1e-30)
    contact, partner = np.zeros(n), np.zeros(n, np.int64)
    order = np.argsort(share, kind="stable")  # the longest is written last
    for mine, its in ((first, second), (second, first)):
        better = order[share[order] > contact[mine[order]]]
        contact[mine[better]], partner[mine[better]] = share[better], its[better]
    return contact[1:], partner[1:]


def _neighbors(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Each voxel and the next one along an axis."""
    ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(array.ndim))
    back = tuple(slice(None, -1) if a == axis else slice(None) for a in range(array.ndim))
    return array[back], array[ahead]


@dataclass(frozen=True, eq=False)
class Light:
    """What an image says around objects.

    Parameters
    ----------
    values : ([Z,] Y, X) ndarray of float32
        Without what is no number.
    smooth : ([Z,] Y, X) ndarray of float32
    ground : float
        The usual value outside objects.
    bright : float
        1 where objects are brighter than that, -1 where they are darker.
    near, far, core : ([Z,] Y, X) ndarray of int32
        The two voxels around each object, the second of these, each object without its rim.
    """

    values: np.ndarray
    smooth: np.ndarray
    ground: float
    bright: float
    near: np.ndarray
    far: np.ndarray
    core: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, lab: np.ndarray) -> Light:
        """Look at an image and its objects 1 … N."""
        used = axes_used(lab.shape)
        values, free = image.astype(np.float32), lab == 0
        ground = _middle(values[free])
        inside = _middle(values[~free])
        values = np.where(np.isfinite(values), values, np.float32(ground))
        smooth = ndi.gaussian_filter(values, [0.7 if a in used else 0.0 for a in range(lab.ndim)], truncate=3.0)
        rim = np.zeros(lab.shape, bool)
        for axis in used:
            one, other = _neighbors(lab, axis)
            differs = one != other
            for part in _neighbors(rim, axis):
                part |= differs
        size = tuple(3 if a in used else 1 for a in range(lab.ndim))
        once = ndi.grey_dilation(lab, size=size)
        near = np.where(free, ndi.grey_dilation(once, size=size), 0)
        far = np.where(once == 0, near, 0)
        return cls(values, smooth, ground, 1.0 if inside >= ground else -1.0, near, far, np.where(rim, 0, lab))

    def of_objects(self, lab: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Contrast, spill and hollow of each object."""
        core, near = _mean(self.values, self.core, n), _mean(self.smooth, self.far, n)
        if np.isnan(core).any():
            core = np.where(np.isnan(core), _mean(self.values, lab, n), core)
        near = np.where(np.isnan(near), self.ground, near)
        halfway = np.append(0, (core + near) / 2).astype(np.float32)
        shares = []
        for where in (self.near, lab):
            at = np.flatnonzero(where)
            who = where.ravel()[at]
            like_inside = self.bright * (self.smooth.ravel()[at] - halfway[who]) > 0
            count = np.maximum(np.bincount(who, minlength=n + 1)[1:], 1)
            shares.append(np.bincount(who, like_inside, n + 1)[1:] / count)
        return self.bright * (core - near), shares[0], 1 - shares[1]


def _middle(values: np.ndarray) -> float:
    """The median of at most about a million values; 0 where none is a number."""
    values = values[:: max(1, len(values) // 1_000_000)]
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else 0.0


def _mean(values: np.ndarray, where: np.ndarray, n: int) -> np.ndarray:
    """Mean of values at the voxels of each object, (n,); NaN where there is none."""
    at = np.flatnonzero(where)
    who = where.ravel()[at]
    count = np.bincount(who, minlength=n + 1)[1:]
    total = np.bincount(who, values.ravel()[at], n + 1)[1:]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


__all__ = ["ENOUGH", "Light", "ObjectSigns", "Scene", "axes_used", "filled", "joined", "measured", "renumbered"]
