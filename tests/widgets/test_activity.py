"""The job in napari's activity dock, and notifications while the dock is hidden."""

from __future__ import annotations

from typing import Any

import pytest
from dock_helpers import add_image, docked_shown, run
from fake_engine import FakeEngine, blobs
from napari.utils import progress
from napari.utils.notifications import notification_manager

pytestmark = pytest.mark.qt


def test_the_job_has_a_bar_in_the_activity_dock(
    make_napari_viewer: Any, engine: FakeEngine, tmp_path: Any, qtbot: Any
) -> None:
    dock = docked_shown(make_napari_viewer(show=True), engine, tmp_path)
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    engine.pause = 0.3
    dock.result_step.run_button.click()
    qtbot.waitUntil(lambda: dock.activity.bar is not None and dock.activity.bar.n > 0, timeout=8000)
    bar = dock.activity.bar
    assert bar in progress._all_instances
    assert "Segmenting cells" in bar.desc
    assert bar.total == engine.tiles
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=8000)
    assert bar not in progress._all_instances
    assert dock.activity.bar is None


def test_what_is_said_is_a_notification_while_the_dock_is_hidden(
    make_napari_viewer: Any, engine: FakeEngine, tmp_path: Any, qtbot: Any
) -> None:
    dock = docked_shown(make_napari_viewer(show=True), engine, tmp_path)
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    dock.say("Seen in the dock.")
    dock.parentWidget().hide()
    engine.trouble = MemoryError()
    run(dock, qtbot)
    said = [n.message for n in notification_manager.records]
    assert any("Segmentation: The memory is full" in text for text in said)
    assert not any("Seen in the dock" in text for text in said)
