"""A batch: every file has its end, errors hold up nobody, and what is done is not done again."""

import json
import threading

import numpy as np
import pytest
import tifffile
from squares import squares

from napari_segplugin.core import FileState, Note, Step, TileSpec, drain
from napari_segplugin.door.orders import FileReading, batch_of
from napari_segplugin.engine.batch import folder as folder_module
from napari_segplugin.engine.batch.order import RunOrder
from napari_segplugin.io import read_segmentation


def states(events):
    return [e for e in events if isinstance(e, FileState)]


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_every_file_ends_and_errors_hold_up_nobody(plate, cells):
    events = []
    found = drain(batch_of(plate, RunOrder(cells)), events.append)
    assert [(f.path[-5:], f.state, f.objects) for f in found] == [
        ("a.tif", "done", 6), ("b.tif", "done", 2), ("c.tif", "unreadable", None), ("d.tif", "none", 0)
    ]  # fmt: skip
    assert "c.tif" in found[2].reason
    assert [f.problem for f in found] == [False, False, True, True]
    out = plate.parent / "plate1_results"
    assert [n for n in names(out) if n.endswith(".tif")] == ["a_labels.tif", "b_labels.tif", "d_labels.tif"]
    assert len(read_segmentation(out / "a_labels.tif").objects) == 6
    told = states(events)
    assert [(s.number, s.state) for s in told[:4]] == [(n, "waits") for n in range(4)]
    order = [(s.number, s.state) for s in told[4:]]
    assert order[0] == (0, "running")
    assert [o for o in order if o[1] != "running"] == [(0, "done"), (1, "done"), (2, "unreadable"), (3, "none")]
    for n in range(4):
        shares = [s.share for s in told if s.number == n and s.state == "running"]
        assert shares == sorted(shares)
        assert all(0 <= share <= 1 for share in shares)


def test_the_record_says_what_came_of_each_file_and_names_no_folder(plate, cells):
    drain(batch_of(plate, RunOrder(cells)))
    text = (plate.parent / "plate1_results" / "batch.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert [(f["file"], f["state"], f["objects"]) for f in record["files"]] == [
        ("a.tif", "done", 6), ("b.tif", "done", 2), ("c.tif", "unreadable", None), ("d.tif", "none", 0)
    ]  # fmt: skip
    assert record["files"][0]["results"][0] == "a_labels.tif"
    assert record["recipe"]["classical"]["technique"] == "threshold"
    assert record["folder"] == "plate1"
    assert str(plate.parent) not in text


def test_what_is_done_is_not_done_again(plate, cells, monkeypatch):
    drain(batch_of(plate, RunOrder(cells)))
    ran = []
    write = folder_module.write_order
    monkeypatch.setattr(folder_module, "write_order", lambda *a: ran.append(a[1].name) or write(*a))
    found = drain(batch_of(plate, RunOrder(cells)))
    assert ran == []
    assert [(f.state, f.objects, f.earlier) for f in found] == [
        ("done", 6, True), ("done", 2, True), ("unreadable", None, False), ("none", 0, True)
    ]  # fmt: skip
    assert found[0].files[0].endswith("a_labels.tif")
    tifffile.imwrite(plate / "c.tif", tifffile.imread(plate / "a.tif"))
    assert [f.objects for f in drain(batch_of(plate, RunOrder(cells)))] == [6, 2, 6, 0]
    assert ran == ["c"]


@pytest.mark.parametrize("change", ["settings", "reading", "image", "again", "gone"])
def test_another_order_or_another_image_is_done_again(plate, cells, change):
    from dataclasses import replace

    drain(batch_of(plate, RunOrder(cells)))
    order, reading, again = RunOrder(cells), FileReading(), change == "again"
    if change == "settings":
        order = RunOrder(replace(cells, parameters={**cells.parameters, "value": 90.0}))
    elif change == "reading":
        reading = FileReading(spacing=(0.5, 0.5), unit="um")
    elif change == "image":
        tifffile.imwrite(plate / "a.tif", tifffile.imread(plate / "b.tif"))
    elif change == "gone":
        (plate.parent / "plate1_results" / "a_labels.tif").unlink()
    found = drain(batch_of(plate, order, reading=reading, again=again))
    assert found[0].earlier is False
    assert found[1].earlier is (change in ("image", "gone"))
    assert found[0].objects == (2 if change == "image" else 6)


def test_a_result_that_a_person_changed_is_left_as_it_is(plate, cells):
    drain(batch_of(plate, RunOrder(cells)))
    place = plate.parent / "plate1_results" / "a_labels.tif"
    tifffile.imwrite(place, np.full((40, 48), 7, np.uint16))
    found = drain(batch_of(plate, RunOrder(cells)))
    assert "changed since it was made" in found[0].reason
    assert (tifffile.imread(place) == 7).all()
    drain(batch_of(plate, RunOrder(cells), again=True))
    assert tifffile.imread(place).max() == 6


def test_stop_ends_after_the_file_and_the_same_call_goes_on(plate, cells):
    stop = threading.Event()

    def after_a(event):
        if isinstance(event, FileState) and event.number == 0 and event.state == "running":
            stop.set()

    found = drain(batch_of(plate, RunOrder(cells), stop=stop), after_a)
    assert [f.state for f in found] == ["done", "waits", "waits", "waits"]
    record = json.loads((plate.parent / "plate1_results" / "batch.json").read_text(encoding="utf-8"))
    assert [f["state"] for f in record["files"]] == ["done", "waits", "waits", "waits"]
    found = drain(batch_of(plate, RunOrder(cells)))
    assert [f.earlier for f in found] == [True, False, False, False]
    assert [f.state for f in found] == ["done", "done", "unreadable", "none"]


def test_cancel_leaves_what_is_done_and_nothing_of_the_file_at_hand(plate, cells):
    job = batch_of(plate, RunOrder(cells))
    for event in job:
        if isinstance(event, FileState) and (event.number, event.state) == (1, "running"):
            break
    job.close()
    assert names(plate.parent / "plate1_results") == [
        "a_labels.objects.csv", "a_labels.recipe.json", "a_labels.tif", "batch.json"
    ]  # fmt: skip


def test_an_error_that_nobody_foresaw_is_one_file_only(plate, cells, monkeypatch):
    write = folder_module.write_order

    def broken(order, image, *more):
        if image.name == "a":
            raise ZeroDivisionError("a bug")
        return write(order, image, *more)

    monkeypatch.setattr(folder_module, "write_order", broken)
    found = drain(batch_of(plate, RunOrder(cells)))
    assert (found[0].state, found[1].state) == ("failed", "done")
    assert "ZeroDivisionError" in found[0].reason


def test_memory_that_runs_out_is_one_file_only(plate, cells, monkeypatch):
    monkeypatch.setattr(folder_module, "things", lambda found: 1)

    def full(order, image, *more):
        raise MemoryError
        yield

    monkeypatch.setattr(folder_module, "write_order", full)
    found = drain(batch_of(plate, RunOrder(cells)))
    assert {f.state for f in found} == {"failed", "unreadable"}
    assert "memory is full" in found[0].reason


def test_a_file_keeps_its_notes_and_the_setting_that_helps(tmp_path, network):
    folder = tmp_path / "films"
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros((6, 30, 30), np.uint8))
    tifffile.imwrite(
        folder / "b.tif", np.zeros((2, 30, 30), np.uint8), metadata={"axes": "CYX"}, photometric="minisblack"
    )
    found = drain(batch_of(folder, RunOrder(network(), device="cpu")))
    assert "Taken as" in found[0].notes[0].text
    assert found[1].state == "failed"
    assert found[1].setting == "channels"


def test_results_come_in_the_format_of_the_input_and_labels_are_left_out(tmp_path, cells):
    folder = tmp_path / "mixed"
    folder.mkdir()
    tifffile.imwrite(folder / "a_image.tif", squares())
    tifffile.imwrite(folder / "a_labels.tif", squares())
    np.save(folder / "b.npy", squares())
    import imageio.v3 as imageio

    imageio.imwrite(folder / "c.png", squares())
    found = drain(batch_of(folder, RunOrder(cells), folder))
    assert [f.files[0].rsplit("/", 1)[-1] for f in found] == ["a_image_labels.tif", "b_labels.npy", "c_labels.png"]
    # the results lie among the images now, and are none themselves
    assert [f.earlier for f in drain(batch_of(folder, RunOrder(cells), folder))] == [True] * 3


def test_a_network_runs_over_planes_and_volumes_alike(tmp_path, network):
    folder = tmp_path / "both"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", squares(), metadata={"axes": "YX"})
    tifffile.imwrite(folder / "b.tif", squares((3, 40, 48)), metadata={"axes": "ZYX"}, photometric="minisblack")
    order = RunOrder(network("semantic"), TileSpec(size=(32,), halo=(4,)), "cpu")
    events = []
    found = drain(batch_of(folder, order), events.append)
    assert [f.state for f in found] == ["done", "done"]
    assert read_segmentation(found[1].files[0]).labels.shape == (3, 40, 48)
    assert any(isinstance(e, Step) for e in events)
    assert not any("could not" in e.text for e in events if isinstance(e, Note))


def test_the_order_is_another_one_with_other_weights(network):
    one, two = RunOrder(network(seed=0)), RunOrder(network(seed=1))
    assert one.key() == RunOrder(network(seed=0)).key()
    assert one.key() != two.key()
    assert one.key() != RunOrder(network(seed=0), TileSpec(zoom=2.0)).key()
    assert one.key() != one.key({"channels": "2"})


def test_a_record_that_cannot_be_written_is_said_at_once(plate, cells):
    from napari_segplugin.core import InputError

    out = plate.parent / "plate1_results"
    (out / "batch.json").mkdir(parents=True)
    (out / "batch.json" / "mine").write_text("")
    with pytest.raises(InputError, match=r"batch\.json"):
        drain(batch_of(plate, RunOrder(cells)))
