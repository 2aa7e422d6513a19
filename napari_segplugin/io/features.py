"""Objects as features: what is drawn of each, for formats of polygons."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from napari_segplugin.core import Kind, Task
from napari_segplugin.io.files import LabelsToWrite
from napari_segplugin.io.maps import Ground, on_map
from napari_segplugin.io.objects import Described, describe, planes
from napari_segplugin.io.simplify import OutlinePart, pieces_of

ON_MAPS = 0.5
"""Pixels by which outlines on a map may be simplified, unless somebody says otherwise."""


@dataclass(frozen=True, eq=False)
class Feature:
    """An object of a plane, or a piece of an area.

    Parameters
    ----------
    about : Described
    at : dict of str to int
        The plane along T and Z.
    pieces : tuple of OutlinePart
    number : int
        Of the piece among those of its area and plane, from 1; 0 where there is a single feature.
    area : float
        In m² on the ground, NaN where that is not known.
    """

    about: Described
    at: dict[str, int]
    pieces: tuple[OutlinePart, ...]
    number: int
    area: float


def features_of(labels: LabelsToWrite) -> Iterator[Feature]:
    """The features of labels, as their :class:`~napari_segplugin.io.files.Drawing` asks."""
    rows, drawing, mapped = describe(labels), labels.drawing, on_map(labels.place)
    tolerance = (ON_MAPS if mapped else 0.0) if drawing.simplify is None else drawing.simplify
    apart = mapped if drawing.pieces is None else drawing.pieces
    ground = Ground(labels.place if mapped else None, labels.unit)
    semantic = labels.segmentation is not None and labels.segmentation.task is Task.SEMANTIC
    for at, plane in planes(labels):
        found = pieces_of(plane, tolerance, drawing.smallest)
        for label, group in itertools.groupby(found, key=lambda p: p.label):
            parts, about = tuple(group), rows[label]
            single = not (apart and (semantic or about.kind.kind is Kind.STUFF))
            for number, pieces in enumerate([parts] if single else [(p,) for p in parts], 1):
                area = float(np.sum([ground.square_meters(p.shape.rings, p.pixels) for p in pieces]))
                yield Feature(about, at, pieces, 0 if single else number, area)


__all__ = ["ON_MAPS", "Feature", "features_of"]
