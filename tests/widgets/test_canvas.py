"""Layers go while the canvas still has work for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext

from napari_segplugin.widgets._canvas import safe_removal

pytestmark = pytest.mark.qt


def canvas_of(viewer: Any, qtbot: Any) -> Any:
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.show()
    qtbot.waitExposed(viewer.window._qt_window)
    try:
        qtbot.waitUntil(canvas.isValid, timeout=5000)
    except Exception:  # noqa: BLE001 (whatever qtbot raises)
        pytest.skip("needs a screen with OpenGL")
    return canvas


def test_what_a_removed_layer_had_is_freed_in_the_canvas_own_context(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    canvas, found = canvas_of(viewer, qtbot), []
    viewer.layers.events.removed.connect(lambda _: found.append(QOpenGLContext.currentContext() == canvas.context()))
    safe_removal(viewer)
    safe_removal(viewer)
    for _ in range(3):
        viewer.add_image(np.zeros((8, 9)))
        qtbot.wait(100)
        # what Qt does when it puts a window together
        canvas.doneCurrent()
        assert QOpenGLContext.currentContext() is None
        viewer.layers.clear()
    assert found == [True] * 3


def test_a_viewer_without_a_window_is_left_alone() -> None:
    from napari.components import ViewerModel

    viewer = ViewerModel()
    safe_removal(viewer)
    viewer.add_image(np.zeros((8, 9)))
    viewer.layers.clear()
    assert len(viewer.layers) == 0


CHILD = """
import faulthandler, sys, tempfile, time
faulthandler.enable()
sys.path.insert(0, sys.argv[1])
import napari
from fake_engine import FakeEngine, blobs
from napari_segplugin.engine.session import Session
from napari_segplugin.widgets.dock import SegmentationDock
from qtpy.QtWidgets import QApplication

def pump(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.004)

viewer = napari.Viewer(show=True)
engine = FakeEngine(pause=0.02)
dock = SegmentationDock(viewer, engine=engine, session=Session(tempfile.mkdtemp()))
viewer.window.add_dock_widget(dock)
for k in range(3):
    image = viewer.add_image(blobs((256, 256), k), axis_labels=("y", "x"))
    pump(0.4)
    dock.runs.start("whole")
    while dock.job.busy:
        pump(0.05)
    result = dock.desk.result_of(image)
    dock.edits.choose(dock.edits.target, 1)
    dock.edits.act("accept")
    pump(0.2)
    dock.train.start()
    pump(0.5)
    viewer.layers.remove(result.layer)
    pump(0.3)
    viewer.layers.remove(image)
    pump(0.3)
    dock.train.stop()
    while dock.job.busy:
        pump(0.05)
    viewer.layers.clear()
    pump(0.1)
viewer.close()
print("alive")
"""


@pytest.mark.slow
def test_result_and_image_removed_while_training_end_nothing() -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", CHILD, str(here)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "alive" in done.stdout
