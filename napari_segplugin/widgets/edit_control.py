"""From a button, a key or the mouse to one step on napari's undo list."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import Box, InputError, SegPluginError, Task
from napari_segplugin.data.boxes import ObjectBoxes
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.layers import level0
from napari_segplugin.viewer.outline import ObjectOutline
from napari_segplugin.viewer.pictures import GreyView
from napari_segplugin.viewer.places import point_in_layer
from napari_segplugin.viewer.pointer import Pointer
from napari_segplugin.viewer.renewal import follow_undo
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.target import Target
from napari_segplugin.widgets._edit_keys import BRUSHES, ESCAPE, HINTS, ToolKeys, bind, unbind
from napari_segplugin.widgets._timers import timer
from napari_segplugin.widgets.adopt_control import AdoptControl, is_view
from napari_segplugin.widgets.prompt_control import PromptControl
from napari_segplugin.widgets.queue_control import QueueControl
from napari_segplugin.widgets.step_correct import ALWAYS, PLANE, CorrectPanel

if TYPE_CHECKING:
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.history import EditStep
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.step_improve import ImproveStep


class EditControl:
    """Correcting objects for the dock: one editor for each result that is in the viewer.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ImproveStep
    journal : JournalControl
    """

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ImproveStep, journal: JournalControl) -> None:
        self._desk, self._jobs, self._journal = desk, jobs, journal
        self.panel, self.adoption = CorrectPanel(), AdoptControl(desk)
        self.tool, self.keys = "", ToolKeys(self.act, self.panel.step_asked.emit)
        self._first, self.outlined = 0, False
        self._seeds: list[np.ndarray] = []
        self._outline = ObjectOutline(desk.viewer)
        self.queue, self.prompt = QueueControl(desk, jobs, self, step), PromptControl(desk, jobs, engine, self)
        self._show_timer = timer(step, 50, self.show)
        self.panel.asked.connect(self.act)
        self.panel.class_asked.connect(self._set_class)
        self.panel.new_class_asked.connect(self._set_new_class)
        self.panel.proposal_asked.connect(self.prompt.answer)
        step.correct.rows.insertWidget(1, self.panel)
        self.panel.adopt.clicked.connect(lambda _=False: self._guarded(self.adoption.start))
        self.panel.hide()

    # --- results --------------------------------------------------------------------------------------------------

    @property
    def target(self) -> Target | None:
        """The result of the chosen image, if it has objects."""
        result = self._desk.result
        return None if result is None else self._desk.about(result).target

    def refresh(self) -> None:
        """Get hold of new results, let go of old ones, and show what there is."""
        desk = self._desk
        wanted = [
            r
            for r in desk.results
            if r.segmentation.task is not Task.SEMANTIC and isinstance(r.layer, Labels) and desk.there(r.layer)
        ]
        for target in desk.targets:
            if not any(target.result is r for r in wanted):
                self._release(target)
                self._journal.gone(target.result)
        for result in wanted:
            work = desk.about(result)
            work.target = work.target or self._hold(result)
        self._journal.forget_images()
        for target in desk.targets:
            target.editor.follow(a for a in desk.viewer.layers if is_view(a, target.layer))
        self.show()

    def _hold(self, result: Result) -> Target:
        things = [c.name for c in result.segmentation.classes if c.id in result.segmentation.classes.thing_ids]
        rgb = bool(getattr(result.image_layer, "rgb", False))
        axes = layer_axes(result.axes, rgb)
        editor = Editor(result.layer, axes, (things or ["object"])[0])
        target = Target(result, editor, Pointer(self._desk.viewer, result.layer), axes)
        target.brush.wanted = lambda: target.area(self.panel.new_class)
        target.pointer.picked.connect(lambda point, more: self.choose(target, editor.number_at(point), more=more))
        target.pointer.clicked.connect(lambda point, shift: self._guarded(lambda: self._clicked(target, point, shift)))
        target.pointer.drawn.connect(lambda points: self._guarded(lambda: self._drawn(target, points)))
        target.pointer.dropped.connect(self.put_down)
        editor.stepped.connect(self._on_step)
        editor.stepped.connect(lambda step, back: follow_undo(result, step, back))
        result.layer.events.selected_label.connect(lambda _: self._on_selected(target))
        self.keys.bind(result.layer)
        self._look_through(editor)
        self.queue.prepare(target)
        self._journal.result(result, editor)
        return target

    def _on_step(self, step: EditStep, back: bool) -> None:
        self._show_timer.start()
        self._desk.refresh_soon()

    def _on_selected(self, target: Target) -> None:
        target.touched, target.others = target.touched or int(target.layer.selected_label) != target.first, ()
        with suppress(RuntimeError):
            self._show_timer.start()

    def _look_through(self, editor: Editor) -> None:
        """Find the boxes of the objects in a worker, so that the first edit need not wait for it."""
        data, version = editor.layer.data, editor.version
        if not isinstance(data, np.ndarray):
            return
        self._jobs.beside(
            ("boxes", editor),
            lambda: ObjectBoxes(data),
            lambda boxes: (editor.take_boxes(boxes, version), self._show_timer.start()),
            lambda _: None,  # they are made when they are needed, and the error is told then
        )

    # --- the panel ------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> int:
        """The object that is chosen, of several the last one; 0 where it is none, as until somebody has chosen one."""
        return next(iter(self.target.chosen), 0) if self.target is not None else 0

    def choose(self, target: Target, *numbers: int, more: bool = False) -> None:
        """Choose objects; `more`: one besides those that are chosen, or one of them no longer."""
        there = [n for n in numbers if n]
        if more and there:
            target.toggle(there[0])
        else:
            target.choose(*there)
        self._show_timer.start()

    def show(self) -> None:
        """Bring the panel up to date."""
        target, panel = self.target, self.panel
        panel.offer(self.adoption.candidate() is not None, target is not None)
        if target is None:
            self._outline.clear()
            return
        panel.set_axes(target.axes)
        things = [c.name for c in target.classes if c.id in target.classes.thing_ids]
        panel.set_classes(things, [c.name for c in target.classes if c.id and c.name not in things])
        self._use_class(target)
        number = int(target.layer.selected_label)
        # the boxes are made in a worker: do not ask for them
        number = number if target.touched and target.editor.seems_there(number) else 0
        others = [n for n in target.others if number and target.editor.seems_there(n)]
        self.outlined = self._outline.show(target.layer, [number, *others])
        panel.set_state(True, bool(number), self.queue.progress(target))
        row = target.editor.rows.get(number) if number else None
        if others:
            panel.say(f"{1 + len(others)} chosen", "Merge, Delete, Tidy, Grow, Accept and Reject are for all of them.")
            return
        if row is None:
            panel.say("No object selected", "Click on an object, or press Next. Ctrl+click: several.")
            return
        at = panel.classes.findData(row["class"])
        if at >= 0:
            panel.classes.setCurrentIndex(at)
        score = "" if row["score"] != row["score"] else f"Score {row['score']:.0%}."
        reason = self.queue.reason(target, number)
        status = str(row["status"])
        facts = [
            f"{status.capitalize()}." if status != "predicted" else "",
            score,
            reason and f"{reason[:1].upper()}{reason[1:].rstrip('.')}.",
        ]
        panel.say(f"{str(row['class']).capitalize()} {number}", " ".join(fact for fact in facts if fact))

    # --- what is asked --------------------------------------------------------------------------------------------

    def act(self, action: str) -> None:
        """Do what a button or a key asks for."""
        target = self.target
        if target is None:
            return
        if action == "merge" and len(target.chosen) > 1:
            self._guarded(lambda: target.editor.merge(target.chosen, self.where(target)))
        elif action in HINTS:
            self.put_down() if self.tool == action else self._take(target, action)
        elif action in BRUSHES:
            self._guarded(lambda: self._brush(target, action))
        elif action == "select":
            self.put_down()
        elif action in ("next", "accept", "fix", "reject"):
            self._guarded(lambda: self.queue.act(target, action))
        else:
            self.panel.show_settings(action)
            self._guarded(lambda: self._edit(target, action))

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do something; what cannot be done is said in the dock."""
        try:
            work()
        except SegPluginError as error:
            self._desk.fail(error)
        self._show_timer.start()

    def _edit(self, target: Target, action: str) -> None:
        editor, chosen, where = target.editor, target.chosen, self.where(target)
        if not chosen:
            raise InputError("No object is selected.", hint="Click on an object first")
        amount = self.panel.amount.value() * self._pixel(target)
        if action == "delete":
            editor.delete(chosen, where)
        elif action == "interpolate":
            editor.interpolate(chosen[0], target.axes.index("Z"), where)
        elif action == "fill_holes":
            editor.fill_holes(*chosen, where=where)
        elif action == "tidy":
            editor.tidy(*chosen, width=amount, where=where)
        else:
            {"grow": editor.grow, "shrink": editor.shrink}[action](*chosen, distance=amount, where=where)

    def _set_new_class(self, name: str) -> None:
        """Take a number of a class into the brush."""
        target = self.target
        if target is not None:
            self._use_class(target)
            target.editor.make_room()
            target.layer.selected_label = target.area(name) or target.editor.boxes.next_number()
            self._show_timer.start()

    def _use_class(self, target: Target) -> None:
        """What is painted from now on is of the class that is chosen."""
        things = [c.name for c in target.classes if c.id in target.classes.thing_ids]
        target.editor.rows.usual_class = self.panel.new_class or (things or ["object"])[0]

    def _pixel(self, target: Target) -> float:
        """The finest voxel size along the axes of space."""
        return min(s for s, a in zip(target.editor.spacing, target.axes, strict=True) if a in "ZYX")

    def _set_class(self, name: str) -> None:
        target = self.target
        if target is not None:
            self._guarded(lambda: target.editor.set_class(target.chosen or [0], name))

    def where(self, target: Target, scope: str = "") -> Box | None:
        """The part of the layer that a tool works in.

        Parameters
        ----------
        target : Target
        scope : str
            "plane", "object" or "always"; what the panel says by default.
        """
        scope = scope or self.panel.scope
        point = point_in_layer(self._desk.viewer, target.layer)
        shape = target.layer.data.shape
        rows = target.pointer.shown_axes()
        fixed = [a for a in range(len(shape)) if a not in rows] if scope == PLANE else []
        if scope != ALWAYS and "T" in target.axes:
            fixed.append(target.axes.index("T"))
        if not fixed:
            return None
        return tuple(
            slice(int(p), int(p) + 1) if a in fixed else slice(0, n)
            for a, (p, n) in enumerate(zip(point, shape, strict=True))
        )

    # --- tools that wait for the mouse ----------------------------------------------------------------------------

    def _take(self, target: Target, tool: str) -> None:
        self.put_down()
        self.tool, self._first, self._seeds = tool, 0, []
        self._desk.viewer.layers.selection.active = target.layer
        target.pointer.take("rectangle" if tool == "add" else "path")
        bind(target.layer, ESCAPE, lambda _: self.put_down())
        self.panel.show_tool(tool, HINTS[tool])

    def _brush(self, target: Target, tool: str) -> None:
        """Take a tool of napari's own, which paints on the result itself."""
        if tool == "erase" and not self.chosen:
            raise InputError("No object is selected.", hint="Click on the object to erase from, then take the eraser")
        self.put_down()
        self._desk.viewer.dims.ndisplay = 2
        self._desk.viewer.layers.selection.active = target.layer
        self._use_class(target)
        target.brush.take(tool)
        self.tool = tool
        self.panel.show_tool(tool, "")

    def ready_again(self, target: Target) -> None:
        """A proposal was answered: the tool waits for the next click."""
        bind(target.layer, ESCAPE, lambda _: self.put_down())
        self.panel.show_tool(self.tool, HINTS.get(self.tool, ""))

    def put_down(self) -> None:
        """Put the tool away."""
        for target in self._desk.targets:
            self._put_down(target)
        self.prompt.clear()
        self.tool, self._first, self._seeds = "", 0, []
        self.panel.show_tool("", "")

    @staticmethod
    def _put_down(target: Target) -> None:
        if target.pointer.armed:
            target.pointer.drop()
        target.brush.put_down()
        unbind(target.layer, ESCAPE)

    def _clicked(self, target: Target, point: np.ndarray, shift: bool) -> None:
        if self.tool == "add":
            self.prompt.ask(target, point=point)
            return
        number = target.editor.number_at(point)
        if not number:
            raise InputError("There is no object here.", hint="Click on an object")
        if self.tool == "merge":
            self._merge_click(target, number)
        elif self.tool == "split":
            self._seed(target, point, number, shift)

    def _merge_click(self, target: Target, number: int) -> None:
        if self._first and self._first != number and self._first in target.editor.boxes:
            target.editor.merge([self._first, number], self.where(target))
        else:
            self._first = number
        self.choose(target, self._first)

    def _seed(self, target: Target, point: np.ndarray, number: int, shift: bool) -> None:
        if self._first != number:
            self._first, self._seeds = number, []
        self._seeds.append(np.round(point).astype(int))
        target.pointer.mark(self._seeds)
        self.choose(target, number)
        if len(self._seeds) < 2 or shift:
            return
        seeds, self._seeds = np.array(self._seeds), []
        target.pointer.mark([])
        image = self._grey(target) if self.panel.by_image else None
        target.editor.split_seeds(number, seeds, image, self.where(target))

    def _grey(self, target: Target) -> GreyView:
        return GreyView(level0(target.result.image_layer), target.result.axes, target.axes)

    def _drawn(self, target: Target, points: np.ndarray) -> None:
        if self.tool == "add":
            self.prompt.ask(target, box=points)
            return
        under = self._under(target, points)
        if self.tool == "merge":
            target.editor.merge(under, self.where(target))
            self.choose(target, under[0])
        elif self.tool == "split":
            if not under:
                raise InputError("There is no object under the line.", hint="Draw the line across an object")
            rows = target.pointer.shown_axes()
            target.editor.split_cut(under[0], points[:, list(rows)], rows, self.where(target))

    def _under(self, target: Target, points: np.ndarray) -> list[int]:
        """The objects under a line: for a merge in the order of the line, for a split the one that is crossed longest."""
        steps = [np.linspace(a, b, 2 + int(np.abs(b - a).max() * 2)) for a, b in pairwise(points)]
        numbers = [n for p in np.concatenate(steps) if (n := target.editor.number_at(p))]
        found = list(dict.fromkeys(numbers))
        return sorted(found, key=numbers.count, reverse=True) if self.tool == "split" else found

    def let_go(self) -> None:
        """Let go of every layer: the dock closes."""
        self._outline.let_go()
        for target in self._desk.targets:
            self._release(target)

    def _release(self, target: Target) -> None:
        """Correct a result no longer."""
        self._put_down(target)
        self.keys.unbind(target.layer)
        target.detach()
        self._desk.about(target.result).target = None


__all__ = ["EditControl"]
