"""Layers for points, boxes and empty areas: one click or rectangle an object. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Points, Shapes

from napari_segplugin.core import InputError
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer.corrections import reviewed_layer, reviewed_mask
from napari_segplugin.viewer.geometry import label_axes, layer_axes
from napari_segplugin.viewer.marks import box_layer, points_layer

NAMES = {"points": "object points", "boxes": "object boxes", "nothing": "nothing here"}
MODES = {"points": "add", "boxes": "add_rectangle", "nothing": "add_rectangle"}
CLASS = "class"


def weak_layer(kind: str, like: Any, axes: str) -> Any:
    """An empty layer over an image.

    Parameters
    ----------
    kind : str
        "points": a click in each object; "boxes": a rectangle around each; "nothing": areas without any.
    like : napari.layers.Image
    axes : str
        Axes of the array of `like`.
    """
    make = {"points": points_layer, "boxes": box_layer, "nothing": reviewed_layer}[kind]
    layer = make(like, axes)
    layer.name = NAMES[kind]
    layer.metadata = {"segplugin": {"role": kind}}
    return layer


def use_class(layer: Any, kind: int | str) -> None:
    """Give what is added to a layer from now on a class.

    Parameters
    ----------
    layer : Points or Shapes
    kind : int or str
        Number or name. What is there and has no class gets the first number, or no name.
    """
    if CLASS not in layer.features.columns:
        layer.features = layer.features.assign(**{CLASS: _filled(layer, 1 if isinstance(kind, int) else "")})
    layer.feature_defaults = layer.feature_defaults.assign(**{CLASS: kind})


def rename_class(layer: Any, old: str, new: str) -> None:
    """Give the marks of a class, and those to come, its new name."""
    if CLASS in layer.features.columns:
        usual = layer.feature_defaults[CLASS].iloc[0]
        layer.features = layer.features.assign(**{CLASS: [new if k == old else k for k in layer.features[CLASS]]})
        layer.feature_defaults = layer.feature_defaults.assign(**{CLASS: new if usual == old else usual})


def _filled(layer: Any, value: int | str) -> np.ndarray:
    return np.full(len(layer.data), value, int if isinstance(value, int) else object)


def put_back(layer: Any, marks: Mapping[str, Any]) -> None:
    """Put marks that were kept onto an empty layer.

    Parameters
    ----------
    layer : Points or Shapes
    marks : mapping
        "points" (coordinates of each mark), "type" of shapes, "class" where one was chosen.
    """
    places = [np.array(p, float) for p in marks["points"]]
    if isinstance(layer, Points):
        layer.add(np.stack(places))
    else:
        layer.add(places, shape_type=list(marks["type"]))
    if CLASS in marks or CLASS in layer.features.columns:
        # marks of which no class was kept do not get the one that is chosen now
        usual = layer.feature_defaults
        layer.features = layer.features.assign(**{CLASS: marks.get(CLASS, _filled(layer, ""))})
        if CLASS in usual.columns:
            layer.feature_defaults = layer.feature_defaults.assign(**{CLASS: usual[CLASS].iloc[0]})


def with_weak(
    copied: Corrections,
    like: Any,
    axes: str,
    *,
    points: Points | None = None,
    boxes: Shapes | None = None,
    nothing: Shapes | None = None,
    ids: Mapping[str, int] | None = None,
) -> Corrections:
    """Corrections with the clicks, rectangles and empty areas of these layers, in canonical order.

    Parameters
    ----------
    copied : Corrections
    like : napari.layers.Image
    axes : str
        Axes of the array of `like`.
    points, boxes, nothing : layer, optional
    ids : mapping of str to int, optional
        Numbers of the classes by name. With a single one every mark is of it.

    Raises
    ------
    InputError
        If a shape of the boxes is no rectangle, a line has been drawn where an area is asked for, or a mark has no class
        or one that is not among the names.
    """
    rgb = bool(getattr(like, "rgb", False))
    clicks = None if points is None or not len(points.data) else _canonical(np.asarray(points.data), axes, rgb)
    return replace(
        copied,
        points=clicks,
        boxes=_boxes(boxes, axes, rgb),
        nothing=reviewed_mask(nothing, like, axes),
        point_class=_classes(points, ids or {}),
        box_class=_classes(boxes, ids or {}),
    )


def _canonical(places: np.ndarray, axes: str, rgb: bool) -> np.ndarray:
    """Coordinates (N, ndim) of a layer in the order of the canonical axes."""
    have = layer_axes(axes, rgb)
    return places[:, [have.index(a) for a in label_axes(axes)]]


def _boxes(layer: Shapes | None, axes: str, rgb: bool) -> tuple[tuple[slice, ...], ...]:
    """Each rectangle as slices: the voxels whose middle it covers."""
    if layer is None:
        return ()
    others = {k for k in layer.shape_type if k != "rectangle"}
    if others:
        raise InputError(
            "The boxes contain a shape that is not a rectangle.",
            got=", ".join(sorted(others)),
            accepted="rectangles",
            hint="Delete it and draw a rectangle around the object.",
        )
    found = []
    for corners in layer.data:
        places = _canonical(np.asarray(corners), axes, rgb)
        low, high = places.min(0), places.max(0)
        first = np.maximum(0, np.ceil(low)).astype(int)
        last = np.maximum(first, np.floor(high).astype(int))
        found.append(tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)))
    return tuple(found)


def _classes(layer: Any, ids: Mapping[str, int]) -> tuple[int, ...]:
    """Class of each point or shape; empty where nobody chose one, or there is no other."""
    if layer is None or CLASS not in layer.features.columns or len(ids) == 1:
        return ()
    found = layer.features[CLASS].tolist()
    wrong = sorted({str(k) for k in found if isinstance(k, str) and k not in ids})
    if wrong:
        raise InputError(
            f"The layer '{layer.name}' has points or boxes without a class that can be learnt.",
            got=", ".join(f"'{k}'" if k else "no class" for k in wrong),
            accepted=", ".join(ids),
            hint=f"Set the class in the column '{CLASS}' of the layer's features, or delete them and mark them again",
        )
    return tuple(ids[k] if isinstance(k, str) else int(k) for k in found)


__all__ = ["CLASS", "MODES", "NAMES", "put_back", "rename_class", "use_class", "weak_layer", "with_weak"]
