"""From the click on Run to the layer in the viewer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_segplugin.core import (
    Event,
    Image,
    InputError,
    Job,
    ModelBundle,
    Note,
    Region,
    Segmentation,
    SegPluginError,
    Stage,
    Task,
    TileSpec,
)
from napari_segplugin.viewer.class_renewal import ClassSteps
from napari_segplugin.viewer.corrections import CLASSES
from napari_segplugin.viewer.geometry import label_axes, to_layer_order
from napari_segplugin.viewer.layers import features_of
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.places import REGIONS
from napari_segplugin.viewer.renewal import Renewed, can_renew, renew
from napari_segplugin.viewer.results import Result, show_result, whole_image
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.widgets._parts import tell
from napari_segplugin.widgets.regions_control import RegionsControl
from napari_segplugin.widgets.stroke_control import grew_from_strokes
from napari_segplugin.widgets.suit_card import SuitControl
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from pandas import DataFrame

    from napari_segplugin.door.window import Estimate
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.step_method import MethodStep
    from napari_segplugin.widgets.step_result import ResultStep

Answer: TypeAlias = "Callable[[Image, Region | None], Job[Segmentation]]"
Model: TypeAlias = "tuple[ModelBundle | None, TileSpec | None]"
Found: TypeAlias = "tuple[Segmentation, DataFrame, np.ndarray]"
"""A segmentation with its table and its labels as they are drawn."""


class RunControl:
    """Prediction, estimate and saving for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    method_step : MethodStep
    step : ResultStep
    paint : PaintControl
    journal : JournalControl
    """

    keeps = False

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        engine: Engine,
        method_step: MethodStep,
        step: ResultStep,
        paint: PaintControl,
        journal: JournalControl,
    ) -> None:
        self._desk, self._jobs, self._engine, self._journal = desk, jobs, engine, journal
        self._method_step, self._step, self._paint = method_step, step, paint
        self._target: tuple[ImageLayer, str] | None = None
        self._replaces: Result | None = None
        self._model, self._scope = "", ""
        self._devices_known = False
        self.regions = RegionsControl(desk)
        self.suit = SuitControl(desk, jobs, engine, method_step.tile_options, step, self.start)

    def start(self, scope: str) -> None:
        """Run the chosen model."""
        desk = self._desk
        choice = desk.choice()
        if choice is None:
            desk.fail(InputError("There is nothing to run yet.", hint="Open an image."))
        elif choice.scratch:
            hint = "Paint examples and train it, or choose a model."
            desk.fail(InputError("This network is untrained.", hint=hint))
        else:
            tiles, device, engine = desk.tiles(choice.spec.ndim), desk.device, self._engine
            self.start_with(
                scope,
                choice.title,
                choice.spec.task,
                lambda i, r: engine.predict(i, choice.load(), tiles=tiles, device=device, region=r),
                lambda: (choice.load(), tiles),
            )

    def start_with(
        self, scope: str, title: str, task: Task, answer: Answer, model: Callable[[], Model] = lambda: (None, None)
    ) -> None:
        """Freeze image and region into a job that anything may answer: a network, a forest, a classical technique.

        Parameters
        ----------
        scope : str
            "whole", "plane", "view" or "regions".
        title : str
            What answers, as a person reads it.
        task : Task
            Of the result.
        answer : callable
            Takes image and region (None: everything) and returns the job; called in the worker's thread.
        model : callable, optional
            The network and its settings, which say how far around drawn regions one has to look.
        """
        desk = self._desk
        try:
            chosen, region = desk.chosen(), desk.region(scope)
            outlines = self.regions.outlines(chosen.layer, chosen.axes) if scope == REGIONS else ()
        except SegPluginError as error:
            desk.fail(error)
            return
        layer, axes, image = chosen.layer, chosen.axes, chosen.image
        whole, engine = region is None and not outlines, self._engine
        frame = None if whole else chosen.frame
        old = desk.result_of(layer, task)
        pristine = old if old is not None and not old.edited else None
        shape = tuple(image.sizes[a] for a in label_axes(axes))
        into = pristine.segmentation if pristine is not None and not whole else None
        part = image if frame is None else chosen.part

        def make() -> Job[Found]:
            if not outlines:
                return _measured(answer(part, region), shape, whole, into, frame)
            job = engine.in_drawn(part, outlines, lambda box: answer(part, box), *model())
            return _measured(job, shape, whole, into, frame)

        self._target, self._replaces, self._model, self._scope = (layer, axes), pristine, title, scope
        self._step.progress.begin("Preparing")
        self._step.show_summary("")
        self._jobs.start(self, make, f"Segmenting {layer.name}")

    @property
    def works_on(self) -> tuple[ImageLayer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        if isinstance(event, Note):
            self._desk.say(told(event), answers=self.suit.answers(event))
        else:
            self._step.progress.take(event)

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more."""
        self._step.progress.stop()

    def finish(self, value: Found) -> None:
        """Put the result into the viewer."""
        segmentation, features, labels = value
        if self._target is None:
            return
        layer, axes = self._target
        desk, old = self._desk, self._desk.result_of(self._target[0], segmentation.task)
        # what was done while it ran counts, too
        if old is not None and (old is not self._replaces or old.edited) and self._renew(old, value):
            return
        replaced = old if old is self._replaces else None
        elsewhere = desk.layer is not layer  # somebody works on another image, and goes on there
        with still_selected(desk.viewer.layers) if elsewhere else nullcontext():
            result = show_result(
                desk.viewer, segmentation, layer, axes, replaces=replaced, features=features, labels=labels
            )
        if old is not None and result.layer is not old.layer:
            desk.say("The earlier result cannot be changed, so it is kept; the new one lies above it.")
        result.model, desk.about(result).scope = self._model, self._scope
        desk.add(result, replaced)
        if elsewhere:
            self._tell_elsewhere(result)
            return
        self._paint.outline_result()
        self._step.show_summary(_summary(segmentation))

    def _tell_elsewhere(self, result: Result) -> None:
        """Say what was found in another image than the one that is worked on."""
        desk = self._desk

        def show() -> None:
            desk.viewer.layers.selection.active = desk.living(result.layer)

        text = f"“{result.image_layer.name}”: {_summary(result.segmentation)}"
        desk.say(text, answers=[("Show it", "show_result", show), ("Later", "show_later", lambda: None)])

    def _renew(self, result: Result, found: Found) -> bool:
        """Put a new result around what was checked in the one that there is; False where that cannot be."""
        segmentation, features, labels = found
        desk, rgb = self._desk, bool(getattr(result.image_layer, "rgb", False))
        work, ordered = desk.about(result), to_layer_order(labels, result.axes, rgb)
        if not can_renew(result, segmentation):
            return False
        if segmentation.task is Task.SEMANTIC:
            work.classes = work.classes or ClassSteps(result)
            done = work.classes.renew(segmentation, ordered, self._strokes(result, segmentation))
        elif work.target is None:
            return False
        else:
            done = renew(result, work.target.editor, segmentation, features, ordered)
            work.target.order = None
            work.target.passed.clear()
        result.model, work.scope = self._model, self._scope
        self._journal.renewed(result)
        result.layer.visible = True
        desk.add(result, result)  # it is the newest now
        if desk.layer is not result.image_layer:
            self._tell_elsewhere(result)
            return True
        self._paint.outline_result()
        self._step.show_summary(_summary(result.current()))
        self._tell(result, done)
        return True

    def _strokes(self, result: Result, found: Segmentation) -> np.ndarray | None:
        """Where strokes say the class, in the order of the layer of a map of classes."""
        desk = self._desk
        strokes = desk.living(desk.work_on(result.image_layer).paints.get(CLASSES))
        if strokes is None or strokes.data.shape != result.layer.data.shape or grew_from_strokes(found, self._engine):
            return None
        return np.asarray(strokes.data).astype(bool)

    def _tell(self, result: Result, done: Renewed) -> None:
        """Say what was replaced, with the way back."""
        classes = result.segmentation.classes
        things = [classes[n].name for n in classes.thing_ids]
        word = "" if result.segmentation.task is Task.SEMANTIC else things[0] if len(things) == 1 else "object"
        self._desk.say(
            done.sentence(word, sum(a in "ZYX" for a in result.segmentation.axes)),
            answers=[("Keep", "keep_run", lambda: None), ("Undo", "undo_run", result.layer.undo)],
        )

    # --- the estimate ---------------------------------------------------------------------------------------------

    def estimate(self) -> None:
        """Work out what a run will cost, in a worker."""
        desk, step = self._desk, self._method_step
        choice = desk.choice()
        if choice is None or choice.scratch or not desk.ready:
            tell(step.estimate, "")
            self.suit.look(None, None)
            return
        try:
            image, region = desk.image(), desk.region()
        except SegPluginError:
            tell(step.estimate, "")
            self.suit.look(None, None)
            return
        self.suit.look(image, choice)
        engine, tiles, device = self._engine, desk.tiles(choice.spec.ndim), desk.device
        part = image.frame(0) if region is not None else image

        def work() -> Estimate:
            return engine.estimate(part, choice.load(), tiles=tiles, device=device, region=region)

        def done(found: Estimate) -> None:
            tell(step.estimate, str(found.text))
            self.fill_devices()

        # An estimate that fails is no reason to disturb anybody: Run will say what is wrong.
        self._jobs.beside("estimate", work, done, lambda _: tell(step.estimate, ""))

    def fill_devices(self) -> None:
        """Ask for the devices once, after the first job, when torch is loaded anyway."""
        if not self._devices_known:
            self._devices_known = True
            self._jobs.beside("devices", self._engine.devices, self._method_step.set_devices, lambda _: None)


def _measured(
    job: Job[Segmentation],
    shape: tuple[int, ...],
    whole: bool,
    into: Segmentation | None,
    frame: int | None,
) -> Job[Found]:
    """Predict, then do in the worker whatever would stop the window: paste the region, measure, copy."""
    segmentation = yield from job
    yield Stage("Measuring")
    if not whole:
        segmentation = whole_image(segmentation, shape, into, frame)
    import pandas as pd

    return (
        segmentation,
        pd.DataFrame(features_of(segmentation)),
        drawn(np.asarray(segmentation.labels), segmentation.task),
    )


def _summary(segmentation: Segmentation) -> str:
    """What was found, in one line."""
    n = len(segmentation.objects)
    if n == 0:
        return "Nothing was found. Try another model, or paint a few examples."
    things = int(np.isin(segmentation.objects.class_id, segmentation.classes.thing_ids).sum())
    if str(segmentation.task) == "semantic":
        names = [c.name for c in segmentation.classes if c.id in set(segmentation.objects.class_id.tolist())]
        return "Found: " + ", ".join(names) + ". Sizes: Measure…"
    return f"{things} object{'s' * (things != 1)}. Sizes and scores: Measure…"
