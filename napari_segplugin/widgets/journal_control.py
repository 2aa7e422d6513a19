"""Work kept safe: every finished edit goes into a small file, and the next start offers the work as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.core import Image, InputError, SegPluginError
from napari_segplugin.door.window import image_key
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.kept import KeptResult
from napari_segplugin.viewer.recorder import Recorder
from napari_segplugin.viewer.replay import History
from napari_segplugin.viewer.restoring import FoundWork, Restored, look, restore
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.sessions import Held
from napari_segplugin.viewer.weak import put_back
from napari_segplugin.widgets._timers import timer
from napari_segplugin.widgets.sessions_control import SessionsControl

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels, Points, Shapes


ELSEWHERE = (
    "This image is open in another window. Its edits are kept there; edits made here are kept as work of their own."
)
SYNC_MS = 1000
"""Records are written at once; a moment after the last one the system is asked to bring them to the disk."""


class JournalControl:
    """Journals for the dock, one for each image.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: Any) -> None:
        self._dock = dock
        self._recorders: dict[int, Recorder] = {}
        self._images: dict[int, ImageLayer] = {}  # layers are kept, so that no other gets their identity
        self._numbers: dict[int, int] = {}
        self._known: dict[int, int] = {}
        self._histories: dict[int, History] = {}
        self._restored: set[int] = set()
        self._keys: dict[int, str] = {}
        self._looked: set[int] = set()
        self._asked: set[str] = set()
        self._beside: set[str] = set()
        self._told = self._told_of_locks = False
        self._sync_timer = timer(dock, SYNC_MS, self.sync)
        self.sessions = SessionsControl(dock, self)

    @property
    def folder(self) -> Path:
        """Where the files of the sessions are."""
        return Path(self._dock.session.folder) / "journals"

    def path(self, key: str) -> Path:
        """The file of the first session of an image."""
        return self.folder / f"{key}.journal"

    @property
    def key(self) -> str:
        """The key of the chosen image; empty while it is not known."""
        return self._keys.get(id(self._dock.image_step.layer), "")

    @property
    def own(self) -> list[Path]:
        """The files that this window writes."""
        return [r.journal.own for r in self._recorders.values() if r.journal.own is not None]

    # --- recording ------------------------------------------------------------------------------------------------

    def _recorder(self, image_layer: ImageLayer) -> Recorder:
        """The recorder of an image; what it records waits until the file is known."""
        found = self._recorders.get(id(image_layer))
        if found is None:
            journal = Journal(self._trouble, lambda held: self._begun(image_layer, held))
            found = Recorder(journal, {"image": str(image_layer.name)}, on_record=self._sync_timer.start)
            self._recorders[id(image_layer)] = found
            self._images[id(image_layer)] = image_layer
        return found

    def _trouble(self, error: BaseException) -> None:
        # a disk that cannot be written is said once, not for every image
        if not self._told:
            self._dock.fail(error)
        self._told = True

    def _begun(self, image_layer: ImageLayer, held: Held) -> None:
        """A new file was begun: because another window writes the one of this image?"""
        key, own = self._keys.get(id(image_layer), ""), self.own
        if any(path not in own for path in held.others) and key not in self._beside:
            self._beside.add(key)
            self._dock.say(ELSEWHERE)
        if held.lock is None and not self._told_of_locks:
            self._told_of_locks = True
            self._dock.fail(
                InputError(
                    "The disk of the session folder cannot lock files, so each window and each start keeps its edits in a "
                    "file of its own.",
                    got=str(self.folder),
                    hint="To go on in the same file, choose a session folder on a local disk in Preferences, Plugins",
                )
            )

    def paint(self, layer: Labels, known: bool = False, history: History | None = None, *, empty: bool = False) -> None:
        """Record the strokes on the corrections layer of the chosen image; an empty one is not looked through."""
        self._recorder(self._dock.image_step.layer).paint(layer, known, history, empty=empty)

    def marks(self, kind: str, layer: Points | Shapes) -> None:
        """Record the reviewed area ("reviewed"), points, boxes or empty areas of the chosen image."""
        self._recorder(self._dock.image_step.layer).marks(kind, layer)

    def result(self, result: Result, editor: Editor) -> None:
        """Record a result as it was predicted, and its edits."""
        recorder = self._recorder(result.image_layer)
        known = self._known.pop(id(result), None)
        number = recorder.number() if known is None else known
        self._numbers[id(result)] = number
        recorder.result(editor, number, self._histories.pop(id(result), None))
        if id(result) in self._restored:
            self._restored.remove(id(result))
            recorder.difference(editor, number, result.before, result.segmentation.objects)
        if known is None:
            segmentation, model = result.segmentation, result.model
            self._dock.background.run(
                f"journal {id(recorder)} {number}",
                lambda: recorder.base(segmentation, model, number),
                lambda record: recorder.write(*record),
                self._dock.fail,
            )

    def recipe(self, result: Result) -> None:
        """Record what the recipe of a result says now."""
        number = self._numbers.get(id(result))
        if number is not None:
            self._recorder(result.image_layer).recipe(number, result.segmentation.recipe)

    def gone(self, result: Result) -> None:
        """A result was replaced or removed."""
        number = self._numbers.pop(id(result), None)
        recorder = self._recorders.get(id(result.image_layer))
        if number is not None and recorder is not None and recorder.journal.begun:
            recorder.gone(number)

    def back(self, result: Result) -> None:
        """A result that was removed returns: it is recorded anew, with its edits, when it is got hold of."""
        self._restored.add(id(result))

    def forget_images(self) -> None:
        """Close the journals of images that are no longer in the viewer."""
        there = {id(layer) for layer in self._dock.viewer.layers}
        there |= {id(r.image_layer) for r in self._dock.runs.results if id(r.layer) in there}
        for key in [k for k in self._recorders if k not in there]:
            recorder = self._recorders.pop(key)
            recorder.detach()
            recorder.journal.close()
            self._looked.discard(key)
            self._keys.pop(key, None)
            del self._images[key]

    def sync(self) -> None:
        """Bring what was written to the disk, in a worker."""
        journals = [r.journal for r in self._recorders.values()]

        def work() -> None:
            for journal in journals:
                journal.sync()

        self._dock.background.run("journal sync", work, lambda _: None, self._trouble)

    def close(self) -> None:
        """Write no more: the dock closes."""
        for recorder in self._recorders.values():
            recorder.detach()
            recorder.journal.close()

    # --- the way back ---------------------------------------------------------------------------------------------

    def on_image(self) -> None:
        """Look whether work was kept for the image that is chosen now, and offer it."""
        dock, layer = self._dock, self._dock.image_step.layer
        if layer is None or not dock.image_step.ready:
            return
        try:
            image = dock.image_step.image()
        except SegPluginError:
            return
        if id(layer) in self._looked:
            return
        self._looked.add(id(layer))
        self._recorder(layer)
        if isinstance(image.array, np.ndarray) and not isinstance(image.array, np.memmap):
            self._know(layer, image_key(image))  # at once, so that the first stroke need not wait for a worker
        self._look(layer, image)

    def _look(self, layer: ImageLayer, image: Image) -> None:
        """Look for work on an image, in a worker."""
        dock, own = self._dock, self.own

        def work() -> tuple[str, FoundWork]:
            key = image_key(image)
            return key, look(self.folder, key, own)

        def done(value: tuple[str, FoundWork]) -> None:
            key, found = value
            self._know(layer, key)
            if any(path in found.used for path in self.own):
                self._look(layer, image)  # something was done here meanwhile; this is no other window
                return
            for error in found.errors:
                dock.fail(error)
            self._offer(key, found, layer)

        dock.background.run("restore", work, done, dock.fail)

    def _know(self, layer: ImageLayer, key: str) -> None:
        """The key of an image is known: what was recorded is written."""
        if id(layer) in self._recorders and id(layer) not in self._keys:
            self._keys[id(layer)] = key
            self._recorders[id(layer)].journal.open(self.path(key))

    def _offer(self, key: str, found: FoundWork, layer: ImageLayer) -> None:
        path, kept = found.path, found.kept
        beside = bool(found.used) and key not in self._beside
        if key in self._asked or (path is None and not beside):
            return
        self._asked.add(key)
        self._beside |= {key} if beside else set()
        text, answers = ELSEWHERE if beside else "", []
        if path is not None:
            answers = [
                ("Start from its work" if found.in_use else "Restore", "restore_yes", lambda: self.open(path, layer)),
                ("Start empty" if found.in_use else "Not now", "restore_no", lambda: None),
            ]
            if not found.in_use:
                steps = f"{kept.steps:,} step{'s' * (kept.steps != 1)}"
                text += f" Corrections of this image were kept ({kept.when}, {steps}). Continue with them?"
            if kept.damaged:
                text += " A part of them is damaged and is left out."
        if found.number > 1:
            answers.append((f"All {found.number}…", "restore_all", self.sessions.show))
        self._dock.say(text.strip(), answers=answers)

    def open(self, path: Path, image_layer: ImageLayer) -> None:
        """Show the work of a session as it was, and go on with its file; with a copy of it where another window writes it."""
        dock, recorder = self._dock, self._recorder(image_layer)
        if dock.image_step.layer is not image_layer or path in self.own:
            return
        choice, axes = dock.method_step.choice(), dock.image_step.axes
        start = None if recorder.journal.begun else self.path(self.key)

        def done(found: Restored) -> None:
            self._show(found, image_layer, axes)
            self.sessions.refresh()

        dock.background.run(
            "restore work",
            lambda: restore(path, start, image_layer, axes, None if choice is None else choice.spec),
            done,
            dock.fail,
        )

    def _show(self, found: Restored, image_layer: ImageLayer, axes: str) -> None:
        """Put what was kept into the viewer."""
        dock, recorder = self._dock, self._recorders.get(id(image_layer))
        if recorder is None or not any(a is image_layer for a in dock.viewer.layers):
            found.let_go()
            return
        dock.image_step.choose(image_layer)
        if recorder.journal.begun:  # something was done before the answer came
            found.let_go()
        fresh = found.held is not None
        if found.held is not None:
            recorder.next_id = found.kept.next_id
            recorder.journal.open(found.held)
        if found.paint is not None and dock.paint.layer is None:
            dock.paint.restore(*found.paint, known=fresh)
        elif found.paint is not None:
            dock.paint.join(found.kept)
        for kind, marks in found.kept.marks.items():
            self._restore_marks(kind, marks)
        for kept, layer, history in found.results:
            self._restore_result(kept, layer, history, image_layer, axes, fresh)
        if found.kept.damaged:
            dock.say("A part of the work that was kept is damaged and was left out; the rest is as you left it.")
        dock.refresh()

    def _restore_marks(self, kind: str, marks: dict[str, Any]) -> None:
        paint = self._dock.paint
        if kind == "reviewed":
            paint.add_reviewed()
        else:
            paint.weak.add(kind)
        layer = paint.reviewed if kind == "reviewed" else paint.weak.layer(kind)
        if layer is not None and not len(layer.data):
            put_back(layer, marks)
            layer.mode = "pan_zoom"

    def _restore_result(
        self, kept: KeptResult, layer: Labels, history: History, image_layer: ImageLayer, axes: str, known: bool
    ) -> None:
        dock = self._dock
        dock.viewer.add_layer(layer)
        result = Result(image_layer, axes, layer, kept.segmentation, kept.model)
        self._histories[id(result)] = history
        if known:
            self._known[id(result)] = kept.number
        else:
            self._restored.add(id(result))
        dock.runs.results.append(result)
        dock.tracks.restore(result)


__all__ = ["JournalControl"]
