"""What a step did to each object: voxels won and lost, and whom it was meant for. No Qt, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_segplugin.data.boxes import ObjectBoxes
    from napari_segplugin.viewer.history import Delta, EditStep


def meant_in(step: EditStep) -> set[int]:
    """Objects that a stroke was meant for: they won voxels, or some of theirs were erased."""
    meant: set[int] = set()
    for delta in step.deltas():
        new = np.broadcast_to(np.asarray(delta.new), delta.old.shape)
        meant.update(np.unique(np.where(new == 0, delta.old, new)).tolist())
    return meant


def noted(boxes: ObjectBoxes, delta: Delta) -> dict[int, int]:
    """Tell boxes of a change; voxels that each object won."""
    if delta.box is not None and isinstance(delta.new, int):
        return boxes.update_box(delta.box, delta.old, delta.new)
    return boxes.update(*delta)


def won_in(step: EditStep) -> dict[int, int]:
    """Voxels that each object won in a step."""
    won: dict[int, int] = {}
    for delta in step.deltas():
        for values, sign in ((delta.new, 1), (delta.old, -1)):
            array = np.broadcast_to(np.asarray(values), delta.old.shape)
            for number, count in zip(*np.unique(array, return_counts=True), strict=True):
                won[int(number)] = won.get(int(number), 0) + sign * int(count)
    won.pop(0, None)
    return won


__all__ = ["meant_in", "noted", "won_in"]
