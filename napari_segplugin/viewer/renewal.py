"""A second run on a result that was corrected: one layer, what was checked stays, one step of undo. No Qt, no torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import ClassInfo, ClassTable, Segmentation, Task, labels_in, to_json
from napari_segplugin.core.types import json_integers
from napari_segplugin.core.words import counted, voxels
from napari_segplugin.data.drawn import centres_inside
from napari_segplugin.data.edits import Change
from napari_segplugin.data.renewing import renewed
from napari_segplugin.viewer.geometry import to_canonical, to_layer_order
from napari_segplugin.viewer.results import Result, drawn_in, table_for
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED, PREDICTED

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segplugin.viewer.edits import Editor
    from napari_segplugin.viewer.history import EditStep
    from napari_segplugin.viewer.table import TableRow

KEPT = {ACCEPTED, CORRECTED}
PLACEHOLDER = "object"
"""The class of objects of which nobody said what they are."""


@dataclass(frozen=True)
class Renewed:
    """What a second run did.

    Parameters
    ----------
    kept, replaced : int
        Objects that stayed, and those that gave way to new ones.
    painted : int
        Voxels that stayed because they were painted or erased one by one: those of areas and classes.
    deleted : int
        Objects that were deleted or rejected and did not come back.
    part : bool
        Whether only a part of the image was run.
    """

    kept: int = 0
    replaced: int = 0
    painted: int = 0
    deleted: int = 0
    part: bool = False

    def sentence(self, word: str, ndim: int) -> str:
        """What is said of it.

        Parameters
        ----------
        word : str
            What one object is called; empty where the result has classes only.
        ndim : int
            Spatial axes: 2 or 3.

        Examples
        --------
        >>> Renewed(17, 39).sentence("nucleus", 2), Renewed(painted=1204).sentence("", 2)
        ('39 nuclei replaced, your 17 kept.', 'Your 1,204 painted pixels kept, everything else replaced.')
        >>> Renewed(0, 2).sentence("nucleus", 2)
        '2 nuclei replaced; none of them was accepted or corrected.'
        """
        painted = voxels(self.painted, ndim).replace(" ", " painted ", 1)
        if not word:
            rest = "everything else in this part" if self.part else "everything else"
            return f"Your {painted} kept, {rest} replaced." if self.painted else f"{rest.capitalize()} replaced."
        yours = " and ".join([f"{self.kept:,}"] * bool(self.kept) + [painted] * bool(self.painted))
        told = f"{counted(self.replaced, word)} replaced"
        told += f", your {yours} kept." if yours else "; none of them was accepted or corrected."
        return told + f" {self.deleted:,} stay{'s' * (self.deleted == 1)} deleted." * bool(self.deleted)


def can_renew(result: Result, segmentation: Segmentation) -> bool:
    """Whether a new result can take the place of one that was corrected, in its layer."""
    old, layer = result.segmentation, result.layer
    return (
        old.task is segmentation.task
        and isinstance(layer.data, np.ndarray)
        and layer.editable
        and layer.data.shape == result.before.shape
        and segmentation.labels.shape == old.labels.shape
    )


def joined_classes(new: ClassTable, old: ClassTable, used: Collection[str]) -> ClassTable:
    """The classes of a new result, and those of the old one that are still used and that it has not.

    Examples
    --------
    >>> new, old = ClassTable.named(["road"]), ClassTable.named(["tree", "road", "car"])
    >>> [c.name for c in joined_classes(new, old, {"tree", "road"})]
    ['background', 'road', 'tree']
    """
    names = {c.name for c in new}
    more = [c for c in old if c.id and c.name in used and c.name not in names]
    return ClassTable((*new, *(ClassInfo(len(new) + i, c.name, c.color, c.kind) for i, c in enumerate(more))))


def take_up(result: Result, segmentation: Segmentation) -> None:
    """Let a result be of another segmentation; its layer says so to those who ask the layer."""
    result.segmentation = segmentation
    about = result.layer.metadata.get("segplugin")
    about = {**(about if isinstance(about, dict) else {}), "classes": to_json(segmentation.classes)}
    more = {"recipe": dict(segmentation.recipe)}
    result.layer.metadata = {**result.layer.metadata, **more, "segplugin": {**about, "task": str(segmentation.task)}}


def outside_of(result: Result, segmentation: Segmentation) -> np.ndarray | None:
    """Which voxels of the layer were not run; None where everything was."""
    region = segmentation.recipe.get("region")
    if not isinstance(region, list):
        return None
    spans = [json_integers(span) for span in region]
    box = tuple(slice(low, high) for low, high in spans)
    space = tuple(s for s, a in zip(box, segmentation.axes, strict=True) if a in "ZYX")
    drawn, outside = drawn_in(segmentation, space), np.ones(segmentation.labels.shape, bool)
    outside[box] = False if drawn is None else ~drawn
    return to_layer_order(outside, result.axes, bool(getattr(result.image_layer, "rgb", False)))


def renew(
    result: Result, editor: Editor, segmentation: Segmentation, features: DataFrame, labels: np.ndarray
) -> Renewed:
    """Put a new result into the layer of an older one, around what a person checked there; Ctrl+Z takes it back.

    Of a whole object every voxel stays; of an area only what was painted. What was changed by hand is known as such
    afterwards, too: fine-tuning learns the same as before.

    Parameters
    ----------
    result : Result
        One for which :func:`can_renew` holds; its segmentation becomes the new one.
    editor : Editor
        Of its layer.
    segmentation : Segmentation
    features : DataFrame
        One row for each object, with the columns "index" or "label".
    labels : ndarray of int
        Those of the segmentation, in the order of the layer.
    """
    before, data = result.before, np.asarray(result.layer.data)
    differs, outside = data != before, outside_of(result, segmentation)
    if differs.any():  # also by a script, of which no step tells
        editor.forget_boxes()
    areas = _area_numbers(result, editor)
    known = {int(n) for n in result.segmentation.objects.label}
    away = set() if outside is None else _away(data, outside, drawn="regions" in segmentation.recipe)
    keep = _kept(editor, known, {int(n) for n in _touched(data, before, differs)}, away, set(areas.values()))
    fixed = differs & ((data == 0) | np.isin(data, [n for n in areas.values() if n not in keep]))
    if outside is not None:
        fixed |= outside & np.isin(data, list(areas.values()))
    given = _given(editor, segmentation, areas)
    made, numbers = renewed(data, labels, keep, fixed, given)
    painted = int(np.count_nonzero(differs & np.isin(data, [n for n in areas.values() if n not in keep])))
    gone = {int(n) for n in np.unique(before[differs & (data == 0)])} - {0} - set(editor.boxes)
    replaced = sum(1 for n in editor.boxes if n not in keep and n not in areas.values())
    told = Renewed(len(keep), replaced, painted, len(gone), outside is not None)
    classes = joined_classes(segmentation.classes, result.segmentation.classes, _used(editor, keep, made, areas))
    rows = _rows(features, numbers, set(given.values()), set(np.unique(made[differs & (made == data)]).tolist()))
    rows |= _named(result, editor, keep, segmentation.classes)
    _write(result, editor, replace(segmentation, classes=classes), made, np.where(differs, before, made), rows, told)
    return told


def _touched(data: np.ndarray, before: np.ndarray, differs: np.ndarray) -> np.ndarray:
    """Objects that won voxels, or from which some were erased."""
    return np.union1d(data[differs], before[differs & (data == 0)])


def _kept(editor: Editor, known: set[int], touched: set[int], away: set[int], areas: set[int]) -> list[int]:
    """Objects that stay as a whole."""
    status = editor.rows.column("status")

    def stays(number: int) -> bool:
        if number in areas:
            return status.get(number) == ACCEPTED
        fresh = number not in status and number not in known  # a script drew it
        return status.get(number) in KEPT or fresh or number in touched or number in away

    return [n for n in editor.boxes if stays(n)]


def _area_numbers(result: Result, editor: Editor) -> dict[str, int]:
    """The number of each area that there is, by its class."""
    classes = result.segmentation.classes
    names = {c.name for c in classes if c.id and c.id not in classes.thing_ids} if classes.thing_ids else set()
    return {str(c): n for n, c in editor.rows.column("class").items() if c in names and n in editor.boxes}


def _given(editor: Editor, segmentation: Segmentation, areas: dict[str, int]) -> dict[int, int]:
    """The number that each area of a new result gets: that of the same area where there is one."""
    if segmentation.task is not Task.PANOPTIC or not segmentation.classes.thing_ids:
        return {}
    top, found = editor.boxes.next_number(), dict[int, int]()
    for label, class_id in zip(segmentation.objects.label, segmentation.objects.class_id, strict=True):
        if int(class_id) not in segmentation.classes.thing_ids:
            name = segmentation.classes[int(class_id)].name
            if name not in areas:
                areas, top = {**areas, name: top}, top + 1
            found[int(label)] = areas[name]
    return found


def _used(editor: Editor, keep: list[int], made: np.ndarray, areas: dict[str, int]) -> set[str]:
    """Names of the classes of what stays."""
    kinds = editor.rows.column("class")
    return {str(kinds[n]) for n in keep if n in kinds} | {c for c, n in areas.items() if (made == n).any()}


def _rows(features: DataFrame, numbers: dict[int, int], areas: set[int], corrected: set[int]) -> dict[int, TableRow]:
    """Rows of the new objects under the numbers that they got; an area that was painted in stays corrected."""
    rows: dict[int, TableRow] = {}
    at = {int(n): i for i, n in enumerate(features["label" if "label" in features else "index"].tolist())}
    values = {str(c): features[c].tolist() for c in features.columns}
    for old, number in numbers.items():
        if old in at:
            row = {c: column[at[old]] for c, column in values.items()}
            rows[number] = {**row, "index": number, "label": number}
            if number in areas:
                rows[number]["status"] = CORRECTED if number in corrected else PREDICTED
    return rows


def _named(result: Result, editor: Editor, keep: list[int], new: ClassTable) -> dict[int, TableRow]:
    """Objects from elsewhere of which nobody said what they are are what the model finds, where it finds one thing."""
    old, kinds = result.segmentation.classes, editor.rows.column("class")
    one = [new[n].name for n in new.thing_ids]
    if not result.adopted or [c.name for c in old][1:] != [PLACEHOLDER] or len(one) != 1:
        return {}
    return {n: {"class": one[0]} for n in keep if kinds.get(n) == PLACEHOLDER}


def _write(
    result: Result,
    editor: Editor,
    segmentation: Segmentation,
    made: np.ndarray,
    shown: np.ndarray,
    rows: dict[int, TableRow],
    told: Renewed,
) -> None:
    """Write it into the layer as one step, and keep with the step what the result was before."""
    layer, was = result.layer, result.segmentation
    rgb = bool(getattr(result.image_layer, "rgb", False))
    new = np.nonzero(made != layer.data)
    change = Change(tuple(axis.astype(np.int32) for axis in new), made[new])
    editor.apply(change, "run", rows=rows)
    now = replace(
        segmentation,
        labels=to_canonical(shown, result.axes, rgb),
        recipe={**segmentation.recipe, "kept_objects": told.kept, "kept_voxels": told.painted},
    )
    take_up(result, replace(now, objects=table_for(np.asarray(now.labels), now, layer.features)))
    if editor.history.past:
        editor.history.past[-1].note["segmentation"] = (was, result.segmentation)


def follow_undo(result: Result, step: EditStep, back: bool) -> None:
    """Go back to the segmentation from before a run that was taken back, or to the one after it."""
    old, new = step.note.get("segmentation", (None, None))
    wanted = old if back else new
    if wanted is not None:
        take_up(result, wanted)


def _away(data: np.ndarray, outside: np.ndarray, *, drawn: bool) -> set[int]:
    """Objects that reach out of the part that was run; of drawn regions those whose middle lies outside."""
    if not drawn:
        return set(labels_in(data[outside]).tolist())
    numbers = labels_in(data)
    away: set[int] = set(numbers[centres_inside(data, numbers, outside)].tolist())
    return away


__all__ = ["Renewed", "can_renew", "follow_undo", "joined_classes", "outside_of", "renew", "take_up"]
