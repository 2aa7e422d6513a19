"""Layers for the panels that measure and judge: which belong together, what is in range, hits and misses. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Layer

from napari_segplugin.core import InputError, Segmentation, Task
from napari_segplugin.core.types import Array, JsonDict, json_object
from napari_segplugin.data.components import as_objects
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import Placement, label_axes, to_layer_order
from napari_segplugin.viewer.layers import LayerOptions, axes_of_layer, level0
from napari_segplugin.viewer.technical import listed
from napari_segplugin.viewer.writers import axes_of_labels, labels_to_segmentation

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event
    from pandas import DataFrame

Frozen: TypeAlias = tuple[Array, LayerOptions]
"""Array and attributes of a labels layer, for a worker."""

OUTCOME_COLORS = {1: "#009e73", 2: "#0072b2", 3: "#d55e00"}
"""Green, blue and orange of Okabe and Ito for hits, misses and false objects: told apart by colour-blind people too."""
_MADE_HERE = ("kept", "outcome")


def labels_layers(viewer: ViewerModel) -> list[Labels]:
    """Label layers that a person may want to measure or judge: not the ones that the panels made."""
    seen = [a for a in listed(viewer.layers) if isinstance(a, Labels)]
    return [a for a in seen if _role(a) not in (*_MADE_HERE, "corrections")]


def _role(layer: Layer) -> str:
    meta = layer.metadata.get("segplugin", {}) if isinstance(layer.metadata, dict) else {}
    return str(meta.get("role", "")) if isinstance(meta, dict) else ""


def guess_pair(layers: Sequence[Labels], wanted: Layer | None = None) -> tuple[Labels | None, Labels | None]:
    """Which layer is the result and which the truth: by their marks and names.

    Parameters
    ----------
    layers : sequence of napari.layers.Labels
    wanted : napari.layers.Labels, optional
        The result, if it is among them.
    """
    truths = [a for a in layers if _role(a) == "truth" or "truth" in str(a.name).lower()]
    results = [a for a in layers if not any(a is t for t in truths)]
    pool = [a for a in results if a is wanted] or results or list(layers)
    if not pool:
        return None, None
    result = pool[-1]
    others = [a for a in layers if a is not result]
    same = [a for a in truths if a is not result and level0(a).shape == level0(result).shape] or others
    return result, same[0] if same else None


def task_of(layer: Labels) -> Task:
    """The task of a result of the plugin; objects for any other layer."""
    meta = layer.metadata.get("segplugin", {}) if isinstance(layer.metadata, dict) else {}
    return Task(meta.get("task", Task.INSTANCE)) if isinstance(meta, dict) else Task.INSTANCE


def with_task(attributes: LayerOptions, task: Task) -> LayerOptions:
    """Attributes of a layer that say what its labels are."""
    return _saying(attributes, {**_own(attributes), "task": task})


def pair_of(result: Frozen, truth: Frozen, task: Task) -> tuple[Segmentation, Segmentation]:
    """A result and its truth as segmentations of one task, from what :func:`freeze` gave.

    Where objects are asked of a semantic result, each connected piece of a class is one, in the truth too.
    """
    about = _own(result[1])
    if task is Task.INSTANCE and (about.get("pieces") or about.get("task") == Task.SEMANTIC):
        # a truth that does not say what it is holds the classes of the result
        true = {"task": Task.SEMANTIC, **{k: about[k] for k in ("classes",) if k in about}, **_own(truth[1])}
        one, other = labels_to_segmentation(*result), labels_to_segmentation(truth[0], _saying(truth[1], true))
        return as_objects(one), as_objects(other)
    one, other = (labels_to_segmentation(data, with_task(attributes, task)) for data, attributes in (result, truth))
    return one, other


def _own(attributes: LayerOptions) -> JsonDict:
    return dict(json_object((attributes.get("metadata") or {}).get("segplugin")))


def _saying(attributes: LayerOptions, about: JsonDict) -> LayerOptions:
    """Attributes of a layer with something else in the plugin's part of the metadata."""
    return {**attributes, "metadata": {**(attributes.get("metadata") or {}), "segplugin": about}}


def images_over(viewer: ViewerModel, layer: Labels) -> list[ImageLayer]:
    """Image layers of the same size as a labels layer, whatever their channels."""
    return [a for a in listed(viewer.layers) if isinstance(a, ImageLayer) and _fits(a, layer)]


def _fits(image: ImageLayer, labels: Labels) -> bool:
    try:
        axes, _ = axes_of_layer(image)
    except InputError:
        return False
    sizes = dict(zip(axes, level0(image).shape, strict=True))
    ours = [n for n in level0(labels).shape if n != 1]
    return [sizes[a] for a in label_axes(axes) if sizes[a] != 1] == ours


def freeze(layer: Labels) -> Frozen:
    """Array and attributes of a labels layer, as a worker turns them into a segmentation; nothing is copied.

    See :func:`~napari_segplugin.viewer.writers.labels_to_segmentation`.
    """
    _, attributes, _ = layer.as_layer_data_tuple()
    return level0(layer), attributes


def tracks_of(features: DataFrame | None) -> dict[int, int]:
    """Track of each label, from the columns "index" (or "label") and "track" of a features table; empty without them."""
    if features is None:
        return {}
    names = set(getattr(features, "columns", ()))
    key = "index" if "index" in names else "label"
    if not {key, "track"} <= names:
        return {}
    found = features[[key, "track"]].dropna()
    return dict(zip(found[key].astype(int).tolist(), found["track"].astype(int).tolist(), strict=True))


def keep_only(labels: Array, numbers: np.ndarray) -> np.ndarray:
    """A copy of labels in which every other object is background.

    Parameters
    ----------
    labels : array of int
    numbers : (N,) ndarray of int
    """
    array = np.asarray(labels)
    return np.where(np.isin(array, numbers), array, 0).astype(array.dtype)


def where_not(labels: Array, numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    """Indices of the voxels of every object but these."""
    array = np.asarray(labels)
    return np.nonzero((array != 0) & ~np.isin(array, numbers))


def make_background(layer: Labels, indices: tuple[np.ndarray, ...]) -> None:
    """Set voxels to 0 as one step of the layer's own undo list.

    Raises
    ------
    InputError
        If the layer cannot be edited.
    """
    if layer.multiscale or not layer.editable or not isinstance(layer.data, np.ndarray):
        raise InputError(
            f"The layer '{layer.name}' cannot be edited.",
            got="a locked layer, a pyramid, or labels on disk",
            hint="Load its finest level into memory, or unlock it.",
        )
    layer.data_setitem(indices, 0)


def kept_layer(layer: Labels, labels: np.ndarray) -> Labels:
    """A layer that shows some objects of another one, in the same colours, and cannot be painted on."""
    made = Labels(
        labels,
        name=f"{layer.name} · in range",
        colormap=layer.colormap,
        opacity=layer.opacity,
        metadata={"segplugin": {"role": "kept"}},
        **placed(layer),
    )
    made.editable = False
    return made


def outcome_layer(layer: Labels, overlay: np.ndarray) -> Labels:
    """A layer of hits, misses and false objects over a labels layer.

    Parameters
    ----------
    layer : napari.layers.Labels
    overlay : ndarray of uint8
        1 hit, 2 missed, 3 false; axes in the order T, Z, Y, X.
    """
    axes = axes_of_labels(layer.ndim, layer.axis_labels)
    made = Labels(
        to_layer_order(overlay, axes).reshape(level0(layer).shape),
        name=f"{layer.name} · hits and misses",
        colormap=label_colormap_of(OUTCOME_COLORS),
        opacity=0.9,
        metadata={"segplugin": {"role": "outcome"}},
        features={"index": [0, 1, 2, 3], "outcome": ["", "hit", "missed", "false"]},
        **placed(layer),
    )
    made.editable = False
    return made


def placed(layer: Layer) -> Placement:
    """Where a layer lies, for another one that lies over it."""
    return {
        "scale": layer.scale.tolist(),
        "translate": layer.translate.tolist(),
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def label_under(layer: Labels, event: Event) -> int:
    """The object under the mouse; 0 where there is none."""
    value = layer.get_value(
        event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
    )
    found = value[-1] if isinstance(value, Sequence) else value
    return int(found) if found is not None else 0


__all__ = [
    "OUTCOME_COLORS",
    "freeze",
    "guess_pair",
    "images_over",
    "keep_only",
    "kept_layer",
    "label_under",
    "labels_layers",
    "make_background",
    "outcome_layer",
    "pair_of",
    "placed",
    "task_of",
    "tracks_of",
    "where_not",
    "with_task",
]
