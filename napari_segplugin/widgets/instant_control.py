"""The instant answer: strokes are answered by a random forest while they are painted, and on the whole image on wish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import InputError, Job, Segmentation, SegPluginError, Task
from napari_segplugin.core.types import json_integers
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.light import drawn
from napari_segplugin.widgets._places import current_frame, region_of
from napari_segplugin.widgets.step_result import VIEW
from napari_segplugin.widgets.where import told

INSTANT = "instant answer"
TITLE = "Instant answer (random forest)"


class InstantControl:
    """Forests for the dock, one for each image layer and time point.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._layer: Labels | None = None
        self._forests: dict[tuple[int, int | None], Any] = {}
        self._of: Any = None

    @property
    def live(self) -> bool:
        """Whether strokes are answered as they come."""
        return bool(self._dock.improve_step.instant_box.isChecked())

    @property
    def nearby(self) -> bool:
        """Whether a class is looked for only where it was painted (objects are looked for everywhere)."""
        return bool(self._dock.improve_step.nearby_box.isChecked())

    def toggle(self, on: bool) -> None:
        """Begin or end to answer strokes as they come."""
        if on:
            self.show_view()
        else:
            self.hide()

    def painted(self) -> None:
        """A stroke is finished: answer what is on the screen, if that is wished."""
        if self.live and not self._dock.job.busy:
            self.show_view()

    def show_view(self) -> None:
        """Answer the visible region in a layer of its own, in the background."""
        asked = self._question()
        if asked is None:
            return
        dock = self._dock
        layer, axes, frame, image, paint, task, classes, forest = asked
        nearby = self.nearby
        region = region_of(dock.viewer, layer, axes, VIEW)
        engine = dock.engine

        if forest is None:
            forest = engine.pixel_forest(image)
            self._forests = {(id(layer), frame): forest}

        def work() -> Any:
            # a stroke that is painted while this is copied is answered again when it is finished
            copied = paint.copied().frame(frame)
            answer = engine.instant_now(image, copied, task, classes, region=region, forest=forest, one_thing=nearby)
            found = answer.segmentation
            return answer, replace(found, labels=drawn(np.asarray(found.labels), found.task))

        def done(value: Any) -> None:
            answer, shown = value
            if self.live:
                self._show(shown, layer, axes, frame)
            dock.improve_step.say_instant(_words(answer))

        def failed(error: BaseException) -> None:
            dock.improve_step.say_instant(str(error))
            if isinstance(error, InputError) and self.live:
                # a stroke is missing still: the features are ready when it comes
                dock.background.run("instant features", lambda: forest.warm(region), lambda _: None, lambda _: None)

        dock.background.run("instant", work, done, failed)

    def run(self) -> None:
        """Answer the whole image, or the part that is chosen in step 3, as a result."""
        asked = self._question()
        if asked is None:
            return
        dock = self._dock
        _, _, frame, _, paint, task, classes, forest = asked
        paint = paint.copied().frame(frame)
        engine, nearby = dock.engine, self.nearby

        def answer(image: Any, region: Any) -> Job[Segmentation]:
            found = yield from engine.instant(
                image, paint, task, classes, region=region, forest=forest, one_thing=nearby
            )
            segmentation: Segmentation = found.segmentation
            return segmentation

        dock.runs.start_with(dock.result_step.scope, TITLE, task, answer)

    def hide(self) -> None:
        """Take the layer of the live answer away."""
        if self._layer is not None and any(a is self._layer for a in self._dock.viewer.layers):
            self._dock.viewer.layers.remove(self._layer)
        self._layer = None

    def forget_gone(self) -> None:
        """Take the live answer away if its image is no longer in the viewer."""
        if self._of is not None and not any(a is self._of for a in self._dock.viewer.layers):
            self.hide()

    def _question(self) -> Any:
        """Everything that an answer needs, the corrections not copied yet; None, with a sentence, where something is missing."""
        dock = self._dock
        layer, axes, choice = dock.image_step.layer, dock.image_step.axes, dock.method_step.choice()
        if choice is None or dock.paint.layer is None:
            return None
        try:
            frame = current_frame(dock.viewer, layer, axes)
            image = dock.image_step.image()
            image = image if frame is None else image.frame(frame)
            paint = dock.paint.seen()
        except SegPluginError as error:
            dock.improve_step.say_instant(told(error))
            return None
        forest = self._forests.get((id(layer), frame))
        return layer, axes, frame, image, paint, choice.spec.task, choice.spec.classes, forest

    def _show(self, segmentation: Segmentation, layer: Any, axes: str, frame: int | None) -> None:
        viewer = self._dock.viewer
        if not self._dock.gone.there(layer):
            return
        self._of = layer
        origin = json_integers(segmentation.recipe["origin"])
        labels = np.asarray(segmentation.labels)
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        array = to_layer_order(labels, axes, bool(getattr(layer, "rgb", False)))
        pooled = int(str(segmentation.recipe.get("pooled", 1)))
        where = placement(layer, axes, origin if frame is None else (frame, *origin), pooled)
        if self._layer is None or not any(a is self._layer for a in viewer.layers):
            active = viewer.layers.selection.active
            self._layer = Labels(array, name=INSTANT, opacity=0.4, **where)
            if segmentation.task is Task.SEMANTIC:
                self._layer.colormap = label_colormap_of({c.id: c.color for c in segmentation.classes})
            at = next((i for i, a in enumerate(viewer.layers) if a is self._dock.paint.layer), len(viewer.layers))
            viewer.layers.insert(at, self._layer)  # below the strokes, which stay readable
            viewer.layers.selection.active = active
            return
        self._layer.data = array
        self._layer.scale = np.asarray(where["scale"])
        self._layer.translate = where["translate"]


def _words(answer: Any) -> str:
    """What the forest is worth, in a sentence."""
    found = [f"Instant answer: {name.removeprefix('held-out ')} {value:.3f}." for name, value in answer.quality.items()]
    pooled = answer.segmentation.recipe.get("pooled", 1)
    coarse = [f"Shown at 1/{pooled} of the resolution; zoom in for all of it."] if pooled != 1 else []
    return " ".join([*found, *coarse, answer.heldout])


__all__ = ["INSTANT", "InstantControl"]
