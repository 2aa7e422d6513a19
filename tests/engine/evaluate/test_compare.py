"""Comparing a result with the truth, object by object: cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_segplugin.core import (
    ClassInfo,
    ClassTable,
    InputError,
    Kind,
    ObjectTable,
    Segmentation,
    Stage,
    Step,
    Task,
    drain,
)
from napari_segplugin.engine.evaluate.compare import FALSE, HIT, MISSED, compare
from napari_segplugin.engine.evaluate.compare_files import evaluate_files
from napari_segplugin.io import write_segmentation


def segmentation(labels, task=Task.INSTANCE, kinds=None, names=("cell",), axes=None) -> Segmentation:
    labels = np.asarray(labels)
    table = ObjectTable.of(labels)
    if kinds is not None:
        table = replace(table, class_id=np.array([kinds[int(n)] for n in table.label], np.int64))
    classes = ClassTable.named(names, Kind.STUFF if task is Task.SEMANTIC else Kind.THING)
    axes = axes or "ZYX"[-labels.ndim :]
    size = (0.5,) * sum(a in "ZYX" for a in axes)
    return Segmentation(task, labels, table, classes, axes, size, "um")


def squares() -> tuple[np.ndarray, np.ndarray]:
    """Truth: 1, 2, 3. Result: 10 is 1 exactly, 20 is 2 less a row, 3 is missed, 40 is false."""
    truth, result = np.zeros((20, 30), int), np.zeros((20, 30), int)
    truth[2:6, 2:6], truth[2:6, 10:14], truth[12:16, 2:6] = 1, 2, 3
    result[2:6, 2:6], result[2:5, 10:14], result[12:16, 20:24] = 10, 20, 40
    return truth, result


def test_each_object_has_a_row() -> None:
    truth, result = squares()
    found = drain(compare(segmentation(result), segmentation(truth)))
    table = found.objects
    rows = list(zip(table["label"].values, table["truth"].values, table["outcome"].values, strict=True))
    assert rows == [(10, 1, "hit"), (20, 2, "hit"), (0, 3, "missed"), (40, 0, "false")]
    assert table["iou"].values.tolist() == [1.0, 0.75, 0.0, 0.0]
    assert table["dice"].values.tolist() == [1.0, pytest.approx(6 / 7), 0.0, 0.0]
    # the last row of object 2 is one pixel of 0.5 µm from the result's surface
    assert table["hd95"].values[:2].tolist() == [0.0, 0.5]
    assert table["assd"].title == "ASSD (µm)"
    assert table["nsd"].values[:2].tolist() == [1.0, 1.0]
    assert np.isnan(table["hd95"].values[2:]).all()
    assert table["area"].values.tolist() == [4.0, 3.0, 4.0, 4.0]
    assert table.boxes[1].tolist() == [[2, 10], [6, 14]]
    assert all(c.definition for c in table)


def test_the_overlay_shows_whole_objects() -> None:
    truth, result = squares()
    overlay = drain(compare(segmentation(result), segmentation(truth))).overlay
    expected = np.zeros_like(truth)
    expected[2:6, 2:6], expected[2:5, 10:14], expected[12:16, 2:6], expected[12:16, 20:24] = HIT, HIT, MISSED, FALSE
    assert np.array_equal(overlay, expected)


def test_the_report_holds_objects_foreground_and_means() -> None:
    truth, result = squares()
    found = drain(compare(segmentation(result), segmentation(truth), tolerance=0.25))
    value = found.report.value
    assert value("AP@0.5") == 2 / 4
    assert value("Recall@0.5") == pytest.approx(2 / 3)
    assert value("Dice", "foreground") == pytest.approx(2 * 28 / (48 + 44))
    assert value("IoU of matched objects") == 0.875
    assert value("HD95 of matched objects") == 0.25
    assert value("NSD of matched objects") == pytest.approx((1 + (22 - 6) / 22) / 2)
    names = {r.title for r in found.report.rows}
    wanted = {
        "Dice",
        "IoU",
        "AP@0.5",
        "mean AP@0.5–0.95",
        "PQ",
        "SQ",
        "RQ",
        "AJI",
        "HD95",
        "ASSD",
        "NSD",
        "Boundary F1",
    }
    assert wanted <= names
    assert all(r.definition for r in found.report.rows)
    assert found.curve[0] == (0.5, 0.5)
    assert found.curve[-1] == (0.95, 0.2)


def test_without_distances_there_are_none() -> None:
    truth, result = squares()
    found = drain(compare(segmentation(result), segmentation(truth), surfaces=False))
    assert "hd95" not in found.objects
    assert not [r for r in found.report.rows if r.title.startswith(("HD95", "NSD"))]


def test_each_class_of_objects_is_judged() -> None:
    truth, result = squares()
    names = ("cell", "bud")
    one = segmentation(result, kinds={10: 1, 20: 2, 40: 2}, names=names)
    other = segmentation(truth, kinds={1: 1, 2: 2, 3: 2}, names=names)
    found = drain(compare(one, other))
    assert found.report.value("AP@0.5", "cell") == 1.0
    assert found.report.value("AP@0.5", "bud") == pytest.approx(1 / 3)
    assert found.objects["class"].values.tolist() == ["cell", "bud", "bud", "bud"]


def test_a_panoptic_match_needs_the_same_class() -> None:
    truth, result = squares()
    classes = ClassTable((*ClassTable.named(["cell", "bud"]).classes, ClassInfo(3, "water", "#0072b2", Kind.STUFF)))
    truth[18:], result[17:] = 9, 90
    one = replace(segmentation(result, Task.PANOPTIC, {10: 2, 20: 1, 40: 1, 90: 3}, ("a", "b", "c")), classes=classes)
    other = replace(segmentation(truth, Task.PANOPTIC, {1: 1, 2: 1, 3: 1, 9: 3}, ("a", "b", "c")), classes=classes)
    found = drain(compare(one, other))
    outcomes = dict(zip(found.objects["label"].values, found.objects["outcome"].values, strict=True))
    assert outcomes[10] == "false"
    assert outcomes[20] == "hit"
    assert outcomes[90] == "hit"
    assert found.report.value("PQ", "water") == pytest.approx(2 / 3)
    assert found.report.value("AP@0.5") == 2 / 4, "things only, whatever their class"


def test_semantic_classes_make_an_overlay_voxel_by_voxel() -> None:
    truth, result = np.array([[0, 1, 1, 2, 0]]), np.array([[0, 1, 2, 0, 1]])
    names = ("axon", "myelin")
    found = drain(
        compare(segmentation(result, Task.SEMANTIC, names=names), segmentation(truth, Task.SEMANTIC, names=names))
    )
    assert found.overlay.tolist() == [[0, HIT, MISSED, MISSED, FALSE]]
    assert found.report.value("IoU", "axon") == pytest.approx(1 / 3)
    assert len(found.objects) == 0
    assert found.curve == ()


def test_time_points_are_matched_apart() -> None:
    truth, result = squares()
    films = np.stack([result, truth * 10]), np.stack([truth, truth])
    found = drain(compare(*(segmentation(f, axes="TYX") for f in films)))
    assert found.overlay.shape == films[0].shape
    assert found.objects["frame"].values.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert (found.objects["outcome"].values == "hit").sum() == 5
    assert found.report.value("AP@0.5, mean over images") == pytest.approx((0.5 + 1) / 2)
    assert found.report.value("AP@0.5, pooled over images") == 5 / 7
    assert found.curve[0] == (0.5, 5 / 7)


def test_nothing_found_and_nothing_there() -> None:
    truth, _ = squares()
    found = drain(compare(segmentation(truth * 0), segmentation(truth)))
    assert found.objects["outcome"].values.tolist() == ["missed"] * 3
    empty = drain(compare(segmentation(truth * 0), segmentation(truth * 0)))
    assert len(empty.objects) == 0
    assert np.isnan(empty.report.value("AP@0.5"))


def test_the_truth_may_have_no_classes_of_its_own() -> None:
    truth, result = squares()
    found = drain(compare(segmentation(result, names=("nucleus",)), segmentation(truth, names=("object",))))
    assert found.report.value("AP@0.5") == 0.5
    assert set(found.objects["class"].values) == {"nucleus"}


def test_another_image_is_refused() -> None:
    truth, result = squares()
    with pytest.raises(InputError, match="do not belong to the same image"):
        drain(compare(segmentation(result), segmentation(truth[:5])))


def test_it_says_how_far_it_is_and_can_be_stopped() -> None:
    truth, result = squares()
    job = compare(segmentation(result), segmentation(truth))
    events = [next(job) for _ in range(4)]
    assert [type(e) for e in events[:2]] == [Stage, Step]
    job.close()


# --- folders ----------------------------------------------------------------------------------------------------------


def test_folders_give_pooled_and_mean_numbers(tmp_path) -> None:
    truth, result = squares()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    for name, labels in (("one", result), ("two", truth)):
        write_segmentation(segmentation(labels), tmp_path / "a" / f"{name}_labels.tif")
        np.save(tmp_path / "b" / f"{name}.npy", truth)
    seen = []
    report = drain(evaluate_files(tmp_path / "a", tmp_path / "b", task="instance"), seen.append)
    assert report.value("AP@0.5, mean over images") == 0.75
    assert report.value("AP@0.5, pooled over images") == 5 / 7
    assert Step(2, 2) in seen
    semantic = drain(evaluate_files(tmp_path / "b", tmp_path / "b", task="semantic", tolerance=1.0))
    assert semantic.value("IoU, mean over images", "class 1") == 1


def test_panoptic_files_bring_their_classes(tmp_path) -> None:
    truth, _ = squares()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_segmentation(segmentation(truth, Task.PANOPTIC), tmp_path / folder / "x.tif")
    assert (
        drain(evaluate_files(tmp_path / "a", tmp_path / "b", task="panoptic")).value("PQ, mean over images", "cell")
        == 1
    )


def test_folders_that_are_not_there_or_empty(tmp_path) -> None:
    with pytest.raises(InputError, match="There is no such file or folder"):
        drain(evaluate_files(tmp_path / "no", tmp_path, task="instance"))
    with pytest.raises(InputError, match="no files to compare"):
        drain(evaluate_files(tmp_path, tmp_path, task="instance"))
