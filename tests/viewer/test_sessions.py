"""Sessions: a file is written by one window alone, nothing takes the place of earlier work, and undo survives a restart."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journal_helpers import FullDisk, segmentation, work
from napari.layers import Image, Labels

from napari_segplugin.core import ClassTable, InputError, ModelSpec, Task
from napari_segplugin.viewer import compaction, lock, replay, restoring
from napari_segplugin.viewer import recorder as recorder_module
from napari_segplugin.viewer.compaction import branch, shorten, shorter
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.history import LIMIT
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.kept import kept_from, read_kept
from napari_segplugin.viewer.layers import features_of, segmentation_to_layer
from napari_segplugin.viewer.recorder import Recorder
from napari_segplugin.viewer.records import Contents, Record, read_contents, read_records
from napari_segplugin.viewer.replay import put_on
from napari_segplugin.viewer.restoring import look
from napari_segplugin.viewer.sessions import SHORTER, Held, begin, delete, files_of, hold, in_use, sessions

KEY = "0123456789abcdef0123"
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a signal that cannot be caught")


def draw(path: Path, at: int, shape: tuple[int, ...] = (20, 30)) -> dict[str, Any]:
    """A window that paints once."""
    w = work(path, shape)
    w["paint"].paint((*(1,) * (len(shape) - 2), 15, at), at)
    return w


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix != ".lock"}


# --- the lock ---------------------------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from napari_segplugin.viewer.sessions import begin
held = begin(Path(sys.argv[1]))
print(held.path.name, flush=True)
sys.stdin.read()
"""


def other_process(path: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == path.name
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()


def test_another_process_has_a_file_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    child = other_process(path)
    assert in_use(path)
    assert hold(path) is None
    held = begin(path)
    assert (held.path.name, held.others) == (f"{KEY}-2.journal", (path,))
    with pytest.raises(InputError, match="open in another window"):
        delete(path)
    held.release()
    end(child)
    assert not in_use(path)
    mine = hold(path)
    assert mine is not None
    mine.release()


def test_two_windows_of_one_process_exclude_each_other_too(tmp_path: Path) -> None:
    path = tmp_path / "k"
    first = lock.take(path)
    assert first is not None
    assert lock.take(path) is None
    first.release()
    first.release()
    second = lock.take(path)
    assert second is not None
    second.release()
    assert list(tmp_path.iterdir()) == [], "a lock that nobody holds leaves nothing"


def test_a_lock_that_was_taken_away_is_nobodys(tmp_path: Path) -> None:
    """Somebody clears the folder by hand while a window is open: it must not take the lock of the next one with it."""
    first = lock.take(tmp_path / "k")
    lock.lock_of(tmp_path / "k").unlink()
    second = lock.take(tmp_path / "k")
    assert first is not None
    assert second is not None
    first.release()
    assert lock.take(tmp_path / "k") is None
    second.release()


def test_windows_that_begin_at_once_have_a_file_each(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda _: begin(tmp_path / "k.journal"), range(40)))
    assert len({h.path for h in held}) == 40
    for h in held:
        h.release()


def test_what_two_windows_paint_is_all_kept(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    first, second = draw(path, 3), draw(path, 9)
    first["paint"].paint((3, 20), 4)
    second["paint"].paint((3, 25), 10)
    assert second["journal"].path == tmp_path / f"{KEY}-2.journal"
    for w in (first, second):
        np.testing.assert_array_equal(read_kept(w["journal"].path).paint, w["paint"].data)


def test_going_on_with_the_work_of_another_window_is_a_copy(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    first = draw(path, 3)
    with path.open("ab") as file:
        file.write(b"SGJ1 half a record that the other window is writing")
    size = path.stat().st_size
    image = Image(np.zeros((20, 30)))
    found = restoring.restore(path, path, image, "YX", None)
    assert path.stat().st_size == size, "nobody but its window may cut it"
    assert found.copied
    assert found.held is not None
    assert found.held.path.name == f"{KEY}-2.journal"
    np.testing.assert_array_equal(found.kept.paint, first["paint"].data)
    np.testing.assert_array_equal(read_kept(found.held.path).paint, first["paint"].data)
    found.let_go()
    assert [p.name for p in files_of(tmp_path)] == [path.name]


def test_half_a_record_is_cut_off_by_the_window_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    w = draw(path, 3)
    w["journal"].close()
    whole = path.read_bytes()
    path.write_bytes(whole + b"SGJ1 half a record")
    found = restoring.restore(path, path, Image(np.zeros((20, 30))), "YX", None)
    assert not found.copied
    journal = Journal()
    assert found.held is not None
    journal.open(found.held)
    journal.append({"kind": "x"})
    records, good = read_records(path)
    assert path.read_bytes().startswith(whole)
    assert (records[-1].header, good) == ({"kind": "x"}, path.stat().st_size)
    journal.close()


# --- disks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def grip(number: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "grip", grip)


def test_where_files_cannot_be_locked_every_start_has_its_own(tmp_path: Path, no_locks: None) -> None:
    path = tmp_path / f"{KEY}.journal"
    begun: list[Held] = []
    w = work(path, on_begin=begun.append)
    w["paint"].paint((15, 3), 1)
    assert [h.lock for h in begun] == [None]
    before = path.read_bytes()
    found = look(tmp_path, KEY)
    assert (found.path, found.in_use) == (path, False)
    again = restoring.restore(path, path, Image(np.zeros((20, 30))), "YX", None)
    assert again.copied
    assert path.read_bytes() == before
    np.testing.assert_array_equal(again.kept.paint, w["paint"].data)


def test_an_empty_session_is_not_taken_away_where_nobody_can_know(tmp_path: Path, no_locks: None) -> None:
    path = tmp_path / f"{KEY}.journal"
    work(path)
    look(tmp_path, KEY)
    assert path.exists()


@pytest.mark.parametrize("away", ["file", "folder"])
@POSIX
def test_a_journal_that_was_taken_away_is_written_once_more(tmp_path: Path, away: str) -> None:
    import shutil

    path = tmp_path / "journals" / "k.journal"
    w = draw(path, 3)
    if away == "file":
        path.unlink()
    else:
        shutil.rmtree(path.parent)
    w["paint"].paint((3, 20), 2)
    w["journal"].sync()
    w["paint"].paint((3, 25), 4)
    np.testing.assert_array_equal(read_kept(path).paint, w["paint"].data)
    assert in_use(path)
    w["journal"].close()
    assert not in_use(path)


@POSIX
def test_a_folder_that_is_gone_for_good_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    w = draw(folder / "k.journal", 3)
    import shutil

    shutil.rmtree(folder)
    folder.write_text("")
    with pytest.raises(InputError, match="could not be saved in the session folder"):
        w["journal"].sync()


@pytest.mark.parametrize("data", [b"SGJ2 of the future", b"\x00" * 5000])
def test_another_kind_of_file_is_said_and_left(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / f"{KEY}.journal"
    path.write_bytes(data)
    with pytest.raises(InputError, match="another version" if data[:3] == b"SGJ" else "damaged"):
        read_kept(path)
    found = look(tmp_path, KEY)
    assert (found.path, len(found.errors)) == (None, 1)
    draw(path, 3)
    assert path.read_bytes() == data


def test_a_damaged_record_in_the_middle_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "k"
    w = work(path)
    at = []
    for n, x in enumerate((3, 12, 21), 1):
        at.append(path.stat().st_size)
        w["paint"].paint((15, x), n)
    data = bytearray(path.read_bytes())
    data[at[1] + 30] ^= 255
    path.write_bytes(data)
    kept = read_kept(path)
    wanted = np.where(w["paint"].data == 2, 0, w["paint"].data)
    np.testing.assert_array_equal(kept.paint, wanted)
    assert kept.damaged
    assert kept.end == path.stat().st_size, "what follows the damage is not cut off"
    assert [s.new[0] for s in kept.undo.past] == [3], "undo does not reach over the damage"


@pytest.mark.parametrize(
    "header", [{"kind": "step", "layer": "paint", "runs": 1}, {"kind": "marks"}, {"kind": "result"}]
)
def test_a_record_that_does_not_say_what_it_should_is_left_out(tmp_path: Path, header: dict[str, Any]) -> None:
    w = draw(tmp_path / "k", 3)
    w["journal"].append({"shape": [20, 30], "dtype": "uint16", "id": 7, **header}, b"no voxels")
    w["paint"].paint((3, 20), 2)
    kept = read_kept(tmp_path / "k")
    np.testing.assert_array_equal(kept.paint, w["paint"].data)
    assert kept.damaged


# --- looking, listing, deleting ---------------------------------------------------------------------------------------


def test_the_list_says_what_when_and_how_much(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    first = draw(path, 3)
    first["area"].add_rectangles(np.array([[2, 2], [2, 9], [9, 9], [9, 2]]))
    first["journal"].close()
    os.utime(path, (1, 1))
    second = draw(path, 9)
    (tmp_path / ("f" * 20 + ".journal.old")).write_bytes(path.read_bytes())
    (tmp_path / "notes.txt").write_text("")
    found = sessions(tmp_path)
    assert {(s.path.name, s.key, s.image, s.edits, s.in_use) for s in found} == {
        (f"{KEY}-2.journal", KEY, "cells", 1, True),
        (f"{KEY}.journal", KEY, "cells", 2, False),
        ("f" * 20 + ".journal.old", "f" * 20, "cells", 2, False),
    }
    assert found[0].path == second["journal"].path
    assert all(s.size == s.path.stat().st_size and abs(s.when - time.time()) < 60 for s in found)
    assert [p.name for p in files_of(tmp_path, KEY)] == [f"{KEY}-2.journal", f"{KEY}.journal"]
    assert sessions(tmp_path / "nowhere") == []


def test_the_list_does_not_read_the_voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / f"{KEY}.journal", 3)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("the whole file was read"))
    assert [s.edits for s in sessions(tmp_path)] == [1]


def test_a_session_is_deleted_with_all_that_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    draw(path, 3)["journal"].close()
    path.with_name(path.name + SHORTER).write_bytes(b"of a program that was killed")
    delete(path)
    assert list(tmp_path.iterdir()) == []
    delete(path)  # it was deleted in another window


def test_a_session_that_cannot_be_deleted_says_so(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    path.mkdir()
    with pytest.raises(InputError, match="could not be deleted"):
        delete(path)


def test_looking_finds_the_newest_work_and_takes_away_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / f"{KEY}.journal"
    draw(path, 3)["journal"].close()
    os.utime(path, (1, 1))
    alone = work(path)  # a prediction, and nothing that a person did
    found = look(tmp_path, KEY)
    assert (found.path, found.used, found.in_use) == (path, [alone["journal"].path], False)
    assert alone["journal"].path.exists(), "another window has it open"
    assert look(tmp_path, KEY, [alone["journal"].path]).used == []
    alone["journal"].close()
    found = look(tmp_path, KEY)
    assert (found.path, found.number, found.used) == (path, 1, [])
    assert not alone["journal"].path.exists()
    assert look(tmp_path, "f" * 20).path is None


# --- large steps ------------------------------------------------------------------------------------------------------


def test_a_large_step_is_packed_by_a_worker_and_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = work(tmp_path / "k")
    layer, journal, go = w["paint"], w["journal"], threading.Event()
    threads: list[tuple[bool, bool]] = []
    real = recorder_module.pack_voxels

    def pack(flat: np.ndarray, values: np.ndarray) -> Any:
        threads.append((len(flat) > 100, threading.current_thread() is threading.main_thread()))
        if len(flat) > 100:
            assert go.wait(10)
        return real(flat, values)

    monkeypatch.setattr(recorder_module, "AT_ONCE", 100)
    monkeypatch.setattr(recorder_module, "pack_voxels", pack)
    layer.paint((2, 2), 1)
    layer.data_setitem(np.nonzero(np.ones((20, 20), bool)), 2)
    layer.paint((3, 3), 3)
    kept = read_kept(tmp_path / "k")
    assert kept.steps == 1, "what comes after waits for it"
    go.set()
    journal.close()
    assert sorted(threads) == [(False, True), (False, True), (True, False)]
    kept = read_kept(tmp_path / "k")
    np.testing.assert_array_equal(kept.paint, layer.data)
    assert [int(s.new[0]) for s in kept.undo.past] == [1, 2, 3]


def test_a_large_step_on_a_full_disk_is_said_by_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[InputError] = []
    w = work(tmp_path / "k", on_trouble=told.append)
    monkeypatch.setattr(recorder_module, "AT_ONCE", 100)
    w["paint"].paint((2, 2), 1)
    w["journal"]._file = disk = FullDisk(w["journal"]._file, 20)
    w["paint"].data = np.ones((20, 30), np.uint16)
    w["journal"]._packer.shutdown()
    assert told == [], "a worker has no window"
    with pytest.raises(InputError, match="No space left"):
        w["journal"].sync()
    disk.room = 10**9
    w["paint"].paint((3, 3), 3)
    np.testing.assert_array_equal(read_kept(tmp_path / "k").paint, w["paint"].data)


def test_a_step_that_the_memory_cannot_pack_is_said_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[InputError] = []
    w = work(tmp_path / "k", on_trouble=told.append)

    def pack(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(recorder_module, "AT_ONCE", 100)
    w["paint"].paint((2, 2), 1)
    with monkeypatch.context() as full:
        full.setattr(recorder_module, "pack_runs", pack)
        w["paint"].data = np.zeros((20, 30), np.uint16)
        w["journal"]._packer.shutdown()
    with pytest.raises(InputError, match="the memory is full"):
        w["journal"].sync()
    w["paint"].paint((3, 20), 3)
    assert set(np.unique(read_kept(tmp_path / "k").paint)) == {0, 1, 3}


# --- undo after a restart ---------------------------------------------------------------------------------------------


def strokes(w: dict[str, Any], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Ten strokes over one another, three undone, one redone; what the layer showed after each of the ten."""
    layer = w["paint"]
    states = [layer.data.copy()]
    for i in range(10):
        layer.paint((*(i % shape[0],) * (len(shape) - 2), 5 + i // 2, 4 + 2 * i), i % 3 + 1)
        states.append(layer.data.copy())
    for _ in range(3):
        layer.undo()
    layer.redo()
    return states


@pytest.mark.parametrize("shape", [(20, 30), (4, 20, 30)])
def test_strokes_of_the_day_before_are_undone_and_redone(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / f"{KEY}.journal"
    w = work(path, shape)
    states = strokes(w, shape)
    w["journal"].close()

    kept, held = read_kept(path), hold(path)
    assert held is not None
    held.end = kept.end
    layer = Labels(kept.paint)
    history = put_on(layer, kept.undo)
    np.testing.assert_array_equal(layer.data, states[8])
    recorder = Recorder(Journal(), first=kept.next_id)
    recorder.paint(layer, known=True, history=history)
    recorder.journal.open(held)
    for wanted in (states[9], states[10], states[10]):
        layer.redo()
        np.testing.assert_array_equal(layer.data, wanted)
    for wanted in (*reversed(states[:-1]), states[0]):
        layer.undo()
        np.testing.assert_array_equal(layer.data, wanted)
    for _ in range(4):
        layer.redo()
    recorder.journal.close()
    again = read_kept(path)
    np.testing.assert_array_equal(again.paint, states[4])
    assert (len(again.undo.past), len(again.undo.future)) == (4, 6)


def edits(editor: Editor, point: tuple[int, ...]) -> list[tuple[np.ndarray, dict[str, list[Any]]]]:
    """Every kind of step, and what was there before and after each."""
    states = [state(editor)]
    for do in (
        lambda: editor.merge([1, 2]),
        lambda: editor.set_class([3], "mitosis"),
        lambda: editor.accept([3]),
        lambda: editor.layer.paint(point, 8),
        lambda: editor.reject([3]),
        lambda: editor.delete([8]),
    ):
        do()
        states.append(state(editor))
    return states


def state(editor: Editor) -> tuple[np.ndarray, dict[str, list[Any]]]:
    table = editor.layer.features
    table = table[table["index"] != 0].sort_values("index")
    return editor.layer.data.copy(), {c: table[c].astype(str).tolist() for c in ("index", "class", "status", "score")}


@pytest.mark.parametrize("axes", ["YX", "ZYX", "XYZ"])
def test_edits_of_the_day_before_are_undone_with_their_table(tmp_path: Path, axes: str) -> None:
    path = tmp_path / f"{KEY}.journal"
    found = segmentation((4, 20, 30) if "Z" in axes else (20, 30))
    shape = tuple({"Z": 4, "Y": 20, "X": 30}[a] for a in axes)
    image = Image(np.zeros(shape))
    first = segmentation(found.labels.shape)
    editor = Editor(segmentation_to_layer(first, image, axes), usual_class="nucleus")
    recorder = Recorder(Journal())
    recorder.write(*recorder.base(found, "", recorder.number()))
    recorder.result(editor, 1)
    recorder.journal.open(path)
    point = tuple({"Z": 1, "Y": 10, "X": 25}[a] for a in axes)
    states = edits(editor, point)
    editor.layer.undo()
    recorder.journal.close()

    restored = restoring.restore(path, path, image, axes, None)
    ((kept, layer, history),) = restored.results
    again = Editor(layer, usual_class="nucleus")
    assert 3 not in again.boxes  # rejected the day before; its box is not known
    recorder = Recorder(Journal(), first=restored.kept.next_id)
    recorder.result(again, kept.number, history)
    recorder.journal.open(restored.held)

    def check(wanted: tuple[np.ndarray, dict[str, list[Any]]]) -> None:
        now = state(again)
        np.testing.assert_array_equal(now[0], wanted[0])
        assert now[1] == wanted[1]
        for number in np.unique(now[0])[1:]:
            box = again.boxes.box(int(number))
            assert again.boxes.size(int(number)) == (now[0][box] == number).sum() == (now[0] == number).sum()

    check(states[-2])
    layer.redo()
    check(states[-1])
    for wanted in reversed(states[:-1]):
        layer.undo()
        check(wanted)
    layer.undo()
    check(states[0])
    for wanted in states[1:4]:
        layer.redo()
        check(wanted)
    recorder.journal.close()
    edited, steps = read_kept(path).results[0].left(axes, False)
    assert (len(steps.past), len(steps.future)) == (3, 3)
    table = features_of(edited)
    assert [str(s) for s in table["status"][1:]] == states[3][1]["status"]


SPEC = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus", "mitosis"]), {})


def act(op: float, at: tuple[int, ...], numbers: list[int], editor: Editor, paint: Labels) -> None:
    """One of everything that a person may do."""
    layer, one = editor.layer, numbers[0]
    chances: list[tuple[float, Any]] = [
        (0.25, lambda: paint.paint(at, one)),
        (0.40, paint.undo),
        (0.50, paint.redo),
        (0.60, lambda: layer.paint(at, one)),
        (0.65, lambda: editor.merge(numbers)),
        (0.70, lambda: editor.accept(numbers)),
        (0.75, lambda: editor.set_class(numbers, "mitosis")),
        (0.80, lambda: editor.reject(numbers[:1])),
        (0.90, layer.undo),
        (1.00, layer.redo),
    ]
    with suppress(InputError):  # there is no such object
        next(do for most, do in chances if op < most)()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_a_restart_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same is done to layers of a program that ends now and then and to those of one that does not."""
    monkeypatch.setattr(compaction, "LEAST", 0)
    rng, shape = random.Random(seed), (20, 30) if seed % 2 else (3, 20, 30)
    axes, image, path = "ZYX"[-len(shape) :], Image(np.zeros(shape)), tmp_path / f"{KEY}.journal"
    found = segmentation(shape)
    (editor, paint), (wanted, wanted_paint) = (
        (
            Editor(segmentation_to_layer(segmentation(shape), image, axes), usual_class="nucleus"),
            Labels(np.zeros(shape, np.uint16)),
        )
        for _ in range(2)
    )
    recorder = Recorder(Journal())
    recorder.write(*recorder.base(found, "", recorder.number()))
    recorder.result(editor, 1)
    recorder.paint(paint)
    recorder.journal.open(path)
    for _ in range(60):
        op, at, numbers = rng.random(), tuple(rng.randrange(n) for n in shape), rng.sample(range(1, 9), 2)
        for pair in ((editor, paint), (wanted, wanted_paint)):
            pair[1].brush_size = 3
            assert pair[0].boxes is not None  # the dock looks through a result before anybody can edit it
            act(op, at, numbers, *pair)
        np.testing.assert_array_equal(paint.data, wanted_paint.data)
        now, other = state(editor), state(wanted)
        np.testing.assert_array_equal(now[0], other[0])
        assert now[1] == other[1]
        if rng.random() < 0.1:
            recorder.journal.close()
            restored = restoring.restore(path, path, image, axes, SPEC)
            ((kept, layer, history),) = restored.results
            editor, recorder = Editor(layer, usual_class="nucleus"), Recorder(Journal(), first=restored.kept.next_id)
            recorder.result(editor, kept.number, history)
            paint, strokes_of = restored.paint or (Labels(np.zeros(shape, np.uint16)), None)
            recorder.paint(paint, known=strokes_of is not None, history=strokes_of)
            recorder.journal.open(restored.held)
    recorder.journal.close()


def test_a_step_through_another_view_is_not_undone_in_its_place(tmp_path: Path) -> None:
    """The views of a result have lists of their own, which are not kept: what came before them stays as it is."""
    w = work(tmp_path / "k")
    editor, layer = w["editor"], w["editor"].layer
    view = Labels(layer.data)
    editor.follow([view])
    layer.paint((10, 25), 8)
    view.paint((10, 3), 9)
    layer.undo()
    edited, steps = read_kept(tmp_path / "k").results[0].left("YX", False)
    np.testing.assert_array_equal(edited.labels, layer.data)
    assert steps == ((), ())


def test_undo_reaches_as_far_as_napari_and_the_memory_let_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    w = work(tmp_path / "k")
    for i in range(LIMIT + 20):
        w["paint"].data_setitem((np.array([i % 20]), np.array([i // 20])), i + 1)
    past = read_kept(tmp_path / "k").undo.past
    assert [int(s.new[0]) for s in past] == list(range(21, LIMIT + 21))
    monkeypatch.setattr(replay, "MOST_VOXELS", 7)
    assert len(read_kept(tmp_path / "k").undo.past) == 7


def test_a_journal_of_before_is_undone_step_by_step(tmp_path: Path) -> None:
    """It does not say which steps were undone: taking back is a step like any other."""
    w = work(tmp_path / "k")
    states = strokes(w, (20, 30))
    records, _ = read_records(tmp_path / "k")
    old = [
        Record({k: v for k, v in r.header.items() if k not in ("back", "again", "what")}, r.payload) for r in records
    ]
    kept = kept_from(Contents(old, 0, ()))
    np.testing.assert_array_equal(kept.paint, states[8])
    layer = Labels(kept.paint)
    put_on(layer, kept.undo)
    for wanted in (7, 8, 9, 10, 9):
        layer.undo()
        np.testing.assert_array_equal(layer.data, states[wanted])


# --- made shorter -----------------------------------------------------------------------------------------------------


def long_journal(path: Path, monkeypatch: pytest.MonkeyPatch, steps: int = 60) -> dict[str, Any]:
    """Many strokes over one another in every layer, with a limit of ten steps."""
    for module in (compaction, replay):
        monkeypatch.setattr(module, "LIMIT", 10)
    monkeypatch.setattr(compaction, "LEAST", 0)
    w = work(path)
    rng = np.random.default_rng(0)
    for i in range(steps):
        at = tuple(rng.integers(2, 18, 2))
        w["paint"].paint(at, int(rng.integers(1, 6)))
        w["editor"].layer.paint(at, int(rng.integers(1, 6)))
        if i % 7 == 0:
            w["paint"].undo()
            w["editor"].accept([int(w["editor"].layer.data.max())])
        if i % 9 == 0:
            w["area"].add_rectangles(np.array([[2, 2], [2, 9], [9, 9 + i % 5], [9, 2]]))
    w["recorder"].recipe(1, {"a": 2})
    return w


def same(a: Any, b: Any) -> None:
    """The same work, with the same steps to undo."""
    np.testing.assert_array_equal(a.paint, b.paint)
    assert (a.marks, a.painted, a.steps, a.next_id) == (b.marks, b.painted, b.steps, b.next_id)
    assert len(a.results) == len(b.results)
    pairs = [(a.undo, b.undo)]
    for x, y in zip(a.results, b.results, strict=True):
        one, other = x.left("YX", False), y.left("YX", False)
        np.testing.assert_array_equal(one[0].labels, other[0].labels)
        assert one[0].recipe == other[0].recipe
        assert features_of(one[0])["status"] == features_of(other[0])["status"]
        pairs.append((one[1], other[1]))
    for one, other in pairs:
        for x, y in zip(one.past + one.future, other.past + other.future, strict=True):
            for name in ("flat", "old", "new"):
                np.testing.assert_array_equal(getattr(x, name), getattr(y, name))


def test_a_shorter_journal_is_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k.journal"
    long_journal(path, monkeypatch)["journal"].close()
    before, kept, held = read_contents(path), read_kept(path), hold(path)
    assert held is not None
    after = shorten(held, before)
    assert held.end == after.end == path.stat().st_size < before.end / 2
    assert after.records == read_contents(path).records
    same(read_kept(path), kept)
    assert (len(kept.undo.past), len(kept.undo.future)) == (10, 0)
    assert shorter(after) == after.records, "the second time there is nothing to do"
    assert sessions(tmp_path) == []  # not the name of a session
    held.release()


def test_strokes_that_replaced_all_others_stay_so_in_a_shorter_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = long_journal(tmp_path / "k", monkeypatch, 3)
    w["paint"].data = np.eye(20, 30, dtype=np.uint16)
    for i in range(15):
        w["paint"].paint((3, 2 + i), 7)
    contents = read_contents(tmp_path / "k")
    kept = kept_from(Contents(shorter(contents), 0, ()))
    np.testing.assert_array_equal(kept.paint, w["paint"].data)


def test_results_that_are_gone_or_untouched_take_no_room(tmp_path: Path) -> None:
    w = work(tmp_path / "k")
    recorder = w["recorder"]
    for number in (2, 3, 4):
        recorder.write(*recorder.base(w["found"], "U-Net", recorder.number()))
        if number == 2:
            recorder.gone(2)
    w["editor"].delete([1])
    records = shorter(read_contents(tmp_path / "k"))
    assert [r.header["id"] for r in records if r.header["kind"] == "result"] == [1, 4]
    assert "gone" not in {r.header["kind"] for r in records}


def test_a_damaged_journal_is_not_made_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    long_journal(path, monkeypatch)["journal"].close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    held = hold(path)
    assert held is not None
    shorten(held, read_contents(path))
    assert path.read_bytes() == data
    held.release()


class Killed(BaseException):
    """The program ends here."""


def test_killed_at_any_moment_while_it_is_made_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    long_journal(path, monkeypatch)["journal"].close()
    before, kept = path.read_bytes(), read_kept(path)
    counted = 0
    last = -1

    def killing(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal counted
            counted += 1
            if counted == last:
                raise Killed
            value = real(*args, **kwargs)
            if counted == -last:
                raise Killed
            return value

        return call

    for name in ("open", "fsync", "replace"):
        monkeypatch.setattr(os, name, killing(getattr(os, name)))
    ends = []
    for moment in [m for n in range(1, 8) for m in (n, -n)]:
        path.write_bytes(before)
        contents = read_contents(path)
        counted, last = 0, 0
        held = hold(path)
        assert held is not None
        counted, last = 0, moment
        try:
            shorten(held, contents)
            ends.append("done")
        except Killed:
            ends.append("killed")
        last = 0
        held.release()
        assert path.read_bytes() in (before, b"".join(r.pack() for r in shorter(contents)))
        same(read_kept(path), kept)
    assert ends.count("killed") >= 6
    assert "done" in ends
    hold(path).release()
    assert {p.name for p in tmp_path.iterdir()} == {"k"}, "what the killed ones left is swept"


def test_a_full_disk_leaves_the_long_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k"
    long_journal(path, monkeypatch)["journal"].close()
    before = bytes_of(tmp_path)
    held, contents = hold(path), read_contents(path)
    assert held is not None

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert shorten(held, contents) is contents
    with pytest.raises(OSError, match="No space"):
        branch(contents, path)
    assert bytes_of(tmp_path) == before
    held.release()


# --- killed -----------------------------------------------------------------------------------------------------------

WRITER = """
import sys, random
from pathlib import Path
import numpy as np
from napari_segplugin.viewer import compaction
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.data.packed import pack_voxels
from napari_segplugin.viewer.records import read_contents
from napari_segplugin.viewer.sessions import hold
path, said = Path(sys.argv[1]), open(sys.argv[2], "ab", buffering=0)
compaction.LEAST, compaction.LIMIT = 0, 5
rng = random.Random()
while True:
    held = hold(path)
    contents = compaction.shorten(held, read_contents(path))
    n = contents.records[-1].header.get("n", 0) if contents.records else 0
    journal = Journal()
    journal.open(held)
    for _ in range(rng.randrange(1, 40)):
        n += 1
        about, payload = pack_voxels(np.arange(n % 50, n % 50 + 20), n)
        journal.append({"kind": "step", "layer": "paint", "shape": [80], "dtype": "int64", "n": n, **about}, payload)
        said.write(b"%d\\n" % n)
    journal.close()
"""


def painted(steps: int) -> np.ndarray:
    array = np.zeros(80, np.int64)
    for n in range(1, steps + 1):
        array[n % 50 : n % 50 + 20] = n
    return array


@POSIX
def test_killed_at_any_moment_no_finished_step_is_lost(tmp_path: Path) -> None:
    """A process that paints and makes its journal shorter is killed; the next one goes on with the file."""
    path, said = tmp_path / f"{KEY}.journal", tmp_path / "said"
    begin(path).release()
    said.write_bytes(b"")
    rng = random.Random(0)
    for _ in range(int(os.environ.get("SEGPLUGIN_KILLS", "3"))):
        size = said.stat().st_size
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(said)])
        while said.stat().st_size == size:
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        child.wait()
        finished = int(said.read_bytes().split()[-1])
        kept = read_kept(path)
        assert not kept.damaged
        last = int(np.max(kept.paint))
        assert last in (finished, finished + 1), "the one after may be written and not said yet"
        np.testing.assert_array_equal(kept.paint, painted(last))
    assert finished > 100
