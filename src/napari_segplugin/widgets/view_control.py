"""The ways in which a result is shown: objects, classes, both."""

from __future__ import annotations

from typing import Any

from napari_segplugin.core import Task
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.views import LinkedViews


class ViewControl:
    """Views for the dock, for each result that is in the viewer.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._linked: dict[int, LinkedViews] = {}

    def _of(self, result: Result) -> LinkedViews:
        """The views of a result; those of layers that are gone are let go of."""
        there = {id(layer) for layer in self._dock.viewer.layers}
        for key, linked in list(self._linked.items()):
            if key not in there:
                linked.let_go()
                del self._linked[key]
        found = self._linked.get(id(result.layer))
        if found is None or found.layer is not result.layer:
            found = LinkedViews(self._dock.viewer, result.layer, result.segmentation.classes)
            self._linked[id(result.layer)] = found
        return found

    def show(self, kind: str, on: bool) -> None:
        """Show or hide a view of the chosen image's result."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        if result is not None and result.segmentation.task is not Task.SEMANTIC:
            self._of(result).show(kind, on)
        self.refresh()

    def refresh(self) -> None:
        """Say in the dock what is shown."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        if result is None or result.segmentation.task is Task.SEMANTIC:
            self._dock.result_step.show_views(None)
            return
        there = {id(layer) for layer in self._dock.viewer.layers}
        linked = self._linked.get(id(result.layer))
        shown = {k for k, v in linked.views.items() if id(v) in there} if linked is not None else set()
        self._dock.result_step.show_views(shown | ({"instance"} if result.layer.visible else set()))


__all__ = ["ViewControl"]
