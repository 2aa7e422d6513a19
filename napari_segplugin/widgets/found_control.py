"""Keeps the card of the result up to date: what was found, how large it is, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import Task
from napari_segplugin.core.words import counted, plural
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.table import REJECTED, size_column
from napari_segplugin.widgets.frame.frame import CORRECT
from napari_segplugin.widgets.sizes import Advice, ObjectSizes, advise

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.edit_control import EditControl
    from napari_segplugin.widgets.run_control import RunControl
    from napari_segplugin.widgets.step_result import ResultStep

_UNITS = {"pixel²": "px", "pixel³": "voxels"}


class FoundControl:
    """The card of the result, for the dock.

    Parameters
    ----------
    desk : Desk
    step : ResultStep
    edits : EditControl
    run : RunControl
    turn : callable
        Turns to a tab.
    """

    def __init__(
        self, desk: Desk, step: ResultStep, edits: EditControl, run: RunControl, turn: Callable[[str], object]
    ) -> None:
        self._desk, self._step, self._edits, self._run, self._turn = desk, step, edits, run, turn
        self._counted: Result | None = None
        desk.results_changed.connect(self._forget)
        step.card.bars.chosen.connect(self.show_objects)
        step.advice.asked.connect(self.follow)

    def _forget(self) -> None:
        """A result came, or the one that is shown was run once more: it is shown from the beginning."""
        self._counted = None

    def count(self, result: Result) -> int:
        """How many objects a result has now, with those that were added or deleted by hand; for classes, how many occur."""
        if result.segmentation.task is Task.SEMANTIC:
            return len(result.segmentation.classes) - 1
        target = self._edits.target
        if target is None or target.result is not result:
            return len(result.segmentation.objects)
        there, everything = target.editor.rows.count([REJECTED])
        return everything - there

    def show(self, word: str) -> None:
        """Show what a new result holds, and follow its edits; what was said of it since then stays.

        Parameters
        ----------
        word : str
            What one object is called.
        """
        card, result = self._step.card, self._desk.result
        fresh, self._counted = result is not self._counted, result
        if result is None or not (fresh or card.counts) or len(result.segmentation.objects) == 0:
            self._step.advice.offer(None)
            return
        if result.segmentation.task is Task.SEMANTIC:
            if fresh:
                card.show_classes(_shares(result))
            self._step.advice.offer(None)
            return
        found, sizes = self.count(result), self.sizes()
        n, _, what = counted(found, word).partition(" ")
        card.show_count(n, what, sizes, f"{n} {what}.")
        card.show_classes(self._kinds())
        self._step.advice.offer(self._advice(result, sizes, plural(word)))

    def sizes(self) -> ObjectSizes | None:
        """Of the single objects of the chosen result; None while that is not known."""
        target = self._edits.target
        column = "" if target is None else target.editor.rows.size_column
        if target is None or not column:
            return None
        things = {c.name for c in target.classes if c.id in target.classes.thing_ids}
        named = target.editor.rows.column("class")
        sizes = {n: float(s) for n, s in target.editor.rows.column(column).items() if named.get(n) in things and s == s}
        kind, _, unit = column.removesuffix(")").partition(" (")
        return ObjectSizes(np.array(list(sizes), int), np.array(list(sizes.values())), kind, _UNITS.get(unit, unit))

    def _kinds(self) -> list[tuple[str, str, str]]:
        """A row a class, where objects are of several classes or areas lie beside them."""
        target = self._edits.target
        if target is None or len(target.classes) < 3:
            return []
        named = list(target.editor.rows.column("class").values())
        return [(c.color, c.name, f"{named.count(c.name):,}") for c in target.classes if c.id]

    def _advice(self, result: Result, sizes: ObjectSizes | None, things: str) -> Advice | None:
        if sizes is None or not len(sizes.values):
            return None
        target = self._edits.target
        whole = 0.0 if target is None else float(np.prod(target.layer.data.shape)) * target.editor.voxel
        share = float(sizes.values.sum()) / whole if whole else 0.0
        network = not self._desk.is_classical and result.segmentation.task is not Task.PANOPTIC
        return advise(sizes, share, things, invert=network and not self._run.suit.inverted)

    # --- what is asked --------------------------------------------------------------------------------------------

    def show_objects(self, numbers: list[int]) -> None:
        """Choose objects, and bring the first into view."""
        target = self._edits.target
        if target is not None and numbers:
            self._turn(CORRECT)
            self._edits.queue.go(target, numbers[0])
            self._edits.choose(target, *numbers)

    def follow(self, advice: Advice) -> None:
        """Do what an advice says."""
        if advice.numbers:
            self.show_objects(list(advice.numbers))
        else:
            self._run.suit.invert()


def _shares(result: Result) -> list[tuple[str, str, str]]:
    """A row for each class of a class map: how much of the image it covers."""
    table, classes = result.layer.features, result.segmentation.classes
    column = size_column(table)
    if not column or "class" not in table:
        return []
    sizes = {str(n): float(s) for n, s in zip(table["class"], table[column], strict=True) if s == s}
    axes = layer_axes(result.axes, bool(getattr(result.image_layer, "rgb", False)))
    voxel = np.prod([abs(float(s)) for s, a in zip(result.layer.scale, axes, strict=True) if a in "ZYX"])
    whole = float(np.prod(result.layer.data.shape)) * float(voxel)
    return [(c.color, c.name, f"{sizes.get(c.name, 0.0) / whole:.1%}") for c in classes if c.id]


__all__ = ["FoundControl"]
