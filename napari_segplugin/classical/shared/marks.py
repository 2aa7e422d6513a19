"""Seeds and strokes that a person made."""

from __future__ import annotations

import numpy as np

from napari_segplugin.core import BACKGROUND_PAINT


def number_seeds(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the seeds 1, 2 … in the order of their own numbers.

    Parameters
    ----------
    seeds : ([Z,] Y, X) ndarray of int
        0 and below where there is none, ``BACKGROUND_PAINT`` where a person painted background.

    Returns
    -------
    numbers : (n + 1,) ndarray of int32
        What each new number stands for in a result; 0 for background.
    marks : ([Z,] Y, X) ndarray of int32
        The new numbers, 0 where there is no seed.

    Examples
    --------
    >>> numbers, marks = number_seeds(np.array([[0, 7, 3, 65535]]))
    >>> numbers.tolist(), marks.tolist()
    ([0, 3, 7, 0], [[0, 2, 1, 3]])
    """
    at = np.flatnonzero(seeds > 0)
    found, inverse = np.unique(np.asarray(seeds).reshape(-1)[at], return_inverse=True)
    marks = np.zeros(seeds.shape, np.int32)
    marks.reshape(-1)[at] = inverse + 1
    numbers = np.concatenate([[0], np.where(found == BACKGROUND_PAINT, 0, found)]).astype(np.int32)
    return numbers, marks


__all__ = ["number_seeds"]
