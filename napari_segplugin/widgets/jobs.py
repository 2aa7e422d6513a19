"""The main job, which knows whose it is, and the short work beside it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_segplugin.core import MEMORY_FULL, Event, Job, SegPluginError, is_out_of_memory
from napari_segplugin.widgets._worker import JobRunner
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segplugin.viewer.desk import Desk

logger = logging.getLogger(__name__)
T = TypeVar("T")
Value = TypeVar("Value", contravariant=True)


class Owner(Protocol[Value]):
    """Whose the main job is: what shows its events and takes its result."""

    @property
    def works_on(self) -> tuple[Layer, ...]:
        """Layers without which the running job makes no sense."""

    @property
    def keeps(self) -> bool:
        """Whether a result is of use that was ready in the moment when such a layer went."""

    def take(self, event: Event, /) -> None:
        """Show an event of the running job."""

    def ended(self) -> None:
        """The job has ended, whichever way: put away what showed that it runs."""

    def finish(self, value: Value, /) -> None:
        """Take the result, after :meth:`ended`."""


class Background(QObject):
    """Short work beside the main job (estimates, saving); of several requests of one kind only the newest counts.

    Parameters
    ----------
    parent : QObject, optional
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: dict[Hashable, JobRunner] = {}
        self._abandoned = False
        self._next: dict[
            Hashable, tuple[Callable[[], object], Callable[[Any], object], Callable[[BaseException], object]]
        ]
        self._next = {}

    def run(
        self,
        kind: Hashable,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Run `work` in a thread, then `done` or `failed` on the GUI thread; nothing once everything was abandoned."""
        if self._abandoned:
            return
        if kind in self._running:
            self._next[kind] = (work, done, failed)
            return
        runner = JobRunner(self, registered=False)
        self._running[kind] = runner

        def finish(then: Callable[[Any], object], value: object) -> None:
            self._running.pop(kind, None)
            runner.deleteLater()
            newer = self._next.pop(kind, None)
            if newer is not None:
                self.run(kind, *newer)
            else:
                then(value)

        runner.returned.connect(lambda value: finish(done, value))
        runner.failed.connect(lambda error: finish(failed, error))
        runner.cancelled.connect(lambda: finish(lambda _: None, None))
        runner.start(work, str(kind))

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return bool(self._running)

    def abandon(self) -> None:
        """Cancel everything and forget it, for good: the window is closed."""
        self._abandoned = True
        self._next.clear()
        for runner in self._running.values():
            runner.abandon()
        self._running.clear()


class Jobs(QObject):
    """The main job, one at a time, and short work beside it.

    Parameters
    ----------
    desk : Desk
        Is told how a job ended.
    parent : QObject, optional

    Signals
    -------
    begun(str) : a main job has begun, and its title
    ended() : the main job has ended, whichever way
    """

    begun = Signal(str)
    ended = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.runner, self.background = JobRunner(self), Background(self)
        self.owner: Owner[Any] | None = None
        self._why = ""
        self.runner.happened.connect(self._on_event)
        self.runner.returned.connect(self._on_returned)
        self.runner.failed.connect(self._on_failed)
        self.runner.cancelled.connect(self._on_cancelled)

    @property
    def busy(self) -> bool:
        """Whether the main job runs."""
        return self.runner.busy

    def start(self, owner: Owner[T], make: Callable[[], Job[T]], title: str) -> None:
        """Start the main job; if another one runs, say so.

        Parameters
        ----------
        owner : Owner
        make : callable
            Returns the job; called in the worker's thread.
        title : str
            Of the job, for a person.
        """
        try:
            self.runner.start(make, title)
        except SegPluginError as error:
            self._desk.fail(error)
            return
        self._desk.hush()
        self.owner, self._why = owner, ""
        self.begun.emit(title)
        self._desk.refresh()

    def cancel(self) -> None:
        """Ask the main job to end; nothing has changed then."""
        self.runner.cancel()

    def cancel_work_on(self, layer: Layer, why: str) -> None:
        """Cancel the main job if it makes no sense without a layer, and say why when it has ended."""
        if self.owner is not None and any(layer is a for a in self.owner.works_on):
            self._why = why
            self.cancel()

    def beside(
        self,
        kind: Hashable,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Do short work in a thread; see :meth:`Background.run`. What goes wrong is said, if nothing else is asked for."""
        self.background.run(kind, work, done, failed or self._desk.fail)

    def abandon(self) -> None:
        """Cancel everything and forget it, for good: the window is closed."""
        self.runner.abandon()
        self.background.abandon()

    def _on_event(self, event: Event) -> None:
        if self.owner is not None:
            self.owner.take(event)

    def _end(self) -> Owner[Any] | None:
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.ended()
        self.ended.emit()
        return owner

    def _on_returned(self, value: object) -> None:
        owner = self._end()
        if owner is None:
            return
        if self._why and not owner.keeps:  # it was ready in the moment when its layer went
            self._say_cancelled()
            return
        try:
            owner.finish(value)
        except SegPluginError as error:
            self._desk.fail(error)
        finally:
            self._desk.refresh()

    def _on_failed(self, error: BaseException) -> None:
        self._end()
        self._desk.fail(error)
        self._desk.refresh()

    def _on_cancelled(self) -> None:
        self._end()
        self._say_cancelled()

    def _say_cancelled(self) -> None:
        self._desk.say(self._why or "Cancelled. Nothing is changed.")
        self._desk.refresh()


def explain(error: BaseException) -> tuple[str, str]:
    """What to tell a person about an error: a sentence, and details for those who want them.

    Returns
    -------
    sentence : str
    details : str
        Empty for errors whose sentence says everything.
    """
    if isinstance(error, SegPluginError):
        return told(error), ""
    logger.error("Unexpected error in a job", exc_info=(type(error), error, error.__traceback__))
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if is_out_of_memory(error):
        return f"{MEMORY_FULL} Your work is kept.", text
    first = str(error).strip().splitlines()
    reason = f" ({first[0][:160]})" if first else ""
    return f"Something unexpected went wrong{reason}. Your image, paint and results are kept.", text


__all__ = ["Background", "JobRunner", "Jobs", "Owner", "explain"]
