"""The check of the computer from the dock."""

import pytest
from qtpy.QtGui import QGuiApplication

from napari_segplugin.core import InputError
from napari_segplugin.viewer.canvas import opengl_words

pytestmark = pytest.mark.qt


def press(dock, qtbot):
    dock.method_step.tile_options.check_button.click()
    qtbot.waitUntil(lambda: not dock.background.busy)


def test_the_report_opens_and_can_be_copied(dock, engine, qtbot):
    press(dock, qtbot)
    folder, window = dict(engine.calls)["doctor"]
    assert folder == dock.session.folder
    assert window.platform == QGuiApplication.platformName()
    qtbot.waitUntil(lambda: dock.doctor.dialog is not None)
    dialog = dock.doctor.dialog
    assert dialog.isVisible()
    assert dialog.verdict.text().startswith("One problem was found.")
    assert "The disk is full. Free some space." in dialog.report.toPlainText()
    dialog.copy_button.click()
    assert QGuiApplication.clipboard().text() == dialog.report.toPlainText()
    dialog.close_button.click()
    press(dock, qtbot)
    qtbot.waitUntil(dialog.isVisible)
    assert dock.doctor.dialog is dialog
    assert dock.method_step.tile_options.check_button.isEnabled()


def test_a_check_that_fails_is_told_and_can_be_repeated(dock, engine, qtbot):
    engine.trouble = InputError("Nothing can be checked.")
    press(dock, qtbot)
    qtbot.waitUntil(lambda: dock.messages.text.text() == "Nothing can be checked.")
    assert dock.method_step.tile_options.check_button.isEnabled()
    assert dock.doctor.dialog is None


def test_the_words_of_opengl_come_from_the_running_canvas(make_napari_viewer):
    vendor, renderer, version = opengl_words(make_napari_viewer())
    assert vendor
    assert renderer
    assert version[0].isdigit()


def test_without_a_canvas_there_are_no_words():
    assert opengl_words(object()) == ("", "", "")
