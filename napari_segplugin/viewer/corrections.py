"""What a person painted: the layer and the class of what is on it, the reviewed area, copies, counts. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes

from napari_segplugin.core import BACKGROUND_PAINT, PALETTE, ClassInfo, ClassTable, InputError, Segmentation, Task
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, layer_axes, placement, to_canonical
from napari_segplugin.viewer.layers import BACKGROUND_COLOR, level0

NAME, REVIEWED_NAME = "corrections", "reviewed area"


CLASSES, OBJECTS = "classes", "objects"
"""What the numbers of a corrections layer are: classes, or objects that are painted whole (and areas between them)."""
FIRST_AREA = BACKGROUND_PAINT - 255
"""The least number of an area; objects have lower ones."""


def paints_of(task: Task) -> str:
    """What is painted for a task."""
    return CLASSES if task is Task.SEMANTIC else OBJECTS


def area_value(class_id: int) -> int:
    """The number that paints an area among objects: counted down from the background's.

    Examples
    --------
    >>> area_value(0), area_value(2)
    (65535, 65533)
    """
    return BACKGROUND_PAINT - class_id


def areas_of(classes: ClassTable) -> list[ClassInfo]:
    """The classes that lie as areas among objects."""
    return [c for c in classes if c.id and c.id not in classes.thing_ids] if classes.thing_ids else []


def is_object(value: int) -> bool:
    """Whether a number of a layer of objects is one, and neither nothing, background nor an area."""
    return 0 < value < FIRST_AREA


def paints_on(layer: Labels) -> str:
    """What the numbers of a corrections layer are; empty where that is not said."""
    about = layer.metadata.get("segplugin", {})
    return str(about.get("paints", "")) if isinstance(about, dict) else ""


def class_names(layer: Labels) -> dict[int, str]:
    """The name of the class of each number that was painted on a layer of objects."""
    table = layer.features
    if not {"label", "class"} <= set(table.columns):
        return {}
    return {int(n): str(c) for n, c in zip(table["label"], table["class"], strict=True) if int(n)}


def name_classes(layer: Labels, names: Mapping[int, str]) -> None:
    """Say of which class numbers are; it is kept in the features of the layer, in the columns that results have.

    Parameters
    ----------
    layer : napari.layers.Labels
    names : mapping of int to str
        Added to what is said already.
    """
    known = class_names(layer)
    if all(known.get(n) == name for n, name in names.items()):
        return
    known |= names
    numbers = sorted(known)
    layer.features = {
        "index": [0, *numbers],
        "label": [0, *numbers],
        "class": ["", *(known[n] for n in numbers)],
        "score": [np.nan] * (len(numbers) + 1),
        "status": ["", *["painted"] * len(numbers)],
    }


def label_shape(layer: Any, axes: str) -> tuple[int, ...]:
    """Shape of a label layer that lies over an image layer: without C, or with a C of length one."""
    rgb = bool(getattr(layer, "rgb", False))
    sizes = dict(zip(axes, level0(layer).shape, strict=True))
    return tuple(1 if a == "C" else int(sizes[a]) for a in layer_axes(axes, rgb))


def corrections_layer(
    like: Any, axes: str, colors: dict[int, str], paint: np.ndarray | None = None, paints: str = ""
) -> Labels:
    """An empty corrections layer over an image layer, ready for the brush.

    Parameters
    ----------
    like : napari.layers.Image
    axes : str
        Axes of the array of `like`.
    colors : dict of int to str
        Colour of each paint value.
    paint : ndarray of uint16, optional
        Strokes to begin with (restored ones), shape :func:`label_shape`.
    paints : str
        "classes" or "objects": what the numbers are.

    Raises
    ------
    InputError
        If `paint` does not have the shape of the image.
    """
    shape = label_shape(like, axes)
    if paint is not None and paint.shape != shape:
        raise InputError(
            "These corrections belong to another image.", got=f"shape {paint.shape} for an image of {shape}"
        )
    layer = Labels(
        np.zeros(shape, np.uint16) if paint is None else np.array(paint, np.uint16),
        name=NAME,
        colormap=label_colormap_of(colors),
        metadata={"segplugin": {"role": "corrections", "paints": paints}},
        **placement(like, axes),
    )
    layer.brush_size = max(3, min(shape[-2:]) // 60)
    layer.selected_label = 1
    return layer


def check_paints(layer: Labels, task: Task) -> None:
    """Refuse to take strokes of classes for objects, or the other way round.

    Raises
    ------
    InputError
        If the layer was painted for another kind of task.
    """
    there, wanted = paints_on(layer), paints_of(task)
    if there and there != wanted:
        words = {CLASSES: "strokes of classes", OBJECTS: "whole objects"}
        raise InputError(
            f"The layer '{layer.name}' contains {words[there]}, but {words[wanted]} are needed.",
            hint="Choose again what the layer was painted for, or remove the layer to start again",
        )


def check_classes(layer: Labels, classes: ClassTable, painted: Collection[int]) -> None:
    """Refuse to take strokes of one class for another, where another model numbers its classes otherwise.

    Parameters
    ----------
    layer : napari.layers.Labels
        Strokes of classes.
    classes : ClassTable
        What is to be learnt.
    painted : collection of int
        Numbers that there are strokes of.

    Raises
    ------
    InputError
        If a number has another name in the table.
    """
    if paints_on(layer) != CLASSES:
        return
    for number, name in class_names(layer).items():
        now = classes[number].name if 0 < number < len(classes) else ""
        if number in painted and number != BACKGROUND_PAINT and now != name:
            instead = f"“{now}” is number {number} here" if now else "which is not looked for here"
            raise InputError(
                f"Strokes on the layer '{layer.name}' were painted for the class “{name}”; {instead}.",
                hint="Choose the model or the classes that they were painted for, or remove the layer and paint again",
            )


def check_strokes(layer: Labels, task: Task, classes: ClassTable, painted: Collection[int]) -> None:
    """As :func:`check_paints` and :func:`check_classes`."""
    check_paints(layer, task)
    check_classes(layer, classes, painted)


def paint_colors(classes: ClassTable, paints: str) -> dict[int, str]:
    """Colour of each paint value: class colours, or for objects a cycle of the palette, and red for background."""
    if paints == CLASSES:
        colors = {c.id: c.color for c in classes if c.id}
    else:
        areas = {area_value(c.id): c.color for c in areas_of(classes)}
        palette = [c for c in PALETTE[1:] if c not in areas.values()] or PALETTE[1:]
        colors = {i: palette[(i - 1) % len(palette)] for i in range(1, 256)} | areas
    return {**colors, BACKGROUND_PAINT: BACKGROUND_COLOR}


def classes_in(found: Segmentation, features: Any, classes: ClassTable, *, renamed: bool = False) -> dict[int, int]:
    """The class of each object of a result in the numbers of another table, by name.

    Parameters
    ----------
    found : Segmentation
    features : DataFrame
        Of the layer of the result, as a person left it.
    classes : ClassTable
        What is to be learnt.
    renamed : bool
        Whether both tables are of one model, so that a name that differs was changed by a person.

    Returns
    -------
    dict of int to int
        Objects whose class is not in the table are left out; empty for classes of pixels that have the same numbers.
    """
    ids = {c.name: c.id for c in classes if c.id}
    number = {c.id: ids.get(c.name, 0) for c in found.classes}
    if renamed and len(found.classes) == len(classes):
        names = {c.name for c in found.classes}
        number |= {c.id: c.id for c in found.classes if not number[c.id] and classes[c.id].name not in names}
    if found.task is Task.SEMANTIC and all(a == b for a, b in number.items()):
        return {}
    said = kinds = np.zeros(0, np.int64)  # thousands of rows, after each stroke: no loop over them
    if found.task is Task.SEMANTIC:
        said = kinds = np.array([c.id for c in found.classes])
    elif {"label", "class"} <= set(features.columns):
        own = {c.name: c.id for c in found.classes}
        said, kinds = features["label"].to_numpy(np.int64), features["class"].map(own).fillna(0).to_numpy(np.int64)
    unsaid = ~np.isin(found.objects.label, said)
    labels = np.append(found.objects.label[unsaid], said)
    kinds = np.append(found.objects.class_id[unsaid], kinds)
    numbers = np.array([number.get(k, 0) for k in range(int(kinds.max(initial=0)) + 1)])[kinds]
    known = (labels != 0) & (numbers != 0)
    return dict(zip(labels[known].tolist(), numbers[known].tolist(), strict=True))


def reviewed_layer(like: Any, axes: str) -> Shapes:
    """An empty shapes layer over an image: the inside of its shapes is what a person has looked through."""
    where = placement(like, axes)
    return Shapes(
        ndim=len(where["scale"]),
        name=REVIEWED_NAME,
        face_color="transparent",
        edge_color="#56b4e9",
        edge_width=max(1, min(label_shape(like, axes)[-2:]) // 200),
        metadata={"segplugin": {"role": "reviewed"}},
        **where,
    )


def reviewed_mask(shapes: Shapes | None, like: Any, axes: str) -> np.ndarray | None:
    """The inside of the shapes as a mask in canonical order; None where there are none.

    Raises
    ------
    InputError
        If a line or path was drawn, which has no inside.
    """
    if shapes is None or not len(shapes.data):
        return None
    open_kinds = {k for k in shapes.shape_type if k in ("line", "path")}
    if open_kinds:
        raise InputError(
            "The reviewed area has a shape that encloses nothing.",
            got=", ".join(sorted(open_kinds)),
            accepted="rectangles, ellipses and polygons",
            hint="Delete it and draw a rectangle.",
        )
    mask = shapes.to_labels(label_shape(like, axes)) > 0
    return to_canonical(mask, axes, bool(getattr(like, "rgb", False)))


def corrections_from_layers(
    like: Any,
    axes: str,
    *,
    paint: Labels | None = None,
    reviewed: Shapes | None = None,
    result: Labels | None = None,
    before: np.ndarray | None = None,
    copy: bool = True,
) -> Corrections:
    """Copy everything a person corrected. Call it on the GUI thread: napari paints into the array in place.

    Parameters
    ----------
    like : napari.layers.Image
        The image that was corrected.
    axes : str
        Axes of the array of `like`.
    paint, reviewed, result : layer, optional
        Strokes, reviewed area, and the result as it is now.
    before : ndarray, optional
        The array of `result` as it was predicted; it is not copied, since nobody paints into it.
    copy : bool
        False leaves copying for later (:meth:`~napari_segplugin.data.corrections.Corrections.copied`), in a worker.

    Raises
    ------
    InputError
        If a layer does not have the shape of the image.
    """
    shape, rgb = label_shape(like, axes), bool(getattr(like, "rgb", False))
    for layer in (paint, result):
        if layer is not None and tuple(level0(layer).shape) != shape:
            raise InputError(
                f"The layer '{layer.name}' does not lie over the image '{like.name}'.",
                got=f"shape {tuple(level0(layer).shape)} for an image of {shape}",
                hint="Choose the image that it was made for.",
            )

    def canonical(array: Any) -> np.ndarray:
        return to_canonical(np.array(array) if copy else np.asarray(array), axes, rgb)

    strokes = np.zeros(shape, np.uint16) if paint is None else paint.data
    return Corrections(
        canonical(strokes),
        reviewed_mask(reviewed, like, axes),
        None if result is None else canonical(result.data),
        None if before is None or result is None else to_canonical(np.asarray(before), axes, rgb),
        axes=label_axes(axes),
    )


def count_paint(array: np.ndarray) -> dict[int, tuple[int, int]]:
    """Strokes and voxels of each paint value; strokes are the connected pieces.

    Returns
    -------
    dict
        value -> (strokes, voxels)

    Examples
    --------
    >>> count_paint(np.array([[1, 1, 0, 1], [0, 0, 0, 2]], np.uint16))
    {1: (2, 3), 2: (1, 1)}
    """
    from scipy import ndimage

    array = np.asarray(array)
    box = _bounding_box(array)
    if box is None:
        return {}
    part = array[box]
    out = {}
    for value in np.unique(part[part != 0]).tolist():
        mask = part == value
        _, strokes = ndimage.label(mask, np.ones((3,) * mask.ndim))
        out[int(value)] = (int(strokes), int(np.count_nonzero(mask)))
    return out


def _bounding_box(array: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box around everything that is not 0."""
    box = []
    for axis in range(array.ndim):
        used = np.flatnonzero(array.any(axis=tuple(a for a in range(array.ndim) if a != axis)))
        if not len(used):
            return None
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)
