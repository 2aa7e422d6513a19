"""`segplugin measure` and `segplugin export`, and the CSV of `segplugin evaluate`."""

import csv
import json

import numpy as np
import pytest

from napari_segplugin.core import ClassicalRecipe, ClassTable, CleanupStep, ObjectTable, Place, Segmentation, Task
from napari_segplugin.io import load_sample, save_recipe, write_segmentation


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
    typed = ("export", *paths, "--to", ".stl", "--spacing", "2,1,1", "--unit", "mm", "--classes", "bone")
    got = run(*typed)
    assert got.code == 2
    assert "may be mirrored" in got.err
    assert "Option: --voxel-space." in got.err
    got = run(*typed, "--voxel-space")
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


def on_a_map(folder, unit="m"):
    labels = np.zeros((30, 40), np.uint8)
    labels[2:10, 3:20] = labels[15:17, 3:5] = 1
    labels[15:25, 20:38] = np.tri(10, 18, 4) > 0
    matrix = [[1, 0, 0, 0], [0, -0.5, 0, 5200000], [0, 0, 0.5, 500000], [0, 0, 0, 1]]
    found = Segmentation(
        Task.SEMANTIC,
        labels,
        ObjectTable.of(labels),
        ClassTable.named(["roof"]),
        "YX",
        (0.5, 0.5),
        unit,
        place=Place(np.array(matrix, float), "map", "EPSG:32633"),
    )
    return write_segmentation(found, folder / "scene_labels.tif")[0]


@pytest.mark.parametrize(
    ("options", "features", "corners"),
    [
        ((), 3, 29),
        (("--simplify", "0"), 3, 30),
        (("--simplify", "1m"), 3, 25),
        (("--min-area", "1.5m2"), 2, 29),
        (("--min-area", "6"), 2, 29),
        (("--no-pieces",), 1, 29),
    ],
)
def test_polygons_of_a_map_are_drawn_as_typed(run, tmp_path, options, features, corners):
    labels = on_a_map(tmp_path)
    got = run("export", labels, "--to", "geojson", "--output", tmp_path / "out", *options)
    assert got.code == 0, got.err
    found = json.loads((tmp_path / "out" / "scene_labels.geojson").read_text())["features"]
    assert len(found) == features
    drawn = str(found).count("], [")
    assert drawn <= corners
    if options == ("--simplify", "0"):
        assert drawn == corners


def test_a_unit_that_the_pixels_do_not_have_is_a_sentence(run, files):
    labels = files.write("labels.tif", files.scene()[1])
    got = run("export", labels, "--to", "geojson", "--simplify", "2m", "--output", files.folder / "out")
    assert got.code == 2
    assert "cannot be converted into pixels" in got.err
    for wrong in ("two", "-1", "nan", "3 4"):
        with pytest.raises(SystemExit):
            run("export", labels, "--to", "geojson", f"--min-area={wrong}")


@pytest.mark.parametrize("way", ["predict", "run"])
def test_a_geotiff_stays_on_its_map_from_the_image_to_the_polygons(run, files, way):
    """Through the command line alone; GDAL reads what comes out."""
    rasterio, pyogrio = pytest.importorskip("rasterio"), pytest.importorskip("pyogrio")
    shapely, rasterize = pytest.importorskip("shapely"), pytest.importorskip("rasterio.features").rasterize
    image = load_sample("nuclei2d").image.read()[0, :128, :128].astype(np.float32)
    image[:, :8] = -9999
    path, grid = files.folder / "field.tif", rasterio.Affine(0.5, 0, 500000, 0, -0.5, 5200000)
    height, width = image.shape
    about = {"width": width, "height": height, "count": 1, "dtype": "float32", "nodata": -9999}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=grid, **about) as target:
        target.write(image, 1)
    out = files.folder / "out"
    if way == "predict":
        got = run("predict", path, "--model", "nuclei2d", "--output", out)
    else:
        recipe = files.folder / "own.json"
        save_recipe(ClassicalRecipe("threshold", {}, (CleanupStep("label"),)), recipe)
        got = run("run", recipe, path, "--output", out)
    assert got.code == 0, got.err
    labels = out / "field_labels.tif"
    with rasterio.open(labels) as found:
        assert (found.crs.to_epsg(), found.nodata) == (32633, 0)
        assert found.transform.almost_equals(grid, 1e-9)
        array = found.read(1)
    assert array[:, 8:].any()
    assert not array[:, :8].any()
    assert run("export", labels, "--to", "gpkg").code == 0
    meta, _, shapes, columns = pyogrio.raw.read(out / "field_labels.gpkg")
    table = dict(zip(meta["fields"], columns, strict=True))
    numbers, counts = np.unique(array[array > 0], return_counts=True)
    assert (meta["crs"], table["label"].tolist()) == ("EPSG:32633", numbers.tolist())
    np.testing.assert_allclose(table["area_m2"], counts * 0.25)
    # outlines are simplified by half a pixel, which moves the middle of a thin object, but no outline by a pixel
    drawn = rasterize([(shapely.from_wkb(shapes)[0], 1)], array.shape, transform=grid) > 0
    there = array == numbers[0]
    moved = [(np.roll(there, by, axis) & drawn).sum() for axis in (0, 1) for by in (-1, 1)]
    assert (there & drawn).sum() > max(0.85 * (there | drawn).sum(), *moved)
