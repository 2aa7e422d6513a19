"""Corrections from files, for fine-tuning: strokes and results with the classes of their objects, points and boxes."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np

from napari_segplugin.core import ClassTable, Image, InputError, ModelSpec, Note, Task
from napari_segplugin.core.schema import Between
from napari_segplugin.core.words import csv_text
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.io.boundary import read_json, reading
from napari_segplugin.io.files import as_path, check_readable
from napari_segplugin.io.object_classes import class_number, read_object_classes, table_beside
from napari_segplugin.io.pairs import open_labels

Span = list[Annotated[list[int], Between(2, 2)]]
"""A start and a stop along each axis."""
BoxEntry = TypedDict("BoxEntry", {"box": Span, "class": NotRequired[int | str]})
"""A box and its class."""
_FORM = '[[[start, stop], [start, stop]], …] or [{"box": [[start, stop], [start, stop]], "class": 1}, …]'


def read_corrections(
    options: Namespace, image: Image, spec: ModelSpec, say: Callable[[Note], object] | None = None
) -> Corrections:
    """Everything that the options of `segplugin finetune` name.

    Parameters
    ----------
    options : Namespace
    image : Image
        What they belong to: labels of the same patient come on its grid.
    spec : ModelSpec
        What is to learn from it.
    say : callable, optional
        Is told what a person has to know.

    Raises
    ------
    InputError
        If a file cannot be read or does not fit.
    """
    paths = {"edited": options.result, "before": options.before}
    areas = {"reviewed": options.reviewed, "nothing": options.nothing}
    shape = image.spatial_shape
    found: dict[str, Any] = {word: open_labels(path, image, say) for word, path in paths.items() if path}
    found |= {word: open_labels(path, image, say) > 0 for word, path in areas.items() if path}
    found |= read_points(options.points, len(shape), spec.classes) if options.points else {}
    found |= read_boxes(options.boxes, len(shape), spec.classes) if options.boxes else {}
    paint = open_labels(options.corrections, image, say) if options.corrections else np.zeros(shape, np.uint16)
    found["painted_class"] = _classes_of(paint, options.stroke_classes, (options.corrections,), spec)
    if options.result:
        sources = (options.before, options.result)
        found["object_class"] = _classes_of(found["edited"], options.result_classes, sources, spec)
    return Corrections(paint, **found)


def _classes_of(labels: np.ndarray, named: str | None, beside: Sequence[str | None], spec: ModelSpec) -> dict[int, int]:
    """The class of each object: as the file that was named says, or the tables beside the labels."""
    if named:
        return read_object_classes(named, labels, spec.classes)
    if spec.task is Task.SEMANTIC or len(spec.classes) == 2:
        return {}  # numbers are classes, or there is one class only
    found: dict[int, int] = {}
    for path in beside:
        table = table_beside(path) if path else None
        found |= read_object_classes(table, labels, spec.classes) if table else {}
    return found


def read_points(path: str | Path, ndim: int, classes: ClassTable | None = None) -> dict[str, Any]:
    """Points of a table with a heading: `axis-0`, `axis-1` … (as napari saves points) or `z`, `y`, `x`; and `class`.

    Parameters
    ----------
    path : path
    ndim : int
        2 or 3.
    classes : ClassTable, optional
        With it a class may be named as well as numbered.

    Returns
    -------
    dict
        `points` (N, ndim) in voxels and `point_class`, fields of :class:`napari_segplugin.data.corrections.Corrections`.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing or a value is no number.
    """
    place = as_path(path)
    check_readable(place)
    with reading(place, "a table of points"), place.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    choices = ([f"axis-{i}" for i in range(ndim)], list("zyx"[3 - ndim :]))
    heading = list(rows[0]) if rows else []
    names = next((names for names in choices if set(names) <= set(heading)), None)
    if names is None:
        raise InputError(
            "The table of points lacks a column, or has no rows.",
            got=", ".join(map(str, heading)) or "nothing",
            accepted=" or ".join(", ".join(names) for names in choices),
        )
    try:
        points = np.array([[float(row[name]) for name in names] for row in rows])
        kinds = tuple(_number(csv_text(row["class"] or ""), classes) for row in rows) if "class" in heading else ()
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError("A value in the table of points is not a number.", got=str(error)) from error
    return {"points": points, "point_class": kinds}


def _number(given: str | int, classes: ClassTable | None) -> int:
    return int(given) if classes is None else class_number(str(given), classes)


def read_boxes(path: str | Path, ndim: int, classes: ClassTable | None = None) -> dict[str, Any]:
    """Boxes of a JSON list: `[[start, stop], …]` in voxels along [Z,] Y, X, or `{"box": …, "class": 1}`.

    Parameters
    ----------
    path : path
    ndim : int
        2 or 3.
    classes : ClassTable, optional
        With it a class may be named as well as numbered.

    Returns
    -------
    dict
        `boxes` and `box_class`, fields of :class:`napari_segplugin.data.corrections.Corrections`.

    Raises
    ------
    InputError
        If the file cannot be read, or is not such a list.
    """
    place = as_path(path)
    check_readable(place)
    rows = read_json(place, list[Span | BoxEntry], _FORM)
    kinds = tuple(_number(row["class"], classes) for row in rows if isinstance(row, dict) and "class" in row)
    spans = [row["box"] if isinstance(row, dict) else row for row in rows]
    boxes = [tuple(slice(start, stop) for start, stop in box) for box in spans]
    if any(len(box) != ndim for box in boxes):
        raise InputError(f"A box needs a start and a stop along each of {ndim} axes for this image.", accepted=_FORM)
    return {"boxes": boxes, "box_class": kinds}


__all__ = ["read_boxes", "read_corrections", "read_points"]
