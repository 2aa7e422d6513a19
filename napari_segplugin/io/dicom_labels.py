"""Labels out of DICOM objects that hold many masks: segments of a segmentation, structures of a structure set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_segplugin.core import PALETTE, ClassInfo, ClassTable, Kind, ObjectTable, Place, Segmentation, Task
from napari_segplugin.core.types import Json, JsonDict
from napari_segplugin.io.dicom_grid import Beside

_MOST_CLASSES = 255
_NUMBER = re.compile(r"^(.*?)[\s_#-]+(\d+)$")


@dataclass(frozen=True)
class Part:
    """One mask: a segment or a structure.

    Parameters
    ----------
    number : int
        In the file.
    name : str
    color : str
        "#rrggbb"; empty where the file names none.
    tracked : bool
        Whether the file calls it one object among others.
    """

    number: int
    name: str
    color: str = ""
    tracked: bool = False


def painted(
    labels: np.ndarray,
    parts: Sequence[Part],
    sizes: Counter[int],
    planes: Callable[[int], Iterable[tuple[int, np.ndarray]]],
) -> list[str]:
    """Paint masks into one array, the largest first, so that none is hidden by a larger one; returns notes.

    Parameters
    ----------
    labels : (Z, Y, X) ndarray
        Painted into.
    parts : sequence of Part
    sizes : Counter
        Voxels by number of the part.
    planes : callable
        Slice and (Y, X) mask, again and again, of the part with a number.
    """
    over: Counter[tuple[int, int]] = Counter()
    names = {p.number: p.name for p in parts}
    for number in sorted(names, key=lambda n: (-sizes[n], n)):
        for z, mask in planes(number):
            for old, count in Counter(labels[z][mask].tolist()).items():
                if old not in (0, number):
                    over[int(old), number] += count
            labels[z][mask] = number
    if not over:
        return []
    pairs = [f"{names[a]} and {names[b]} ({n} voxels)" for (a, b), n in over.most_common(5)]
    more = f" and {len(over) - 5} more pairs" if len(over) > 5 else ""
    return [
        "Some masks overlap, and a label image holds one number a voxel: where they do, the smaller one is shown. "
        f"{', '.join(pairs)}{more}."
    ]


def segmentation_of(
    labels: np.ndarray,
    parts: Sequence[Part],
    path: Path,
    *,
    place: Place | None,
    spacing: dict[str, float],
    unit: str,
    beside: Beside | None,
    notes: Sequence[str],
) -> Segmentation:
    """A segmentation whose voxels hold the numbers of the parts: classes, or objects where the names count up."""
    names = [p.name or f"segment {p.number}" for p in parts]
    bases = [_base(name) for name in names]
    counted = all(b != n for b, n in zip(bases, names, strict=True))
    tracked = all(p.tracked for p in parts)
    task = Task.INSTANCE if (counted and tracked) or len(parts) > _MOST_CLASSES else Task.SEMANTIC
    kinds = list(dict.fromkeys(bases if task is Task.INSTANCE else _different(names)))
    colors = dict(
        zip(reversed(bases if task is Task.INSTANCE else kinds), reversed([p.color for p in parts]), strict=True)
    )
    rows = [ClassInfo(0, "background", PALETTE[0], Kind.STUFF)]
    for i, name in enumerate(kinds, 1):
        shown = colors.get(name) or PALETTE[1 + (i - 1) % (len(PALETTE) - 1)]
        rows.append(ClassInfo(i, name if name != "background" else "background of the file", shown))
    if task is Task.INSTANCE:
        numbers = _own_numbers(parts)
        class_of = {numbers[p.number]: kinds.index(b) + 1 for p, b in zip(parts, bases, strict=True)}
    else:
        numbers = {p.number: i for i, p in enumerate(parts, 1)}
        class_of = {n: n for n in numbers.values()}
    labels = _renumbered(labels, numbers)
    axes = "ZYX"
    if labels.shape[0] == 1 and (beside is None or "Z" not in beside.stack.axes):
        labels, axes = labels[0], "YX"
    table = ObjectTable.of(labels)
    classes = np.array([class_of.get(n, 1) for n in table.label.tolist()], np.int64)
    table = ObjectTable(table.label, classes, table.score, table.status)
    recipe: JsonDict = {"input": _input(path, beside, place)}
    if notes:
        recipe["notes"] = list(notes)
    sizes = tuple(spacing.get(a, 1.0) for a in axes)
    name = re.sub(r"(\.seg|\.rtstruct)?\.(dcm|dicom)$", "", path.name, flags=re.IGNORECASE)
    return Segmentation(task, labels, table, ClassTable(tuple(rows)), axes, sizes, unit, name, recipe, place)


def _input(path: Path, beside: Beside | None, place: Place | None) -> dict[str, Json]:
    if beside is None:
        return {"place": place.to_json()} if place else {}
    about: dict[str, Json] = {"source": str(beside.path), "dicom_series": beside.series.uid}
    return about | ({"place": place.to_json()} if place else {})


def _base(name: str) -> str:
    """A name without the number behind it.

    Examples
    --------
    >>> _base("nucleus 12"), _base("C7")
    ('nucleus', 'C7')
    """
    found = _NUMBER.match(name)
    return found.group(1) if found else name


def _different(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    for i, name in enumerate(names, 1):
        seen.add(name)
        if len(seen) < i:
            return [f"{n} {k}" if names.count(n) > 1 else n for k, n in enumerate(names, 1)]
    return list(names)


def _own_numbers(parts: Sequence[Part]) -> dict[int, int]:
    """The numbers of objects: those in their names, where all of them have one of their own, or those of the file."""
    found = [_NUMBER.match(p.name) for p in parts]
    numbers = [int(m.group(2)) if m else 0 for m in found]
    if all(0 < n < 2**32 for n in numbers) and len(set(numbers)) == len(numbers):
        return {p.number: n for p, n in zip(parts, numbers, strict=True)}
    return {p.number: p.number for p in parts}


def _renumbered(labels: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    most = max(numbers.values(), default=1)
    kind = np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32
    table = np.zeros(max(numbers, default=0) + 1, kind)
    for old, new in numbers.items():
        table[old] = new
    made: np.ndarray = table[labels]
    return made


__all__ = ["Part", "painted", "segmentation_of"]
