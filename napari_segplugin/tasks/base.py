"""What every task promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.core.types import DecodeParams, Tuned


@dataclass(frozen=True, eq=False)
class Targets:
    """What a network should say for a sample.

    Parameters
    ----------
    classes : ([Z,] Y, X) ndarray of int64
        Class number of each voxel; 0 where unknown.
    weight : ([Z,] Y, X) ndarray of float32
        0 where the class is unknown.
    maps : (M, [Z,] Y, X) ndarray of float32
        Further maps, M as the task needs; what each is, the codec's `map_kinds` say.
    maps_weight : ([Z,] Y, X) ndarray of float32
        0 where `maps` is unknown.
    """

    classes: np.ndarray
    weight: np.ndarray
    maps: np.ndarray
    maps_weight: np.ndarray


MAP_KINDS = {
    "distance": "in [0, 1], 0 outside objects: sigmoid, absolute error, three times as heavy inside objects",
    "probability": "of something at a voxel, such as a border: sigmoid, cross-entropy",
    "heat": "in [0, 1] with few high places: sigmoid, squared error",
    "offset": "a component of a vector in voxels, one for each axis in canonical order: linear, absolute error in objects",
}
"""The kinds of maps beside the class probabilities, and how they are activated and learnt.

Patches are turned and mirrored during training, and of the maps only offsets turn with them. A head with other maps that
mean something else in another direction says so in its row (:class:`~napari_segplugin.tasks.row.HeadRow`, `turns`).
"""


class TaskCodec(Protocol):
    """How a task is written as maps and read back.

    The network's maps are the class probabilities (softmax, one a class), then one map for each of `map_kinds`.
    """

    def map_kinds(self, ndim: int) -> tuple[str, ...]:
        """What each further map is: a name of :data:`MAP_KINDS`."""

    def encode(self, sample: Sample, classes: ClassTable) -> Targets:
        """Write a sample as target maps."""

    def decode(self, maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> tuple[np.ndarray, ObjectTable]:
        """Read maps (K + extra, [Z,] Y, X) as labels ([Z,] Y, X) and the table of the labels."""

    def defaults(self) -> Tuned:
        """The parameters of `decode` with their default values."""

    def fit(self, samples: Sequence[Sample]) -> Tuned:
        """Those parameters that follow from the objects of a training."""

    def calibrate(self, maps: Sequence[np.ndarray], objects: Sequence[np.ndarray], classes: ClassTable) -> Tuned:
        """Those parameters that follow from what a network says (K + extra, [Z,] Y, X) of objects ([Z,] Y, X) it knows."""


def known_classes(sample: Sample, classes: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Class map without numbers outside the table (they count as unknown), and the weight map."""
    inside = (sample.classes >= 0) & (sample.classes < len(classes))
    known = inside if sample.known is None else inside & sample.known
    return np.where(known, sample.classes, 0).astype(np.int64), known.astype(np.float32)
