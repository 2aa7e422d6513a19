"""Layers that go: what works on them is cancelled, previews go with them, and a result is offered back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

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

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.step_image import ImageStep
    from napari_segplugin.widgets.step_result import ResultStep

LARGE = 2**26
"""Bytes of removed layers from which on a full collection is worth the moment that it takes."""
_QUIET_MS = 1500


@dataclass(frozen=True, eq=False)
class _Gone:
    """A result that was removed, and its place in the list of layers."""

    result: Result
    at: int


class Passing(Protocol):
    """What shows a layer only while something is worked on."""

    def forget_gone(self) -> None:
        """Take the layer away if its image is no longer in the viewer."""

    def hide(self) -> None:
        """Take the layer away."""


class GoneControl:
    """Follows the layers that are removed, for the dock.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    image_step : ImageStep
    step : ResultStep
    journal : JournalControl
    passing : sequence of Passing
        What goes with an image, and when the window closes.
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        image_step: ImageStep,
        step: ResultStep,
        journal: JournalControl,
        passing: Sequence[Passing],
    ) -> None:
        self._desk, self._jobs, self._image_step, self._step = desk, jobs, image_step, step
        self._journal, self._passing = journal, tuple(passing)
        safe_removal(desk.viewer)
        self._gone: list[_Gone] = []
        self._offered: list[_Gone] = []
        self.menu = QMenu(step)
        self.button = button(
            "Bring back",
            "bring_back_button",
            "Results that were removed from the layer list; they return as they were.",
        )
        self.button.setMenu(self.menu)
        self.button.hide()
        step.rows.addWidget(self.button)
        # layers must not be added or removed while napari is in the middle of removing some
        self._later = Later(timer(step, 0, self._after))
        self._bytes = 0
        self._collect = Later(timer(step, _QUIET_MS, window.collect_frozen))

    def removed(self, event: Event) -> None:
        """A layer was removed."""
        layer: Layer = event.value
        self._jobs.cancel_work_on(layer, f"“{layer.name}” was removed, so what worked on it was cancelled.")
        found = next((r for r in self._desk.results if r.layer is layer), None)
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
        for passing in self._passing:
            with suppress(RuntimeError):  # the viewer closes as well
                passing.hide()

    def _after(self) -> None:
        """The removal is over: take away what belonged to the layers, and offer results."""
        desk = self._desk
        for passing in self._passing:
            passing.forget_gone()
        # a result that was only moved in the list, or is back already, is not missing
        fresh = [g for g in self._offered if not desk.there(g.result.layer)]
        self._offered = []
        self._gone += fresh
        if fresh and desk.result is None:
            self._step.show_summary("")  # it told of what is gone
        if fresh:
            names = ", ".join(f"“{g.result.layer.name}”" for g in fresh)
            desk.say(
                f"{names} was removed." if len(fresh) == 1 else f"{names} were removed.",
                answers=[("Bring back", "bring_back", lambda: self._bring_back_all(fresh))],
            )
        self._show()

    def _show(self) -> None:
        self._gone = [g for g in self._gone if not self._desk.there(g.result.layer)]
        self.menu.clear()
        for gone in self._gone:
            self.menu.addAction(str(gone.result.layer.name), partial(self.bring_back, gone))
        self.button.setVisible(bool(self._gone))

    def _bring_back_all(self, gone: list[_Gone]) -> None:
        for one in gone:
            self.bring_back(one)

    def bring_back(self, gone: _Gone) -> None:
        """Put a result into the viewer again, and its image where that is gone too."""
        desk, result = self._desk, gone.result
        layers = desk.viewer.layers
        if not desk.there(result.image_layer):
            layers.insert(0, result.image_layer)
        if not desk.there(result.layer):
            self._journal.back(result)
            layers.insert(min(max(gone.at, layers.index(result.image_layer) + 1), len(layers)), result.layer)
        desk.work_with(result)
        self._image_step.refresh()
        self._image_step.choose(result.image_layer)
        self._show()
        desk.refresh()


__all__ = ["GoneControl"]
