"""A second run on a result that was corrected: one layer, what was checked stays, one step of undo. No Qt, no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Box, Segmentation, Task
from napari_segplugin.core.types import json_integers
from napari_segplugin.data.edits import Change
from napari_segplugin.data.renewing import renewed
from napari_segplugin.viewer.geometry import to_canonical
from napari_segplugin.viewer.results import Result, table_for
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED, REJECTED

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segplugin.viewer.edits import Editor
    from napari_segplugin.viewer.history import EditStep
    from napari_segplugin.viewer.table import TableRow

KEPT = {ACCEPTED, CORRECTED}


@dataclass(frozen=True)
class Renewed:
    """What a second run did.

    Parameters
    ----------
    kept, replaced : int
        Objects that stayed, and those that gave way to new ones.
    """

    kept: int
    replaced: int


def can_renew(result: Result, segmentation: Segmentation) -> bool:
    """Whether a new result can take the place of one that was corrected, in its layer."""
    old, layer = result.segmentation, result.layer
    return (
        not result.adopted
        and old.task is segmentation.task
        and old.task is not Task.SEMANTIC
        and [c.name for c in old.classes] == [c.name for c in segmentation.classes]
        and isinstance(layer.data, np.ndarray)
        and layer.data.shape == result.before.shape
        and segmentation.labels.shape == old.labels.shape
    )


def renew(
    result: Result, editor: Editor, segmentation: Segmentation, features: DataFrame, labels: np.ndarray
) -> Renewed:
    """Put a new result into the layer of an older one, around what a person checked there; Ctrl+Z takes it back.

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
    layer, status, before = result.layer, editor.rows.column("status"), result.before
    differs = np.asarray(layer.data) != before
    if differs.any():  # also by a script, of which no step tells
        editor.forget_boxes()
    changed = {int(n) for n in np.union1d(layer.data[differs], before[differs])}
    keep = [
        n
        for n in editor.boxes
        if status.get(n) in KEPT or n not in status or n in changed or not _inside(editor.boxes.box(n), segmentation)
    ]
    refused = [n for n, s in status.items() if s == REJECTED]
    where = np.isin(before, np.asarray(refused, before.dtype)) & (layer.data == 0) if refused else None
    made, numbers = renewed(np.asarray(layer.data), labels, keep, where)
    replaced = len(editor.boxes) - len(keep)
    rows: dict[int, TableRow] = {}
    at = {int(n): i for i, n in enumerate(features["label" if "label" in features else "index"].tolist())}
    columns = [str(c) for c in features.columns]
    values = {c: features[c].tolist() for c in columns}
    for old, number in numbers.items():
        if old in at:
            row = {c: values[c][at[old]] for c in columns}
            rows[number] = {**row, "index": number, "label": number}
    new = np.nonzero(made != layer.data)
    change = Change(tuple(axis.astype(np.int32) for axis in new), made[new])
    was = result.segmentation
    editor.apply(change, "run", rows=rows)
    shown = np.where((made == 0) & where, before, made) if where is not None else made
    rgb = bool(getattr(result.image_layer, "rgb", False))
    now = replace(
        segmentation,
        labels=to_canonical(shown, result.axes, rgb),
        recipe={**segmentation.recipe, "kept_objects": len(keep)},
    )
    now = replace(now, objects=table_for(np.asarray(now.labels), now, layer.features))
    result.segmentation = now
    if editor.history.past:
        editor.history.past[-1].note["segmentation"] = (was, now)
    return Renewed(len(keep), replaced)


def follow_undo(result: Result, step: EditStep, back: bool) -> None:
    """Go back to the segmentation from before a run that was taken back, or to the one after it."""
    old, new = step.note.get("segmentation", (None, None))
    wanted = old if back else new
    if wanted is not None:
        result.segmentation = wanted


def _inside(box: Box | None, segmentation: Segmentation) -> bool:
    """Whether an object lies in the part that was run; everything does where that is the whole image."""
    region = segmentation.recipe.get("region")
    if box is None or not isinstance(region, list):
        return True
    ends = [json_integers(span) for span in region]
    return all(low <= s.start and s.stop <= high for s, (low, high) in zip(box[-len(ends) :], ends, strict=True))


__all__ = ["Renewed", "can_renew", "follow_undo", "renew"]
