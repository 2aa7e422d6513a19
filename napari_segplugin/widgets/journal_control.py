"""Work kept safe: every finished edit goes into a small file, and the next start offers the work as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segplugin.core import Segmentation, SegPluginError
from napari_segplugin.door.window import image_key
from napari_segplugin.viewer.corrections import label_shape
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.kept import Kept, KeptResult, read_kept
from napari_segplugin.viewer.layers import drawn, features_of, segmentation_to_layer
from napari_segplugin.viewer.recorder import Packed, Recorder
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.table import Features
from napari_segplugin.viewer.weak import put_back
from napari_segplugin.widgets._timers import timer

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels, Points, Shapes

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
        self._restored: set[int] = set()
        self._looked: set[int] = set()
        self._asked: set[str] = set()
        self._told = False
        self._sync_timer = timer(dock, SYNC_MS, self.sync)

    def path(self, key: str) -> Path:
        """The file of an image."""
        return Path(self._dock.session.folder) / "journals" / f"{key}.journal"

    # --- recording ------------------------------------------------------------------------------------------------

    def _recorder(self, image_layer: ImageLayer) -> Recorder:
        """The recorder of an image; what it records waits until the file is known."""
        found = self._recorders.get(id(image_layer))
        if found is None:
            about, soon = {"image": str(image_layer.name)}, self._sync_timer.start
            found = Recorder(Journal(self._trouble), about, on_record=soon, run=self._pack)
            self._recorders[id(image_layer)] = found
            self._images[id(image_layer)] = image_layer
        return found

    def _pack(self, work: Callable[[], Packed], done: Callable[[Packed], None]) -> None:
        self._dock.background.run(f"journal step {id(work)}", work, done, self._dock.fail)

    def _trouble(self, error: SegPluginError) -> None:
        # a disk that cannot be written is said once, not for every image
        if not self._told:
            self._dock.fail(error)
        self._told = True

    def paint(self, layer: Labels, known: bool = False, empty: bool = False) -> None:
        """Record the strokes on the corrections layer of the chosen image; an empty one is not looked through."""
        self._recorder(self._dock.image_step.layer).paint(layer, known, empty)

    def marks(self, kind: str, layer: Points | Shapes) -> None:
        """Record the reviewed area ("reviewed"), points, boxes or empty areas of the chosen image."""
        self._recorder(self._dock.image_step.layer).marks(kind, layer)

    def result(self, result: Result, editor: Editor) -> None:
        """Record a result as it was predicted, and its edits."""
        recorder = self._recorder(result.image_layer)
        known = self._known.pop(id(result), None)
        number = recorder.number() if known is None else known
        self._numbers[id(result)] = number
        recorder.result(editor, number)
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
            del self._images[key]

    def sync(self) -> None:
        """Bring what was written to the disk, in a worker."""
        journals = [r.journal for r in self._recorders.values()]

        def work() -> None:
            for journal in journals:
                journal.sync()

        self._dock.background.run("journal sync", work, lambda _: None, lambda _: None)

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
        recorder = self._recorder(layer)
        if recorder.journal.path is not None or id(layer) in self._looked:
            return
        self._looked.add(id(layer))

        def look() -> tuple[str, Kept | SegPluginError]:
            key = image_key(image)
            try:
                return key, read_kept(self.path(key))
            except SegPluginError as error:
                return key, error

        def done(value: tuple[str, Kept | SegPluginError]) -> None:
            key, kept = value
            if isinstance(kept, SegPluginError):
                dock.fail(kept)
                kept = Kept()
            # nothing is written, and no earlier file set aside, before there is something to write
            path = self.path(key)
            if any(r.journal.path == path for r in self._recorders.values()):
                # the same image stands twice in the viewer: each copy has a file of its own
                recorder.journal.open(path.with_stem(f"{path.stem}-{id(layer)}"))
                return
            recorder.journal.open(path)
            if not kept.empty and key not in self._asked:
                self._offer(recorder, key, kept, layer)

        dock.background.run("restore", look, done, dock.fail)

    def _offer(self, recorder: Recorder, key: str, kept: Kept, layer: ImageLayer) -> None:
        self._asked.add(key)
        steps = f"{kept.steps} step{'s' * (kept.steps != 1)}"
        self._dock.say(
            f"Corrections of this image were kept ({kept.when}, {steps}). Continue with them?",
            answers=[
                ("Restore", "restore_yes", lambda: self.restore(recorder, key, kept, layer)),
                ("Not now", "restore_no", lambda: None),
            ],
        )

    def restore(self, recorder: Recorder, key: str, kept: Kept, image_layer: ImageLayer) -> None:
        """Show the work as it was, and go on with its file."""
        dock = self._dock
        if dock.image_step.layer is not image_layer:
            return
        axes, rgb = dock.image_step.axes, bool(getattr(image_layer, "rgb", False))
        fresh = not recorder.journal.begun
        if fresh:
            recorder.next_id = kept.next_id
            recorder.journal.open(self.path(key), kept.end)
        if kept.paint is not None and kept.paint.any() and kept.paint.shape == label_shape(image_layer, axes):
            self._restore_paint(kept, fresh)
        for kind, marks in kept.marks.items():
            self._restore_marks(kind, marks)

        def work() -> list[tuple[KeptResult, Segmentation, Features]]:
            edited = [(r, r.edited(axes, rgb)) for r in kept.results]
            return [(r, replace(e, labels=drawn(np.asarray(e.labels), e.task)), features_of(e)) for r, e in edited]

        def done(found: list[tuple[KeptResult, Segmentation, Features]]) -> None:
            for result, edited, features in found:
                self._restore_result(result, edited, features, image_layer, axes, fresh)
            dock.refresh()

        dock.background.run("restore results", work, done, dock.fail)

    def _restore_paint(self, kept: Kept, known: bool) -> None:
        paint = self._dock.paint
        if paint.layer is None:
            paint.add_layer(kept, known)
        else:  # something was painted before the answer came
            paint.join(kept)

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
        self,
        kept: KeptResult,
        edited: Segmentation,
        features: Features,
        image_layer: ImageLayer,
        axes: str,
        known: bool,
    ) -> None:
        dock = self._dock
        name = f"{image_layer.name} · {edited.task}"
        layer = segmentation_to_layer(edited, image_layer, axes, features=features, name=name)
        dock.viewer.add_layer(layer)
        result = Result(image_layer, axes, layer, kept.segmentation, kept.model)
        if known:
            self._known[id(result)] = kept.number
        else:
            self._restored.add(id(result))
        dock.runs.results.append(result)
        dock.tracks.restore(result)


__all__ = ["JournalControl"]
