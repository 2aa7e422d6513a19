"""`segplugin finetune` from points and boxes in files."""

import json

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_segplugin.cli.marks import read_boxes, read_points
from napari_segplugin.core import InputError
from napari_segplugin.io import load_bundle


def test_finetune_from_points_and_boxes_alone(run, files, make_bundle):
    image, objects = files.scene()
    spans = [[[int(s.start), int(s.stop)] for s in box] for box in ndi.find_objects(objects)[:4] if box]
    middles = ndi.center_of_mass(objects > 0, objects, np.unique(objects)[-3:])
    boxes, points = files.folder / "boxes.json", files.folder / "points.csv"
    boxes.write_text(json.dumps(spans))
    points.write_text("index,axis-0,axis-1\n" + "".join(f"{i},{y},{x}\n" for i, (y, x) in enumerate(middles)))
    nothing = files.write("nothing.tif", (objects == 0).astype(np.uint8))
    got = run(
        "finetune",
        files.write("cells.tif", image),
        *("--points", points, "--boxes", boxes, "--nothing", nothing),
        *("--model", make_bundle(), "--output", files.folder / "tuned"),
        *("--steps", "3", "--batch", "1", "--device", "cpu"),
    )
    assert got.code == 0, got.err
    assert load_bundle(files.folder / "tuned").name == "tiny, tuned 1"


def test_columns_are_named_as_napari_does_or_by_axis_letters(tmp_path):
    (tmp_path / "a.csv").write_text("index,axis-0,axis-1,axis-2\n0,1,2,3\n")
    (tmp_path / "b.csv").write_text("x,y,z,class\n3,2,1,2\n")
    first, second = read_points(tmp_path / "a.csv", 3), read_points(tmp_path / "b.csv", 3)
    assert np.array_equal(first["points"], second["points"])
    assert (first["point_class"], second["point_class"]) == ((), (2,))


def test_boxes_may_have_classes(tmp_path):
    (tmp_path / "b.json").write_text('[{"box": [[0, 4], [2, 6]], "class": 2}, {"box": [[1, 3], [0, 9]], "class": 1}]')
    got = read_boxes(tmp_path / "b.json", 2)
    assert got["boxes"][0] == (slice(0, 4), slice(2, 6))
    assert got["box_class"] == (2, 1)


@pytest.mark.parametrize(
    ("text", "match"), [("y,z\n1,2\n", "lacks a column"), ("", "lacks a column"), ("y,x\n1,a\n", "is not a number")]
)
def test_a_table_that_is_none_is_refused(tmp_path, text, match):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        read_points(tmp_path / "p.csv", 2)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "cannot be read"),
        ("[1, 2]", "not a list of boxes"),
        ("[[[0, 4]]]", "a start and a stop along each of 2 axes"),
        ("[{}]", "not a list"),
    ],
)
def test_boxes_that_are_none_are_refused(tmp_path, text, match):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=match):
        read_boxes(tmp_path / "b.json", 2)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="points cannot be read"):
        read_points(tmp_path / "none.csv", 2)
