"""Layers that go: what works on them is cancelled, previews go with them, and a result is offered back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QMenu

from napari_segplugin.door import window
from napari_segplugin.widgets._canvas import safe_removal
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets._timers import Later, timer

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event

    from napari_segplugin.viewer.results import Result

LARGE = 2**26
"""Bytes of removed layers from which on a full collection is worth the moment that it takes."""
_QUIET_MS = 1500


@dataclass(frozen=True, eq=False)
class _Gone:
    """A result that was removed, and its place in the list of layers."""

    result: Result
    at: int


class GoneControl:
    """Follows the layers that are removed, for the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        safe_removal(dock.viewer)
        self._gone: list[_Gone] = []
        self._offered: list[_Gone] = []
        self.menu = QMenu(dock)
        self.button = button(
            "Bring back",
            "bring_back_button",
            "Results that were removed from the layer list; they return as they were.",
        )
        self.button.setMenu(self.menu)
        self.button.hide()
        dock.result_step.rows.addWidget(self.button)
        # layers must not be added or removed while napari is in the middle of removing some
        self._later = Later(timer(dock, 0, self._after))
        self._bytes = 0
        self._collect = Later(timer(dock, _QUIET_MS, window.collect_frozen))

    def there(self, layer: Layer | None) -> bool:
        """Whether a layer is in the viewer."""
        return any(a is layer for a in self._dock.viewer.layers)

    def removed(self, event: Event) -> None:
        """A layer was removed."""
        dock, layer = self._dock, event.value
        dock.cancel_work_on(layer, f"“{layer.name}” was removed, so what worked on it was cancelled.")
        found = next((r for r in dock.runs.results if r.layer is layer), None)
        if found is not None:
            self._offered.append(_Gone(found, int(event.index)))
        self._later()
        data = layer.data
        self._bytes += data.nbytes if isinstance(data, np.ndarray) else 0
        if self._bytes >= LARGE:
            self._bytes = 0
            self._collect()

    def take_previews(self) -> None:
        """Take away every layer that shows something only while it is worked on: the dock closes, and is freed soon."""
        QTimer.singleShot(_QUIET_MS, window.collect_frozen)
        dock = self._dock
        for hide in (dock.train.hide_preview, dock.instant.hide, dock.classical.hide):
            with suppress(RuntimeError):  # the viewer closes as well
                hide()

    def _after(self) -> None:
        """The removal is over: take away what belonged to the layers, and offer results."""
        dock = self._dock
        for control in (dock.train, dock.instant, dock.classical):
            control.forget_gone()
        # a result that was only moved in the list, or is back already, is not missing
        fresh = [g for g in self._offered if not self.there(g.result.layer)]
        self._offered = []
        self._gone += fresh
        if fresh and dock.runs.result_of(dock.image_step.layer) is None:
            dock.result_step.show_summary("")  # it told of what is gone
        if fresh:
            names = ", ".join(f"“{g.result.layer.name}”" for g in fresh)
            dock.say(
                f"{names} was removed." if len(fresh) == 1 else f"{names} were removed.",
                answers=[("Bring back", "bring_back", lambda: self._bring_back_all(fresh))],
            )
        self._show()

    def _show(self) -> None:
        self._gone = [g for g in self._gone if not self.there(g.result.layer)]
        self.menu.clear()
        for gone in self._gone:
            self.menu.addAction(str(gone.result.layer.name), partial(self.bring_back, gone))
        self.button.setVisible(bool(self._gone))

    def _bring_back_all(self, gone: list[_Gone]) -> None:
        for one in gone:
            self.bring_back(one)

    def bring_back(self, gone: _Gone) -> None:
        """Put a result into the viewer again, and its image where that is gone too."""
        dock, result = self._dock, gone.result
        layers = dock.viewer.layers
        if not self.there(result.image_layer):
            layers.insert(0, result.image_layer)
        if not self.there(result.layer):
            dock.journal.back(result)
            layers.insert(min(max(gone.at, layers.index(result.image_layer) + 1), len(layers)), result.layer)
        dock.image_step.refresh()
        dock.image_step.choose(result.image_layer)
        self._show()
        dock.refresh()


__all__ = ["GoneControl"]
