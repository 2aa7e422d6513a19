"""The writers of the manifest: labels with their voxel size, and the recipe beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from napari import current_viewer

from napari_segplugin.core import ClassTable, ObjectTable, Segmentation, SegPluginError, Task, classes_from_json
from napari_segplugin.core.types import Array, Json, json_object
from napari_segplugin.viewer.layers import UNITS, LayerOptions
from napari_segplugin.viewer.results import table_for
from napari_segplugin.viewer.space import place_in, scene_of

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segplugin.core.specs import ClassesJson


class NotSavedError(SegPluginError):
    """Labels could not be saved from napari's own menu or by ``layer.save``; says why, in one sentence."""


def labels_to_segmentation(data: Array, attributes: LayerOptions) -> Segmentation:
    """A segmentation from the data and attributes of any labels layer.

    Parameters
    ----------
    data : array of int
    attributes : dict
        As napari hands them to a writer: scale, units, axis_labels, metadata, features, name …

    Returns
    -------
    Segmentation
        Axes are taken from the names of the layer's axes, from what a result of the plugin says, or are the last of
        "TZYX". Classes, scores and status come from the features table, where it has them.
    """
    array = np.asarray(data)
    metadata = attributes.get("metadata") or {}
    about = json_object(metadata.get("segplugin"))
    axes = axes_of_labels(array.ndim, attributes.get("axis_labels") or (), str(about.get("axes", "")))
    place = place_in(cast("Mapping[str, object]", attributes), axes, _with_scene(about))
    scale = np.asarray(attributes["scale"] if attributes.get("scale") is not None else (1.0,) * array.ndim, float)
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
    task = Task(str(about.get("task", "instance")))
    features = attributes.get("features")
    found = Segmentation(
        task,
        array,
        ObjectTable.of(array),
        _classes(about, features, task, array),
        axes,
        spacing,
        UNITS.get(unit, unit),
        name=str(attributes.get("name", "segmentation")),
        recipe=json_object(metadata.get("recipe")),
        place=place,
    )
    if task is Task.SEMANTIC:
        found = replace(found, objects=replace(found.objects, class_id=found.objects.label))
    if "class" not in getattr(features, "columns", ()):
        return found
    return replace(found, objects=table_for(array, found, features))


def _with_scene(about: Mapping[str, Json]) -> Mapping[str, Json]:
    """What a layer remembers; labels that were made by napari over a patient lie in the space of the viewer's layers."""
    if "place" in about or "scene" in about:
        return about
    viewer = current_viewer()
    scenes = [scene_of(layer) for layer in (viewer.layers if viewer is not None else ())]
    found = next((scene for scene in scenes if scene is not None), None)
    return about if found is None else {**about, "scene": found.tolist()}


def axes_of_labels(ndim: int, labels: Sequence[str], known: str = "") -> str:
    """The axes of a labels layer: by the names on the layer, by what made it, or the usual ones."""
    named = "".join(str(a).upper() for a in labels) if all(len(str(a)) == 1 for a in labels) else ""
    for found in (named, known):
        if len(found) == ndim and len(set(found)) == ndim and set("YX") <= set(found) <= set("TCZYX"):
            return found
    return "TCZYX" if ndim == 5 else "TZYX"[-ndim:]


def _classes(about: Mapping[str, Json], features: DataFrame | None, task: Task, labels: np.ndarray) -> ClassTable:
    """The classes of a result of the plugin, those that its features table names, or made up ones."""
    if "classes" in about:
        return classes_from_json(cast("ClassesJson", about["classes"]))
    if task is Task.SEMANTIC:
        return ClassTable.named([f"class {i}" for i in range(1, max(int(labels.max(initial=0)), 1) + 1)])
    if features is None or "class" not in getattr(features, "columns", ()):
        return ClassTable.named(["object"])
    named = features["class"].astype(str).unique().tolist()
    return ClassTable.named([n for n in named if n.strip() and n != "background"] or ["object"])


def write_labels(path: str, data: Array, attributes: LayerOptions) -> list[str]:
    """Write a labels layer in the format that the extension names, its recipe and its objects beside it.

    Parameters
    ----------
    path : str
    data : array of int
    attributes : dict

    Returns
    -------
    list of str
        The files that were written.

    Raises
    ------
    NotSavedError
        If they cannot be written, with the sentence that says why.
    """
    from napari_segplugin.door.results import write_segmentation
    from napari_segplugin.io.files import in_image
    from napari_segplugin.io.formats import with_extension

    place = Path(path)
    if in_image(place):  # napari adds an ending to every name, and labels in a zarr have none
        place = with_extension(place, "")
    try:
        return [str(p) for p in write_segmentation(labels_to_segmentation(data, attributes), place)]
    except ValueError as error:  # napari takes any of this type for "no writer", and keeps the reason to itself
        raise NotSavedError(str(error)) from error
