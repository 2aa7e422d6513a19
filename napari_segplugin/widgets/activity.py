"""The job in napari's own places: its activity dock, and a notification for who cannot see the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils import progress
from napari.utils.notifications import show_info, show_warning

from napari_segplugin.core import Event, Stage, Step

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QWidget

    from napari_segplugin.widgets.frame.footer import Footer
    from napari_segplugin.widgets.jobs import Jobs


class Activity:
    """Follows the main job, and what the footer says.

    Parameters
    ----------
    viewer : napari.Viewer
    jobs : Jobs
    footer : Footer
    dock : QWidget
        What may be hidden.
    """

    def __init__(self, viewer: ViewerModel, jobs: Jobs, footer: Footer, dock: QWidget) -> None:
        self._viewer, self._dock = viewer, dock
        self._title = ""
        self.bar: progress | None = None
        jobs.begun.connect(self._begin)
        jobs.runner.happened.connect(self._take)
        jobs.ended.connect(self._end)
        footer.said.connect(self._said)

    @property
    def _window(self) -> QWidget | None:
        """The window, once it is shown."""
        window = getattr(getattr(self._viewer, "window", None), "_qt_window", None)
        return window if window is not None and window.isVisible() else None

    def _begin(self, title: str) -> None:
        self._title = title
        if self._window is not None:  # without a window napari writes the bar into the terminal
            self.bar = progress(total=0, desc=title)

    def _take(self, event: Event) -> None:
        if self.bar is None:
            return
        if isinstance(event, Stage):
            self.bar.set_description(f"{self._title}: {event.text}")
        elif isinstance(event, Step) and event.total > 0:
            self.bar.total = event.total
            self.bar.update(event.done - self.bar.n)

    def _end(self) -> None:
        bar, self.bar = self.bar, None
        if bar is not None:
            bar.close()

    def _said(self, text: str, problem: bool) -> None:
        if self._window is not None and not self._dock.isVisible():
            (show_warning if problem else show_info)(f"Segmentation: {text}")


__all__ = ["Activity"]
