"""Regions that were drawn on an image: the boxes around them, and which voxels and objects lie inside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from napari_segplugin.core import InputError, Region
from napari_segplugin.core.types import Json, JsonDict

_MOST_CORNERS = 100_000


@dataclass(frozen=True, eq=False)
class Outline:
    """A closed line around a part of an image.

    Parameters
    ----------
    points : (N, 2) array of float
        Its corners Y, X in pixels; the middle of the first pixel of the image is (0, 0).
    planes : (int, int), optional
        In a volume: the first plane, and the one after the last. All planes by default.

    Raises
    ------
    InputError
        If it encloses nothing, or its planes are none.

    Examples
    --------
    >>> int(Outline([(0.6, 0.6), (0.6, 3.4), (2.4, 3.4), (2.4, 0.6)]).mask((slice(0, 4), slice(0, 5))).sum())
    6
    """

    points: np.ndarray
    planes: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, float)
        fits = points.ndim == 2 and points.shape[1:] == (2,) and 3 <= len(points) <= _MOST_CORNERS
        if not fits or not np.isfinite(points).all() or not np.ptp(points, axis=0).all():
            raise InputError(
                "A drawn region encloses nothing.",
                got=f"{len(points)} corners",
                accepted="three corners or more that do not lie on one line along an axis",
                hint="Delete it and draw a polygon.",
            )
        if self.planes is not None and not 0 <= self.planes[0] < self.planes[1]:
            raise InputError(
                "The planes of a drawn region are none.", got=self.planes, accepted="a start and a larger end"
            )
        object.__setattr__(self, "points", points)

    def mask(self, window: Region) -> np.ndarray:
        """Which pixels of a window have their middle inside, or on the line.

        Parameters
        ----------
        window : (slice, slice)
            Along Y and X.

        Returns
        -------
        (Y, X) ndarray of bool
        """
        from skimage.draw import polygon

        (top, bottom), (left, right) = ((s.start, s.stop) for s in window)
        shape = bottom - top, right - left
        found = np.zeros(shape, bool)
        rows, columns = (self.points - [top, left]).T
        found[polygon(rows, columns, shape)] = True
        return found

    def to_json(self) -> JsonDict:
        """As JSON values."""
        points: list[Json] = [[float(y), float(x)] for y, x in self.points]
        return {"points": points, "planes": None if self.planes is None else list(self.planes)}

    @classmethod
    def from_json(cls, data: Json) -> Outline:
        """Read what :meth:`to_json` made.

        Raises
        ------
        InputError
            If it is something else.
        """
        try:
            found = cast("Mapping[str, Any]", data)
            planes = found.get("planes")
            ends = None if planes is None else (int(planes[0]), int(planes[1]))
            return cls(np.array(found["points"], float), ends)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "A drawn region is not understood.", got=str(data)[:60], accepted='{"points": [[y, x], …]}'
            ) from None


def box_of(outline: Outline, shape: Sequence[int], margin: Sequence[int] = ()) -> Region | None:
    """The part of an image around an outline; None where none of it lies in the image.

    Parameters
    ----------
    outline : Outline
    shape : tuple of int
        Of the image, along (Z,) Y, X.
    margin : tuple of int
        Pixels added on each side along Y and X.

    Examples
    --------
    >>> box_of(Outline([(2, 2), (2, 6.4), (5, 4)]), (20, 6), (1, 1))
    (slice(1, 7, None), slice(1, 6, None))
    """
    low = np.ceil(outline.points.min(0) - 1e-9).astype(int)
    high = np.floor(outline.points.max(0) + 1e-9).astype(int) + 1
    spans = [outline.planes or (0, shape[0])] if len(shape) == 3 else []
    spans += list(zip(low.tolist(), high.tolist(), strict=True))
    if any(min(b, n) <= max(a, 0) for (a, b), n in zip(spans, shape, strict=True)):
        return None
    wide = (0,) * (len(shape) - 2) + (tuple(margin) or (0, 0))
    return tuple(slice(max(0, a - m), min(n, b + m)) for (a, b), n, m in zip(spans, shape, wide, strict=True))


def through_planes(outlines: Sequence[Outline]) -> list[Outline]:
    """Outlines on planes of a volume that lie over each other go through all planes from the first to the last of them.

    Examples
    --------
    >>> square = np.array([(0, 0), (0, 4), (4, 4), (4, 0)])
    >>> drawn = Outline(square, (3, 4)), Outline(square + 2, (7, 8)), Outline(square + 20, (5, 6))
    >>> [o.planes for o in through_planes(drawn)]
    [(3, 8), (3, 8), (5, 6)]
    """
    flat = [Outline(o.points) for o in outlines]
    groups = _groups([box_of(o, (2**31, 2**31)) or (slice(0, 0),) * 2 for o in flat])
    found: list[Outline] = []
    for outline, group in zip(outlines, groups, strict=True):
        ends = [o.planes for o, g in zip(outlines, groups, strict=True) if g == group]
        known = [e for e in ends if e is not None]
        whole = len(known) < len(ends)
        planes = None if whole else (min(a for a, _ in known), max(b for _, b in known))
        found.append(Outline(outline.points, planes))
    return found


def boxes_around(outlines: Sequence[Outline], shape: Sequence[int], margin: Sequence[int] = ()) -> list[Region]:
    """The boxes around outlines with a margin; boxes that overlap become one.

    Parameters
    ----------
    outlines, shape, margin
        As of :func:`box_of`.

    Raises
    ------
    InputError
        If nothing is drawn, or nothing of it lies in the image.

    Examples
    --------
    >>> corners = np.array([(0, 0), (0, 3), (3, 3), (3, 0)])
    >>> boxes_around([Outline(corners), Outline(corners + 2), Outline(corners + 10)], (20, 20))
    [(slice(0, 6, None), slice(0, 6, None)), (slice(10, 14, None), slice(10, 14, None))]
    """
    boxes = [b for o in outlines if (b := box_of(o, shape, margin)) is not None]
    if not boxes:
        raise InputError(
            "No drawn region lies in the image.",
            got=f"{len(outlines)} region{'s' * (len(outlines) != 1)} for an image of {' × '.join(map(str, shape))}",
            hint="Draw a polygon, a rectangle or an ellipse on the image.",
        )
    while len(set(groups := _groups(boxes))) < len(boxes):
        boxes = [around([b for b, g in zip(boxes, groups, strict=True) if g == one]) for one in dict.fromkeys(groups)]
    return boxes


def around(boxes: Sequence[Region]) -> Region:
    """The box around boxes."""
    return tuple(slice(min(s.start for s in spans), max(s.stop for s in spans)) for spans in zip(*boxes, strict=True))


def _groups(boxes: Sequence[Region]) -> list[int]:
    """A number for each box; those that overlap, directly or through others, have the same."""
    groups = list(range(len(boxes)))
    for i, one in enumerate(boxes):
        for j in range(i):
            if groups[i] != groups[j] and all(
                a.start < b.stop and b.start < a.stop for a, b in zip(one, boxes[j], strict=True)
            ):
                old, new = groups[i], groups[j]
                groups = [new if g == old else g for g in groups]
    return groups


def inside(outlines: Sequence[Outline], window: Region) -> np.ndarray:
    """Which voxels of a window lie inside any of the outlines.

    Parameters
    ----------
    outlines : sequence of Outline
    window : tuple of slice
        Along (Z,) Y, X, with start and stop.

    Returns
    -------
    ([Z,] Y, X) ndarray of bool
    """
    shape = tuple(s.stop - s.start for s in window)
    found = np.zeros(shape, bool)
    for outline in outlines:
        place = box_of(outline, [s.stop for s in window])
        if place is None or any(p.stop <= w.start for p, w in zip(place, window, strict=True)):
            continue
        part = tuple(slice(max(p.start, w.start), p.stop) for p, w in zip(place, window, strict=True))
        at = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, window, strict=True))
        found[at] |= outline.mask(part[-2:])
    return found


def centres_inside(labels: np.ndarray, numbers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which objects have their centre of mass in a mask.

    Parameters
    ----------
    labels : ([T,] [Z,] Y, X) ndarray of int
    numbers : (N,) ndarray of int
        Objects that occur in it.
    mask : ([Z,] Y, X) ndarray of bool

    Returns
    -------
    (N,) ndarray of bool

    Examples
    --------
    >>> labels = np.array([[1, 1, 1, 0, 2, 2, 2]])
    >>> centres_inside(labels, np.array([1, 2]), np.arange(7)[None] < 5).tolist()
    [True, False]
    """
    from scipy import ndimage

    if not len(numbers):
        return np.zeros(0, bool)
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, numbers)).reshape(len(numbers), -1)
    at = np.array([[math.floor(c + 0.5) for c in centre[-mask.ndim :]] for centre in centres])
    found: np.ndarray = mask[tuple(at.T)]
    return found


__all__ = ["Outline", "around", "box_of", "boxes_around", "centres_inside", "inside", "through_planes"]
