"""The dock: a header, three tabs and a footer, and the controls behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from napari_segplugin.core import SegPluginError
from napari_segplugin.door import window
from napari_segplugin.door.window import Session
from napari_segplugin.viewer.desk import Answer, Desk
from napari_segplugin.viewer.geometry import placement
from napari_segplugin.viewer.places import FOLDER, REGIONS
from napari_segplugin.widgets._edit_keys import preferences
from napari_segplugin.widgets._parts import layout_of, row
from napari_segplugin.widgets._settings import session_of, setting
from napari_segplugin.widgets._timers import Later, timer
from napari_segplugin.widgets._undocked import Undocked
from napari_segplugin.widgets.activity import Activity
from napari_segplugin.widgets.classical_control import ClassicalControl
from napari_segplugin.widgets.doctor_control import DoctorControl
from napari_segplugin.widgets.edge_control import EdgeControl
from napari_segplugin.widgets.edit_control import EditControl
from napari_segplugin.widgets.engine import Engine
from napari_segplugin.widgets.file_control import FileControl
from napari_segplugin.widgets.folder_control import FolderControl
from napari_segplugin.widgets.follow_control import FollowControl
from napari_segplugin.widgets.found_control import FoundControl
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN, DockFrame
from napari_segplugin.widgets.frame.header import HeaderLine
from napari_segplugin.widgets.frame.icons import color_icons
from napari_segplugin.widgets.frame.style import palette, style_sheet
from napari_segplugin.widgets.gone_control import GoneControl
from napari_segplugin.widgets.guide import Guide
from napari_segplugin.widgets.instant_control import InstantControl
from napari_segplugin.widgets.jobs import Jobs, explain
from napari_segplugin.widgets.journal_control import JournalControl
from napari_segplugin.widgets.paint_control import PaintControl
from napari_segplugin.widgets.panel_control import PanelControl
from napari_segplugin.widgets.restore_control import RestoreControl
from napari_segplugin.widgets.run_control import RunControl
from napari_segplugin.widgets.save_control import SaveControl
from napari_segplugin.widgets.step_image import ImageStep
from napari_segplugin.widgets.step_improve import ImproveStep
from napari_segplugin.widgets.step_method import MethodStep
from napari_segplugin.widgets.step_result import ResultStep
from napari_segplugin.widgets.to_file_control import ToFileControl
from napari_segplugin.widgets.track_control import TrackControl
from napari_segplugin.widgets.train_control import TrainControl
from napari_segplugin.widgets.view_control import ViewControl
from napari_segplugin.widgets.view_row import ViewRow

if TYPE_CHECKING:
    from napari import Viewer

    from napari_segplugin.core import ModelBundle

ESTIMATE_MS = 700


class SegmentationDock(QWidget):
    """Segment, correct, fine-tune: the one widget of the plugin.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    engine : Engine, optional
        What computes; tests hand in another one.
    session : Session, optional
    """

    def __init__(self, napari_viewer: Any, engine: Engine | None = None, session: Session | None = None) -> None:
        super().__init__()
        # napari hands plugins a proxy that wraps every layer anew; layers are compared by identity here.
        self.viewer: Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.engine: Engine = engine or window
        self.session = session or session_of(self.viewer)
        self.setObjectName("segmentation_dock")
        preferences.register()
        self._closed = False
        self.image_step, self.method_step = ImageStep(self.viewer), MethodStep(self.engine, self.session)
        self.result_step = ResultStep()
        self.improve_step = ImproveStep(self.engine)
        self.desk = Desk(self.viewer, self.image_step, self.method_step, self.result_step, explain)
        self.jobs = Jobs(self.desk, self)
        self.job, self.background = self.jobs.runner, self.jobs.background
        self._assemble()
        self._make_controls()
        layout_of(self.correct_gear).addWidget(self.edits.panel.gear)
        self._estimate_timer = timer(self, ESTIMATE_MS, self.runs.estimate)
        self._refresh_timer = timer(self, 50, self.refresh)
        self._names_timer = timer(self, 50, self._on_layers)
        self.view_row = ViewRow(self.desk, self.viewer, self.image_step.patient.brightness)
        self.frame.under_header.addWidget(self.view_row)
        self.guide = Guide(self)
        self.activity = Activity(self.viewer, self.jobs, self.messages, self)
        self._connect()
        self._watch()
        self.image_step.fill_samples(self.engine.samples())
        self._apply_settings()
        self._on_image()
        for sentence in self.engine.part_problems():
            self.say(sentence)

    def _make_controls(self) -> None:
        desk, jobs, engine, session = self.desk, self.jobs, self.engine, self.session
        image, method, result, improve = self.image_step, self.method_step, self.result_step, self.improve_step
        self.files = FileControl(desk, jobs, engine, session, image, method)
        self.journal = JournalControl(desk, jobs, session, image)
        self.edits = EditControl(desk, jobs, engine, improve, self.journal)
        self.paint = PaintControl(desk, jobs, engine, improve, self.journal)
        self.runs = RunControl(desk, jobs, engine, method, result, self.paint, self.journal)
        self.found = FoundControl(desk, result, self.edits, self.runs, self.frame.turn_to)
        self.saving = SaveControl(desk, jobs, engine, result)
        self.folders = FolderControl(desk, jobs, engine, method.classical, result)
        self.to_file = ToFileControl(desk, jobs, engine, result)
        self.train = TrainControl(desk, jobs, engine, session, improve, self.paint, self.journal)
        self.instant = InstantControl(desk, jobs, engine, improve, self.paint, self.runs)
        self.classical = ClassicalControl(desk, jobs, engine, method.classical, self.paint, self.runs)
        self.views = ViewControl(desk, jobs, image, method, result)
        self.panels = PanelControl(desk, self.viewer, result, self.views)
        self.tracks = TrackControl(desk, jobs, engine, result, self.journal)
        self.edge_maps = EdgeControl(desk, jobs, engine, result)
        self.doctor = DoctorControl(desk, jobs, engine, session, self.viewer, method.tile_options.check_button)
        self.restore = RestoreControl(desk, jobs, image, self.journal, self.paint, self.tracks)
        self.follow = FollowControl(desk, image, self.edits)
        self.gone = GoneControl(desk, jobs, image, result, self.journal, (self.train, self.instant, self.classical))

    def _assemble(self) -> None:
        image, method, improve = self.image_step, self.method_step, self.improve_step
        self.image_line = HeaderLine("Image", "image_line", "Which image, its axes, its channels and its pixel size.")
        self.find_line = HeaderLine("Look for", "find_line", "Objects or classes, and which model finds them.")
        self.result_step.before.addWidget(method.classical)
        self.correct_gear = row()
        self.frame = DockFrame(
            {self.image_line: image, self.find_line: method},
            {FIND: self.result_step, CORRECT: improve.correct, TRAIN: improve},
            {FIND: method.gear, CORRECT: self.correct_gear, TRAIN: improve.gear},
        )
        self.messages = self.frame.footer
        for progress in (self.result_step.progress, improve.progress):
            self.messages.add_progress(progress.bar, progress.text)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.frame)
        # napari puts a stretch under a widget that does not take the height by itself
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _connect(self) -> None:
        image, method, result, improve = self.image_step, self.method_step, self.result_step, self.improve_step
        image.changed.connect(self._on_image)
        image.moved.connect(self._on_moved)
        image.open_requested.connect(self.files.open_image)
        image.sample_requested.connect(self.files.open_sample)
        method.changed.connect(self._on_method)
        method.load_requested.connect(self.files.open_bundle)
        method.refused.connect(self.say)
        method.tile_options.check_requested.connect(self.doctor.start)
        result.run_requested.connect(self._run)
        result.file_requested.connect(self.to_file.ask)
        result.view_requested.connect(self.views.show)
        page = method.classical
        page.offer_recipes(self.engine.recipes())
        page.changed.connect(self.classical.changed)
        page.changed.connect(self.desk.refresh_soon)
        page.marks_requested.connect(self.classical.add_marks)
        page.companion_requested.connect(self.classical.add_companion)
        page.opened.connect(self.classical.open_recipe)
        page.saved.connect(self.classical.save_recipe)
        result.cancel_requested.connect(self.jobs.cancel)
        result.save_requested.connect(self.saving.ask)
        result.measure_requested.connect(self.panels.measure)
        result.judge_requested.connect(self.panels.judge)
        result.scope_changed.connect(self._on_scope)
        self.folders.table.changed.connect(self.guide.tell)
        self.folders.table.opened.connect(lambda state: self.files.open_image(state.path))
        layout_of(improve.gear).addWidget(method.options)
        improve.layer_requested.connect(self.paint.add_layer)
        improve.reviewed_requested.connect(self.paint.add_reviewed)
        improve.weak_row.requested.connect(self.paint.weak.add)
        improve.paint_requested.connect(self.paint.pick)
        improve.train_requested.connect(self.train.start)
        improve.folder.requested.connect(self.train.start_folder)
        improve.stop_requested.connect(self.train.stop)
        improve.cancel_requested.connect(self.jobs.cancel)
        improve.back_requested.connect(self.train.back)
        improve.forward_requested.connect(self.train.forward)
        improve.look_requested.connect(self.train.look)
        improve.save_requested.connect(self.files.save_bundle)
        improve.instant_requested.connect(self.instant.run)
        improve.instant_toggled.connect(self.instant.toggle)
        improve.examples_requested.connect(self.train.examples)
        improve.change_requested.connect(lambda: self.frame.gear.setChecked(True))
        image.reveal_asked.connect(self.frame.reveal)
        self.jobs.ended.connect(self.runs.fill_devices)
        self.paint.restored.connect(method.look_for)
        self.desk.said.connect(self.say)
        self.desk.stale.connect(self._on_stale)
        self.session.bundle_changed.connect(self._on_bundle)
        self.edits.panel.step_asked.connect(self.frame.press_next)
        preferences.changed.connect(self._on_keys)

    def _watch(self) -> None:
        """Follow the viewer, and let go of it when the dock is destroyed."""
        layers, theme = self.viewer.layers.events, self.viewer.events.theme
        # napari keeps bound methods weakly, but a Qt object dies in C++ before it dies in Python: disconnect by hand.
        soon = Later(self._names_timer)
        restyle = Later(timer(self, 0, self._restyle))
        links: list[tuple[Any, Callable[[Any], None]]] = [
            (e, soon) for e in (layers.inserted, layers.removed, layers.renamed, layers.reordered)
        ]
        links += [(layers.removed, self.gone.removed), (theme, restyle)]
        links += [(self.viewer.layers.selection.events.active, self.follow.soon)]
        for emitter, callback in links:
            emitter.connect(callback)
        session, on_bundle, on_keys = self.session, self._on_bundle, self._on_keys
        desk, jobs, edits, journal, view_row = self.desk, self.jobs, self.edits, self.journal, self.view_row

        def let_go(*_: Any) -> None:
            for emitter, callback in links:
                with suppress(ValueError, RuntimeError):
                    emitter.disconnect(callback)
            with suppress(ValueError):
                session.bundle_changed.disconnect(on_bundle)
            preferences.changed.disconnect(on_keys, missing_ok=True)
            desk.close()
            with suppress(RuntimeError):
                jobs.abandon()
            for close in (edits.let_go, view_row.close_planes):
                with suppress(RuntimeError):
                    close()
            journal.close()

        self._let_go = let_go
        self.destroyed.connect(let_go)
        Undocked(self, self._close)
        self._restyle()

    @property
    def open(self) -> bool:
        """Whether it was not closed; a closed one follows nothing any more."""
        return not self._closed

    def closeEvent(self, event: Any) -> None:
        """Cancel what runs; the window may close."""
        self._close()
        super().closeEvent(event)

    def _close(self) -> None:
        """Cancel what runs, take away what only the dock keeps up to date, and follow nothing any more."""
        if self._closed:
            return
        self._closed = True
        self._let_go()
        for waiting in self.findChildren(QTimer):
            waiting.stop()
        self.gone.take_previews()

    def _restyle(self) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self.viewer.theme)
        colors = palette(theme)
        self.setStyleSheet(style_sheet(theme))
        color_icons(self.findChildren(QAbstractButton), colors.text, colors.on_accent)

    def _apply_settings(self) -> None:
        size = int(setting("tile_size", 0) or 0)
        if size:
            self.method_step.tile_options.form.set_values({"tile_size": size})
        device = str(setting("device", "auto"))
        at = self.method_step.device_choice.findData(device)
        self.method_step.device_choice.setCurrentIndex(max(at, 0))

    # --- messages -------------------------------------------------------------------------------------------------

    def say(self, text: str, details: str = "", answers: Sequence[Answer] = (), problem: bool = False) -> None:
        """Show a message in the footer; none where the text is empty."""
        if text:
            self.messages.show_message(text, details, answers, problem=problem)
        else:
            self.messages.clear()

    def fail(self, error: BaseException) -> None:
        """Show what went wrong, as a sentence."""
        self.say(*explain(error), problem=True)

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _run(self, scope: str) -> None:
        """Run what is chosen: a classical technique or a network."""
        if scope == FOLDER:
            self.folders.start()
        elif self.method_step.is_classical:
            self.classical.run(scope)
        else:
            self.runs.start(scope)

    def _on_scope(self) -> None:
        """Another part of the image, or a folder, is to be looked at."""
        folder = self.result_step.scope == FOLDER
        if folder and not self.folders.ask():
            self.result_step.scope_choice.setCurrentIndex(0)
            return
        self.folders.show(folder)
        if self.result_step.scope == REGIONS:
            self.runs.regions.begin()
        self._estimate_timer.start()
        self.refresh()

    # --- state ----------------------------------------------------------------------------------------------------

    def _on_layers(self) -> None:
        self.image_step.refresh()
        self.refresh()

    def _on_image(self) -> None:
        step = self.image_step
        try:
            image = step.image() if step.ready else None
        except SegPluginError:
            image = None
        self.result_step.set_scopes(image is not None and image.ndim == 3)
        self.method_step.set_image(image, self.desk.work)
        self.paint.on_image()
        self.restore.on_image()
        self.panels.follow()
        self.refresh()

    def _on_moved(self) -> None:
        """Move what lies over the image with it."""
        layer, axes = self.desk.layer, self.desk.axes
        if layer is None:
            return
        where: dict[Any, tuple[int, ...]] = {r.layer: r.origin for r in self.desk.results if r.image_layer is layer}
        painted = self.desk.work_on(layer).paints.values()
        where |= {a: () for a in (*painted, self.paint.reviewed) if a is not None}
        for found, origin in where.items():
            for key, value in placement(layer, axes, origin).items():
                setattr(found, key, value)

    def _on_method(self) -> None:
        self.paint.recolor()
        self._estimate_timer.start()
        self.refresh()

    def _on_keys(self) -> None:
        """Other keys were set in Preferences."""
        self.edits.panel.tell_keys()
        for target in self.desk.targets:
            self.edits.keys.bind(target.layer)
        self.frame.keys.follow()

    def _on_bundle(self, bundle: ModelBundle | None) -> None:
        if bundle is not None:
            self.method_step.show_session_bundle(bundle)

    def _on_stale(self, at_once: bool) -> None:
        if at_once:
            self.refresh()
        else:
            self._refresh_timer.start()

    def refresh(self) -> None:
        """Enable what can be used, and say what comes next."""
        if self._closed:
            return
        self.guide.refresh()
        self.view_row.refresh()
        self.views.refresh()
        self.tracks.refresh()
        self.edge_maps.refresh()
        self.edits.refresh()
        self.guide.tell()
