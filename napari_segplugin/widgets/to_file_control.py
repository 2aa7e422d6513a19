"""Results of any size: the whole image segmented straight into a file, which is then shown piece by piece."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_segplugin.core import Event, InputError, Job, Note, Segmentation, SegPluginError
from napari_segplugin.viewer.layers import features_of, segmentation_to_layer, source_of
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.table import Features
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_result import ResultStep


class ToFileControl:
    """Segmenting into a file, for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    step : ResultStep
    """

    keeps = False

    def __init__(self, desk: Desk, jobs: Jobs, engine: Engine, step: ResultStep) -> None:
        self._desk, self._jobs, self._engine, self._step = desk, jobs, engine, step
        self._target: tuple[ImageLayer, str] | None = None

    def ask(self) -> None:
        """Ask for the file, then run."""
        from napari_segplugin.io.offered import place_for

        layer = self._desk.layer
        if layer is None:
            return
        start = place_for(source_of(layer), ".ome.zarr", str(layer.name))
        kinds = "OME-Zarr (*.ome.zarr);;TIFF (*.tif)"
        path, _ = QFileDialog.getSaveFileName(self._step, "Segment into a file", str(start), kinds)
        if path:
            self.start(path if path.lower().endswith((".zarr", ".tif", ".tiff")) else f"{path}.ome.zarr")

    def start(self, path: str) -> None:
        """Run the chosen network on the whole image."""
        desk = self._desk
        choice = desk.choice()
        try:
            if desk.is_classical:
                raise InputError(
                    "Classical techniques cannot write straight into a file.",
                    accepted="a network",
                    hint="Choose “Whole image” and save the result, or choose a network under Look for",
                )
            if choice is None or choice.scratch:
                raise InputError("There is nothing to run yet.", hint="Choose a trained model under Look for.")
            chosen = desk.chosen()
        except SegPluginError as error:
            desk.fail(error)
            return
        tiles, device, engine = desk.tiles(choice.spec.ndim), desk.device, self._engine
        image = chosen.image
        self._target = (chosen.layer, chosen.axes)
        self._step.progress.begin("Preparing")
        self._step.show_summary("")

        def work() -> Job[tuple[Segmentation, Features, list[Path]]]:
            found, files = yield from engine.predict_to_file(image, choice.load(), path, tiles=tiles, device=device)
            opened = replace(found, labels=engine.read_image(files[0]).array)
            return opened, features_of(opened), files

        self._jobs.start(self, work, f"Segmenting {chosen.layer.name} into {Path(path).name}")

    @property
    def works_on(self) -> tuple[ImageLayer, ...]:
        """Layers without which the running job makes no sense."""
        return () if self._target is None else (self._target[0],)

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        if isinstance(event, Note):
            self._desk.say(told(event))
        else:
            self._step.progress.take(event)

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more."""
        self._step.progress.stop()

    def finish(self, value: tuple[Segmentation, Features, list[Path]]) -> None:
        """Show the file; its pieces are read when they are looked at."""
        import dask.array

        if self._target is None:
            return
        found, features, files = value
        layer, axes = self._target
        chunks = getattr(found.labels, "chunks", None) or "auto"
        lazy = replace(found, labels=dask.array.from_array(found.labels, chunks=chunks))
        shown = segmentation_to_layer(lazy, layer, axes, features=features, name=Path(files[0]).name)
        shown.editable = False
        self._desk.viewer.add_layer(shown)
        count = sum(int(c) in found.classes.thing_ids for c in found.objects.class_id)
        objects = "" if str(found.task) == "semantic" else f"{count} object{'s' * (count != 1)}. "
        self._step.show_summary(
            f"{objects}Written to {', '.join(Path(f).name for f in files)} in {Path(files[0]).parent}. "
            "The layer shows the file. To correct it, run the visible part, correct it there, train, "
            "and write the file again."
        )


__all__ = ["ToFileControl"]
