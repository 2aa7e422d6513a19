"""A new result beside what a person checked: what was checked stays, the rest is filled in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from napari_segplugin.core.errors import InputError

SHARE = 0.5
"""Of a new object: from here on it is the same as what a person checked in its place."""


def renewed(
    now: np.ndarray, new: np.ndarray, keep: Iterable[int], refused: np.ndarray | None = None
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
    refused : ndarray of bool, optional
        Where a person said that there is no object.

    Returns
    -------
    labels : ndarray of int
        New objects lie only where nothing is kept, and have numbers above all those of `now`.
    numbers : dict of int to int
        The number of each new object; one that lies for the most part on what is kept or refused is left out.

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
    wanted = np.asarray(list(keep), now.dtype)
    kept = np.isin(now, wanted) if len(wanted) else np.zeros(now.shape, bool)
    taken = kept if refused is None else kept | refused
    sizes, lost = np.bincount(new.ravel()), np.bincount(new[taken].ravel(), minlength=int(new.max(initial=0)) + 1)
    there = np.flatnonzero((sizes > 0) & (lost < SHARE * sizes))
    there = there[there > 0]
    table = np.zeros(len(sizes), np.int64)
    table[there] = int(now.max(initial=0)) + 1 + np.arange(len(there))
    labels = np.where(kept, now, table[new])
    left = np.unique(labels)
    numbers = {int(n): int(table[n]) for n in there}
    gone = set(numbers.values()) - set(left.tolist())
    return labels, {n: m for n, m in numbers.items() if m not in gone}


__all__ = ["SHARE", "renewed"]
