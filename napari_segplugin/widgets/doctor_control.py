"""Checks this computer in the background and shows the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QFontDatabase, QGuiApplication
from qtpy.QtWidgets import QDialog, QPlainTextEdit, QVBoxLayout, QWidget

from napari_segplugin.door.window import Screen
from napari_segplugin.viewer.canvas import opengl_words
from napari_segplugin.widgets._parts import button, describe, row, set_primary, wrapped

if TYPE_CHECKING:
    from napari import Viewer
    from qtpy.QtWidgets import QPushButton

    from napari_segplugin.door.window import DoctorReport, Session
    from napari_segplugin.viewer.desk import Desk
    from napari_segplugin.widgets.engine import Engine
    from napari_segplugin.widgets.jobs import Jobs


class DoctorControl:
    """One check at a time, and one dialog for its report.

    Parameters
    ----------
    desk : Desk
    jobs : Jobs
    engine : Engine
    session : Session
    viewer : napari.Viewer
    push : QPushButton
        The button that starts it.
    """

    def __init__(
        self, desk: Desk, jobs: Jobs, engine: Engine, session: Session, viewer: Viewer, push: QPushButton
    ) -> None:
        self._desk, self._jobs, self._engine, self._session = desk, jobs, engine, session
        self._viewer, self._push = viewer, push
        self.dialog: DoctorDialog | None = None

    def start(self) -> None:
        """Look at everything; the report opens when it is there."""
        window = Screen(QGuiApplication.platformName(), *opengl_words(self._viewer))
        folder, engine = self._session.folder, self._engine
        self._wait(True)
        self._jobs.beside("doctor", lambda: engine.doctor(folder, window=window), self._show, self._failed)

    def _wait(self, on: bool) -> None:
        self._push.setEnabled(not on)
        self._push.setText("Checking…" if on else "Check this computer…")

    def _failed(self, error: BaseException) -> None:
        self._wait(False)
        self._desk.fail(error)

    def _show(self, report: DoctorReport) -> None:
        self._wait(False)
        if self.dialog is None:
            self.dialog = DoctorDialog(self._push)
        self.dialog.fill(report)
        self.dialog.show()
        self.dialog.raise_()


class DoctorDialog(QDialog):
    """The report, to read and to copy.

    Parameters
    ----------
    parent : QWidget
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("doctor_dialog")
        self.setWindowTitle("Check this computer")
        self.resize(680, 520)
        self.verdict = wrapped(name="doctor_verdict")
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        describe(self.report, "doctor_report", "Report", "What was checked. It names no person, computer or image.")
        self.copy_button = button("Copy report", "doctor_copy", "Copy the report, to paste it elsewhere.", self._copy)
        self.close_button = button("Close", "doctor_close", "Close this window.", self.close)
        set_primary(self.copy_button, True)
        layout = QVBoxLayout(self)
        for widget in (self.verdict, self.report, row(self.copy_button, self.close_button, stretch=(1, 1))):
            layout.addWidget(widget)

    def fill(self, report: DoctorReport) -> None:
        """Show a report."""
        count = len(report.problems)
        said = (
            "No problem was found."
            if not count
            else "One problem was found."
            if count == 1
            else f"{count} problems were found."
        )
        self.verdict.setText(
            f"{said} The report names no person, computer, folder or image; you can copy it into a bug report."
        )
        self.report.setPlainText(report.text())

    def _copy(self) -> None:
        board = QGuiApplication.clipboard()
        if board is not None:
            board.setText(self.report.toPlainText())
        self.copy_button.setText("Copied")


__all__ = ["DoctorControl", "DoctorDialog"]
