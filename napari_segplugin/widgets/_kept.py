"""Hide or delete the objects that are out of range."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from napari_segplugin.core import SegPluginError
from napari_segplugin.viewer import panels
from napari_segplugin.viewer.selected import still_selected

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segplugin.data.table import TableView
    from napari_segplugin.widgets.measure_panel import MeasurePanel


class KeptObjects:
    """What happens in the viewer to the objects that the panel leaves out.

    Parameters
    ----------
    panel : MeasurePanel
    """

    def __init__(self, panel: MeasurePanel) -> None:
        self._panel = panel
        self.layer: Labels | None = None
        self._hidden: Labels | None = None

    @staticmethod
    def _numbers(view: TableView) -> np.ndarray:
        return np.unique(view.table["label"].values[view.kept])

    def update(self) -> None:
        """Show, renew or take away the copy without the objects out of range."""
        panel, source = self._panel, self._panel.layer
        if source is None or panel.view is None or not panel.filter.hide_button.isChecked():
            self.drop()
            return
        numbers, data = self._numbers(panel.view), panels.freeze(source)[0]

        def done(labels: np.ndarray) -> None:
            if source is panel.layer and panel.filter.hide_button.isChecked():
                self._show(source, labels)

        panel.background.run("keep", lambda: panels.keep_only(data, numbers), done, panel.fail)

    def _show(self, source: Labels, labels: np.ndarray) -> None:
        layers = self._panel.viewer.layers
        if self.layer is not None and any(a is self.layer for a in layers):
            self.layer.data = labels
            return
        self.layer, self._hidden = panels.kept_layer(source, labels), source
        source.visible = False
        with still_selected(layers):
            layers.insert(layers.index(source) + 1, self.layer)

    def drop(self) -> None:
        """Take the copy away and show the layer itself."""
        kept, hidden, self.layer, self._hidden = self.layer, self._hidden, None, None
        if kept is None:
            return
        with suppress(ValueError, RuntimeError):
            self._panel.viewer.layers.remove(kept)
        if hidden is not None:
            with suppress(RuntimeError):
                hidden.visible = True

    def delete_rest(self) -> None:
        """Make every object out of range background, as one step of the layer's undo list."""
        panel, source = self._panel, self._panel.layer
        if source is None or panel.view is None or not panel.view.narrowed:
            return
        numbers, data = self._numbers(panel.view), panels.freeze(source)[0]
        gone = len(np.setdiff1d(panel.view.table["label"].values, numbers))

        def done(indices: tuple[np.ndarray, ...]) -> None:
            if source is not panel.layer:
                return
            try:
                panels.make_background(source, indices)
            except SegPluginError as error:
                panel.fail(error)
                return
            panel.show_all()
            word = "object" if gone == 1 else "objects"
            panel.messages.show_message(f"Deleted {gone:,} {word}. Undo with Ctrl+Z on the layer.")

        panel.background.run("delete", lambda: panels.where_not(data, numbers), done, panel.fail)
