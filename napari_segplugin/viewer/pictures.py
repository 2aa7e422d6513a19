"""Small pictures of a result: the image in gray or colour with the outlines of the labels. No Qt, no napari."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from napari_segplugin.core import Box
from napari_segplugin.core.types import Array

_STRIP = 128
OUTLINE = (255, 200, 0)
"""Colour of outlines: seen on dark and on bright images."""


def plane_of(array: np.ndarray) -> np.ndarray:
    """The middle plane (Y, X) of labels ([Z,] Y, X); an axis of length 1 is dropped whichever it is.

    Examples
    --------
    >>> plane_of(np.zeros((4, 1, 6))).shape
    (4, 6)
    """
    array = np.squeeze(array) if array.ndim > 2 else array
    while array.ndim > 2:
        array = array[array.shape[0] // 2]
    return np.atleast_2d(array)


def where_they_differ(
    image: np.ndarray, before: np.ndarray, after: np.ndarray, side: int = 96
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The piece of an image in which two labelings differ most; all of it where they do not.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
    before, after : ([Z,] Y, X) ndarray of int
    side : int
        Of the piece along Y and X.

    Returns
    -------
    tuple of ndarray
        The three, cut to one plane and the piece.

    Examples
    --------
    >>> labels, other = np.zeros((200, 300), int), np.zeros((200, 300), int)
    >>> other[150:160, 20:30] = 1
    >>> [a.shape for a in where_they_differ(np.zeros((1, 200, 300)), labels, other)]
    [(1, 96, 96), (96, 96), (96, 96)]
    """
    differ = (before > 0) != (after > 0)
    if not differ.any():
        return image, before, after
    if before.ndim == 3:
        z = int(differ.sum(axis=(1, 2)).argmax())
        image, before, after, differ = image[:, z], before[z], after[z], differ[z]
    much = ndi.uniform_filter(differ.astype(np.float32), side, mode="constant")
    middle = np.unravel_index(int(much.argmax()), much.shape)
    cut = []
    for at, n in zip(middle, differ.shape, strict=True):
        start = min(max(0, int(at) - side // 2), max(0, n - side))
        cut.append(slice(start, start + side))
    here = (cut[0], cut[1])
    return image[(slice(None), *here)], before[here], after[here]


def outlined(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Draw the outline of every label on an image.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray
        One channel is drawn in gray, three in colour, of others the first. Intensities between the 1st and the 99.8th
        percentile of the plane become black to white.
    labels : ([Z,] Y, X) ndarray of int
        Of the same size.

    Returns
    -------
    (Y, X, 3) ndarray of uint8

    Examples
    --------
    >>> outlined(np.zeros((1, 3, 3)), np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))[1, 1].tolist()
    [255, 200, 0]
    """
    chosen = image if len(image) == 3 else image[:1]
    planes = np.stack([plane_of(channel) for channel in chosen]).astype(float)
    numbers = planes[np.isfinite(planes)]
    low, high = np.percentile(numbers, (1, 99.8)) if numbers.size else (0.0, 1.0)
    scaled = np.clip((np.nan_to_num(planes) - low) / max(float(high - low), 1e-9), 0, 1)
    picture = np.repeat(scaled, 3 // len(planes), 0).transpose(1, 2, 0) * 255
    out: np.ndarray = picture.round().astype(np.uint8)
    flat = plane_of(labels)
    edge = np.zeros(flat.shape, bool)
    for axis in range(2):
        different = np.diff(flat, axis=axis) != 0
        one, other = [slice(None)] * 2, [slice(None)] * 2
        one[axis], other[axis] = slice(None, -1), slice(1, None)
        edge[tuple(one)] |= different
        edge[tuple(other)] |= different
    out[edge & (flat > 0)] = OUTLINE
    return out


def outlines_of(labels: np.ndarray, background: int = 0) -> np.ndarray:
    """Labels where one of the four neighbors differs, the background elsewhere: the inner outlines of all objects.

    Row by row in strips, so that what is compared stays in the cache of the processor.

    Parameters
    ----------
    labels : (Y, X) ndarray of int
    background : int

    Examples
    --------
    >>> outlines_of(np.pad(np.full((3, 3), 7), 1))[1:4, 1:4].tolist()
    [[7, 7, 7], [7, 0, 7], [7, 7, 7]]
    """
    out = np.full_like(labels, background)
    for start in range(0, len(labels), _STRIP):
        above, stop = max(start - 1, 0), min(start + _STRIP, len(labels))
        strip = labels[above : min(stop + 1, len(labels))]
        edge = np.zeros(strip.shape, bool)
        different = strip[1:] != strip[:-1]
        edge[1:] |= different
        edge[:-1] |= different
        different = strip[:, 1:] != strip[:, :-1]
        edge[:, 1:] |= different
        edge[:, :-1] |= different
        inside = slice(start - above, stop - above)
        np.copyto(out[start:stop], strip[inside], where=edge[inside])
    return out


def edge_runs(plane: np.ndarray) -> np.ndarray:
    """The lines between pixels of different numbers, each as long as it is straight.

    Parameters
    ----------
    plane : (Y, X) ndarray of int
        What lies around it counts as 0.

    Returns
    -------
    (N, 2, 2) ndarray of float
        First and last point (row, column) of each line, where the middle of a pixel is a whole number.

    Examples
    --------
    >>> edge_runs(np.array([[5, 5]])).tolist()[:2]
    [[[-0.5, -0.5], [-0.5, 1.5]], [[0.5, -0.5], [0.5, 1.5]]]
    """
    wide = np.pad(plane, 1)
    found = []
    for turned in (wide, wide.T):
        different = np.zeros((turned.shape[0] - 1, turned.shape[1] + 1), np.int8)
        different[:, 1:] = turned[1:] != turned[:-1]
        change = np.diff(different, axis=1)
        row, first = np.nonzero(change == 1)
        last = np.nonzero(change == -1)[1]
        # of the padded plane to the plane, and from the middle of a pixel to its edge
        lines = np.stack([np.stack([row, first], 1), np.stack([row, last], 1)], 1) - (0.5, 1.5)
        found.append(lines if turned is wide else lines[..., ::-1])
    return np.concatenate(found)


class GreyView:
    """An image that is indexed like the labels that lie over it: one value a voxel, the mean of the channels.

    Parameters
    ----------
    array : array
        The image.
    axes : str
        Its axes.
    label_axes : str
        The axes of the label layer.
    """

    def __init__(self, array: Array, axes: str, label_axes: str) -> None:
        self._array, self._axes, self._label_axes = array, axes, label_axes

    def __getitem__(self, box: Box) -> np.ndarray:
        sides = dict(zip(self._label_axes, box, strict=True))
        index = tuple(slice(None) if a == "C" else sides[a] for a in self._axes)
        part: np.ndarray = np.asarray(self._array[index], np.float32)
        if "C" in self._axes:
            part = part.mean(axis=self._axes.index("C"))
        have = self._axes.replace("C", "")
        part = part.transpose([have.index(a) for a in self._label_axes if a != "C"])
        return np.expand_dims(part, self._label_axes.index("C")) if "C" in self._label_axes else part


__all__ = ["OUTLINE", "GreyView", "edge_runs", "outlined", "outlines_of", "plane_of", "where_they_differ"]
