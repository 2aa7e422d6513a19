"""What formats of objects share: what each label is, and labels plane by plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, NotRequired, Required, TypedDict

import numpy as np

from napari_segplugin.core import PALETTE, ClassInfo, ClassTable, InputError, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.core.schema import Between
from napari_segplugin.io.files import LabelsToWrite

CROWD = "crowd"
"""Status of a region that stands for many objects ("iscrowd" of a COCO file)."""
ObjectEntry = tuple[int, float, str]
"""Category, score and status of a label."""


@dataclass(frozen=True)
class Described:
    """What one label is.

    Parameters
    ----------
    label : int
    kind : ClassInfo
    score : float
        NaN where there is none.
    status : str
    measurements : mapping of str to float
        Only numbers that are finite.
    """

    label: int
    kind: ClassInfo
    score: float = math.nan
    status: str = ""
    measurements: Mapping[str, float] = field(default_factory=dict)


def describe(labels: LabelsToWrite) -> Mapping[int, Described]:
    """What each label is; a label without a row in the table is of its own class (semantic) or the first thing class."""
    found = labels.segmentation
    if found is None:
        return _Rows({}, None)
    kinds = {c.id: c for c in found.classes}
    names = list(labels.columns)
    values = list(zip(*labels.columns.values(), strict=True)) if names else [()] * len(found.objects)
    table = found.objects
    rows = {}
    for label, class_id, score, status, numbers in zip(
        table.label.tolist(), table.class_id.tolist(), table.score.tolist(), table.status, values, strict=True
    ):
        measured = {n: float(v) for n, v in zip(names, numbers, strict=True) if math.isfinite(v)}
        rows[label] = Described(label, kinds.get(class_id, _unknown(class_id)), score, status, measured)
    return _Rows(rows, found)


class _Rows(dict[int, Described]):
    """Rows by label; what has no row is made up when it is asked for."""

    def __init__(self, rows: dict[int, Described], found: Segmentation | None) -> None:
        super().__init__(rows)
        self._found = found

    def __missing__(self, label: int) -> Described:
        if self._found is None:
            return Described(label, _unknown(1))
        classes = self._found.classes
        own = label if self._found.task is Task.SEMANTIC else (classes.thing_ids or (1,))[0]
        return Described(label, classes[own] if own < len(classes) else _unknown(own))


def _unknown(class_id: int) -> ClassInfo:
    return ClassInfo(class_id, f"class {class_id}", "#9a9a9a")


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green, blue of a colour "#rrggbb" or "#rrggbbaa".

    Examples
    --------
    >>> rgb("#e69f00")
    (230, 159, 0)
    """
    red, green, blue = bytes.fromhex(color.lstrip("#")[:6])
    return red, green, blue


def planes(labels: LabelsToWrite) -> Iterator[tuple[dict[str, int], np.ndarray]]:
    """Labels plane by plane, with the place of each along T and Z, such as ``{"Z": 3}``."""
    outer = labels.axes[:-2]
    for index in np.ndindex(tuple(int(n) for n in labels.array.shape[:-2])):
        yield dict(zip(outer, index, strict=True)), np.asarray(labels.array[index])


def plane_stem(stem: str, at: Mapping[str, int]) -> str:
    """The name of one plane.

    Examples
    --------
    >>> plane_stem("cells", {"T": 2, "Z": 31}), plane_stem("cells", {})
    ('cells_t0002_z0031', 'cells')
    """
    return "_".join([stem, *(f"{axis.lower()}{n:04}" for axis, n in at.items())])


class Category(TypedDict, total=False):
    """A class as COCO files name it."""

    id: Required[int]
    name: object
    supercategory: object
    isthing: int | bool
    color: Annotated[list[Annotated[int, Between(0, 255)]], Between(3, 4)] | None


class RunLengths(TypedDict):
    """A mask as COCO's run lengths, plain or as text."""

    size: list[int]
    counts: str | list[int]


class Entry(TypedDict):
    """What is said of a mask, an annotation of a COCO file or a segment of one."""

    category_id: int
    score: NotRequired[float]
    iscrowd: NotRequired[int | bool]


class Annotation(Entry):
    """An object, or what of it is in a plane."""

    image_id: int | str
    object_id: NotRequired[Annotated[int, Between(1, 2**62)]]
    segmentation: list[Annotated[list[float], Between(6, 2**31)]] | RunLengths


class Segment(Entry):
    """A segment of a plane; `id` is its colour."""

    id: Annotated[int, Between(0, 2**24 - 1)]
    area: NotRequired[float]


class Plane(TypedDict):
    """A plane of a panoptic file, which lies in a PNG."""

    file_name: str
    segments_info: list[Segment]


class ImageEntry(TypedDict):
    """An image of a COCO file."""

    id: int | str
    width: Annotated[float, Between(1, 2**31)]
    height: Annotated[float, Between(1, 2**31)]


class Info(TypedDict, total=False):
    """What a COCO file says of itself; ours says how its planes belong together."""

    axes: str
    shape: list[Annotated[int, Between(1, 2**31)]]
    spacing: dict[str, Annotated[float, Between(1e-30, 1e30)]]
    unit: str
    task: Literal["semantic", "instance", "panoptic"]


class CocoFile(TypedDict):
    """A COCO file, of objects or panoptic: what both have."""

    info: NotRequired[Info | None]
    categories: NotRequired[list[Category]]


class CocoObjects(CocoFile):
    """A COCO file of objects."""

    images: list[ImageEntry]
    annotations: list[Annotation]


class CocoPanoptic(CocoFile):
    """A COCO panoptic file."""

    annotations: list[Plane]


def class_table(categories: list[Category]) -> tuple[ClassTable, dict[int, int]]:
    """Classes from the categories of a COCO file, numbered 1, 2 … in the order of the file.

    Returns
    -------
    classes : ClassTable
    numbers : dict of int to int
        Number in the file to number of the class.
    """
    rows = [ClassInfo(0, "background", PALETTE[0], Kind.STUFF)]
    numbers: dict[int, int] = {}
    taken = {"background"}
    for i, entry in enumerate(categories, 1):
        name = str(entry.get("name", "")).strip() or f"class {i}"
        name = name if name not in taken else f"{name} {i}"
        taken.add(name)
        color = entry.get("color")
        shown = "#{:02x}{:02x}{:02x}".format(*color[:3]) if color else PALETTE[1 + (i - 1) % (len(PALETTE) - 1)]
        kind = Kind.THING if entry.get("isthing", 1) else Kind.STUFF
        rows.append(ClassInfo(i, name, shown, kind))
        numbers[int(entry["id"])] = i
    return ClassTable(tuple(rows)) if numbers else ClassTable.named(["object"]), numbers


def add_row(rows: dict[int, ObjectEntry], label: int, entry: Entry) -> None:
    """Note what an annotation or a segment of a COCO file says of a label.

    Raises
    ------
    InputError
        If another plane of the stack has the same label with another category.
    """
    category = int(entry["category_id"])
    if label in rows and rows[label][0] != category:
        raise InputError(
            f"Object {label} has different categories in different planes.",
            got=f"{rows[label][0]} and {category}",
            accepted="one category for each number of a stack",
            hint="Give the objects of the planes different numbers.",
        )
    rows[label] = (category, float(entry.get("score", math.nan)), CROWD if entry.get("iscrowd") else "predicted")


def table_of(rows: Mapping[int, ObjectEntry], labels: np.ndarray) -> ObjectTable:
    """A table of the labels that occur, from label to class, score and status."""
    present = [int(n) for n in np.unique(labels) if n]
    found = [rows.get(n, (1, math.nan, "predicted")) for n in present]
    return ObjectTable(
        np.array(present, np.int64),
        np.array([c for c, *_ in found], np.int64),
        np.array([s for _, s, _ in found], np.float32),
        tuple(t for *_, t in found),
    )
