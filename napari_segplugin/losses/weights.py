"""Class weights from the number of labelled voxels of each class. No torch: the dock uses it too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from napari_segplugin.core import InputError

RULES = ("inverse", "median")


def class_weights(counts: Sequence[float] | np.ndarray, rule: str, *, most: float = math.inf) -> list[float]:
    r"""Weights that lift rare classes.

    With n voxels of which a share :math:`f_c` belongs to class c, and P the classes that occur,

    - "inverse": :math:`1 / (|P| f_c)`. All classes together weigh as much as before, n, and each the same.
    - "median": :math:`\mathrm{median}_P(f) / f_c` (Eigen & Fergus 2015, arXiv 1411.4734, with shares of all labelled
      voxels). The class in the middle keeps weight 1.

    Parameters
    ----------
    counts : sequence of number
        Labelled voxels of each class, background first.
    rule : str
        "inverse" or "median".
    most : float
        Upper limit of a weight. A class of a few voxels would otherwise outweigh all others.

    Returns
    -------
    list of float
        One a class. A class without voxels gets 1: no labelled voxel uses it.

    Raises
    ------
    InputError
        If the rule is not known, or a count is negative or not finite.

    Examples
    --------
    >>> class_weights([60, 30, 10], "median")
    [0.5, 1.0, 3.0]
    >>> class_weights([75, 25, 0], "inverse")
    [0.6666666666666666, 2.0, 1.0]
    """
    if rule not in RULES:
        raise InputError("There is no such rule for class weights.", got=f"'{rule}'", accepted=", ".join(RULES))
    n = np.asarray(counts, np.float64)
    if n.ndim != 1 or not n.size or not (np.isfinite(n) & (n >= 0)).all():
        raise InputError(
            "Class weights are computed from the number of pixels of each class.",
            got=list(counts),
            accepted="numbers from 0 up",
        )
    present = n > 0
    weights = np.ones(n.size)
    if present.any():
        middle = n[present].mean() if rule == "inverse" else float(np.median(n[present]))
        weights[present] = np.minimum(middle / n[present], most)
    return [float(w) for w in weights]


__all__ = ["RULES", "class_weights"]
