"""Keeps header, tabs and footer of the dock up to date: what is there, and what comes next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_segplugin.core import Task
from napari_segplugin.core.words import counted, plural
from napari_segplugin.viewer.places import FOLDER, PLANE, REGIONS, VIEW
from napari_segplugin.viewer.results import Result
from napari_segplugin.viewer.table import ACCEPTED, CORRECTED, REJECTED
from napari_segplugin.widgets._parts import button
from napari_segplugin.widgets.frame.frame import CORRECT, TRAIN
from napari_segplugin.widgets.frame.icons import give
from napari_segplugin.widgets.next_step import Situation, offer
from napari_segplugin.widgets.start_page import StartPage

if TYPE_CHECKING:
    from napari_segplugin.widgets.dock import SegmentationDock


class Guide:
    """The state of the dock.

    Parameters
    ----------
    dock : SegmentationDock
    """

    def __init__(self, dock: SegmentationDock) -> None:
        self._dock = dock
        image, result, improve = dock.image_step, dock.result_step, dock.improve_step
        frame = dock.frame
        turn = frame.turn_to
        open_next = button("Open image…", "open_next", "Open an image or a saved result.")
        open_next.setMenu(image.open_menu)
        self.buttons: dict[str, QPushButton] = {
            "open": open_next,
            "run": result.run_button,
            "cancel": result.cancel_button,
            "abort": improve.abort_button,
            "stop": improve.stop_button,
            "stop_file": button("Stop after this file", "stop_file", "What is done is kept.", dock.folders.stop),
            "train": improve.train_button,
            "whole": improve.instant_button,
            "save": button("Save…", "save_next", "Save the result.", result.save_button.click),
            "check": button("Check them", "check_next", "Check the objects one by one.", self._check),
            "paint": button("Paint strokes", "paint_next", "Paint what to look for.", self.paint),
            "to_train": button("Train", "to_train", "Shows what would be learnt.", lambda: turn(TRAIN)),
            "correct": button("Correct more", "correct_next", "Back to the objects.", lambda: turn(CORRECT)),
        }
        frame.footer.add(*self.buttons.values())
        for name, drawn in (("open", "open"), ("run", "right"), ("check", "right"), ("train", "right")):
            give(self.buttons[name], drawn)
        frame.turned.connect(lambda _: self.tell())
        improve.time.changed.connect(self.tell)
        self._trained: tuple[object, int] = (None, 0)
        self._lesson = ""
        self.start = StartPage(dock.session.folder)
        self.start.offer(dock.engine.samples())
        self.start.sample_asked.connect(self._begin)
        self.start.masks_asked.connect(image.ask_file)
        result.before.insertWidget(0, self.start)
        result.masks.correct_asked.connect(self._correct_masks)
        result.masks.learn_asked.connect(self._learn_masks)

    def _check(self) -> None:
        self._dock.frame.turn_to(CORRECT)
        self._dock.edits.act("next")

    def paint(self) -> None:
        """Paint strokes on the chosen image."""
        dock = self._dock
        dock.frame.turn_to(CORRECT)
        dock.improve_step.strokes.head.setChecked(True)
        dock.paint.add_layer()

    def _begin(self, name: str) -> None:
        """Load a sample, and lead on from there."""
        self._lesson = name
        self._dock.files.open_sample(name)

    def _correct_masks(self) -> None:
        self._dock.edits.panel.adopt.click()
        self._dock.frame.turn_to(CORRECT)

    def _learn_masks(self) -> None:
        """Take every object of labels from elsewhere as correct."""
        dock = self._dock
        dock.edits.panel.adopt.click()
        target = dock.edits.target
        if target is not None and target.result.adopted:
            numbers = list(target.editor.boxes)
            if numbers:
                target.editor.accept(numbers)
            dock.frame.turn_to(TRAIN)

    # --- what is there --------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Enable what can be used."""
        dock = self._dock
        step, choice = dock.image_step, dock.method_step.choice()
        classical = dock.method_step.is_classical
        ready = step.ready and choice is not None
        training, result = self._training, self._result
        step.say(step.problem)
        self.start.setVisible(step.layer is None)
        dock.result_step.set_image(step.layer is not None)
        masks = dock.edits.adoption.candidate()
        dock.result_step.masks.offer("" if masks is None else str(masks.name))
        if self._lesson and step.layer is not None and str(step.layer.name) != self._lesson:
            self._lesson = ""  # another image: the path was left
        untrained = choice is not None and choice.scratch and not classical
        can_run = (step.ready if classical else ready and not untrained) and not dock.job.busy
        painted = bool(dock.paint.counts) or (dock.paint.reviewed is not None and len(dock.paint.reviewed.data) > 0)
        painted = painted or dock.paint.weak.marked
        dock.result_step.set_state(can_run, self._running, result is not None, next_step=self._stale)
        task = dock.method_step.task
        classes = choice.spec.classes if choice is not None else None
        dock.improve_step.set_paints(classes, task)
        painting = dock.paint.layer is not None
        dock.improve_step.show_counts(
            dock.paint.counts, classes if painting else None, task, dock.paint.known_besides, step.ndim
        )
        dock.improve_step.set_state(
            ready=ready,
            painting=painting,
            can_train=painted or result is not None,
            training=training,
            busy=dock.job.busy,
        )
        dock.improve_step.verdict.show_choice(dock.train.old, dock.train.new, dock.session.bundle)

    @property
    def _running(self) -> bool:
        return self._dock.jobs.owner is not None and not self._training

    @property
    def _training(self) -> bool:
        return self._dock.jobs.owner is self._dock.train

    @property
    def _result(self) -> Result | None:
        return self._dock.desk.result

    @property
    def _stale(self) -> bool:
        """Whether the result was made with something else than what is chosen, or of another part."""
        method, result = self._dock.method_step, self._result
        choice = method.choice()
        title = method.classical.technique.title if method.is_classical else "" if choice is None else choice.title
        if result is None or (title and result.model != title):
            return True
        scope, ran = self._dock.result_step.scope, self._dock.desk.about(result).scope
        return scope in (PLANE, VIEW, REGIONS) and ran not in ("", scope)

    def situation(self) -> Situation:
        """What there is."""
        dock, result = self._dock, self._result
        step, choice = dock.image_step, dock.method_step.choice()
        counts, target = self._statuses(), dock.edits.target
        order = None if target is None else target.order
        classes = [c.name for c in choice.spec.classes if c.id] if choice is not None else []
        word = classes[0] if len(classes) == 1 and classes[0] != "foreground" else "object"
        scratch = choice is not None and choice.scratch and not dock.method_step.is_classical
        model = step.ready and (dock.method_step.is_classical or (choice is not None and not scratch))
        semantic = result is not None and result.segmentation.task is Task.SEMANTIC
        found = -1 if result is None else dock.found.count(result)
        now = Situation(
            tab=dock.frame.tab,
            image=step.layer is not None,
            question=step.question.text() and f"{step.question.text()} Answer above, under Image.",
            problem=step.problem,
            model=model,
            scratch=scratch,
            running=self._running,
            training=self._training,
            cost=dock.method_step.estimate.text(),
            word=word,
            found=found,
            areas=semantic,
            stale=self._stale,
            doubtful=-1 if order is None else order.doubtful,
            accepted=counts.get(ACCEPTED, 0),
            corrected=counts.get(CORRECTED, 0),
            rejected=counts.get(REJECTED, 0),
            strokes=sum(strokes for strokes, _ in dock.paint.counts.values()) if dock.paint.layer is not None else 0,
            painting=dock.paint.layer is not None,
            time=dock.improve_step.time.text,
            guided=bool(self._lesson),
            trained=self._ended(sum(counts.get(s, 0) for s in (ACCEPTED, CORRECTED, REJECTED))),
        )
        return self._with_folder(now)

    def _with_folder(self, now: Situation) -> Situation:
        """The same with a folder, where that is what to look at."""
        folders = self._dock.folders
        if self._dock.result_step.scope != FOLDER or folders.folder is None:
            return now
        tally = folders.table.tally
        where = tally.running() if self._running else (folders.output or folders.folder).name
        return replace(now, files=len(tally.states), files_left=tally.left, folder=where)

    def _ended(self, checked: int) -> str:
        """How the last training ended; nothing any more once something was corrected after it."""
        new, dock = self._dock.train.new, self._dock
        if self._trained[0] is not new:
            self._trained = (new, checked)
        if new is None or self._trained[1] != checked:
            return ""
        return "better" if dock.session.bundle is new else "not better"

    def _statuses(self) -> dict[str, int]:
        target, found = self._dock.edits.target, dict[str, int]()
        if target is not None:
            for status in target.editor.rows.column("status").values():
                found[str(status)] = found.get(str(status), 0) + 1
        return found

    # --- what is said ---------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Show the state and the next step."""
        dock, now = self._dock, self.situation()
        frame, shown = dock.frame, offer(now)
        busy = now.running
        why = "Open an image first." if not now.image else "Wait until the run has ended."
        for tab in (CORRECT, TRAIN):
            frame.enable(tab, now.image and not busy, why)
        dock.image_line.tell(*dock.image_step.line())
        dock.find_line.tell(*dock.method_step.line())
        dock.find_line.setEnabled(now.image)
        self._title(now)
        frame.footer.rest(shown.sentence)
        pushes = [self.buttons[name] for name in (shown.left, shown.right) if name]
        primary = self.buttons.get(shown.primary)
        if shown.primary == "next":
            primary = dock.edits.panel.next_button
        self.buttons["to_train"].setEnabled(now.enough)
        frame.footer.offer(pushes, primary)
        self._tell_training(now)
        dock.found.show(now.word)

    def _title(self, now: Situation) -> None:
        things = plural(now.word)
        self.buttons["check"].setText(f"Check the {now.doubtful}" if now.doubtful > 0 else "Check them")
        self.buttons["save"].setEnabled(now.found >= 0 and not now.running)
        painted = now.accepted + now.corrected
        self.buttons["to_train"].setText(
            f"Train on {counted(painted, now.word)}" if painted and now.enough else "Train a network…"
        )
        if now.files >= 0:
            begun = 0 < now.files_left < now.files
            run = f"Continue with {now.files_left:,}" if begun else f"Run on {counted(now.files, 'file')}"
            self._dock.result_step.run_button.setText(run)
        train = self._dock.improve_step.train_button
        train.setText("Train again" if now.trained == "better" else f"Train for {now.time}")
        self.buttons["correct"].setText(f"Check {things}" if not now.trained else "Correct more")

    def _tell_training(self, now: Situation) -> None:
        dock, step = self._dock, self._dock.improve_step
        choice = dock.method_step.choice()
        start = "" if choice is None else choice.title if not choice.scratch else "random weights"
        n = now.accepted + now.corrected
        lines = [f"{count} {what}" for count, what in (
            (now.accepted, "accepted"), (now.corrected, "corrected"), (now.rejected, "rejected: learnt as background"),
        ) if count]  # fmt: skip
        if now.strokes:
            lines.append(counted(now.strokes, "painted stroke"))
        title = (
            f"Learns from {counted(n, now.word)}"
            if n
            else "Learns from strokes"
            if now.strokes
            else "Nothing to learn from yet"
        )
        step.plan.tell(title, "\n".join(lines), start, step.minimizes)
        ended = bool(now.trained) and not step.verdict.isHidden()
        step.plan.make_room(ended)
        step.folder.setVisible(not ended)


__all__ = ["Guide"]
