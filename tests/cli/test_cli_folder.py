"""Folders, and results that are made again, from the command line."""

import json
import shlex
import shutil

import numpy as np
import pytest
import tifffile
from squares import squares

from napari_segplugin.cli.parser import make_parser
from napari_segplugin.core import ClassicalRecipe, CleanupStep, TileSpec
from napari_segplugin.door.orders import FileReading
from napari_segplugin.door.typed import command_of
from napari_segplugin.io import read_segmentation, save_recipe


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate1"
    folder.mkdir()
    for n, name in enumerate("ab"):
        tifffile.imwrite(folder / f"{name}.tif", squares(seed=n), photometric="minisblack")
    (folder / "c.tif").write_bytes(b"no image")
    return folder


@pytest.fixture
def recipe(tmp_path):
    steps = CleanupStep("remove_small", {"size": 20}), CleanupStep("label")
    save_recipe(ClassicalRecipe("threshold", {"method": "manual", "value": 100.0}, steps), tmp_path / "own.json")
    return tmp_path / "own.json"


def test_predict_does_a_folder_and_says_which_file_cannot_be_used(run, plate, make_bundle):
    got = run("predict", plate, "--model", make_bundle(), "--json")
    assert got.code == 2
    assert got.json["failed"] == 1
    out = plate.parent / "plate1_results"
    assert [r.get("outputs", [""])[0] for r in got.json["results"]] == [
        str(out / "a_labels.tif"), str(out / "b_labels.tif"), ""
    ]  # fmt: skip
    assert "c.tif" in got.json["results"][2]["error"]
    assert (out / "batch.json").is_file()


def test_the_same_command_goes_on_and_again_does_all(run, plate, recipe):
    first = run("run", recipe, plate)
    assert "6 objects" in first.out
    assert "c.tif" in first.out
    shutil.copy(plate / "a.tif", plate / "c.tif")
    second = run("run", recipe, plate, "--json")
    assert second.code == 0
    assert [r.get("earlier", False) for r in second.json["results"]] == [True, True, False]
    assert run("run", recipe, plate).out.count("done before") == 3
    third = run("run", recipe, plate, "--again", "--json")
    assert not any("earlier" in r for r in third.json["results"])


def test_files_that_are_named_go_on_too_and_one_alone_is_done_anew(run, plate, recipe):
    names = [plate / "a.tif", plate / "b.tif"]
    out = plate.parent / "out"
    run("run", recipe, *names, "--output", out)
    assert not (out / "batch.json").exists()
    got = run("run", recipe, *names, "--output", out, "--json")
    assert [r["earlier"] for r in got.json["results"]] == [True, True]
    got = run("run", recipe, names[0], "--output", out, "--json")
    assert "earlier" not in got.json["results"][0]


def test_a_result_of_a_network_is_made_again(run, plate, make_bundle):
    model = make_bundle("semantic")
    run("predict", plate / "a.tif", "--model", model)
    got = run("run", plate / "a_labels.recipe.json", "--model", model, "--json")
    assert got.code == 0, got.err
    assert got.json["results"][0]["outputs"][0] == str(plate / "a_labels_again.tif")
    assert any("is the recorded one" in n for n in got.json["results"][0]["notes"])
    np.testing.assert_array_equal(*(tifffile.imread(plate / n) for n in ("a_labels.tif", "a_labels_again.tif")))


def test_a_result_is_never_written_over_the_one_that_it_comes_from(run, plate, make_bundle):
    model = make_bundle()
    run("predict", plate / "a.tif", "--model", model)
    before = (plate / "a_labels.recipe.json").read_text()
    got = run("run", plate / "a_labels.recipe.json", plate / "a.tif", "--model", model, "--json")
    assert got.json["results"][0]["outputs"][0] == str(plate / "a_labels_again.tif")
    assert (plate / "a_labels.recipe.json").read_text() == before


def test_a_recipe_of_a_network_runs_on_a_folder(run, plate, make_bundle):
    model = make_bundle()
    run("predict", plate / "a.tif", "--model", model, "--zoom", "1.5", "--output", plate.parent / "one")
    got = run(
        "run",
        plate.parent / "one" / "a_labels.recipe.json",
        plate,
        "--model",
        model,
        "--output",
        plate.parent / "all",
        "--json",
    )
    assert (got.code, got.json["failed"]) == (2, 1)
    notes = [" ".join(r["notes"]) for r in got.json["results"]]
    assert "is the recorded one" in notes[0]
    assert "is the recorded one" not in notes[1]
    made = json.loads((plate.parent / "all" / "b_labels.recipe.json").read_text())
    assert made["recipe"]["zoom"] == 1.5


def test_a_missing_model_is_said_with_its_option(run, plate, make_bundle):
    run("predict", plate / "a.tif", "--model", make_bundle())
    got = run("run", plate / "a_labels.recipe.json")
    assert got.code == 2
    assert "The model 'tiny' that made the result is not there." in got.err
    assert got.err.rstrip().endswith("Option: --model.")


def test_the_record_of_a_batch_is_a_recipe_too(run, plate, recipe):
    run("run", recipe, plate)
    out = plate.parent / "plate1_results"
    got = run("run", out / "batch.json", plate, "--output", plate.parent / "second", "--json")
    assert [r.get("objects") for r in got.json["results"]] == [6, 6, None]
    for name in "ab":
        one, two = (read_segmentation(f / f"{name}_labels.tif").labels for f in (out, plate.parent / "second"))
        np.testing.assert_array_equal(one, two)


def test_joined_images_are_asked_for_together(run, tmp_path):
    from napari_segplugin.core import ClassTable, ModelSpec, Task
    from napari_segplugin.engine.train.train import new_bundle
    from napari_segplugin.io import save_bundle

    for n, name in enumerate(("t1", "t2")):
        tifffile.imwrite(tmp_path / f"{name}.tif", squares(seed=n), photometric="minisblack")
    spec = ModelSpec("unet", 2, 2, Task.SEMANTIC, ClassTable.named(["cell"]), {"widths": (4, 8)})
    model = save_bundle(new_bundle(spec, name="two"), tmp_path / "two")
    images = [tmp_path / "t1.tif", tmp_path / "t2.tif"]
    got = run("predict", *images, "--join", "--model", model, "--output", tmp_path / "out")
    assert got.code == 0, got.err
    recipe = tmp_path / "out" / "t1_labels.recipe.json"
    got = run("run", recipe, *images, "--json")
    assert got.code == 0, got.err
    assert any("is the recorded one" in n for n in got.json["results"][0]["notes"])
    got = run("run", recipe, images[0])
    assert got.code == 2
    assert "was made of 2 images" in got.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{recipe}"], "needs images"),
        (["{recipe}", "{plate}", "--seeds", "{plate}"], "Seeds belong to a single image"),
        (["{folder}/nothing.json", "{plate}"], "no such recipe"),
        (["{recipe}", "{folder}/empty"], "no images in the folder"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(run, plate, recipe, arguments, words):
    (plate.parent / "empty").mkdir()
    names = {"recipe": recipe, "plate": plate, "folder": plate.parent}
    got = run("run", *[a.format(**names) for a in arguments])
    assert got.code == 2
    assert words in got.err


def test_the_command_of_a_batch_means_the_same():
    tiles = TileSpec((64, 64), (8, 8), "float32", True, 0.0, False, True)
    reading = FileReading("ZYX", (2.0, 0.5, 0.5), "um", "2", True, "1,3")
    line = command_of("my plate", "out put", model="some/model", tiles=tiles, device="cuda:1", reading=reading)
    options = make_parser().parse_args(shlex.split(line)[1:])
    from napari_segplugin.cli.commands import _tiles

    assert _tiles(options) == tiles
    assert (options.images, options.output, options.model, options.device) == (
        ["my plate"],
        "out put",
        "some/model",
        "cuda:1",
    )
    read = {k: getattr(options, k) for k in ("axes", "spacing", "unit", "series", "even_slices", "channels")}
    assert FileReading(**read) == reading
    line = command_of("p", "o", recipe="own.json", reading=FileReading(channels="2"))
    options = make_parser().parse_args(shlex.split(line)[1:])
    assert (options.command, options.recipe, options.images, options.channels) == ("run", "own.json", ["p"], "2")
