"""The whole loop as a person goes it, with the shipped model on an image that it was not trained on.

Predict, judge, correct ten objects with every tool, fine-tune, predict and judge again, go back. The real engine, the real
window, the mouse and the keys. With the variable SEGPLUGIN_SCREENSHOTS naming a folder it trains longer and takes the
pictures of the manual:

    SEGPLUGIN_SCREENSHOTS=docs/images/loop bash scripts/with-screen.sh python -m pytest -m slow tests/widgets/test_loop.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import wait_idle
from hands import Hands
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

pytest.importorskip("torch")

from napari_segplugin.core import BACKGROUND_PAINT
from napari_segplugin.engine.session import Session
from napari_segplugin.io import load_bundle, load_sample, shipped_bundles
from napari_segplugin.metrics import measure
from napari_segplugin.viewer.kept import read_kept

pytestmark = [pytest.mark.qt, pytest.mark.slow]
NAME = "nuclei2d"
WAIT = 400_000  # a job on a busy machine


# --- what a person sees who knows the truth ---------------------------------------------------------------------------


class Mistakes:
    """Where a result is wrong.

    Attributes
    ----------
    fused : list of (int, list of int)
        An object, and the true ones that it holds.
    torn : list of list of int
        The objects that lie in one true one.
    missed : list of int
        True objects that were not found.
    rough, right : list of (int, int)
        An object and the true one, where the outline is bad or good.
    """

    def __init__(self, found: np.ndarray, truth: np.ndarray) -> None:
        pairs, counts = np.unique(np.stack([found.ravel(), truth.ravel()]), axis=1, return_counts=True)
        both = {(int(f), int(t)): int(n) for (f, t), n in zip(pairs.T, counts, strict=True) if f and t}
        size, true_size = np.bincount(found.ravel()), np.bincount(truth.ravel())
        inside = {p for p, n in both.items() if n > 0.5 * true_size[p[1]]}
        held = {f: [t for g, t in sorted(inside) if g == f] for f, _ in inside}
        self.fused = sorted(((f, t) for f, t in held.items() if len(t) > 1), key=lambda e: (-len(e[1]), e[0]))
        parts = {t: [f for (f, u), n in sorted(both.items()) if u == t and n > 0.5 * size[f]] for _, t in both}
        self.torn = [p for t, p in sorted(parts.items()) if len(p) > 1]
        self.missed = [t for t in range(1, len(true_size)) if true_size[t] and not any(u == t for _, u in both)]
        alone = [(f, t) for f, t in sorted(inside) if len(held[f]) == 1 and parts.get(t) == [f]]
        iou = {p: both[p] / (size[p[0]] + true_size[p[1]] - both[p]) for p in alone}
        self.rough = sorted((p for p in alone if iou[p] < 0.8), key=iou.__getitem__)
        self.right = sorted((p for p in alone if iou[p] > 0.85), key=iou.__getitem__, reverse=True)


def heart(mask: np.ndarray) -> np.ndarray:
    """The voxel of a mask that is nearest to its middle."""
    points = np.argwhere(mask)
    away = ((points - points.mean(0)) ** 2).sum(1)
    return np.asarray(points[away.argmin()], float)


def between(one: np.ndarray, other: np.ndarray, reach: float = 18) -> np.ndarray:
    """A line between two points, across their connection."""
    middle, along = (one + other) / 2, other - one
    across = np.array([-along[1], along[0]]) / np.hypot(*along)
    return np.array([middle + across * s for s in np.linspace(-reach, reach, 15)])


def outline(mask: np.ndarray, corners: int = 24) -> np.ndarray:
    """Corners around a mask, in order: in each direction the voxel that is farthest out."""
    points, middle = np.argwhere(mask), np.argwhere(mask).mean(0)
    turn = np.arctan2(*(points - middle).T)
    out = []
    for low in np.linspace(-np.pi, np.pi, corners, endpoint=False):
        there = points[(turn >= low) & (turn < low + 2 * np.pi / corners)]
        if len(there):
            out.append(there[((there - middle) ** 2).sum(1).argmax()])
    return np.array(out, float)


def strokes(mask: np.ndarray) -> Iterator[np.ndarray]:
    """Strokes of one voxel that cover a mask: along every row, piece by piece."""
    rows = np.flatnonzero(mask.any(1))
    for row in rows:
        columns = np.flatnonzero(mask[row])
        for piece in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1):
            if len(piece):
                yield np.array([(row, c) for c in (piece[0], piece[len(piece) // 2], piece[-1])], float)


# --- the person -------------------------------------------------------------------------------------------------------


class Loop:
    """The dock in a window, and what is done in it."""

    def __init__(self, viewer: Any, dock: Any, qtbot: Any) -> None:
        self.viewer, self.dock, self.qtbot = viewer, dock, qtbot
        self.hands = Hands(viewer, qtbot)
        self.truth = np.asarray(load_sample(NAME).truth)

    @property
    def layer(self) -> Any:
        """The layer of the result."""
        return self.dock.desk.result_of(self.dock.image_step.layer).layer

    def sees(self) -> Mistakes:
        return Mistakes(np.asarray(self.layer.data), self.truth)

    def push(self, name: str) -> None:
        """A button of the corrections panel."""
        self.hands.press(self.dock.edits.panel.buttons[name])

    def open(self) -> None:
        menu = self.dock.image_step.sample_menu
        next(a for a in menu.actions() if a.text() == NAME).trigger()
        self.qtbot.waitUntil(lambda: self.dock.image_step.ready and not self.dock.background.busy, timeout=WAIT)

    def job(self, push: Any) -> None:
        """Press a button that starts a job, and wait for its end."""
        with self.qtbot.waitSignal(self.dock.job.busy_changed, timeout=WAIT, check_params_cb=lambda busy: not busy):
            self.hands.press(push)
        self.qtbot.waitUntil(lambda: self.dock.jobs.owner is None and not self.dock.background.busy, timeout=WAIT)

    def run(self) -> np.ndarray:
        """Run the model; gives a copy of what it found."""
        self.dock.frame.turn_to("find")
        self.job(self.dock.result_step.run_button)
        self.qtbot.waitUntil(lambda: self.dock.edits.target is not None, timeout=WAIT)
        self.hands.show(self.dock.result_step.run_button)
        return np.array(self.layer.data)

    def judge(self) -> float:
        """Judge the result against the truth in the panel; gives AP at 0.5 as the panel has it."""
        self.hands.press(self.dock.result_step.judge_button)
        panel, _ = self.dock.panels._open["Evaluate against ground truth"]
        panel.report = None
        if not panel.overlay_check.isChecked():
            self.hands.press(panel.overlay_check)
        assert panel.truth_choice.currentText() == f"{NAME} · ground truth"
        assert panel.result_choice.currentData() is self.layer
        self.hands.press(panel.run_button)
        self.qtbot.waitUntil(lambda: panel.report is not None and not panel.job.busy, timeout=WAIT)
        rows = {(r.class_name, r.metric): r.value for r in panel.report.rows}
        shown = [panel.results.numbers.item(i, 1).text() for i in range(panel.results.numbers.rowCount())]
        assert "AP@0.5" in shown
        for threshold in (0.5, 0.75):
            ours = measure("ap", self.truth, np.asarray(self.layer.data), threshold=threshold).value
            assert rows["all", f"AP@{threshold}"] == pytest.approx(ours), threshold
        return float(rows["all", "AP@0.5"])

    def back_to_the_steps(self) -> None:
        """Hide hits and misses, and bring the dock to the front again."""
        panel, _ = self.dock.panels._open["Evaluate against ground truth"]
        self.hands.press(panel.overlay_check)
        self.dock.parentWidget().raise_()

    # --- ten objects --------------------------------------------------------------------------------------------------

    def correct(self) -> None:
        """Two merged, two split into five, one deleted and drawn anew, one added, one redrawn; two accepted."""
        self.dock.frame.turn_to("correct")
        self.push("next")
        self.settle()
        self.hands.show(self.dock.edits.panel.inside)
        self.hands.picture("04-the-queue-leads-to-doubtful-objects")
        self.see_all()
        seen = self.sees()
        self.split()
        self.merge()
        self.draw_anew()
        self.add_missed(max(seen.missed, key=lambda t: int((self.truth == t).sum())))
        self.redraw(*max(seen.rough, key=lambda p: int(((self.truth == p[1]) & (self.layer.data == 0)).sum())))
        self.accept([number for number, _ in seen.right[:2]])

    def settle(self) -> None:
        """Wait until the camera has arrived at an object."""
        queue = self.dock.edits.queue
        self.qtbot.waitUntil(lambda: not self.dock.background.busy and queue._flyer._flight is None, timeout=WAIT)

    def see_all(self) -> None:
        """The whole image on the screen, as the house below the layer list does it."""
        self.viewer.reset_view()

    def split(self) -> None:
        fused = self.sees().fused
        (many, parts), (pair, halves), *_ = fused
        hearts = [heart((self.layer.data == many) & (self.truth == t)) for t in parts]
        self.push("split")
        for i, at in enumerate(hearts):
            self.hands.click(self.layer, at, shift=i < len(hearts) - 1)
        line = between(*(heart((self.layer.data == pair) & (self.truth == t)) for t in halves[:2]))
        self.hands.drag(self.layer, line)
        self.hands.picture("05-split-by-clicks-and-by-a-line")
        self.push("split")

    def merge(self) -> None:
        torn = self.sees().torn
        self.push("merge")
        for number in torn[0]:
            self.hands.click(self.layer, heart(self.layer.data == number))
        self.hands.drag(self.layer, np.linspace(*(heart(self.layer.data == n) for n in torn[1][:2]), 12))
        self.hands.picture("06-merge-parts")
        self.push("merge")

    def draw_anew(self) -> None:
        """Delete an object over two, and draw the outline of the larger one with napari's polygon."""
        number, parts = self.sees().fused[0]
        self.hands.click(self.layer, heart(self.layer.data == number))
        self.qtbot.waitUntil(lambda: self.dock.edits.panel.buttons["delete"].isEnabled(), timeout=WAIT)
        self.push("delete")
        true = self.truth == max(parts, key=lambda t: int((self.truth == t).sum()))
        self.hands.key(Qt.Key.Key_M)
        self.layer.mode = "polygon"
        for corner in outline(true):
            self.hands.click(self.layer, corner)
        self.hands.key(Qt.Key.Key_Enter)
        self.layer.mode = "pan_zoom"

    def add_missed(self, missed: int) -> None:
        self.push("add")
        self.hands.click(self.layer, heart(self.truth == missed))
        self.qtbot.waitUntil(lambda: not self.dock.background.busy, timeout=WAIT)
        self.hands.picture("07-a-proposal-for-a-missed-object")
        self.hands.key(Qt.Key.Key_Enter)
        self.push("add")

    def redraw(self, number: int, true_number: int) -> None:
        true = self.truth == true_number
        self.hands.click(self.layer, heart(self.layer.data == number))
        self.push("fix")
        self.layer.brush_size = 1
        for stroke in strokes(true & (self.layer.data == 0)):
            self.hands.drag(self.layer, stroke)
        self.layer.mode = "erase"
        for stroke in strokes(~true & (self.layer.data == number)):
            self.hands.drag(self.layer, stroke)
        self.layer.mode = "pan_zoom"
        self.hands.picture("08-an-outline-is-redrawn-with-the-brush")

    def accept(self, numbers: list[int]) -> None:
        for number in numbers:
            self.hands.click(self.layer, heart(self.layer.data == number))
            self.qtbot.waitUntil(lambda n=number: self.dock.edits.chosen == n, timeout=WAIT)
            self.qtbot.waitUntil(lambda: self.dock.edits.panel.buttons["accept"].isEnabled(), timeout=WAIT)
            self.push("accept")
            self.settle()
            self.see_all()

    def not_an_object(self) -> Any:
        """Three strokes on the corrections layer where there is nothing."""
        improve = self.dock.improve_step
        if not improve.strokes.head.isChecked():
            self.hands.press(improve.strokes.head)
        self.hands.press(improve.correct.findChild(type(improve.layer_button), f"paint_{BACKGROUND_PAINT}"))
        paint = self.dock.paint.layer
        empty = np.argwhere((self.truth == 0) & (np.asarray(self.layer.data) == 0))
        for row in (30, 60, 90):
            free = empty[empty[:, 0] == row][:40]
            self.hands.drag(paint, free[[5, 20, 35]].astype(float))
        self.qtbot.waitUntil(lambda: self.dock.paint.counts.get(BACKGROUND_PAINT, (0, 0))[0] == 3, timeout=WAIT)
        return paint

    def train(self) -> None:
        improve = self.dock.improve_step
        self.dock.frame.turn_to("train")
        long = self.hands.folder is not None
        improve.budget_spin.setValue(30 if long else 12)
        improve.budget_unit.setCurrentIndex(improve.budget_unit.findData("s" if long else "steps"))
        self.job(improve.train_button)


def statuses(layer: Any) -> dict[int, str]:
    """Status of each object."""
    return {n: s for n, s in zip(layer.features["label"].tolist(), layer.features["status"].tolist(), strict=True) if n}


@pytest.fixture
def loop(make_napari_viewer: Any, qtbot: Any, tmp_path: Path) -> Iterator[Loop]:
    if QGuiApplication.platformName() == "offscreen":
        pytest.skip("the canvas needs a screen: bash scripts/with-screen.sh")
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1400, 900)
    dock = SegmentationDock(viewer, session=Session(tmp_path / "session"))
    viewer.window.add_dock_widget(dock, name="Segmentation")
    yield Loop(viewer, dock, qtbot)
    wait_idle(qtbot, dock)


def test_the_model_has_not_seen_the_image() -> None:
    """The claim of everything below: the sample lies in the half that the model was tested on."""
    folder = shipped_bundles()[NAME]
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    source = load_sample(NAME).source.split(", ")[1]
    assert source in figures["tested on"]
    assert source not in figures["trained on"]
    assert source not in json.dumps(load_bundle(folder).history)


def test_predict_correct_ten_objects_finetune_judge_and_go_back(loop: Loop) -> None:
    dock, hands = loop.dock, loop.hands
    loop.open()
    hands.picture("01-open-an-image")

    before = loop.run()
    hands.picture("02-run-the-model")
    score = loop.judge()
    hands.picture("03-judge-against-the-truth")
    loop.back_to_the_steps()

    loop.correct()
    layer, editor = loop.layer, dock.edits.target.editor
    corrected, table = np.array(layer.data), statuses(layer)
    assert sorted(table.values())[:12] == ["accepted"] * 2 + ["corrected"] * 10
    assert sorted(table.values())[12] == "predicted"
    assert measure("ap", loop.truth, corrected, threshold=0.5).value > score

    steps = len(editor.history.past)
    for _ in range(steps):
        hands.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(layer.data, before)
    assert set(statuses(layer).values()) == {"predicted"}
    assert (len(editor.history.past), len(editor.history.future)) == (0, steps)
    for _ in range(steps):
        hands.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(layer.data, corrected)
    assert statuses(layer) == table

    paint = loop.not_an_object()
    painted = np.array(paint.data)
    hands.picture("09-not-an-object")

    old = dock.method_step.choice().load()
    loop.train()
    hands.show(dock.improve_step.verdict, dock.improve_step.model_button)
    hands.picture("10-fine-tuned-before-and-after")
    new, verdict = dock.train.new, dock.improve_step.verdict
    assert dock.session.bundle is (new if "Better" in verdict.text.text() else dock.train.old)
    assert new.name == f"{NAME}, tuned 1"
    assert any(not np.array_equal(new.weights[k], v) for k, v in old.weights.items())
    assert dock.train.old.weights.keys() == old.weights.keys()
    assert all(np.array_equal(dock.train.old.weights[k], v) for k, v in old.weights.items())

    if verdict.use_button.isVisibleTo(verdict):
        hands.press(verdict.use_button)
    assert dock.session.bundle is new
    kept = [n for n, s in table.items() if s in ("accepted", "corrected")]
    after = loop.run()
    hands.picture("11-run-again")
    assert loop.layer is layer  # one layer an image and task
    for number in kept:
        np.testing.assert_array_equal(after == number, corrected == number)
    assert not np.array_equal(after, corrected)
    judged = loop.judge()
    hands.picture("12-judge-again")
    assert 0 < judged <= 1
    loop.back_to_the_steps()

    hands.press(verdict.back_button)
    assert dock.session.bundle is dock.train.old
    again = loop.run()
    hands.show(verdict.use_button)
    hands.picture("13-go-back")
    for number in kept:
        np.testing.assert_array_equal(again == number, corrected == number)
    assert loop.judge() > score  # the old model, and ten corrections that stay
    np.testing.assert_array_equal(paint.data, painted)
    (file,) = (dock.session.folder / "journals").glob("*.journal")
    journal = read_kept(file)
    np.testing.assert_array_equal(journal.paint, painted)
    np.testing.assert_array_equal(journal.results[0].edited("YX", False).labels, again)
