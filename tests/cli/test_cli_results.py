"""`segplugin measure` and `segplugin export`, and the CSV of `segplugin evaluate`."""

import csv
import json

import numpy as np
import pytest


def rows(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_measure_writes_a_table_with_its_definitions(run, files):
    image, objects = files.scene()
    labels, picture = files.write("labels.tif", objects), files.write("dapi.tif", image)
    out = files.folder / "table.csv"
    got = run("measure", labels, "--image", picture, "--output", out, "--spacing", "0.5,0.5", "--unit", "um", "--json")
    assert got.code == 0, got.err
    assert got.json["objects"] == 6
    assert "# area (µm²): Number of pixels times the area of one." in out.read_text(encoding="utf-8")
    found = rows(out)
    assert [r["area (µm²)"] for r in found] == ["16"] * 6
    assert float(found[0]["mean dapi"]) == pytest.approx(image[objects == 1].mean(), rel=1e-5)


def test_measure_prints_the_table_without_an_output(run, files):
    got = run("measure", files.write("labels.tif", files.scene()[1]))
    assert got.out.startswith("# ")
    assert "\nlabel," in got.out


def test_export_keeps_classes_and_scores_and_adds_measurements(run, files, make_bundle):
    image = files.write("cells.tif", files.scene()[0])
    run("predict", image, "--model", make_bundle())
    labels = files.folder / "cells_labels.tif"
    got = run("export", labels, "--to", "geojson", "--output", files.folder / "out", "--json")
    assert got.code == 0, got.err
    about = json.loads((files.folder / "out" / "cells_labels.geojson").read_text())
    for feature in about["features"]:
        assert feature["properties"]["classification"]["name"] == "cell"
        assert {"score", "perimeter (pixel)", "elongation"} <= set(feature["properties"]["measurements"])


def test_export_of_several_files_with_typed_voxels(run, files):
    volume = np.zeros((6, 8, 8), np.uint16)
    volume[1:5, 1:7, 1:7] = 3
    paths = [files.write(f"{n}.tif", volume) for n in "ab"]
    got = run("export", *paths, "--to", ".stl", "--spacing", "2,1,1", "--unit", "mm", "--classes", "bone")
    assert got.code == 0, got.err
    assert [p.endswith(f"{n}.stl") for p, n in zip(got.out.split(), "ab", strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{labels}", "--to", "tif"], "would overwrite the file"),
        (["{labels}", "--to", "docx"], "cannot be written"),
        (["{labels}", "--to", "geojson", "--spacing", "1,2,3"], "pixel size does not fit"),
        (["{folder}/nothing.tif", "--to", "geojson"], "no such file"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(run, files, arguments, words):
    names = {"labels": files.write("labels.tif", files.scene()[1]), "folder": str(files.folder)}
    got = run("export", *[a.format(**names) for a in arguments])
    assert got.code == 2
    assert words in got.err


def test_images_of_another_size_are_not_measured(run, files):
    labels = files.write("labels.tif", files.scene()[1])
    got = run("measure", labels, "--image", files.write("small.tif", np.ones((4, 4), np.uint8)))
    assert (got.code, "another size" in got.err) == (2, True)
    got = run("measure", labels, "--output", files.folder / "no" / "a.csv")
    assert (got.code, "folder does not exist" in got.err) == (2, True)


def test_evaluate_writes_its_numbers_as_csv(run, files):
    truth = files.write("truth.tif", files.scene()[1])
    got = run("evaluate", truth, truth, "--task", "instance", "--csv", files.folder / "numbers.csv")
    assert got.code == 0, got.err
    found = {r["metric"]: r for r in rows(files.folder / "numbers.csv")}
    assert float(found["AP@0.5"]["value"]) == 1
    assert found["AP@0.5"]["definition"].startswith("TP / (TP+FP+FN)")


def test_evaluate_reads_classes_of_panoptic_files(run, files):
    labels = files.write("labels.tif", files.scene()[1])
    run("export", labels, "--to", "panoptic.json", "--task", "panoptic", "--classes", "cell")
    panoptic = files.folder / "labels.panoptic.json"
    got = run("evaluate", panoptic, panoptic, "--json")
    assert got.code == 0, got.err
    assert {r["class"]: r["value"] for r in got.json["rows"] if r["metric"] == "PQ"} == {"cell": 1}


def test_distances_are_in_the_unit_of_the_prediction(run, files):
    labels = files.scene()[1]
    one, other = files.write("one.tif", (labels > 0).astype(np.uint8)), files.write("two.tif", labels * 0)
    run("export", one, "--to", "npy", "--task", "semantic", "--spacing", "0.5,0.5", "--unit", "um")
    got = run("evaluate", files.folder / "one.npy", files.folder / "one.tif", "--json")
    assert got.code == 0, got.err
    assert {r["unit"] for r in got.json["rows"]} == {"", "um"}
    assert other
