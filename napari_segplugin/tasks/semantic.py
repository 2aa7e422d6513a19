"""Semantic: the most probable class of each voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Sample
from napari_segplugin.core.types import DecodeParams, Tuned
from napari_segplugin.tasks.base import Targets, known_classes


class SemanticCodec:
    """Class probabilities only."""

    def map_kinds(self, ndim: int) -> tuple[str, ...]:
        """None."""
        return ()

    def encode(self, sample: Sample, classes: ClassTable) -> Targets:
        """Class numbers, and weight 0 where they are not known."""
        target, weight = known_classes(sample, classes)
        return Targets(target, weight, np.zeros((0, *target.shape), np.float32), weight)

    def decode(self, maps: np.ndarray, classes: ClassTable, params: DecodeParams) -> tuple[np.ndarray, ObjectTable]:
        """The class of the largest probability; its mean over the class is the score."""
        labels = maps[: len(classes)].argmax(0).astype(np.uint16)
        best = maps[: len(classes)].max(0)
        count = np.bincount(labels.ravel(), minlength=len(classes))
        total = np.bincount(labels.ravel(), weights=best.ravel().astype(np.float64), minlength=len(classes))
        ids = np.flatnonzero(count)
        ids = ids[ids > 0]
        score = (total[ids] / count[ids]).astype(np.float32)
        return labels, ObjectTable(ids.astype(np.int64), ids.astype(np.int64), score, ("predicted",) * len(ids))

    def defaults(self) -> Tuned:
        """There is nothing to tune."""
        return {}

    def calibrate(self, maps: Sequence[np.ndarray], objects: Sequence[np.ndarray], classes: ClassTable) -> Tuned:
        """There is nothing to tune."""
        return {}

    def fit(self, samples: Sequence[Sample]) -> Tuned:
        """There is nothing to tune."""
        return {}
