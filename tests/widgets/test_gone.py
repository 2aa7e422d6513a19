"""Layers that go and docks that close: nothing works on, no preview stays, nothing is lost."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run
from fake_engine import FakeEngine, blobs
from qtpy.QtWidgets import QPushButton

from napari_segplugin.core import BACKGROUND_PAINT
from napari_segplugin.engine.session import Session
from napari_segplugin.widgets import gone_control

pytestmark = pytest.mark.qt


def begin(dock: Any, qtbot: Any, engine: FakeEngine, kind: str) -> None:
    """Start something that does not end by itself, and wait until it shows what it shows."""
    engine.pause, engine.tiles = 0.01, 100_000
    if kind == "train":
        dock.paint.pick(BACKGROUND_PAINT)
        dock.paint.layer.data_setitem((np.arange(4), np.arange(4)), BACKGROUND_PAINT)
        dock.train.start()
        qtbot.waitUntil(lambda: "preview" in dock.viewer.layers, timeout=5000)
    else:
        dock.runs.start("whole")
    qtbot.waitUntil(lambda: any(k in ("predict", "finetune") for k, _ in engine.calls), timeout=5000)


def text(dock: Any) -> str:
    return str(dock.messages.text.text())


def press(dock: Any, name: str) -> None:
    dock.messages.findChild(QPushButton, name).click()


def close_by_x(dock: Any) -> None:
    """What the x of the title bar does."""
    dock.parent().destroyOnClose()


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["run", "train"])
def test_an_image_that_goes_cancels_what_works_on_it(
    with_image: Any, engine: FakeEngine, qtbot: Any, kind: str
) -> None:
    begin(with_image, qtbot, engine, kind)
    with_image.viewer.layers.remove("cells")
    qtbot.waitUntil(lambda: not with_image.job.busy, timeout=5000)
    assert engine.closed == ["predict" if kind == "run" else "finetune"]
    assert "“cells” was removed" in text(with_image)
    assert "preview" not in with_image.viewer.layers
    assert not with_image.desk.results
    assert with_image.session.bundle is None


def test_what_was_said_of_a_result_goes_with_it(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    assert "nuclei" in with_image.result_step.summary.text()
    with_image.viewer.layers.remove(with_image.desk.results[-1].layer)
    qtbot.waitUntil(lambda: "was removed" in text(with_image), timeout=5000)
    assert with_image.result_step.summary.text() == ""


def test_another_layer_that_goes_cancels_nothing(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    other = with_image.viewer.add_image(np.zeros((5, 6)), name="other")
    with_image.image_step.refresh()
    begin(with_image, qtbot, engine, "run")
    with_image.viewer.layers.remove(other)
    qtbot.wait(300)
    assert with_image.job.busy


def test_a_training_goes_on_without_its_result(with_image: Any, engine: FakeEngine, qtbot: Any) -> None:
    run(with_image, qtbot)
    begin(with_image, qtbot, engine, "train")
    with_image.viewer.layers.remove(with_image.desk.results[-1].layer)
    qtbot.wait(300)
    assert with_image.job.busy
    assert "preview" in with_image.viewer.layers
    with_image.train.stop()
    qtbot.waitUntil(lambda: with_image.jobs.owner is None, timeout=5000)
    assert "tuned" in with_image.session.bundle.name


@pytest.mark.parametrize("kind", ["instant", "classical"])
def test_a_live_answer_goes_with_its_image(with_image: Any, qtbot: Any, kind: str) -> None:
    control, image = getattr(with_image, kind), with_image.image_step.layer
    shown = np.ones((1, 1), np.int32)
    if kind == "classical":
        control._show(shown, (0, 0), image, "YX", None)
    else:
        with_image.paint.add_layer()
        with_image.paint.layer.data_setitem((np.arange(4), np.arange(4)), BACKGROUND_PAINT)
        with_image.improve_step.instant_box.setChecked(True)
        qtbot.waitUntil(lambda: bool(control.layers), timeout=5000)
    live = control._layer if kind == "classical" else control.layers[0]
    with_image.viewer.layers.remove(image)
    qtbot.waitUntil(lambda: live not in with_image.viewer.layers, timeout=3000)
    if kind == "classical":  # an answer that was on its way
        control._show(shown, (0, 0), image, "YX", None)
        assert control._layer is None


# --- a result comes back ----------------------------------------------------------------------------------------------


def test_a_removed_result_comes_back_as_it_was(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    result = with_image.desk.results[-1]
    layer, recipe = result.layer, dict(result.layer.metadata["recipe"])
    with_image.edits.choose(with_image.edits.target, 1)
    with_image.edits.act("delete")
    labels, table = np.array(layer.data), layer.features.copy()
    assert result.edited
    at = with_image.viewer.layers.index(layer)
    with_image.viewer.layers.selection = {layer}
    with_image.viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: "was removed" in text(with_image), timeout=3000)
    qtbot.waitUntil(lambda: with_image.edits.target is None, timeout=3000)
    press(with_image, "bring_back")
    assert with_image.viewer.layers.index(layer) == at
    assert with_image.desk.result_of(with_image.image_step.layer) is result
    assert np.array_equal(layer.data, labels)
    assert layer.features.equals(table)
    assert layer.metadata["recipe"] == recipe
    assert with_image.edits.target.result is result
    assert with_image.messages.message == ""
    with_image.edits.choose(with_image.edits.target, 2)
    with_image.edits.act("accept")
    assert result.checked == (2,)


def test_it_is_offered_for_the_rest_of_the_session(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    layer, gone = with_image.desk.results[-1].layer, with_image.gone
    assert gone.button.isHidden()
    with_image.viewer.layers.clear()
    qtbot.waitUntil(lambda: not gone.button.isHidden(), timeout=3000)
    with_image.messages.clear()
    image = add_image(with_image, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="another")
    assert [a.text() for a in gone.menu.actions()] == [layer.name]
    gone.menu.actions()[0].trigger()
    assert [a.name for a in with_image.viewer.layers] == ["cells", layer.name, image.name]
    assert with_image.image_step.layer.name == "cells"
    assert gone.button.isHidden()
    assert gone.menu.actions() == []


# --- the dock closes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["run", "train"])
def test_the_x_cancels_and_takes_previews_away(with_image: Any, engine: FakeEngine, qtbot: Any, kind: str) -> None:
    viewer = with_image.viewer
    begin(with_image, qtbot, engine, kind)
    close_by_x(with_image)
    assert not with_image.job.busy
    assert "preview" not in viewer.layers
    qtbot.waitUntil(lambda: bool(engine.closed), timeout=5000)
    # nothing of the closed dock answers any more
    viewer.layers.clear()
    viewer.add_image(blobs((40, 50)), name="next")
    qtbot.wait(200)
    assert with_image.image_step.layer is None or with_image.image_step.layer.name == "cells"
    assert not with_image.background.busy


def test_a_trained_model_is_listed_when_the_dock_is_opened_again(
    make_napari_viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segplugin.widgets.dock import SegmentationDock

    monkeypatch.setenv("NAPARI_SEGPLUGIN_HOME", str(tmp_path))
    viewer, engine = make_napari_viewer(), FakeEngine()
    dock = SegmentationDock(viewer, engine=engine)
    viewer.window.add_dock_widget(dock, name="Segmentation")
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    dock.paint.add_layer()
    dock.paint.layer.data_setitem((np.arange(4), np.arange(4)), BACKGROUND_PAINT)
    run(dock, qtbot, dock.train.start)
    name = dock.session.bundle.name
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    close_by_x(dock)
    again = SegmentationDock(viewer, engine=engine)
    viewer.window.add_dock_widget(again, name="Segmentation")
    qtbot.waitUntil(lambda: again.image_step.layer is not None, timeout=3000)
    choice = again.method_step.weights_choice
    assert again.session is dock.session
    assert name in [b.name for b in again.session.bundles]
    assert any(name in choice.itemText(i) for i in range(choice.count()))
    qtbot.waitUntil(lambda: not again.background.busy, timeout=5000)
    close_by_x(again)
    other = make_napari_viewer()
    another = SegmentationDock(other, engine=engine)
    qtbot.addWidget(another)
    assert another.session is not dock.session


def test_a_panel_closed_by_its_x_opens_anew(with_image: Any, qtbot: Any) -> None:
    run(with_image, qtbot)
    with_image.panels.measure()
    panel, _ = with_image.panels._open["Measure objects"]
    close_by_x(panel)
    assert not panel.background.busy
    with_image.panels.measure()
    fresh, holder = with_image.panels._open["Measure objects"]
    assert fresh is not panel
    assert holder.isVisible() or not holder.isHidden()
    qtbot.waitUntil(lambda: not fresh.background.busy, timeout=5000)
    fresh.close()


def test_a_session_of_its_own_is_kept(make_napari_viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    from napari_segplugin.widgets.dock import SegmentationDock

    session = Session(tmp_path)
    dock = SegmentationDock(make_napari_viewer(), engine=FakeEngine(), session=session)
    qtbot.addWidget(dock)
    assert dock.session is session


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def out_of_sight() -> Any:
    """What is alive is taken out of the collector's sight, as it is when torch comes in."""
    yield gc.freeze
    gc.unfreeze()


def test_the_memory_of_a_large_image_that_goes_is_given_back(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, out_of_sight: Any
) -> None:
    monkeypatch.setattr(gone_control, "LARGE", 2**20)
    array = np.zeros((16, 256, 512), np.uint8)
    layer = add_image(dock, qtbot, array, axis_labels=("z", "y", "x"), name="large")
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    there = weakref.ref(layer)
    out_of_sight()
    dock.viewer.layers.remove(layer)
    del layer
    qtbot.waitUntil(lambda: there() is None, timeout=10000)


def test_the_work_on_an_image_goes_with_it(dock: Any, qtbot: Any, out_of_sight: Any) -> None:
    def work() -> list[weakref.ref[Any]]:
        image = add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="first")
        dock.paint.add_layer()
        dock.paint.layer.paint((5, 5), 1)
        dock.paint.add_reviewed()
        dock.paint.weak.add("points")
        dock.classical.add_marks("box")
        dock.edits.show()
        found = [image, dock.desk.work, dock.paint.layer, dock.paint.reviewed, dock.paint.weak.layer("points")]
        found += [dock.classical.marks("box"), dock.desk.work.recorder]
        qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
        return [weakref.ref(a) for a in found]

    out_of_sight()
    refs = work()
    dock.viewer.layers.clear()
    add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"), name="next")
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    assert dock.paint.layer is None
    assert not dock.paint.counts

    def freed() -> bool:
        gc.collect()
        return all(ref() is None for ref in refs)

    qtbot.waitUntil(freed, timeout=10000)
    assert [layer.name for layer, _ in dock.desk.images] == ["next"]


def test_a_dock_that_is_closed_is_freed(
    make_napari_viewer: Any, engine: FakeEngine, tmp_path: Path, qtbot: Any, out_of_sight: Any
) -> None:
    from napari_segplugin.widgets.dock import SegmentationDock

    def used() -> weakref.ref[Any]:
        viewer = make_napari_viewer()
        dock = SegmentationDock(viewer, engine=engine, session=Session(tmp_path / "session"))
        viewer.window.add_dock_widget(dock, name="Segmentation")
        add_image(dock, qtbot, blobs((40, 50)), axis_labels=("y", "x"))
        qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
        out_of_sight()
        close_by_x(dock)
        return weakref.ref(dock)

    there = used()
    qtbot.waitUntil(lambda: there() is None, timeout=10000)
