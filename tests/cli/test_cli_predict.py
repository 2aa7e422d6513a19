"""`segplugin predict`: results and recipes as files, sentences for people, JSON for scripts."""

import json

import numpy as np
import pytest
import tifffile


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic"])
def test_writes_labels_recipe_and_table_beside_the_image(run, files, make_bundle, task):
    image = files.write("cells.tif", files.scene()[0])
    got = run("predict", image, "--model", make_bundle(task), "--device", "cpu")
    assert got.code == 0, got.err
    assert tifffile.imread(files.folder / "cells_labels.tif").shape == (40, 48)
    assert json.loads((files.folder / "cells_labels.recipe.json").read_text())["recipe"]["model"]["name"] == "tiny"
    assert (files.folder / "cells_labels.objects.csv").is_file()


def test_json_is_the_only_thing_on_stdout(run, files, make_bundle):
    image = files.write("cells.tif", files.scene()[0])
    got = run("predict", image, "--model", make_bundle(), "--output", files.folder / "out", "--json")
    assert got.json["results"][0]["image"] == image
    assert got.json["results"][0]["outputs"][0] == str(files.folder / "out" / "cells_labels.tif")
    assert "cells.tif: " in got.err


def test_many_images_and_other_formats(run, files, make_bundle):
    images = [files.write(f"{n}.tif", files.scene(seed=n)[0]) for n in range(3)]
    got = run("predict", *images, "--model", make_bundle(), "--format", "png", "--quiet")
    assert got.code == 0
    assert sorted(p.name for p in files.folder.glob("*.png")) == ["0_labels.png", "1_labels.png", "2_labels.png"]
    assert len(got.out.splitlines()) == 3
    assert got.err == ""


def test_a_2d_model_does_a_volume_plane_by_plane(run, files, make_bundle):
    image = files.write("stack.tif", files.scene((3, 40, 48))[0])
    run("predict", image, "--model", make_bundle(), "--axes", "ZYX", "--spacing", "2,0.5,0.5", "--unit", "um")
    recipe = json.loads((files.folder / "stack_labels.recipe.json").read_text())["recipe"]
    assert recipe["tiles"]["plane_by_plane"] is True
    assert recipe["input"]["spacing"] == [2.0, 0.5, 0.5]
    assert tifffile.imread(files.folder / "stack_labels.tif").shape == (3, 40, 48)


def test_tiles_give_what_the_whole_gives(run, files, make_bundle):
    image, model = files.write("cells.tif", files.scene()[0]), make_bundle()
    run("predict", image, "--model", model, "--output", files.folder / "whole", "--precision", "float32")
    run(
        "predict", image, "--model", model, "--output", files.folder / "tiled", "--precision", "float32", "--tile", "40"
    )
    whole, tiled = (tifffile.imread(files.folder / d / "cells_labels.tif") for d in ("whole", "tiled"))
    assert np.array_equal(whole > 0, tiled > 0)


def test_a_halo_and_mirrored_copies_are_passed_on(run, files, make_bundle):
    image = files.write("cells.tif", files.scene()[0])
    run("predict", image, "--model", make_bundle(), "--halo", "4,6", "--mirror")
    tiles = json.loads((files.folder / "cells_labels.recipe.json").read_text())["recipe"]["tiles"]
    assert (tiles["asked"]["halo"], tiles["mirror"]) == ([4, 6], True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.tif", "--model", "{model}"], "There is no such file"),
        (["{image}", "--model", "nowhere"], "There is no model 'nowhere'"),
        (["{image}", "--model", "{model}", "--axes", "YXZ"], "does not fit the array"),
        (["{image}", "--model", "{model}", "--device", "cuda:99"], "no device 'cuda:99'"),
        (["{image}", "{image}", "--model", "{model}"], "written to one file"),
        (["{image}", "--model", "{model}", "--output", "{image}"], "output folder cannot be created"),
        (["{image}", "--model", "{model}", "--tile", "1,2,3"], "tile size does not fit"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_exit_code_2(run, files, make_bundle, arguments, words):
    names = {"image": files.write("cells.tif", files.scene()[0]), "model": str(make_bundle())}
    got = run("predict", *[a.format(**names) for a in arguments])
    assert got.code == 2
    assert words in got.err
    assert "Traceback" not in got.err
    assert got.out == ""


def test_an_error_under_json_is_an_object_too(run, files, make_bundle):
    got = run("predict", "missing.tif", "--model", make_bundle(), "--json")
    assert got.code == 2
    assert got.json["error"] in got.err


def test_images_before_a_broken_one_stay(run, files, make_bundle):
    good = files.write("good.tif", files.scene()[0])
    got = run("predict", good, "missing.tif", "--model", make_bundle())
    assert got.code == 2
    assert (files.folder / "good_labels.tif").is_file()


def test_ctrl_c_keeps_what_is_done(run, files, make_bundle, monkeypatch):
    from napari_segplugin.cli import commands

    read, seen = commands.read_image, []

    def interrupt(path, **rest):
        if seen:
            raise KeyboardInterrupt
        seen.append(path)
        return read(path, **rest)

    monkeypatch.setattr(commands, "read_image", interrupt)
    images = [files.write(f"{n}.tif", files.scene()[0]) for n in "ab"]
    got = run("predict", *images, "--model", make_bundle(), "--json")
    assert got.code == 130
    assert (files.folder / "a_labels.tif").is_file()
    assert not list(files.folder.glob(".partial*"))


def test_an_axis_that_had_to_be_guessed_is_asked_about(run, files, make_bundle):
    np.save(files.folder / "stack.npy", files.scene((6, 40, 48))[0])
    got = run("predict", files.folder / "stack.npy", "--model", make_bundle(), "--json")
    assert "Option: --axes" in got.json["results"][0]["notes"][0]


def test_a_cluster_gives_the_same_for_one_image_and_for_many(run, files, make_bundle):
    pytest.importorskip("distributed")
    images = [files.write(f"{n}.tif", files.scene(seed=n)[0]) for n in range(3)]
    model = make_bundle()
    run("predict", *images, "--model", model, "--output", files.folder / "here", "--tile", "32", "--halo", "8")
    more = ("--model", model, "--tile", "32", "--halo", "8", "--cluster", "local:2", "--json")
    many = run("predict", *images, "--output", files.folder / "many", *more)
    one = run("predict", images[0], "--output", files.folder / "one", *more)
    assert [row["image"] for row in many.json["results"]] == images
    for folder, names in (("many", "012"), ("one", "0")):
        for name in names:
            there, here = (tifffile.imread(files.folder / d / f"{name}_labels.tif") for d in (folder, "here"))
            assert np.array_equal(there, here)
    assert "2 workers" in json.loads((files.folder / "one" / "0_labels.recipe.json").read_text())["recipe"]["device"]
    assert one.json["results"][0]["objects"] == many.json["results"][0]["objects"]


def test_a_cluster_that_is_not_there_is_said(run, files, make_bundle):
    pytest.importorskip("distributed")
    image = files.write("cells.tif", files.scene()[0])
    got = run("predict", image, "--model", make_bundle(), "--cluster", "local:many")
    assert got.code == 2
    assert "number of local workers" in got.err
