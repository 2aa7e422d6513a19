"""`segplugin track`: labels of a film with one number an object, its table and its lineage."""

import csv
import json

import numpy as np
import pytest
import tifffile

from napari_segplugin.io import read_segmentation


@pytest.fixture
def film(files):
    """A file with an object that moves and one that divides, and the name of its axes in it."""
    labels = np.zeros((4, 40, 40), np.uint16)
    for t in range(4):
        labels[t, 2 + t : 8 + t, 2:8] = t + 1
    labels[:2, 20:32, 20:30] = 9
    labels[2:, 18:24, 20:29], labels[2:, 28:34, 20:29] = 7, 8
    path = files.folder / "film.tif"
    tifffile.imwrite(path, labels, photometric="minisblack", metadata={"axes": "TYX"}, ome=False, imagej=True)
    return str(path)


def test_labels_table_and_lineage_are_written(run, film, files):
    got = run("track", film, "--output", files.folder / "out", "--spacing", "0.5,0.5", "--unit", "um", "--json")
    assert got.code == 0, got.err
    row = got.json["results"][0]
    assert (row["tracks"], row["divisions"]) == (4, 1)
    assert row["graph"] == {"7": [9], "8": [9]}
    found = read_segmentation(row["outputs"][0])
    assert found.axes == "TYX"
    assert [int(found.labels[t, 4 + t, 4]) for t in range(4)] == [1] * 4
    assert json.loads((files.folder / "out" / "film_tracks.graph.json").read_text()) == row["graph"]
    text = (files.folder / "out" / "film_tracks.csv").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert len(rows) == 4 + 2 + 4
    assert {r["track"]: r["parent"] for r in rows} == {"1": "0", "9": "0", "7": "9", "8": "9"}
    moving = [float(r["centroid y (µm)"]) for r in rows if r["track"] == "1"]
    assert np.diff(moving) == pytest.approx([0.5] * 3)


def test_a_file_that_was_linked_keeps_its_numbers(run, film, files):
    run("track", film)
    linked = files.folder / "film_tracks.tif"
    labels = tifffile.imread(linked)
    labels[2][labels[2] == 1] = 30
    tifffile.imwrite(linked, labels, photometric="minisblack", metadata={"axes": "TYX"}, ome=False, imagej=True)
    got = run("track", linked, "--output", files.folder / "again", "--json")
    assert got.code == 0, got.err
    assert got.json["results"][0]["graph"] == {"7": [9], "8": [9]}
    found = read_segmentation(got.json["results"][0]["outputs"][0])
    assert set(np.unique(found.labels)) == {0, 1, 7, 8, 9}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--axes", "ZYX"], "no time axis"),
        (["--axes", "YX"], "axes do not fit"),
        (["--spacing", "1,1,1"], "pixel size does not fit"),
        (["--gap", "-1"], "gap is out of range"),
    ],
)
def test_what_cannot_be_linked_is_said(run, film, arguments, words):
    got = run("track", film, *arguments)
    assert got.code == 2
    assert words in got.err
