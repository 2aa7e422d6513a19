"""Files -> segmentations: labels together with the task, the classes and the table that were written beside them."""

from __future__ import annotations

import csv
import math
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from napari_segplugin.core import (
    ClassTable,
    Image,
    InputError,
    ObjectTable,
    Place,
    Segmentation,
    Task,
    classes_from_json,
)
from napari_segplugin.core.schema import checked_json
from napari_segplugin.core.types import Json, json_object
from napari_segplugin.core.words import csv_text
from napari_segplugin.io.boundary import read_json, reading
from napari_segplugin.io.files import Format, as_path, check_readable, fingerprint, is_zarr
from napari_segplugin.io.formats import checked_labels, extension_of, format_of, labels_image, read_image, stem_of
from napari_segplugin.io.inside_zarr import RecipeFile, labels_inside


class MixedFilesWarning(UserWarning):
    """Labels, recipe and table that lie beside each other do not belong together."""


def read_segmentation(
    path: str | os.PathLike[str], *, task: Task | str | None = None, classes: ClassTable | None = None
) -> Segmentation:
    """Read a segmentation that :func:`write_segmentation` or another program wrote.

    Parameters
    ----------
    path : path
        A label image or a COCO file. ``<stem>.recipe.json`` and ``<stem>.objects.csv`` beside it are used where they
        are.
    task : Task or str, optional
        What the labels are, where no recipe says it; INSTANCE by default.
    classes : ClassTable, optional
        Where no recipe names them.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If the file cannot be read, is no label image, or what lies beside it is damaged.

    Warns
    -----
    MixedFilesWarning
        If labels, recipe and table were not written together: one of them was replaced, or half a set was copied.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "cells.npy"
    >>> np.save(place, np.array([[0, 4], [4, 7]]))
    >>> read_segmentation(place).objects.label.tolist()
    [4, 7]
    """
    place = as_path(path)
    check_readable(place)
    sentence = mixed(place)
    if sentence:
        warnings.warn(sentence, MixedFilesWarning, stacklevel=2)
    functions: Format = format_of(place).load()
    if functions.read_segmentation is not None:
        return _with_table(functions.read_segmentation(place), place, trusted=not sentence)
    image = labels_image(place)
    labels, axes = checked_labels(image, place.name)
    inside = labels_inside(place)
    about = _recipe(place) or inside.about
    spatial = dict(zip(image.spatial_axes, image.spacing, strict=True))
    labels, axes = _as_recorded(labels, axes, image, about)
    sizes = {a: spatial.get(a, 1.0) for a in axes if a in "ZYX"}
    if sorted(str(about.get("axes", ""))) == sorted(axes) and len(about.get("spacing", ())) == len(sizes):
        # NumPy files hold no voxel size, and ImageJ's TIFF rounds it
        axes_there = [a for a in str(about["axes"]) if a in "ZYX"]
        sizes = dict(zip(axes_there, about["spacing"], strict=True))
        unit = str(about.get("unit", image.unit))
    else:
        unit = image.unit
    kind = Task(about.get("task", task or Task.INSTANCE))
    table = (
        classes_from_json(about["classes"])
        if "classes" in about
        else classes or inside.classes(kind) or _classes(labels, kind)
    )
    spacing = tuple(float(sizes[a]) for a in axes if a in "ZYX")
    recipe = _placed(cast("dict[str, Json]", about.get("recipe") or {}), place.parent)
    rows = _objects(labels, kind, _rows(_beside(place, ".objects.csv")) or inside.rows(table))
    where = _where(image, about.get("place"))
    return Segmentation(kind, labels, rows, table, axes, spacing, unit, image.name, recipe, where)


def _as_recorded(labels: np.ndarray, axes: str, image: Image, about: RecipeFile) -> tuple[np.ndarray, str]:
    """Labels with the axes that are written down beside them, where the file names none, or has one of one plane more."""
    said = str(about.get("axes", ""))
    if len(said) == len(axes) and said != axes and image.metadata["axes_doubt"]:
        return labels, said  # a NumPy file says nothing of its axes
    more = [a for a in axes if a not in said]
    if said and len(said) + len(more) == len(axes) and all(labels.shape[axes.index(a)] == 1 for a in more):
        # NIfTI has no time without depth
        return labels.squeeze(tuple(axes.index(a) for a in more)), "".join(a for a in axes if a not in more)
    return labels, axes


def is_result(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is labels: nothing is taken for labels by its looks.

    A COCO file and labels in OME-Zarr say it themselves; for an image file the recipe beside it does, if it names this
    file and the file is still the one that was written with it.

    Parameters
    ----------
    path : path

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "cells.npy"
    >>> np.save(place, np.array([[0, 4], [4, 7]]))
    >>> is_result(place)
    False
    """
    place = as_path(path)
    check_readable(place)
    functions: Format = format_of(place).load()
    if functions.read_segmentation is not None:
        return True
    if is_zarr(place):
        return labels_inside(place).said
    try:
        about = _recipe(place)
    except InputError:  # of a damaged recipe nothing follows for the image beside it
        return False
    if "task" not in about or not about.get("labels"):
        return False
    first, written = str(about["labels"]), about.get("files")
    if not isinstance(written, dict):
        return first == place.name
    # one recipe stands for the same labels in several formats; the set may have been given another name
    same = [n for n in written if extension_of(Path(n)) == extension_of(place)]
    with reading(place, "a result"):
        return bool(same) and not place.is_dir() and fingerprint(place) in [written[n] for n in same]


def read(path: str | os.PathLike[str], *, field: str = "") -> Image | Segmentation:
    """Read what a file is: a segmentation where it says so (see :func:`is_result`), else an image.

    Parameters
    ----------
    path : path
    field : str, optional
        Which image of an OME-Zarr plate, as its path inside: "A/1/0".

    Returns
    -------
    Image or Segmentation

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "cells.npy"
    >>> np.save(place, np.array([[0, 4], [4, 7]]))
    >>> type(read(place)).__name__
    'Image'
    """
    if not field and is_result(path):
        return read_segmentation(path)
    return read_image(path, field=field)


def _with_table(found: Segmentation, path: Path, trusted: bool) -> Segmentation:
    """A result whose file holds classes itself, with what only the table and the recipe beside it know."""
    about, rows = _recipe(path), _rows(_beside(path, ".objects.csv"))
    if not trusted or about.get("labels") != path.name:
        return found
    if found.place is None and (said := about.get("place")):
        found = replace(found, place=Place.from_json(cast("Json", said)))
    found = _with_areas(found, about)
    table = found.objects
    if not set(table.label.tolist()) <= set(rows):
        return found
    own = [rows[n] for n in table.label.tolist()]
    score = np.array([r[1] for r in own], np.float32)
    known = np.where(np.isnan(table.score), score, table.score).astype(np.float32)
    return replace(found, objects=ObjectTable(table.label, table.class_id, known, tuple(r[2] for r in own)))


def _with_areas(found: Segmentation, about: RecipeFile) -> Segmentation:
    """A result of which the file does not know that some segments are areas: DICOM has one word for both."""
    if found.task is not Task.INSTANCE or about.get("task") != Task.PANOPTIC or "classes" not in about:
        return found
    classes = classes_from_json(about["classes"])
    number = {c.name: c.id for c in classes}
    if not {c.name for c in found.classes if c.id} <= set(number):
        return found
    names = {c.id: c.name for c in found.classes}
    kinds = np.array([number[names[i]] for i in found.objects.class_id.tolist()], np.int64)
    return replace(found, task=Task.PANOPTIC, classes=classes, objects=replace(found.objects, class_id=kinds))


def _where(image: Image, said: object) -> Place | None:
    """The place in the file; what was written beside it, where that says the same and knows more, or the file nothing."""
    known = Place.from_json(cast("Json", said)) if said else None
    if image.place is None or known is None:
        return image.place or known
    own, beside = image.place.matrix, known.resized(dict(zip(image.spatial_axes, image.spacing, strict=True))).matrix
    return known if np.allclose(own, beside, rtol=1e-5, atol=1e-5 * float(np.abs(own).max())) else image.place


def mixed(path: Path) -> str:
    """A sentence where the files beside labels were not written together with them; empty where they belong together.

    Parameters
    ----------
    path : Path
        The labels.

    Returns
    -------
    str
    """
    about = _recipe(path)
    written, first = about.get("files"), str(about.get("labels", ""))
    if not isinstance(written, dict):
        return ""  # of another program, or of a version that did not say
    stem = stem_of(Path(first)) or first
    here = {n: _beside(path, n.removeprefix(stem)) for n in written if n.startswith(stem) and Path(n).name == n}
    with reading(path, "a result"):
        changed = [p.name for n, p in here.items() if p.exists() and fingerprint(p) != written[n]]
    if not changed:
        return ""
    names = " and ".join(f"'{name}'" for name in changed)
    return (
        f"{names} and '{_beside(path, '.recipe.json').name}' were not written together, so classes, scores and sizes may "
        f"belong to another result. Copy all files of the result again, or save it again."
    )


def recorded_task(path: Path) -> Task:
    """What the labels of a file are, as the recipe beside it says, or the file itself.

    Raises
    ------
    InputError
        If neither says it.
    """
    if extension_of(path).endswith(".json"):
        return read_segmentation(path).task
    about = _recipe(path) or labels_inside(path).about
    model = json_object(json_object(cast("Json", about.get("model"))).get("spec"))
    try:
        return Task(str(about.get("task", model.get("task"))))
    except ValueError:
        raise InputError(
            f"It is not known what the labels in '{path.name}' mean.",
            accepted="semantic (class numbers), instance (object numbers), panoptic",
            hint="State what the labels mean.",
            setting="task",
        ) from None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name((stem_of(path) or path.name) + ending)


def _placed(recipe: dict[str, Json], folder: Path) -> dict[str, Json]:
    """The recipe with the path of its image, where that lies beside the labels: files hold its name alone."""
    about = json_object(recipe.get("input"))
    name = str(about.get("source", ""))
    if not name or Path(name).name != name or not (folder / name).exists():
        return recipe
    return {**recipe, "input": {**about, "source": str(folder / name)}}


def _recipe(path: Path) -> RecipeFile:
    """What is said beside the labels; nothing where there is no such file, or one of another program."""
    place = _beside(path, ".recipe.json")
    if not place.is_file():
        return {}
    found = read_json(place, object)
    return checked_json(found, RecipeFile, f"'{place.name}'") if isinstance(found, dict) else {}


def _classes(labels: np.ndarray, task: Task) -> ClassTable:
    most = int(labels.max(initial=0)) if task is Task.SEMANTIC else 1
    if most > 255:
        raise InputError(
            "These labels look like object numbers, not like classes.",
            got=f"label {most}",
            hint="State what the labels mean.",
            setting="task",
        )
    names = [f"class {i}" for i in range(1, max(most, 1) + 1)] if task is Task.SEMANTIC else ["object"]
    return ClassTable.named(names)


def _objects(labels: np.ndarray, task: Task, rows: dict[int, tuple[int, float, str]]) -> ObjectTable:
    """The table beside the labels, for the labels that occur."""
    plain = ObjectTable.of(labels)

    def row(n: int) -> tuple[int, float, str]:
        return rows.get(n, (n if task is Task.SEMANTIC else 1, math.nan, "predicted"))

    found = [row(n) for n in plain.label.tolist()]
    return ObjectTable(
        plain.label,
        np.array([r[0] for r in found], np.int64),
        np.array([r[1] for r in found], np.float32),
        tuple(r[2] for r in found),
    )


def _rows(path: Path) -> dict[int, tuple[int, float, str]]:
    if not path.is_file():
        return {}
    with reading(path, "table of objects"), path.open(newline="", encoding="utf-8") as stream:
        return {
            int(r["label"]): (int(r["class"]), float(r["score"] or "nan"), csv_text(r["status"]))
            for r in csv.DictReader(stream)
        }
