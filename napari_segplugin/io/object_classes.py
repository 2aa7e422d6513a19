"""Which class each object of a label image has: from the table beside it, any other table, or an image of classes."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError
from napari_segplugin.core.words import csv_text
from napari_segplugin.io.boundary import reading
from napari_segplugin.io.files import as_path
from napari_segplugin.io.formats import stem_of
from napari_segplugin.io.pairs import open_labels

_NUMBER, _CLASS = ("label", "value", "number", "index", "object"), ("name", "class")


def table_beside(path: str | os.PathLike[str]) -> Path | None:
    """The table that was written beside labels, ``<stem>.objects.csv``; None where there is none."""
    place = as_path(path)
    found = place.with_name(f"{stem_of(place) or place.name}.objects.csv")
    return found if found.is_file() else None


def class_number(text: str, classes: ClassTable) -> int:
    """The number of a class from its name or its number.

    Raises
    ------
    InputError
        If there is no such class.

    Examples
    --------
    >>> table = ClassTable.named(["cell", "debris"])
    >>> class_number("debris", table), class_number("1", table)
    (2, 1)
    """
    named = next((c.id for c in classes if c.name in (text, text.strip())), None)
    number = int(text) if named is None and text.strip().isdecimal() else named
    if number is None or number >= len(classes):
        raise InputError(
            "There is no such class.", got=f"'{text}'", accepted=", ".join(f"{c.id} or {c.name}" for c in classes)
        )
    return number


def read_object_classes(path: str | os.PathLike[str], labels: np.ndarray, classes: ClassTable) -> dict[int, int]:
    """The class of each object.

    Parameters
    ----------
    path : path
        A table (CSV) with a heading: `label` (or `value`, `number`, `index`, `object`), and `name` or `class`, the name
        or the number of the class. Or a label image of the same size with the class of each voxel, 0 where none is said.
    labels : ndarray of int
        The objects. Rows of others are passed over.
    classes : ClassTable

    Returns
    -------
    dict of int to int
        Without objects of which no class is said.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, differs in size from the labels, or names a class that is not there.
    """
    place = as_path(path)
    present = np.unique(labels)
    wanted = {int(n) for n in present[(present > 0) & (present != BACKGROUND_PAINT)]}
    if place.suffix.lower() != ".csv":
        return _from_image(open_labels(place), labels, classes, place.name)
    with reading(place, "table of classes"), place.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
        heading = list(rows[0]) if rows else []
    number = next((n for n in _NUMBER if n in heading), "")
    columns = [n for n in _CLASS if n in heading]
    if not number or not columns:
        raise InputError(
            f"The table of classes '{place.name}' lacks a column, or has no rows.",
            got=", ".join(map(str, heading)) or "nothing",
            accepted="label, and name or class",
        )
    with reading(place, "table of classes"):
        said = {
            int(r[number]): next((csv_text(str(r[c])) for c in columns if r[c] and str(r[c]).strip()), "") for r in rows
        }
    return {n: class_number(text, classes) for n, text in said.items() if n in wanted and text}


def _from_image(kinds: np.ndarray, labels: np.ndarray, classes: ClassTable, name: str) -> dict[int, int]:
    """The class that most voxels of each object have."""
    if kinds.shape != labels.shape:
        raise InputError(
            f"The image of classes '{name}' and the objects differ in size.", got=f"{kinds.shape} and {labels.shape}"
        )
    there = (labels > 0) & (labels != BACKGROUND_PAINT) & (kinds > 0)
    pairs, counts = np.unique(np.stack([labels[there], kinds[there]]).astype(np.int64), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    return {int(n): class_number(str(int(k)), classes) for n, k in pairs[:, order].T}


__all__ = ["class_number", "read_object_classes", "table_beside"]
