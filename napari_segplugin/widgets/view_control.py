"""The ways in which a result is shown: objects, classes, both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_segplugin.core import Task
from napari_segplugin.viewer.component_views import ComponentViews
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.views import LinkedViews, found_of_classes
from napari_segplugin.widgets.composite_control import CompositeControl

if TYPE_CHECKING:
    from napari.layers import Labels


class ViewControl:
    """Views for the dock, for each result that is in the viewer.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._linked: dict[int, LinkedViews] = {}
        self.composite = CompositeControl(dock)

    def _of(self, result: Result) -> LinkedViews:
        """The views of a result; those of layers that are gone are let go of."""
        there = {id(layer) for layer in self._dock.viewer.layers}
        for key, linked in list(self._linked.items()):
            if key not in there:
                linked.let_go()
                del self._linked[key]
        found = self._linked.get(id(result.layer))
        if found is None or found.layer is not result.layer:
            found = self._linked[id(result.layer)] = self._make(result)
        return found

    def _make(self, result: Result) -> LinkedViews:
        viewer, layer, classes = self._dock.viewer, result.layer, result.segmentation.classes
        if result.segmentation.task is not Task.SEMANTIC:
            return LinkedViews(viewer, layer, classes)
        background, fail = self._dock.background, self._dock.fail
        axes = layer_axes(result.axes, bool(getattr(result.image_layer, "rgb", False)))
        key = f"pieces {id(layer)}"
        return ComponentViews(viewer, layer, classes, axes, lambda work, done: background.run(key, work, done, fail))

    def show(self, kind: str, on: bool) -> None:
        """Show or hide a view of the chosen image's result."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        if result is not None:
            self._of(result).show(kind, on)
        self.refresh()

    def objects_of(self, result: Result) -> Labels:
        """The layer that shows the objects of a result; the result itself where there is no other."""
        linked = self._linked.get(id(result.layer))
        view = linked.views.get("instance") if linked is not None else None
        return view if view is not None and any(view is a for a in self._dock.viewer.layers) else result.layer

    def refresh(self) -> None:
        """Say in the dock what is shown."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        table = self._dock.method_step.classes
        if result is None:
            self._dock.result_step.show_views(None)
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
        there = {id(layer) for layer in self._dock.viewer.layers}
        linked = self._linked.get(id(result.layer))
        shown = {k for k, v in linked.views.items() if id(v) in there} if linked is not None else set()
        own = ComponentViews.own if result.segmentation.task is Task.SEMANTIC else LinkedViews.own
        self._dock.result_step.show_views(shown | ({own} if result.layer.visible else set()))


__all__ = ["ViewControl"]
