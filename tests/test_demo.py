"""The demo without a window: the whole job, honest numbers, files that can be read again."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from napari_segplugin import demo
from napari_segplugin.core import ClassTable, InputError, ModelSpec, ObjectTable, Segmentation, Task


@pytest.fixture
def tiny(tmp_path):
    """A random bundle."""
    from napari_segplugin.engine.train.train import new_bundle
    from napari_segplugin.io import save_bundle

    spec = ModelSpec("unet", 2, 1, Task.INSTANCE, ClassTable.named(["nucleus"]), {"widths": (4, 8)})
    return str(save_bundle(new_bundle(spec, name="tiny"), tmp_path / "tiny"))


def test_the_whole_job_leaves_results_recipes_a_model_and_scores(tmp_path, tiny, monkeypatch, capsys):
    from napari_segplugin.io import load_bundle, read_labels

    monkeypatch.setattr(demo, "draw_in_background", lambda output: "")
    out = tmp_path / "out"
    for _ in range(2):  # a second run replaces the first
        assert demo.main(["--headless", "--output", str(out), "--seconds", "1", "--model", tiny]) == 0
    for name in ("before", "after"):
        assert read_labels(out / f"{name}.tif")[0].shape == (256, 256)
        assert json.loads((out / f"{name}.recipe.json").read_text())["recipe"]["model"]
    assert load_bundle(out / "model").name == "tiny, tuned 1"
    scores = json.loads((out / "scores.json").read_text())
    assert {(r["objects"], r["metric"]) for r in scores["scores"]} == {
        (o, m) for o in ("all", "not corrected") for m in demo.SHOWN
    }
    text = capsys.readouterr().out
    assert "AP@0.5: TP / (TP+FP+FN)" in text
    assert "not a benchmark" in text


def labelled(array):
    return Segmentation(
        Task.INSTANCE, array, ObjectTable.of(array), ClassTable.named(["nucleus"]), "YX", (1.0, 1.0), recipe={}
    )


def test_objects_that_were_corrected_count_in_one_score_and_not_in_the_other():
    truth = np.zeros((20, 40), np.int32)
    truth[2:8, 2:8], truth[2:8, 20:26], truth[12:18, 2:8] = 1, 2, 3
    paint = np.where(truth == 1, 1, 0).astype(np.uint16)
    before, after = np.where(truth == 3, 3, 0), np.where(truth == 2, 0, truth)  # only the corrected one was learnt
    rows = demo.compare(labelled(before), labelled(after), truth, paint)
    values = {r["objects"]: (r["before"], r["after"]) for r in rows["scores"] if r["metric"] == "AP@0.5"}
    assert values["all"] == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert values["not corrected"] == (0.5, 0.5)
    assert rows["objects_in_truth"] == {"all": 3, "corrected": 1, "not corrected": 2}


def test_a_sample_without_corrections_is_refused_with_the_command_that_makes_them(monkeypatch):
    from dataclasses import replace

    import napari_segplugin as seg

    bare = replace(seg.sample("nuclei2d"), corrections=None)
    monkeypatch.setattr(seg, "sample", lambda name: bare)
    with pytest.raises(InputError, match=r"make_demo_corrections\.py"):
        demo.load()


def test_a_missing_model_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys):
    from napari_segplugin.door import inputs

    monkeypatch.setattr(inputs, "shipped_bundles", dict)
    assert demo.main(["--headless", "--output", str(tmp_path / "out")]) == 2
    assert "There is no model 'nuclei2d'. Accepted: no model comes with this package" in capsys.readouterr().err


def test_a_picture_that_cannot_be_drawn_is_said_and_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(demo.sys, "executable", "/no/such/python")
    monkeypatch.setattr(demo.shutil, "which", lambda name: None)
    monkeypatch.setenv("DISPLAY", ":99")
    assert "no picture of the window" in demo.draw_in_background(tmp_path)


def test_a_screen_is_looked_for_on_linux(monkeypatch):
    monkeypatch.setattr(demo.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not demo.has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert demo.has_screen()
