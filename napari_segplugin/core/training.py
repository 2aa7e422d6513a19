"""What a training gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core.bundle import ModelBundle


@dataclass(frozen=True, eq=False)
class Views:
    """The same piece of the image as the old and the new network see it.

    Parameters
    ----------
    image : (C, [Z,] Y, X) ndarray of float32
        Normalised.
    before, after : ([Z,] Y, X) ndarray of int
    """

    image: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class FineTuneResult:
    """The new bundle, and what held-out strokes say of the old and the new one.

    Parameters
    ----------
    bundle : ModelBundle
    before, after : dict of str to float
        The same figures of the old and the new weights; empty where nothing was held out.
    heldout : str
        How the figures were computed, as a sentence.
    views : Views, optional
        The previewed region before and after.
    forest : dict of str to float
        What a random forest that learnt from the same strokes reaches on the same held-out ones; empty where that could not
        be told.
    learnt, judged : int
        Images (for a 2D network, planes) that were trained on and that were held out; 0 for paint.
    """

    bundle: ModelBundle
    before: dict[str, float]
    after: dict[str, float]
    heldout: str
    views: Views | None = None
    forest: dict[str, float] = field(default_factory=dict)
    learnt: int = 0
    judged: int = 0


__all__ = ["FineTuneResult", "Views"]
