"""The corrections layer: made, coloured and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Shapes
from psygnal import Signal

from napari_segplugin.core import BACKGROUND_PAINT, ClassTable, InputError, SegPluginError, Task
from napari_segplugin.data.corrections import Corrections
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.corrections import (
    CLASSES,
    FIRST_AREA,
    OBJECTS,
    check_strokes,
    class_names,
    classes_in,
    corrections_from_layers,
    count_paint,
    is_object,
    name_classes,
    paint_colors,
    paints_of,
    paints_on,
    reviewed_layer,
)
from napari_segplugin.viewer.kept import KeptStrokes
from napari_segplugin.viewer.light import outline
from napari_segplugin.viewer.replay import History
from napari_segplugin.viewer.restoring import kept_strokes
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED
from napari_segplugin.widgets._timers import timer
from napari_segplugin.widgets.loss_advice import suggest_loss
from napari_segplugin.widgets.paint_class import NEW_OBJECT, PaintClassControl, by_class
from napari_segplugin.widgets.step_improve import ERASE
from napari_segplugin.widgets.weak_control import WeakControl

if TYPE_CHECKING:
    from napari.utils.events import Event

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.step_improve import ImproveStep

COUNT_MS = 300


class PaintControl:
    """Corrections for the dock, one set for each image layer.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ImproveStep
    journal : JournalControl

    Attributes
    ----------
    painted : signal
        What is painted on the chosen image has changed.
    restored : signal
        Strokes came back: the task that they are for, and the names of their classes.
    on_result : signal
        What is painted, of the class that it is emitted with, goes onto the result.
    """

    painted = Signal()
    restored = Signal(Task, dict)
    on_result = Signal(str)

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ImproveStep, journal: JournalControl) -> None:
        self._desk, self._jobs, self._engine, self._step, self._journal = desk, jobs, engine, step, journal
        self.weak = WeakControl(desk, step.paint_class, journal)
        self.classes = PaintClassControl(desk, step.paint_class, step.paints, self.weak.use_class)
        self._another = False
        self._count_timer = timer(step, COUNT_MS, self._count)

    # --- layers ---------------------------------------------------------------------------------------------------

    @property
    def layer(self) -> Labels | None:
        """The corrections layer of the chosen image, if it is still in the viewer."""
        return self._desk.paint

    @property
    def reviewed(self) -> Shapes | None:
        """The reviewed area of the chosen image."""
        work = self._desk.work
        return None if work is None else self._desk.living(work.reviewed)

    @property
    def counts(self) -> Mapping[int, tuple[int, int]]:
        """Strokes and voxels of each paint value on the chosen image."""
        return {} if self.layer is None else self._desk.strokes(self.layer).counts

    @property
    def in_result(self) -> bool:
        """Whether what is painted goes into a result: there is one with objects, and objects are looked for."""
        desk, result = self._desk, self._desk.result
        target = None if result is None else desk.about(result).target
        return paints_of(desk.task) == OBJECTS and not desk.is_classical and target is not None

    def add_layer(self) -> bool:
        """Take the brush: on the result where objects are painted and there is one, otherwise on the corrections layer.

        Returns
        -------
        bool
            Whether there is a corrections layer to paint on.
        """
        if self.in_result:
            self.on_result.emit(self.classes.row.name)
            return False
        return self._own_layer()

    def _own_layer(self) -> bool:
        """Make a corrections layer, or select the one there is, with the brush in hand."""
        desk = self._desk
        image, choice, layer = desk.layer, desk.choice(), self.layer
        if image is None or choice is None:
            return False
        empty = layer is None
        try:
            if layer is None:
                layer = kept_strokes(KeptStrokes(), image, desk.axes, choice.spec)
                self.put_layer(layer, empty=True)
        except SegPluginError as error:
            desk.fail(error)
            return False
        self._take_up(layer, empty)
        return True

    def _take_up(self, layer: Labels, empty: bool = False) -> None:
        desk = self._desk
        desk.viewer.dims.ndisplay = 2
        desk.viewer.layers.selection.active = layer
        layer.mode = "paint"
        if empty:  # an array of some gigabytes has no memory yet, and is not to be given any by looking at it
            desk.strokes(layer).counts = {}
        else:
            self._count()
        desk.refresh()

    def restore(self, layer: Labels, history: History, known: bool) -> None:
        """Add a layer of strokes that were kept.

        Parameters
        ----------
        layer : napari.layers.Labels
        history : History
            Strokes on its undo list.
        known : bool
            Whether the journal of the image holds them.
        """
        self.put_layer(layer, known, history)
        if paints_on(layer) == CLASSES:
            self.restored.emit(Task.SEMANTIC, class_names(layer))
        elif layer is not self.layer:
            self.restored.emit(Task.INSTANCE, {})
        self._take_up(layer)

    def put_layer(
        self, layer: Labels, known: bool = False, history: History | None = None, *, empty: bool = False
    ) -> None:
        """Add the corrections layer of the chosen image and follow it; see :meth:`restore`. An empty one is not looked through."""
        desk, image = self._desk, self._desk.layer
        if image is None:
            return
        desk.viewer.add_layer(layer)
        desk.work_on(image).paints[paints_on(layer)] = layer
        choice = desk.choice()
        if choice is not None:
            desk.strokes(layer).colors = paint_colors(choice.spec.classes, paints_on(layer))
        self.classes.follow(layer, None if empty else np.asarray(layer.data))
        if paints_on(layer) == CLASSES:
            classes = () if choice is None else choice.spec.classes
            layer.selected_label = next((c.id for c in classes if c.name == self.classes.row.name), 1)
        else:
            layer.selected_label = self.classes.next_number(layer)
        layer.events.paint.connect(self._on_paint)
        layer.events.data.connect(self._on_paint)
        # Undo and redo say only that something is drawn anew.
        layer.events.set_data.connect(self._on_paint)
        self._journal.paint(layer, known, history, empty=empty)
        self.outline_result()

    def join(self, kept: KeptStrokes, kind: str) -> None:
        """Put strokes that were kept under those that are painted already, as one step; objects stay apart."""
        work, paint = self._desk.work, kept.paint
        layer = None if work is None else self._desk.living(work.paints.get(kind))
        if layer is None or paint is None:
            return
        names = dict(kept.painted)
        if paints_on(layer) == OBJECTS:
            used = {int(n) for n in np.unique(layer.data) if is_object(int(n))} | set(class_names(layer))
            top = max(self.classes.next_number(layer), int(paint.max(initial=0, where=paint < FIRST_AREA)) + 1)
            twice = sorted(used & {int(n) for n in np.unique(paint)})
            for number, fresh in zip((n for n in twice if is_object(n)), range(top, FIRST_AREA), strict=False):
                paint = np.where(paint == number, np.uint16(fresh), paint)
                if number in names:
                    names[fresh] = names.pop(number)
            names = {n: name for n, name in names.items() if n not in class_names(layer)}
        free = np.nonzero((paint != 0) & (layer.data == 0))
        if len(free[0]):
            name_classes(layer, names)
            self.classes.leave_open(layer, paint)
            layer.data_setitem(free, paint[free])

    def outline_result(self) -> None:
        """Show the result as outlines while somebody paints: filled areas of the same colours would hide the paint."""
        result = self._desk.result
        if self.layer is not None and result is not None and not result.layer.contour:
            beside = self._jobs.beside
            outline(result.layer, lambda work, done: beside(("outlines", result), work, done))

    def add_reviewed(self) -> None:
        """Make a layer for the reviewed area, or select the one there is, with the rectangle tool in hand."""
        desk, image = self._desk, self._desk.layer
        if image is None:
            return
        layer = self.reviewed
        if layer is None:
            layer = reviewed_layer(image, desk.axes)
            desk.viewer.add_layer(layer)
            desk.work_on(image).reviewed = layer
            layer.events.data.connect(lambda _=None: desk.refresh_soon())
            self._journal.marks("reviewed", layer)
        desk.viewer.dims.ndisplay = 2
        desk.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        desk.refresh()

    def pick(self, value: int) -> None:
        """Take a paint value into the brush."""
        choice = self._desk.choice()
        if self.in_result and value not in (ERASE, BACKGROUND_PAINT) and choice is not None:
            at = BACKGROUND_PAINT - value
            self.on_result.emit(self.classes.row.name if value == NEW_OBJECT else choice.spec.classes[at].name)
            return
        layer = self.layer if self._own_layer() else None
        if layer is None:
            return
        if value != ERASE:
            layer.selected_label = self.classes.next_number(layer) if value == NEW_OBJECT else value
        layer.mode = "erase" if value == ERASE else "paint"

    def recolor(self) -> None:
        """Follow the classes as they are now: names that a person changed, and colours."""
        choice, layer = self._desk.choice(), self.layer
        if choice is None:
            return
        self._follow_names(f"{choice.spec.task} {choice.title}", choice.spec.classes)
        self._set_aside()
        if layer is None:
            return
        colors = paint_colors(choice.spec.classes, paints_on(layer))
        # A colour map of 65536 labels takes napari a quarter of a second: only when it differs.
        work = self._desk.strokes(layer)
        if colors != work.colors:
            work.colors = colors
            layer.colormap = label_colormap_of(colors)

    def _set_aside(self) -> None:
        """Hide what was painted for another task, and show it again when that is looked for again."""
        desk, work = self._desk, self._desk.work
        for layer in () if work is None or desk.is_classical else work.paints.values():
            aside = layer is not self.layer
            painted = desk.strokes(layer)
            if not desk.there(layer) or aside == painted.aside or (aside and not layer.visible):
                continue
            painted.aside, layer.visible = aside, not aside
            if aside and desk.viewer.layers.selection.active is layer:
                layer.mode = "pan_zoom"
                desk.viewer.layers.selection.active = self.layer or desk.layer

    def _follow_names(self, of: str, now: ClassTable) -> None:
        """Where one name of a model's table has changed, and nothing else, the class was renamed."""
        work = self._desk.work
        if work is None:
            return
        before, work.classes[of] = work.classes.get(of, now), now
        pairs = [(a.name, b.name) for a, b in zip(before, now, strict=False) if a.name != b.name]
        if len(before) == len(now) and len(pairs) == 1:
            self.weak.rename(*pairs[0])
            if self.layer is not None:
                self.classes.rename(self.layer, *pairs[0])

    def strokes(self) -> np.ndarray:
        """A copy of what was painted on the chosen image, in canonical order; zeros where nothing was."""
        chosen = self._desk.chosen()
        return corrections_from_layers(chosen.layer, chosen.axes, paint=self.layer).paint

    def copy(self) -> Corrections:
        """Copies of everything that was corrected on the chosen image; see :meth:`seen`."""
        return self.seen().copied()

    def seen(self) -> Corrections:
        """Everything that was corrected on the chosen image. Call it on the GUI thread; the arrays are those of the layers.

        Raises
        ------
        SegPluginError
            If a layer does not fit the image or the task.
        """
        chosen, choice, result = self._desk.chosen(), self._desk.choice(), self._desk.result
        if choice is not None and self.layer is not None:
            check_strokes(self.layer, choice.spec.task, choice.spec.classes, self.counts)
        # classes of pixels have no objects to learn from
        if result is not None and choice is not None and choice.spec.task is not Task.SEMANTIC:
            result = None if result.segmentation.task is Task.SEMANTIC else result
        copied = corrections_from_layers(
            chosen.layer,
            chosen.axes,
            paint=self.layer,
            reviewed=self.reviewed,
            result=None if result is None else result.layer,
            before=None if result is None else result.before,
            copy=False,
        )
        if choice is None:
            return self.weak.into(copied)
        if result is not None:
            same = result.model == choice.title
            classes = classes_in(result.segmentation, result.layer.features, choice.spec.classes, renamed=same)
            copied = replace(copied, object_class=classes, accepted=result.checked)
        return self.weak.into(replace(copied, painted_class=self._painted_classes(choice.spec.classes)))

    def _painted_classes(self, classes: ClassTable) -> dict[int, int]:
        """Class of each painted number, in the numbers of a table."""
        layer = self.layer
        if layer is None or paints_on(layer) != OBJECTS:
            return {}
        ids = {c.name: c.id for c in classes if c.id}
        found = {n: ids[name] for n, name in class_names(layer).items() if name in ids}
        counted = [n for n, c in found.items() if not is_object(n) and c in classes.thing_ids and n in self.counts]
        if counted:
            name = classes[found[counted[0]]].name
            raise InputError(
                f"The strokes of “{name}” were painted as an area, but its objects are counted now.",
                hint="Set it to area again, or erase these strokes and paint each object as a whole",
            )
        return found

    # --- counting ------------------------------------------------------------------------------------------------

    @property
    def known_besides(self) -> str:
        """What else a training takes as right, a line each: edited and accepted objects, reviewed areas."""
        result, lines = self._desk.result, list[str]()
        if self.layer is not None and paints_on(self.layer) == OBJECTS:
            lines += by_class(
                class_names(self.layer), self.counts, self.classes.row.choice.count() > 1, self._desk.ndim
            )
        if result is not None and "status" in result.layer.features:
            status = np.asarray(result.layer.features["status"])
            found = {word: int((status == word).sum()) for word in (CORRECTED, ACCEPTED)}
            words = [f"{n:,} {word}" for word, n in found.items() if n]
            if words:
                lines.append(f"objects: {', '.join(words)}")
        areas = 0 if self.reviewed is None else len(self.reviewed.data)
        if areas:
            what = "with your edits, taken as correct" if result is not None else "needs a result: press Run"
            lines.append(f"reviewed: {areas} area{'s' * (areas != 1)}, {what}")
        return "\n".join(lines)

    def _on_paint(self, event: Event | None = None) -> None:
        self._count_timer.start()

    def _count(self) -> None:
        layer, desk = self.layer, self._desk
        if layer is None:
            return
        data = layer.data

        def done(counts: dict[int, tuple[int, int]]) -> None:
            work = desk.strokes(layer)
            changed, self._another = counts != work.counts or self._another, False
            work.counts = counts
            if changed and layer is self.layer:
                self.painted.emit()
            suggest_loss(desk, self._engine, self._step.losses)
            desk.refresh()

        self._jobs.beside("count", lambda: count_paint(data), done)

    def on_image(self) -> None:
        """Another image was chosen: count what is painted on it."""
        if self._desk.layer is not None and self._desk.ready:
            self._another = True
            self._count()
