"""Evaluating in a viewer: two layers or two folders; found, missed, false in words, numbers, objects, and what is seen."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from dock_helpers import assert_in_view
from napari.components import ViewerModel

from napari_segplugin.core import ClassTable, Kind, Step, Task, to_json
from napari_segplugin.viewer.panels import OUTCOME_COLORS

pytestmark = pytest.mark.qt


@pytest.fixture
def viewer() -> Any:
    viewer = ViewerModel()
    truth, result = np.zeros((20, 30), np.uint16), np.zeros((20, 30), np.uint16)
    truth[2:6, 2:6], truth[12:16, 2:6] = 1, 3
    result[2:6, 2:6], result[12:16, 20:24] = 10, 40
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    viewer.add_labels(truth, name="ground truth", **place)
    viewer.add_labels(result, name="result", **place)
    return viewer


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Iterator[Any]:
    from napari_segplugin.widgets.judge_panel import JudgePanel

    made = JudgePanel(viewer)
    qtbot.addWidget(made)
    yield made
    qtbot.waitUntil(lambda: not made.job.busy and not made.background.busy, timeout=8000)
    made._let_go()
    made._layers_timer.stop()
    made.flyer._timer.stop()


def judged(panel: Any, qtbot: Any) -> None:
    panel.run_button.click()
    qtbot.waitUntil(lambda: panel.report is not None and not panel.job.busy, timeout=20000)


def numbers(panel: Any) -> dict[tuple[str, str], str]:
    table = panel.results.numbers
    cells = [[table.item(i, j).text() for j in range(3)] for i in range(table.rowCount())]
    return {(a, b): c for a, b, c in cells}


def test_result_and_truth_are_guessed_by_name(panel: Any) -> None:
    assert panel.result_choice.currentText() == "result"
    assert panel.truth_choice.currentText() == "ground truth"
    assert panel.run_button.property("primary")


def test_numbers_objects_overlay_and_curve(panel: Any, viewer: Any, qtbot: Any) -> None:
    judged(panel, qtbot)
    found = numbers(panel)
    assert found["all", "AP@0.5"] == "0.3333"
    assert found["foreground", "Dice"] == "0.5"
    assert found["all", "HD95 of matched objects"] == "0 µm"
    table = panel.results.numbers
    assert all("</b>: " in table.item(i, 2).toolTip() for i in range(table.rowCount()))
    assert panel.results.text.text() == "1 found · 1 missed · 1 false"
    overlay = panel.overlay
    assert overlay.data[3, 3] == 1
    assert overlay.data[13, 3] == 2
    assert overlay.data[13, 21] == 3
    np.testing.assert_allclose(overlay.scale, (0.5, 0.5))
    assert set(OUTCOME_COLORS) == {1, 2, 3}
    assert panel.results.curve.values("AP") == [pytest.approx(1 / 3)] * 10
    panel.overlay_check.setChecked(False)
    assert not overlay.visible


def test_it_begins_with_found_missed_and_false_in_words(panel: Any, qtbot: Any) -> None:
    results = panel.results
    assert results.words.isHidden()
    assert results.details.isHidden()
    judged(panel, qtbot)
    assert results.words.text() == "1 of 2 objects found, 1 missed, 1 false."
    assert "IoU of at least 0.5" in results.about.text()
    assert not results.details.isHidden()
    assert not results.details.head.isChecked(), "the numbers are asked for"
    panel.threshold.setValue(0.75)
    panel.report = None
    judged(panel, qtbot)
    assert "IoU of at least 0.75" in results.about.text()


def test_classes_are_told_apart_in_words(panel: Any, viewer: Any, qtbot: Any) -> None:
    classes = ClassTable.named(["nucleus", "debris"])
    for name, numbers in (("result", (0, 10, 40)), ("ground truth", (0, 1, 3))):
        layer = viewer.layers[name]
        layer.metadata = {"segplugin": {"task": "instance", "classes": to_json(classes)}}
        layer.features = {
            "index": numbers,
            "label": numbers,
            "class": ["", "nucleus", "debris"],
            "score": [np.nan] * 3,
            "status": ["predicted"] * 3,
        }
    judged(panel, qtbot)
    assert panel.results.words.text() == "1 of 2 objects found, 1 missed, 1 false."
    lines = panel.results.about.text().splitlines()
    assert lines[:2] == ["nuclei: 1 of 1 found, 0 missed, 0 false.", "debris: 0 of 1 found, 1 missed, 1 false."]


def test_classes_of_pixels_are_shares_in_words(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.task_choice.setCurrentIndex(panel.task_choice.findData(Task.SEMANTIC))
    viewer.layers["ground truth"].data = (viewer.layers["ground truth"].data > 0).astype(np.uint16)
    viewer.layers["result"].data = (viewer.layers["result"].data > 0).astype(np.uint16)
    judged(panel, qtbot)
    words = "50 % of the ground truth found, 50 % missed or of another class, 50 % false."
    assert panel.results.words.text() == words
    assert "pixels" in panel.results.about.text()


def test_judging_again_renews_the_overlay(panel: Any, viewer: Any, qtbot: Any) -> None:
    judged(panel, qtbot)
    first = panel.overlay
    viewer.layers["result"].data = viewer.layers["ground truth"].data.copy()
    panel.report = None
    judged(panel, qtbot)
    assert panel.overlay is first
    assert len(viewer.layers) == 3
    assert np.unique(first.data).tolist() == [0, 1]


def test_a_row_flies_to_a_missed_object(panel: Any, viewer: Any, qtbot: Any) -> None:
    judged(panel, qtbot)
    panel.results.tabs.setCurrentIndex(1)
    panel.results.objects.selectRow(1)
    qtbot.waitUntil(lambda: panel.flyer._flight is None, timeout=4000)
    assert_in_view(viewer, (13.5 * 0.5, 3.5 * 0.5))


def test_numbers_and_objects_are_saved(panel: Any, qtbot: Any, tmp_path: Any) -> None:
    panel.save(str(tmp_path / "a.csv"))
    assert "nothing to save" in panel.messages.text.text()
    judged(panel, qtbot)
    for name, objects in (("a.csv", False), ("a.json", False), ("o.csv", True)):
        panel.save(str(tmp_path / name), objects)
        qtbot.waitUntil(lambda n=name: (tmp_path / n).exists() and not panel.background.busy, timeout=4000)
    rows = list(csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8")))
    assert rows[0]["definition"]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["task"] == "instance"
    text = (tmp_path / "o.csv").read_text(encoding="utf-8")
    assert "# HD95 (µm): " in text
    assert text.count("\n") == text.count("#") + 1 + 3


def test_objects_of_a_semantic_result_are_its_pieces(panel: Any, viewer: Any, qtbot: Any) -> None:
    result, truth = viewer.layers["result"], viewer.layers["ground truth"]
    classes = ClassTable.named(["axon", "myelin"], Kind.STUFF)
    result.metadata = {"segplugin": {"task": "semantic", "classes": to_json(classes)}}
    result.data = np.where(result.data > 0, 1, 0).astype(np.uint16)
    truth.data = np.where(truth.data > 0, 1, 0).astype(np.uint16)
    truth.data[8:10, 10:14] = 2
    panel.choose_layer(result)
    assert panel.task_choice.currentData() == Task.SEMANTIC
    panel.task_choice.setCurrentIndex(panel.task_choice.findData(Task.INSTANCE))
    judged(panel, qtbot)
    # of the axons one is found, one missed, one false; the myelin is missed
    assert panel.results.text.text() == "1 found · 2 missed · 1 false"
    assert numbers(panel)["all", "Objects in truth"] == "3 objects"


def test_layers_of_different_images_are_a_sentence(panel: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["ground truth"].data = np.ones((5, 5), np.uint16)
    panel.run_button.click()
    qtbot.waitUntil(lambda: "do not belong to the same image" in panel.messages.text.text(), timeout=8000)


def test_what_is_missing_is_said(panel: Any, viewer: Any, qtbot: Any) -> None:
    panel.truth_choice.setCurrentIndex(panel.result_choice.currentIndex())
    assert panel.hint.text() == "Choose two different layers."
    assert not panel.run_button.isEnabled()
    viewer.layers.clear()
    qtbot.waitUntil(lambda: panel.result_choice.count() == 0, timeout=3000)
    assert "Add a labels layer" in panel.hint.text()


def test_semantic_layers_without_class_names(panel: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["result"].data = (viewer.layers["ground truth"].data > 0).astype(np.uint16)
    panel.task_choice.setCurrentIndex(panel.task_choice.findData(Task.SEMANTIC))
    judged(panel, qtbot)
    found = numbers(panel)
    assert found["class 1", "IoU"] == "0.5"
    assert ("class 3", "IoU") in found
    assert not panel.results.tabs.isTabEnabled(2)


def test_a_long_comparison_can_be_cancelled(panel: Any, qtbot: Any, monkeypatch: Any) -> None:
    closed = []

    def slow(*_: Any, **__: Any) -> Any:
        try:
            for i in range(1000):
                time.sleep(0.01)
                yield Step(i, 1000)
        finally:
            closed.append(True)

    monkeypatch.setattr("napari_segplugin.engine.evaluate.compare.compare", slow)
    panel.run_button.click()
    assert panel.cancel_button.isVisible() or not panel.isVisible()
    qtbot.waitUntil(lambda: panel.progress.bar.maximum() == 1000, timeout=8000)
    panel.cancel_button.click()
    qtbot.waitUntil(lambda: not panel.job.busy, timeout=4000)
    assert closed
    assert "Cancelled" in panel.messages.text.text()
    assert panel.report is None


def test_two_folders(panel: Any, qtbot: Any, tmp_path: Any) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("x", "y"):
            np.save(tmp_path / folder / f"{name}.npy", np.eye(8, dtype=np.uint8))
    panel.mode_choice.setCurrentIndex(1)
    assert "two folders" in panel.hint.text()
    panel.result_folder.set_path(str(tmp_path / "a"))
    panel.truth_folder.set_path(str(tmp_path / "b"))
    panel._refresh()
    judged(panel, qtbot)
    assert numbers(panel)["all", "AP@0.5, pooled over images"] == "1"
    assert " found, 0 missed, 0 false." in panel.results.words.text()
    assert panel.overlay is None
