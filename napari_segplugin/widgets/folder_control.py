"""A folder of images, run from the dock: the table of its files, and the job behind it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_segplugin.core import Event, FileState, InputError, Job, Note, SegPluginError
from napari_segplugin.core.words import plural
from napari_segplugin.door.window import RunOrder
from napari_segplugin.widgets.folder_table import FolderTable
from napari_segplugin.widgets.folder_tally import Sought
from napari_segplugin.widgets.where import told

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_segplugin.door.window import Session
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.classical_page import ClassicalPage
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs
    from napari_segplugin.widgets.step_result import ResultStep


class FolderControl:
    """Runs what is chosen on every image of a folder.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    session : Session
    page : ClassicalPage
        Where a technique is set.
    step : ResultStep
    """

    keeps = True
    works_on: tuple[Layer, ...] = ()

    def __init__(
        self, desk: Desk, jobs: Jobs, engine: Engine, session: Session, page: ClassicalPage, step: ResultStep
    ) -> None:
        self._desk, self._jobs, self._engine, self._session = desk, jobs, engine, session
        self._page, self._step = page, step
        self._stop = threading.Event()
        self.folder: Path | None = None
        self.output: Path | None = None
        self.table = FolderTable()
        self.table.change_asked.connect(self._ask_output)
        self.table.chosen.connect(self._on_chosen)
        self.table.copy_asked.connect(self.copy)
        step.rows.insertWidget(step.rows.indexOf(step.card), self.table)
        self.table.hide()

    @property
    def shown(self) -> bool:
        """Whether a folder is where to look."""
        return self.folder is not None and self.table.isVisibleTo(self._step)

    @property
    def left(self) -> int:
        """Files that are not done."""
        return self.table.tally.left

    def ask(self) -> bool:
        """Ask for a folder; whether one was chosen."""
        path = QFileDialog.getExistingDirectory(self._step, "A folder of images", str(self.folder or Path.home()))
        if path:
            self.choose(Path(path))
        return bool(path)

    def choose(self, folder: Path) -> None:
        """Show the files of a folder, which wait."""
        try:
            files, place, _ = self._engine.plan(folder, self.output if folder == self.folder else None)
        except SegPluginError as error:
            self._desk.fail(error)
            return
        self.folder, self.output = folder, place
        choice = self._desk.choice()
        classes = [c.name for c in choice.spec.classes if c.id] if choice is not None else []
        names = Sought(classes[0], plural(classes[0])) if len(classes) == 1 else Sought()
        self.table.set_folder(folder, place or folder, files, names)
        self.show(True)
        self._desk.refresh()

    def show(self, on: bool) -> None:
        """Show the table in place of the result, or put it away."""
        self.table.setVisible(on and self.folder is not None)

    def _ask_output(self) -> None:
        path = QFileDialog.getExistingDirectory(self._step, "A folder for the results", str(self.output or Path.home()))
        if path and self.folder is not None:
            self.output = Path(path)
            self.table.set_output(self.folder, self.output)

    def _on_chosen(self, state: FileState | None) -> None:
        if state is not None and state.reason:
            self._desk.say(f"{Path(state.path).name}: {state.reason}")

    def copy(self) -> None:
        """Put the same batch, as a command for a terminal, into the clipboard."""
        desk, engine, session, choice = self._desk, self._engine, self._session, self._desk.choice()
        folder, output = self.folder, self.output
        recipe = self._page.recipe() if desk.is_classical else None
        if folder is None or (recipe is None and (choice is None or choice.scratch)):
            desk.fail(InputError("There is nothing to run yet.", hint="Choose a trained model under Look for."))
            return
        tiles, device = desk.tiles(choice.spec.ndim if choice else 2), desk.device
        target = output or folder

        def work() -> str:
            if recipe is not None:
                return engine.command_of(folder, target, recipe=engine.save_recipe(recipe, f"{target}.recipe.json"))
            model = session.place(choice.load())  # type: ignore[union-attr]
            return engine.command_of(folder, target, model=model, tiles=tiles, device=device)

        def done(command: str) -> None:
            clipboard = QGuiApplication.clipboard()
            if clipboard is not None:
                clipboard.setText(command)
                desk.say("The command is in the clipboard: paste it into a terminal.", details=command)

        self._jobs.beside("command", work, done)

    # --- the job --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run on every file that is not done."""
        desk, engine, folder, output = self._desk, self._engine, self.folder, self.output
        choice = desk.choice()
        try:
            if folder is None:
                raise InputError("There is no folder.", hint="Choose Folder… under Where to look")
            recipe = self._page.recipe() if desk.is_classical else None
            if recipe is None and (choice is None or choice.scratch):
                raise InputError("There is nothing to run yet.", hint="Choose a trained model under Look for.")
        except SegPluginError as error:
            desk.fail(error)
            return
        tiles, device, self._stop = desk.tiles(choice.spec.ndim if choice else 2), desk.device, threading.Event()
        stop = self._stop

        def work() -> Job[tuple[FileState, ...]]:
            how = recipe if recipe is not None else choice.load()  # type: ignore[union-attr]
            return engine.batch_of(folder, RunOrder(how, tiles, device), output, stop=stop)

        self._step.progress.begin("Preparing")
        self._jobs.start(self, work, f"Segmenting {folder.name}")

    def stop(self) -> None:
        """End after the file that runs."""
        self._stop.set()

    def take(self, event: Event) -> None:
        """Show an event of the running job."""
        if isinstance(event, FileState):
            self.table.take(event)
        elif not isinstance(event, Note):
            self._step.progress.take(event)
        elif event.setting is not None:
            self._desk.say(told(event))

    def ended(self) -> None:
        """The job has ended: nothing is in progress any more."""
        self._step.progress.stop()

    def finish(self, value: tuple[FileState, ...]) -> None:
        """Say how the batch ended."""
        for state in value:
            self.table.take(state)
        self._desk.say(self.table.tally.ended())


__all__ = ["FolderControl"]
