"""Opens the panels that measure and judge, beside the dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels
    from qtpy.QtWidgets import QDockWidget

    from napari_segplugin.widgets.judge_panel import JudgePanel
    from napari_segplugin.widgets.measure_panel import MeasurePanel

HIGH = 820
"""Height of a window, in pixels, from which on the table lies at the bottom."""


class PanelControl:
    """Panels of the dock; each is opened once and raised after that.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._open: dict[str, tuple[MeasurePanel | JudgePanel, QDockWidget]] = {}

    def measure(self) -> None:
        """Measure the result of the chosen image."""
        from napari_segplugin.widgets.measure_panel import MeasurePanel

        # a table is best wide and low, but below the layer list there is room for it in a high window only
        if self._dock.window().height() >= HIGH:
            self._show("Measure objects", MeasurePanel, area="bottom")
        else:
            self._show("Measure objects", MeasurePanel, area="right", tabify=True)

    def judge(self) -> None:
        """Judge the result of the chosen image."""
        from napari_segplugin.widgets.judge_panel import JudgePanel

        self._show("Judge against ground truth", JudgePanel, area="right", tabify=True)

    def _show(
        self, name: str, make: Callable[[ViewerModel, Labels | None], MeasurePanel | JudgePanel], **where: str | bool
    ) -> None:
        dock = self._dock
        result = dock.runs.result_of(dock.image_step.layer)
        layer = dock.views.objects_of(result) if result is not None else None
        if name in self._open and self._open[name][0].parent() is not None:
            panel, holder = self._open[name]
            panel.choose_layer(layer)
        else:
            panel = make(dock.viewer, layer)
            holder = dock.viewer.window.add_dock_widget(panel, name=name, **where)
            self._open[name] = (panel, holder)
            panel.destroyed.connect(partial(self._forget, panel))
        holder.show()
        holder.raise_()

    def _forget(self, panel: MeasurePanel | JudgePanel, _: object = None) -> None:
        self._open = {name: found for name, found in self._open.items() if found[0] is not panel}
