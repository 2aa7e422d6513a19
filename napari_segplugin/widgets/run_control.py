"""From the click on Run to the layer in the viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.core import Image, InputError, Job, Note, Segmentation, SegPluginError, Stage, Task
from napari_segplugin.viewer.geometry import label_axes
from napari_segplugin.viewer.layers import features_of
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.results import Result, show_result, whole_image
from napari_segplugin.widgets._parts import tell
from napari_segplugin.widgets._places import current_frame, region_of
from napari_segplugin.widgets.suit_card import SuitControl
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from pandas import DataFrame

Answer = Callable[[Image, "tuple[slice, ...] | None"], Job[Segmentation]]


class RunControl:
    """Prediction, estimate and saving for the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self.results: list[Result] = []
        self._target: tuple[Any, str] | None = None
        self._replaces: Result | None = None
        self._model = ""
        self.suit = SuitControl(dock)

    def result_of(self, layer: Any) -> Result | None:
        """The newest result of an image layer that is still in the viewer."""
        layers = list(self._dock.viewer.layers)
        for result in reversed(self.results):
            if result.image_layer is layer and any(a is result.layer for a in layers):
                return result
        return None

    def start(self, scope: str) -> None:
        """Run the chosen model."""
        dock = self._dock
        choice = dock.method_step.choice()
        if choice is None:
            dock.fail(InputError("There is nothing to run yet.", hint="Open an image in step 1."))
        elif choice.scratch:
            hint = "Paint examples and train it in step 4, or choose a model."
            dock.fail(InputError("This network is untrained.", hint=hint))
        else:
            tiles, device, engine = dock.method_step.tiles(choice.spec.ndim), dock.method_step.device, dock.engine
            self.start_with(
                scope,
                choice.title,
                choice.spec.task,
                lambda i, r: engine.predict(i, choice.load(), tiles=tiles, device=device, region=r),
            )

    def start_with(self, scope: str, title: str, task: Task, answer: Answer) -> None:
        """Freeze image and region into a job that anything may answer: a network, a forest, a classical technique.

        Parameters
        ----------
        scope : str
            "whole", "plane" or "view".
        title : str
            What answers, as a person reads it.
        task : Task
            Of the result.
        answer : callable
            Takes image and region (None: everything) and returns the job; called in the worker's thread.
        """
        dock = self._dock
        layer, axes = dock.image_step.layer, dock.image_step.axes
        try:
            image = dock.image_step.image()
            region = region_of(dock.viewer, layer, axes, scope)
        except SegPluginError as error:
            dock.fail(error)
            return
        frame = current_frame(dock.viewer, layer, axes) if region is not None else None
        old = self.result_of(layer)
        pristine = old if old is not None and old.segmentation.task is task and not old.edited else None
        shape = tuple(image.sizes[a] for a in label_axes(axes))
        into = pristine.segmentation if pristine is not None and region is not None else None
        part = image if frame is None else image.frame(frame)

        def make() -> Any:
            return _measured(answer(part, region), shape, region, into, frame)

        self._target, self._replaces, self._model = (layer, axes), pristine, title
        dock.result_step.progress.begin("Preparing")
        dock.result_step.show_summary("")
        dock.start_job("run", make, f"Segmenting {layer.name}")

    @property
    def works_on(self) -> tuple[Any, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def take(self, event: Any) -> None:
        """Show an event of the running job."""
        if isinstance(event, Note):
            self._dock.say(told(event), answers=self.suit.answers(event))
        else:
            self._dock.result_step.progress.take(event)

    def finish(self, value: tuple[Segmentation, DataFrame, np.ndarray]) -> None:
        """Put the result into the viewer."""
        segmentation, features, labels = value
        if self._target is None:
            return
        layer, axes = self._target
        viewer = self._dock.viewer
        replaced = self._replaces if self._replaces in self.results else None
        result = show_result(viewer, segmentation, layer, axes, replaces=replaced, features=features, labels=labels)
        if replaced is not None and result.layer is replaced.layer:
            self.results.remove(replaced)
        elif self.result_of(layer) is not None:
            self._dock.say("The earlier result was edited, so it is kept; the new one lies above it.")
        result.model = self._model
        self.results.append(result)
        self._dock.paint.outline_result()
        self._dock.result_step.show_summary(_summary(segmentation))

    # --- saving ---------------------------------------------------------------------------------------------------

    def save(self, path: str) -> None:
        """Write the result of the chosen image with the edits made to it."""
        dock = self._dock
        result = self.result_of(dock.image_step.layer)
        if result is None:
            dock.fail(InputError("There is no result to save.", hint="Press Run first."))
            return
        frozen, engine = result.current(), dock.engine

        def done(paths: list[Path]) -> None:
            told = "Saved " + ", ".join(Path(p).name for p in paths) + f" in {Path(path).parent}."
            known = frozen.place is not None and frozen.place.frame == "patient"
            if path.lower().removesuffix(".zip").endswith((".stl", ".ply", ".obj")) and not known:
                told += (
                    " It is not known how the image lies in a patient: the surfaces have the coordinates of the image."
                )
            dock.say(told)

        dock.background.run("save", lambda: engine.write_segmentation(frozen, path, voxel_space=True), done, dock.fail)

    # --- the estimate ---------------------------------------------------------------------------------------------

    def estimate(self) -> None:
        """Work out what a run will cost, in a worker."""
        dock = self._dock
        step = dock.method_step
        choice = step.choice()
        if choice is None or choice.scratch or not dock.image_step.ready:
            tell(step.estimate, "")
            self.suit.look(None, None)
            return
        layer, axes = dock.image_step.layer, dock.image_step.axes
        try:
            image = dock.image_step.image()
            region = region_of(dock.viewer, layer, axes, dock.result_step.scope)
        except SegPluginError:
            tell(step.estimate, "")
            self.suit.look(None, None)
            return
        self.suit.look(image, choice)
        engine, tiles, device = dock.engine, step.tiles(choice.spec.ndim), step.device
        part = image.frame(0) if region is not None else image

        def work() -> Any:
            return engine.estimate(part, choice.load(), tiles=tiles, device=device, region=region)

        def done(value: Any) -> None:
            tell(step.estimate, str(value.text))
            dock.fill_devices()

        # An estimate that fails is no reason to disturb anybody: Run will say what is wrong.
        dock.background.run("estimate", work, done, lambda _: tell(step.estimate, ""))


def _measured(
    job: Job[Segmentation],
    shape: tuple[int, ...],
    region: tuple[slice, ...] | None,
    into: Segmentation | None,
    frame: int | None,
) -> Job[tuple[Segmentation, DataFrame, np.ndarray]]:
    """Predict, then do in the worker whatever would stop the window: paste the region, measure, copy."""
    segmentation = yield from job
    yield Stage("Measuring")
    if region is not None:
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
        return "Nothing was found. Try another model, or paint a few examples in step 4."
    things = int(np.isin(segmentation.objects.class_id, segmentation.classes.thing_ids).sum())
    if str(segmentation.task) == "semantic":
        names = [c.name for c in segmentation.classes if c.id in set(segmentation.objects.class_id.tolist())]
        return "Found: " + ", ".join(names) + ". Sizes: Measure…"
    return f"{things} object{'s' * (things != 1)}. Sizes and scores: Measure…"
