"""Opens the panels that measure and evaluate, beside the dock."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel
    from napari.layers import Labels
    from qtpy.QtWidgets import QDockWidget, QWidget

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.judge_panel import JudgePanel
    from napari_segplugin.widgets.measure_panel import MeasurePanel
    from napari_segplugin.widgets.view_control import ViewControl

AnyPanel = TypeVar("AnyPanel", bound="MeasurePanel | JudgePanel")
MEASURE, EVALUATE = "Measure objects", "Evaluate against ground truth"
HIGH = 820
"""Height of a window, in pixels, from which on no panel lies over the dock."""


class PanelControl:
    """Panels of the dock; each is opened once and raised after that.

    Parameters
    ----------
    desk : Desk
    viewer : napari.Viewer
    step : QWidget
        A part of the window beside which they open.
    views : ViewControl
    """

    def __init__(self, desk: Desk, viewer: Viewer, step: QWidget, views: ViewControl) -> None:
        self._desk, self._viewer, self._step, self._views = desk, viewer, step, views
        self._open: dict[str, tuple[MeasurePanel | JudgePanel, QDockWidget]] = {}
        self._table: MeasurePanel | None = None
        self._measured: weakref.ref[Labels] | None = None
        desk.results_changed.connect(self.follow)

    def follow(self) -> None:
        """Let an open table go on to a new result, or that of another image, unless a person chose another layer in it."""
        panel, layer = self._table, self._objects()
        if panel is None or layer is None or self._measured is None or panel.layer is layer:
            return
        if panel.layer is None or panel.layer is self._measured():
            self._give(panel)

    def _objects(self) -> Labels | None:
        result = self._desk.result
        return None if result is None else self._views.objects_of(result)

    def _give(self, panel: MeasurePanel) -> None:
        layer = self._objects()
        self._measured = None if layer is None else weakref.ref(layer)
        panel.choose_layer(layer, self._desk.layer)

    def measure(self) -> None:
        """Measure the result of the chosen image."""
        from napari_segplugin.widgets.measure_panel import MeasurePanel

        # a table is best wide and low, but below the canvas there is room for it in a high window only
        self._table = self._show(MEASURE, MeasurePanel, "bottom" if self._high else "right")
        self._give(self._table)

    def judge(self) -> None:
        """Evaluate the result of the chosen image."""
        from napari_segplugin.widgets.judge_panel import JudgePanel

        # where there is room it takes turns with the layer list, so that the dock stays in sight
        self._show(EVALUATE, JudgePanel, "left" if self._high else "right").choose_layer(self._objects())

    @property
    def _high(self) -> bool:
        window = self._step.window()
        return window is not None and window.height() >= HIGH

    def _show(self, name: str, make: Callable[[ViewerModel, Labels | None], AnyPanel], area: str) -> AnyPanel:
        if name in self._open and self._open[name][0].parent() is not None:
            found, holder = self._open[name]
            panel = cast("AnyPanel", found)
        else:
            panel = make(self._viewer, self._objects())
            holder = self._viewer.window.add_dock_widget(panel, name=name, area=area, tabify=area != "bottom")
            self._open[name] = (panel, holder)
            panel.destroyed.connect(partial(self._forget, panel))
        holder.show()
        holder.raise_()
        return panel

    def _forget(self, panel: MeasurePanel | JudgePanel, _: object = None) -> None:
        self._open = {name: found for name, found in self._open.items() if found[0] is not panel}
        self._table = None if panel is self._table else self._table
