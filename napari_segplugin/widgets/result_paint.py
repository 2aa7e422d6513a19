"""Painting on a result: the tools that are napari's own, the class of what they paint, and what was painted before it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_segplugin.core import BACKGROUND_PAINT, InputError
from napari_segplugin.viewer.brush import NOTHING
from napari_segplugin.viewer.corrections import OBJECTS, is_object
from napari_segplugin.viewer.painted import take_in, waiting
from napari_segplugin.widgets.stroke_control import grew_from_strokes

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.target import Target
    from napari_segplugin.widgets.edit_control import EditControl
    from napari_segplugin.widgets.engine import Engine


class ResultPaint:
    """The brush of the dock, for results with objects.

    Parameters
    ----------
    desk : Desk
    engine : Engine
    edits : EditControl
    """

    def __init__(self, desk: Desk, engine: Engine, edits: EditControl) -> None:
        self._desk, self._engine, self._edits = desk, engine, edits

    def take(self, target: Target, tool: str) -> None:
        """Take a tool of napari's own, which paints on the result itself.

        Raises
        ------
        InputError
            If there is nothing chosen to erase from.
        """
        edits = self._edits
        if tool == "erase" and not edits.chosen:
            raise InputError("No object is selected.", hint="Click on the object to erase from, then take the eraser")
        edits.put_down()
        self._desk.viewer.dims.ndisplay = 2
        self._desk.viewer.layers.selection.active = target.layer
        self.use_class(target)
        target.brush.take(tool)
        edits.hold(tool)

    def paint_as(self, name: str) -> None:
        """Take the brush for objects or an area of a class, on the result of the chosen image."""
        panel = self._edits.panel
        at = panel.new_classes.findData(name)
        panel.new_classes.setCurrentIndex(max(at, 0))
        self.new_class(panel.new_class)
        self._edits.act("paint")

    def new_class(self, name: str) -> None:
        """Take a number of a class into the brush."""
        target = self._edits.target
        if target is not None:
            self.use_class(target)
            target.editor.make_room()
            area = target.area(name)
            target.layer.selected_label = 0 if area == NOTHING else area or target.editor.boxes.next_number()

    def use_class(self, target: Target) -> None:
        """What is painted from now on is of the class that is chosen."""
        things = [c.name for c in target.classes if c.id in target.classes.thing_ids]
        name, usual = self._edits.panel.new_class, (things or ["object"])[0]
        target.editor.rows.usual_class = usual if name in ("", target.classes[0].name) else name

    def take_in(self) -> None:
        """What was painted on an image before its result came is in the result from now on."""
        desk = self._desk
        for target in desk.targets:
            image = target.result.image_layer
            strokes = desk.living(desk.work_on(image).paints.get(OBJECTS))
            if strokes is None or desk.result_of(image) is not target.result:
                continue
            if grew_from_strokes(target.result.segmentation, self._engine):
                continue
            painted = desk.strokes(strokes)
            objects = {n for n in painted.counts if waiting(strokes, n)}
            nothing = painted.counts.get(BACKGROUND_PAINT, (0, 0))
            if not objects and nothing == painted.cleared:
                continue
            goes_on = desk.viewer.layers.selection.active is strokes and is_object(int(strokes.selected_label))
            painted.cleared = nothing
            painted.counts = {n: c for n, c in painted.counts.items() if n not in objects}
            if take_in(target, strokes) and goes_on and desk.result is target.result:
                self._edits.act("paint")


__all__ = ["ResultPaint"]
