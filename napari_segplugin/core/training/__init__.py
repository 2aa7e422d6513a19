"""What a training takes, images of which the labels may be known in a part only, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_segplugin.core.bundle import ModelBundle
from napari_segplugin.core.errors import InputError
from napari_segplugin.core.image import Image
from napari_segplugin.core.training.allowance import Allowance
from napari_segplugin.core.training.verdict import (
    ENOUGH,
    FOUND,
    STARVED,
    WORSE,
    Checked,
    Compared,
    ModelVerdict,
    too_few,
    verdict_of,
    verdict_of_figures,
)
from napari_segplugin.core.words import pixel


@dataclass(frozen=True, eq=False)
class Sample:
    """An image, its labels, and where they are known.

    Parameters
    ----------
    image : Image
        Without a T axis.
    classes : (Z, Y, X) or (Y, X) ndarray of int
        Class number of each voxel; anything where `known` is False.
    instances : (Z, Y, X) or (Y, X) ndarray of int, optional
        Object number of each voxel, 0 outside objects; None for a semantic sample.
    known : (Z, Y, X) or (Y, X) ndarray of bool, optional
        Where `classes` is known; None means everywhere. Unknown is never background.
    shape_known : (Z, Y, X) or (Y, X) ndarray of bool, optional
        Where the distance to the object's outline is known too (whole objects and background). None means
        wherever `known`.
    boxes : tuple of tuple of slice
        A box of voxels around each of some objects whose outline is not known: the object touches all of its sides.
    """

    image: Image
    classes: np.ndarray
    instances: np.ndarray | None = None
    known: np.ndarray | None = None
    shape_known: np.ndarray | None = None
    boxes: tuple[tuple[slice, ...], ...] = ()

    def __post_init__(self) -> None:
        for word in ("classes", "instances", "known", "shape_known"):
            array = getattr(self, word)
            if array is not None and array.shape != self.image.spatial_shape:
                raise InputError(
                    f"The {word} of '{self.image.name}' and the image differ in shape.",
                    got=f"{array.shape} for an image of {self.image.spatial_shape}",
                    hint=f"Labels need one value for each {pixel(self.image.ndim)}.",
                )


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
    verdict : ModelVerdict, optional
        Which of both is to be used; None where there was nothing to compare with.
    starved : str
        That there were too few steps to learn anything, as a sentence; empty where there were enough.
    """

    bundle: ModelBundle
    before: dict[str, float]
    after: dict[str, float]
    heldout: str
    views: Views | None = None
    forest: dict[str, float] = field(default_factory=dict)
    learnt: int = 0
    judged: int = 0
    verdict: ModelVerdict | None = None
    starved: str = ""

    @property
    def better(self) -> bool:
        """Whether the new model is to be used: it is better than the old one, or there was none."""
        return self.verdict is None or self.verdict.better


__all__ = [
    "ENOUGH",
    "FOUND",
    "STARVED",
    "WORSE",
    "Allowance",
    "Checked",
    "Compared",
    "FineTuneResult",
    "ModelVerdict",
    "Sample",
    "Views",
    "too_few",
    "verdict_of",
    "verdict_of_figures",
]
