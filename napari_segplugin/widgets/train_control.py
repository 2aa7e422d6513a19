"""From the click on Fine-tune to the verdict, and back again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import (
    AugmentSpec,
    ClassTable,
    Event,
    InputError,
    Job,
    Metric,
    ModelBundle,
    Note,
    Preview,
    Region,
    Segmentation,
    SegPluginError,
    Stage,
    Step,
    drain,
)
from napari_segplugin.core.types import json_object
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.pictures import outlined, where_they_differ
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.widgets.verdict import Ended
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.door.window import FineTuneResult, Session
    from napari_segplugin.viewer.desk import Choice, Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.step_improve import ImproveStep

PREVIEW = "preview"
T = TypeVar("T")


class TrainControl:
    """Fine-tuning for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    session : Session
    step : ImproveStep
    paint : PaintControl
    journal : JournalControl
    """

    keeps = True  # a model is of use without the image that it learnt from

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        engine: Engine,
        session: Session,
        step: ImproveStep,
        paint: PaintControl,
        journal: JournalControl,
    ) -> None:
        self._desk, self._jobs, self._engine, self._session = desk, jobs, engine, session
        self._step, self._paint, self._journal = step, paint, journal
        self._stop, self._name = threading.Event(), ""
        self._preview: Labels | None = None
        self._target: tuple[ImageLayer, str, int | None, ClassTable] | None = None
        self.old: ModelBundle | None = None
        self.new: ModelBundle | None = None

    def start(self) -> None:
        """Copy the strokes, freeze everything into a job, and start it."""
        desk, engine = self._desk, self._engine
        try:
            choice, chosen = self._choice(), desk.chosen()
            image, frame = chosen.part, chosen.frame
            paint = self._paint.copy().frame(frame)
            if paint.empty:
                raise InputError(
                    "Nothing is painted yet." if frame is None else "Nothing is painted at this time point.",
                    hint="Paint a few strokes, or correct the result, then press Fine-tune",
                )
            preview = desk.seen()
            spec = self._step.train_spec(desk.device)
        except SegPluginError as error:
            desk.fail(error)
            return
        make = self._make(
            choice, lambda old, stop: engine.finetune(image, paint, old, spec, stop=stop, preview=preview)
        )
        self._target = (chosen.layer, chosen.axes, frame, choice.spec.classes)
        self._journal.sync()
        self._step.begin_training()
        # the layer is made now, empty: making it takes napari a moment that no running job should meet
        self._show_preview(Preview(tuple(s.start or 0 for s in preview), _empty(preview, image.spatial_shape)))
        self._jobs.start(self, make, f"Fine-tuning {choice.title}")

    def start_folder(self, folder: str) -> None:
        """Train what is chosen on the images of a folder."""
        desk, engine = self._desk, self._engine
        try:
            choice = self._choice()
            spec = self._step.train_spec(desk.device)
        except SegPluginError as error:
            desk.fail(error)
            return
        keep = Path(self._session.folder) / "training"
        make = self._make(choice, lambda old, stop: engine.train(folder, old, spec, stop=stop, keep=keep))
        self._target = None
        self._step.begin_training()
        self._jobs.start(self, make, f"Training {choice.title} on {Path(folder).name}")

    def _choice(self) -> Choice:
        choice = self._desk.choice()
        if choice is None:
            raise InputError("There is no model to train.", hint="Choose one under Look for.")
        return choice

    def _make(
        self, choice: Choice, train: Callable[[ModelBundle, threading.Event], Job[FineTuneResult]]
    ) -> Callable[[], Job[tuple[FineTuneResult, ModelBundle]]]:
        """What the worker calls: reads the old bundle, and trains a copy until it is done or told to stop."""
        self._stop = stop = threading.Event()
        self._name = self._step.plan.name.text().strip()

        def make() -> Job[tuple[FineTuneResult, ModelBundle]]:
            old = choice.load()
            return _with_old(train(old, stop), old)

        return make

    def examples(self) -> None:
        """Show augmented patches of the image."""
        try:
            part = self._desk.chosen().part
        except SegPluginError as error:
            self._desk.fail(error)
            return
        options, engine = self._step.options, self._engine
        augmentation = options.augmentation() or AugmentSpec()
        work = lambda: engine.examples(part, augmentation)  # noqa: E731
        self._jobs.beside("examples", work, options.show_examples)

    def stop(self) -> None:
        """End normally and keep the best state."""
        self._stop.set()
        self._step.stop_button.setEnabled(False)
        self._step.progress.text.setText("Ending; the best state so far is kept …")

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        step = self._step
        if isinstance(event, Metric):
            step.take_metric(event.step, event.name, event.value)
        elif isinstance(event, Preview):
            self._show_preview(event)
        elif isinstance(event, Note):
            self._desk.say(told(event))
        elif isinstance(event, Stage | Step):
            step.progress.take(event)

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more, and nothing is previewed."""
        self._step.end_training()
        self.hide()

    def finish(self, value: tuple[FineTuneResult, ModelBundle]) -> None:
        """Use the new bundle if it is better, keep it safe and show the verdict; the layer on the screen stays."""
        result, old = value
        name, self._name = self._name, ""
        if name:
            result = replace(result, bundle=replace(result.bundle, name=name))
            self._step.plan.name.clear()
        self.old, self.new = old, result.bundle
        self._session.add(old)
        self._session.add(result.bundle, use=result.better)
        verdict = result.verdict
        views = result.views
        same = views is None or np.array_equal(views.before > 0, views.after > 0)
        seen = None if views is None or same else where_they_differ(views.image, views.before, views.after)
        pictures = () if seen is None else (outlined(seen[0], seen[1]), outlined(seen[0], seen[2]))
        end = Ended(verdict, result.before, result.after, result.heldout, pictures, old.name)
        self._step.verdict.show_end(end)
        self._step.curves.show()
        session = self._session
        self._jobs.beside("autosave model", lambda: session.save_bundle(result.bundle), lambda _: None)
        trained = f"Trained “{result.bundle.name}”." if verdict is None else verdict.text
        self._desk.say(f"{trained} Press Run to see what it finds." if result.better else trained)

    def back(self) -> None:
        """Use the bundle from before the training."""
        self._use(self.old)

    def forward(self) -> None:
        """Use the trained bundle."""
        self._use(self.new)

    def _use(self, bundle: ModelBundle | None) -> None:
        """Choose a bundle; where the result on the screen is another one's, say so."""
        if bundle is None:
            return
        desk = self._desk
        self._session.use(bundle)
        result, text = desk.result, f"“{bundle.name}” is in use."
        maker = "" if result is None else json_object(result.segmentation.recipe.get("model")).get("name", "")
        if maker not in ("", bundle.name):
            text += f" The result shown was made with “{maker}”: press Run to replace it."
        desk.say(text)

    def look(self) -> None:
        """Show what the model that is not in use finds in the visible part; put it away where it is shown."""
        if self._preview is not None:
            self.hide()
            return
        desk, engine, used = self._desk, self._engine, self._session.bundle
        other = self.old if used is self.new else self.new
        if other is None:
            return
        try:
            chosen, region = desk.chosen(), desk.seen()
        except SegPluginError as error:
            desk.fail(error)
            return
        part, tiles, device = chosen.part, desk.tiles(other.spec.ndim), desk.device
        self._target = (chosen.layer, chosen.axes, chosen.frame, other.spec.classes)

        def done(found: Segmentation) -> None:
            origin = tuple(s.start or 0 for s in region)
            self._show_preview(Preview(origin, np.asarray(found.labels)))
            desk.say(
                f"Shown: what “{other.name}” finds here. Nothing is replaced.",
                answers=[("Put away", "put_away", self.hide)],
            )

        work = lambda: drain(engine.predict(part, other, tiles=tiles, device=device, region=region))  # noqa: E731
        self._jobs.beside("look", work, done)

    # --- the preview ----------------------------------------------------------------------------------------------

    @property
    def works_on(self) -> tuple[ImageLayer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def forget_gone(self) -> None:
        """Take the preview away if its image is no longer in the viewer."""
        if self._target is not None and not self._desk.there(self._target[0]):
            self.hide()

    def _show_preview(self, event: Preview) -> None:
        if self._target is None:
            return
        layer, axes, frame, classes = self._target
        viewer = self._desk.viewer
        if not self._desk.there(layer):
            return
        origin = tuple(event.origin) if frame is None else (frame, *event.origin)
        labels = np.asarray(event.labels)
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        rgb = bool(getattr(layer, "rgb", False))
        array = to_layer_order(labels.astype(np.int32), axes, rgb)
        where = placement(layer, axes, (0,) * (len(label_axes(axes)) - len(origin)) + origin)
        if self._preview is None or not self._desk.there(self._preview):
            self._preview = Labels(array, name=PREVIEW, opacity=0.5, **where)
            if str(self._desk.task) == "semantic":
                self._preview.colormap = label_colormap_of({c.id: c.color for c in classes})
            add_hidden(viewer, self._preview)
            return
        self._preview.data = array
        self._preview.translate = where["translate"]

    def hide(self) -> None:
        """Take the preview away."""
        if self._preview is not None and self._desk.there(self._preview):
            self._desk.viewer.layers.remove(self._preview)
        self._preview = None


def _empty(region: Region, shape: tuple[int, ...]) -> np.ndarray:
    """Labels of a region with nothing in it."""
    return np.zeros([len(range(*s.indices(n))) for s, n in zip(region, shape, strict=True)], np.int32)


def _with_old(job: Job[T], old: ModelBundle) -> Job[tuple[T, ModelBundle]]:
    """The job's result together with the bundle that it started from."""
    result = yield from job
    return result, old
