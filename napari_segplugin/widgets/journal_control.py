"""Work kept safe: every finished edit goes into a small file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_segplugin.core import InputError
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.recorder import Recorder
from napari_segplugin.widgets._timers import timer

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels, Points, Shapes
    from qtpy.QtWidgets import QWidget

    from napari_segplugin.door.window import Session
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.edits import Editor
    from napari_segplugin.viewer.replay import History
    from napari_segplugin.viewer.results import Result
    from napari_segplugin.viewer.sessions import Held
    from napari_segplugin.viewer.work import ImageWork
    from napari_segplugin.widgets.jobs import Jobs

ELSEWHERE = (
    "This image is open in another window. Its edits are kept there; edits made here are kept as work of their own."
)
SYNC_MS = 1000
"""Records are written at once; a moment after the last one the system is asked to bring them to the disk."""


class JournalControl:
    """Journals for the dock, one for each image.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    session : Session
    parent : QWidget
        Lives as long as the window.
    """

    def __init__(self, desk: Desk, jobs: Jobs, session: Session, parent: QWidget) -> None:
        self._desk, self._jobs, self._session = desk, jobs, session
        self._recorders: list[
            Recorder
        ] = []  # kept here too, so that each is closed although its image may be freed before
        self.beside: set[str] = set()  # images that are open in another window, which was said
        self._told = self._told_of_locks = False
        self._sync_timer = timer(parent, SYNC_MS, self.sync)

    @property
    def folder(self) -> Path:
        """Where the files of the sessions are."""
        return Path(self._session.folder) / "journals"

    def path(self, key: str) -> Path:
        """The file of the first session of an image."""
        return self.folder / f"{key}.journal"

    @property
    def key(self) -> str:
        """The key of the chosen image; empty while it is not known."""
        return "" if self._desk.work is None else self._desk.work.key

    @property
    def own(self) -> list[Path]:
        """The files that this window writes."""
        return [r.journal.own for r in self._recorders if r.journal.own is not None]

    # --- recording ------------------------------------------------------------------------------------------------

    def recorder(self, image_layer: ImageLayer) -> Recorder:
        """The recorder of an image; what it records waits until the file is known."""
        work = self._desk.work_on(image_layer)
        if work.recorder is None:
            journal = Journal(self._trouble, lambda held: self._begun(work, held))
            work.recorder = Recorder(journal, {"image": str(image_layer.name)}, on_record=self._sync_timer.start)
            self._recorders.append(work.recorder)
        return work.recorder

    def know(self, image_layer: ImageLayer, key: str) -> None:
        """The key of an image is known: what was recorded is written."""
        work = self._desk.work_on(image_layer)
        if work.recorder is not None and not work.key:
            work.key = key
            work.recorder.journal.open(self.path(key))

    def _trouble(self, error: BaseException) -> None:
        # a disk that cannot be written is said once, not for every image
        if not self._told:
            self._desk.fail(error)
        self._told = True

    def _begun(self, work: ImageWork, held: Held) -> None:
        """A new file was begun: because another window writes the one of this image?"""
        key, own = work.key, self.own
        if any(path not in own for path in held.others) and key not in self.beside:
            self.beside.add(key)
            self._desk.say(ELSEWHERE)
        if held.lock is None and not self._told_of_locks:
            self._told_of_locks = True
            self._desk.fail(
                InputError(
                    "The disk of the session folder cannot lock files, so each window and each start keeps its edits in a "
                    "file of its own.",
                    got=str(self.folder),
                    hint="To go on in the same file, choose a session folder on a local disk in Preferences, Plugins",
                )
            )

    def paint(self, layer: Labels, known: bool = False, history: History | None = None, *, empty: bool = False) -> None:
        """Record the strokes on the corrections layer of the chosen image; an empty one is not looked through."""
        if self._desk.layer is not None:
            self.recorder(self._desk.layer).paint(layer, known, history, empty=empty)

    def marks(self, kind: str, layer: Points | Shapes) -> None:
        """Record the reviewed area ("reviewed"), points, boxes or empty areas of the chosen image."""
        if self._desk.layer is not None:
            self.recorder(self._desk.layer).marks(kind, layer)

    def result(self, result: Result, editor: Editor) -> None:
        """Record a result as it was predicted, and its edits."""
        recorder, work = self.recorder(result.image_layer), self._desk.about(result)
        known, history, restored = work.known, work.history, work.restored
        work.known, work.history, work.restored = None, None, False
        number = work.number = recorder.number() if known is None else known
        recorder.result(editor, number, history)
        editor.stepped.connect(lambda step, back: self.renewed(result) if "segmentation" in step.note else None)
        if restored:
            recorder.difference(editor, number, result.before, result.segmentation.objects)
        if known is None:
            segmentation, model = result.segmentation, result.model
            self._jobs.beside(
                ("journal", recorder, number),
                lambda: recorder.base(segmentation, model, number),
                lambda record: recorder.write(*record),
            )

    def recipe(self, result: Result) -> None:
        """Record what the recipe of a result says now."""
        number = self._desk.about(result).number
        if number is not None:
            self.recorder(result.image_layer).recipe(number, result.segmentation.recipe)

    def renewed(self, result: Result) -> None:
        """Record what a result is after a run on it, or after one was taken back."""
        number = self._desk.about(result).number
        if number is not None:
            self.recorder(result.image_layer).renewed(number, result.segmentation, result.model)

    def gone(self, result: Result) -> None:
        """A result was replaced or removed."""
        work, recorder = self._desk.about(result), self._desk.work_on(result.image_layer).recorder
        number, work.number = work.number, None
        if number is not None and recorder is not None and recorder.journal.begun:
            recorder.gone(number)

    def back(self, result: Result) -> None:
        """A result that was removed returns: it is recorded anew, with its edits, when it is got hold of."""
        self._desk.about(result).restored = True

    def forget_images(self) -> None:
        """Close the journals of images that are no longer in the viewer."""
        desk, open_ = self._desk, list[Recorder]()
        for layer, work in desk.images:
            if desk.there(layer) or any(desk.there(r.layer) for r in work.results):
                open_ += [] if work.recorder is None else [work.recorder]
            else:
                work.recorder, work.key, work.looked = None, "", False
        for recorder in [r for r in self._recorders if r not in open_]:
            self._recorders.remove(recorder)
            recorder.detach()
            recorder.journal.close()

    def sync(self) -> None:
        """Bring what was written to the disk, in a worker."""
        journals = [r.journal for r in self._recorders]

        def work() -> None:
            for journal in journals:
                journal.sync()

        self._jobs.beside("journal sync", work, lambda _: None, self._trouble)

    def close(self) -> None:
        """Write no more: the dock closes."""
        for recorder in self._recorders:
            recorder.detach()
            recorder.journal.close()


__all__ = ["ELSEWHERE", "JournalControl"]
