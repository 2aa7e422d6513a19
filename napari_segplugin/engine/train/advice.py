"""Which loss suits the labels at hand: one suggestion and one reason. No torch: the dock asks before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_segplugin.core import InputError, LossSpec, LossTerm, Task

SPARSE = 0.1
"""Share of known voxels below which labels are strokes, whose outlines say nothing."""
RARE = 0.02
"""Share of the known voxels below which a class is rare."""
UNEVEN = 10.0
"""How many times more strokes of one class than of another make them uneven."""


def recommend_loss(
    class_counts: Sequence[float] | np.ndarray, *, known_share: float, task: Task, thin: bool = False
) -> tuple[LossSpec, str]:
    """Suggest a sum of losses for the labels at hand.

    The first of these that holds decides: no labels yet; strokes, even or uneven; a thin class; a rare class; objects to
    tell apart; anything else. Cross-entropy and Dice are left only for a reason.

    Parameters
    ----------
    class_counts : sequence of number
        Labelled voxels of each class, background first.
    known_share : float
        Share of the voxels whose class is known, 0 to 1.
    task : Task
    thin : bool
        Whether a class is thin (membranes, fibres); see :func:`looks_thin`.

    Returns
    -------
    LossSpec
        What to train with.
    str
        One sentence that says why.

    Raises
    ------
    InputError
        If the counts are fewer than two, negative or not finite, or the share is not between 0 and 1.

    Examples
    --------
    >>> spec, reason = recommend_loss([9_900, 100], known_share=1.0, task=Task.SEMANTIC)
    >>> [t.name for t in spec.terms], reason
    (['focal', 'tversky'], 'One class has only 1 % of what is labelled: Tversky finds more of it, focal concentrates on difficult pixels.')
    """
    counts = np.asarray(class_counts, np.float64)
    if counts.ndim != 1 or counts.size < 2 or not (np.isfinite(counts) & (counts >= 0)).all():
        raise InputError(
            "A loss is recommended from the number of pixels of each class.",
            got=list(class_counts),
            accepted="the background and at least one class, numbers from 0 up",
        )
    if not 0 <= known_share <= 1:
        raise InputError("The fraction of labelled pixels is between 0 and 1.", got=known_share)
    present, usual = counts[counts > 0], LossSpec()
    if not counts[1:].any() or not known_share:
        return usual, "No class is labelled yet: cross-entropy and Dice suit most images."
    if known_share < SPARSE:
        return _for_strokes(present, known_share)
    if thin:
        reason = (
            "One class is thin: the boundary loss measures how far outlines are off, where overlap is all or nothing."
        )
        return LossSpec((*usual.terms, LossTerm("boundary", 0.1))), reason
    rarest = float(counts[1:][counts[1:] > 0].min() / counts.sum())
    if rarest < RARE:
        reason = (
            f"One class has only {_percent(rarest)} of what is labelled: "
            "Tversky finds more of it, focal concentrates on difficult pixels."
        )
        return LossSpec((LossTerm("focal"), LossTerm("tversky"))), reason
    if task is not Task.SEMANTIC:
        return usual, "Separating objects has its own losses; for the classes, cross-entropy and Dice suit most images."
    reason = "cross-entropy learns steadily from the start, Dice rewards the overlap of each class"
    return usual, f"Every class is well labelled: {reason}."


def _for_strokes(present: np.ndarray, known_share: float) -> tuple[LossSpec, str]:
    """Where little is known, losses that need no outline."""
    little = f"Only {_percent(known_share)} of the image is labelled"
    times = float(present.max() / present.min())
    if times <= UNEVEN:
        return LossSpec(), f"{little}: cross-entropy and Dice learn from every stroke and need no outlines."
    weighted = LossTerm("cross_entropy", options={"class_weights": "inverse"})
    reason = f"{little}, one class {times:.0f} times as much as another: all classes get the same weight."
    return LossSpec((weighted, LossTerm("dice"))), reason


def looks_thin(classes: np.ndarray, known: np.ndarray | None = None, *, share: float = 0.6) -> bool:
    """Whether a foreground class is only about three voxels wide: most of its voxels touch something else.

    Parameters
    ----------
    classes : ([Z,] Y, X) ndarray of int
        Class numbers, 0 is the background.
    known : ([Z,] Y, X) ndarray of bool, optional
        Where they are known. A voxel beside an unknown one is not counted as touching it.
    share : float
        A class is thin where more than this share of its voxels lies at its rim.

    Returns
    -------
    bool

    Examples
    --------
    >>> image = np.zeros((20, 20), int)
    >>> image[3:6] = 1
    >>> looks_thin(image)
    True
    >>> image[3:17] = 1
    >>> looks_thin(image)
    False
    """
    labels = np.asarray(classes, np.int64)
    if known is not None:
        labels = np.where(known, labels, -1)
    rim = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        along = np.moveaxis(labels, axis, 0)
        differ = (along[1:] != along[:-1]) & (along[1:] >= 0) & (along[:-1] >= 0)
        edge = np.moveaxis(rim, axis, 0)
        edge[1:] |= differ
        edge[:-1] |= differ
    inside = labels > 0
    total = np.bincount(labels[inside])
    at_rim = np.bincount(labels[inside & rim], minlength=total.size)
    return bool((at_rim > share * total).any())


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 0.001 else "less than 0.1 %"


__all__ = ["looks_thin", "recommend_loss"]
