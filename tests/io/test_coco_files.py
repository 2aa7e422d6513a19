"""COCO instances and panoptic files, read back by pycocotools, by Pillow and by ourselves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image as pillow

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    InputError,
    Kind,
    ObjectTable,
    Segmentation,
    SegPluginError,
    Task,
)
from napari_segplugin.io import read_labels, read_segmentation, write_segmentation
from napari_segplugin.io.coco import _compress, _expand

CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#00000000", Kind.STUFF),
        ClassInfo(1, "cell", "#e69f00"),
        ClassInfo(2, "tissue", "#56b4e9", Kind.STUFF),
    )
)


def scene(axes: str = "YX") -> np.ndarray:
    """A plain object, one with a hole, one in two parts, and stuff."""
    labels = np.zeros((3, 20, 30), np.int32)
    labels[:, 15:, :] = 9
    labels[:, 2:8, 3:11] = 2
    labels[:, 4:6, 5:8] = 0
    labels[0, 1:4, 20:24] = 300
    labels[1:, 9:12, 20:24] = 70000
    labels[:, 10, 2] = labels[:, 12, 5] = 4
    return labels if axes == "ZYX" else labels[0]


def segmentation(axes: str = "YX", task: Task = Task.PANOPTIC) -> Segmentation:
    labels = scene(axes)
    table = ObjectTable.of(labels)
    kinds = np.where(table.label == 9, 2, 1)
    scores = np.linspace(0.5, 1, len(table)).astype(np.float32)
    scores[0] = np.nan
    table = ObjectTable(table.label, kinds, scores, table.status)
    return Segmentation(task, labels, table, CLASSES, axes, (2.0, 0.5, 0.5)[-len(axes) :], "um")


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_pycocotools_gets_the_masks_back(tmp_path, axes) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path, *_ = write_segmentation(segmentation(axes), tmp_path / "a.coco.json")
    file = coco.COCO(str(path))
    planes = np.atleast_3d(scene(axes)) if axes == "YX" else scene(axes)
    planes = scene(axes)[None] if axes == "YX" else planes
    for number, plane in enumerate(planes, 1):
        back = np.zeros_like(plane)
        for entry in file.loadAnns(file.getAnnIds(imgIds=number)):
            mask = file.annToMask(entry).astype(bool)
            assert entry["area"] == mask.sum()
            rows, columns = np.nonzero(mask)
            size = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert entry["bbox"] == [int(n) for n in size]
            back[mask] = entry["object_id"]
        assert np.array_equal(back, plane)
    assert {c["name"] for c in file.loadCats(file.getCatIds())} == {"cell", "tissue"}


def test_holes_are_run_lengths_and_the_rest_polygons(tmp_path) -> None:
    path, *_ = write_segmentation(segmentation(), tmp_path / "a.coco.json")
    kinds = {e["object_id"]: type(e["segmentation"]) for e in json.loads(path.read_text())["annotations"]}
    assert kinds == {2: dict, 4: list, 9: list, 300: list}


@pytest.mark.parametrize("extension", [".coco.json", ".panoptic.json"])
@pytest.mark.parametrize("axes", ["YX", "ZYX"])
@pytest.mark.parametrize("task", list(Task))
def test_labels_classes_and_scores_come_back(tmp_path, extension, axes, task) -> None:
    seg = segmentation(axes, task)
    path, *_ = write_segmentation(seg, tmp_path / f"a{extension}")
    assert np.array_equal(read_labels(path)[0], seg.labels)
    back = read_segmentation(path)
    assert (back.task, back.axes, back.spacing, back.unit) == (task, axes, seg.spacing, "um")
    assert np.array_equal(back.labels, seg.labels)
    assert [(c.name, c.kind) for c in back.classes] == [(c.name, c.kind) for c in CLASSES]
    assert back.objects.class_id.tolist() == seg.objects.class_id.tolist()
    np.testing.assert_allclose(back.objects.score, seg.objects.score, atol=1e-6)


def test_panoptic_png_holds_the_numbers_as_colours(tmp_path) -> None:
    seg = segmentation("ZYX")
    path, folder, *_ = write_segmentation(seg, tmp_path / "a.panoptic.json")
    assert sorted(p.name for p in folder.iterdir()) == [f"a_z000{i}.png" for i in range(3)]
    about = json.loads(path.read_text())
    for plane, entry in zip(seg.labels, about["annotations"], strict=True):
        colors = np.asarray(pillow.open(folder / entry["file_name"])).astype(int)
        numbers = colors[..., 0] + 256 * colors[..., 1] + 256**2 * colors[..., 2]
        assert np.array_equal(numbers, plane)
        assert {s["id"]: s["area"] for s in entry["segments_info"]} == {
            int(n): int((plane == n).sum()) for n in np.unique(plane) if n
        }
    assert [(c["isthing"], c["color"]) for c in about["categories"]] == [(1, [230, 159, 0]), (0, [86, 180, 233])]


def test_panoptic_labels_of_more_than_three_bytes_are_refused(tmp_path, make_segmentation) -> None:
    with pytest.raises(InputError, match="below 16777216"):
        write_segmentation(make_segmentation(np.full((9, 11), 2**24), "YX"), tmp_path / "a.panoptic.json")
    assert not list(tmp_path.iterdir())


def test_a_foreign_file_is_read(tmp_path) -> None:
    ring = [1.2, 1.0, 5.0, 1.0, 5.0, 4.0, 1.0, 4.0]
    about = {
        "images": [{"id": 77, "height": 6, "width": 8, "file_name": "x.jpg"}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            {"id": 5, "image_id": 77, "category_id": 90, "segmentation": [ring], "iscrowd": 0},
            {"id": 6, "image_id": 77, "category_id": 18, "segmentation": {"size": [6, 8], "counts": [36, 2, 10]}},
        ],
    }
    (tmp_path / "dogs.coco.json").write_text(json.dumps(about))
    back = read_segmentation(tmp_path / "dogs.coco.json")
    assert [c.name for c in back.classes] == ["background", "dog", "cat"]
    assert back.objects.class_id.tolist() == [2, 1]
    assert np.argwhere(back.labels == 2).tolist() == [[0, 6], [1, 6]]
    assert (back.labels == 1).sum() == 12


@pytest.mark.parametrize(("sizes", "words"), [([(4, 4), (5, 5)], "differ in size"), ([(4, 4)] * 2, "belong together")])
@pytest.mark.parametrize("kind", ["coco", "panoptic"])
def test_files_of_many_pictures_are_refused(tmp_path, sizes, words, kind) -> None:
    images = [{"id": i, "height": h, "width": w, "file_name": f"{i}.jpg"} for i, (h, w) in enumerate(sizes)]
    annotations = []
    if kind == "panoptic":
        (tmp_path / "a.panoptic").mkdir()
        for i, size in enumerate(sizes):
            pillow.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / "a.panoptic" / f"{i}.png")
            annotations.append({"image_id": i, "file_name": f"{i}.png", "segments_info": []})
    about = {"images": images, "annotations": annotations, "categories": []}
    (tmp_path / f"a.{kind}.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=words):
        read_labels(tmp_path / f"a.{kind}.json")


def test_damaged_json_is_a_sentence(tmp_path) -> None:
    for name in ("a.coco.json", "b.panoptic.json"):
        (tmp_path / name).write_text('{"images": [')
        with pytest.raises(InputError, match="cannot be read as JSON"):
            read_segmentation(tmp_path / name)


def test_run_lengths_as_pycocotools_writes_them() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        plane = (rng.random((37, 53)) < share).astype(np.uint8)
        code = mask.encode(np.asfortranarray(plane))["counts"].decode()
        assert _compress(_expand(code)) == code
        counts = _expand(code)
        assert np.array_equal(np.repeat(np.arange(len(counts)) % 2, counts).reshape(53, 37).T, plane)


@pytest.mark.parametrize("extension", [".coco.json", ".panoptic.json"])
def test_a_number_with_two_categories_in_a_stack_is_refused(tmp_path, extension) -> None:
    path, *_ = write_segmentation(segmentation("ZYX"), tmp_path / f"a{extension}")
    about = json.loads(path.read_text())
    segments = about["annotations"] if extension == ".coco.json" else about["annotations"][1]["segments_info"]
    next(s for s in reversed(segments) if s.get("object_id", s["id"]) == 2)["category_id"] = 2
    path.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"Object 2 has different categories.*1 and 2"):
        read_segmentation(path)


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        ("coco", ("info", "shape"), [[1, 2], [3]], "'info' → 'shape' → item 1"),
        ("coco", ("info", "shape"), [float("nan"), 3], "'info' → 'shape' → item 1"),
        ("coco", ("info", "spacing"), {"X": [1]}, "'info' → 'spacing' → 'X'"),
        ("coco", ("info", "spacing"), {"X": -1}, "'info' → 'spacing' → 'X'"),
        ("coco", ("info", "task"), "x", "'semantic' or 'instance' or 'panoptic'"),
        ("coco", ("info", "axes"), "QQ", "axis order is not understood"),
        ("coco", ("images",), {}, "at 'images'"),
        ("coco", ("images", 0, "height"), 0, "a number from 1"),
        ("coco", ("images", 0, "height"), 2**31 - 1, "does not fit into memory"),
        ("coco", ("annotations", 0, "category_id"), None, "'category_id'. Accepted: a whole number"),
        ("coco", ("annotations", 0, "object_id"), 2**70, "'object_id'"),
        (
            "coco",
            ("annotations", 0, "segmentation"),
            {"size": [9, 11], "counts": [10**15, 5]},
            "not of the size of its image",
        ),
        (
            "coco",
            ("annotations", 0, "segmentation"),
            {"size": [9, 11], "counts": [-1, 100]},
            "not of the size of its image",
        ),
        ("coco", ("annotations", 0, "segmentation"), [[1e308, -1e400, 3]], "at 'annotations'"),
        ("panoptic", ("categories", 0), -1e308, "'categories' → item 1"),
        ("panoptic", ("categories", 0, "color"), 1e308, "'color'. Accepted: a list or null|'color'"),
        ("panoptic", ("categories", 0, "color"), [1, 2], "'color'"),
        ("panoptic", ("annotations", 0, "segments_info", 0, "id"), "1", "'id'. Accepted: a whole number"),
        ("panoptic", ("annotations", 0, "file_name"), 3, "'file_name'. Accepted: a text"),
    ],
)
def test_json_of_another_kind_is_told_with_its_place(tmp_path, make_segmentation, kind, path, value, words) -> None:
    labels = np.zeros((9, 11), int)
    labels[2:5, 3:7] = 1
    file = write_segmentation(make_segmentation(labels, "YX"), tmp_path / f"a.{kind}.json")[0]
    about = json.loads(file.read_text())
    home = about
    for key in path[:-1]:
        home = home[key]
    home[path[-1]] = value
    file.write_text(json.dumps(about))
    with pytest.raises(SegPluginError, match=words):
        read_segmentation(file)


@pytest.mark.parametrize("kind", ["coco", "panoptic"])
def test_a_file_without_categories_says_what_it_lacks(tmp_path, make_segmentation, kind) -> None:
    file = write_segmentation(make_segmentation(np.ones((9, 11), int), "YX"), tmp_path / f"a.{kind}.json")[0]
    about = json.loads(file.read_text())
    del about["categories"]
    file.write_text(json.dumps(about))
    with pytest.raises(InputError, match="uses categories that it does not define"):
        read_segmentation(file)
