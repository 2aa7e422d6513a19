"""The writers of the manifest: labels with their voxel size, and the recipe beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, Task
from napari_segplugin.viewer.layers import UNITS


def labels_to_segmentation(data: Any, attributes: dict[str, Any]) -> Segmentation:
    """A segmentation from the data and attributes of any labels layer.

    Parameters
    ----------
    data : array of int
    attributes : dict
        As napari hands them to a writer: scale, units, axis_labels, metadata, name …

    Returns
    -------
    Segmentation
        Axes are taken from the names of the layer's axes, or are the last of "TZYX".
    """
    array = np.asarray(data)
    metadata = dict(attributes.get("metadata") or {})
    labels = [str(a).upper() for a in attributes.get("axis_labels") or ()]
    named = "".join(labels) if all(len(a) == 1 and a in "TCZYX" for a in labels) else ""
    axes = named if len(named) == array.ndim and set("YX") <= set(named) else "TCZYX"[-array.ndim :]
    scale = np.asarray(attributes.get("scale") or (1.0,) * array.ndim, float)
    units = [str(u) for u in attributes.get("units") or ("pixel",) * array.ndim]
    if "C" in axes:
        at = axes.index("C")
        array = np.take(array, 0, axis=at)
        scale, axes = np.delete(scale, at), axes.replace("C", "")
        units.pop(at)
    order = [axes.index(a) for a in "TZYX" if a in axes]
    spacing = tuple(float(abs(scale[i])) for i in order if axes[i] != "T")
    unit = units[axes.index("X")]
    array, axes = array.transpose(order), "".join(axes[i] for i in order)
    task = Task(metadata.get("segplugin", {}).get("task", "instance"))
    top = int(array.max(initial=0)) if task is Task.SEMANTIC else 1
    classes = ClassTable.named([f"class {i}" for i in range(1, max(top, 1) + 1)])
    return Segmentation(
        task,
        array,
        ObjectTable.of(array),
        classes,
        axes,
        spacing,
        UNITS.get(unit, unit),
        name=str(attributes.get("name", "segmentation")),
        recipe=metadata.get("recipe", {}),
    )


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer, and its recipe beside it.

    Parameters
    ----------
    path : str
    data : array of int
    attributes : dict

    Returns
    -------
    list of str
        The files that were written.
    """
    from napari_segplugin.io import write_segmentation

    return [str(p) for p in write_segmentation(labels_to_segmentation(data, attributes), path)]
