"""Objects from a click or a box each: a guess of every object's extent, and unknown wherever the guess is unsure.

Points follow the recipe of Qu et al. 2019 (weakly supervised nuclei segmentation, MIDL): lines of equal distance between
points are background, clusters of brightness around each point are object and background, and what lies in between stays
unknown. Boxes follow the box-tightness prior (Lempitsky et al. 2009; Tian et al. 2021, BoxInst): beside a box is
background, inside is an object that reaches all of its sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box, InputError
from napari_segplugin.data.extents import (
    blob_radii,
    borders,
    distance_to,
    ellipsoid,
    part_at,
    relative,
    solid,
    widened,
)

UNSURE = 0.4
"""Share of the step from background to object, around the threshold, within which a voxel stays unknown."""


@dataclass(frozen=True, eq=False)
class WeakLabels:
    """What clicks or boxes say of an image.

    Parameters
    ----------
    instances : ([Z,] Y, X) ndarray of int64
        Number of the click or box, from 1; 0 elsewhere. Whole objects, unsure voxels of them too.
    classes : ([Z,] Y, X) ndarray of int64
        Class number of each voxel.
    known : ([Z,] Y, X) ndarray of bool
        Where `classes` can be learnt from.
    shape_known : ([Z,] Y, X) ndarray of bool
        Where the distance to the outline can be learnt from.
    """

    instances: np.ndarray
    classes: np.ndarray
    known: np.ndarray
    shape_known: np.ndarray


def objects_from_boxes(
    image: np.ndarray,
    boxes: Sequence[Box],
    spacing: Sequence[float],
    *,
    class_ids: Sequence[int] = (),
    default_class: int = 1,
) -> WeakLabels:
    """Guess the object in each box.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
        Normalised.
    boxes : sequence of tuple of slice
        One around each object, in voxels; what reaches beyond the image is cut off.
    spacing : sequence of float
        Voxel size along each axis.
    class_ids : sequence of int
        Class of each box; empty means `default_class` for all.
    default_class : int

    Returns
    -------
    WeakLabels

    Raises
    ------
    InputError
        If a box lies outside of the image or has no inside, or the classes do not match the boxes.

    Examples
    --------
    >>> image = np.zeros((1, 16, 16)); image[0, 4:10, 5:12] = 1
    >>> found = objects_from_boxes(image, [(slice(4, 10), slice(5, 12))], (1, 1))
    >>> int((found.instances > 0).sum()), bool(found.known[2, 8]), bool(found.known[0, 0])
    (42, True, False)
    """
    shape = image.shape[1:]
    ids = _classes(class_ids, len(boxes), default_class, "boxes")
    inner = [checked_box(box, shape) for box in boxes]
    covered = np.zeros(shape, bool)
    for box in inner:
        covered[box] = True
    canvas = _Canvas(shape, ids)
    for number, box in enumerate(inner, 1):
        window = widened(box, shape)
        inside = np.zeros([s.stop - s.start for s in window], bool)
        inside[relative(box, window)] = True
        part = image[(slice(None), *window)]
        score = _contrast(part, ellipsoid(inside.shape, relative(box, window), 0.5), ~covered[window])
        level = _tight_level(score, inside)
        mask = solid((score > level) & inside, None)
        forced = _forced(mask, box, window)
        sure = np.abs(score - level) > UNSURE / 2
        # a like object beside the box has not been looked at: it is not background
        outside = ~covered[window] & (score < level)
        flat = any(s.stop - s.start == 1 < n for s, n in zip(box, shape, strict=True))
        canvas.write(
            number, window, mask | forced, score - level, sure & ~(forced & ~mask), outside, shape_known=not flat
        )
    return canvas.labels()


def objects_from_points(
    image: np.ndarray,
    points: np.ndarray,
    spacing: Sequence[float],
    *,
    class_ids: Sequence[int] = (),
    default_class: int = 1,
) -> WeakLabels:
    """Guess the object at each click.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
        Normalised.
    points : (N, ndim) ndarray
        A click in each object, in voxels.
    spacing : sequence of float
        Voxel size along each axis.
    class_ids : sequence of int
        Class of each click; empty means `default_class` for all.
    default_class : int

    Returns
    -------
    WeakLabels

    Raises
    ------
    InputError
        If a point lies outside of the image, or the classes do not match the points.

    Examples
    --------
    >>> y, x = np.mgrid[:32, :32]
    >>> image = ((y - 15) ** 2 + (x - 14) ** 2 < 36).astype(float)[None]
    >>> found = objects_from_points(image, np.array([[15, 14]]), (1, 1))
    >>> bool((found.instances[image[0] > 0] == 1).all()), bool(found.known[0, 31])
    (True, False)
    """
    shape = image.shape[1:]
    places = places_of(points, shape)
    ids = _classes(class_ids, len(places), default_class, "points")
    canvas = _Canvas(shape, ids)
    if not len(places):
        return canvas.labels()
    size = np.asarray(spacing, float) / min(spacing)
    radii = blob_radii(image, places, size)
    seeds = np.ones(shape, bool)
    seeds[tuple(places.T)] = False
    nearest = ndi.distance_transform_edt(seeds, sampling=size, return_distances=False, return_indices=True)
    owner = np.zeros(shape, np.int64)
    owner[tuple(places.T)] = np.arange(1, len(places) + 1)
    owner = owner[tuple(nearest)]
    lines = borders(owner)
    for number, (place, radius) in enumerate(zip(places, radii, strict=True), 1):
        reach = np.ceil(2.2 * radius / size).astype(int)
        window = tuple(slice(max(0, p - r), min(n, p + r + 1)) for p, r, n in zip(place, reach, shape, strict=True))
        near = distance_to(window, place, size)
        mine = owner[window] == number
        part = image[(slice(None), *window)]
        score = _contrast(part, near <= max(1.0, 0.4 * radius), (near > 1.5 * radius) | ~mine)
        level = _otsu(score, near <= 2 * radius)
        at = tuple(p - w.start for p, w in zip(place, window, strict=True))
        body = (score > level) & mine & (near <= 1.7 * radius)
        body[at] = True
        mask = solid(part_at(body, at, size), at)
        sure = np.abs(score - level) > UNSURE / 2
        line = lines[window] & mine & (near <= 2 * radius)
        outside = ((score < level) & (near <= 2 * radius)) | (line & ~mask)
        canvas.write(number, window, mask, score - level, sure | (line & ~mask), outside & mine)
    return canvas.labels()


class _Canvas:
    """Collects one guess after another; where two meet, the one that is surer has the voxel."""

    def __init__(self, shape: tuple[int, ...], ids: Sequence[int]) -> None:
        self.ids = np.array([0, *ids], np.int64)
        self.instances = np.zeros(shape, np.int64)
        self.known = np.zeros(shape, bool)
        self.flat = np.zeros(shape, bool)
        self.height = np.full(shape, -np.inf)

    def write(
        self,
        number: int,
        window: Box,
        mask: np.ndarray,
        height: np.ndarray,
        sure: np.ndarray,
        outside: np.ndarray,
        *,
        shape_known: bool = True,
    ) -> None:
        """Add the object `mask` and the background `outside`; `sure` tells which of both are known."""
        objects, known, tallest = self.instances[window], self.known[window], self.height[window]
        taken = objects > 0
        wins = mask & (~taken | (height > tallest))
        disputed = mask & taken
        objects[wins] = number
        tallest[wins] = height[wins]
        self.flat[window][wins] = not shape_known
        known[mask] = sure[mask]
        known[disputed] = False
        known[outside & sure & (objects == 0)] = True

    def labels(self) -> WeakLabels:
        """What was collected."""
        return WeakLabels(self.instances, self.ids[self.instances], self.known, self.known & ~self.flat)


def _contrast(part: np.ndarray, core: np.ndarray, around: np.ndarray) -> np.ndarray:
    """How much a voxel is like the core and unlike its surroundings: about 1 in the core, about 0 around.

    The channels are projected on the line between the two medians, after a light blur against noise.
    """
    part = np.asarray(part, np.float64)
    smooth = np.stack([ndi.gaussian_filter(c, [0.7 if n > 1 else 0 for n in c.shape]) for c in part])
    inner = np.median(smooth[:, core], axis=1)
    # the quarter that is least like the core: objects beside this one must not pass for background
    beyond = smooth[:, around] if around.any() else smooth.reshape(len(smooth), -1)
    unlike = np.square(beyond - inner[:, None]).sum(0)
    outer = np.median(beyond[:, unlike >= np.quantile(unlike, 0.5)], axis=1)
    step = inner - outer
    length = float(step @ step)
    if length < 1e-12:
        return np.zeros(part.shape[1:])
    along = np.tensordot(step, smooth - outer.reshape(-1, *[1] * (part.ndim - 1)), 1) / length
    score: np.ndarray = np.clip(along, -1, 2)
    return score


def _otsu(score: np.ndarray, where: np.ndarray) -> float:
    """Threshold between two clusters, kept between a fifth and two fifths of the step.

    Outlines are drawn where an object begins to show, and that is below the middle of a blurred edge.
    """
    from skimage.filters import threshold_otsu  # a third of a second, and the dock imports the corrections

    values = score[where]
    if np.ptp(values) < 1e-9:
        return 0.4
    return float(np.clip(threshold_otsu(values), 0.2, 0.4))


def _tight_level(score: np.ndarray, inside: np.ndarray) -> float:
    """Otsu's threshold, lowered until the object reaches all sides of its box (or a tenth of the step)."""
    start = _otsu(score, np.ones(score.shape, bool))
    for level in np.linspace(start, 0.1, 6):
        mask = solid((score > level) & inside, None)
        if all(_touches(mask, inside)):
            return float(level)
    return start


def _touches(mask: np.ndarray, inside: np.ndarray) -> list[bool]:
    """For each axis, whether a mask comes within a twelfth (at least a voxel) of both ends of the box."""
    out = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        found, box = np.flatnonzero(mask.any(others)), np.flatnonzero(inside.any(others))
        slack = max(1, len(box) // 12)
        out.append(bool(len(found)) and found[0] <= box[0] + slack and found[-1] >= box[-1] - slack)
    return out


def _forced(mask: np.ndarray, box: Box, window: Box) -> np.ndarray:
    """What a mask lacks to reach all sides: nothing, or the ellipsoid that fits into the box."""
    inside = np.zeros(mask.shape, bool)
    inside[relative(box, window)] = True
    if all(_touches(mask, inside)):
        return np.zeros(mask.shape, bool)
    return ellipsoid(mask.shape, relative(box, window), 1.0) & inside


def checked_box(box: Box, shape: Sequence[int]) -> Box:
    """The part of a box that lies within the image.

    Raises
    ------
    InputError
        If there is none.
    """
    if len(box) != len(shape):
        raise InputError(
            "A box needs a start and an end along each axis of the image.", got=len(box), accepted=str(len(shape))
        )
    # no negative number counts from the end here: such a box would mark pixels at the other side of the image
    spans = tuple(
        slice(max(s.start or 0, 0), n if s.stop is None else min(s.stop, n)) for s, n in zip(box, shape, strict=True)
    )
    if any(s.stop <= s.start for s in spans):
        raise InputError(
            "A box lies outside the image, or is empty.",
            got=" × ".join(f"{s.start}…{s.stop}" for s in box),
            accepted=f"boxes within {tuple(shape)}",
            hint="Delete it and draw it again.",
        )
    return spans


def places_of(points: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The voxel of each point, (N, ndim) of int.

    Raises
    ------
    InputError
        If one lies outside of an image of this shape.
    """
    places = np.round(np.asarray(points, float).reshape(-1, len(shape)))
    outside = ~((places >= 0) & (places < np.array(shape))).all(1)
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} of {len(places)} points lie outside the image.",
            got="(" + ", ".join(f"{v:g}" for v in places[np.flatnonzero(outside)[0]]) + ")",
            accepted=f"0 to {tuple(n - 1 for n in shape)}",
            hint="Delete them, or move them into the image.",
        )
    found: np.ndarray = places.astype(int)
    return found


def _classes(class_ids: Sequence[int], count: int, default: int, word: str) -> list[int]:
    if len(class_ids) not in (0, count):
        raise InputError(
            f"Give a class to each of the {word}, or to none.", got=len(class_ids), accepted=f"0 or {count}"
        )
    return [int(c) for c in class_ids] or [default] * count


__all__ = ["WeakLabels", "objects_from_boxes", "objects_from_points", "places_of"]
