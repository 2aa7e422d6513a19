"""Each state of the dock fits a window of 1280 × 720 without scrolling, in both themes and with larger type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from budget import check
from dock_helpers import add_image, run, wait_idle
from fake_engine import FakeEngine, blobs
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QApplication

from napari_segplugin.core import Task
from napari_segplugin.engine.session import Session
from napari_segplugin.widgets.dock import SegmentationDock
from napari_segplugin.widgets.frame.frame import CORRECT, FIND, TRAIN

pytestmark = pytest.mark.qt
WIDTH, HEIGHT = 330, 655
"""Of the dock in a window of 1280 × 720."""


@pytest.fixture(params=[("dark", 0), ("light", 0), ("dark", 3)], ids=["dark", "light", "12 points"])
def sized(request: Any, make_napari_viewer: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    """A dock by itself, as large as it is in the window."""
    theme, more = request.param
    viewer = make_napari_viewer()
    viewer.theme = theme
    before = QApplication.font()
    font = QFont(before)
    font.setPointSizeF(before.pointSizeF() + more)
    QApplication.setFont(font)
    dock = SegmentationDock(viewer, engine=engine, session=Session(tmp_path / "session"))
    dock.setProperty("large_type", more > 0)
    dock.setFixedSize(WIDTH, HEIGHT)
    dock.show()
    QApplication.processEvents()
    yield dock
    QApplication.setFont(before)
    wait_idle(qtbot, dock)
    dock.close()
    dock.deleteLater()


def test_without_an_image(sized: Any) -> None:
    check(sized)


def test_from_the_image_to_the_trained_model(sized: Any, engine: FakeEngine, qtbot: Any) -> None:
    dock = sized
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=4000)
    check(dock)
    for line in (dock.image_line, dock.find_line):
        line.setChecked(True)
        check(dock)
        line.setChecked(False)
    engine.pause = 0.2
    dock.result_step.run_button.click()
    check(dock, busy=True)
    engine.pause = 0
    qtbot.waitUntil(lambda: not dock.job.busy, timeout=8000)
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=3000)
    dock.messages.clear()
    check(dock)
    dock.guide.buttons["check"].click()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=4000)
    dock.messages.clear()
    check(dock)
    for tool in ("paint", "split", "tidy", "select"):
        dock.edits.panel.buttons[tool].click()
        check(dock)
    for number in list(dock.edits.target.editor.boxes)[:5]:
        dock.edits.choose(dock.edits.target, number)
        dock.edits.act("accept")
    check(dock)
    dock.frame.turn_to(TRAIN)
    check(dock)
    for tab in (FIND, CORRECT, TRAIN):
        dock.frame.turn_to(tab)
        dock.frame.gear.setChecked(True)
        check(dock, gear=True)
    dock.frame.turn_to(TRAIN)
    run(dock, qtbot, dock.train.start)
    dock.messages.clear()
    check(dock, scrolls=dock.property("large_type"))


def test_classes_from_strokes(sized: Any, engine: FakeEngine, qtbot: Any) -> None:
    dock = sized
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    dock.method_step.task_choice.setCurrentIndex(dock.method_step.task_choice.findData(Task.SEMANTIC))
    dock.guide.buttons["paint"].click()
    dock.messages.clear()
    check(dock, busy=True)  # nothing is painted yet, so there is no next step to press


def test_at_150_percent() -> None:
    """A scale of the screen is for a whole process: the same states in one of their own."""
    states = ("test_from_the_image_to_the_trained_model[dark]", "test_classes_from_strokes[dark]")
    names = [f"{__file__}::{state}" for state in states]
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *names]
    done = subprocess.run(command, env={**mine, "QT_SCALE_FACTOR": "1.5"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "2 passed" in done.stdout
