"""Sets of files: one writer at a time, nobody else's files, and sets that were mixed by hand are noticed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faults import segmentation

from napari_segplugin.core import InputError
from napari_segplugin.core.disk import commit as module
from napari_segplugin.core.disk import stages
from napari_segplugin.core.disk.commit import commit, scratch, settle
from napari_segplugin.core.disk.leftovers import sweep, sweep_usual
from napari_segplugin.core.disk.stages import JOB, LIST, LOCK, NEW, OLD, stage_of
from napari_segplugin.io import read_segmentation, save_recipe, write_segmentation
from napari_segplugin.io.files import write_text
from napari_segplugin.io.segmentations import MixedFilesWarning

DAY = 86400


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    for inner in (*path.rglob("*"), path):
        os.utime(inner, (then, then))


def child(code: str) -> subprocess.Popen:
    """A program of its own, which says on its first line that it has come so far."""
    head = "import sys, time\nfrom pathlib import Path\nfrom napari_segplugin.core.disk.commit import *\n"
    return subprocess.Popen([sys.executable, "-c", head + code], stdout=subprocess.PIPE, text=True)


def test_two_programs_do_not_write_one_set_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    place = tmp_path / "a.txt"
    other = child(
        f"with commit(Path({str(place)!r})) as stage:\n"
        "    stage.path('a.txt').write_text('theirs'); print('held', flush=True); sys.stdin.read(); time.sleep(60)\n"
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=r"'a\.txt' is being written by another program"):
            write_text(place, "mine")
        sweep(tmp_path)
        assert (stage_of(tmp_path, "a.txt") / NEW / "a.txt").is_file(), "what lives is not swept"
        write_text(tmp_path / "b.txt", "another")
    finally:
        os.kill(other.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        other.wait()
        other.stdout.close()
    write_text(place, "mine")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "mine", "b.txt": "another"}


def committed(folder: Path, names: list[str], key: str, text: str = "new") -> Path:
    """A stage whose program was killed right after its set began to count."""
    stage = stage_of(folder, key)
    for part in (NEW, OLD):
        (stage / part).mkdir(parents=True)
    for name in names:
        (stage / NEW / Path(name).name).write_text(text)
    (stage / LIST).write_text(json.dumps({"names": names}))
    return stage


def test_whoever_reads_finishes_what_a_kill_interrupted(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    stage = committed(tmp_path, ["a.csv", "a.json"], "a")
    settle(tmp_path / "other.csv")
    assert stage.exists(), "not concerned"
    settle(tmp_path / "a.json")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.csv": "new", "a.json": "new"}


@pytest.mark.parametrize("name", ["../out.txt", "..", "/out.txt", "deep/out.txt", 3, ""])
def test_a_list_that_somebody_sent_moves_nothing_elsewhere(tmp_path, name):
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    stage = committed(folder, ["a.txt"], "a.txt")
    (stage / LIST).write_text(json.dumps({"names": ["a.txt", name]}))
    (stage / NEW / "out.txt").write_text("bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PATIENCE", 0.1)
        sweep(folder)
    assert [p for p in tmp_path.rglob("out.txt") if stage not in p.parents] == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only the superuser can give files away")
def test_a_stage_of_another_user_is_left_alone(tmp_path):
    stage = committed(tmp_path, ["a.txt"], "a.txt", "theirs")
    (tmp_path / "a.txt").write_text("mine")
    os.chown(stage, 65534, 65534)
    settle(tmp_path / "a.txt")
    sweep(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert stage.exists()
    with pytest.raises(InputError, match="was being written by another user"):
        write_text(tmp_path / "a.txt", "again")


def test_a_set_that_cannot_be_finished_is_a_sentence(tmp_path, monkeypatch):
    committed(tmp_path, ["a.txt"], "a.txt")
    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(module, "PATIENCE", 0.1)

    def refuse(*_):
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(InputError, match=r"'a\.txt' is being replaced, and the new files cannot be moved"):
            settle(tmp_path / "a.txt")
    settle(tmp_path / "a.txt")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["new"]


def test_only_leftovers_of_ours_are_swept_and_only_dead_ones(tmp_path):
    ours = [
        tmp_path / ".segplugin-0123456789abcdef",
        tmp_path / ".segplugin-abcd_123",
        tmp_path / ".segplugin-aaaaaaaa",
    ]
    for folder in ours:
        (folder / "maps.zarr" / "c").mkdir(parents=True)
        (folder / "maps.zarr" / "c" / "0").write_bytes(b"0")
    files = [tmp_path / ".partial-0123456789ab.tif", tmp_path / ".partial-0123456789ab.json"]
    theirs = [
        tmp_path / n for n in (".segplugin-notes", ".partial-work", ".partial-0123456789abc", "a.tif", ".segplugin-x")
    ]
    for place in (*files, *theirs):
        place.write_text("x")
    old_result = tmp_path / ".partial-0123456789ac"
    old_result.mkdir()
    strange = tmp_path / ".segplugin-bbbbbbbb"
    (strange / "thesis").mkdir(parents=True)
    job = stage_of(tmp_path, "long.zarr", "job")
    job.mkdir()
    (job / JOB).write_text("{}")
    for place in (*ours[:2], *files, *theirs, old_result, strange):
        age(place, 2)
    with scratch(tmp_path) as living:
        sweep(tmp_path)
        left = {p.name for p in tmp_path.iterdir()}
    assert left == {p.name for p in (ours[2], *theirs, old_result, strange, job, living)}
    age(job, 31)
    age(ours[2], 2)
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in (*theirs, old_result, strange)}


def test_a_stage_of_another_computer_is_swept_only_when_nobody_comes_back_to_it(tmp_path):
    stage = tmp_path / ".segplugin-0123456789abcdef"
    stage.mkdir()
    (stage / LOCK).write_text("elsewhere 1\n")
    sweep(tmp_path)
    assert stage.exists()
    age(stage, 8)
    sweep(tmp_path)
    assert not stage.exists()


def test_sweeping_stops_in_time_and_never_raises(tmp_path, monkeypatch):
    for n in range(30):
        (tmp_path / f".segplugin-{n:016x}" / "deep").mkdir(parents=True)
    sweep(tmp_path, seconds=-1)
    assert len(list(tmp_path.iterdir())) == 30
    sweep(tmp_path / "missing")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sweep_usual(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_without_locks_the_number_of_the_program_says_whether_it_lives(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "no locks here")

    if stages.fcntl is None:
        pytest.skip("no fcntl")
    monkeypatch.setattr(stages.fcntl, "flock", refuse)
    place = tmp_path / "a.txt"
    for text in ("one", "two"):
        write_text(place, text)
        assert place.read_text() == text
    with scratch(tmp_path) as living:
        sweep(tmp_path)
        assert living.exists()
    dead = tmp_path / ".segplugin-0123456789abcdef"
    dead.mkdir()
    (dead / LOCK).write_text(f"{stages.platform.node()} 999999999\n")
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_interruption_after_the_set_counts_does_not_mix_it(tmp_path, monkeypatch):
    for name in ("a.txt", "a.csv"):
        (tmp_path / name).write_text("old")
    plain, calls = os.replace, []

    def interrupt(source, target):
        calls.append(target)
        if len(calls) == 3:  # the list, the first file, the second
            raise KeyboardInterrupt
        plain(source, target)

    monkeypatch.setattr(os, "replace", interrupt)

    def write():
        with commit(tmp_path / "a.txt", "a") as stage:
            for name in ("a.txt", "a.csv"):
                stage.path(name).write_text("new")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "new", "a.csv": "new"}


@pytest.mark.parametrize("name", ["cells.tif", "cells.ome.zarr", "cells.panoptic.json", "cells.coco.json"])
def test_files_of_two_results_are_noticed(tmp_path, name):
    for value in (1, 2):
        (tmp_path / str(value)).mkdir()
        write_segmentation(segmentation(value), tmp_path / str(value) / name)
    first, second = tmp_path / "1", tmp_path / "2"
    read_segmentation(first / name)
    shutil.copy(second / "cells.objects.csv", first)
    with pytest.warns(
        MixedFilesWarning, match=r"'cells.objects.csv' and 'cells.recipe.json' were not written together"
    ):
        read_segmentation(first / name)
    for part in second.glob("cells*"):  # the whole set under another name is a set
        part.rename(second / part.name.replace("cells", "other", 1))
    if "panoptic" not in name:
        read_segmentation(second / name.replace("cells", "other"))


def test_the_command_line_says_it_as_a_line(tmp_path, capsys):
    from napari_segplugin.cli import main

    write_segmentation(segmentation(1), tmp_path / "cells.npy")
    np.save(tmp_path / "cells.npy", np.ones((9, 11), np.uint8))
    assert main(["measure", str(tmp_path / "cells.npy")]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "together" in line]
    assert len(lines) == 1
    assert lines[0].startswith("segplugin measure: 'cells.npy' and 'cells.recipe.json' were not written together")


def test_a_name_can_be_anything_that_a_path_can(tmp_path):
    from napari_segplugin.io import load_recipe

    for name in ("ünï.json", "a" * 240 + ".json", ".hidden.json", "x..json", "mit Leer zeichen.json"):
        save_recipe(load_recipe("nuclei2d"), tmp_path / name)
        assert load_recipe(tmp_path / name) == load_recipe("nuclei2d")
    with pytest.raises(InputError):
        load_recipe("a\0b.json")
