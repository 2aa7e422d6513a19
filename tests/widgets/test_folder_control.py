"""A folder from the dock: its files in a table, an error that stops nothing, stop and go on."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_segplugin import load_model

pytestmark = pytest.mark.qt


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    folder = tmp_path / "plate1"
    folder.mkdir()
    for name in ("a.tif", "b_bad.tif", "c.tif"):
        (folder / name).write_bytes(b"")
    return folder


def choose(dock: Any, monkeypatch: Any, folder: str) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: folder))
    bar = dock.result_step.scope_choice
    bar.setCurrentIndex(bar.findData("folder"))


def test_a_folder_is_run_and_one_bad_file_stops_nothing(
    with_image: Any, plate: Path, monkeypatch: Any, engine: FakeEngine, qtbot: Any
) -> None:
    dock = with_image
    choose(dock, monkeypatch, str(plate))
    assert dock.messages.text.text() == "3 files. Results go to plate1_results."
    assert dock.result_step.run_button.text() == "Run on 3 files"
    assert dock.result_step.run_button.property("primary")
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=5000)
    table = dock.folders.table
    assert [s.state for s in table.tally.states] == ["done", "unreadable", "done"]
    assert "2 of 3 done. 1 could not be read." in dock.messages.text.text()
    order, output = next(v for k, v in engine.calls if k == "batch_of")
    assert order.how.name == "nuclei_2d"
    assert output == Path(f"{plate}_results")
    assert len(dock.viewer.layers) == 1


def test_it_stops_after_a_file_and_goes_on(
    with_image: Any, plate: Path, monkeypatch: Any, engine: FakeEngine, qtbot: Any
) -> None:
    dock, engine.pause = with_image, 0.4
    choose(dock, monkeypatch, str(plate))
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.messages.text.text().startswith("File 1 of 3"), timeout=5000)
    assert dock.guide.buttons["stop_file"].isVisibleTo(dock)
    dock.guide.buttons["stop_file"].click()
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=5000)
    dock.messages.clear()
    left = dock.folders.left
    assert 0 < left < 3
    assert dock.result_step.run_button.text() == f"Continue with {left}"


def test_without_a_folder_the_image_stays(with_image: Any, monkeypatch: Any) -> None:
    choose(with_image, monkeypatch, "")
    assert with_image.result_step.scope == "whole"
    assert with_image.folders.table.isHidden()


def test_a_folder_without_images_is_a_sentence(with_image: Any, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    choose(with_image, monkeypatch, str(tmp_path / "empty"))
    assert "no images in this folder" in with_image.messages.text.text()
    assert with_image.folders.table.isHidden()


def test_the_same_batch_is_copied_as_a_command(real: Any, plate: Path, monkeypatch: Any, qtbot: Any) -> None:
    """What is copied does the same without the window: it names a model that is found there."""
    dock = real
    dock.viewer.add_image(np.zeros((40, 50), np.uint8), axis_labels=("y", "x"), name="cells")
    qtbot.waitUntil(lambda: dock.method_step.choice() is not None, timeout=4000)
    choose(dock, monkeypatch, str(plate))
    qtbot.mouseClick(dock.folders.table.copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "clipboard" in dock.messages.message, timeout=8000)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:4] == ["segplugin", "predict", str(plate), "--model"]
    assert words[words.index("--output") + 1] == f"{plate}_results"
    name = words[4]
    own = replace(load_model(name), name="my own")
    assert load_model(name).name == dock.method_step.choice().title
    dock.session.add(own)  # one that was trained here is written where the command finds it
    dock.messages.clear()
    qtbot.mouseClick(dock.folders.table.copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "clipboard" in dock.messages.message, timeout=8000)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert load_model(words[4]).name == "my own"
    first = words[4]
    dock.messages.clear()
    qtbot.mouseClick(dock.folders.table.copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "clipboard" in dock.messages.message, timeout=8000)
    assert shlex.split(QGuiApplication.clipboard().text())[4] == first  # not written twice
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=60000)  # the estimate imports torch
