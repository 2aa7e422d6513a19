"""From the click on Fine-tune to the verdict, and back again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import (
    AugmentSpec,
    InputError,
    Metric,
    ModelBundle,
    Note,
    Preview,
    SegPluginError,
    Stage,
    Step,
)
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.pictures import outlined
from napari_segplugin.widgets._places import current_frame, region_of
from napari_segplugin.widgets.step_method import Choice
from napari_segplugin.widgets.step_result import VIEW
from napari_segplugin.widgets.where import told

PREVIEW = "preview"


class TrainControl:
    """Fine-tuning for the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._stop = threading.Event()
        self._preview: Labels | None = None
        self._target: tuple[Any, str, int | None, Any] | None = None
        self.old: ModelBundle | None = None
        self.new: ModelBundle | None = None

    def start(self) -> None:
        """Copy the strokes, freeze everything into a job, and start it."""
        dock = self._dock
        layer, axes = dock.image_step.layer, dock.image_step.axes
        try:
            choice = self._choice()
            frame = current_frame(dock.viewer, layer, axes)
            image = dock.image_step.image()
            image = image if frame is None else image.frame(frame)
            paint = dock.paint.copy().frame(frame)
            if paint.empty:
                raise InputError(
                    "Nothing is painted yet." if frame is None else "Nothing is painted at this time point.",
                    hint="Paint a few strokes, or correct the result, then press Fine-tune",
                )
            preview = region_of(dock.viewer, layer, axes, VIEW)
            spec = dock.improve_step.train_spec(dock.method_step.device)
        except SegPluginError as error:
            dock.fail(error)
            return
        make = self._make(
            choice, lambda old, stop: dock.engine.finetune(image, paint, old, spec, stop=stop, preview=preview)
        )
        self._target = (layer, axes, frame, choice.spec.classes)
        dock.journal.sync()
        dock.improve_step.begin_training()
        if preview is not None:
            # the layer is made now, empty: making it takes napari a moment that no running job should meet
            self._show_preview(Preview(tuple(s.start or 0 for s in preview), _empty(preview, image.spatial_shape)))
        dock.start_job("train", make, f"Fine-tuning {choice.title}")

    def start_folder(self, folder: str) -> None:
        """Train what is chosen in step 2 on the images of a folder."""
        dock = self._dock
        try:
            choice = self._choice()
            spec = dock.improve_step.train_spec(dock.method_step.device)
        except SegPluginError as error:
            dock.fail(error)
            return
        keep = Path(dock.session.folder) / "training"
        make = self._make(choice, lambda old, stop: dock.engine.train(folder, old, spec, stop=stop, keep=keep))
        self._target = None
        dock.improve_step.begin_training()
        dock.start_job("train", make, f"Training {choice.title} on {Path(folder).name}")

    def _choice(self) -> Choice:
        choice: Choice | None = self._dock.method_step.choice()
        if choice is None:
            raise InputError("There is no model to train.", hint="Choose one in step 2.")
        return choice

    def _make(self, choice: Choice, train: Callable[[ModelBundle, threading.Event], Any]) -> Callable[[], Any]:
        """What the worker calls: reads the old bundle, and trains a copy until it is done or told to stop."""
        self._stop = stop = threading.Event()

        def make() -> Any:
            old = choice.load()
            return _with_old(train(old, stop), old)

        return make

    def examples(self) -> None:
        """Show augmented patches of the image."""
        dock = self._dock
        try:
            image = dock.image_step.image()
            frame = current_frame(dock.viewer, dock.image_step.layer, dock.image_step.axes)
        except SegPluginError as error:
            dock.fail(error)
            return
        options, engine = dock.improve_step.options, dock.engine
        part, augmentation = image if frame is None else image.frame(frame), options.augmentation() or AugmentSpec()
        work = lambda: engine.examples(part, augmentation)  # noqa: E731
        dock.background.run("examples", work, options.show_examples, dock.fail)

    def stop(self) -> None:
        """End normally and keep the best state."""
        self._stop.set()
        self._dock.improve_step.stop_button.setEnabled(False)
        self._dock.improve_step.progress.text.setText("Ending; the best state so far is kept …")

    def take(self, event: Any) -> None:
        """Show an event of the running job."""
        step = self._dock.improve_step
        if isinstance(event, Metric):
            step.take_metric(event.step, event.name, event.value)
        elif isinstance(event, Preview):
            self._show_preview(event)
        elif isinstance(event, Note):
            self._dock.say(told(event))
        elif isinstance(event, Stage | Step):
            step.progress.take(event)

    def finish(self, value: tuple[Any, ModelBundle]) -> None:
        """Use the new bundle if it is better, keep it safe and show the verdict; the layer on the screen stays."""
        dock = self._dock
        result, old = value
        self.old, self.new = old, result.bundle
        self.hide_preview()
        dock.session.add(old)
        dock.session.add(result.bundle, use=result.better)
        verdict = result.verdict
        text = result.heldout if verdict is None else f"{verdict.text} {result.heldout}"
        dock.improve_step.verdict.show_figures(result.before, result.after, text)
        views = getattr(result, "views", None)
        pictures = () if views is None else (outlined(views.image, views.before), outlined(views.image, views.after))
        dock.improve_step.verdict.show_pictures(pictures)
        session = dock.session
        dock.background.run("autosave model", lambda: session.save_bundle(result.bundle), lambda _: None, dock.fail)
        trained = f"Trained “{result.bundle.name}”." if verdict is None else verdict.text
        dock.say(f"{trained} Press Run in step 3 to see what it finds." if result.better else trained)

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
        dock = self._dock
        dock.session.use(bundle)
        result, text = dock.runs.result_of(dock.image_step.layer), f"“{bundle.name}” is in use."
        maker = "" if result is None else result.segmentation.recipe.get("model", {}).get("name", "")
        if maker not in ("", bundle.name):
            text += f" The result shown was made with “{maker}”: press Run in step 3 to replace it."
        dock.say(text)

    # --- the preview ----------------------------------------------------------------------------------------------

    @property
    def works_on(self) -> tuple[Any, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def forget_gone(self) -> None:
        """Take the preview away if its image is no longer in the viewer."""
        if self._target is not None and not self._dock.gone.there(self._target[0]):
            self.hide_preview()

    def _show_preview(self, event: Preview) -> None:
        if self._target is None:
            return
        layer, axes, frame, classes = self._target
        viewer = self._dock.viewer
        if not self._dock.gone.there(layer):
            return
        origin = tuple(event.origin) if frame is None else (frame, *event.origin)
        labels = np.asarray(event.labels)
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        rgb = bool(getattr(layer, "rgb", False))
        array = to_layer_order(labels.astype(np.int32), axes, rgb)
        where = placement(layer, axes, (0,) * (len(label_axes(axes)) - len(origin)) + origin)
        if self._preview is None or not any(a is self._preview for a in viewer.layers):
            active = viewer.layers.selection.active
            self._preview = Labels(array, name=PREVIEW, opacity=0.5, **where)
            if str(self._dock.method_step.task) == "semantic":
                self._preview.colormap = label_colormap_of({c.id: c.color for c in classes})
            viewer.add_layer(self._preview)
            viewer.layers.selection.active = active
            return
        self._preview.data = array
        self._preview.translate = where["translate"]

    def hide_preview(self) -> None:
        """Take the preview away."""
        if self._preview is not None and any(a is self._preview for a in self._dock.viewer.layers):
            self._dock.viewer.layers.remove(self._preview)
        self._preview = None


def _empty(region: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Labels of a region with nothing in it."""
    return np.zeros([len(range(*s.indices(n))) for s, n in zip(region, shape, strict=True)], np.int32)


def _with_old(job: Any, old: ModelBundle) -> Any:
    """The job's result together with the bundle that it started from."""
    result = yield from job
    return result, old
