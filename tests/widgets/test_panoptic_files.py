"""A panoptic result goes to a COCO file by the dock and comes back by napari's own way of opening files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
from dock_helpers import wait_idle

pytest.importorskip("torch")

from napari_segplugin.core import ClassInfo, ClassTable, Image, Kind, ObjectTable, Segmentation, Task
from napari_segplugin.engine.session import Session
from napari_segplugin.io import load_sample
from napari_segplugin.viewer.results import show_result

pytestmark = pytest.mark.qt
CLASSES = ClassTable(
    (
        ClassInfo(0, "background", "#000000", Kind.STUFF),
        ClassInfo(1, "nucleus", "#ff8800", Kind.THING),
        ClassInfo(2, "halo", "#00aaff", Kind.STUFF),
    )
)


def panoptic() -> tuple[Image, Segmentation]:
    """The sample's nuclei as things, and a rim around them as stuff."""
    from scipy import ndimage as ndi

    sample = load_sample("nuclei2d")
    labels = np.asarray(sample.truth).astype(np.int32)
    halo = int(labels.max()) + 1
    labels = np.where((labels == 0) & ndi.binary_dilation(labels > 0, iterations=3), halo, labels)
    numbers = np.unique(labels)[1:]
    table = ObjectTable(
        numbers, np.where(numbers == halo, 2, 1), np.full(len(numbers), 0.75, np.float32), ("predicted",) * len(numbers)
    )
    image = sample.image
    return image, Segmentation(
        Task.PANOPTIC, labels, table, CLASSES, "YX", image.canonical_spacing, image.unit, "made", {}
    )


@pytest.fixture
def dock(make_napari_viewer: Any, qtbot: Any, tmp_path: Path) -> Iterator[Any]:
    from napari_segplugin.widgets.dock import SegmentationDock

    viewer = make_napari_viewer()
    found = SegmentationDock(viewer, session=Session(tmp_path / "session"))
    viewer.window.add_dock_widget(found, name="Segmentation")
    yield found
    wait_idle(qtbot, found)


def test_out_by_the_dock_and_in_by_napari(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    image, segmentation = panoptic()
    layer = dock.viewer.add_image(np.asarray(image.array), name="cells")
    qtbot.waitUntil(lambda: dock.image_step.ready, timeout=5000)
    result = show_result(dock.viewer, segmentation, layer, "YX")
    result.model = "made"
    dock.desk.add(result)
    dock.refresh()
    qtbot.waitUntil(lambda: dock.edits.target is not None, timeout=5000)
    dock.views.show("panoptic", True)
    first = int(np.unique(result.layer.data)[1])
    result.layer.data_setitem(np.nonzero(np.asarray(result.layer.data) == first), 0)  # an object is taken away

    path = tmp_path / "cells.panoptic.json"
    dock.saving.save(str(path))
    qtbot.waitUntil(path.is_file, timeout=10000)
    wait_idle(qtbot, dock)

    about = json.loads(path.read_text())
    (annotation,) = about["annotations"]
    colors = imageio.imread(tmp_path / "cells.panoptic" / annotation["file_name"]).astype(int)
    numbers = colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]
    np.testing.assert_array_equal(numbers, result.layer.data)
    assert first not in {s["id"] for s in annotation["segments_info"]}
    for segment in annotation["segments_info"]:
        mask = numbers == segment["id"]
        rows, columns = np.nonzero(mask)
        x, y, wide, high = segment["bbox"]
        assert segment["area"] == mask.sum()
        assert (x, y, x + wide, y + high) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert {c["name"]: c["isthing"] for c in about["categories"]} == {"nucleus": 1, "halo": 0}

    (opened,) = dock.viewer.open(str(path), plugin="napari-segplugin")
    np.testing.assert_array_equal(opened.data, result.layer.data)
    kinds = dict(zip(opened.features["label"].tolist(), opened.features["class"].tolist(), strict=True))
    assert {kinds[s["id"]] for s in annotation["segments_info"]} == {"nucleus", "halo"}
    assert kinds[int(segmentation.objects.label[-1])] == "halo"


def other_tool(
    folder: Path,
    name: str = "val.panoptic",
    *,
    unknown: bool = False,
    lost: bool = False,
    missing: bool = False,
    undrawn: bool = False,
    crowd: bool = False,
) -> Path:
    """A file as the COCO page describes it: an image, one thing and one stuff, colours and extra fields."""
    (folder / name).mkdir()
    annotations, images = [], []
    for number in (2,):
        colors = np.zeros((6, 8, 3), np.uint8)
        colors[1:3, 1:4] = (number, 1, 0)  # 256 + number
        colors[4:, :] = (0, 0, 1)  # 65536
        picture = f"{number:012d}.png"
        if undrawn:
            colors[4:, :] = 0
        if not missing:
            imageio.imwrite(folder / name / picture, colors)
        segments = [
            {
                "id": 256 + number,
                "category_id": 9 if unknown else 1,
                "area": 6,
                "bbox": [1, 1, 3, 2],
                "iscrowd": int(crowd),
            },
            {"id": 65536, "category_id": 200, "area": 16, "bbox": [0, 4, 8, 2], "iscrowd": 0},
        ]
        annotations.append({"image_id": number, "file_name": picture, "segments_info": segments[: 1 if lost else 2]})
        images.append({"id": number, "width": 8, "height": 6, "file_name": f"{number:012d}.jpg", "license": 1})
    categories = [
        {"id": 1, "name": "person", "supercategory": "person", "isthing": 1, "color": [220, 20, 60]},
        {"id": 200, "name": "rug-merged", "supercategory": "floor", "isthing": 0, "color": [206, 186, 171]},
    ]
    about = {
        "info": {"year": 2017},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(about))
    return path


@pytest.mark.parametrize("name", ["val.panoptic", "panoptic_val2017"])
def test_a_file_of_another_tool_opens_with_its_classes(make_napari_viewer: Any, tmp_path: Path, name: str) -> None:
    viewer = make_napari_viewer()
    (layer,) = viewer.open(str(other_tool(tmp_path, name)), plugin="napari-segplugin")
    assert layer.data.shape == (6, 8)
    assert np.unique(layer.data).tolist() == [0, 258, 65536]
    kinds = dict(zip(layer.features["label"].tolist(), layer.features["class"].tolist(), strict=True))
    assert (kinds[258], kinds[65536]) == ("person", "rug-merged")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ({"unknown": True}, "9"),
        ({"lost": True}, "65536"),
        ({"missing": True}, "000000000002.png"),
        ({"undrawn": True}, "65536"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, harm: dict[str, bool], words: str) -> None:
    from napari_segplugin.core import InputError
    from napari_segplugin.io import read_segmentation

    with pytest.raises(InputError, match=words):
        read_segmentation(other_tool(tmp_path, **harm))


def test_a_crowd_stays_a_crowd(tmp_path: Path) -> None:
    from napari_segplugin.io import read_segmentation, write_segmentation

    found = read_segmentation(other_tool(tmp_path, crowd=True))
    assert dict(zip(found.objects.label.tolist(), found.objects.status, strict=True)) == {
        258: "crowd",
        65536: "predicted",
    }
    for name in ("again.panoptic.json", "again.coco.json"):
        path, *_ = write_segmentation(found, tmp_path / name)
        again = read_segmentation(path)
        assert again.objects.status == found.objects.status


@pytest.mark.parametrize("text", ["", "{}", "[1, 2", '{"images": 1}'])
def test_other_json_is_left_to_other_readers(tmp_path: Path, text: str) -> None:
    from napari_segplugin.viewer.readers import get_reader

    (tmp_path / "a.json").write_text(text)
    assert get_reader(str(tmp_path / "a.json")) is None
    assert get_reader(str(tmp_path / "missing.json")) is None
