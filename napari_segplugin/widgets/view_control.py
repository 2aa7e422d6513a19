"""The ways in which a result is shown: objects, classes, both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_segplugin.core import Task
from napari_segplugin.viewer.component_views import ComponentViews
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.views import LinkedViews, found_of_classes
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

    def _of(self, result: Result) -> LinkedViews:
        """The views of a result; those of layers that are gone are let go of."""
        desk = self._desk
        for other in desk.results:
            work = desk.about(other)
            if work.views is not None and not desk.there(other.layer):
                work.views.let_go()
                work.views = None
        work = desk.about(result)
        work.views = work.views or self._make(result)
        return work.views

    def _make(self, result: Result) -> LinkedViews:
        viewer, layer, classes = self._desk.viewer, result.layer, result.segmentation.classes
        if result.segmentation.task is not Task.SEMANTIC:
            return LinkedViews(viewer, layer, classes)
        beside = self._jobs.beside
        axes = layer_axes(result.axes, bool(getattr(result.image_layer, "rgb", False)))
        return ComponentViews(viewer, layer, classes, axes, lambda work, done: beside(("pieces", layer), work, done))

    def show(self, kind: str, on: bool) -> None:
        """Show or hide a view of the chosen image's result."""
        result = self._desk.result
        if result is not None:
            self._of(result).show(kind, on)
        self.refresh()

    def objects_of(self, result: Result) -> Labels:
        """The layer that shows the objects of a result; the result itself where there is no other."""
        linked = self._desk.about(result).views
        view = None if linked is None else self._desk.living(linked.views.get("instance"))
        return result.layer if view is None else view

    def refresh(self) -> None:
        """Say in the dock what is shown."""
        result = self._desk.result
        table = self._method_step.classes
        if result is None:
            self._step.show_views(None)
            table.show_counts({})
            return
        objects, classes = self.objects_of(result), result.segmentation.classes
        same = [c.name for c in table.table] == [c.name for c in classes]
        counted: Sequence[int] | None = None
        if (
            result.segmentation.task is Task.SEMANTIC
        ):  # its rows are the classes themselves; pieces have rows of their own
            counted = () if objects is result.layer else range(len(classes))
        table.show_counts(found_of_classes(objects.features, classes, counted) if same else {})
        linked = self._desk.about(result).views
        shown = {k for k, v in linked.views.items() if self._desk.there(v)} if linked is not None else set()
        own = ComponentViews.own if result.segmentation.task is Task.SEMANTIC else LinkedViews.own
        self._step.show_views(shown | ({own} if result.layer.visible else set()))


__all__ = ["ViewControl"]
