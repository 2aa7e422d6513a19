"""Objects that were painted where there was no result yet: they come into it when it arrives. No Qt, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import BACKGROUND_PAINT
from napari_segplugin.data.edits import Change
from napari_segplugin.data.renewing import SHARE
from napari_segplugin.viewer.corrections import class_names, is_object
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.viewer.table import TableRow
    from napari_segplugin.viewer.target import Target


def take_in(target: Target, strokes: Labels) -> int:
    """Put painted objects and areas into a result, as one step; they leave the strokes, whose undo has them.

    What is left of an object of the result that was painted over for the most part goes, unless somebody checked it. Strokes
    of "not an object" stay to learn from, and what lies under them leaves the result.

    Parameters
    ----------
    target : Target
    strokes : Labels
        A layer of objects over the same image.

    Returns
    -------
    int
        Objects and areas that came in.
    """
    editor, paint = target.editor, np.asarray(strokes.data)
    result, numbers = np.asarray(target.layer.data), _numbers(target, strokes)
    if result.shape != paint.shape:
        return 0
    moved = np.isin(paint, list(numbers))
    made = np.where(paint == BACKGROUND_PAINT, result.dtype.type(0), result)
    made[_left_over(target, result, moved)] = 0
    table = np.zeros(int(paint.max(initial=0)) + 1, np.int64)
    table[list(numbers)] = [n for n, _ in numbers.values()]
    made = np.where(moved, table[paint], made)
    where = np.nonzero(made != result)
    if len(where[0]):
        rows: dict[int, TableRow] = {n: {"class": name, "status": CORRECTED} for n, name in numbers.values()}
        editor.apply(Change(tuple(a.astype(np.int32) for a in where), made[where]), "paint", rows=rows)
    if moved.any():
        strokes.data_setitem(np.nonzero(moved), 0)
    return len(numbers)


def waiting(strokes: Labels, number: int) -> bool:
    """Whether a number on a layer of objects is one, or an area, and not only "not an object"."""
    return number != BACKGROUND_PAINT and (is_object(number) or number in class_names(strokes))


def _numbers(target: Target, strokes: Labels) -> dict[int, tuple[int, str]]:
    """The number and the class that each painted object and area gets in the result."""
    known, classes = class_names(strokes), target.classes
    things = [c.name for c in classes if c.id in classes.thing_ids]
    fresh, areas, out = target.editor.boxes.next_number(), dict[str, int](), dict[int, tuple[int, str]]()
    for number in np.unique(strokes.data).tolist():
        name = known.get(number, "")
        area = target.area(name)
        if is_object(number) and things:
            out[number] = (fresh, name if name in things else things[0])
        elif area is not None and number not in (0, BACKGROUND_PAINT) and area >= 0:
            areas.setdefault(name, area or fresh)
            out[number] = (areas[name], name)
        fresh += number in out and out[number][0] == fresh
    return out


def _left_over(target: Target, result: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Voxels of objects that were painted over for the most part."""
    boxes, status = target.editor.boxes, target.editor.rows.column("status")
    under = np.unique(result[moved], return_counts=True)
    counts = dict(zip(under[0].tolist(), under[1].tolist(), strict=True))
    gone = [
        n
        for n, lost in counts.items()
        if n and status.get(n) not in (ACCEPTED, CORRECTED) and lost >= SHARE * boxes.size(n)
    ]
    return np.isin(result, gone)


__all__ = ["take_in", "waiting"]
