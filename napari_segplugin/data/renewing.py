"""A new result beside what a person checked: what was checked stays, the rest is filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from napari_segplugin.core.errors import InputError

SHARE = 0.5
"""Of a new object: from here on it is the same as what a person checked in its place."""


def renewed(
    now: np.ndarray,
    new: np.ndarray,
    keep: Iterable[int],
    fixed: np.ndarray | None = None,
    areas: Mapping[int, int] | None = None,
) -> tuple[np.ndarray, dict[int, int]]:
    """Put the objects of a new result around those that are kept.

    Parameters
    ----------
    now : ndarray of int, shape (Y, X) or (Z, Y, X), T first for a time series
        Labels as they are.
    new : ndarray of int, same shape
        Labels of the new result.
    keep : iterable of int
        Objects of `now` that stay as they are, to the voxel.
    fixed : ndarray of bool, optional
        Voxels that stay as they are, whatever they belong to: painted areas, and what a person erased.
    areas : mapping of int to int, optional
        New labels that are areas, and the number that each of them gets. An area fills what is left to it.

    Returns
    -------
    labels : ndarray of int
        New objects lie only where nothing is kept, and have numbers above all those of `now`.
    numbers : dict of int to int
        The number of each new label; an object that lies for the most part on what stays is left out.

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> now, new = np.array([[1, 1, 0, 2, 2]]), np.array([[7, 7, 7, 9, 9]])
    >>> renewed(now, new, keep=[1])
    (array([[1, 1, 0, 3, 3]]), {9: 3})
    """
    if now.shape != new.shape:
        raise InputError("Two results of different shapes cannot be joined.", got=f"{now.shape} and {new.shape}")
    wanted, areas = np.asarray(list(keep), now.dtype), areas or {}
    kept = np.isin(now, wanted) if len(wanted) else np.zeros(now.shape, bool)
    taken = kept if fixed is None else kept | fixed
    sizes, lost = np.bincount(new.ravel()), np.bincount(new[taken].ravel(), minlength=int(new.max(initial=0)) + 1)
    there = np.flatnonzero((sizes > 0) & (lost < SHARE * sizes))
    there = there[(there > 0) & ~np.isin(there, list(areas))]
    table = np.zeros(len(sizes), np.int64)
    table[there] = max(int(now.max(initial=0)), *areas.values(), 0) + 1 + np.arange(len(there))
    for number, given in areas.items():
        table[number] = given
    labels = np.where(taken, now, table[new])
    left = set(np.unique(labels).tolist())
    return labels, {n: int(table[n]) for n in np.flatnonzero(table).tolist() if int(table[n]) in left}


def class_map(now: np.ndarray, new: np.ndarray, fixed: np.ndarray, numbers: Mapping[int, int]) -> np.ndarray:
    """Put a new map of classes around the voxels that stay.

    Parameters
    ----------
    now : ndarray of int
        Classes as they are.
    new : ndarray of int, same shape
        Those of the new result.
    fixed : ndarray of bool, same shape
        Voxels that stay.
    numbers : mapping of int to int
        The number that a class of `now` has in `new`, where it is another.

    Examples
    --------
    >>> now, new = np.array([[1, 2, 0]]), np.array([[1, 1, 1]])
    >>> class_map(now, new, now == 2, {2: 3})
    array([[1, 3, 1]])
    """
    table = np.arange(int(now.max(initial=0)) + 1)
    for number, given in numbers.items():
        if number < len(table):
            table[number] = given
    return np.where(fixed, table[now], new)


__all__ = ["SHARE", "class_map", "renewed"]
