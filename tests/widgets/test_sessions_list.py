"""Two windows on one image, and the list of earlier work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dock_helpers import add_image, restore, run, wait_idle
from fake_engine import FakeEngine, blobs
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_segplugin.engine.session import Session
from napari_segplugin.viewer import sessions
from napari_segplugin.viewer.kept import read_kept
from napari_segplugin.widgets.journal_control import ELSEWHERE

SHAPES = {"2D": (40, 50), "3D": (4, 40, 50)}


@pytest.fixture
def windows(tmp_path: Path, qtbot: Any) -> Iterator[Any]:
    """Makes docks on one session folder, each in a viewer of its own, with an image."""
    from napari_segplugin.widgets.dock import SegmentationDock

    made = []

    def window(image: np.ndarray | None = None, name: str = "cells", engine: Any = None) -> Any:
        dock = SegmentationDock(ViewerModel(), engine=engine or FakeEngine(), session=Session(tmp_path / "session"))
        made.append(dock)
        data = blobs((40, 50)) if image is None else image
        add_image(dock, qtbot, data, axis_labels=("z", "y", "x")[-data.ndim :], name=name)
        qtbot.waitUntil(lambda: not dock.background.busy, timeout=8000)
        return dock

    yield window
    for dock in made:
        wait_idle(qtbot, dock)


def stroke(dock: Any, x: int, value: int) -> None:
    dock.paint.add_layer()
    layer = dock.paint.layer
    layer.brush_size = 3
    layer.paint((*(1,) * (layer.ndim - 2), 20, x), value)


def said(dock: Any) -> str:
    return str(dock.messages.message)


def answer(dock: Any, name: str) -> Any:
    return dock.messages.findChild(object, name)


def strokes_of(path: Path) -> set[int]:
    paint = read_kept(path).paint
    return set() if paint is None else set(np.unique(paint)[1:].tolist())


def files(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "session" / "journals").iterdir() if p.suffix != ".lock")


def unfold(dock: Any, qtbot: Any) -> Any:
    dock.restore.sessions.show()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    return dock.restore.sessions


# --- two windows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SHAPES)
def test_two_windows_that_were_empty_keep_both_and_the_second_is_told(
    windows: Any, qtbot: Any, tmp_path: Path, kind: str
) -> None:
    image = blobs(SHAPES[kind])
    first, second = windows(image), windows(image)
    stroke(first, 5, 101)
    assert said(first) == said(second) == ""
    stroke(second, 15, 201)
    assert said(second) == ELSEWHERE
    second.messages.clear()
    stroke(first, 25, 102)
    stroke(second, 35, 202)
    assert said(first) == said(second) == "", "once is enough"
    assert [strokes_of(p) for p in files(tmp_path)] == [{201, 202}, {101, 102}]
    for dock in (first, second):
        dock.journal.close()
    third = windows(image)
    assert "were kept" in said(third)
    assert answer(third, "restore_all").text() == "All 2…"


@pytest.mark.parametrize("answered", ["restore_yes", "restore_no"])
def test_a_window_on_an_image_that_is_open_elsewhere(windows: Any, qtbot: Any, tmp_path: Path, answered: str) -> None:
    first = windows()
    stroke(first, 5, 101)
    second = windows()
    assert said(second) == ELSEWHERE
    stroke(first, 15, 102)  # after the other one looked
    answer(second, answered).click()
    qtbot.waitUntil(lambda: not second.background.busy, timeout=5000)
    stroke(second, 25, 201)
    stroke(first, 35, 103)
    begun = {101, 102} if answered == "restore_yes" else set()
    assert [strokes_of(p) for p in files(tmp_path)] == [begun | {201}, {101, 102, 103}]
    assert set(np.unique(second.paint.layer.data)[1:]) == begun | {201}
    second.paint.layer.undo()
    if begun:
        second.paint.layer.undo()
        assert set(np.unique(second.paint.layer.data)[1:]) == {101}, "undo reaches into the copy"
    assert set(np.unique(first.paint.layer.data)[1:]) == {101, 102, 103}


def test_a_prediction_in_another_window_is_said_too(windows: Any, qtbot: Any) -> None:
    first = windows()
    run(first, qtbot)
    qtbot.waitUntil(lambda: not first.background.busy and bool(first.journal.own), timeout=5000)
    second = windows()
    assert said(second) == ELSEWHERE
    assert answer(second, "restore_yes") is None


def test_a_window_that_closes_leaves_its_file_to_the_next(windows: Any, qtbot: Any, tmp_path: Path) -> None:
    first = windows()
    stroke(first, 5, 101)
    first.close()
    second = windows()
    assert "were kept" in said(second)
    restore(second, qtbot)
    stroke(second, 15, 102)
    assert [strokes_of(p) for p in files(tmp_path)] == [{101, 102}]


def test_a_disk_without_locks_is_said_once(windows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from napari_segplugin.viewer import lock

    def grip(number: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "grip", grip)
    dock = windows()
    stroke(dock, 5, 101)
    assert "cannot lock files" in said(dock)
    dock.messages.clear()
    add = dock.viewer.add_image(blobs((30, 30)), axis_labels=("y", "x"), name="other")
    dock.image_step.refresh()
    dock.image_step.choose(add)
    stroke(dock, 5, 102)
    assert said(dock) == ""


def test_a_stroke_before_the_answer_of_the_worker_is_of_no_other_window(
    windows: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_segplugin.widgets import restore_control

    earlier = windows()
    stroke(earlier, 5, 101)
    earlier.journal.close()
    dock, go = windows(blobs((30, 30)), "other"), threading.Event()
    real = restore_control.look

    def look(*args: Any) -> Any:
        assert go.wait(10)
        return real(*args)

    monkeypatch.setattr(restore_control, "look", look)
    layer = dock.viewer.add_image(blobs((40, 50)), axis_labels=("y", "x"), name="cells")
    dock.image_step.refresh()
    dock.image_step.choose(layer)
    stroke(dock, 15, 102)
    go.set()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=8000)
    assert said(dock).startswith("Corrections of this image were kept")
    restore(dock, qtbot)
    assert {101, 102} <= set(np.unique(dock.paint.layer.data))


def test_the_first_stroke_waits_for_no_worker(windows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dock = windows()
    monkeypatch.setattr(type(dock.background), "run", lambda *args: None)
    layer = dock.viewer.add_image(blobs((30, 30)), axis_labels=("y", "x"), name="other")
    dock.image_step.refresh()
    dock.image_step.choose(layer)
    stroke(dock, 5, 7)
    assert [strokes_of(p) for p in files(tmp_path)] == [{7}]


# --- undo after a restart ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SHAPES)
def test_undo_and_redo_after_a_restart(windows: Any, qtbot: Any, tmp_path: Path, kind: str) -> None:
    image = blobs(SHAPES[kind])
    dock = windows(image)
    for i in range(4):
        stroke(dock, 5 + 10 * i, 101 + i)
    dock.paint.layer.undo()
    dock.journal.close()
    for _ in range(2):  # the second day changes nothing, the third finds the same
        dock = windows(image)
        restore(dock, qtbot)
        layer = dock.paint.layer
        assert set(np.unique(layer.data)[1:]) == {101, 102, 103}
        layer.redo()
        assert set(np.unique(layer.data)[1:]) == {101, 102, 103, 104}
        for _ in range(4):
            layer.undo()
        assert not layer.data.any()
        for _ in range(3):
            layer.redo()
        dock.journal.close()
    assert strokes_of(files(tmp_path)[0]) == {101, 102, 103}


def test_edits_of_a_result_are_undone_after_a_restart_with_the_panel(windows: Any, qtbot: Any) -> None:
    dock = windows()
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    before = dock.edits.target.layer.data.copy()
    numbers = sorted(dock.edits.target.editor.boxes)
    dock.edits.target.editor.accept([numbers[0]])
    dock.edits.target.editor.delete([numbers[0]])
    after = dock.edits.target.layer.data.copy()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    dock.journal.close()
    dock = windows()
    restore(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    editor, layer = dock.edits.target.editor, dock.edits.target.layer
    np.testing.assert_array_equal(layer.data, after)
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert editor.rows.get(numbers[0])["status"] == "accepted"
    assert numbers[0] in editor.boxes
    layer.undo()
    assert editor.rows.get(numbers[0])["status"] == "predicted"


def test_a_result_that_joins_the_work_at_hand_is_undone_with_its_table(windows: Any, qtbot: Any) -> None:
    dock = windows()
    run(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    number = min(dock.edits.target.editor.boxes)
    before = dock.edits.target.layer.data.copy()
    dock.edits.target.editor.delete([number])
    dock.journal.close()
    dock = windows()
    stroke(dock, 5, 3)
    restore(dock, qtbot)
    qtbot.waitUntil(lambda: dock.edits.target is not None and not dock.background.busy, timeout=5000)
    editor, layer = dock.edits.target.editor, dock.edits.target.layer
    assert editor.rows.get(number) is None
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    assert editor.rows.get(number)["status"] == "predicted"
    path = dock.journal.own[0]
    dock.journal.close()
    np.testing.assert_array_equal(read_kept(path).results[0].edited("YX", False).labels, before)


# --- the list ---------------------------------------------------------------------------------------------------------


def lines(control: Any) -> list[str]:
    return [control.list.item(i).text() for i in range(control.list.count())]


def choose(control: Any, text: str) -> None:
    at = next(i for i, line in enumerate(lines(control)) if text in line)
    control.list.setCurrentRow(at)


def test_the_list_names_image_time_edits_and_size(windows: Any, qtbot: Any) -> None:
    other = windows(blobs((30, 30)), "other")
    stroke(other, 5, 1)
    stroke(other, 9, 1)
    other.journal.close()
    dock = windows()
    stroke(dock, 5, 101)
    control = unfold(dock, qtbot)
    first, second = lines(control)
    assert first.startswith("cells (this image, in use here)\n")
    assert first.endswith("1 edit · 1 KB")
    assert second.startswith("other\n")
    assert second.endswith("2 edits · 1 KB")
    choose(control, "cells")
    assert not control.open_button.isEnabled()
    assert not control.delete_button.isEnabled()
    choose(control, "other")
    assert not control.open_button.isEnabled(), "its image is not open"
    assert "Open the image “other” first" in control.note.text()
    assert control.delete_button.isEnabled()


def test_an_older_session_is_opened_from_the_list(windows: Any, qtbot: Any, tmp_path: Path) -> None:
    for value in (101, 201):
        dock = windows()
        stroke(dock, 5, value)
        dock.journal.close()
    dock = windows()
    answer(dock, "restore_all").click()
    qtbot.waitUntil(lambda: dock.restore.sessions.list.count() == 2 and not dock.background.busy, timeout=5000)
    control = dock.restore.sessions
    control.list.setCurrentRow(next(i for i in range(2) if not control.list.item(i).toolTip().endswith("-2.journal")))
    control.open_button.click()
    qtbot.waitUntil(lambda: dock.paint.layer is not None and not dock.background.busy, timeout=5000)
    assert set(np.unique(dock.paint.layer.data)[1:]) == {101}
    assert "in use here" in control.list.currentItem().text()
    stroke(dock, 25, 102)
    assert [strokes_of(p) for p in files(tmp_path)] == [{201}, {101, 102}]


def test_a_second_session_joins_the_work_at_hand_and_stays(windows: Any, qtbot: Any, tmp_path: Path) -> None:
    dock = windows()
    stroke(dock, 5, 101)
    dock.journal.close()
    dock = windows()
    stroke(dock, 25, 201)
    control = unfold(dock, qtbot)
    control.list.setCurrentRow(next(i for i in range(2) if "in use" not in control.list.item(i).text()))
    control.open_button.click()
    qtbot.waitUntil(lambda: not dock.background.busy, timeout=5000)
    assert set(np.unique(dock.paint.layer.data)[1:]) >= {201}
    assert np.count_nonzero(np.unique(dock.paint.layer.data)) == 2
    older, now = files(tmp_path)[::-1]
    assert strokes_of(older) == {101}
    np.testing.assert_array_equal(read_kept(now).paint, dock.paint.layer.data)


def test_deleting_asks_first_and_names_what_is_lost(windows: Any, qtbot: Any, tmp_path: Path) -> None:
    other = windows(blobs((30, 30)), "other")
    stroke(other, 5, 1)
    other.journal.close()
    dock = windows()
    control = unfold(dock, qtbot)
    choose(control, "other")
    qtbot.mouseClick(control.delete_button, Qt.MouseButton.LeftButton)
    assert "Delete the work on “other” of 20" in said(dock)
    assert "(1 edit)? It cannot be brought back." in said(dock)
    answer(dock, "session_keep").click()
    assert len(files(tmp_path)) == 1
    control.delete_button.click()
    answer(dock, "session_delete_yes").click()
    qtbot.waitUntil(lambda: control.list.count() == 0 and not dock.background.busy, timeout=5000)
    assert files(tmp_path) == []
    assert control.note.text() == "No earlier work is kept."


def test_what_was_opened_elsewhere_meanwhile_is_not_deleted(windows: Any, qtbot: Any, tmp_path: Path) -> None:
    other = windows(blobs((30, 30)), "other")
    stroke(other, 5, 1)
    other.journal.close()
    dock = windows()
    control = unfold(dock, qtbot)
    choose(control, "other")
    held = sessions.hold(files(tmp_path)[0])
    control.delete_button.click()
    answer(dock, "session_delete_yes").click()
    qtbot.waitUntil(lambda: "open in another window" in said(dock) and not dock.background.busy, timeout=5000)
    assert len(files(tmp_path)) == 1
    assert not control.delete_button.isEnabled()
    held.release()


def test_files_are_read_in_no_other_thread_than_a_workers(
    windows: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = windows()
    stroke(dock, 5, 101)
    dock.journal.close()
    seen: list[str] = []

    def noting(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            seen.append(name if threading.current_thread() is threading.main_thread() else "")
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    from napari_segplugin.viewer import kept, restoring

    noting(kept, "read_contents")
    noting(restoring, "read_contents")
    noting(restoring, "put_on")
    noting(restoring, "shorten")
    noting(sessions, "read_headers")
    dock = windows()
    restore(dock, qtbot)
    unfold(dock, qtbot)
    assert len(seen) >= 5
    assert set(seen) == {""}
