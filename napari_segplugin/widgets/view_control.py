"""The ways in which a result is shown: objects, classes, both. One layer, shown in one of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_segplugin.core import Task
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.viewer.views import ResultView, found_of_classes
from napari_segplugin.widgets.composite_control import CompositeControl

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_image import ImageStep
    from napari_segplugin.widgets.step_method import MethodStep
    from napari_segplugin.widgets.step_result import ResultStep


class ViewControl:
    """Views for the dock, for each result that is in the viewer.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    image_step : ImageStep
    method_step : MethodStep
    step : ResultStep
    """

    def __init__(
        self, desk: Desk, jobs: Jobs, image_step: ImageStep, method_step: MethodStep, step: ResultStep
    ) -> None:
        self._desk, self._jobs, self._method_step, self._step = desk, jobs, method_step, step
        self.composite = CompositeControl(desk, jobs, image_step.composite)

    def of(self, result: Result) -> ResultView:
        """The view of a result; those of layers that are gone are let go of."""
        desk = self._desk
        for other in desk.results:
            work = desk.about(other)
            if work.views is not None and not desk.there(other.layer):
                self._hide_objects(work.views)
                work.views.let_go()
                work.views = None
        work = desk.about(result)
        found = work.views
        if found is not None and (found.classes != result.segmentation.classes or found.layer is not result.layer):
            found.let_go()
            found = None
        work.views = found or self._make(result)
        return work.views

    def _make(self, result: Result) -> ResultView:
        viewer, layer, segmentation, beside = self._desk.viewer, result.layer, result.segmentation, self._jobs.beside
        axes = layer_axes(result.axes, bool(getattr(result.image_layer, "rgb", False)))
        return ResultView(
            viewer,
            layer,
            segmentation.classes,
            segmentation.task,
            axes,
            lambda work, done: beside(("colors", layer, done.__qualname__), work, done),
        )

    def show(self, kind: str, on: bool = True) -> None:
        """Show the chosen image's result in another way; the one that is switched off gives way to the result's own."""
        result = self._desk.result
        if result is not None:
            view = self.of(result)
            if on:
                view.show(kind)
            elif kind == view.kind:
                view.show(view.own)
            self._hide_objects(view)
            if view.pieces is not None and view.pieces.objects not in self._desk.viewer.layers:
                add_hidden(self._desk.viewer, view.pieces.objects)
        self.refresh()

    def _hide_objects(self, view: ResultView) -> None:
        """Take away the objects of classes that are shown as classes again."""
        layers = self._desk.viewer.layers
        objects = None if view.pieces is None else view.pieces.objects
        for layer in list(layers):
            about = layer.metadata.get("segplugin") if isinstance(layer.metadata, dict) else None
            mine = isinstance(about, dict) and about.get("pieces") and about.get("of") == view.layer.name
            if mine and layer is not objects:
                layers.remove(layer)

    def objects_of(self, result: Result) -> Labels:
        """The layer with the objects of a result: itself, or the pieces of a semantic one that is shown as objects."""
        view = self._desk.about(result).views
        pieces = None if view is None else view.pieces
        return pieces.objects if pieces is not None and pieces.objects in self._desk.viewer.layers else result.layer

    def refresh(self) -> None:
        """Say in the dock what is shown."""
        result = self._desk.result
        table = self._method_step.classes
        if result is None:
            self._step.show_views(None)
            table.show_counts({})
            return
        view = self.of(result)
        objects, classes = self.objects_of(result), result.segmentation.classes
        same = [c.name for c in table.table] == [c.name for c in classes]
        counted: Sequence[int] | None = None
        if result.segmentation.task is Task.SEMANTIC:
            # its rows are the classes themselves; pieces have rows of their own
            counted = () if objects is result.layer else range(len(classes))
        table.show_counts(found_of_classes(objects.features, classes, counted) if same else {})
        self._step.show_views({view.kind}, several=len(classes) > 2 or view.kind != view.own)


__all__ = ["ViewControl"]
