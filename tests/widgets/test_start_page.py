"""The first page: samples that lead on, and labels from elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dock_helpers import run
from fake_engine import FakeEngine, blobs

from napari_segplugin.engine.session import Session
from napari_segplugin.widgets.dock import SegmentationDock
from napari_segplugin.widgets.frame.frame import CORRECT, TRAIN

pytestmark = pytest.mark.qt


def test_a_sample_leads_to_the_next_step_each_time(dock: Any, qtbot: Any) -> None:
    start = dock.guide.start
    assert start.isVisibleTo(dock)
    assert [n for n, push in start.buttons.items() if push.isVisibleTo(dock)] == ["nuclei2d", "axon_sem"]
    start.buttons["nuclei2d"].click()
    qtbot.waitUntil(lambda: dock.image_step.layer is not None and not dock.background.busy, timeout=5000)
    assert not start.isVisibleTo(dock)
    assert dock.messages.text.text().startswith("1 of 4: press Run")
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    dock.messages.clear()
    assert dock.messages.text.text().startswith("2 of 4")
    other = dock.viewer.add_image(blobs((30, 30)), axis_labels=("y", "x"), name="other")
    dock.image_step.refresh()
    dock.image_step.choose(other)
    assert " of 4" not in dock.messages.text.text()


def test_the_samples_are_hidden_for_good(dock: Any, make_napari_viewer: Any) -> None:
    dock.guide.start.findChild(object, "hide_samples").click()
    assert not dock.guide.start.samples.isVisibleTo(dock)
    other = SegmentationDock(make_napari_viewer(), engine=FakeEngine(), session=Session(dock.session.folder))
    assert not other.guide.start.samples.isVisibleTo(other)
    other.close()


def masks(dock: Any, qtbot: Any) -> Any:
    layer = np.zeros((40, 50), int)
    layer[5:12, 5:12], layer[20:30, 20:30] = 1, 2
    return dock.viewer.add_labels(layer, name="from elsewhere")


def test_labels_from_elsewhere_are_offered_and_corrected(with_image: Any, qtbot: Any) -> None:
    dock, card = with_image, with_image.result_step.masks
    assert card.isHidden()
    masks(dock, qtbot)
    qtbot.waitUntil(lambda: not card.isHidden(), timeout=3000)
    assert "from elsewhere" in card.text.text()
    card.correct.click()
    assert dock.frame.tab == CORRECT
    qtbot.waitUntil(lambda: dock.edits.target is not None, timeout=3000)
    qtbot.waitUntil(lambda: card.isHidden(), timeout=3000)


def test_all_of_them_are_learnt_from(with_image: Any, qtbot: Any) -> None:
    dock = with_image
    masks(dock, qtbot)
    qtbot.waitUntil(lambda: not dock.result_step.masks.isHidden(), timeout=3000)
    dock.result_step.masks.learn.click()
    assert dock.frame.tab == TRAIN
    assert dock.edits.target.editor.with_status("accepted") == (1, 2)
