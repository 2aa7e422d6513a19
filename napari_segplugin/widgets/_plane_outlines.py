"""The outline of the chosen object on every canvas that shows its layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from napari.layers import Labels

from napari_segplugin.viewer.outline import ObjectOutline

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_segplugin.viewer.outline import Canvas
    from napari_segplugin.widgets.view_row import ViewRow


class PlaneOutlines:
    """Outlines of the chosen objects of a layer: on the canvas of the viewer, and on those of further planes while they show.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._main = ObjectOutline(viewer)
        self._others: list[ObjectOutline] = []
        self._view: ViewRow | None = None

    @property
    def every(self) -> tuple[ObjectOutline, ...]:
        """The outlines, that of the viewer first."""
        return self._main, *self._others

    def follow(self, view: ViewRow) -> None:
        """Draw on the planes of a view too."""
        self._view = view
        view.toggled.connect(self._on_toggled)

    def _on_toggled(self, on: bool) -> None:
        for outline in self._others:
            outline.let_go()
        three = None if self._view is None else self._view.planes
        planes = None if three is None else three.planes
        if not on or three is None or planes is None:
            self._others = []
            return
        pairs = zip(planes.others, three.canvases, strict=True)
        self._others = [ObjectOutline(viewer, cast("Canvas", canvas.canvas)) for viewer, canvas in pairs]
        if self._main.layer is not None:
            self._show_others(self._main.layer, self._main.labels)

    def show(self, layer: Labels, labels: Iterable[int]) -> bool:
        """As :meth:`~napari_segplugin.viewer.outline.ObjectOutline.show`, on every canvas."""
        chosen = list(labels)
        drawn = self._main.show(layer, chosen)
        self._show_others(layer, chosen)
        return drawn

    def _show_others(self, layer: Labels, labels: Iterable[int]) -> None:
        planes = None if self._view is None or self._view.planes is None else self._view.planes.planes
        twins = None if planes is None else planes.twins_of(layer)
        for i, outline in enumerate(self._others):
            copy = None if twins is None else twins.copies[i]
            if isinstance(copy, Labels):
                outline.show(copy, labels)
            else:
                outline.clear()

    def clear(self) -> None:
        """Take the outlines away."""
        for outline in self.every:
            outline.clear()

    def let_go(self) -> None:
        """As :meth:`clear`, for good."""
        for outline in self.every:
            outline.let_go()
        self._others = []


__all__ = ["PlaneOutlines"]
