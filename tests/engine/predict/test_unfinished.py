"""Predictions of hours: killed at any moment and run again, they give what a run in one go gives."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from faults import Killed, failing

from napari_segplugin.core import (
    ClassTable,
    Image,
    InputError,
    Kind,
    ModelSpec,
    Normalisation,
    Note,
    OutOfMemoryError,
    Step,
    Task,
    TileSpec,
    drain,
)
from napari_segplugin.core.classes import ClassInfo
from napari_segplugin.core.disk import unfinished
from napari_segplugin.core.disk.commit import settle
from napari_segplugin.core.disk.stages import stage_of
from napari_segplugin.engine.predict import to_file
from napari_segplugin.engine.predict.predict import predict
from napari_segplugin.engine.predict.to_file import predict_to_file
from napari_segplugin.engine.train.train import new_bundle
from napari_segplugin.io import read_image, read_segmentation

TILES = TileSpec(size=(64, 64), halo=(16, 16), precision="float32")
DECODE = {"foreground": 0.3, "seed": 0.4, "smooth": 0.5, "min_size": 1}


PLAIN = Normalisation(rule="percentiles")
"""So that objects in noise stay, which are what these tests count."""


def bundle_of(task=Task.INSTANCE, head=""):
    classes = ClassTable.named(["cell"])
    if task is Task.PANOPTIC:
        classes = ClassTable((*classes, ClassInfo(2, "ground", classes[1].color, Kind.STUFF)))
    spec = ModelSpec("unet", 2, 1, task, classes, options={"widths": (4, 6)}, head=head)
    decode = {} if task is Task.SEMANTIC or head else DECODE
    return replace(new_bundle(spec, name="small", seed=1, normalisation=PLAIN), decode=decode)


def noise(shape=(150, 130), axes="YX", seed=0):
    return Image(np.random.default_rng(seed).integers(0, 200, shape).astype(np.uint8), axes)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Whatever is done is written down at once, and every result is too large for the memory."""
    monkeypatch.setattr(unfinished, "EVERY", 0.0)
    monkeypatch.setattr(to_file, "free_host_memory", lambda: 1000)


def run(image, bundle, output, events=None, **more):
    job = predict(image, bundle, tiles=TILES, device="cpu", output=output, **more)
    return drain(job, events.append if events is not None else lambda event: None)


def killed(at, job):
    """Run a job in a program that is killed at the `at`-th thing that is asked of the disk; whether it was."""
    with failing("killed", at):
        try:
            drain(job)
        except Killed:
            return True
    return False


def same(one, other):
    assert np.array_equal(np.asarray(one.labels), np.asarray(other.labels))
    for column in ("label", "class_id", "score"):
        assert np.array_equal(getattr(one.objects, column), getattr(other.objects, column), equal_nan=True)
    assert one.recipe["input"] == other.recipe["input"]
    assert one.recipe["uncertain_voxels"] == other.recipe["uncertain_voxels"]


CASES = {
    "classes": (Task.SEMANTIC, "", (150, 130), "YX"),
    "objects": (Task.INSTANCE, "", (150, 130), "YX"),
    "centres": (Task.INSTANCE, "centre_offset", (150, 130), "YX"),
    "both": (Task.PANOPTIC, "", (150, 130), "YX"),
    "frames": (Task.INSTANCE, "", (3, 70, 130), "TYX"),
    "frames of classes": (Task.SEMANTIC, "", (3, 70, 130), "TYX"),
    "planes": (Task.INSTANCE, "", (3, 70, 70), "ZYX"),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_at_any_moment_and_run_again_it_is_the_same(tmp_path, case):
    task, head, shape, axes = CASES[case]
    image, bundle = noise(shape, axes), bundle_of(task, head)
    tiles = TILES if axes != "ZYX" else replace(TILES, size=(3, 64, 64), halo=(0, 16, 16))
    job = {"tiles": tiles, "device": "cpu"}
    with failing("full", 0) as disk:
        whole = drain(predict(image, bundle, **job, output=tmp_path / "whole.zarr"))
    rng = np.random.default_rng(5)
    place, kills, continued = tmp_path / "a.zarr", 0, 0
    while killed(int(rng.integers(20, len(disk.calls) // 2)), predict(image, bundle, **job, output=place)):
        kills += 1
        if place.exists():
            break
        with pytest.raises(InputError, match=r"'a\.zarr' is not complete\. Got .*run the same command again"):
            read_image(place)
        assert kills < 40
    events = []
    if place.exists():
        settle(place)
    else:
        drain(predict(image, bundle, **job, output=place), events.append)
    continued = sum("continues" in e.text for e in events if isinstance(e, Note))
    assert kills >= 2 or continued
    found = zarr.open_array(place, mode="r")
    assert np.array_equal(found[...], np.asarray(whole.labels))
    assert found.attrs["segplugin"]["what"] == "prediction"
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", "whole.zarr"}


def test_killed_while_it_tidies_up_the_result_is_whole_and_a_second_run_too(tmp_path):
    """From the last rename on the result counts; what is left behind is no half-done work to go on with."""
    image, bundle = noise(), bundle_of()
    with failing("full", 0) as disk:
        whole = run(image, bundle, tmp_path / "whole.zarr")
    last, counted = len(disk.calls), 0
    for at in range(last - 12, last + 1):
        place = tmp_path / str(at) / "a.zarr"
        place.parent.mkdir()
        killed(at, predict(image, bundle, tiles=TILES, device="cpu", output=place))
        counted += place.exists()
        if place.exists():
            assert np.array_equal(zarr.open_array(place, mode="r")[...], np.asarray(whole.labels))
            shutil.rmtree(place)
        same(run(image, bundle, place), whole)
        assert [p.name for p in place.parent.iterdir()] == ["a.zarr"]
    assert counted >= 3


def test_what_lies_in_memory_only_is_computed_again(tmp_path, monkeypatch):
    """A head of another package may be read in memory alone: its tiles are lost with the program, frames are not."""
    monkeypatch.setattr(sys.modules["napari_segplugin.engine.predict.work.prediction"], "blocks_of", lambda spec: None)
    image, bundle, place = noise((3, 70, 130), "TYX"), bundle_of(), tmp_path / "a.zarr"
    with failing("full", 0) as disk:
        whole = run(image, bundle, tmp_path / "whole.zarr")
    for share in (0.5, 0.4):
        assert killed(int(share * len(disk.calls)), predict(image, bundle, tiles=TILES, device="cpu", output=place))
    same(run(image, bundle, place), whole)


def test_table_and_record_are_those_of_a_run_in_one_go(tmp_path):
    image = noise((3, 70, 130), "TYX")
    for task in (Task.SEMANTIC, Task.INSTANCE, Task.PANOPTIC):
        bundle, name = bundle_of(task), f"{task}.zarr"
        whole = run(image, bundle, tmp_path / f"whole-{name}")
        seen = 0
        for at in (60, 90):
            seen += killed(at, predict(image, bundle, tiles=TILES, device="cpu", output=tmp_path / name))
        assert seen == 2
        events = []
        same(run(image, bundle, tmp_path / name, events), whole)
        assert any("continues where it was interrupted" in e.text for e in events if isinstance(e, Note))


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    image, bundle, place = noise(), bundle_of(), tmp_path / "a.zarr"
    ran = []
    plain = Image.read

    def read(self, region, frame=0):
        ran.append(region)
        return plain(self, region, frame)

    monkeypatch.setattr(Image, "read", read)
    run(image, bundle, tmp_path / "whole.zarr")
    every = len(ran)
    job = predict(image, bundle, tiles=TILES, device="cpu", output=place)
    assert killed(100, job)
    ran.clear()
    run(image, bundle, place)
    assert 0 < len(ran) < every - 2


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.tif"])
def test_a_file_of_any_format_goes_on_too(tmp_path, name):
    image, bundle = noise(), bundle_of()
    (tmp_path / "whole").mkdir()
    drain(predict_to_file(image, bundle, tmp_path / "whole" / name, tiles=TILES, device="cpu"))
    whole = read_segmentation(tmp_path / "whole" / name)
    for at in (100, 140):
        assert killed(at, predict_to_file(image, bundle, tmp_path / name, tiles=TILES, device="cpu"))
    events = []
    drain(predict_to_file(image, bundle, tmp_path / name, tiles=TILES, device="cpu"), events.append)
    assert any("continues" in e.text for e in events if isinstance(e, Note))
    found = read_segmentation(tmp_path / name)
    assert np.array_equal(found.labels, whole.labels)
    assert np.array_equal(found.objects.score, whole.objects.score, equal_nan=True)
    assert {p.name for p in tmp_path.iterdir()} == {"whole", name, "a.recipe.json", "a.objects.csv"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": noise(seed=9)}, "image"),
        ({"bundle": replace(bundle_of(), decode={**DECODE, "seed": 0.5})}, "model"),
        ({"tiles": replace(TILES, size=(96, 96))}, "tiles"),
        ({"region": (slice(0, 80), slice(0, 80))}, "region"),
    ],
)
def test_other_work_does_not_go_on_from_it(tmp_path, change, word):
    usual = {"image": noise(), "bundle": bundle_of(), "tiles": TILES, "device": "cpu", "output": tmp_path / "a.zarr"}
    assert killed(100, predict(**usual))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"}
    with pytest.raises(InputError, match=rf"Another result for 'a\.zarr' was not finished. Got different: {word}\."):
        drain(predict(**{**usual, **change}))
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"} == before
    drain(predict(**usual))
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_tile_that_was_run_in_parts_counts_once(tmp_path, monkeypatch):
    from napari_segplugin.engine.predict.classes import ClassRun

    image, bundle = noise(), bundle_of(Task.SEMANTIC)
    plain = ClassRun.maps

    def small(self, arrays):
        if max(arrays[0].shape[1:]) > 70:
            raise RuntimeError("out of memory")
        return plain(self, arrays)

    monkeypatch.setattr(ClassRun, "maps", small)
    whole = run(image, bundle, tmp_path / "whole.zarr")
    for at in (70, 100):
        assert killed(at, predict(image, bundle, tiles=TILES, device="cpu", output=tmp_path / "a.zarr"))
    same(run(image, bundle, tmp_path / "a.zarr"), whole)


def test_cancelled_or_failed_it_leaves_nothing(tmp_path, monkeypatch):
    image, bundle = noise(), bundle_of()
    job = predict(image, bundle, tiles=TILES, device="cpu", output=tmp_path / "a.zarr")
    for event in job:
        if isinstance(event, Step) and event.done > 2:
            break
    job.close()
    assert list(tmp_path.iterdir()) == []
    with failing("full", 120), pytest.raises(InputError, match=r"disk is full; 'a\.zarr' was not written"):
        run(image, bundle, tmp_path / "a.zarr")
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_before_it_goes_on_costs_nothing_that_is_done(tmp_path, monkeypatch):
    image, bundle, place = noise(), bundle_of(), tmp_path / "a.zarr"
    assert killed(100, predict(image, bundle, tiles=TILES, device="cpu", output=place))

    def refuse(*_):
        raise OutOfMemoryError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["napari_segplugin.engine.predict.predict"], "set_up", refuse)
        with pytest.raises(OutOfMemoryError):
            run(image, bundle, place)
    events = []
    run(image, bundle, place, events)
    assert any("continues" in e.text for e in events if isinstance(e, Note))


def test_a_part_that_is_missing_is_a_sentence(tmp_path):
    import shutil

    image, bundle, place = noise(), bundle_of(), tmp_path / "a.zarr"
    assert killed(100, predict(image, bundle, tiles=TILES, device="cpu", output=place))
    shutil.rmtree(stage_of(tmp_path, "a.zarr", "job") / "new" / "a.zarr")
    with pytest.raises(InputError, match=r"cannot be continued: a part of it is missing\..*Delete the hidden folder"):
        run(image, bundle, place)


def test_the_staged_file_opened_by_its_own_path_is_not_taken_for_finished(tmp_path):
    place = tmp_path / "a.zarr"
    assert killed(100, predict(noise(), bundle_of(), tiles=TILES, device="cpu", output=place))
    staged = stage_of(tmp_path, "a.zarr", "job") / "new" / "a.zarr"
    assert zarr.open_array(staged, mode="r").attrs["segplugin"] == {"complete": False}
    with pytest.raises(InputError, match=r"not complete\. Got \d+ of \d+ tiles"):
        read_image(staged)


CHILD = """
import json, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from test_unfinished import *
unfinished.EVERY = 0.0
for event in predict(noise((300, 300)), bundle_of(), tiles=TILES, device="cpu", output={place!r}):
    print(type(event).__name__, flush=True)
print("end", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_program_that_is_really_killed(tmp_path):
    image, bundle, place = noise((300, 300)), bundle_of(), tmp_path / "a.zarr"
    whole = run(image, bundle, tmp_path / "whole.zarr")
    here = Path(__file__).parent
    code = CHILD.format(paths=[str(here), str(here.parents[1] / "helpers")], place=str(place))
    rng = np.random.default_rng()
    for steps in rng.integers(3, 30, 2).tolist():
        program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        try:
            seen = 0
            while seen < steps and (line := program.stdout.readline()) and line != "end\n":
                seen += line == "Step\n"
        finally:
            os.kill(program.pid, signal.SIGKILL)
            program.wait()
            program.stdout.close()
        if place.exists():
            break
        with pytest.raises(InputError, match="is not complete"):
            read_image(place)
    events = []
    if not place.exists():
        run(image, bundle, place, events)
        assert any("continues" in e.text for e in events if isinstance(e, Note))
    assert np.array_equal(zarr.open_array(place, mode="r")[...], np.asarray(whole.labels))
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == '["a.zarr", "whole.zarr"]'
