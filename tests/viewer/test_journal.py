"""The journal: what was finished is there, whatever happens to the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_helpers import FullDisk, segmentation, work
from napari.layers import Image, Labels

from napari_segplugin.core import InputError
from napari_segplugin.data.packed import pack_voxels, unpack_voxels
from napari_segplugin.viewer.edits import Editor
from napari_segplugin.viewer.journal import Journal
from napari_segplugin.viewer.kept import read_kept
from napari_segplugin.viewer.layers import features_of, segmentation_to_layer
from napari_segplugin.viewer.recorder import Recorder
from napari_segplugin.viewer.records import read_records
from napari_segplugin.viewer.sessions import hold
from napari_segplugin.viewer.weak import MODES, put_back, use_class, weak_layer


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 500)), st.integers(0, 3), st.integers(0, 1000))
def test_voxels_survive_packing(voxels: set[int], kinds: int, seed: int) -> None:
    flat = np.array(sorted(voxels), np.int64) * 1_000_003
    values = np.random.default_rng(seed).integers(0, kinds + 1, len(flat))
    about, payload = pack_voxels(flat, values)
    found, read = unpack_voxels(about, payload)
    np.testing.assert_array_equal(found, flat)
    np.testing.assert_array_equal(read, values)


def test_everything_comes_back(tmp_path: Path) -> None:
    w = work(tmp_path / "a" / "k.journal")
    w["paint"].paint((15, 15), 1)
    w["paint"].paint((3, 20), 65535)
    w["paint"].undo()
    w["editor"].merge([1, 2])
    w["editor"].set_class([3], "mitosis")
    w["editor"].accept([3])
    w["editor"].layer.paint((10, 25), 8)
    w["editor"].layer.undo()
    w["editor"].layer.undo()
    w["editor"].layer.redo()
    w["area"].add_rectangles(np.array([[2, 2], [2, 9], [9, 9], [9, 2]]))
    w["journal"].close()

    kept = read_kept(tmp_path / "a" / "k.journal")
    assert kept.paint is not None
    np.testing.assert_array_equal(kept.paint, w["paint"].data)
    assert kept.marks["reviewed"]["type"] == ["rectangle"]
    np.testing.assert_allclose(kept.marks["reviewed"]["points"][0], w["area"].data[0])
    (result,) = kept.results
    np.testing.assert_array_equal(result.segmentation.labels, w["found"].labels)
    assert result.model == "U-Net"
    edited = result.edited("YX", False)
    np.testing.assert_array_equal(edited.labels, w["editor"].layer.data)
    assert edited.classes == w["found"].classes
    assert edited.recipe == {"a": 1}
    assert edited.objects.label.tolist() == [1, 3]
    assert edited.objects.class_id.tolist() == [1, 2]
    assert edited.objects.status == ("corrected", "accepted")
    features = features_of(edited)
    for name in ("index", "class", "status"):
        assert list(features[name]) == list(w["editor"].layer.features[name])
    assert kept.steps == 3 + 4 + 3 + 1
    assert kept.next_id == 2
    assert not kept.empty


@pytest.mark.parametrize("axes", ["ZYX", "XYZ", "YXC"])
def test_edits_come_back_in_every_order_of_axes(tmp_path: Path, axes: str) -> None:
    found = segmentation((4, 20, 30) if "Z" in axes else (20, 30))
    shape = tuple({"Z": 4, "Y": 20, "X": 30, "C": 3}[a] for a in axes)
    image = Image(np.zeros(shape), rgb="C" in axes)
    editor = Editor(segmentation_to_layer(replace(found, labels=found.labels.copy()), image, axes))
    recorder = Recorder(Journal())
    recorder.write(*recorder.base(found, "", recorder.number()))
    recorder.result(editor, 1)
    recorder.journal.open(tmp_path / "k")
    editor.merge([2, 3])
    editor.delete([1])
    (kept,) = read_kept(tmp_path / "k").results
    edited = kept.edited(axes, "C" in axes)
    np.testing.assert_array_equal(segmentation_to_layer(edited, image, axes).data, editor.layer.data)


def test_a_tail_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "k"
    w = work(path)
    sizes, strokes = [path.stat().st_size], [w["paint"].data.copy()]
    for x in (3, 9, 15):
        w["paint"].paint((15, x), 1)
        sizes.append(path.stat().st_size)
        strokes.append(w["paint"].data.copy())
    whole = path.read_bytes()
    for cut in range(sizes[1], sizes[-1] + 1, 7):
        path.write_bytes(whole[:cut])
        kept = read_kept(path)
        done = sum(cut >= s for s in sizes) - 1
        np.testing.assert_array_equal(kept.paint, strokes[done])
        assert kept.end == sizes[done]


def test_going_on_after_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "k"
    w = work(path)
    w["paint"].paint((15, 3), 1)
    w["journal"].close()
    with path.open("ab") as file:
        file.write(b"SGJ1 half a record")
    kept = read_kept(path)
    journal = Journal()
    recorder = Recorder(journal, first=kept.next_id)
    paint = Labels(kept.paint)
    recorder.paint(paint, known=True)
    held = hold(path)
    held.end = kept.end
    journal.open(held)
    paint.paint((3, 20), 2)
    again = read_kept(path)
    np.testing.assert_array_equal(again.paint, paint.data)
    assert again.steps == 2


def test_a_new_beginning_leaves_the_earlier_files_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "k.journal"
    files = [path, *(tmp_path / f"k-{n}.journal" for n in (2, 3))]
    whole: dict[Path, bytes] = {}
    for n, file in enumerate(files):
        w = work(path)
        w["paint"].paint((15, 3 + 5 * n), n + 1)
        assert w["journal"].path == file
        np.testing.assert_array_equal(read_kept(file).paint, w["paint"].data)
        w["journal"].close()
        whole[file] = file.read_bytes()
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == whole


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    journal = Journal()
    journal.open(tmp_path / "k")
    assert not journal.begun
    journal.sync()
    journal.close()
    assert list(tmp_path.iterdir()) == []
    assert read_kept(tmp_path / "k").empty


def test_a_prediction_alone_is_nothing_that_a_person_did(tmp_path: Path) -> None:
    work(tmp_path / "k")
    kept = read_kept(tmp_path / "k")
    assert kept.empty
    assert len(kept.results) == 1


def test_a_result_that_was_replaced_is_gone(tmp_path: Path) -> None:
    w = work(tmp_path / "k")
    w["editor"].delete([1])
    w["recorder"].gone(1)
    assert read_kept(tmp_path / "k").results == []


def test_new_strokes_in_place_of_old_ones(tmp_path: Path) -> None:
    w = work(tmp_path / "k")
    w["paint"].paint((15, 3), 1)
    w["paint"].data = np.eye(20, 30, dtype=np.uint16)
    np.testing.assert_array_equal(read_kept(tmp_path / "k").paint, np.eye(20, 30))
    other = Labels(np.zeros((20, 30), np.uint16))
    w["recorder"].paint(other)
    assert not read_kept(tmp_path / "k").paint.any()
    w["paint"].paint((15, 3), 1)
    other.paint((3, 3), 5)
    np.testing.assert_array_equal(read_kept(tmp_path / "k").paint, other.data)


def test_another_reading_of_the_axes_leaves_the_edits_out(tmp_path: Path) -> None:
    w = work(tmp_path / "k")
    w["editor"].delete([1])
    (kept,) = read_kept(tmp_path / "k").results
    np.testing.assert_array_equal(kept.edited("XY", False).labels, w["found"].labels)


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    told: list[InputError] = []
    (tmp_path / "blocked").write_text("")
    w = work(tmp_path / "blocked" / "k", on_trouble=told.append)
    w["paint"].paint((15, 3), 1)
    w["paint"].paint((15, 9), 1)
    assert len(told) == 1
    assert "could not be saved in the session folder" in str(told[0])
    assert w["paint"].data.any()
    (tmp_path / "blocked").unlink()
    w["paint"].paint((15, 15), 1)
    np.testing.assert_array_equal(read_kept(tmp_path / "blocked" / "k").paint, w["paint"].data)


def test_a_full_disk_leaves_whole_records_and_goes_on_later(tmp_path: Path) -> None:
    told: list[InputError] = []
    path = tmp_path / "k"
    w = work(path, on_trouble=told.append)
    w["paint"].paint((15, 3), 1)
    before = w["paint"].data.copy()
    size = path.stat().st_size
    w["journal"]._file = disk = FullDisk(w["journal"]._file, 20)
    w["paint"].paint((15, 9), 1)
    w["paint"].paint((15, 20), 1)
    assert [str(t).count("No space left") for t in told] == [1]
    assert path.stat().st_size == size
    np.testing.assert_array_equal(read_kept(path).paint, before)
    disk.room = 10**9
    w["paint"].paint((3, 3), 1)
    np.testing.assert_array_equal(read_kept(path).paint, w["paint"].data)
    assert w["journal"].trouble is None


def test_waiting_records_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_segplugin.viewer.journal.MOST_WAITING", 1000)
    journal = Journal()
    for _ in range(50):
        journal.append({"kind": "step"}, bytes(200))
    assert sum(map(len, journal._waiting)) <= 1000


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_records(tmp_path)


SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
from journal_helpers import work
w = work(Path({path!r}))
for i in range(10):
    w["paint"].paint((15, 2 + 2 * i), i + 1)
    if i % 3 == 0:
        w["editor"].layer.paint((10, 2 + 2 * i), 9)
w["editor"].merge([1, 2])
w["editor"].accept([3])
w["area"].add_rectangles([[2, 2], [2, 9], [9, 9], [9, 2]])
import numpy as np
np.savez({path!r} + ".npz", paint=w["paint"].data, result=w["editor"].layer.data)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_program_loses_no_finished_stroke(tmp_path: Path) -> None:
    path = tmp_path / "k"
    code = SCRIPT.format(here=str(Path(__file__).parent), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with np.load(str(path) + ".npz") as truth:
        kept = read_kept(path)
        np.testing.assert_array_equal(kept.paint, truth["paint"])
        np.testing.assert_array_equal(kept.results[0].edited("YX", False).labels, truth["result"])
    assert kept.results[0].edited("YX", False).objects.status == ("corrected", "accepted", "corrected")
    assert len(kept.marks["reviewed"]["points"]) == 1


def test_points_and_boxes_come_back_with_their_classes(tmp_path: Path) -> None:
    image = Image(np.zeros((20, 30)))
    journal = Journal()
    recorder = Recorder(journal, {"image": "cells"})
    journal.open(tmp_path / "k")
    layers = {kind: weak_layer(kind, image, "YX") for kind in MODES}
    for kind, layer in layers.items():
        recorder.marks(kind, layer)
    assert not journal.begun  # empty layers are no work
    use_class(layers["points"], 2)
    layers["points"].add(np.array([[3.0, 4.0]]))
    use_class(layers["points"], 1)
    layers["points"].add(np.array([[5.0, 6.0]]))
    layers["boxes"].add_rectangles(np.array([[2, 2], [2, 9], [9, 9], [9, 2]]))
    layers["nothing"].add_rectangles(np.array([[2, 2], [2, 9], [9, 9], [9, 2]]))
    layers["nothing"].selected_data = {0}
    layers["nothing"].remove_selected()
    kept = read_kept(tmp_path / "k")
    assert set(kept.marks) == {"points", "boxes"}
    assert not kept.empty
    for kind, marks in kept.marks.items():
        fresh = weak_layer(kind, image, "YX")
        put_back(fresh, marks)
        np.testing.assert_allclose(np.array(fresh.data), np.array(layers[kind].data))
    points = weak_layer("points", image, "YX")
    put_back(points, kept.marks["points"])
    assert points.features["class"].tolist() == [2, 1]


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights in another way")
def test_a_journal_is_its_owners_alone_and_an_open_one_is_closed(tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    path = tmp_path / "journals" / "a.journal"
    journal = Journal()
    journal.open(path)
    journal.append({"kind": "x"})
    journal.close()
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    path.parent.chmod(0o755)
    path.chmod(0o644)
    _, end = read_records(path)
    assert mode(path) == 0o600
    path.chmod(0o644)
    journal, held = Journal(), hold(path)
    held.end = end
    journal.open(held)
    journal.append({"kind": "y"})
    assert [mode(p) for p in sorted(path.parent.iterdir())] == [0o600, 0o600], "the lock too"
    journal.close()
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)
    assert [r.header["kind"] for r in read_records(path)[0]] == ["x", "y"]
    path.chmod(0o644)
    journal = Journal()
    journal.open(path)
    journal.append({"kind": "z"})
    journal.close()
    assert [mode(p) for p in sorted(path.parent.iterdir())] == [0o600, 0o600], "the earlier one too"
