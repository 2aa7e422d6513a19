"""Classical techniques: live on what is on the screen while a setting is turned, then on the whole image."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_segplugin.core import (
    BACKGROUND_PAINT,
    Box,
    Image,
    InputError,
    Job,
    Region,
    Segmentation,
    SegPluginError,
    Task,
)
from napari_segplugin.viewer.companions import blocks_layer, colours_layer
from napari_segplugin.viewer.geometry import label_axes, placement, to_layer_order
from napari_segplugin.viewer.light import drawn
from napari_segplugin.viewer.marks import (
    box_layer,
    box_of_shapes,
    points_layer,
    seeds_of_points,
    seeds_of_strokes,
    without_label,
)
from napari_segplugin.viewer.places import REGIONS, VIEW, WHOLE
from napari_segplugin.viewer.selected import still_selected
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.widgets._timers import timer
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.classical.row import CleanupRow, TechniqueRow
    from napari_segplugin.door.window import Previewer
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.classical_page import ClassicalPage
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.run_control import RunControl

LIVE = "live preview"
LIVE_MS = 120
Counts: TypeAlias = tuple[np.ndarray, float, float]
"""Counts of equal bins, and the two ends."""


class Started(TypedDict, total=False):
    """What a person gave a technique to start from."""

    seeds: np.ndarray
    box: Box


class ClassicalControl:
    """Techniques for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    page : ClassicalPage
        Where the recipe is set.
    paint : PaintControl
    runs : RunControl
    """

    def __init__(
        self, desk: Desk, jobs: Jobs, engine: Engine, page: ClassicalPage, paint: PaintControl, runs: RunControl
    ) -> None:
        self._desk, self._jobs, self._engine = desk, jobs, engine
        self.page, self._paint, self._runs = page, paint, runs
        self._layer: Labels | None = None
        self._of: ImageLayer | None = None
        self._stop = threading.Event()
        self._background = 0
        self._previewer: Previewer | None = None
        self._timer = timer(page, LIVE_MS, self.show_live)

    def changed(self) -> None:
        """A setting was turned: end the preview that runs, and begin another when the hand is still."""
        self._stop.set()
        if self._desk.is_classical and self.page.live.isChecked():
            self._timer.start()
        else:
            self._timer.stop()
            self.hide()

    # --- marks ----------------------------------------------------------------------------------------------------

    def marks(self, kind: str) -> Points | Shapes | None:
        """The layer of points or of the box of the chosen image, if it is still in the viewer."""
        work = self._desk.work
        found = None if work is None else work.starts.get(kind)
        return found if self._desk.there(found) else None

    def add_marks(self, kind: str) -> None:
        """Make the layer, or select the one there is, with its tool in hand."""
        desk, image = self._desk, self._desk.layer
        if image is None:
            return
        layer = self.marks(kind)
        if layer is None:
            layer = (points_layer if kind == "points" else box_layer)(image, desk.axes)
            layer.name = f"{layer.name} · {image.name}"
            desk.viewer.add_layer(layer)
            desk.work_on(image).starts[kind] = layer
            layer.events.data.connect(lambda _=None: self.changed())
        desk.viewer.dims.ndisplay = 2
        desk.viewer.layers.selection.active = layer
        layer.mode = "add" if kind == "points" else "add_rectangle"

    def _started_from(self) -> Started:
        """Seeds or box as the technique needs them.

        Raises
        ------
        InputError
            If they are not there yet.
        """
        desk, needs = self._desk, self.page.technique.needs
        self._background = 0
        if needs == "strokes":
            if desk.paint is None:
                hint = "Press Paint strokes in Correct, then paint the objects and their surroundings."
                raise InputError("This technique needs strokes.", hint=hint)
            paint = self._paint.strokes()
            seeds = seeds_of_strokes(paint)
            self._background = int(seeds.max()) if (paint == BACKGROUND_PAINT).any() else 0
            return {"seeds": seeds}
        layer = self.marks(needs) if needs else None
        if needs == "points":
            if not isinstance(layer, Points):
                raise InputError("There are no points yet.", hint="Press Place points, then click on each object.")
            return {"seeds": seeds_of_points(layer, desk.chosen().layer, desk.axes)}
        if needs == "box":
            if not isinstance(layer, Shapes):
                raise InputError("There is no box yet.", hint="Press Draw the box, then draw it around the object.")
            return {"box": box_of_shapes(layer, desk.chosen().layer, desk.axes)}
        return {}

    # --- running --------------------------------------------------------------------------------------------------

    def run(self, scope: str) -> None:
        """Segment the whole image, or the part that is chosen in Find."""
        desk = self._desk
        self._stop.set()
        self._timer.stop()
        try:
            recipe, marks = self.page.recipe(), self._started_from()
        except SegPluginError as error:
            desk.fail(error)
            return
        if scope == REGIONS and self.page.technique.needs:
            hint = "Choose Whole image or Visible part, or a technique that starts from nothing."
            desk.fail(InputError("A technique that starts from marks cannot run in drawn regions.", hint=hint))
            return
        self.hide()
        engine, background = self._engine, self._background

        def answer(image: Image, region: Region | None) -> Job[Segmentation]:
            found = yield from engine.segment(image, recipe, region=region, **marks)
            return without_label(found, background) if background else found

        whole = self.page.technique.needs != "" and scope == VIEW
        self._runs.start_with(WHOLE if whole else scope, self.page.technique.title, self.task, answer)

    @property
    def task(self) -> Task:
        """What the recipe finds."""
        rows: list[TechniqueRow | CleanupRow] = [self.page.technique]
        rows += (self._engine.cleanups()[s.name] for s in self.page.recipe().cleanup)
        return Task.INSTANCE if any(r.kind == "objects" for r in rows) else Task.SEMANTIC

    def show_live(self) -> None:
        """Segment what is on the screen, in the background."""
        desk = self._desk
        if not desk.ready or self._jobs.busy:
            return
        try:
            recipe, marks = self.page.recipe(), self._started_from()
            chosen, region = desk.chosen(), desk.seen()
        except SegPluginError as error:
            self.page.show_live(told(error))
            return
        self._stop = stop = threading.Event()
        part, engine, background = chosen.part, self._engine, self._background
        wanted = self.page.histogram.empty and not self.page.histogram.isHidden()

        def work() -> tuple[np.ndarray, tuple[int, ...], str, Counts | None]:
            counts = engine.histogram(part, recipe.channel) if wanted else None
            labels, origin, text = self._previewer_of(part).visible(recipe, region, **marks)
            return drawn(np.where(labels == background, 0, labels), Task.INSTANCE), origin, text, counts

        def done(value: tuple[np.ndarray, tuple[int, ...], str, Counts | None]) -> None:
            labels, origin, text, counts = value
            if counts is not None:
                self.page.histogram.set_counts(*counts)
            if stop.is_set() or not desk.is_classical:
                return
            self.page.show_live(text)
            self._show(labels, origin, chosen.layer, chosen.axes, chosen.frame)

        def failed(error: BaseException) -> None:
            if not stop.is_set():
                self.page.show_live(told(error) if isinstance(error, SegPluginError) else f"No preview: {error}")
                self.hide()

        self._jobs.beside("classical", work, done, failed)

    def _previewer_of(self, image: Image) -> Previewer:
        """The previewer of an image (of a time point): it learns how fast the techniques are."""
        found = self._previewer
        if found is None or found.image.array is not image.array:
            found = self._previewer = self._engine.previewer(image)
        return found

    def forget_gone(self) -> None:
        """Take the live layer away if its image is no longer in the viewer."""
        if self._of is not None and not self._desk.there(self._of):
            self.hide()

    def hide(self) -> None:
        """Take the live layer away."""
        if self._layer is not None and self._desk.there(self._layer):
            self._desk.viewer.layers.remove(self._layer)
        self._layer = None

    def _show(
        self, labels: np.ndarray, origin: tuple[int, ...], layer: ImageLayer, axes: str, frame: int | None
    ) -> None:
        viewer = self._desk.viewer
        if not self._desk.there(layer):
            return
        self._of = layer
        labels = labels.reshape((1,) * (len(label_axes(axes)) - labels.ndim) + labels.shape)
        array = to_layer_order(labels, axes, bool(getattr(layer, "rgb", False)))
        where = placement(layer, axes, origin if frame is None else (frame, *origin))
        if self._layer is None or not self._desk.there(self._layer):
            self._layer = Labels(array, name=LIVE, opacity=0.5, **where)
            add_hidden(viewer, self._layer)
            return
        self._layer.data = array
        self._layer.translate = where["translate"]

    def add_companion(self) -> None:
        """Add what the technique shows beside its labels: the image in its colours, or the blocks before they are merged."""
        desk = self._desk
        if not desk.ready:
            desk.fail(InputError("There is no image yet.", hint="Open an image."))
            return
        recipe, engine = self.page.recipe(), self._engine
        try:
            chosen = desk.chosen()
        except SegPluginError as error:
            desk.fail(error)
            return
        part = chosen.part
        make = colours_layer if recipe.technique == "kmeans" else blocks_layer

        def done(array: np.ndarray) -> None:
            try:
                found = make(array, chosen.layer, chosen.axes, chosen.frame)
            except SegPluginError as error:
                desk.fail(error)
                return
            desk.remove_named(found.name)
            with still_selected(desk.viewer.layers):
                desk.viewer.add_layer(found)

        self._jobs.beside("companion", lambda: engine.companion(part, recipe), done)

    # --- recipes --------------------------------------------------------------------------------------------------

    def open_recipe(self, source: str) -> None:
        """Show a recipe from a file, or one that comes with the package."""
        try:
            self.page.set_recipe(self._engine.load_recipe(source))
        except SegPluginError as error:
            self._desk.fail(error)

    def save_recipe(self, path: str) -> None:
        """Write the recipe to a file."""
        try:
            place = self._engine.save_recipe(self.page.recipe(), path if path.endswith(".json") else f"{path}.json")
        except SegPluginError as error:
            self._desk.fail(error)
            return
        self._desk.say(
            f"Saved the recipe as {place.name}. Run it on a folder of images with: segplugin run "
            f"{place.name} FOLDER --output RESULTS"
        )


__all__ = ["LIVE", "ClassicalControl"]
