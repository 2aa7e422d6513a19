"""The instant answer: strokes are answered by a random forest while they are painted, and on the whole image on wish."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_segplugin.core import ClassTable, Image, InputError, Job, Region, Segmentation, SegPluginError, Task
from napari_segplugin.core.types import json_integers
from napari_segplugin.viewer.colors import label_colormap_of
from napari_segplugin.viewer.focus import camera_of, in_hand
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.places import current_frame, seen_on
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.viewer.technical import hide_from_list
from napari_segplugin.widgets._timers import Later, timer
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.data.corrections import Corrections
    from napari_segplugin.door.window import ForestAnswer, PixelForest
    from napari_segplugin.viewer.desk import ChosenImage, Desk
    from napari_segplugin.viewer.looks import PlaneLook
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.run_control import RunControl
    from napari_segplugin.widgets.step_improve import ImproveStep
    from napari_segplugin.widgets.view_row import ViewRow

MOVED_MS = 250
"""What is seen is answered when nothing has moved for so long."""
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
        self._layers: dict[int, Labels] = {}
        self._of: ImageLayer | None = None
        self._wanted: dict[int, PlaneLook | None] = {}
        self._answered: dict[int, tuple[int | None, Region]] = {}
        self._answering = False
        self._view: ViewRow | None = None
        paint.painted.connect(self.painted)

    @property
    def layers(self) -> tuple[Labels, ...]:
        """The layers of the live answer, one a plane."""
        return tuple(self._layers.values())

    def follow(self, view: ViewRow) -> None:
        """Answer on every plane that is seen, and where somebody moves to."""
        self._view = view
        view.looked.connect(self._on_look)
        view.toggled.connect(lambda _: self._renew())
        self._moved = timer(view, MOVED_MS, self._on_moved)
        soon, camera, dims = Later(self._moved), camera_of(self._desk.viewer).events, self._desk.viewer.dims.events
        for event in (camera.zoom, camera.center, dims.point, dims.order):
            event.connect(soon)

    def _on_look(self, look: PlaneLook) -> None:
        """Something else is seen on one of three planes."""
        if self.live and not self._jobs.busy and self._is_new(look.canvas, look):
            self._wanted[look.canvas] = look
            self._next()

    def _on_moved(self) -> None:
        """Something else is seen on the one plane that is shown."""
        if self._layers and not self._looks() and self._is_new(0, None):
            self.painted()

    def _is_new(self, canvas: int, look: PlaneLook | None) -> bool:
        """Whether other voxels are seen on a canvas than those that were answered there."""
        desk, layer = self._desk, self._desk.layer
        if layer is None:
            return False
        region = desk.seen() if look is None else seen_on(look, layer, desk.axes)
        frame = current_frame(desk.viewer, layer, desk.axes)
        return region is not None and self._answered.get(canvas) != (frame, region)

    def _renew(self) -> None:
        """Other planes are shown than before."""
        self.hide()
        self.painted()

    def _looks(self) -> tuple[PlaneLook, ...]:
        return () if self._view is None else self._view.looks

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
        """Answer what is seen, each plane in a layer of its own, in the background; first the one that is worked on."""
        looks, held = self._looks(), in_hand(self._desk.viewer)
        planes = (
            self._view.planes.planes if looks and self._view is not None and self._view.planes is not None else None
        )
        first = planes.viewers.index(held) if planes is not None and held in planes.viewers else 0
        order = sorted(looks, key=lambda look: (look.canvas != first, look.canvas))
        self._wanted = dict.fromkeys([0]) if not looks else {look.canvas: look for look in order}
        self._next()

    def _next(self) -> None:
        """Answer the next plane, one at a time: they share the features."""
        if self._answering or not self._wanted or not self.live:
            return
        canvas = next(iter(self._wanted))
        look = self._wanted.pop(canvas)
        asked = self._question()
        if asked is None:
            self._wanted.clear()
            return
        chosen, nearby, engine = asked.chosen, self.nearby, self._engine
        region = self._desk.seen() if look is None else seen_on(look, chosen.layer, chosen.axes)
        if region is None:
            self._next()
            return
        self._answered[canvas] = (chosen.frame, region)
        image, forest = chosen.part, asked.forest or self._begin_forest(chosen)

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
            self._answering = False
            if self.live:
                self._show(shown, chosen, canvas)
            if look is None or canvas == 0:
                self._step.say_instant(_words(answer))
            self._next()

        def failed(error: BaseException) -> None:
            self._answering = False
            self._wanted.clear()
            self._step.say_instant(str(error))
            if isinstance(error, InputError) and self.live:
                # a stroke is missing still: the features are ready when it comes
                self._jobs.beside("instant features", lambda: forest.warm(region), lambda _: None, lambda _: None)

        self._answering = True
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
        """Take the layers of the live answer away."""
        layers, self._layers, self._answered = self._layers, {}, {}
        self._wanted.clear()
        for layer in layers.values():
            if self._desk.there(layer):
                self._desk.viewer.layers.remove(layer)

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

    def _show(self, segmentation: Segmentation, chosen: ChosenImage, canvas: int) -> None:
        viewer, layer, axes, frame = self._desk.viewer, chosen.layer, chosen.axes, chosen.frame
        if not self._desk.there(layer) or (canvas and not self._looks()):
            return
        self._of = layer
        origin = json_integers(segmentation.recipe["origin"])
        labels = np.asarray(segmentation.labels)
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        array = to_layer_order(labels, axes, bool(getattr(layer, "rgb", False)))
        pooled = int(str(segmentation.recipe.get("pooled", 1)))
        where = placement(layer, axes, origin if frame is None else (frame, *origin), pooled)
        old = self._layers.get(canvas)
        if old is not None and self._desk.there(old):
            old.data = array
            old.scale = np.asarray(where["scale"])
            old.translate = where["translate"]
            return
        about = {"segplugin": {"role": "instant"}}
        made = Labels(array, name=INSTANT, opacity=0.4, metadata=about, **where)
        if segmentation.task is Task.SEMANTIC:
            made.colormap = label_colormap_of({c.id: c.color for c in segmentation.classes})
        self._layers[canvas] = made
        hide_from_list(viewer, made)
        at = next((i for i, a in enumerate(viewer.layers) if a is self._desk.paint), len(viewer.layers))
        with still_selected(viewer.layers):
            viewer.layers.insert(at, made)  # below the strokes, which stay readable


def _words(answer: ForestAnswer) -> str:
    """What the forest is worth, in a sentence."""
    found = [f"Instant answer: {name.removeprefix('held-out ')} {value:.3f}." for name, value in answer.quality.items()]
    pooled = answer.segmentation.recipe.get("pooled", 1)
    coarse = [f"Shown at 1/{pooled} of the resolution; zoom in for all of it."] if pooled != 1 else []
    return " ".join([*found, *coarse, answer.heldout])


__all__ = ["INSTANT", "InstantControl"]
