"""The instant answer: strokes are answered by a random forest while they are painted, and on the whole image on wish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import ClassTable, Image, InputError, Job, Region, Segmentation, SegPluginError, Task
from napari_segplugin.core.types import json_integers
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.door.window import ForestAnswer, PixelForest
    from napari_segplugin.viewer.desk import ChosenImage, Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.run_control import RunControl
    from napari_segplugin.widgets.step_improve import ImproveStep

INSTANT = "instant answer"
TITLE = "Instant answer (random forest)"


@dataclass(frozen=True, eq=False)
class _Question:
    """What an answer needs; the corrections are not copied yet."""

    chosen: ChosenImage
    paint: Corrections
    task: Task
    classes: ClassTable
    forest: PixelForest | None


class InstantControl:
    """Forests for the dock, one for each image layer and time point.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ImproveStep
    paint : PaintControl
    runs : RunControl
    """

    def __init__(
        self, desk: Desk, jobs: Jobs, engine: Engine, step: ImproveStep, paint: PaintControl, runs: RunControl
    ) -> None:
        self._desk, self._jobs, self._engine, self._step = desk, jobs, engine, step
        self._paint, self._runs = paint, runs
        self._layer: Labels | None = None
        self._of: ImageLayer | None = None
        paint.painted.connect(self.painted)

    @property
    def live(self) -> bool:
        """Whether strokes are answered as they come."""
        return bool(self._step.instant_box.isChecked())

    @property
    def nearby(self) -> bool:
        """Whether a class is looked for only where it was painted (objects are looked for everywhere)."""
        return bool(self._step.nearby_box.isChecked())

    def toggle(self, on: bool) -> None:
        """Begin or end to answer strokes as they come."""
        if on:
            self.show_view()
        else:
            self.hide()

    def painted(self) -> None:
        """A stroke is finished: answer what is on the screen, if that is wished."""
        if self.live and not self._jobs.busy:
            self.show_view()

    def show_view(self) -> None:
        """Answer the visible region in a layer of its own, in the background."""
        asked = self._question()
        if asked is None:
            return
        chosen, nearby, engine = asked.chosen, self.nearby, self._engine
        image, region = chosen.part, self._desk.seen()
        forest = asked.forest or self._begin_forest(chosen)

        def work() -> tuple[ForestAnswer, Segmentation]:
            # a stroke that is painted while this is copied is answered again when it is finished
            copied = asked.paint.copied().frame(chosen.frame)
            answer = engine.instant_now(
                image, copied, asked.task, asked.classes, region=region, forest=forest, one_thing=nearby
            )
            found = answer.segmentation
            return answer, replace(found, labels=drawn(np.asarray(found.labels), found.task))

        def done(value: tuple[ForestAnswer, Segmentation]) -> None:
            answer, shown = value
            if self.live:
                self._show(shown, chosen)
            self._step.say_instant(_words(answer))

        def failed(error: BaseException) -> None:
            self._step.say_instant(str(error))
            if isinstance(error, InputError) and self.live:
                # a stroke is missing still: the features are ready when it comes
                self._jobs.beside("instant features", lambda: forest.warm(region), lambda _: None, lambda _: None)

        self._jobs.beside("instant", work, done, failed)

    def _begin_forest(self, chosen: ChosenImage) -> PixelForest:
        """A forest for an image at one time point; it takes the place of every other one, which hold features in memory."""
        forest = self._engine.pixel_forest(chosen.part)
        for _, work in self._desk.images:
            work.forest = None
        self._desk.work_on(chosen.layer).forest = (chosen.frame, forest)
        return forest

    def run(self) -> None:
        """Answer the whole image, or the part that is chosen in Find, as a result."""
        asked = self._question()
        if asked is None:
            return
        paint = asked.paint.copied().frame(asked.chosen.frame)
        engine, nearby = self._engine, self.nearby

        def answer(image: Image, region: Region | None) -> Job[Segmentation]:
            found = yield from engine.instant(
                image, paint, asked.task, asked.classes, region=region, forest=asked.forest, one_thing=nearby
            )
            return found.segmentation

        self._runs.start_with(self._desk.scope, TITLE, asked.task, answer)

    def hide(self) -> None:
        """Take the layer of the live answer away."""
        if self._layer is not None and self._desk.there(self._layer):
            self._desk.viewer.layers.remove(self._layer)
        self._layer = None

    def forget_gone(self) -> None:
        """Take the live answer away if its image is no longer in the viewer."""
        if self._of is not None and not self._desk.there(self._of):
            self.hide()

    def _question(self) -> _Question | None:
        """Everything that an answer needs; None, with a sentence, where something is missing."""
        desk, choice = self._desk, self._desk.choice()
        if choice is None or desk.paint is None:
            return None
        try:
            chosen, paint = desk.chosen(), self._paint.seen()
        except SegPluginError as error:
            self._step.say_instant(told(error))
            return None
        kept = desk.work_on(chosen.layer).forest
        forest = kept[1] if kept is not None and kept[0] == chosen.frame else None
        return _Question(chosen, paint, choice.spec.task, choice.spec.classes, forest)

    def _show(self, segmentation: Segmentation, chosen: ChosenImage) -> None:
        viewer, layer, axes, frame = self._desk.viewer, chosen.layer, chosen.axes, chosen.frame
        if not self._desk.there(layer):
            return
        self._of = layer
        origin = json_integers(segmentation.recipe["origin"])
        labels = np.asarray(segmentation.labels)
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        array = to_layer_order(labels, axes, bool(getattr(layer, "rgb", False)))
        pooled = int(str(segmentation.recipe.get("pooled", 1)))
        where = placement(layer, axes, origin if frame is None else (frame, *origin), pooled)
        if self._layer is None or not self._desk.there(self._layer):
            about = {"segplugin": {"role": "instant"}}
            self._layer = Labels(array, name=INSTANT, opacity=0.4, metadata=about, **where)
            if segmentation.task is Task.SEMANTIC:
                self._layer.colormap = label_colormap_of({c.id: c.color for c in segmentation.classes})
            at = next((i for i, a in enumerate(viewer.layers) if a is self._desk.paint), len(viewer.layers))
            with still_selected(viewer.layers):
                viewer.layers.insert(at, self._layer)  # below the strokes, which stay readable
            return
        self._layer.data = array
        self._layer.scale = np.asarray(where["scale"])
        self._layer.translate = where["translate"]


def _words(answer: ForestAnswer) -> str:
    """What the forest is worth, in a sentence."""
    found = [f"Instant answer: {name.removeprefix('held-out ')} {value:.3f}." for name, value in answer.quality.items()]
    pooled = answer.segmentation.recipe.get("pooled", 1)
    coarse = [f"Shown at 1/{pooled} of the resolution; zoom in for all of it."] if pooled != 1 else []
    return " ".join([*found, *coarse, answer.heldout])


__all__ = ["INSTANT", "InstantControl"]
