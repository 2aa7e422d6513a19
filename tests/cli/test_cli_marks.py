"""`segplugin finetune` from points and boxes in files."""

import json

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_segplugin.cli.marks import read_boxes, read_points
from napari_segplugin.core import ClassTable, InputError
from napari_segplugin.io import load_bundle, read_segmentation


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
    ("text", "match"),
    [
        ("y,z\n1,2\n", "lacks a column"),
        ("", "is empty"),
        ("y,x\n", "lacks a column, or has no rows"),
        ("y,x\n1,a\n", "is not a number"),
        ("y,x\n" + "1" * 200_000 + ",2\n", "cannot be read as a table of points"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, match):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        read_points(tmp_path / "p.csv", 2)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "cannot be read"),
        ("[1, 2]", r"Got 1 at item 1. Accepted: \[\[\[start, stop"),
        ("[[[0, Infinity], [0, 4]]]", r"Got inf at .*Accepted: \[\[\[start, stop"),
        ("[[[NaN, 3], [0, 4]]]", r"Got nan at .*Accepted: \[\[\[start, stop"),
        ("[[[1.5, 3], [0, 4]]]", r"Got 1.5 at item 1 → item 1 → item 1"),
        ("[[[1, 3, 5], [0, 4]]]", r"Got \[1, 3, 5\] at item 1 → item 1"),
        ('[{"box": [[0, 3], [0, 4]], "class": 1e30}]', "Got 1e\\+30 at item 1 → 'class'"),
        ("[[[0, 4]]]", "a start and a stop along each of 2 axes"),
        ("[{}]", "no field item 1 → 'box'"),
    ],
)
def test_boxes_that_are_none_are_refused(tmp_path, text, match):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=match):
        read_boxes(tmp_path / "b.json", 2)


# --- objects of two classes -------------------------------------------------------------------------------------------

KINDS = {1: 1, 2: 2, 3: 1, 4: 2, 5: 1, 6: 2}


@pytest.fixture
def mixed(files, make_bundle):
    """A scene of bright and dark squares, the paint in them, and a model of two classes."""
    _, objects = files.scene()
    image = np.random.default_rng(0).integers(90, 110, objects.shape).astype(np.uint8)
    for number, kind in KINDS.items():
        image[objects == number] = 220 if kind == 1 else 15

    def marks(**more):
        files.write("strokes.tif", objects)
        return ("finetune", files.write("cells.tif", image), files.folder / "strokes.tif", *more.get("extra", ()))

    def finish(task="instance", names=("cell", "debris"), steps=3):
        bundle = make_bundle(task, names=names)
        return (
            *("--model", bundle, "--output", files.folder / f"tuned-{task}"),
            *("--steps", steps, "--batch", 2, "--patch", "24,24", "--learning-rate", "1e-2", "--device", "cpu"),
        )

    return marks, finish, objects


def learnt(folder):
    """The classes of the pieces that the new model has learnt from."""
    return set(np.unique(load_bundle(folder).exemplars.array("labels")[:, 0]).astype(int))


@pytest.mark.parametrize("task", ["instance", "panoptic"])
@pytest.mark.parametrize("form", ["beside", "names", "numbers", "image"])
def test_painted_objects_are_learnt_as_what_the_table_says(run, files, mixed, task, form):
    marks, finish, objects = mixed
    extra = ()
    if form == "beside":
        rows = "".join(f"{n},{k},{'cell' if k == 1 else 'debris'},,painted\n" for n, k in KINDS.items())
        (files.folder / "strokes.objects.csv").write_text("label,class,name,score,status\n" + rows)
    elif form == "image":
        table = np.zeros(7, np.uint8)
        table[list(KINDS)] = list(KINDS.values())
        extra = ("--stroke-classes", files.write("kinds.tif", table[objects]))
    else:
        names = {1: "cell", 2: "debris"} if form == "names" else {1: 1, 2: 2}
        table = files.folder / "kinds.csv"
        table.write_text("value,class\n" + "".join(f"{n},{names[k]}\n" for n, k in KINDS.items()) + "99,1\n")
        extra = ("--stroke-classes", table)
    got = run(*marks(extra=extra), *finish(task))
    assert got.code == 0, got.err
    assert learnt(files.folder / f"tuned-{task}") >= {1, 2}


def test_what_was_trained_by_the_command_line_predicts_both_classes(run, files, mixed):
    marks, finish, objects = mixed
    (files.folder / "strokes.objects.csv").write_text("label,class\n" + "".join(f"{n},{k}\n" for n, k in KINDS.items()))
    assert run(*marks(), *finish(steps=150)).code == 0
    assert run("predict", files.folder / "cells.tif", "--model", files.folder / "tuned-instance").code == 0
    found = read_segmentation(files.folder / "cells_labels.tif")
    of = dict(zip(found.objects.label.tolist(), found.objects.class_id.tolist(), strict=True))
    middle = {n: of[int(np.median(found.labels[objects == n]))] for n in KINDS}
    assert middle == KINDS


def test_without_a_class_the_strokes_are_refused_with_the_names(run, mixed):
    marks, finish, _ = mixed
    got = run(*marks(), *finish())
    assert got.code == 2
    assert "6 of the painted objects have no class" in got.err
    assert "1 (cell), 2 (debris)" in got.err


def test_an_area_is_painted_beside_objects(run, files, make_bundle):
    image, objects = files.scene()
    strokes = np.where(objects > 0, objects, 0).astype(np.uint16)
    strokes[17:22], strokes[0] = 60, 65535
    rows = "".join(f"{n},cell\n" for n in range(1, 7)) + "60,tissue\n"
    (files.folder / "strokes.objects.csv").write_text("label,name\n" + rows)
    bundle = make_bundle("panoptic", names=("cell", "tissue"), stuff=("tissue",))
    got = run(
        *("finetune", files.write("cells.tif", image), files.write("strokes.tif", strokes), "--model", bundle),
        *("--output", files.folder / "tuned", "--steps", "3", "--batch", "1", "--device", "cpu"),
    )
    assert got.code == 0, got.err
    assert learnt(files.folder / "tuned") == {0, 1, 2}


@pytest.mark.parametrize("said", [True, False])
def test_the_classes_of_an_edited_result_come_from_the_table_beside_it(run, files, mixed, said):
    marks, finish, objects = mixed
    before = np.where(np.isin(objects, (1, 2)), 0, objects)
    files.write("result.tif", objects)
    if said:
        (files.folder / "result.objects.csv").write_text(
            "label,class,name\n" + "".join(f"{n},{k},\n" for n, k in KINDS.items())
        )
    got = run(
        marks()[0],
        marks()[1],
        *("--result", files.folder / "result.tif", "--before", files.write("before.tif", before)),
        *finish(),
    )
    assert got.code == (0 if said else 2)
    if said:
        assert learnt(files.folder / "tuned-instance") >= {1, 2}
    else:
        assert "2 of the objects of the result have no class" in got.err


def test_points_and_boxes_may_name_their_class(tmp_path):
    two = ClassTable.named(["cell", "debris"])
    (tmp_path / "p.csv").write_text("y,x,class\n2,1,debris\n")
    (tmp_path / "b.json").write_text('[{"box": [[0, 4], [2, 6]], "class": "debris"}]')
    assert read_points(tmp_path / "p.csv", 2, two)["point_class"] == (2,)
    assert read_boxes(tmp_path / "b.json", 2, two)["box_class"] == (2,)
    for read, name in ((read_points, "p.csv"), (read_boxes, "b.json")):
        with pytest.raises(InputError, match=r"no such class. Got 'debris'. Accepted: 0 or background, 1 or cell"):
            read(tmp_path / name, 2, ClassTable.named(["cell"]))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_points(tmp_path / "none.csv", 2)
