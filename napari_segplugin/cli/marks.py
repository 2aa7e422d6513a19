"""Points and boxes from files, for fine-tuning."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TypedDict

import numpy as np

from napari_segplugin.core import InputError


class Points(TypedDict, total=False):
    """Points, fields of :class:`napari_segplugin.data.corrections.Corrections`."""

    points: np.ndarray
    point_class: tuple[int, ...]


class Boxes(TypedDict, total=False):
    """Boxes, fields of :class:`napari_segplugin.data.corrections.Corrections`."""

    boxes: list[tuple[slice, ...]]
    box_class: tuple[int, ...]


def read_points(path: str | Path, ndim: int) -> Points:
    """Points of a table with a heading: `axis-0`, `axis-1` … (as napari saves points) or `z`, `y`, `x`; and `class`.

    Parameters
    ----------
    path : path
    ndim : int
        2 or 3.

    Returns
    -------
    dict
        `points` (N, ndim) in voxels and `point_class`, fields of :class:`napari_segplugin.data.corrections.Corrections`.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing or a value is no number.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The points cannot be read.", got=f"'{path}', {error}") from error
    choices = ([f"axis-{i}" for i in range(ndim)], list("zyx"[3 - ndim :]))
    heading = list(rows[0]) if rows else []
    names = next((names for names in choices if set(names) <= set(heading)), None)
    if names is None:
        raise InputError(
            "The table of points lacks columns, or has no rows.",
            got=", ".join(map(str, heading)) or "nothing",
            accepted=" or ".join(", ".join(names) for names in choices),
        )
    try:
        points = np.array([[float(row[name]) for name in names] for row in rows])
        kinds = tuple(int(row["class"]) for row in rows) if "class" in heading else ()
    except (TypeError, ValueError) as error:
        raise InputError("A value in the table of points is no number.", got=str(error)) from error
    return {"points": points, "point_class": kinds}


def read_boxes(path: str | Path, ndim: int) -> Boxes:
    """Boxes of a JSON list: `[[start, stop], …]` in voxels along [Z,] Y, X, or `{"box": …, "class": 1}`.

    Parameters
    ----------
    path : path
    ndim : int
        2 or 3.

    Returns
    -------
    dict
        `boxes` and `box_class`, fields of :class:`napari_segplugin.data.corrections.Corrections`.

    Raises
    ------
    InputError
        If the file cannot be read, or is not such a list.
    """
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("The boxes cannot be read.", got=f"'{path}', {error}") from error
    try:
        kinds = tuple(int(row["class"]) for row in rows if isinstance(row, dict) and "class" in row)
        spans = [row["box"] if isinstance(row, dict) else row for row in rows]
        boxes = [tuple(slice(int(start), int(stop)) for start, stop in box) for box in spans]
    except (TypeError, ValueError, KeyError) as error:
        raise InputError("The file of boxes is not a list of boxes.", got=str(error), accepted=_FORM) from error
    if any(len(box) != ndim for box in boxes):
        raise InputError(f"A box needs {ndim} spans for this image.", accepted=_FORM)
    return {"boxes": boxes, "box_class": kinds}


_FORM = '[[[start, stop], [start, stop]], …] or [{"box": [[start, stop], [start, stop]], "class": 1}, …]'

__all__ = ["read_boxes", "read_points"]
