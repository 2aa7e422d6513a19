"""Opens the panels that measure and judge, beside the dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel
    from napari.layers import Labels
    from qtpy.QtWidgets import QDockWidget, QWidget

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.judge_panel import JudgePanel
    from napari_segplugin.widgets.measure_panel import MeasurePanel
    from napari_segplugin.widgets.view_control import ViewControl

HIGH = 820
"""Height of a window, in pixels, from which on the table lies at the bottom."""


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

    def measure(self) -> None:
        """Measure the result of the chosen image."""
        from napari_segplugin.widgets.measure_panel import MeasurePanel

        # a table is best wide and low, but below the layer list there is room for it in a high window only
        window = self._step.window()
        if window is not None and window.height() >= HIGH:
            self._show("Measure objects", MeasurePanel, bottom=True)
        else:
            self._show("Measure objects", MeasurePanel)

    def judge(self) -> None:
        """Judge the result of the chosen image."""
        from napari_segplugin.widgets.judge_panel import JudgePanel

        self._show("Judge against ground truth", JudgePanel)

    def _show(
        self,
        name: str,
        make: Callable[[ViewerModel, Labels | None], MeasurePanel | JudgePanel],
        *,
        bottom: bool = False,
    ) -> None:
        result = self._desk.result
        layer = self._views.objects_of(result) if result is not None else None
        if name in self._open and self._open[name][0].parent() is not None:
            panel, holder = self._open[name]
            panel.choose_layer(layer)
        else:
            panel, area = make(self._viewer, layer), "bottom" if bottom else "right"
            holder = self._viewer.window.add_dock_widget(panel, name=name, area=area, tabify=not bottom)
            self._open[name] = (panel, holder)
            panel.destroyed.connect(partial(self._forget, panel))
        holder.show()
        holder.raise_()

    def _forget(self, panel: MeasurePanel | JudgePanel, _: object = None) -> None:
        self._open = {name: found for name, found in self._open.items() if found[0] is not panel}
