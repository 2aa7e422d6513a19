"""`segplugin evaluate` and `segplugin models`."""

import json

import numpy as np
import pytest


def test_a_perfect_prediction_has_the_perfect_score(run, files):
    truth = files.write("truth.tif", files.scene()[1])
    got = run("evaluate", truth, truth, "--task", "instance", "--json")
    values = {r["metric"]: r["value"] for r in got.json["rows"]}
    assert got.code == 0
    assert values["Recall@0.5"] == 1
    assert all(r["definition"] for r in got.json["rows"])


def test_the_recipe_beside_a_prediction_names_the_task(run, files, make_bundle):
    image, truth = files.write("cells.tif", files.scene()[0]), files.write("truth.tif", files.scene()[1])
    run("predict", image, "--model", make_bundle())
    got = run("evaluate", files.folder / "cells_labels.tif", truth, "--json")
    assert got.json["task"] == "instance"


def test_folders_are_matched_by_name(run, files):
    for name in "ab":
        files.write(f"prediction/{name}_labels.tif", files.scene()[1])
        files.write(f"truth/{name}.tif", files.scene()[1])
    (files.folder / "prediction" / "a_labels.recipe.json").write_text("{}")
    got = run("evaluate", files.folder / "prediction", files.folder / "truth", "--task", "semantic", "--json")
    assert got.code == 0, got.err
    assert got.json["images"] == 2
    assert any("pooled over images" in r["metric"] for r in got.json["rows"])


def test_text_gives_each_number_with_its_definition(run, files):
    truth = files.write("truth.tif", files.scene()[1])
    got = run("evaluate", truth, truth, "--task", "instance")
    assert "Recall@0.5: TP / (TP+FN)" in got.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{truth}", "{truth}"], "State what the labels mean. Option: --task"),
        (["{truth}", "{folder}", "--task", "instance"], "two files or two folders"),
        (["{truth}", "{small}", "--task", "instance"], "differ in shape"),
        (["{folder}/a", "{folder}/b", "--task", "instance"], "have no counterpart"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(run, files, arguments, words):
    names = {"truth": files.write("truth.tif", files.scene()[1]), "folder": str(files.folder)}
    names["small"] = files.write("small.tif", np.ones((4, 4), np.uint8))
    for place in ("a/1.tif", "a/2.tif", "b/3.tif"):
        files.write(place, files.scene()[1])
    got = run("evaluate", *[a.format(**names) for a in arguments])
    assert got.code == 2
    assert words in got.err


def test_models_lists_a_folder_and_shows_a_broken_bundle_without_hiding_the_others(run, make_bundle, tmp_path):
    good = make_bundle("semantic", names=("axon", "myelin"))
    broken = good.parent / "zz-broken"
    broken.mkdir()
    (broken / "spec.json").write_text("{}")
    got = run("models", good.parent, "--json")
    rows = {r["key"]: r for r in got.json["models"]}
    assert rows["tiny-semantic"]["classes"] == ["axon", "myelin"]
    assert "error" in rows["zz-broken"]
    assert run("models", tmp_path / "nowhere").code == 2


def test_json_holds_no_nan(run, files):
    empty = files.write("empty.tif", np.zeros((8, 8), np.uint8))
    got = run("evaluate", empty, empty, "--task", "semantic", "--json")
    assert json.loads(got.out, parse_constant=pytest.fail)
