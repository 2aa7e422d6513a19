"""Points and boxes that classical techniques start from. No Qt, no torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Points, Shapes

from napari_segplugin.core import BACKGROUND_PAINT, InputError, ObjectTable, Segmentation
from napari_segplugin.viewer.corrections import label_shape, reviewed_mask
from napari_segplugin.viewer.geometry import placement, to_canonical

POINTS_NAME, BOX_NAME = "seeds", "box"


def points_layer(like: ImageLayer, axes: str) -> Points:
    """An empty points layer over an image."""
    where = placement(like, axes)
    size = max(2, min(label_shape(like, axes)[-2:]) // 60)
    made: Points = Points(
        ndim=len(where["scale"]), name=POINTS_NAME, size=size, face_color="#e69f00", border_color="black",
        metadata={"segplugin": {"role": "seeds"}}, **where,
    )  # fmt: skip
    return made


def box_layer(like: ImageLayer, axes: str) -> Shapes:
    """An empty shapes layer over an image, for a rectangle around what is looked for."""
    where = placement(like, axes)
    return Shapes(
        ndim=len(where["scale"]), name=BOX_NAME, face_color="transparent", edge_color="#e69f00",
        edge_width=max(1, min(label_shape(like, axes)[-2:]) // 200), metadata={"segplugin": {"role": "box"}}, **where,
    )  # fmt: skip


def seeds_of_points(points: Points, like: ImageLayer, axes: str) -> np.ndarray:
    """Number the points 1, 2 … in an array in canonical order; all points of one voxel share a number.

    Raises
    ------
    InputError
        If there is no point, or one lies outside of the image.
    """
    if not len(points.data):
        raise InputError("There are no points yet.", hint="Click on each object, then press Run.")
    shape = label_shape(like, axes)
    at = np.round(np.asarray(points.data)).astype(int)
    outside = ((at < 0) | (at >= np.array(shape))).any(1)
    if outside.any():
        place = ", ".join(f"{v:.0f}" for v in np.asarray(points.data)[np.flatnonzero(outside)[0]])
        raise InputError(
            f"{int(outside.sum())} of {len(at)} points lie outside the image.",
            got=f"a point at ({place}) for an image of {shape}",
            hint="Delete it, or move it into the image.",
        )
    seeds = np.zeros(shape, np.int32)
    seeds[tuple(at.T)] = np.arange(1, len(at) + 1)
    return to_canonical(seeds, axes, bool(getattr(like, "rgb", False)))


def seeds_of_strokes(paint: np.ndarray) -> np.ndarray:
    """Strokes as seeds: painted background is the class after the last.

    Raises
    ------
    InputError
        If fewer than two classes are painted.

    Examples
    --------
    >>> seeds_of_strokes(np.array([[0, 2, 65535]])).tolist()
    [[0, 2, 3]]
    """
    classes = np.unique(paint[paint > 0])
    if len(classes) < 2:
        raise InputError(
            "This technique needs strokes of at least two classes.",
            got=f"{len(classes)}",
            hint="Paint the objects and their surroundings on a layer of strokes (Correct, Paint strokes).",
        )
    last = int(classes[classes != BACKGROUND_PAINT].max(initial=0))
    return np.where(paint == BACKGROUND_PAINT, last + 1, paint).astype(np.int32)


def without_label(segmentation: Segmentation, number: int) -> Segmentation:
    """A segmentation without one of its labels: the background of :func:`seeds_of_strokes`, back at 0."""
    labels, table = np.asarray(segmentation.labels), segmentation.objects
    keep = np.asarray(table.label) != number
    objects = ObjectTable(
        table.label[keep],
        table.class_id[keep],
        table.score[keep],
        tuple(s for s, k in zip(table.status, keep, strict=True) if k),
    )
    return replace(segmentation, labels=np.where(labels == number, 0, labels), objects=objects)


def box_of_shapes(shapes: Shapes, like: ImageLayer, axes: str) -> tuple[slice, ...]:
    """The box around everything that was drawn, a slice for each of Z, Y, X; drawn on one plane it goes through all.

    Raises
    ------
    InputError
        If nothing is drawn.
    """
    mask = reviewed_mask(shapes, like, axes)
    if mask is None or not mask.any():
        raise InputError("There is no box yet.", hint="Draw a rectangle around the object, then press Run.")
    mask = np.asarray(mask.any(0)) if "T" in axes else mask
    spans = []
    for axis in range(mask.ndim):
        along = np.flatnonzero(mask.any(tuple(a for a in range(mask.ndim) if a != axis)))
        spans.append(slice(int(along[0]), int(along[-1]) + 1))
    if mask.ndim == 3 and spans[0].stop - spans[0].start == 1:
        spans[0] = slice(0, mask.shape[0])
    return tuple(spans)


__all__ = [
    "box_layer",
    "box_of_shapes",
    "points_layer",
    "seeds_of_points",
    "seeds_of_strokes",
    "without_label",
]
