"""Linking through time in the dock: when it is offered, what it shows, and how it is taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, run, wait_idle
from napari.components import ViewerModel
from napari.layers import Tracks

from napari_segplugin.engine.session import Session
from napari_segplugin.widgets.dock import SegmentationDock

# the first import takes a while, longer than a test waits
pytest.importorskip("laptrack")

pytestmark = pytest.mark.qt


def film() -> np.ndarray:
    """Three bright squares that move, one of which divides at the third time point."""
    out = np.zeros((5, 60, 60), np.uint8)
    for t in range(5):
        out[t, 4 + t : 12 + t, 4:12] = 200
        out[t, 40:48, 40 - t : 48 - t] = 200
        if t < 2:
            out[t, 10:24, 36:46] = 200
        else:
            out[t, 8 - t : 15 - t, 36:45] = out[t, 20 + t : 27 + t, 36:45] = 200
    return out


@pytest.fixture
def linked(dock: Any, qtbot: Any) -> Any:
    """A dock with a film that was segmented and linked."""
    add_image(
        dock,
        qtbot,
        film(),
        name="film",
        axis_labels=("t", "y", "x"),
        scale=(1, 0.5, 0.5),
        units=("pixel", "um", "um"),
    )
    run(dock, qtbot)
    run(dock, qtbot, dock.tracks.button.click)
    return dock


def tracks_layer(dock: Any) -> Any:
    return next(a for a in dock.viewer.layers if isinstance(a, Tracks))


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
def test_it_is_offered_where_there_is_time(dock: Any, qtbot: Any, axes: str) -> None:
    add_image(dock, qtbot, film(), name="film", axis_labels=tuple(axes))
    dock.refresh()
    assert dock.tracks.fold.isHidden()
    run(dock, qtbot)
    assert dock.tracks.fold.isHidden() is (axes == "zyx")
    assert dock.tracks.button.text() == "Link through time"


def test_each_object_has_one_number_and_its_path_is_shown(linked: Any) -> None:
    result = linked.desk.result_of(linked.image_step.layer)
    data = result.layer.data
    assert data[0, 6, 6] == data[4, 10, 6] != 0
    assert data[0, 44, 44] == data[4, 44, 40] != data[0, 6, 6]
    mother, one, other = data[0, 16, 40], data[2, 9, 40], data[2, 25, 40]
    assert len({mother, one, other}) == 3
    layer = tracks_layer(linked)
    assert {int(k): int(v[0]) for k, v in layer.graph.items()} == {one: mother, other: mother}
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    assert linked.result_step.summary.text() == "5 objects through time, 1 division."
    assert linked.tracks.button.text() == "Link again"
    assert linked.viewer.layers.selection.active is result.layer
    first = next(a for a in linked.viewer.layers if a.name == "film · instance")
    assert not first.visible
    assert not result.edited


def test_linking_again_after_an_edit_is_one_step(linked: Any, qtbot: Any) -> None:
    from napari_segplugin.data.edits import Change

    result = linked.desk.result_of(linked.image_step.layer)
    editor, data = linked.edits.target.editor, result.layer.data
    number = int(data[0, 6, 6])
    where = np.nonzero(data == number)
    editor.apply(Change(tuple(i[where[0] == 2] for i in where), 90), "")
    edited = data.copy()
    run(linked, qtbot, linked.tracks.button.click)
    assert data[2, 8, 8] == number
    assert 90 not in data
    assert len(tracks_layer(linked).data) == 2 * 5 + 2 + 2 * 3
    result.layer.undo()
    np.testing.assert_array_equal(data, edited)
    assert 90 in editor.rows
    result.layer.redo()
    assert 90 not in data


def paths(layer: Any) -> tuple[list[list[float]], dict[int, list[int]]]:
    return np.asarray(layer.data).tolist(), {int(k): [int(p) for p in v] for k, v in layer.graph.items()}


@pytest.mark.parametrize("undone", [False, True])
def test_paths_and_lineage_come_back_after_a_crash(
    linked: Any, engine: Any, qtbot: Any, tmp_path: Path, undone: bool
) -> None:
    result = linked.desk.result_of(linked.image_step.layer)
    qtbot.waitUntil(lambda: linked.edits.target is not None, timeout=5000)
    data = result.layer.data
    fresh = int(data.max()) + 7
    result.layer.data_setitem(np.nonzero((np.arange(5)[:, None, None] >= 3) & (data == data[4, 10, 6])), fresh)
    run(linked, qtbot, linked.tracks.button.click)  # links the new number to its path again, as a step
    if undone:
        result.layer.undo()
    qtbot.waitUntil(lambda: not linked.background.busy, timeout=5000)
    wanted, labels = paths(tracks_layer(linked)), np.array(result.layer.data)
    linked.journal.close()

    again = SegmentationDock(ViewerModel(), engine=engine, session=Session(tmp_path / "session"))
    qtbot.addWidget(again)
    add_image(
        again, qtbot, film(), name="film", axis_labels=("t", "y", "x"), scale=(1, 0.5, 0.5), units=("pixel", "um", "um")
    )
    qtbot.waitUntil(lambda: again.messages.findChild(object, "restore_yes") is not None, timeout=5000)
    again.messages.findChild(object, "restore_yes").click()
    qtbot.waitUntil(lambda: any(isinstance(a, Tracks) for a in again.viewer.layers), timeout=20000)
    restored = again.desk.result_of(again.image_step.layer)
    np.testing.assert_array_equal(restored.layer.data, labels)
    if not undone:  # what was taken back lies between two linkings, so its paths are those of the numbers as they are
        assert paths(tracks_layer(again)) == wanted
    assert again.tracks.button.text() == "Link again"
    wait_idle(qtbot, again)


def test_a_class_and_a_status_hold_for_all_time_points(linked: Any) -> None:
    result, editor = linked.desk.result_of(linked.image_step.layer), linked.edits.target.editor
    number = int(result.layer.data[0, 6, 6])
    editor.accept([number])
    found = result.current()
    at = found.objects.label.tolist().index(number)
    assert found.objects.status[at] == "accepted"
    assert all((found.labels[t] == number).any() for t in range(5))
    linked.edits.panel.scope_choice.setCurrentIndex(linked.edits.panel.scope_choice.findData("always"))
    linked.edits.choose(linked.edits.target, number)
    linked.edits.act("delete")
    assert number not in result.layer.data
    result.layer.undo()
    assert all((result.layer.data[t] == number).any() for t in range(5))


def test_an_edit_while_it_runs_is_not_lost(linked: Any, qtbot: Any) -> None:
    result = linked.desk.result_of(linked.image_step.layer)
    editor = linked.edits.target.editor
    number = int(result.layer.data[0, 6, 6])
    linked.tracks.start()
    editor.delete([number])
    qtbot.waitUntil(lambda: linked.jobs.owner is None, timeout=8000)
    assert "edited in the meantime" in linked.messages.text.text()
    assert number not in result.layer.data


def test_cancel_changes_nothing(dock: Any, qtbot: Any, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from napari_segplugin.core import Step

    def slow(*asked: Any) -> Any:
        for i in range(1000):
            time.sleep(0.01)
            yield Step(i, 1000)

    add_image(dock, qtbot, film(), name="film", axis_labels=("t", "y", "x"))
    run(dock, qtbot)
    monkeypatch.setattr(engine, "track", slow)
    layers = list(dock.viewer.layers)
    dock.tracks.button.click()
    qtbot.waitUntil(lambda: dock.result_step.cancel_button.isEnabled(), timeout=4000)
    with qtbot.waitSignal(dock.job.busy_changed, timeout=8000):
        dock.result_step.cancel_button.click()
    qtbot.waitUntil(lambda: dock.jobs.owner is None, timeout=3000)
    assert list(dock.viewer.layers) == layers


def test_without_the_library_the_dock_says_what_to_install(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segplugin.core import MissingExtraError
    from napari_segplugin.engine.track import track as module

    def missing() -> Any:
        raise MissingExtraError("laptrack", "link objects through time", "tracks")

    monkeypatch.setattr(module, "lap_track", missing)
    add_image(dock, qtbot, film(), name="film", axis_labels=("t", "y", "x"))
    run(dock, qtbot)
    run(dock, qtbot, dock.tracks.button.click)
    assert 'pip install "napari-segplugin[tracks]"' in dock.messages.text.text()
