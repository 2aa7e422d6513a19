"""The ways in which a result is shown: objects, classes, both. One layer, shown in one of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_segplugin.core import Task
from napari_segplugin.viewer.geometry import layer_axes
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.technical import add_hidden
from napari_segplugin.viewer.views import ResultView, found_of_classes
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
        self._views: dict[int, ResultView] = {}
        self.composite = CompositeControl(dock)

    def of(self, result: Result) -> ResultView:
        """The view of a result; those of layers that are gone are let go of."""
        there = {id(layer) for layer in self._dock.viewer.layers}
        for key, view in list(self._views.items()):
            if key not in there:
                self._hide_objects(view)
                view.let_go()
                del self._views[key]
        found = self._views.get(id(result.layer))
        if found is not None and found.classes != result.segmentation.classes:
            found.let_go()
            found = None
        if found is None or found.layer is not result.layer:
            found = self._views[id(result.layer)] = self._make(result)
        return found

    def _make(self, result: Result) -> ResultView:
        viewer, layer, segmentation = self._dock.viewer, result.layer, result.segmentation
        background, fail = self._dock.background, self._dock.fail
        axes = layer_axes(result.axes, bool(getattr(result.image_layer, "rgb", False)))
        key = f"colors {id(layer)}"
        return ResultView(
            viewer,
            layer,
            segmentation.classes,
            segmentation.task,
            axes,
            lambda work, done: background.run(f"{key} {done.__qualname__}", work, done, fail),
        )

    def show(self, kind: str, on: bool = True) -> None:
        """Show the chosen image's result in another way; the one that is switched off gives way to the result's own."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        if result is not None:
            view = self.of(result)
            if on:
                view.show(kind)
            elif kind == view.kind:
                view.show(view.own)
            self._hide_objects(view)
            if view.pieces is not None and view.pieces.objects not in self._dock.viewer.layers:
                add_hidden(self._dock.viewer, view.pieces.objects)
        self.refresh()

    def _hide_objects(self, view: ResultView) -> None:
        """Take away the objects of classes that are shown as classes again."""
        layers = self._dock.viewer.layers
        objects = None if view.pieces is None else view.pieces.objects
        for layer in list(layers):
            about = layer.metadata.get("segplugin") if isinstance(layer.metadata, dict) else None
            mine = isinstance(about, dict) and about.get("pieces") and about.get("of") == view.layer.name
            if mine and layer is not objects:
                layers.remove(layer)

    def objects_of(self, result: Result) -> Labels:
        """The layer with the objects of a result: itself, or the pieces of a semantic one that is shown as objects."""
        view = self._views.get(id(result.layer))
        pieces = None if view is None else view.pieces
        return pieces.objects if pieces is not None and pieces.objects in self._dock.viewer.layers else result.layer

    def refresh(self) -> None:
        """Say in the dock what is shown."""
        result = self._dock.runs.result_of(self._dock.image_step.layer)
        table = self._dock.method_step.classes
        if result is None or result.layer not in self._dock.viewer.layers:
            self._dock.result_step.show_views(None)
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
        self._dock.result_step.show_views({view.kind})


__all__ = ["ViewControl"]
