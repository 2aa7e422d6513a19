"""A result in the viewer: what was predicted, what a person made of it, and how a new run joins it. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segplugin.core import (
    Box,
    ClassTable,
    InputError,
    ObjectTable,
    Segmentation,
    Task,
    classes_from_json,
    labels_in,
)
from napari_segplugin.core.types import JsonDict, json_integers, json_object
from napari_segplugin.data.drawn import Outline, centres_inside, inside
from napari_segplugin.viewer.colors import class_colormap
from napari_segplugin.viewer.corrections import label_shape
from napari_segplugin.viewer.geometry import label_axes, to_canonical, to_layer_order
from napari_segplugin.viewer.layers import features_of, layer_to_image, level0, segmentation_to_layer
from napari_segplugin.viewer.light import drawn, quick_outlines
from napari_segplugin.viewer.table import Features

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from pandas import DataFrame

    from napari_segplugin.core.specs import ClassesJson


@dataclass(eq=False)
class Result:
    """A result layer and what it was before anybody touched it.

    Parameters
    ----------
    image_layer : napari.layers.Image
    axes : str
        Axes of the array of the image layer.
    layer : napari.layers.Labels
    segmentation : Segmentation
        As predicted; nobody paints into its labels.
    model : str
        What the model was called in the list.
    adopted : bool
        The layer came from elsewhere (a file, another plugin): no run takes its place.
    """

    image_layer: ImageLayer
    axes: str
    layer: Labels
    segmentation: Segmentation
    model: str = ""
    adopted: bool = False

    @property
    def _rgb(self) -> bool:
        return bool(getattr(self.image_layer, "rgb", False))

    @property
    def before(self) -> np.ndarray:
        """The labels as predicted, in the order of the layer."""
        return to_layer_order(np.asarray(self.segmentation.labels), self.axes, self._rgb)

    @property
    def edited(self) -> bool:
        """Whether a person (or another plugin) changed the labels, or looked at objects and said what they are."""
        features = self.layer.features
        if self.adopted:
            return True
        if "status" in features and not set(features["status"].tolist()) <= {"", "predicted"}:
            return True
        return not np.array_equal(self.before, np.asarray(self.layer.data))

    @property
    def accepted(self) -> tuple[int, ...]:
        """Objects that a person looked at and found right."""
        features = self.layer.features
        if not {"label", "status"} <= set(features.columns):
            return ()
        return tuple(int(n) for n in features["label"][features["status"] == "accepted"])

    @property
    def origin(self) -> tuple[int, ...]:
        """First voxel in the image, along the axes of its labels; nothing where that is the first of all."""
        start = json_integers(self.segmentation.recipe.get("origin"))
        return (0,) * (len(self.segmentation.axes) - len(start)) + start if start else ()

    def current(self) -> Segmentation:
        """The result as it is now: labels from the layer, and a table that knows what is new.

        Returns
        -------
        Segmentation
            Class, score and status of each label are those of the layer's features table; a label without a row gets
            the first thing class and the status "corrected".
        """
        # the layer may hold smaller numbers than the prediction, or wider ones when it needed them
        kind = np.promote_types(self.layer.data.dtype, self.segmentation.labels.dtype)
        labels = to_canonical(np.array(self.layer.data, kind), self.axes, self._rgb)
        objects = table_for(labels, self.segmentation, self.layer.features)
        # voxel size and place may have been set since the run
        image, start = (
            layer_to_image(self.image_layer, self.axes),
            json_integers(self.segmentation.recipe.get("origin")),
        )
        place = image.place and image.place.at(dict(zip("ZYX"[3 - len(start) :], start, strict=True)))
        return replace(
            self.segmentation,
            labels=labels,
            objects=objects,
            name=str(self.layer.name),
            spacing=image.canonical_spacing,
            unit=image.unit,
            place=place,
        )


def adopt(layer: Labels, image_layer: ImageLayer, axes: str, classes: ClassTable, class_id: int = 0) -> Result:
    """Take labels that came from elsewhere as a result, so that they can be corrected and learnt from.

    Parameters
    ----------
    layer : napari.layers.Labels
        Objects, over the image.
    image_layer : napari.layers.Image
    axes : str
        Axes of the array of the image layer.
    classes : ClassTable
    class_id : int
        The class of all objects, which is written into the features of the layer; 0 where these say it, or there is one.

    Raises
    ------
    InputError
        If the labels do not lie over the image.
    """
    shape = label_shape(image_layer, axes)
    if tuple(level0(layer).shape) != shape:
        raise InputError(
            f"The layer '{layer.name}' does not lie over the image '{image_layer.name}'.",
            got=f"shape {tuple(level0(layer).shape)} for an image of {shape}",
            hint="Choose the image that it was made for",
        )
    rgb = bool(getattr(image_layer, "rgb", False))
    labels = to_canonical(np.array(level0(layer)), axes, rgb)
    image = layer_to_image(image_layer, axes)
    ordered, unit = image.canonical_spacing, image.unit
    table = ObjectTable.of(labels, class_id or (classes.thing_ids or (1,))[0])
    name, own = str(layer.name), label_axes(axes)
    recipe: JsonDict = {"what": "labels of a layer", "input": {"name": image.name, "source": image.source}}
    found = Segmentation(Task.INSTANCE, labels, table, classes, own, ordered, unit, name, recipe, image.place)
    quick_outlines(layer)
    if class_id:
        _say_class(layer, found)
    return Result(image_layer, axes, layer, _as_saved(found, layer), name, adopted=True)


def classes_of_layer(layer: Labels) -> ClassTable | None:
    """The classes of a result that was opened from a file; None of labels that nobody has described."""
    about = json_object(layer.metadata.get("segplugin")) if isinstance(layer.metadata, dict) else {}
    return classes_from_json(cast("ClassesJson", about["classes"])) if "classes" in about else None


def _as_saved(found: Segmentation, layer: Labels) -> Segmentation:
    """Labels of a layer with the task, the scores and the recipe that the file had from which they were opened."""
    if classes_of_layer(layer) is None:
        return found
    task = Task(str(json_object(layer.metadata["segplugin"]).get("task", found.task)))
    recipe = json_object(layer.metadata.get("recipe")) or found.recipe
    kept = {k: v for k, v in recipe.items() if k != "origin"}  # the layer lies over the whole image now
    saved = replace(found, task=task, recipe=kept)
    return replace(saved, objects=table_for(np.asarray(found.labels), saved, layer.features))


def _say_class(layer: Labels, found: Segmentation) -> None:
    """Write what is known of objects into the features of a layer, beside the columns that it has."""
    import pandas as pd

    new, old = pd.DataFrame(features_of(found)), layer.features
    old = old if "index" in old else old.assign(index=range(len(old)))
    layer.features = new.merge(old[[c for c in old if c == "index" or c not in new]], on="index", how="left")


def table_for(labels: np.ndarray, like: Segmentation, features: DataFrame | None = None) -> ObjectTable:
    """A table of the labels that occur: rows of the features table, else old rows, else new ones marked "corrected".

    Parameters
    ----------
    labels : ndarray of int
    like : Segmentation
        Its classes and its table are taken.
    features : DataFrame, optional
        The features table of the layer, as a person left it.
    """
    old = like.objects
    rows = {
        int(n): (int(c), float(s), t) for n, c, s, t in zip(old.label, old.class_id, old.score, old.status, strict=True)
    }
    rows.update(_rows_of(features, {c.name: c.id for c in like.classes}))
    present = labels_in(labels).tolist()
    things = like.classes.thing_ids or (1,)

    def row(n: int) -> tuple[int, float, str]:
        fresh = n if like.task is Task.SEMANTIC and n < len(like.classes) else things[0]
        return rows.get(n, (fresh, float("nan"), "corrected"))

    found = [row(n) for n in present]
    return ObjectTable(
        np.array(present, np.int64),
        np.array([r[0] for r in found], np.int64),
        np.array([r[1] for r in found], np.float32),
        tuple(r[2] for r in found),
    )


def _rows_of(features: DataFrame | None, class_id: dict[str, int]) -> dict[int, tuple[int, float, str]]:
    """Class, score and status by label of a features table; rows of classes that are not known are left out."""
    if features is None or not {"label", "class", "score", "status"} <= set(features.columns):
        return {}
    columns = (features[c].tolist() for c in ("label", "class", "score", "status"))
    return {
        int(n): (class_id[c], float(s), str(t)) for n, c, s, t in zip(*columns, strict=True) if int(n) and c in class_id
    }


def whole_image(
    part: Segmentation, shape: Sequence[int], into: Segmentation | None = None, frame: int | None = None
) -> Segmentation:
    """Put the result of a region into labels of the whole image.

    Parameters
    ----------
    part : Segmentation
        Its ``recipe["origin"]`` is the first voxel of the region, along the spatial axes.
    shape : sequence of int
        Of the labels of the whole image, T first where there is one.
    into : Segmentation, optional
        An earlier result of the whole image; outside the region it is kept. Objects keep their numbers, new objects
        get numbers above them.
    frame : int, optional
        The time point of the region.

    Returns
    -------
    Segmentation
        Without an origin; ``recipe["region"]`` says where the last run was.
    """
    labels, known = np.asarray(part.labels), _known(part)
    origin = json_integers(part.recipe.get("origin", (0,) * labels.ndim))
    index: tuple[slice, ...] = tuple(slice(o, o + n) for o, n in zip(origin, labels.shape, strict=True))
    if frame is not None:
        index = (slice(frame, frame + 1), *index)
        labels = labels[None]
        known = None if known is None else known[None]
    objects = part.objects
    if into is None:
        whole = np.zeros(tuple(shape), labels.dtype)
        whole[index] = labels
    else:
        whole = np.array(into.labels)
        shift = 0 if part.task is Task.SEMANTIC else int(whole.max(initial=0))
        fresh = np.where(labels > 0, labels + np.asarray(shift, labels.dtype), 0)
        whole[index] = fresh if known is None else _within(whole[index], fresh, known, into)
        objects = _joined(into.objects, objects, shift, whole)
    recipe = {k: v for k, v in part.recipe.items() if k != "origin"}
    recipe["region"] = [[int(s.start), int(s.stop)] for s in index]
    axes = part.axes if frame is None else "T" + part.axes
    return replace(part, labels=whole, objects=objects, axes=axes, recipe=recipe)


def _known(part: Segmentation) -> np.ndarray | None:
    """Which voxels of a part lie in the regions that were drawn for it; None where none were drawn."""
    axes = [i for i, a in enumerate(part.axes) if a in "ZYX"]
    origin = json_integers(part.recipe.get("origin", (0,) * len(axes)))
    sizes = [part.labels.shape[i] for i in axes]
    return drawn_in(part, tuple(slice(o, o + n) for o, n in zip(origin, sizes, strict=True)))


def drawn_in(segmentation: Segmentation, box: Box) -> np.ndarray | None:
    """Which voxels of a box along (Z,) Y, X lie in the regions that were drawn for a result; None where none were drawn."""
    outlines = segmentation.recipe.get("regions")
    return inside([Outline.from_json(o) for o in outlines], box) if isinstance(outlines, list) else None


def _within(old: np.ndarray, fresh: np.ndarray, known: np.ndarray, into: Segmentation) -> np.ndarray:
    """Labels of a box after a run in drawn regions: whose middle lies outside of them stays as it was."""
    known = np.broadcast_to(known, old.shape)
    if into.task is Task.SEMANTIC:
        return np.where(known, fresh, old)
    numbers = labels_in(old)
    things = np.isin(into.objects.class_id, into.classes.thing_ids)
    is_thing = np.isin(numbers, into.objects.label[things])
    gone = numbers[is_thing][centres_inside(old, numbers[is_thing], known)]
    left = np.where(np.isin(old, gone) | (known & ~np.isin(old, numbers[is_thing])), 0, old)
    made: np.ndarray = np.where(
        (fresh > 0) & (known | (left == 0)) & ((left == 0) | ~np.isin(left, numbers[is_thing])), fresh, left
    )
    return made


def _joined(old: ObjectTable, new: ObjectTable, shift: int, labels: np.ndarray) -> ObjectTable:
    """Rows of both tables for the labels that are still there; the new rows win."""
    rows = {int(n): (c, s, t) for n, c, s, t in zip(old.label, old.class_id, old.score, old.status, strict=True)}
    more = zip(new.label, new.class_id, new.score, new.status, strict=True)
    rows.update({int(n) + shift: (c, s, t) for n, c, s, t in more})
    kept = [int(n) for n in np.unique(labels) if int(n) in rows]
    return ObjectTable(
        np.array(kept, np.int64),
        np.array([rows[n][0] for n in kept], np.int64),
        np.array([rows[n][1] for n in kept], np.float32),
        tuple(rows[n][2] for n in kept),
    )


def show_result(
    viewer: ViewerModel,
    segmentation: Segmentation,
    image_layer: ImageLayer,
    axes: str,
    *,
    replaces: Result | None = None,
    features: Features | DataFrame | None = None,
    labels: np.ndarray | None = None,
) -> Result:
    """Show a result. It takes the place of an earlier one only if nobody edited that.

    Parameters
    ----------
    viewer : napari.Viewer
    segmentation : Segmentation
        Of the whole image.
    image_layer : napari.layers.Image
        It may have been removed from the viewer meanwhile.
    axes : str
    replaces : Result, optional
        The earlier result of this image.
    features : dict or DataFrame, optional
        What :func:`napari_segplugin.viewer.layers.features_of` returned.
    labels : ndarray, optional
        What :func:`napari_segplugin.viewer.layers.drawn` returned, made in a worker; made here by default.

    Returns
    -------
    Result
    """
    features = features_of(segmentation) if features is None else features
    labels = drawn(np.asarray(segmentation.labels), segmentation.task) if labels is None else labels
    name = f"{image_layer.name} · {segmentation.task}"
    layer = segmentation_to_layer(replace(segmentation, labels=labels), image_layer, axes, features=features, name=name)
    old = replaces.layer if replaces is not None else None
    fits = old is not None and old in viewer.layers and old.data.shape == layer.data.shape
    if (
        replaces is None
        or old is None
        or not fits
        or replaces.segmentation.task is not segmentation.task
        or replaces.edited
    ):
        viewer.add_layer(layer)
        return Result(image_layer, axes, layer, segmentation)
    old.data = layer.data
    old.features = layer.features
    old.metadata = layer.metadata
    if segmentation.task is Task.SEMANTIC:
        old.colormap = class_colormap(segmentation)
    _forget_history(old)
    return Result(image_layer, axes, old, segmentation)


def _forget_history(layer: Labels) -> None:
    """Empty the undo list: its atoms belong to the old labels and would write stale values into the new ones."""
    layer.editable = False
    layer.editable = True
