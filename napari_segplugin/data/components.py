"""Objects of a semantic segmentation: the connected pieces of each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from napari_segplugin.core import ClassTable, Kind, ObjectTable, Segmentation, Task


def components(classes: np.ndarray, axes: str = "", before: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Number the connected pieces of each class; voxels that touch at a corner belong together.

    Parameters
    ----------
    classes : ndarray of int
        The class number of each voxel; 0 is background.
    axes : str
        Axes of `classes`; along "T" and "C" nothing is connected. All are space where it is left out.
    before : ndarray of int32, optional
        An earlier numbering: a piece keeps the number of the one that it shares the most voxels with. New ones get
        numbers above all of `before`.

    Returns
    -------
    objects : ndarray of int32, of the shape of `classes`
    class_of : (N + 1,) ndarray of int64
        The class of each number; 0 where a number does not occur.

    Examples
    --------
    >>> objects, class_of = components(np.array([[1, 0, 1, 2]]))
    >>> objects.tolist(), class_of.tolist()
    ([[1, 0, 2, 3]], [0, 1, 1, 2])
    """
    classes = np.asarray(classes)
    touching = np.ones((3,) * classes.ndim, bool)
    for axis, name in enumerate(axes):
        if name in "TC":
            keep = np.arange(3) == 1
            touching &= keep.reshape([3 if a == axis else 1 for a in range(classes.ndim)])
    objects, count = np.zeros(classes.shape, np.int32), 0
    found = [0]
    for value in np.unique(classes[classes != 0]).tolist():
        part, new = ndimage.label(classes == value, touching, output=np.int32)
        objects[part > 0] = part[part > 0] + count
        count += new
        found += [value] * new
    class_of = np.array(found, np.int64)
    return (objects, class_of) if before is None else _as_before(objects, class_of, before)


def _as_before(objects: np.ndarray, class_of: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same pieces under the numbers that they had."""
    top = int(before.max(initial=0))
    both = (objects > 0) & (before > 0)
    pairs, counts = np.unique(objects[both].astype(np.int64) * (top + 1) + before[both], return_counts=True)
    number = np.zeros(len(class_of), np.int64)
    taken = np.zeros(top + 1, bool)
    for pair in pairs[np.argsort(-counts, kind="stable")].tolist():
        new, old = divmod(pair, top + 1)
        if not number[new] and not taken[old]:
            number[new], taken[old] = old, True
    fresh = np.flatnonzero(number[1:] == 0) + 1
    number[fresh] = top + 1 + np.arange(len(fresh))
    renamed = np.zeros(int(number.max(initial=0)) + 1, np.int64)
    renamed[number] = class_of
    renamed[0] = 0
    return number[objects].astype(np.int32), renamed


def as_objects(segmentation: Segmentation) -> Segmentation:
    """A semantic segmentation as objects, each connected piece one; any other is given back as it is.

    Returns
    -------
    Segmentation
        Its classes are all counted. The score of an object is the one of its class.
    """
    if segmentation.task is not Task.SEMANTIC:
        return segmentation
    objects, class_of = components(np.asarray(segmentation.labels), segmentation.axes)
    table = segmentation.objects
    score = dict(zip(table.class_id.tolist(), table.score.tolist(), strict=True))
    kinds = ClassTable(tuple(replace(c, kind=Kind.THING) if c.id else c for c in segmentation.classes))
    rows = ObjectTable(
        np.arange(1, len(class_of)),
        class_of[1:],
        np.array([score.get(c, np.nan) for c in class_of[1:].tolist()], np.float32),
        ("predicted",) * (len(class_of) - 1),
    )
    return replace(segmentation, task=Task.INSTANCE, labels=objects, objects=rows, classes=kinds)


__all__ = ["as_objects", "components"]
