"""The way back to earlier work: the next start offers what was kept, and shows it as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.core import Image, SegPluginError
from napari_segplugin.door.window import image_key
from napari_segplugin.viewer.corrections import paints_on
from napari_segplugin.viewer.desk import Answer
from napari_segplugin.viewer.restoring import FoundWork, Restored, look, restore
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.weak import put_back
from napari_segplugin.widgets.journal_control import ELSEWHERE
from napari_segplugin.widgets.sessions_control import SessionsControl

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.viewer.kept import KeptResult
    from napari_segplugin.viewer.replay import History
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.journal_control import JournalControl
    from napari_segplugin.widgets.paint_control import PaintControl
    from napari_segplugin.widgets.step_image import ImageStep
    from napari_segplugin.widgets.track_control import TrackControl


class RestoreControl:
    """Offers work that was kept, and takes it up.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    step : ImageStep
    journal : JournalControl
    paint : PaintControl
    tracks : TrackControl
    """

    def __init__(
        self,
        desk: Desk,
        jobs: Jobs,
        step: ImageStep,
        journal: JournalControl,
        paint: PaintControl,
        tracks: TrackControl,
    ) -> None:
        self._desk, self._jobs, self._step, self._journal = desk, jobs, step, journal
        self._paint, self._tracks = paint, tracks
        self._asked: set[str] = set()
        self.sessions = SessionsControl(desk, jobs, step, journal, self.open)

    def on_image(self) -> None:
        """Look whether work was kept for the image that is chosen now, and offer it."""
        desk, layer = self._desk, self._desk.layer
        if layer is None or not desk.ready:
            return
        try:
            image = desk.image()
        except SegPluginError:
            return
        work = desk.work_on(layer)
        if work.looked:
            return
        work.looked = True
        self._journal.recorder(layer)
        if isinstance(image.array, np.ndarray) and not isinstance(image.array, np.memmap):
            self._journal.know(layer, image_key(image))  # at once, so that the first stroke need not wait for a worker
        self._look(layer, image)

    def _look(self, layer: ImageLayer, image: Image) -> None:
        """Look for work on an image, in a worker."""
        journal = self._journal
        folder, own = journal.folder, journal.own

        def work() -> tuple[str, FoundWork]:
            key = image_key(image)
            return key, look(folder, key, own)

        def done(value: tuple[str, FoundWork]) -> None:
            key, found = value
            journal.know(layer, key)
            if any(path in found.used for path in journal.own):
                self._look(layer, image)  # something was done here meanwhile; this is no other window
                return
            for error in found.errors:
                self._desk.fail(error)
            self._offer(key, found, layer)

        self._jobs.beside("restore", work, done)

    def _offer(self, key: str, found: FoundWork, layer: ImageLayer) -> None:
        path, kept, told = found.path, found.kept, self._journal.beside
        beside = bool(found.used) and key not in told
        if key in self._asked or (path is None and not beside):
            return
        self._asked.add(key)
        told |= {key} if beside else set()
        text, answers = ELSEWHERE if beside else "", list[Answer]()
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
        self._desk.say(text.strip(), answers=answers)

    def open(self, path: Path, image_layer: ImageLayer) -> None:
        """Show the work of a session as it was, and go on with its file; with a copy of it where another window writes it."""
        desk, journal = self._desk, self._journal
        recorder = journal.recorder(image_layer)
        if desk.layer is not image_layer or path in journal.own:
            return
        choice, axes = desk.choice(), desk.axes
        start = None if recorder.journal.begun else journal.path(journal.key)

        def done(found: Restored) -> None:
            self._show(found, image_layer, axes)
            self.sessions.refresh()

        self._jobs.beside(
            "restore work",
            lambda: restore(path, start, image_layer, axes, None if choice is None else choice.spec),
            done,
        )

    def _show(self, found: Restored, image_layer: ImageLayer, axes: str) -> None:
        """Put what was kept into the viewer."""
        desk, recorder = self._desk, self._desk.work_on(image_layer).recorder
        if recorder is None or not desk.there(image_layer):
            found.let_go()
            return
        self._step.choose(image_layer)
        if recorder.journal.begun:  # something was done before the answer came
            found.let_go()
        fresh = found.held is not None
        if found.held is not None:
            recorder.next_id = found.kept.next_id
            recorder.journal.open(found.held)
        there = desk.work_on(image_layer).paints
        for painted, history in found.paints:
            if desk.living(there.get(kind := paints_on(painted))) is None:
                self._paint.restore(painted, history, known=fresh)
            else:
                self._paint.join(found.kept.strokes.get(kind) or found.kept.strokes[""], kind)
        for kind, marks in found.kept.marks.items():
            self._restore_marks(kind, marks)
        for kept, layer, history in found.results:
            self._restore_result(kept, layer, history, image_layer, axes, fresh)
        if found.kept.damaged:
            desk.say("A part of the work that was kept is damaged and was left out; the rest is as you left it.")
        desk.refresh()

    def _restore_marks(self, kind: str, marks: dict[str, Any]) -> None:
        paint = self._paint
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
        desk = self._desk
        desk.viewer.add_layer(layer)
        result = Result(image_layer, axes, layer, kept.segmentation, kept.model)
        work = desk.about(result)
        work.history, work.restored, work.known = history, not known, kept.number if known else None
        desk.add(result)
        self._tracks.restore(result)


__all__ = ["RestoreControl"]
